import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Presence } from '../../firmware/control/presence.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim } from '../../sim/index.ts';

function bench() {
  const hal = openSim();
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const sensed = sinon.spy((_level: 0 | 1, _changed: boolean) => {});
  const presence = new Presence(hal, schedule, { pin: 'D3', activeLow: true, pull: 'up' }, { sensed });
  hal.clock.run(0);
  /** Somebody comes or goes; the sensor pulls its output low while somebody is there. */
  const walk = (there: boolean) => hal.pins.set('D3', there ? 0 : 1);
  return { hal, presence, sensed, walk, run: (ms: number) => hal.clock.run(ms) };
}

describe('a presence input', () => {
  it('says nothing while nobody comes for an hour', () => {
    const { run, sensed, presence } = bench();
    run(3_600_000);
    assert.deepEqual([sensed.callCount, presence.level], [0, 0]);
  });

  it('tells that somebody came 50 ms later, tells it again every 10 s as no news, and tells the end', () => {
    const { run, sensed, walk } = bench();
    walk(true);
    run(49);
    assert.equal(sensed.callCount, 0);
    run(1);
    run(20_000);
    walk(false);
    run(50);
    assert.deepEqual(sensed.args, [
      [1, true],
      [1, false],
      [1, false],
      [0, true],
    ]);
    run(60_000);
    assert.equal(sensed.callCount, 4);
  });

  it('ignores a glitch of 30 ms', () => {
    const { run, sensed, walk } = bench();
    walk(true);
    run(30);
    walk(false);
    run(60_000);
    assert.equal(sensed.callCount, 0);
  });

  it('follows an input that chatters every 20 ms for a minute, and knows the end within 100 ms', () => {
    const { run, presence, walk } = bench();
    walk(true);
    run(50);
    assert.equal(presence.level, 1);
    for (let edge = 0; edge < 3000; edge++) {
      walk(edge % 2 === 1);
      run(20);
    }
    walk(false);
    run(100);
    assert.equal(presence.level, 0);
  });
});
