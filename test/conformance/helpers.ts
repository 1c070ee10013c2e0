import type { Bytes } from '../../hal/hal.ts';

/** @returns whether `run` throws. */
export function throws(run: () => void): boolean {
  try {
    run();
  } catch (_error) {
    return true;
  }
  return false;
}

/** @returns `length` bytes that run through all values, from `first` on. */
export function pattern(length: number, first: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (first + i) & 255;
  return bytes;
}

/** @returns whether both hold the same bytes. */
export function same(a: Bytes | undefined, b: Bytes): boolean {
  if (!a || a.length !== b.length) return false;
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Collects what comes in pieces. */
export class Collector {
  count = 0;
  private _bytes: Bytes;

  constructor(size: number) {
    this._bytes = new Uint8Array(size);
  }

  add(data: Bytes): void {
    this._bytes.set(data, this.count);
    this.count += data.length;
  }

  /** @returns whether exactly `expected` has come. */
  is(expected: Bytes): boolean {
    return this.count === expected.length && same(this._bytes.subarray(0, this.count), expected);
  }
}

export const nothing = () => {};
