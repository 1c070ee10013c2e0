/** Writes files that hold secrets: whole or not at all, and for nobody else to read. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Replaces a file so that a reader, and a restart after a power cut, find the old or the new content, never a part. A file
 * that is there keeps its owner, and its group its right to read: a broker may run as another user. Throws with the reason.
 */
export function replaceFile(path: string, content: string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const before = statSync(path, { throwIfNoEntry: false });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      const made = fstatSync(file);
      if (before && (made.uid !== before.uid || made.gid !== before.gid)) fchownSync(file, before.uid, before.gid);
      fchmodSync(file, before ? before.mode & 0o640 : 0o600);
      writeAll(file, Buffer.from(content));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const entry = openSync(directory, 'r');
  fsyncSync(entry);
  closeSync(entry);
}

function writeAll(file: number, content: Buffer): void {
  for (let at = 0; at < content.length; ) at += writeSync(file, content, at);
}
