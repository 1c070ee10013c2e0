/**
 * Nights learned from the photocell's edges, for the time when both clock and photocell are gone: the last dusk comes
 * again every 24 h, and the night lasts as long as the latest ones did. It answers only from nights that agree with each
 * other, and not for long: polar days and nights have no edges, and must not leave a lamp dark.
 */
const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Nights that are remembered, and how many must agree. */
const MOST = 3;
const LEAST = 2;
/** ms: a shorter one was a thunderstorm or a cover, a longer one has lost an edge. */
const SHORTEST = 4 * HOUR;
/** ms by which a night may differ from the mean. */
const TOLERANCE = 15 * MINUTE;
/** ms by which a predicted night is longer at both ends. */
const MARGIN = 30 * MINUTE;
/** ms for which a night predicts others. */
const VALID = 14 * DAY;

export class Night {
  private _lengths: number[] = [];
  /** Uptime of the dusk of the latest learned night, and of the latest dusk. */
  private _dusk = 0;
  private _begun: number | undefined;
  /** The latest night differed from the others. */
  private _odd = false;

  /** The photocell saw dusk (`dark`) or dawn at `uptime`, ms. */
  edge(dark: boolean, uptime: number): void {
    // Whole ms, so that what is predicted comes true at its very instant.
    if (dark) this._begun = Math.round(uptime);
    if (dark || this._begun === undefined) return;
    const length = uptime - this._begun;
    if (length < SHORTEST || length > DAY) return;
    const known = this._lengths.length;
    if (uptime - this._dusk > VALID) this._lengths = [];
    else if (known > 0 && Math.abs(length - this._length()) > TOLERANCE) {
      // One strange night is ignored. A second one, or one of only two, begins the learning anew.
      if (known > 1 && !this._odd) {
        this._odd = true;
        return;
      }
      this._lengths = [];
    }
    this._odd = false;
    this._dusk = this._begun;
    if (this._lengths.push(length) > MOST) this._lengths.shift();
  }

  /** @returns whether it is night by what was learned; undefined when that is too little or 14 days old. Uptime in ms. */
  dark(uptime: number): boolean | undefined {
    if (this._lengths.length < LEAST || uptime - this._dusk >= VALID) return undefined;
    // ms since the latest predicted dusk, 0..24 h
    const passed = uptime - this._dusk + MARGIN;
    return passed - Math.floor(passed / DAY) * DAY < this._length() + 2 * MARGIN;
  }

  private _length(): number {
    let sum = 0;
    for (const length of this._lengths) sum += length;
    return Math.round(sum / this._lengths.length);
  }
}
