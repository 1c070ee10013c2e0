/**
 * Samples at regular instants, packed so that a day of quarter-hours fits one small message: differences to the instant
 * before in an adaptive Golomb-Rice code, bit by bit into a buffer of fixed size. PROTOCOL.md has the code to the bit.
 *
 * Source: S. W. Golomb, "Run-length encodings" (1966); R. F. Rice, JPL 79-22 (1979).
 */
import type { Bytes, Clock } from '../../hal/hal.ts';
import { LogColumn, Quantity } from '../link/messages.ts';
import type { Schedule } from '../schedule.ts';

/** Bytes of a batch, instants of a batch, and bits that an instant's value takes at most. */
const CAPACITY = 560;
const INSTANTS = 96;
const WORST = 49;
/** One-bits that announce a whole value, and one more a missing one; bits that say how long the whole one is. */
const ESCAPE = 12;
const LENGTH = 5;
/** Most bits of a remainder. */
const LONGEST = 20;
/** Twice the first mean. */
const MEAN = 2;
/** ms until the clock is asked again while it is unknown, and by which a sample may be late. */
const PATIENCE = 60000;
const LATE = 5000;

/** A batch that is over. */
export interface Batch {
  /** ms UTC of the first instant. */
  readonly start: number;
  /** [s between instants, column, …] */
  readonly record: readonly number[] | Uint32Array;
  readonly count: number;
  readonly samples: Bytes;
}

/** Who knows the values. */
export interface Source {
  /** @returns an integer in steps of the column; undefined: not known now */
  sample(column: number): number | undefined;
}

export class Recorder {
  private _bytes: Bytes;
  /** Bits in the buffer. */
  private _bits = 0;
  private _count = 0;
  private _start = 0;
  /** [period in s, column, …] */
  private _record: readonly number[] | Uint32Array = [];
  /** By column: the value before, its slope, and twice the running mean of what is coded. */
  private _state = new Float64Array(0);
  /** What is recorded instead, from the next turn on. */
  private _other: readonly number[] | Uint32Array | undefined;
  private _task: number;

  /** Nothing is recorded until `set`. */
  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _source: Source,
    private _taker: { recorded(batch: Batch): void } | undefined,
  ) {
    this._bytes = new Uint8Array(CAPACITY);
    this._task = _schedule.add(this);
  }

  /** Records otherwise from now on; what there is goes out. @param record [period in s, column as in `LogKey`, …]; empty: nothing */
  set(record: readonly number[] | Uint32Array): void {
    this._other = record;
    this._schedule.at(this._task, 0);
  }

  /** An instant. @internal */
  run(): void {
    const other = this._other;
    if (other) {
      // Not where it is set: from there the way to the journal would be too deep.
      this.flush();
      this._other = undefined;
      this._record = other;
      this._state = new Float64Array(other.length > 0 ? 3 * other.length - 3 : 0);
    }
    const now = this._clock.time();
    const columns = this._record.length - 1;
    const period = this._record[0] * 1000;
    if (now === undefined || columns < 1) {
      this._schedule.at(this._task, PATIENCE);
      return;
    }
    const late = now % period;
    this._schedule.at(this._task, period - late);
    // The first look only finds the next instant; so does one after the clock was set.
    if (late > LATE) return;
    const instant = now - late;
    if (this._count > 0 && instant !== this._start + this._count * period) this.flush();
    if (this._count === 0) {
      this._start = instant;
      this._state.fill(0);
      for (let at = 2; at < this._state.length; at += 3) this._state[at] = MEAN;
    }
    for (let column = 0; column < columns; column++) this._add(column);
    this._count++;
    if (this._count === INSTANTS || this._bits + columns * WORST > 8 * CAPACITY) this.flush();
  }

  /** Hands over what there is. */
  flush(): void {
    const count = this._count;
    const length = (this._bits + 7) >> 3;
    const batch = {
      start: this._start,
      record: this._record,
      count,
      samples: this._bytes.subarray(0, length),
    };
    this._count = this._bits = 0;
    if (count > 0 && this._taker) this._taker.recorded(batch);
    this._bytes.fill(0);
  }

  private _add(column: number): void {
    const code = this._record[column + 1];
    const state = this._state;
    const at = 3 * column;
    const value = this._source.sample(code);
    let gap = 0;
    if (value !== undefined) {
      gap = value - state[at];
      if (isCounter(code)) gap -= state[at + 1];
      // Zigzag: small differences of either sign become small numbers.
      gap = gap < 0 ? -2 * gap - 1 : 2 * gap;
    }
    if (value === undefined || gap > 4294967295) {
      this._ones(ESCAPE + 1);
      return;
    }
    state[at + 1] = value - state[at];
    state[at] = value;
    let size = 0;
    for (let mean = state[at + 2] >> 1; mean > 1 && size < LONGEST; mean >>= 1) size++;
    const part = 1 << (size & 31);
    const quotient = Math.floor(gap / part);
    this._ones(Math.min(quotient, ESCAPE));
    this._bits++;
    if (quotient >= ESCAPE) {
      size = 0;
      for (let rest = gap; rest > 1; rest = Math.floor(rest / 2)) size++;
      this._put(size, LENGTH);
    }
    this._put(gap, size);
    // One outlier does not carry the mean away.
    state[at + 2] += Math.min(gap, 8 * part) - (state[at + 2] >> 1);
  }

  private _ones(count: number): void {
    for (let i = 0; i < count; i++) this._put(1, 1);
  }

  /** Appends the lowest `size` bits of a value, the highest first. */
  private _put(value: number, size: number): void {
    for (let bit = size - 1; bit >= 0; bit--) {
      if ((value >> (bit & 31)) & 1) this._bytes[this._bits >> 3] |= 128 >> (this._bits & 7);
      this._bits++;
    }
  }
}

/** @returns whether a column counts, so that its steps are alike */
function isCounter(code: number): boolean {
  const quantity = code & 63;
  return (
    code < LogColumn.Level || (code > 63 && quantity >= Quantity.ActiveEnergy && quantity <= Quantity.ReactiveEnergy)
  );
}
