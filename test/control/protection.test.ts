import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Protection } from '../../firmware/control/protection.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim } from '../../sim/index.ts';

const MINUTE = 60_000;

/** Protection of a board that measures every 30 s. */
function bench(reduce: number, minimum: number) {
  const sim = openSim();
  const schedule = new Schedule(sim.clock, {
    failed(error) {
      throw error;
    },
  });
  const lamp = { cap: 100, run: sinon.spy() };
  new Protection(sim.system, schedule, lamp, reduce, minimum);
  /** @returns the cap after the next measurement */
  const at = (temperature: number | undefined) => {
    sim.temperature = temperature;
    sim.clock.run(30_000);
    return lamp.cap;
  };
  return { sim, lamp, at };
}

describe('protection against heat', () => {
  it('takes 1 % a whole degree above 75 °C and leaves the minimum above 85 °C', () => {
    const { at } = bench(75, 85);
    const caps = [20, 75, 76, 80, 84.5, 85, 85.5, 100].map(at);
    assert.deepEqual(caps, [100, 100, 99, 95, 90, 90, 1, 1]);
  });

  it('never takes more than 50 % by degrees', () => {
    const { at } = bench(60, 140);
    assert.deepEqual([109, 110, 111, 140].map(at), [51, 50, 50, 50]);
  });

  it('gives light back only 5 K below: 86 °C down to 70 and up again', () => {
    const { at } = bench(75, 85);
    assert.equal(at(86), 1);
    const down = [85, 81.5, 81, 80, 78, 75, 70.5, 70, 60].map(at);
    assert.deepEqual(down, [1, 1, 1, 90, 92, 95, 99, 100, 100]);
    const again = [70, 75, 77, 75, 72, 71].map(at);
    assert.deepEqual(again, [100, 100, 98, 98, 98, 99]);
  });

  it('does not touch the lamp while a temperature between 77 and 81 °C swings', () => {
    const { at, lamp } = bench(75, 85);
    at(81);
    lamp.run.resetHistory();
    for (const temperature of [77, 80, 76, 81, 78]) assert.equal(at(temperature), 94);
    assert.equal(lamp.run.callCount, 0);
  });

  it('does not touch the lamp for a noise of 0.1 K', () => {
    const { at, lamp } = bench(75, 85);
    at(80);
    lamp.run.resetHistory();
    for (const temperature of [80.1, 79.9, 80.2, 80, 79.8]) assert.equal(at(temperature), 95);
    assert.equal(lamp.run.callCount, 0);
  });

  it('keeps a reduction to 95 % for 10 minutes after the sensor fell silent, and then releases it', () => {
    const { sim, lamp, at } = bench(75, 85);
    assert.equal(at(80), 95);
    sim.temperature = undefined;
    sim.clock.run(10 * MINUTE - 1);
    assert.equal(lamp.cap, 95);
    sim.clock.run(1);
    assert.equal(lamp.cap, 100);
    assert.equal(at(80), 95);
  });

  it('starts the 10 minutes anew with every answer', () => {
    const { sim, lamp, at } = bench(75, 85);
    at(80);
    sim.temperature = undefined;
    sim.clock.run(9 * MINUTE);
    at(80);
    sim.temperature = undefined;
    sim.clock.run(9 * MINUTE);
    assert.equal(lamp.cap, 95);
  });

  it('caps nothing on a board that cannot measure', () => {
    const { lamp, sim } = bench(75, 85);
    sim.clock.run(60 * MINUTE);
    assert.deepEqual([lamp.cap, lamp.run.callCount], [100, 0]);
  });
});
