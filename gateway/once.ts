/** Which numbered messages of a controller have come: each counts once, and those that are missing are counted. */

/** Boots remembered; a controller sends what is left of the last ones only. */
const MOST_BOOTS = 4;
/** Missing numbers remembered of a boot, which may still come. */
const MOST_MISSING = 256;

/** What has come of one boot. Plain data: it is stored. */
export interface Seen {
  boot: number;
  /** Highest number that has come; 0: none. */
  highest: number;
  /** Numbers below it that have not and still may. */
  missing: number[];
  /** How many more have not. */
  lost: number;
}

export class Once {
  /** @param seen oldest boot first; changed in place */
  constructor(readonly seen: Seen[] = []) {}

  /** @returns whether the message is new; from then on it is not */
  take(boot: number, number: number): boolean {
    const known = this.seen.find((entry) => entry.boot === boot) ?? this.begin(boot);
    if (known === undefined || number === 0) return false;
    if (number <= known.highest) {
      const at = known.missing.indexOf(number);
      if (at >= 0) known.missing.splice(at, 1);
      return at >= 0;
    }
    const first = Math.max(known.highest + 1, number - MOST_MISSING);
    known.lost += first - known.highest - 1;
    for (let skipped = first; skipped < number; skipped++) known.missing.push(skipped);
    const excess = Math.max(0, known.missing.length - MOST_MISSING);
    known.missing.splice(0, excess);
    known.lost += excess;
    known.highest = number;
    return true;
  }

  /** @returns messages that exist and have not come, of the boots that are remembered */
  get missing(): number {
    return this.seen.reduce((sum, { missing, lost }) => sum + missing.length + lost, 0);
  }

  /** The numbers of these boots begin again: another board has taken the controller's place, or this one cannot count. */
  forgetFrom(boot: number): void {
    const from = this.seen.findIndex((entry) => entry.boot >= boot);
    if (from >= 0) this.seen.splice(from);
  }

  /** @returns undefined when the boot is older than all that are remembered */
  private begin(boot: number): Seen | undefined {
    const entry = { boot, highest: 0, missing: [], lost: 0 };
    const at = this.seen.findIndex((other) => other.boot > boot);
    if (at === 0 && this.seen.length >= MOST_BOOTS) return undefined;
    this.seen.splice(at < 0 ? this.seen.length : at, 0, entry);
    if (this.seen.length > MOST_BOOTS) this.seen.shift();
    return entry;
  }
}
