import type { Bytes, Storage } from '../hal.ts';

/**
 * The interpreter's Storage deletes a file before it writes the new one, cuts long names without a word and may lose a
 * file that it said was written. So a key has two files, `key~0` and `key~1`: 4 bits that count padding and 4 bits of a sequence
 * number whose lowest bit is the file's digit; padding, the value, and the CRC-32 of all that, exclusive or the CRC-32 of the
 * file's name (little-endian). A write goes to the file that does not hold the value and is read back; until it is whole, the
 * other file counts. The name is in the sum because a torn erasure gives a file another name.
 *
 * A power cut can leave any bits of a header unwritten, also of its size. While the size makes no sense the interpreter writes
 * the next header over it, which clears further bits, and what is left is a size of some other file; a size of 0 would end
 * Storage there for good, and what lies at the begin of the next page would make the next boot erase it all. So all sizes here
 * have one bit in common, and nothing is written behind the first 8 bytes, which the least such size covers, before the
 * file is seen to be there with its size.
 */
const FRAME = 5;
const COMMON = 8;
/** Bytes that the interpreter adds to a file, and its padding. Source: Espruino src/jsflash.c, JsfFileHeader. */
const FILE = 35;

const files = require('Storage');

/** @returns all but the sum of a file; undefined when it is absent or damaged. */
function intact(name: string): Bytes | undefined {
  const file = files.readArrayBuffer(name);
  if (!file || file.byteLength < FRAME) return undefined;
  const end = file.byteLength - 4;
  const bytes = new Uint8Array(file, 0, end);
  const sum = (E.CRC32(bytes) ^ E.CRC32(name)) >>> 0;
  return new DataView(file, end).getUint32(0, true) === sum ? bytes : undefined;
}

/** @returns what `intact` gives of the file that counts. */
function newest(key: string): Bytes | undefined {
  const even = intact(`${key}~0`);
  const odd = intact(`${key}~1`);
  if (!even || !odd) return even || odd;
  return ((odd[0] - even[0]) & 15) === 1 ? odd : even;
}

/** Without a regular expression: the first one costs 7 jsvars for good. */
function check(key: string): void {
  let good = key.length > 0 && key.length < 25;
  for (const c of key) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c === '-' || c === '.');
  if (!good) throw new Error(`not a key: ${key}`);
}

/**
 * @see Storage. Compaction is never triggered: a power cut in it loses files, the program among them. So what was
 * overwritten stays in the way, and `write` throws once the Storage area is used up.
 */
export const storage: Storage = {
  read(key: string): Bytes | undefined {
    check(key);
    const found = newest(key);
    return found && found.subarray(1 + (found[0] >> 4));
  },

  write(key: string, value: Bytes): void {
    check(key);
    const old = newest(key);
    const rest = (value.length + FRAME) & 15;
    const padding = rest < COMMON ? COMMON - rest : 0;
    const record = new Uint8Array(value.length + FRAME + padding);
    const size = record.length;
    const end = size - 4;
    const sequence = old ? (old[0] + 1) & 15 : 0;
    const name = `${key}~${sequence & 1}`;
    record[0] = 16 * padding + sequence;
    record.set(value, 1 + padding);
    const sum = (E.CRC32(record.subarray(0, end)) ^ E.CRC32(name)) >>> 0;
    new DataView(record.buffer).setUint32(end, sum, true);
    if (size + FILE > files.getFree()) throw new Error('storage is full');
    // Twice: behind a header that a power cut tore, the first attempt may be lost and clears the way for the second.
    for (let attempt = 0; attempt < 2; attempt++) {
      files.write(name, record.subarray(0, COMMON), 0, size);
      const begun = files.readArrayBuffer(name);
      if (size > COMMON && begun && begun.byteLength === size) files.write(name, record.subarray(COMMON), COMMON);
      const written = intact(name);
      if (written && written[0] === record[0]) return;
      files.erase(name);
    }
    throw new Error('storage is damaged');
  },

  delete(key: string): void {
    check(key);
    const found = newest(key);
    const last = found ? found[0] & 1 : 0;
    // The older value first, or a power cut in between would bring it back.
    files.erase(`${key}~${1 - last}`);
    files.erase(`${key}~${last}`);
  },

  keys(): string[] {
    const keys: string[] = [];
    for (const name of files.list()) {
      const key = name.substring(0, name.length - 2);
      if (name.charAt(name.length - 2) === '~' && keys.indexOf(key) < 0 && newest(key)) keys.push(key);
    }
    return keys;
  },
};
