/**
 * What sensors say, by sensor number: inputs of this controller, of its neighbours, and those that a CMS plays. A sensor
 * is raised until an instant: far away while it stays raised, in the past once it was lowered. Few are known at a time.
 */

/** ms UTC beyond every clock: raised, with no end in sight. */
export const RAISED = 1e16;

export class Sensors {
  private _numbers: number[] = [];
  private _until: number[] = [];
  private _values: (number | undefined)[] = [];

  /**
   * @param number of the sensor
   * @param until ms UTC at which it is or was lowered; `RAISED` while it is up
   * @param value lx of a light sensor, or the level in % that comes with an external effect
   */
  set(number: number, until: number, value: number | undefined): void {
    let at = this._numbers.indexOf(number);
    if (at < 0) at = this._numbers.push(number) - 1;
    this._until[at] = until;
    this._values[at] = value;
  }

  /** @returns ms UTC until which the sensor is raised, 0 when it never was. */
  until(number: number): number {
    return this._until[this._numbers.indexOf(number)] || 0;
  }

  /** @returns what came with the sensor's last message. */
  value(number: number): number | undefined {
    return this._values[this._numbers.indexOf(number)];
  }
}
