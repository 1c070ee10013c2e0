/**
 * What sensors say, by sensor number: this controller's inputs and its neighbours'. The level that a CMS sends in a
 * sensor's name stands under the negative number. A controller knows few of them at a time.
 */

/** ms UTC beyond every clock: raised, with no end in sight. */
const RAISED = 1e16;

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

  /** A presence or binary input changed at `time`, ms UTC. Lowering one that is not raised changes nothing. */
  raise(number: number, raised: boolean, time: number): void {
    const at = this._find(number);
    if (raised) this._until[at] = RAISED;
    else if (this._until[at] === RAISED) this._until[at] = time;
  }

  /** A light sensor measured `value` (lx; 1 or 0 of a photocell), or is lost: undefined. */
  read(number: number, value: number | undefined): void {
    this._values[this._find(number)] = value;
  }

  /** A CMS speaks in the name of a sensor: `level` in % until the instant `until`, ms UTC. */
  command(number: number, level: number, until: number): void {
    const at = this._find(-number);
    this._until[at] = until;
    this._values[at] = level;
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
