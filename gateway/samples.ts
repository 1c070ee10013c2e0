/**
 * The bit format of recorded samples: differences in an adaptive Golomb-Rice code, described in PROTOCOL.md. What comes
 * from outside is an Error, never an exception and never more work than its bytes are worth.
 */
import { type Counter, Quantity } from '../firmware/link/messages.ts';

/** Columns below are counters. */
const COUNTERS = 32;
/** From here on columns are quantities of units. */
const UNITS = 64;
/** One-bits after which a value stands in full, and one more: it is missing. */
const LONGEST_PREFIX = 12;
/** Bits that say how many follow of a value in full. */
const LENGTH = 5;
const HIGHEST_K = 20;
const FIRST_MEAN = 2;

const ENERGIES: number[] = [Quantity.ActiveEnergy, Quantity.ExportedEnergy, Quantity.ReactiveEnergy];

/** @returns whether a column grows all the time, so that the differences of its differences are what is small. */
export function accumulates(column: number): boolean {
  return column < COUNTERS || (column >= UNITS && ENERGIES.includes(column % UNITS));
}

/** @returns what a column of recorded samples holds, or undefined when this version does not know it. */
export function columnOf(column: number): { unit?: number; quantity?: number; counter?: Counter } | undefined {
  if (column >= UNITS) {
    const quantity = column % UNITS;
    if (quantity > Quantity.Phase3PowerFactor) return undefined;
    return { unit: Math.floor(column / UNITS) - 1, quantity };
  }
  return column < COUNTERS ? { counter: column } : {};
}

/**
 * @param columns as in `LogKey.Columns`
 * @param count instants
 * @returns instant by instant the columns' values in steps of the wire, null where one is missing
 */
export function decodeSamples(
  columns: readonly number[],
  count: number,
  bytes: Uint8Array,
): (number | null)[][] | Error {
  // Every value takes a bit at least: a count that lies costs nothing.
  if (columns.length * count > 8 * bytes.length) return new Error(`${count} instants in ${bytes.length} bytes`);
  const bits = new Bits(bytes);
  const decoders = columns.map((column) => new Column(accumulates(column)));
  const instants: (number | null)[][] = [];
  for (let instant = 0; instant < count; instant++) {
    const values: (number | null)[] = [];
    for (const decoder of decoders) {
      const value = decoder.read(bits);
      if (value === undefined) return new Error('samples end too early');
      if (value !== null && !Number.isSafeInteger(value)) return new Error('a sample beyond all bounds');
      values.push(value);
    }
    instants.push(values);
  }
  return bits.ended() ? instants : new Error('bits after the last sample');
}

class Column {
  private last = 0;
  private slope = 0;
  private mean = FIRST_MEAN;

  constructor(private readonly accumulates: boolean) {}

  /** @returns null: missing; undefined: the bits have ended */
  read(bits: Bits): number | null | undefined {
    const prefix = bits.ones(LONGEST_PREFIX + 1);
    if (prefix === undefined) return undefined;
    if (prefix > LONGEST_PREFIX) return null;
    const k = this.k();
    const width = prefix === LONGEST_PREFIX ? bits.take(LENGTH) : k;
    const low = width === undefined ? undefined : bits.take(width);
    if (width === undefined || low === undefined) return undefined;
    const code = (prefix === LONGEST_PREFIX ? 1 : prefix) * 2 ** width + low;
    const difference = code % 2 === 0 ? code / 2 : -(code + 1) / 2;
    const value = this.last + this.slope + difference;
    if (this.accumulates) this.slope = value - this.last;
    this.last = value;
    this.mean += Math.min(code, 8 << k) - (this.mean >> 1);
    return value;
  }

  private k(): number {
    let k = 0;
    for (let mean = this.mean >> 1; mean > 1; mean >>= 1) k++;
    return Math.min(k, HIGHEST_K);
  }
}

class Bits {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** @returns the number of one-bits, at most `most`, having passed the zero that ends them; undefined: no bits left */
  ones(most: number): number | undefined {
    let count = 0;
    while (count < most) {
      const bit = this.take(1);
      if (bit === undefined) return undefined;
      if (bit === 0) break;
      count++;
    }
    return count;
  }

  /** @returns the next bits as an unsigned number; undefined: there are not so many */
  take(count: number): number | undefined {
    if (this.at + count > 8 * this.bytes.length) return undefined;
    let value = 0;
    for (let end = this.at + count; this.at < end; this.at++) {
      value = 2 * value + ((this.bytes[this.at >> 3] >> (7 - (this.at & 7))) & 1);
    }
    return value;
  }

  /** @returns whether only the zeros that fill the last byte are left */
  ended(): boolean {
    const left = 8 * this.bytes.length - this.at;
    return left < 8 && this.take(left) === 0;
  }
}
