import type { Bytes, Storage } from '../hal.ts';

/**
 * The interpreter's Storage deletes a file before it writes the new one, cuts long names without a word and may lose a
 * file that it said was written. So a key has two files, `key~0` and `key~1`: the CRC-32 of the rest (big-endian), a
 * sequence number whose lowest bit is the file's digit, the value. A write goes to the file that does not hold the value
 * and is read back; until it is whole, the other file counts.
 */
const HEAD = 5;
/** Bytes that the interpreter adds to a file, and its padding. Source: Espruino src/jsflash.c, JsfFileHeader. */
const FILE = 35;

const files = require('Storage');

/** @returns sequence and value of a file; undefined when it is absent or damaged. */
function intact(name: string): Bytes | undefined {
  const file = files.readArrayBuffer(name);
  if (!file || file.byteLength < HEAD) return undefined;
  const rest = new Uint8Array(file, 4);
  return E.CRC32(rest) === new DataView(file).getUint32(0) ? rest : undefined;
}

/** @returns sequence and value of the file that counts. */
function newest(key: string): Bytes | undefined {
  const even = intact(`${key}~0`);
  const odd = intact(`${key}~1`);
  if (!even || !odd) return even || odd;
  return ((odd[0] - even[0]) & 255) === 1 ? odd : even;
}

function check(key: string): void {
  if (key.length > 24 || !/^[a-z0-9.-]+$/.test(key)) throw new Error(`not a key: ${key}`);
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
    const record = new Uint8Array(HEAD + value.length);
    const sequence = old ? (old[0] + 1) & 255 : 0;
    record[4] = sequence;
    record.set(value, HEAD);
    new DataView(record.buffer).setUint32(0, E.CRC32(record.subarray(4)));
    if (record.length + FILE > files.getFree()) throw new Error('storage is full');
    const name = `${key}~${sequence & 1}`;
    files.write(name, record);
    const written = intact(name);
    if (!written || written[0] !== sequence) throw new Error('storage is damaged');
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
    for (const name of files.list(/^[a-z0-9.-]+~[01]$/)) {
      const key = name.substring(0, name.length - 2);
      if (keys.indexOf(key) < 0 && newest(key)) keys.push(key);
    }
    return keys;
  },
};
