import assert from 'node:assert/strict';
import { NEVER, Schedule } from '../../firmware/schedule.ts';
import { SimClock, World } from '../../sim/clock.ts';

describe('schedule', () => {
  it('lets time go on when a task asks for an appointment that rounding puts at this instant', () => {
    const world = new World();
    world.run(81019.99998954686);
    const clock = new SimClock(world, { on: true });
    const schedule = new Schedule(clock, { failed: assert.fail });
    clock.run(81019.99998954686);
    // A ramp's last step: 2^-40 ms are less than an uptime of 81 s can be told from the next.
    const end = clock.uptime() + 1;
    let turns = 0;
    const task = schedule.add({
      run() {
        turns++;
        schedule.at(task, clock.uptime() < end ? 2 ** -40 : NEVER);
      },
    });
    schedule.at(task, 0);
    clock.run(10);
    assert.equal(turns, 2);
  });

  it('gives other tasks their turn within 2 ms of their appointment beside one that always asks for another at once', () => {
    const clock = new SimClock(new World(), { on: true });
    const schedule = new Schedule(clock, { failed: assert.fail });
    const seen: number[] = [];
    const eager = schedule.add({ run: () => schedule.at(eager, 0) });
    const other = schedule.add({
      run() {
        seen.push(clock.uptime());
        schedule.at(other, 10);
      },
    });
    schedule.at(eager, 5);
    schedule.at(other, 5);
    clock.run(24);
    assert.equal(seen.length, 2);
    assert.ok(seen[0] >= 5 && seen[0] <= 7, String(seen[0]));
    assert.ok(seen[1] >= seen[0] + 10 && seen[1] <= seen[0] + 12, String(seen[1]));
  });
});
