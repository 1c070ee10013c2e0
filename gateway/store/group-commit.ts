/** Many small writes as few transactions, since each transaction waits for the disk. */
import { randomUUID } from 'node:crypto';

/** ms after which a transaction that failed is tried again. */
const AGAIN = 2000;

/** An entry of a log as databases keep it; `body` is JSON. */
export interface Row {
  sequence: number;
  logger: string;
  event: boolean;
  time: number;
  body: string;
}

export type LogChange =
  | { kind: 'append'; rows: Omit<Row, 'sequence'>[] }
  | { kind: 'reported'; logger: string; upTo: number }
  | { kind: 'forget'; logger: string };

/** What one transaction does. */
export interface Batch {
  /** Names the transaction, of all that were ever done. */
  id: string;
  /** JSON by key; undefined: the record goes. */
  records: Map<string, string | undefined>;
  /** In this order. */
  logs: LogChange[];
}

/**
 * What is put in one turn of the event loop, or while the transaction before is under way, is the next transaction. When
 * one fails, whoever put something into it hears of it; it is tried again as it was until it succeeds, before all others.
 */
export class GroupCommit {
  private open: { batch: Batch; done: Promise<void> } | undefined;
  private last: Promise<void> = Promise.resolve();
  private busy = 0;
  /** What has failed, and what is to be done after it. */
  private failed: Batch[] = [];
  private retry: NodeJS.Timeout | undefined;

  /** @param commit does a batch in one transaction, whole or not at all; given it again after a failure, not twice */
  constructor(private readonly commit: (batch: Batch) => void | Promise<void>) {}

  /** @returns a promise of the transaction; it may be left alone. */
  put(fill: (batch: Batch) => void): Promise<void> {
    this.open ??= this.begin();
    const { batch, done } = this.open;
    fill(batch);
    return done;
  }

  /** Resolves when everything put so far is durable. */
  flush(): Promise<void> {
    if (this.open) return this.open.done;
    if (this.failed.length > 0) return this.put(() => {});
    return this.busy > 0 ? this.last : Promise.resolve();
  }

  /** Resolves when nothing is under way any more; rejects when something could not be saved. */
  async close(): Promise<void> {
    await this.last.catch(() => {});
    try {
      await this.flush();
    } finally {
      clearTimeout(this.retry);
    }
  }

  private begin(): { batch: Batch; done: Promise<void> } {
    const batch: Batch = { id: randomUUID(), records: new Map(), logs: [] };
    const before = this.last.catch(() => {});
    const done = Promise.all([before, new Promise(setImmediate)]).then(() => this.run(batch));
    done.catch(() => {});
    this.last = done;
    this.busy++;
    return { batch, done };
  }

  private async run(batch: Batch): Promise<void> {
    this.open = undefined;
    const due = [...this.failed, batch];
    this.failed = [];
    clearTimeout(this.retry);
    try {
      for (; due.length > 0; due.shift()) if (due[0].records.size + due[0].logs.length > 0) await this.commit(due[0]);
    } catch (error) {
      // The first may have been done without our hearing of it, and so stays what it is; the others become one.
      this.failed = due.length > 1 ? [due[0], merged(due.slice(1))] : due;
      this.retry = setTimeout(() => this.put(() => {}), AGAIN).unref();
      throw error;
    } finally {
      this.busy--;
    }
  }
}

function merged(batches: Batch[]): Batch {
  return {
    id: randomUUID(),
    records: new Map(batches.flatMap(({ records }) => [...records])),
    logs: batches.flatMap(({ logs }) => logs),
  };
}

/** The same for what only grows, and whose failure is the sender's affair: it is not tried again. */
export class Gathered<T> {
  private open: { items: T[]; done: Promise<void> } | undefined;
  private last: Promise<void> = Promise.resolve();
  /** Items that are not durable yet. */
  waiting = 0;

  /**
   * @param commit does all of them in one transaction, in this order
   * @param most items that wait at once
   */
  constructor(
    private readonly commit: (items: readonly T[]) => void | Promise<void>,
    private readonly most: number,
  ) {}

  /** Resolves when they are durable, rejects when they may not be. */
  add(items: readonly T[]): Promise<void> {
    if (items.length === 0) return Promise.resolve();
    if (this.waiting + items.length > this.most) return Promise.reject(new Error(`${this.waiting} wait already`));
    this.waiting += items.length;
    this.open ??= this.begin();
    this.open.items.push(...items);
    return this.open.done;
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    await this.last.catch(() => {});
  }

  private begin(): { items: T[]; done: Promise<void> } {
    const items: T[] = [];
    const before = this.last.catch(() => {});
    const done = Promise.all([before, new Promise(setImmediate)]).then(async () => {
      this.open = undefined;
      try {
        await this.commit(items);
      } finally {
        this.waiting -= items.length;
      }
    });
    done.catch(() => {});
    this.last = done;
    return { items, done };
  }
}
