import type { Bytes, Storage } from '../hal.ts';

/**
 * The interpreter's Storage deletes a file before it writes the new one, cuts long names without a word and may lose a
 * file that it said was written. So a key has two files, `key~0` and `key~1`: a sequence number whose lowest bit is the
 * file's digit, the value, the CRC-32 of both (little-endian). A write goes to the file that does not hold the value and
 * is read back; until it is whole, the other file counts.
 */
const FRAME = 5;
/** CRC-32 of anything followed by its own CRC-32. Source: IEEE 802.3 §3.2.9, the residue, complemented and reflected. */
const WHOLE = 0x2144df1c;
/** Bytes that the interpreter adds to a file, and its padding. Source: Espruino src/jsflash.c, JsfFileHeader. */
const FILE = 35;

const files = require('Storage');

/** @returns sequence and value of a file; undefined when it is absent or damaged. */
function intact(name: string): Bytes | undefined {
  const file = files.readArrayBuffer(name);
  if (!file || file.byteLength < FRAME || E.CRC32(file) !== WHOLE) return undefined;
  return new Uint8Array(file, 0, file.byteLength - 4);
}

/** @returns sequence and value of the file that counts. */
function newest(key: string): Bytes | undefined {
  const even = intact(`${key}~0`);
  const odd = intact(`${key}~1`);
  if (!even || !odd) return even || odd;
  return ((odd[0] - even[0]) & 255) === 1 ? odd : even;
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
    return found && found.subarray(1);
  },

  write(key: string, value: Bytes): void {
    check(key);
    const old = newest(key);
    const end = value.length + 1;
    const record = new Uint8Array(value.length + FRAME);
    const sequence = old ? (old[0] + 1) & 255 : 0;
    record[0] = sequence;
    record.set(value, 1);
    const sum = E.CRC32(record.subarray(0, end));
    for (let i = 0; i < 4; i++) record[end + i] = sum >>> ((8 * i) & 31);
    if (record.length + FILE > files.getFree()) throw new Error('storage is full');
    const name = `${key}~${sequence & 1}`;
    // Twice: behind a header that a power cut tore, the first attempt may be lost and clears the way for the second.
    for (let attempt = 0; attempt < 2; attempt++) {
      files.write(name, record);
      const written = intact(name);
      if (written && written[0] === sequence) return;
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
