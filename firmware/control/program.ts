/**
 * A fixed daily program: the level follows the last switch point of the local day; before the first one, yesterday's
 * last one still holds.
 */
import { Reason } from '../link/messages.ts';
import { NO_SENSOR, NONE } from '../link/timetable.ts';
import type { Plan } from './arbiter.ts';

const MINUTE = 60000;
const DAY = 1440 * MINUTE;
/** Numbers a switch point takes in the list. */
const STRIDE = 3;
const NEVER = 1e16;

export class Program implements Plan {
  level = 0;
  reason: Reason = Reason.Default;
  program = NONE;
  sensor = NO_SENSOR;
  rampTo: number | undefined;
  rampFrom: number | undefined;
  next = NEVER;

  /**
   * @param _points `[minute of the local day, level %, ramp s, …]`, ascending minutes
   * @param _utcOffset minutes that local time is ahead of UTC
   */
  constructor(
    private _points: readonly number[],
    private _utcOffset: number,
  ) {}

  decide(now: number, defaultLevel: number): void {
    const points = this._points;
    this.level = defaultLevel;
    if (points.length === 0) return;
    const local = now + this._utcOffset * MINUTE;
    const midnight = now - (local - Math.floor(local / DAY) * DAY);
    let current = points.length - STRIDE;
    let next = DAY + points[0] * MINUTE;
    for (let i = 0; i < points.length; i += STRIDE) {
      if (midnight + points[i] * MINUTE > now) {
        next = points[i] * MINUTE;
        break;
      }
      current = i;
    }
    this.next = midnight + next;
    this.level = points[current + 1];
    this.reason = Reason.Program;
    this.rampTo = points[current + 2] * 1000;
  }
}
