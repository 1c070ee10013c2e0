/** Which numbered records of a controller have come: each counts once, and those that are missing are counted. */

/** Epochs remembered; a controller sends what is left of the last ones only. */
const MOST_EPOCHS = 4;
/** Ranges of numbers remembered of an epoch: between them are numbers that still may come. */
const MOST_RANGES = 256;

/** What has come of one epoch. Plain data: it is stored. */
export interface Seen {
  epoch: number;
  /** First and last number of each range that has come, ascending, with a gap between each and the next. */
  ranges: [number, number][];
  /** Numbers below the last one that count as come and never did. */
  lost: number;
}

/** The same as earlier versions stored it. */
interface Formerly {
  boot: number;
  highest: number;
  missing: number[];
  lost: number;
}

export class Once {
  /** In the order in which they came first. */
  readonly seen: Seen[];

  /** @param stored what another one has seen */
  constructor(stored: readonly (Seen | Formerly)[] = []) {
    this.seen = stored.map((entry) => ('ranges' in entry ? structuredClone(entry) : fromNumbers(entry)));
  }

  /** @returns whether the record is new; from then on it is not */
  take(epoch: number, number: number): boolean {
    if (number === 0) return false;
    const known = this.seen[this.placeOf(epoch)] ?? this.begin(epoch);
    const { ranges } = known;
    // What comes is mostly the latest.
    let at = ranges.length;
    while (at > 0 && ranges[at - 1][0] > number) at--;
    const before = ranges.at(at - 1);
    if (at > 0 && before && number <= before[1]) return false;
    const after = ranges.at(at);
    const joins = at > 0 && before?.[1] === number - 1;
    if (joins && after?.[0] === number + 1) {
      before[1] = after[1];
      ranges.splice(at, 1);
    } else if (joins) before[1] = number;
    else if (after?.[0] === number + 1) after[0] = number;
    else ranges.splice(at, 0, [number, number]);
    if (ranges.length > MOST_RANGES) {
      const [[, end], [begin, last]] = ranges;
      known.lost += begin - end - 1;
      ranges[0][1] = last;
      ranges.splice(1, 1);
    }
    return true;
  }

  /** @returns records that exist and have not come, of the epochs that are remembered */
  get missing(): number {
    return this.seen.reduce((sum, { ranges, lost }) => {
      const come = ranges.reduce((count, [first, last]) => count + last - first + 1, 0);
      return sum + lost + (ranges.at(-1)?.[1] ?? 0) - come;
    }, 0);
  }

  /** @returns how many of the epochs that are remembered came before it; -1: it is not remembered */
  placeOf(epoch: number): number {
    return this.seen.findIndex((entry) => entry.epoch === epoch);
  }

  private begin(epoch: number): Seen {
    const entry: Seen = { epoch, ranges: [], lost: 0 };
    this.seen.push(entry);
    if (this.seen.length > MOST_EPOCHS) this.seen.shift();
    return entry;
  }
}

function fromNumbers({ boot, highest, missing, lost }: Formerly): Seen {
  const ends = [...missing].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  let first = 1;
  for (const end of [...ends, highest + 1]) {
    if (end > first) ranges.push([first, end - 1]);
    first = end + 1;
  }
  return { epoch: boot, ranges, lost };
}
