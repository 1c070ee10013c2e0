/** Opens the store that the operator has chosen, and takes over what earlier versions kept. */

import { createHash } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import { damaged } from './database.ts';
import { MemoryStore } from './memory.ts';
import { openPostgresStore } from './postgres.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Json, Store } from './store.ts';

export interface StoreOptions {
  /** One that is open already; whoever uses it closes it. Absent: what follows. */
  store?: Store;
  /** Where SQLite keeps its file. Without it and a database everything is forgotten at the end. */
  dataDirectory?: string;
  /** postgres://user:password@host:port/database, instead of SQLite */
  database?: string;
}

/** @returns the store. Rejects with a message for the operator. */
export async function openStore(options: StoreOptions, log: Log): Promise<Store> {
  const { dataDirectory, database } = options;
  if (options.store) return options.store;
  if (database === undefined && dataDirectory === undefined) return new MemoryStore();
  const store = database ? await openPostgresStore(database, log) : await openSqliteStore(dataDirectory as string);
  try {
    if (dataDirectory !== undefined) await takeOver(join(dataDirectory, 'gateway.json'), store, log);
    return store;
  } catch (error) {
    await store.close().catch(() => {});
    throw error;
  }
}

/** Format of the one file in which version 0.1 kept its records. */
const FORMAT = 1;
const DONE = 'taken-over/gateway.json';

/** Saves the records of that file, once, and puts it aside; the record under `DONE` tells of an interruption in between. */
async function takeOver(path: string, store: Store, log: Log): Promise<void> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const stored = await store.load();
  const digest = createHash('sha256').update(text).digest('hex');
  const done = stored.get(DONE) === digest;
  if (stored.size > 0 && !done) {
    throw new Error(
      `${path} is of an older version, but its successor holds records too: move away the one that is wrong`,
    );
  }
  if (!done) {
    const records = readRecords(path, text);
    await Promise.all([
      ...Object.entries(records).map(([key, record]) => store.save(key, record)),
      store.save(DONE, digest),
    ]);
    log(`took over ${Object.keys(records).length} records of ${path}; it stays as ${path}.old`);
  }
  await rename(path, `${path}.old`);
}

function readRecords(path: string, text: string): Record<string, Json> {
  try {
    const content = JSON.parse(text) as { format: number; records: Record<string, Json> };
    if (content.format !== FORMAT) throw new Error(`format ${content.format} is not ${FORMAT}`);
    return content.records;
  } catch (error) {
    throw damaged(path, (error as Error).message);
  }
}
