import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { LampConfig, LightConfig } from '../../firmware/board.ts';
import { Lamp } from '../../firmware/control/lamp.ts';
import { Light } from '../../firmware/control/light.ts';
import { AnalogDriver } from '../../firmware/drivers/analog.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim, type SimHal } from '../../sim/index.ts';

const HOUR = 3_600_000;
const CLEANED = Date.UTC(2026, 0, 1);
const YEAR = 8760;

const config: LampConfig = {
  dim: { pin: 'DIM', hz: 1000, inverted: false, fullScale: 10, minimum: 1, maximum: 10 },
  relay: { pin: 'RELAY', activeLow: false },
  minimumLevel: 10,
  defaultLevel: 100,
  minimumOffTime: 10_000,
  dischargeTime: 1_000,
  softStart: 0,
};

/** A lamp of 1..10 V that dims to 10 %, on its real driver. */
function bench(light: LightConfig, hal: SimHal = openSim()) {
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const driver = new AnalogDriver(hal, schedule, config, { changed() {} });
  const lamp = new Lamp(hal.clock, schedule, driver, 10, { changed() {} }, 0, new Light(hal.clock, hal.storage, light));
  const volts = () => Math.round((hal.pins.state('DIM') ?? 0) * 10_000) / 1000;
  return {
    hal,
    lamp,
    volts,
    relay: () => hal.pins.state('RELAY'),
    run: (hours: number) => hal.clock.run(hours * HOUR),
  };
}

/** What storage holds after so many hours. */
function burnt(hours: number): SimHal {
  const hal = openSim();
  hal.storage.write('lit', Uint8Array.of(hours >>> 24, hours >>> 16, hours >>> 8, hours));
  return hal;
}

const storedHours = (hal: SimHal) => {
  const bytes = hal.storage.read('lit');
  return bytes && Buffer.from(bytes).readUInt32BE(0);
};

/** Clean since an hour: the factor is as it was set. */
const justCleaned = (percent: number) => [CLEANED, percent, CLEANED + 1e6 * HOUR, 100];

describe('the light of a command', () => {
  // Source: TALQ 2.7.1, LampType: virtual light output, CLO, maintenance factor, then the limits of the gear.
  const rows = [
    { virtual: 100, clo: 100, maintenance: 100, command: 50, volts: 5, relay: 1 },
    { virtual: 90, clo: 80, maintenance: 100, command: 100, volts: 7.2, relay: 1 },
    { virtual: 100, clo: 85, maintenance: 95, command: 10, volts: 1, relay: 1 },
    { virtual: 100, clo: 85, maintenance: 95, command: 100, volts: 8.075, relay: 1 },
    { virtual: 100, clo: 85, maintenance: 95, command: 0, volts: 1, relay: 0 },
  ];
  for (const { virtual, clo, maintenance, command, volts, relay } of rows) {
    const factors = `${virtual} % output, ${clo} % CLO and ${maintenance} % maintenance`;
    it(`is ${volts} V with the relay ${relay ? 'closed' : 'open'} for ${command} % with ${factors}, reported as ${command} %`, () => {
      const hal = openSim();
      hal.clock.setTime(CLEANED);
      const curve = clo === 100 ? undefined : [0, clo, 1e6, 100];
      const dirt = maintenance === 100 ? undefined : justCleaned(maintenance);
      const pole = bench({ virtualOutput: virtual, clo: curve, maintenance: dirt }, hal);
      pole.lamp.apply(command, 0);
      assert.deepEqual([pole.volts(), pole.relay(), pole.lamp.level], [volts, relay, command]);
    });
  }

  it('runs a ramp of commands: 5.4 V half way from 50 to 100 % with 72 %, reported as 75 %', () => {
    const { hal, lamp, volts } = bench({ virtualOutput: 72 });
    lamp.apply(50, 0);
    lamp.apply(100, 10_000);
    hal.clock.run(5_000);
    assert.deepEqual([volts(), lamp.level], [5.4, 75]);
  });

  // The relay opens 1 s after the lowest level, and stays open for 10 s.
  it('reports 0 % while the relay waits to close, then the command', () => {
    const { hal, lamp } = bench({ virtualOutput: 72 });
    lamp.apply(100, 0);
    lamp.apply(0, 0);
    hal.clock.run(2_000);
    lamp.apply(100, 0);
    assert.equal(lamp.level, 0);
    hal.clock.run(9_000);
    assert.equal(lamp.level, 100);
  });

  it('is capped at 5 V by protection, which 100 % reports as 69 % of a lamp at 72 %, and 60 % as 60 %', () => {
    const { lamp, volts } = bench({ virtualOutput: 72 });
    lamp.apply(100, 0);
    lamp.cap = 50;
    lamp.run();
    assert.deepEqual([volts(), lamp.level], [5, 69]);
    lamp.apply(60, 0);
    assert.deepEqual([volts(), lamp.level], [4.32, 60]);
  });

  it('stays at the minimum of 1 V, lit, when protection leaves 1 %, and reports 14 % of a lamp at 72 %', () => {
    const { lamp, volts, relay } = bench({ virtualOutput: 72 });
    lamp.apply(100, 0);
    lamp.cap = 1;
    lamp.run();
    assert.deepEqual([volts(), relay(), lamp.level], [1, 1, 14]);
  });
});

describe('constant light output', () => {
  const clo = [0, 80, 5_000, 85, 10_000, 90, 15_000, 95, 20_000, 100];
  const vectors = [
    [0, 8],
    [2_500, 8.25],
    [12_345, 9.235], // 92.345 %
    [20_001, 10],
  ];
  for (const [hours, volts] of vectors) {
    it(`gives ${volts} V at 100 % after ${hours} h of a curve from 80 % to 100 % in 20,000 h`, () => {
      const pole = bench({ virtualOutput: 100, clo }, burnt(hours));
      pole.lamp.apply(100, 0);
      assert.equal(pole.volts(), volts);
      assert.equal(pole.lamp.level, 100);
    });
  }

  it('follows hour by hour while the lamp is lit: 5 V new, 5.5 V after 1 h, 10 V after 10 h', () => {
    const { lamp, volts, run } = bench({ virtualOutput: 100, clo: [0, 50, 10, 100] });
    lamp.apply(100, 0);
    assert.equal(volts(), 5);
    run(1);
    assert.equal(volts(), 5.5);
    run(9);
    assert.equal(volts(), 10);
  });

  it('does not age a lamp that is off', () => {
    const { lamp, volts, run } = bench({ virtualOutput: 100, clo: [0, 50, 10, 100] });
    lamp.apply(0, 0);
    run(8);
    lamp.apply(100, 0);
    assert.equal(volts(), 5);
  });

  it('ages a factor in the middle of a ramp of 2 h without restarting it', () => {
    const { lamp, volts, run } = bench({ virtualOutput: 100, clo: [0, 50, 10, 100] });
    lamp.apply(20, 0);
    lamp.apply(100, 2 * HOUR);
    run(2);
    assert.equal(lamp.level, 100);
    assert.equal(volts(), 6);
  });

  it('stores 2 h after 2 h of light, 3 h when the lamp goes off 1.5 h later, and goes on from there after a restart', () => {
    const first = bench({ virtualOutput: 100, clo });
    const write = sinon.spy(first.hal.storage, 'write');
    first.lamp.apply(100, 0);
    first.run(1.9);
    assert.equal(write.callCount, 0);
    first.run(0.2);
    assert.equal(storedHours(first.hal), 2);
    first.run(1.4);
    first.lamp.apply(0, 0);
    assert.deepEqual([storedHours(first.hal), write.callCount], [3, 2]);
    first.hal.reset('power');
    const second = bench({ virtualOutput: 100, clo }, first.hal);
    assert.equal(second.lamp.lit(), 3 * HOUR);
    second.lamp.apply(100, 0);
    second.run(2);
    second.lamp.apply(0, 0);
    assert.equal(storedHours(second.hal), 5);
  });

  it('loses less than 2 h a night where the feeder is switched off by day: 30 nights of 11.5 h are 300 h at least', () => {
    let pole = bench({ virtualOutput: 100, clo });
    for (let night = 0; night < 30; night++) {
      pole.lamp.apply(100, 0);
      pole.run(11.5);
      pole.hal.reset('power');
      pole = bench({ virtualOutput: 100, clo }, pole.hal);
    }
    const hours = storedHours(pole.hal) ?? 0;
    assert.ok(hours >= 300 && hours <= 345, `${hours} h`);
  });

  it('writes nothing for a switch-off after 59 minutes, nor for the next one 59 minutes later, if no hour is full', () => {
    const { hal, lamp, run } = bench({ virtualOutput: 100, clo });
    const write = sinon.spy(hal.storage, 'write');
    lamp.apply(100, 0);
    run(59 / 60);
    lamp.apply(0, 0);
    assert.equal(write.callCount, 0);
    run(1);
    lamp.apply(100, 0);
    run(59 / 60);
    lamp.apply(0, 0);
    assert.deepEqual([write.callCount, storedHours(hal)], [1, 1]);
  });

  it('stays lit when storage is full, and stores the hours when there is room again', () => {
    const { hal, lamp, volts, run } = bench({ virtualOutput: 100, clo: [0, 50, 10, 100] });
    const write = sinon.stub(hal.storage, 'write').throws(new Error('storage is full'));
    lamp.apply(100, 0);
    run(13);
    assert.ok(write.callCount > 0);
    assert.deepEqual([volts(), lamp.level], [10, 100]);
    write.restore();
    run(1);
    assert.equal(storedHours(hal), 14);
  });

  it('takes a stored record of the wrong length for a new lamp', () => {
    const hal = openSim();
    hal.storage.write('lit', Uint8Array.of(1, 2));
    assert.equal(bench({ virtualOutput: 100, clo }, hal).lamp.lit(), 0);
  });

  it('stores nothing on a board with a virtual light output only', () => {
    const { hal, lamp, run } = bench({ virtualOutput: 90 });
    lamp.apply(100, 0);
    run(30);
    lamp.apply(0, 0);
    assert.deepEqual(hal.storage.keys(), []);
  });
});

describe('the maintenance factor', () => {
  const maintenance = [CLEANED, 80, CLEANED + YEAR * HOUR, 100];
  const vectors: [string, number, number][] = [
    ['a day before the cleaning', -24, 8],
    ['on the day of the cleaning', 0, 8],
    ['half a year later', YEAR / 2, 9],
    ['a year later', YEAR, 10],
    ['two years later', 2 * YEAR, 10],
  ];
  for (const [when, hours, volts] of vectors) {
    it(`gives ${volts} V at 100 % ${when}, from 80 % to 100 % in a year`, () => {
      const hal = openSim();
      hal.clock.setTime(CLEANED + hours * HOUR);
      const pole = bench({ virtualOutput: 100, maintenance }, hal);
      pole.lamp.apply(100, 0);
      assert.equal(pole.volts(), volts);
    });
  }

  it('is 100 % while the clock is unknown, and follows within an hour after it was set', () => {
    const { hal, lamp, volts, run } = bench({ virtualOutput: 100, maintenance });
    lamp.apply(100, 0);
    assert.equal(volts(), 10);
    hal.clock.setTime(CLEANED + (YEAR / 2) * HOUR);
    run(1);
    assert.equal(volts(), 9);
  });
});
