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
 * Replaces files so that a reader, and a restart after a power cut, find the old or the new content of each, never a part.
 * All are written before the first is replaced: when that fails, for want of space or of rights, nothing has changed. A file
 * that is there keeps its owner, and its group its right to read: a broker may run as another user. Throws with the reason.
 * @param files in the order in which they are replaced
 */
export function replaceFiles(files: readonly { path: string; content: string }[]): void {
  const temporaries: string[] = [];
  try {
    for (const { path, content } of files) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const temporary = `${path}.${randomBytes(6).toString('hex')}.new`;
      temporaries.push(temporary);
      writeBeside(path, temporary, content);
    }
    for (const [i, { path }] of files.entries()) renameSync(temporaries[i], path);
  } catch (error) {
    for (const temporary of temporaries) rmSync(temporary, { force: true });
    throw error;
  }
  for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
    const entry = openSync(directory, 'r');
    fsyncSync(entry);
    closeSync(entry);
  }
}

/** Replaces one file. @see replaceFiles */
export const replaceFile = (path: string, content: string): void => replaceFiles([{ path, content }]);

function writeBeside(path: string, temporary: string, content: string): void {
  const before = statSync(path, { throwIfNoEntry: false });
  if (before?.isDirectory()) throw new Error(`${path} is a directory`);
  const file = openSync(temporary, 'wx', 0o600);
  try {
    const made = fstatSync(file);
    if (before && (made.uid !== before.uid || made.gid !== before.gid)) fchownSync(file, before.uid, before.gid);
    fchmodSync(file, before ? before.mode & 0o640 : 0o600);
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
