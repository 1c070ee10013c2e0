/** What the mains do to a pole besides feeding its lamp: the board and the meters live on it, for a while after it is gone. */
import type { SimHal } from '../index.ts';
import type { Mains } from './mains.ts';

/** Share of the nominal voltage below which a wide-range power supply stops. Source: such are specified for 85 V of 230 V and more. */
const MINIMUM = 0.37;

/** @param holdUp ms for which the board runs on without mains @param changed told of every change: the mains feed the pole, or not */
export function feed(sim: SimHal, mains: Mains, holdUp: number, changed: (fed: boolean) => void): void {
  const { world } = sim;
  let fed = true;
  let timer = 0;
  mains.watch(() => {
    const now = mains.factor >= MINIMUM;
    if (now === fed) return;
    fed = now;
    world.cancel(timer);
    if (fed) sim.restorePower();
    else timer = world.after(holdUp, () => sim.cutPower());
    changed(fed);
  });
}
