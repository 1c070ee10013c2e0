import assert from 'node:assert/strict';
import { World } from '../../sim/clock.ts';
import { sendWalkers } from '../../sim/walkers.ts';

describe('walkers', () => {
  it('come to pole 1 after a minute, to pole 3 30 m and 21.4 s a pole later, and are seen for 11.4 s at each', () => {
    const world = new World();
    const seen: [number, number, boolean][] = [];
    const sensors = [0, 1, 2].map(
      (pole) => (present: boolean) => seen.push([pole, Math.round(world.now / 100), present]),
    );
    sendWalkers(world, sensors, 1);
    world.run(119_000);
    assert.deepEqual(seen, [
      [0, 600, true],
      [0, 714, false],
      [1, 814, true],
      [1, 929, false],
      [2, 1029, true],
      [2, 1143, false],
    ]);
  });

  it('are 12 to 60 in an hour, and a sensor goes off when the last of them has passed', () => {
    const world = new World();
    let changes: boolean[] = [];
    sendWalkers(world, [(present) => changes.push(present)], 7);
    world.run(3_600_000);
    const arrivals = changes.filter((present) => present).length;
    assert.ok(arrivals >= 12 && arrivals <= 60, `${arrivals} walkers`);
    changes = changes.slice(-2);
    assert.equal(changes[1], false);
  });
});
