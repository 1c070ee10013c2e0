/**
 * A fixed daily program: the level follows the last switch point of the local day; before the first one, yesterday's
 * last one still holds.
 */
import { Reason } from '../link/messages.ts';
import type { LampCommand } from './command.ts';

const MINUTE = 60000;
const DAY = 1440 * MINUTE;
/** Numbers a switch point takes in the list. */
const STRIDE = 3;

export class Program {
  /** ms UTC at which the next switch point comes, after `at`. */
  next = 0;

  /**
   * @param _points `[minute of the local day, level %, ramp s, …]`, ascending minutes
   * @param _utcOffset minutes that local time is ahead of UTC
   */
  constructor(
    private _points: readonly number[],
    private _utcOffset: number,
  ) {}

  /** @param time ms UTC. @returns the command of that instant; undefined when there are no switch points. */
  at(time: number): LampCommand | undefined {
    const points = this._points;
    if (points.length === 0) return undefined;
    const local = time + this._utcOffset * MINUTE;
    const midnight = time - (local - Math.floor(local / DAY) * DAY);
    let current = points.length - STRIDE;
    let next = DAY + points[0] * MINUTE;
    for (let i = 0; i < points.length; i += STRIDE) {
      if (midnight + points[i] * MINUTE > time) {
        next = points[i] * MINUTE;
        break;
      }
      current = i;
    }
    this.next = midnight + next;
    return { level: points[current + 1], reason: Reason.Program, rampTo: points[current + 2] * 1000 };
  }
}
