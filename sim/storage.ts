/**
 * `Storage` on simulated flash: a log of records in one of two banks. A record counts when its checksum is right, so a
 * power cut leaves the old value or the new one. A full bank is copied to the other one, whose header is written last.
 *
 * Bank: header (magic, sequence, CRC-32 of both), records. Record: header (magic, key length, kind, value length, CRC-32
 * of key and value, CRC-32 of the header), key, value, each record padded to 16 bytes.
 */
import { crc32 } from 'node:zlib';
import type { Bytes, Storage } from '../hal/hal.ts';
import { type Owner, PowerCut } from './clock.ts';
import type { Flash } from './flash.ts';

const BANK_MAGIC = 0x52564246;
const RECORD_MAGIC = 0x5256;
const HEADER = 16;
const VALUE = 1;
const DELETED = 2;
/** Fills views that are no longer valid, so that a reader who keeps one is found out. */
const STALE = 0xdb;

interface Place {
  address: number;
  keyLength: number;
  length: number;
  crc: number;
  damaged: boolean;
}

const padded = (length: number) => Math.ceil(length / HEADER) * HEADER;
const recordSize = (place: Place) => padded(HEADER + place.keyLength + place.length);

function checkKey(key: string): void {
  if (typeof key !== 'string' || !/^[a-z0-9.-]{1,24}$/.test(key)) throw new RangeError(`${key} is not a storage key`);
}

function bankHeader(sequence: number): Buffer {
  const header = Buffer.alloc(HEADER, 0xff);
  header.writeUInt32BE(BANK_MAGIC, 0);
  header.writeUInt32BE(sequence, 4);
  header.writeUInt32BE(crc32(header.subarray(0, 8)), 8);
  return header;
}

function record(key: string, kind: number, value: Bytes): Buffer {
  const bytes = Buffer.alloc(padded(HEADER + key.length + value.length), 0xff);
  bytes.writeUInt16BE(RECORD_MAGIC, 0);
  bytes.writeUInt8(key.length, 2);
  bytes.writeUInt8(kind, 3);
  bytes.writeUInt32BE(value.length, 4);
  bytes.write(key, HEADER, 'latin1');
  bytes.set(value, HEADER + key.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(HEADER, HEADER + key.length + value.length)), 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 12)), 12);
  return bytes;
}

export class SimStorage implements Storage {
  #flash: Flash;
  #power: Owner;
  #bankSize: number;
  #bank = 0;
  #sequence = 0;
  #free = 0;
  #index = new Map<string, Place>();
  #views = new Map<string, Uint8Array>();

  /** Mounts what is on the flash; formats it when nothing is. */
  constructor(flash: Flash, power: Owner) {
    this.#flash = flash;
    this.#power = power;
    this.#bankSize = flash.size / 2;
    const sequences = [this.#bankSequence(0), this.#bankSequence(1)];
    this.#bank = sequences[1] > sequences[0] ? 1 : 0;
    this.#sequence = sequences[this.#bank];
    if (this.#sequence > 0) this.#scan();
    else this.#free = this.#bankSize;
  }

  read(key: string): Bytes | undefined {
    this.#alive();
    checkKey(key);
    const known = this.#views.get(key);
    if (known) return known;
    const place = this.#index.get(key);
    if (!place || place.damaged) return undefined;
    const start = place.address + HEADER;
    const body = Buffer.from(this.#flash.read(start, place.keyLength + place.length));
    if (crc32(body) !== place.crc) return undefined;
    const view = Uint8Array.from(body.subarray(place.keyLength));
    this.#views.set(key, view);
    return view;
  }

  write(key: string, value: Bytes): void {
    this.#alive();
    checkKey(key);
    if (!(value instanceof Uint8Array)) throw new TypeError('storage takes bytes');
    const bytes = record(key, VALUE, value);
    if (bytes.length > this.#left()) this.#moveTo(key, bytes);
    else this.#append(bytes);
    this.#outdateViews();
  }

  delete(key: string): void {
    this.#alive();
    checkKey(key);
    if (!this.#index.has(key)) return;
    const bytes = record(key, DELETED, new Uint8Array(0));
    if (bytes.length > this.#left()) this.#moveTo(key, undefined);
    else this.#append(bytes);
    this.#outdateViews();
  }

  keys(): string[] {
    this.#alive();
    return [...this.#index].filter(([, place]) => !place.damaged).map(([key]) => key);
  }

  /** For tests: flips one bit of a stored value (of its key when the value is empty). */
  damage(key: string): void {
    const place = this.#index.get(key);
    if (!place) throw new Error(`nothing stored under ${key}`);
    this.#flash.damage(place.address + HEADER + (place.length ? place.keyLength : 0), 0x01);
    this.#views.delete(key);
  }

  #alive(): void {
    if (!this.#power.on) throw new PowerCut();
  }

  #left(): number {
    return this.#bankSize - this.#free;
  }

  #bankSequence(bank: number): number {
    const header = Buffer.from(this.#flash.read(bank * this.#bankSize, HEADER));
    if (header.readUInt32BE(0) !== BANK_MAGIC) return 0;
    return crc32(header.subarray(0, 8)) === header.readUInt32BE(8) ? header.readUInt32BE(4) : 0;
  }

  /** A record that fails its check is a torn write when it is the last one, and damage when others follow it. */
  #scan(): void {
    const base = this.#bank * this.#bankSize;
    let suspect: { key: string; place: Place } | undefined;
    this.#free = HEADER;
    while (this.#left() >= HEADER) {
      const address = base + this.#free;
      const header = Buffer.from(this.#flash.read(address, HEADER));
      if (header.every((byte) => byte === 0xff)) break;
      const keyLength = header.readUInt8(2);
      const length = header.readUInt32BE(4);
      const torn = crc32(header.subarray(0, 12)) !== header.readUInt32BE(12) || header.readUInt16BE(0) !== RECORD_MAGIC;
      if (suspect) this.#index.set(suspect.key, suspect.place);
      if (torn) {
        this.#free = this.#bankSize;
        return;
      }
      const body = Buffer.from(this.#flash.read(address + HEADER, keyLength + length));
      const place = { address, keyLength, length, crc: header.readUInt32BE(8), damaged: false };
      const key = body.toString('latin1', 0, keyLength);
      suspect = undefined;
      if (crc32(body) !== place.crc) suspect = { key, place: { ...place, damaged: true } };
      else if (header.readUInt8(3) === DELETED) this.#index.delete(key);
      else this.#index.set(key, place);
      this.#free += recordSize(place);
    }
    // Behind a torn record nothing more is appended, so a torn record is always the last one.
    if (suspect) this.#free = this.#bankSize;
  }

  #enter(bytes: Buffer, address: number): void {
    const keyLength = bytes.readUInt8(2);
    const key = bytes.toString('latin1', HEADER, HEADER + keyLength);
    const place = { address, keyLength, length: bytes.readUInt32BE(4), crc: bytes.readUInt32BE(8), damaged: false };
    if (bytes.readUInt8(3) === DELETED) this.#index.delete(key);
    else this.#index.set(key, place);
  }

  #append(bytes: Buffer): void {
    const address = this.#bank * this.#bankSize + this.#free;
    this.#flash.program(address, bytes);
    this.#free += bytes.length;
    this.#enter(bytes, address);
  }

  /** Copies every other key to the empty bank, adds `bytes`, and makes that bank the valid one. */
  #moveTo(key: string, bytes: Buffer | undefined): void {
    const others = [...this.#index].filter(([name, place]) => name !== key && !place.damaged);
    const live = others.reduce((sum, [, place]) => sum + recordSize(place), HEADER + (bytes?.length ?? 0));
    if (live > this.#bankSize) throw new Error(`storage is full: no room for ${key}`);
    const copies: Buffer[] = others.map(([, place]) => Buffer.from(this.#flash.read(place.address, recordSize(place))));
    if (bytes) copies.push(bytes);
    const bank = this.#sequence === 0 ? this.#bank : 1 - this.#bank;
    const base = bank * this.#bankSize;
    this.#clear(bank);
    let free = HEADER;
    for (const copy of copies) {
      this.#flash.program(base + free, copy);
      free += copy.length;
    }
    this.#flash.program(base, bankHeader(this.#sequence + 1));
    this.#bank = bank;
    this.#sequence++;
    this.#free = HEADER;
    this.#index.clear();
    for (const copy of copies) {
      this.#enter(copy, base + this.#free);
      this.#free += copy.length;
    }
  }

  #clear(bank: number): void {
    const pages = this.#bankSize / this.#flash.page;
    for (let page = bank * pages; page < (bank + 1) * pages; page++) {
      const used = this.#flash.read(page * this.#flash.page, this.#flash.page).some((byte) => byte !== 0xff);
      if (used) this.#flash.erase(page);
    }
  }

  #outdateViews(): void {
    for (const view of this.#views.values()) view.fill(STALE);
    this.#views.clear();
  }
}
