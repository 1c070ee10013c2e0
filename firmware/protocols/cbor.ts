/**
 * CBOR, as much as the wire format needs: a writer of deterministic encoding and a decoder that takes anything. Maps
 * have integer keys, text is a string of bytes. Source: RFC 8949; deterministic encoding is §4.2.1.
 */
import type { Bytes } from '../../hal/hal.ts';
import { readText } from './text.ts';

/** What stands for a CBOR item. Maps become objects with integer keys, byte strings views into the message. */
export type CborValue = number | string | boolean | null | undefined | Bytes | CborValue[] | CborMap;
export interface CborMap {
  [key: number]: CborValue;
}

/** Largest integer: beyond it numbers have gaps. */
const LARGEST = 9007199254740991;
/** Containers within containers. */
const DEPTH = 4;
/** Items of one message, keys and containers included, unless the caller allows more. */
const ITEMS = 64;

/** Bytes of a message that are collected one by one, and of encoded items that are no longer copied like that. */
const MANY = 64;
const FEW = 12;

/** The one NaN. Source: RFC 8949 §4.2.2. */
const HALF_NAN = 0x7e00;

/** Major types. Source: RFC 8949 §3.1. */
const enum Major {
  Unsigned = 0,
  Negative = 1,
  Bytes = 2,
  Text = 3,
  Array = 4,
  Map = 5,
  Tag = 6,
  Simple = 7,
}

/**
 * Writes one message after the other. Heads and numbers are the shortest that hold the value, lengths definite; keys go
 * out in the order they come, so the caller gives them ascending. A message that is too long is found out by `finish`,
 * whatever was called before. Bytes are collected in a plain array and stored at once: native calls with several bytes
 * are what the interpreter does fastest. Each takes a variable there, so that what has become long is packed.
 */
export class CborWriter {
  private _bytes: number[] = [];
  private _push: number[]['push'];
  /** What comes before, packed. */
  private _parts: Bytes[] = [];

  /** @param _limit bytes of the longest message */
  constructor(private _limit: number) {
    this._push = this._bytes.push.bind(this._bytes);
  }

  /** Begins a map: `pairs` keys, each followed by its value. */
  map(pairs: number): void {
    if (pairs < 24) this._push((Major.Map << 5) | pairs);
    else this._head(Major.Map << 5, pairs);
  }

  /** Begins an array of `length` items. */
  array(length: number): void {
    if (this._bytes.length > MANY) this._pack();
    this._head(Major.Array << 5, length);
  }

  /** Integers up to ±(2^53 - 1) as such; anything else as the shortest float that holds it. */
  number(value: number): void {
    if (value >>> 0 === value) this._head(0, value);
    else this._other(value);
  }

  /** @param value one character a byte */
  text(value: string): void {
    const push = this._push;
    this._head(Major.Text << 5, value.length);
    for (const character of value) push(character.charCodeAt(0));
  }

  /** A byte string. */
  bytes(value: Bytes): void {
    this._head(Major.Bytes << 5, value.length);
    this.raw(value);
  }

  /** Items that are encoded already. They are not copied before the message ends. */
  raw(items: Bytes): void {
    if (items.length > FEW) {
      this._pack();
      this._parts.push(items);
    } else for (const byte of items) this._push(byte);
  }

  private _pack(): void {
    const bytes = this._bytes;
    this._bytes = [];
    this._push = this._bytes.push.bind(this._bytes);
    if (bytes.length > 0) this._parts.push(new Uint8Array(bytes));
  }

  simple(value: boolean | null | undefined): void {
    this._push(value === undefined ? 0xf7 : value === null ? 0xf6 : value ? 0xf5 : 0xf4);
  }

  /**
   * Pairs of a map with consecutive keys, from `key` to 23 at most; undefined values are left out, as are their keys.
   * Unsigned integers below 2^32 cost half of what `number` does.
   */
  pairs(key: number, values: readonly (number | null | undefined)[]): void {
    const push = this._push;
    let next = key;
    for (const value of values as readonly number[]) {
      if (value >>> 0 === value)
        if (value > 255)
          if (value < 65536) push(next++, 25, value >> 8, value);
          else push(next++, 26, value >> 24, value >> 16, value >> 8, value);
        else if (value > 23) push(next++, 24, value);
        else push(next++, value);
      else this._other(value, next++);
    }
  }

  /**
   * Ends the message; the writer is ready for the next one.
   *
   * @returns the message; undefined when it is too long
   */
  finish(): Bytes | undefined {
    this._pack();
    const parts = this._parts;
    this._parts = [];
    if (parts.length === 1) return parts[0].length > this._limit ? undefined : parts[0];
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > this._limit) return undefined;
    const message = new Uint8Array(length);
    length = 0;
    for (const part of parts) {
      message.set(part, length);
      length += part.length;
    }
    return message;
  }

  /** @param type major type in the upper three bits. @param argument 0..2^53 - 1 */
  private _head(type: number, argument: number): void {
    const push = this._push;
    if (argument < 24) push(type | argument);
    else if (argument < 256) push(type | 24, argument);
    else if (argument < 65536) push(type | 25, argument >> 8, argument);
    else {
      const high = Math.floor(argument / 4294967296);
      if (high === 0) push(type | 26);
      else push(type | 27, high >> 24, high >> 16, high >> 8, high);
      push(argument >>> 24, argument >>> 16, argument >>> 8, argument);
    }
  }

  /** What takes no short way. @param key goes in front of it, unless it is undefined and left out */
  private _other(value: number | null | undefined, key?: number): void {
    if (value === undefined) return;
    if (key !== undefined) this._push(key);
    if (value === null) this.simple(null);
    else if (value !== Math.floor(value) || value > LARGEST || value < -LARGEST) {
      for (const byte of encodeFloat(value)) this._push(byte);
    } else if (value < 0) this._head(Major.Negative << 5, -1 - value);
    else this._head(0, value);
  }
}

/** @returns the shortest float of the same value, head included. Source: RFC 8949 §3.3, §4.2.1. */
function encodeFloat(value: number): Bytes {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  view.setFloat32(1, value);
  const single = view.getFloat32(1) === value;
  const half = toHalf(view.getUint32(1));
  if (half === HALF_NAN || (single && half !== undefined)) {
    bytes.set([0xf9, half >> 8, half]);
    return bytes.subarray(0, 3);
  }
  if (!single) view.setFloat64(1, value);
  bytes[0] = single ? 0xfa : 0xfb;
  return bytes.subarray(0, single ? 5 : 9);
}

/** @param bits a float32. @returns the float16 of the same value, undefined when there is none. Source: RFC 8949 §4.2.2, IEEE 754. */
function toHalf(bits: number): number | undefined {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 255;
  const mantissa = bits & 0x7fffff;
  if (exponent === 255) return mantissa ? HALF_NAN : sign | 0x7c00;
  if (exponent > 112 && exponent < 143 && !(mantissa & 0x1fff))
    return sign | ((exponent - 112) << 10) | (mantissa >> 13);
  const lost = 126 - exponent;
  const full = mantissa | 0x800000;
  if (lost > 13 && lost < 24 && !(full & ((1 << (lost & 31)) - 1))) return sign | (full >> (lost & 31));
  return undefined;
}

/**
 * Takes one message apart. Accepted: integers to ±(2^53 - 1), floats, text, byte strings, arrays, maps with integer keys,
 * true, false, null, undefined; heads may be longer than needed.
 *
 * @param items most items of the message, keys and containers included; absent: 64
 * @returns undefined for anything else: malformed, truncated or followed by more bytes, nested deeper than 4, of
 *   indefinite length, tagged, or with a key that is repeated or no integer. Never throws.
 */
export function decode(data: Bytes, items?: number): CborValue {
  const open: (CborValue[] | CborMap)[] = [];
  const left: number[] = [];
  const keys: number[] = [];
  let budget = items === undefined ? ITEMS : items;
  let at = 0;
  while (budget-- > 0 && at < data.length) {
    const first = data[at++];
    const major = first >> 5;
    let argument = first & 31;
    if (argument > 27) return undefined;
    const start = at;
    if (argument > 23) {
      at += 1 << ((argument - 24) & 31);
      if (at > data.length) return undefined;
      argument = 0;
      for (let i = start; i < at; i++) argument = argument * 256 + data[i];
    }
    let value: CborValue;
    if (major === Major.Simple) {
      const found = simpleValue(data, start, first, argument);
      if (found === undefined && first !== 0xf7) return undefined;
      value = found;
    } else if (argument > LARGEST || major === Major.Tag) {
      return undefined;
    } else if (major === Major.Unsigned) {
      value = argument;
    } else if (major === Major.Negative) {
      value = -1 - argument;
      if (value < -LARGEST) return undefined;
    } else if (argument > data.length - at) {
      return undefined;
    } else if (major === Major.Bytes) {
      value = data.subarray(at, at + argument);
      at += argument;
    } else if (major === Major.Text) {
      value = readText(data, at, at + argument);
      at += argument;
    } else {
      if (open.length === DEPTH) return undefined;
      const container: CborValue[] | CborMap = major === Major.Map ? {} : [];
      value = container;
      if (argument > 0) {
        open.push(container);
        left.push(major === Major.Map ? 2 * argument : argument);
        keys.push(0);
        continue;
      }
    }
    // The item goes where it belongs; a container that is full is an item of the one around it.
    for (;;) {
      const level = open.length - 1;
      if (level < 0) return at === data.length ? value : undefined;
      const container = open[level];
      if (Array.isArray(container)) {
        container.push(value);
      } else if (left[level] & 1) {
        container[keys[level]] = value;
      } else {
        if (typeof value !== 'number' || major > Major.Negative || value in container) return undefined;
        keys[level] = value;
      }
      if (--left[level] > 0) break;
      value = container;
      open.pop();
      left.pop();
      keys.pop();
    }
  }
  return undefined;
}

/** @returns undefined for the value undefined, and for those that have no meaning here. Source: RFC 8949 §3.3. */
function simpleValue(data: Bytes, at: number, first: number, argument: number): CborValue {
  if (first === 0xf4) return false;
  if (first === 0xf5) return true;
  if (first === 0xf6) return null;
  if (first === 0xf9) return fromHalf(argument);
  if (first === 0xfa) return new DataView(data.buffer, data.byteOffset + at, 4).getFloat32(0);
  if (first === 0xfb) return new DataView(data.buffer, data.byteOffset + at, 8).getFloat64(0);
  return undefined;
}

/** @param bits a float16. Source: RFC 8949 Appendix D, IEEE 754. Powers are not exact on the interpreter. */
function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  let value = mantissa / 16777216;
  if (exponent === 31) {
    value = mantissa ? NaN : Infinity;
  } else if (exponent > 0) {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, ((exponent + 112) << 23) | (mantissa << 13));
    value = view.getFloat32(0);
  }
  return bits & 0x8000 ? -value : value;
}
