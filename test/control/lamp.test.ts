import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Lamp } from '../../firmware/control/lamp.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim } from '../../sim/index.ts';

function bench() {
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
  const lamp = new Lamp(hal.clock, schedule, driver, 10, { changed }, 0);
  return { lamp, driver, changed, run: (ms: number) => hal.clock.run(ms) };
}

describe('a lamp', () => {
  it('goes to a level at once without a ramp', () => {
    const { lamp, driver, changed } = bench();
    lamp.apply(70, 0);
    assert.equal(driver.level, 70);
    assert.equal(changed.callCount, 1);
  });

  // Source: TALQ 2.7.1 §5.6, rampToLevelTime 10 s from 70 % to 30 %, rampFromLevelTime 20 s back.
  it('is at 50 % after 5 s and at 30 % after 10 s of a 10 s ramp from 70 % to 30 %, and back at 70 % 20 s later', () => {
    const { lamp, run } = bench();
    lamp.apply(70, 0);
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
    lamp.apply(20, 0);
    driver.write.resetHistory();
    lamp.apply(100, 1_000);
    run(1_000);
    const levels = driver.write.args.map(([level]) => level);
    assert.equal(levels.length, 21);
    for (let i = 1; i < levels.length; i++) assert.ok(levels[i] > levels[i - 1], `${levels}`);
  });

  it('leaves a ramp when a new command comes, from the level reached', () => {
    const { lamp, run } = bench();
    lamp.apply(100, 0);
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
    lamp.apply(3, 0);
    assert.equal(driver.level, 10);
  });

  it('starts a ramp from darkness at the minimum and ends a ramp to 0 % in darkness', () => {
    const { lamp, driver, run } = bench();
    lamp.apply(0, 0);
    lamp.apply(100, 9_000);
    assert.equal(driver.level, 10);
    run(9_000);
    lamp.apply(0, 10_000);
    run(9_950);
    assert.equal(driver.level, 10);
    run(50);
    assert.equal(driver.level, 0);
  });

  it('refuses a level of 140 %', () => {
    const { lamp } = bench();
    assert.throws(() => lamp.apply(140, 0), /level 140 is not 0..100 %/);
  });
});
