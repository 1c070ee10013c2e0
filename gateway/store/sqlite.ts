/** A store in one SQLite file, `gateway.db`: nothing to install, and every commit is on disk. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type Database, DatabaseStore, damaged, newer } from './database.ts';
import type { Batch, LogChange, Row } from './group-commit.ts';
import type { Arrival, Dropped, Store } from './store.ts';

/** Each brings the schema from the version that is its index to the next. Never changed once released. */
const MIGRATIONS = [
  `CREATE TABLE records (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE log (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     logger TEXT NOT NULL,
     event INTEGER NOT NULL,
     time INTEGER NOT NULL,
     body TEXT NOT NULL
   );
   CREATE INDEX log_by_logger ON log (logger, sequence, event);`,
  `CREATE TABLE arrivals (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     controller TEXT NOT NULL,
     kind INTEGER NOT NULL,
     epoch INTEGER NOT NULL,
     number INTEGER NOT NULL,
     time INTEGER NOT NULL,
     content BLOB NOT NULL,
     UNIQUE (controller, kind, epoch, number)
   );`,
];

/** Arrivals that are dropped in one transaction. */
const MOST_TRIMMED = 5000;

/** Name of the file in the data directory. */
export const FILE = 'gateway.db';
/** Tells this program's files from other SQLite files: 'Rvbr'. */
const APPLICATION = 0x52766272;

/**
 * @param directory created when missing
 * @returns the store. Rejects with a message for the operator when the file is damaged, in use, of a newer program or of
 * another one.
 */
export async function openSqliteStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, FILE);
  const lock = hold(directory);
  let file: Sqlite.Database | undefined;
  try {
    file = new Sqlite(path);
    prepare(file, path);
    return new DatabaseStore(new SqliteDatabase(path, file, lock));
  } catch (error) {
    file?.close();
    lock.close();
    const { code, message } = error as Error & { code?: string };
    throw code === 'SQLITE_NOTADB' || code?.startsWith('SQLITE_CORRUPT') ? damaged(path, message) : error;
  }
}

/** Two gateways on one file would overwrite each other's records. The lock ends with its process, however that ends. */
export function hold(directory: string): Sqlite.Database {
  const lock = new Sqlite(join(directory, 'gateway.lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    throw new Error(`${directory} is in use by another gateway: stop that one, or choose another directory`);
  }
}

/** @returns the version of the file's schema. Throws when the file is another program's or a newer one's. */
function versionOf(file: Sqlite.Database, path: string): number {
  const number = (pragma: string): number => Number(file.pragma(pragma, { simple: true }));
  const version = number('user_version');
  const application = number('application_id');
  const empty = file.prepare('SELECT count(*) FROM sqlite_master').pluck().get() === 0;
  if (application !== APPLICATION && !(application === 0 && empty)) {
    throw new Error(`${path} belongs to another program: choose another directory`);
  }
  if (version > MIGRATIONS.length) throw newer(path, version, MIGRATIONS.length);
  return version;
}

/** Checks every page of a file that nobody writes. @returns what it holds. Throws with a message for the operator */
export function checkFile(path: string): { records: number; entries: number } {
  let file: Sqlite.Database | undefined;
  try {
    file = new Sqlite(path, { readonly: true, fileMustExist: true });
    if (versionOf(file, path) === 0) throw new Error(`${path} holds nothing`);
    const fault = file.pragma('integrity_check(1)', { simple: true });
    if (fault !== 'ok') throw new Error(`${path} is damaged: ${String(fault).replace(/\s+/g, ' ')}`);
    const count = (table: string): number => Number(file?.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
    return { records: count('records'), entries: count('log') };
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code?.startsWith('SQLITE_')) throw new Error(`${path} is damaged or no SQLite file: ${message}`);
    throw error;
  } finally {
    file?.close();
  }
}

/** Checks the file, and brings its schema up to date. */
function prepare(file: Sqlite.Database, path: string): void {
  const version = versionOf(file, path);
  const fault = file.pragma('quick_check(1)', { simple: true });
  if (fault !== 'ok') throw damaged(path, String(fault));
  file.pragma('journal_mode = WAL');
  file.pragma('synchronous = FULL');
  for (let next = version; next < MIGRATIONS.length; next++) {
    file.transaction(() => {
      file.exec(MIGRATIONS[next]);
      file.pragma(`application_id = ${APPLICATION}`);
      file.pragma(`user_version = ${next + 1}`);
    })();
  }
}

class SqliteDatabase implements Database {
  readonly commit: (batch: Batch) => void;
  readonly arrive: (arrivals: readonly Arrival[]) => void;

  constructor(
    readonly name: string,
    private readonly file: Sqlite.Database,
    private readonly lock: Sqlite.Database,
  ) {
    const put = file.prepare(
      'INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    );
    const remove = file.prepare('DELETE FROM records WHERE key = ?');
    const append = file.prepare('INSERT INTO log (logger, event, time, body) VALUES (?, ?, ?, ?)');
    const reported = file.prepare('DELETE FROM log WHERE logger = ? AND sequence <= ?');
    const forget = file.prepare('DELETE FROM log WHERE logger = ?');
    const apply = (change: LogChange): void => {
      if (change.kind === 'reported') reported.run(change.logger, change.upTo);
      else if (change.kind === 'forget') forget.run(change.logger);
      else for (const { logger, event, time, body } of change.rows) append.run(logger, event ? 1 : 0, time, body);
    };
    this.commit = file.transaction(({ records, logs }: Batch) => {
      for (const [key, text] of records) {
        if (text === undefined) remove.run(key);
        else put.run(key, text);
      }
      for (const change of logs) apply(change);
    }).immediate;
    const arrive = file.prepare(
      'INSERT INTO arrivals (controller, kind, epoch, number, time, content) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.arrive = file.transaction((arrivals: readonly Arrival[]) => {
      for (const { controller, kind, epoch, number, time, content } of arrivals) {
        arrive.run(controller, kind, epoch, number, time, content);
      }
    }).immediate;
  }

  async records(prefix: string): Promise<{ key: string; value: string }[]> {
    const select = 'SELECT key, value FROM records WHERE substr(key, 1, length(?)) = ?';
    return this.file.prepare<string[], { key: string; value: string }>(select).all(prefix, prefix);
  }

  async has(key: string): Promise<boolean> {
    return this.file.prepare('SELECT 1 FROM records WHERE key = ?').get(key) !== undefined;
  }

  async entries(logger: string, limit: number): Promise<Row[]> {
    const select = 'SELECT sequence, event, time, body FROM log WHERE logger = ? ORDER BY sequence LIMIT ?';
    const rows = this.file.prepare<unknown[], Omit<Row, 'event'> & { event: number }>(select).all(logger, limit);
    return rows.map((row) => ({ ...row, logger, event: row.event === 1 }));
  }

  async trim(logger: string, most: number): Promise<Dropped> {
    const count = this.file.prepare('SELECT count(*) FROM log WHERE logger = ?').pluck();
    const drop = this.file.prepare(
      'DELETE FROM log WHERE sequence IN (SELECT sequence FROM log WHERE logger = ? AND event = ? ORDER BY sequence LIMIT ?)',
    );
    const all = this.file.transaction((): Dropped => {
      const excess = Math.max(Number(count.get(logger)) - most, 0);
      const attributes = excess === 0 ? 0 : drop.run(logger, 0, excess).changes;
      const events = excess === attributes ? 0 : drop.run(logger, 1, excess - attributes).changes;
      return { attributes, events };
    });
    return all.immediate();
  }

  async counts(): Promise<{ logger: string; count: number }[]> {
    const select = 'SELECT logger, count(*) AS count FROM log GROUP BY logger';
    return this.file.prepare<[], { logger: string; count: number }>(select).all();
  }

  async arrived(after: number, limit: number): Promise<(Arrival & { sequence: number })[]> {
    const select = 'SELECT * FROM arrivals WHERE sequence > ? ORDER BY sequence LIMIT ?';
    return this.file.prepare<number[], Arrival & { sequence: number }>(select).all(after, limit);
  }

  async trimArrivals(upTo: number, before: number, most: number): Promise<number> {
    const excess = Number(this.file.prepare('SELECT count(*) FROM arrivals').pluck().get()) - most;
    const oldest = 'SELECT sequence, time FROM arrivals WHERE sequence <= ? ORDER BY sequence LIMIT ?';
    const rows = this.file.prepare<number[], { sequence: number; time: number }>(oldest).all(upTo, MOST_TRIMMED);
    const kept = rows.findIndex(({ time }, i) => time >= before && i >= excess);
    const last = rows.at(kept < 0 ? -1 : kept - 1);
    if (kept === 0 || last === undefined) return 0;
    return this.file.prepare('DELETE FROM arrivals WHERE sequence <= ?').run(last.sequence).changes;
  }

  async close(): Promise<void> {
    this.file.close();
    this.lock.close();
  }
}
