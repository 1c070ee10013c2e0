/**
 * Settings in raw flash: the latest value of each key, in a log that goes round in pages. After a power cut a key holds its
 * old value or its new one, never a mix.
 *
 *     page     magic, sequence, CRC-32 of both, mark: bits of the pages that this one replaces, and their complement above
 *     record   length of the value (2 bytes), of the key, 1 or of a deleted key 0; key, value, padded to 4; CRC-32 of all that
 *
 * One page is always free. When the last one is begun, what still counts of the oldest is copied to it; only with
 * the mark behind the last copy does the page count, and the others are free, so that a cut in between undoes it whole.
 */
import type { Bytes, FlashArea, FlashOptions, Hal, Storage } from '../../hal/hal.ts';
import { WHOLE } from '../protocols/crc.ts';
import { readText, writeText } from '../protocols/text.ts';

const MAGIC = 0x31565652;
const HEADER = 16;
/** Bytes of a record besides its key and value. */
const FRAME = 8;
/** Bytes that are read back or copied at a time. */
const PIECE = 256;

export class Vault implements Storage {
  /** The interpreter takes no method of a class by this name. */
  readonly delete: (key: string) => void;
  private _flash: FlashArea | undefined;
  /** By page: when it was begun, from 1; negative, or 0 when it never was: it is free. */
  private _order = new Int32Array(0);
  /** By key: the address of its record. */
  private _index: Record<string, number> = {};
  private _page = -1;
  /** Address of the next record. */
  private _free = 0;

  /** Flash that cannot be opened holds nothing: keys are absent, and every write throws. */
  constructor(
    private _hal: Pick<Hal, 'crc32' | 'openFlash'>,
    options: FlashOptions,
  ) {
    this.delete = this._delete;
    try {
      const flash = _hal.openFlash(options);
      const order = new Int32Array(flash.size / flash.page);
      const replaced: number[] = [];
      for (let page = 0; page < order.length; page++) {
        const bytes = flash.read(page * flash.page, HEADER);
        const header = new Uint32Array(bytes.buffer, bytes.byteOffset, 4);
        const whole = header[0] === MAGIC && _hal.crc32(bytes.subarray(0, HEADER - 4)) === WHOLE;
        const pages = header[3] & 65535;
        const settled = whole && header[3] >>> 16 === (pages ^ 65535);
        if (whole) order[page] = settled ? header[1] : -header[1];
        replaced.push(settled ? pages : 0);
      }
      for (let page = 0; page < order.length; page++) {
        for (let other = 0; other < order.length; other++) {
          const older = Math.abs(order[other]) < Math.abs(order[page]);
          if (older && (replaced[page] >> (other & 31)) & 1) order[other] = -Math.abs(order[other]);
        }
      }
      this._order = order;
      for (let page = this._after(0); page >= 0; page = this._after(order[page])) {
        const size = flash.page;
        const bytes = flash.read(page * size, size);
        let at = HEADER;
        while (at < size) {
          const name = bytes[at + 2];
          const kind = bytes[at + 3];
          const end = at + FRAME + ((name + bytes[at] + 256 * bytes[at + 1] + 3) & -4);
          if (kind < 2 && end <= size && _hal.crc32(bytes.subarray(at, end)) === WHOLE) {
            const key = readText(bytes, at + 4, at + 4 + name);
            if (kind) this._index[key] = page * size + at;
            else delete this._index[key];
            at = end;
            continue;
          }
          // Something torn, or the end.
          if (kind === 255 && _hal.crc32(bytes.subarray(at)) === _hal.crc32(new Uint8Array(size - at).fill(255))) break;
          at += 4;
        }
        this._page = page;
        this._free = page * size + at;
      }
      this._flash = flash;
    } catch (_unreadable) {
      this._index = {};
    }
  }

  read(key: string): Bytes | undefined {
    check(key);
    const flash = this._flash;
    const at = this._index[key];
    if (!flash || at === undefined) return undefined;
    const head = flash.read(at, 4);
    const value = head[0] + 256 * head[1];
    const length = FRAME + ((head[2] + value + 3) & -4);
    const bytes = at + length <= flash.size ? flash.read(at, length) : head;
    const begin = 4 + key.length;
    return this._hal.crc32(bytes) === WHOLE ? bytes.subarray(begin, begin + value) : undefined;
  }

  /** @param gone the key is deleted instead */
  write(key: string, value: Bytes, gone?: 1): void {
    check(key);
    const flash = this._flash;
    const index = this._index;
    const name = key.length;
    const length = FRAME + ((name + value.length + 3) & -4);
    // After so many turns every page was looked through; for what no page holds none is.
    const turns = this._order.length;
    for (let turn = 0; flash && HEADER + length <= flash.page && turn <= turns; turn++) {
      const at = this._free;
      if (this._page >= 0 && at + length <= (this._page + 1) * flash.page) {
        // Only now, so that it is not in memory while a page turns.
        const bytes = new Uint8Array(length);
        bytes.set([value.length, value.length >> 8, name, gone ? 0 : 1]);
        writeText(bytes, 4, key);
        bytes.set(value, 4 + name);
        new DataView(bytes.buffer).setUint32(length - 4, this._hal.crc32(bytes.subarray(0, length - 4)), true);
        this._free += length;
        flash.write(at, bytes);
        let held = true;
        for (let i = 0; held && i < length; i += PIECE) {
          const piece = bytes.subarray(i, Math.min(i + PIECE, length));
          held = this._hal.crc32(flash.read(at + i, piece.length)) === this._hal.crc32(piece);
        }
        if (held) {
          if (gone) delete index[key];
          else index[key] = at;
          return;
        }
      }
      if (turn < turns) this._turn(flash);
    }
    throw new Error('storage is full');
  }

  private _delete(key: string): void {
    check(key);
    if (this._index[key] !== undefined) this.write(key, new Uint8Array(0), 1);
  }

  keys(): string[] {
    return Object.keys(this._index);
  }

  /** @returns the page that was begun next after so many, of those that are not free; negative: none */
  private _after(order: number): number {
    const orders = this._order;
    let found = -1;
    for (let page = 0; page < orders.length; page++) {
      if (orders[page] > order && (found < 0 || orders[page] < orders[found])) found = page;
    }
    return found;
  }

  /**
   * Begins the page that has been free for longest. If it was the last, what counts of the oldest is copied to it, and of the
   * next ones as long as all of a page finds room; these are free then.
   */
  private _turn(flash: FlashArea): void {
    const crc32 = this._hal.crc32;
    const order = this._order;
    const index = this._index;
    const size = flash.page;
    let page = -1;
    let frees = 0;
    let next = 1;
    for (let i = 0; i < order.length; i++) {
      next = Math.max(next, 1 + Math.abs(order[i]));
      if (order[i] > 0) continue;
      frees++;
      if (page < 0 || order[i] > order[page]) page = i;
    }
    // Only flash that failed has none.
    if (page < 0) return;
    const header = new Uint32Array([MAGIC, next, 0]);
    const bytes = new Uint8Array(header.buffer);
    header[2] = crc32(bytes.subarray(0, 8));
    flash.erase(page * size);
    flash.write(page * size, bytes);
    let free = page * size + HEADER;
    let gone = 0;
    for (let old = frees > 1 ? -1 : this._after(0); old >= 0; old = this._after(order[old])) {
      const keys: string[] = [];
      const lengths: number[] = [];
      let need = 0;
      for (const key of Object.keys(index)) {
        if (Math.floor(index[key] / size) !== old) continue;
        const head = flash.read(index[key], 4);
        const length = FRAME + ((head[2] + head[0] + 256 * head[1] + 3) & -4);
        keys.push(key);
        lengths.push(length);
        need += length;
      }
      if (free + need > (page + 1) * size) break;
      let held = true;
      for (let i = 0; held && i < keys.length; i++) {
        const length = lengths[i];
        const from = index[keys[i]];
        if (crc32(flash.read(from, length)) !== WHOLE) {
          // Nobody can read what is damaged.
          delete index[keys[i]];
          continue;
        }
        held = false;
        // Flash that does not hold it here may do so behind.
        for (let attempt = 0; !held && attempt < 2 && free + length <= (page + 1) * size; attempt++) {
          const at = free;
          free += length;
          for (let part = 0; part < length; part += PIECE) {
            flash.write(at + part, flash.read(from + part, Math.min(PIECE, length - part)));
          }
          held = crc32(flash.read(at, length)) === WHOLE;
          if (held) index[keys[i]] = at;
        }
      }
      if (!held) break;
      gone |= 1 << (old & 31);
    }
    const mark = new Uint32Array([gone | ((gone ^ 65535) << 16)]);
    flash.write(page * size + HEADER - 4, new Uint8Array(mark.buffer));
    for (let i = 0; i < order.length; i++) if ((gone >> (i & 31)) & 1) order[i] = -order[i];
    order[page] = next;
    this._page = page;
    this._free = free;
  }
}

/** Throws unless it is a key. */
function check(key: string): void {
  let good = key.length > 0 && key.length < 25;
  for (const c of key) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c === '-' || c === '.');
  if (!good) throw new Error(`not a key: ${key}`);
}
