/** Copies of what the gateway keeps in SQLite: taken while it runs, checked, and put back while it does not. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Sqlite from 'better-sqlite3';
import { checkFile, FILE, hold } from '../store/sqlite.ts';

/** More pages than any file has: all of them in one step, so that a gateway that writes cannot make it begin again. */
const ALL = 2 ** 30;
/** What SQLite puts beside a file that is in use. */
const COMPANIONS = ['-wal', '-shm', '-journal'];

export const BACKUP_HELP = `Usage: npm run gateway -- backup --data DIRECTORY --to FILE
       npm run gateway -- restore --data DIRECTORY --from FILE

backup copies the SQLite file of a gateway, which may be running: the copy is what was durable at one instant.
restore checks such a copy and puts it in the place of what is there, which is kept beside it; no gateway may be running.
Keys of controllers and certificates are no part of it, but those of groups are: keep it to yourself.
PostgreSQL has pg_dump and pg_restore: gateway/deploy/README.md.
`;

/**
 * Copies the data, as they are at one instant, into a new file.
 * @returns what to tell the operator. Rejects with a message for him, and then there is no file
 */
export async function backup(directory: string, to: string): Promise<string> {
  const path = join(directory, FILE);
  if (!existsSync(path)) throw new Error(`${path} is not there: nothing to copy`);
  if (existsSync(to)) throw new Error(`${to} is there already: name another file`);
  const partial = `${to}.partial`;
  await discard(partial);
  try {
    const source = new Sqlite(path, { readonly: true, fileMustExist: true });
    try {
      await source.backup(partial, { progress: () => ALL });
    } finally {
      source.close();
    }
    makeSingle(partial);
    await chmod(partial, 0o600);
    const { records, entries } = checkFile(partial);
    await persist(partial);
    await rename(partial, to);
    await persist(dirname(resolve(to)));
    return `${to}: ${records} records and ${entries} log entries of ${path}, checked`;
  } catch (error) {
    await discard(partial);
    throw error;
  }
}

/**
 * Puts a copy in the place of the data. What is there is renamed, not deleted.
 * @returns what to tell the operator. Rejects with a message for him, and then nothing has changed
 */
export async function restore(directory: string, from: string): Promise<string> {
  if (!existsSync(from)) throw new Error(`${from} is not there`);
  checkFile(from);
  await mkdir(directory, { recursive: true });
  const path = join(directory, FILE);
  const partial = `${path}.partial`;
  const lock = hold(directory);
  try {
    await discard(partial);
    const source = new Sqlite(from, { readonly: true, fileMustExist: true });
    try {
      await source.backup(partial, { progress: () => ALL });
    } finally {
      source.close();
    }
    makeSingle(partial);
    const { records, entries } = checkFile(partial);
    await persist(partial);
    const kept = await setAside(path);
    await rename(partial, path);
    await persist(directory);
    const before = kept === undefined ? '' : `; what was there is ${kept} now`;
    return `${path}: ${records} records and ${entries} log entries of ${from}, checked${before}`;
  } catch (error) {
    await discard(partial);
    throw error;
  } finally {
    lock.close();
  }
}

/** A file of its own, with nothing beside it. */
function makeSingle(path: string): void {
  const file = new Sqlite(path);
  file.pragma('journal_mode = DELETE');
  file.close();
}

/** @returns the new name of the file that is there, undefined without one */
async function setAside(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  let kept = `${path}.before-restore`;
  for (let count = 2; existsSync(kept); count++) kept = `${path}.before-restore-${count}`;
  finish(path);
  // What could not be finished goes along: the last changes are in it.
  for (const companion of COMPANIONS) {
    if (existsSync(path + companion)) await rename(path + companion, kept + companion);
  }
  await rename(path, kept);
  return kept;
}

/** Writes what stands beside the file into it, which leaves it alone; a damaged one is left as it is. */
function finish(path: string): void {
  try {
    const file = new Sqlite(path);
    file.pragma('wal_checkpoint(TRUNCATE)');
    file.close();
  } catch {}
}

async function discard(path: string): Promise<void> {
  for (const name of [path, ...COMPANIONS.map((companion) => path + companion)]) await rm(name, { force: true });
}

/** Resolves when a file, or the names in a directory, are on the disk. */
async function persist(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The commands of this file. @returns undefined when the words are no such command; else what to tell. Throws and rejects with one line */
export function runBackup(words: string[], environment: Readonly<Record<string, string | undefined>> = process.env) {
  const [command, ...flags] = words;
  if (command !== 'backup' && command !== 'restore') return undefined;
  const file = command === 'backup' ? 'to' : 'from';
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: flags,
    options: { data: string, database: string, [file]: string, help: { type: 'boolean' } },
  }) as { values: Record<string, string | boolean | undefined> };
  if (values.help) return Promise.resolve(BACKUP_HELP.trimEnd());
  const directory = values.data ?? environment.REVERBERE_DATA;
  const path = values[file];
  if (values.database !== undefined || (directory === undefined && environment.REVERBERE_DATABASE)) {
    throw new Error(`${command} is for SQLite: PostgreSQL has pg_dump and pg_restore, see gateway/deploy/README.md`);
  }
  if (typeof directory !== 'string' || typeof path !== 'string') {
    throw new Error(`${command} wants --data DIRECTORY and --${file} FILE`);
  }
  return command === 'backup' ? backup(directory, path) : restore(directory, path);
}
