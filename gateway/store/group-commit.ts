/** Many small writes as few transactions, since each transaction waits for the disk. */

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
  /** JSON by key; undefined: the record goes. */
  records: Map<string, string | undefined>;
  /** In this order. */
  logs: LogChange[];
}

/**
 * What is put in one turn of the event loop, or while the transaction before is under way, is the next transaction. When
 * one fails, whoever put something into it hears of it; its records stay and go with the next, which is tried soon.
 */
export class GroupCommit {
  private open: { batch: Batch; done: Promise<void> } | undefined;
  private last: Promise<void> = Promise.resolve();
  private busy = 0;
  private unsaved: Batch['records'] = new Map();
  private retry: NodeJS.Timeout | undefined;

  /** @param commit does a batch in one transaction, whole or not at all */
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
    if (this.unsaved.size > 0) return this.put(() => {});
    return this.busy > 0 ? this.last : Promise.resolve();
  }

  /** Resolves when nothing is under way any more; rejects when records could not be saved. */
  async close(): Promise<void> {
    await this.last.catch(() => {});
    try {
      await this.flush();
    } finally {
      clearTimeout(this.retry);
    }
  }

  private begin(): { batch: Batch; done: Promise<void> } {
    const batch: Batch = { records: new Map(), logs: [] };
    const before = this.last.catch(() => {});
    const done = Promise.all([before, new Promise(setImmediate)]).then(() => this.run(batch));
    done.catch(() => {});
    this.last = done;
    this.busy++;
    return { batch, done };
  }

  private async run(batch: Batch): Promise<void> {
    this.open = undefined;
    for (const [key, text] of this.unsaved) if (!batch.records.has(key)) batch.records.set(key, text);
    this.unsaved = new Map();
    clearTimeout(this.retry);
    try {
      if (batch.records.size + batch.logs.length > 0) await this.commit(batch);
    } catch (error) {
      this.unsaved = batch.records;
      if (this.unsaved.size > 0) this.retry = setTimeout(() => this.put(() => {}), AGAIN).unref();
      throw error;
    } finally {
      this.busy--;
    }
  }
}
