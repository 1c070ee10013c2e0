import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { LampConfig } from '../../firmware/board.ts';
import { Lamp } from '../../firmware/control/lamp.ts';
import { AnalogDriver } from '../../firmware/drivers/analog.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim } from '../../sim/index.ts';

function bench(softStart = 0, minimum = 10) {
  const hal = openSim();
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const driver = {
    level: 0,
    write: sinon.spy((level: number) => {
      driver.level = level;
    }),
  };
  const changed = sinon.spy();
  const lamp = new Lamp(hal.clock, schedule, driver, minimum, { changed }, softStart);
  return { lamp, driver, changed, run: (ms: number) => hal.clock.run(ms) };
}

const HOUR = 3_600_000;

/** On gear of 1..10 V whose relay opens 1 s after the lowest level and stays open for 10 s; soft start 1 s. */
function behindRelay() {
  const hal = openSim();
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const config: LampConfig = {
    dim: { pin: 'DIM', hz: 1000, inverted: false, fullScale: 10, minimum: 1, maximum: 10 },
    relay: { pin: 'RELAY', activeLow: false },
    minimumLevel: 10,
    defaultLevel: 100,
    minimumOffTime: 10_000,
    dischargeTime: 1_000,
    softStart: 1_000,
  };
  const driver = new AnalogDriver(hal, schedule, config, { changed() {} });
  const lamp = new Lamp(hal.clock, schedule, driver, 10, { changed() {} }, config.softStart);
  const volts = () => Math.round((hal.pins.state('DIM') ?? 0) * 10_000) / 1000;
  return { lamp, volts, relay: () => hal.pins.state('RELAY'), run: (ms: number) => hal.clock.run(ms) };
}

describe('a lamp', () => {
  it('goes to a level at once without a ramp', () => {
    const { lamp, driver, changed } = bench();
    lamp.apply(70, undefined);
    assert.equal(driver.level, 70);
    assert.equal(changed.callCount, 1);
  });

  // Source: TALQ 2.7.1 §5.6, rampToLevelTime 10 s from 70 % to 30 %, rampFromLevelTime 20 s back.
  it('is at 50 % after 5 s and at 30 % after 10 s of a 10 s ramp from 70 % to 30 %, and back at 70 % 20 s later', () => {
    const { lamp, run } = bench();
    lamp.apply(70, undefined);
    lamp.apply(30, 10_000);
    run(5_000);
    assert.equal(lamp.level, 50);
    run(5_000);
    assert.equal(lamp.level, 30);
    lamp.apply(70, 20_000);
    run(10_000);
    assert.equal(lamp.level, 50);
    run(10_000);
    assert.equal(lamp.level, 70);
  });

  it('takes 20 steps a second on a ramp, all of them upward', () => {
    const { lamp, driver, run } = bench();
    lamp.apply(20, undefined);
    driver.write.resetHistory();
    lamp.apply(100, 1_000);
    run(1_000);
    const levels = driver.write.args.map(([level]) => level);
    assert.equal(levels.length, 21);
    for (let i = 1; i < levels.length; i++) assert.ok(levels[i] > levels[i - 1], `${levels}`);
  });

  it('leaves a ramp when a new command comes, from the level reached', () => {
    const { lamp, run } = bench();
    lamp.apply(100, undefined);
    lamp.apply(20, 8_000);
    run(4_000);
    lamp.apply(80, 2_000);
    run(1_000);
    assert.equal(lamp.level, 70);
    run(1_000);
    assert.equal(lamp.level, 80);
    run(10_000);
    assert.equal(lamp.level, 80);
  });

  it('never gives less than the minimum of 10 % to a lit command', () => {
    const { lamp, driver } = bench();
    lamp.apply(3, undefined);
    assert.equal(driver.level, 10);
  });

  it('starts a ramp from darkness at the minimum and ends a ramp to 0 % in darkness', () => {
    const { lamp, driver, run } = bench();
    lamp.apply(0, undefined);
    lamp.apply(100, 9_000);
    assert.equal(driver.level, 10);
    run(9_000);
    lamp.apply(0, 10_000);
    run(9_950);
    assert.equal(driver.level, 10);
    run(50);
    assert.equal(driver.level, 0);
  });

  it('caps a running ramp from 20 to 100 % at 50 % without restarting it, and gives the 100 % back at once', () => {
    const { lamp, driver, run } = bench();
    lamp.apply(20, undefined);
    lamp.apply(100, 8_000);
    run(4_000);
    assert.equal(driver.level, 60);
    lamp.cap = 50;
    lamp.run();
    assert.deepEqual([driver.level, lamp.level], [50, 50]);
    run(3_950);
    lamp.cap = 100;
    lamp.run();
    assert.equal(driver.level, 99.5);
    run(50);
    assert.equal(driver.level, 100);
    lamp.cap = 90;
    lamp.run();
    lamp.cap = 100;
    lamp.run();
    assert.deepEqual([driver.level, lamp.level], [100, 100]);
  });

  it('stays off when the cap changes', () => {
    const { lamp, driver } = bench();
    lamp.apply(0, undefined);
    lamp.cap = 1;
    lamp.run();
    assert.deepEqual([driver.level, lamp.level], [0, 0]);
  });

  it('never asks gear of 10 % for less when protection leaves its minimum', () => {
    const { lamp, driver } = bench();
    lamp.apply(100, undefined);
    lamp.cap = 1;
    lamp.run();
    assert.deepEqual([driver.level, lamp.level], [10, 10]);
  });

  it('stays lit at 1 % on gear that dims to 0 % when protection leaves its minimum', () => {
    const { lamp, driver } = bench(0, 0);
    lamp.apply(100, undefined);
    lamp.cap = 1;
    lamp.run();
    assert.equal(driver.level, 1);
  });

  it('starts softly from darkness: 10 % at once, 55 % after 0.5 s, 100 % after 1 s', () => {
    const { lamp, driver, run, changed } = bench(1_000);
    lamp.apply(0, undefined);
    lamp.apply(100, undefined);
    assert.equal(driver.level, 10);
    run(500);
    assert.equal(driver.level, 55);
    changed.resetHistory();
    run(500);
    assert.deepEqual([driver.level, changed.callCount], [100, 1]);
  });

  it('starts softly at 1 % on gear without a minimum', () => {
    const { lamp, driver, run } = bench(1_000, 0);
    lamp.apply(100, undefined);
    assert.equal(driver.level, 1);
    run(1_000);
    assert.equal(driver.level, 100);
  });

  it('goes at once from darkness when the command says 0 s', () => {
    const { lamp, driver } = bench(1_000);
    lamp.apply(100, 0);
    assert.equal(driver.level, 100);
  });

  it('takes the ramp of the command instead of the soft start', () => {
    const { lamp, driver, run } = bench(1_000);
    lamp.apply(100, 9_000);
    run(1_000);
    assert.equal(driver.level, 20);
  });

  it('goes at once from lit to lit, and from lit to off, on a board with a soft start', () => {
    const { lamp, driver, run } = bench(1_000);
    lamp.apply(20, undefined);
    run(1_000);
    lamp.apply(90, undefined);
    assert.equal(driver.level, 90);
    lamp.apply(0, undefined);
    assert.equal(driver.level, 0);
  });

  it('holds a soft start at 1 V until the relay closes 10 s after it opened, then takes 1 s to 10 V', () => {
    const pole = behindRelay();
    pole.lamp.apply(100, undefined);
    pole.run(1_000);
    pole.lamp.apply(0, undefined);
    pole.run(3_000);
    pole.lamp.apply(100, undefined);
    pole.run(7_999);
    assert.deepEqual([pole.relay(), pole.volts(), pole.lamp.level], [0, 1, 0]);
    pole.run(1);
    // One step of 50 ms may have passed.
    assert.equal(pole.relay(), 1);
    assert.ok(pole.volts() <= 1.45, `${pole.volts()} V`);
    pole.run(450);
    assert.ok(pole.volts() >= 5.05 && pole.volts() <= 5.5, `${pole.volts()} V`);
    pole.run(550);
    assert.deepEqual([pole.volts(), pole.lamp.level], [10, 100]);
  });

  it('starts softly also when another command comes while the relay waits', () => {
    const pole = behindRelay();
    pole.lamp.apply(100, undefined);
    pole.run(1_000);
    pole.lamp.apply(0, undefined);
    pole.run(3_000);
    pole.lamp.apply(100, undefined);
    pole.run(1_000);
    pole.lamp.apply(60, undefined);
    pole.run(6_999);
    assert.deepEqual([pole.relay(), pole.volts()], [0, 1]);
    pole.run(501);
    assert.ok(pole.volts() >= 3.5 && pole.volts() <= 3.75, `${pole.volts()} V`);
    pole.run(500);
    assert.equal(pole.volts(), 6);
  });

  it('counts 2 h lit of 3 h, 1 h of them in darkness behind its relay', () => {
    const { lamp, run } = behindRelay();
    lamp.apply(60, undefined);
    run(HOUR);
    assert.equal(lamp.lit(), HOUR);
    lamp.apply(0, undefined);
    run(HOUR);
    lamp.apply(100, 60_000);
    run(HOUR);
    assert.equal(lamp.lit(), 2 * HOUR);
  });

  it('refuses a level of 140 %', () => {
    const { lamp } = bench();
    assert.throws(() => lamp.apply(140, undefined), /level 140 is not 0..100 %/);
  });
});
