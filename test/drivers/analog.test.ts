import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { LampConfig } from '../../firmware/board.ts';
import { AnalogDriver } from '../../firmware/drivers/analog.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim } from '../../sim/index.ts';

const dim = { pin: 'DIM', hz: 1000, inverted: false, fullScale: 10, minimum: 1, maximum: 10 };
const config: LampConfig = {
  dim,
  relay: { pin: 'RELAY', activeLow: false },
  minimumLevel: 10,
  defaultLevel: 100,
  minimumOffTime: 10_000,
  dischargeTime: 1_500,
  softStart: 0,
};

function bench(changes: Partial<LampConfig> = {}) {
  const hal = openSim();
  const changed = sinon.spy();
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const driver = new AnalogDriver(hal, schedule, { ...config, ...changes }, { changed });
  const volts = () => Math.round((hal.pins.state('DIM') ?? 0) * 10_000) / 1000;
  return { hal, driver, changed, volts, run: (ms: number) => hal.clock.run(ms), relay: () => hal.pins.state('RELAY') };
}

describe('a dimming driver behind a relay', () => {
  // Source: IEC 60929 Annex E, linear between the voltages of the minimum level and of 100 %.
  const cases = [
    { minimum: 1, maximum: 10, minimumLevel: 10, level: 10, volts: 1 },
    { minimum: 1, maximum: 10, minimumLevel: 10, level: 55, volts: 5.5 },
    { minimum: 1, maximum: 10, minimumLevel: 10, level: 100, volts: 10 },
    { minimum: 1, maximum: 10, minimumLevel: 0, level: 50, volts: 5.5 },
    { minimum: 0, maximum: 10, minimumLevel: 0, level: 50, volts: 5 },
    { minimum: 1, maximum: 8, minimumLevel: 5, level: 30, volts: 2.842 },
  ];
  for (const { minimum, maximum, minimumLevel, level, volts } of cases) {
    it(`gives ${volts} V for ${level} % on gear of ${minimum}..${maximum} V that dims to ${minimumLevel} %`, () => {
      const lamp = bench({ dim: { ...dim, minimum, maximum }, minimumLevel });
      lamp.driver.write(level);
      assert.equal(lamp.volts(), volts);
    });
  }

  // Source: IEC 62386-102, dimming curve: light % of arc levels, rounded to three decimals.
  const arcs: [minimumLevel: number, lowest: number, level: number, arc: number][] = [
    [10.091, 170, 10.091, 170],
    [10.091, 170, 13.26, 180],
    [10.091, 170, 19.971, 195],
    [10.091, 170, 30.079, 210],
    [10.091, 170, 50.531, 229],
    [10.091, 170, 70.121, 241],
    [10.091, 170, 100, 254],
    [0.1, 1, 0.991, 85],
    [0.1, 1, 3.035, 126],
    [0.1, 1, 50.531, 229],
  ];
  for (const [minimumLevel, lowest, level, arc] of arcs) {
    const volts = 1 + (9 * (arc - lowest)) / (254 - lowest);
    it(`gives ${volts.toFixed(3)} V for ${level} %, arc level ${arc} of ${lowest}..254, on logarithmic gear`, () => {
      const lamp = bench({ dim: { ...dim, curve: 'logarithmic' }, minimumLevel });
      lamp.driver.write(level);
      assert.ok(Math.abs(lamp.volts() - volts) <= 0.0015, `${lamp.volts()} V`);
    });
  }

  const points = [10, 1.5, 20, 3, 50, 6, 80, 8, 100, 9.5];
  const given = [
    { level: 10, volts: 1.5 },
    { level: 15, volts: 2.25 },
    { level: 20, volts: 3 },
    { level: 35, volts: 4.5 },
    { level: 90, volts: 8.75 },
    { level: 100, volts: 9.5 },
  ];
  for (const { level, volts } of given) {
    it(`gives ${volts} V for ${level} % on gear of five points, inverted ${10 - volts} V`, () => {
      for (const inverted of [false, true]) {
        const lamp = bench({ dim: { ...dim, inverted, curve: points } });
        lamp.driver.write(level);
        assert.equal(lamp.volts(), inverted ? 10 - volts : volts);
      }
    });
  }

  it('gives 2.25 V, the light of its minimum level of 15 %, for 3 % on gear of points that begin at 10 %', () => {
    const lamp = bench({ dim: { ...dim, curve: points }, minimumLevel: 15 });
    lamp.driver.write(3);
    assert.equal(lamp.volts(), 2.25);
  });

  it('drives an inverting output stage with the complement', () => {
    const lamp = bench({ dim: { ...dim, inverted: true } });
    lamp.driver.write(55);
    assert.equal(lamp.volts(), 4.5);
  });

  it('starts with the relay where the first level wants it, without a click', () => {
    const lit = bench();
    lit.driver.write(100);
    assert.deepEqual(lit.hal.pins.history('RELAY'), [{ time: 0, state: 1 }]);
    const dark = bench();
    dark.driver.write(0);
    assert.deepEqual(dark.hal.pins.history('RELAY'), [{ time: 0, state: 0 }]);
  });

  it('dims to 1 V first and opens the relay 1.5 s later', () => {
    const lamp = bench();
    lamp.driver.write(100);
    lamp.driver.write(0);
    assert.deepEqual([lamp.volts(), lamp.relay(), lamp.driver.level], [1, 1, 10]);
    lamp.run(1_499);
    assert.equal(lamp.relay(), 1);
    lamp.run(1);
    assert.deepEqual([lamp.relay(), lamp.driver.level, lamp.changed.callCount], [0, 0, 1]);
  });

  it('closes the relay again only 10 s after it opened, with the start level already on the wire', () => {
    const lamp = bench();
    lamp.driver.write(100);
    lamp.driver.write(0);
    lamp.run(2_000);
    lamp.driver.write(60);
    lamp.run(9_499);
    assert.deepEqual([lamp.relay(), lamp.driver.level, lamp.volts()], [0, 0, 6]);
    lamp.run(1);
    assert.deepEqual([lamp.relay(), lamp.driver.level], [1, 60]);
  });

  it('never opens the relay when the lamp is wanted again while the gear discharges', () => {
    const lamp = bench();
    lamp.driver.write(100);
    lamp.driver.write(0);
    lamp.run(1_000);
    lamp.driver.write(40);
    lamp.run(60_000);
    assert.deepEqual(lamp.hal.pins.history('RELAY'), [{ time: 0, state: 1 }]);
    assert.equal(lamp.driver.level, 40);
  });

  it('opens the relay 1.5 s after the first write of 0 %, whatever is repeated in between', () => {
    const lamp = bench();
    lamp.driver.write(100);
    for (let i = 0; i < 3; i++) {
      lamp.driver.write(0);
      lamp.run(500);
    }
    assert.deepEqual(lamp.hal.pins.history('RELAY').at(-1), { time: 1_500, state: 0 });
  });

  it('waits for the whole discharge of 1.5 s again when the lamp was lit in between', () => {
    const lamp = bench();
    lamp.driver.write(100);
    lamp.driver.write(0);
    lamp.run(1_000);
    lamp.driver.write(100);
    lamp.driver.write(0);
    lamp.run(1_499);
    assert.equal(lamp.relay(), 1);
    lamp.run(1);
    assert.equal(lamp.relay(), 0);
  });

  it('leaves the relay open when the lamp is switched off again before the 10 s are over', () => {
    const lamp = bench();
    lamp.driver.write(100);
    lamp.driver.write(0);
    lamp.run(2_000);
    lamp.driver.write(60);
    lamp.run(5_000);
    lamp.driver.write(0);
    lamp.run(60_000);
    assert.deepEqual([lamp.relay(), lamp.hal.pins.history('RELAY').length], [0, 2]);
    lamp.driver.write(60);
    lamp.run(0);
    assert.equal(lamp.relay(), 1);
  });

  it('closes 10 s after opening however often another level is asked for meanwhile', () => {
    const lamp = bench();
    lamp.driver.write(100);
    lamp.driver.write(0);
    lamp.run(1_500);
    for (let i = 0; i < 20; i++) {
      lamp.driver.write(20 + i);
      lamp.run(500);
    }
    assert.deepEqual(lamp.hal.pins.history('RELAY').at(-1), { time: 11_500, state: 1 });
    assert.equal(lamp.driver.level, 39);
  });

  it('closes at the level of the last write when several came during the off time', () => {
    const lamp = bench();
    lamp.driver.write(0);
    lamp.driver.write(30);
    lamp.driver.write(0);
    lamp.driver.write(80);
    lamp.run(10_000);
    assert.deepEqual([lamp.relay(), lamp.driver.level, lamp.volts()], [1, 80, 8]);
  });

  it('reports the minimum, not 0 %, for gear that has no relay to switch it off', () => {
    const lamp = bench({ relay: undefined });
    lamp.driver.write(0);
    assert.deepEqual([lamp.driver.level, lamp.volts()], [10, 1]);
  });

  it('switches gear without dim wires', () => {
    const lamp = bench({ dim: undefined });
    lamp.driver.write(40);
    assert.deepEqual([lamp.relay(), lamp.driver.level], [1, 40]);
  });
});
