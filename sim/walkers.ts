/** People on foot, who walk along a street past the presence sensors of its poles. */
import type { World } from './clock.ts';
import { seeded } from './random.ts';

/** m between poles, m around one within which its sensor sees, and m/s. */
const SPACING = 30;
const REACH = 8;
const SPEED = 1.4;
/** ms between two walkers, at least and at most. */
const SHORTEST = 60_000;
const LONGEST = 300_000;

/**
 * Sends one after the other, from the first pole to the last, for as long as the world lasts.
 * @param sensors of the poles, in their order
 */
export function sendWalkers(world: World, sensors: ((present: boolean) => void)[], seed: number): void {
  const random = seeded(`${seed} walkers`);
  const near = sensors.map(() => 0);
  const move = (pole: number, step: 1 | -1) => {
    near[pole] += step;
    sensors[pole](near[pole] > 0);
  };
  const send = () => {
    for (let pole = 0; pole < sensors.length; pole++) {
      const arrival = (1000 * SPACING * pole) / SPEED;
      world.after(arrival, () => move(pole, 1));
      world.after(arrival + (2000 * REACH) / SPEED, () => move(pole, -1));
    }
    world.after(SHORTEST + (LONGEST - SHORTEST) * random.next(), send);
  };
  world.after(SHORTEST, send);
}
