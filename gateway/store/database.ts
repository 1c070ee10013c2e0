/** A store on top of a database, whichever it is. */
import { type Batch, Gathered, GroupCommit, type LogChange, type Row } from './group-commit.ts';
import type { Arrival, Arrivals, Dropped, Json, LogEntry, Logs, Store } from './store.ts';

/** Arrivals that wait for the database at once; who sends more is not told that they were taken, and repeats them. */
const MOST_WAITING = 20000;

/** A database: keys and logger names are text without zero characters and half surrogate pairs. */
export interface Database {
  /** For messages. */
  readonly name: string;
  commit(batch: Batch): void | Promise<void>;
  /** @returns keys and JSON of the records whose keys start with `prefix`. */
  records(prefix: string): Promise<{ key: string; value: string }[]>;
  has(key: string): Promise<boolean>;
  /** @returns the oldest entries of a logger. */
  entries(logger: string, limit: number): Promise<Row[]>;
  trim(logger: string, most: number): Promise<Dropped>;
  /** @returns the number of entries of every logger that has any */
  counts(): Promise<{ logger: string; count: number }[]>;
  /** Adds what is not there in one transaction. */
  arrive(arrivals: readonly Arrival[]): void | Promise<void>;
  arrived(after: number, limit: number): Promise<(Arrival & { sequence: number })[]>;
  trimArrivals(upTo: number, before: number, most: number): Promise<number>;
  close(): Promise<void>;
}

/** Text of any kind as databases keep it: what begins alike does so afterwards. */
const toColumn = (text: string): string => JSON.stringify(text).slice(1, -1);
const fromColumn = (text: string): string => JSON.parse(`"${text}"`);

export class DatabaseStore implements Store {
  readonly logs: Logs;
  readonly arrivals: Arrivals;
  observe: Store['observe'] = () => {};
  private readonly commits: GroupCommit;
  private readonly gathered: Gathered<Arrival>;
  private closed = false;

  constructor(private readonly database: Database) {
    this.commits = new GroupCommit((batch) => this.timed(() => database.commit(batch)));
    this.logs = new DatabaseLogs(database, this.commits);
    const gathered = new Gathered<Arrival>((arrivals) => this.timed(() => database.arrive(arrivals)), MOST_WAITING);
    this.gathered = gathered;
    this.arrivals = {
      get waiting() {
        return gathered.waiting;
      },
      add: (arrivals) => gathered.add(arrivals),
      after: (sequence, limit) => database.arrived(sequence, limit),
      trim: (upTo, before, most) => database.trimArrivals(upTo, before, most),
    };
  }

  async load(prefix = ''): Promise<Map<string, Json>> {
    await this.commits.flush();
    const rows = await this.database.records(toColumn(prefix));
    return new Map(rows.map(({ key, value }) => [fromColumn(key), this.parse(key, value)]));
  }

  async has(key: string): Promise<boolean> {
    await this.commits.flush();
    return this.database.has(toColumn(key));
  }

  save(key: string, record: unknown): Promise<void> {
    const text = record === undefined ? undefined : JSON.stringify(record);
    return this.commits.put(({ records }) => records.set(toColumn(key), text));
  }

  flush(): Promise<void> {
    return this.commits.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    try {
      await this.gathered.close();
      await this.commits.close();
    } finally {
      await this.database.close();
    }
  }

  private async timed(work: () => void | Promise<void>): Promise<void> {
    const begun = performance.now();
    let failed = true;
    try {
      await work();
      failed = false;
    } finally {
      this.observe((performance.now() - begun) / 1000, failed);
    }
  }

  private parse(key: string, value: string): Json {
    try {
      return JSON.parse(value);
    } catch (error) {
      throw damaged(this.database.name, `record ${key}: ${(error as Error).message}`);
    }
  }
}

class DatabaseLogs implements Logs {
  constructor(
    private readonly database: Database,
    private readonly commits: GroupCommit,
  ) {}

  append(entries: readonly Omit<LogEntry, 'sequence'>[]): Promise<void> {
    const rows = entries.map(({ logger, kind, time, body }) => ({
      logger: toColumn(logger),
      event: kind === 'event',
      time,
      body: JSON.stringify(body),
    }));
    return this.change({ kind: 'append', rows });
  }

  async pending(logger: string, limit: number): Promise<LogEntry[]> {
    await this.settled();
    const rows = await this.database.entries(toColumn(logger), limit);
    return rows.map(({ sequence, event, time, body }) => ({
      sequence,
      logger,
      kind: event ? 'event' : 'attribute',
      time,
      body: JSON.parse(body),
    }));
  }

  reported(logger: string, upTo: number): Promise<void> {
    return this.change({ kind: 'reported', logger: toColumn(logger), upTo });
  }

  async trim(logger: string, most: number): Promise<Dropped> {
    await this.settled();
    return this.database.trim(toColumn(logger), most);
  }

  async counts(): Promise<Map<string, number>> {
    const rows = await this.database.counts();
    return new Map(rows.map(({ logger, count }) => [fromColumn(logger), Number(count)]));
  }

  forget(logger: string): Promise<void> {
    return this.change({ kind: 'forget', logger: toColumn(logger) });
  }

  private change(change: LogChange): Promise<void> {
    return this.commits.put(({ logs }) => logs.push(change));
  }

  /** Waits for what was asked for before; whether it failed, its caller knows. */
  private settled(): Promise<void> {
    return this.commits.flush().catch(() => {});
  }
}

/** @returns what the operator has to know: a fresh start would give every device another address. */
export function damaged(name: string, reason: string): Error {
  return new Error(
    `${name} is damaged and holds the devices' addresses (${reason.replace(/\s+/g, ' ')}): put a backup of it in its place. Without one, move ` +
      'it away to begin anew: then every device gets another address',
  );
}

/** @returns what the operator has to know of a schema that a newer program has made. */
export function newer(name: string, version: number, known: number): Error {
  return new Error(
    `${name} has schema ${version} of a newer program, this one knows ${known}: start the newer program, or put a ` +
      'backup from before its first start in its place',
  );
}
