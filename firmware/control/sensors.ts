/**
 * What sensors say, by sensor number: this controller's inputs and its neighbours'. The level that a CMS sends in a
 * sensor's name stands under the negative number. A controller knows few of them at a time.
 */

import { NO_SENSOR } from '../link/timetable.ts';

/** ms UTC beyond every clock: raised, with no end in sight. */
export const RAISED = 1e16;
/** Sensors whose messages are believed; a street's group has fewer. */
const MOST = 64;

export class Sensors {
  private _numbers: number[] = [];
  private _until: number[] = [];
  private _values: (number | undefined)[] = [];

  private _find(number: number): number {
    const at = this._numbers.indexOf(number);
    if (at >= 0) return at;
    this._until.push(0);
    this._values.push(undefined);
    return this._numbers.push(number) - 1;
  }

  /**
   * A presence sensor is raised until the instant `until`, ms UTC: `RAISED` for this controller's own, which tells when it
   * is lowered. `time`, which is now, or earlier: it was lowered; lowering one that is not raised changes nothing.
   */
  hear(number: number, until: number, time: number): void {
    if (this._numbers.length >= MOST && until < RAISED && this._numbers.indexOf(number) < 0) return;
    const at = this._find(number);
    if (until > time || this._until[at] > time) this._until[at] = until;
  }

  /** @returns the number of the presence sensor that is or was raised longest, `NO_SENSOR` when none ever was. */
  latest(): number {
    let found = NO_SENSOR;
    let latest = 0;
    for (let at = 0; at < this._numbers.length; at++) {
      const number = this._numbers[at];
      const until = this._until[at];
      if (number <= 0 || until < latest || until === 0) continue;
      if (until > latest || number < found) found = number;
      latest = until;
    }
    return found;
  }

  /**
   * The clock was set `step` ms ahead of `before`: presence, and what has ended and is held, lasts as long as it would
   * have. What a CMS said until an instant to come, it said by its own clock.
   */
  shift(step: number, before: number): void {
    for (let at = 0; at < this._numbers.length; at++) {
      const until = this._until[at];
      if (until > 0 && until < RAISED && (this._numbers[at] > 0 || until <= before)) this._until[at] = until + step;
    }
  }

  /**
   * A light sensor measured `value` (lx; 1 or 0 of a photocell), or is lost: undefined. A CMS that speaks in the name of a
   * sensor is kept under the negative number, its level in % until the instant `until`, ms UTC.
   */
  set(number: number, value: number | undefined, until: number): void {
    const at = this._find(number);
    this._until[at] = until;
    this._values[at] = value;
  }

  /** @returns ms UTC until which the sensor is raised, 0 when it never was. */
  until(number: number): number {
    return this._until[this._numbers.indexOf(number)] || 0;
  }

  /** @returns what was measured or commanded last; undefined when nothing was, or the sensor is lost. */
  value(number: number): number | undefined {
    return this._values[this._numbers.indexOf(number)];
  }
}
