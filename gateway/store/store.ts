/** What the gateway remembers over a restart: records under keys, the logs of TALQ loggers, and what controllers told. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Keeps what must not be lost. Records are read once at the start and held in memory by their owners, so a store needs no
 * cache; logs may be long and stay in the store. What a resolved promise tells of survives a crash and a power cut.
 */
export interface Store {
  /**
   * @param prefix only records whose keys start with it; absent: all
   * @returns records by their keys. Rejects when what is stored cannot be understood: addresses must not change.
   */
  load(prefix?: string): Promise<Map<string, Json>>;
  /** @returns whether there is a record under that key */
  has(key: string): Promise<boolean>;
  /**
   * Resolves when the record is durable; undefined deletes it. Later calls win. Calls without an `await` between them, of
   * records and logs, are one transaction: all of them are kept, or none. Rejects when that failed; the store then goes on
   * trying by itself.
   * @param record taken as it is now: what the caller changes later is not saved. Members that are undefined are left out
   */
  save(key: string, record: unknown): Promise<void>;
  /** Resolves when every record saved so far is durable, rejects when one is not. Costs nothing when all are. */
  flush(): Promise<void>;
  readonly logs: Logs;
  readonly arrivals: Arrivals;
  /** Told of each transaction: how long it took, and whether it failed. */
  observe: (seconds: number, failed: boolean) => void;
  /** Resolves when all that was asked for is done, and nothing is open any more. Rejects when a record could not be saved. */
  close(): Promise<void>;
}

/** One entry of a logger's log, kept until the CMS has it. */
export interface LogEntry {
  /** Grows with every entry of every logger; a number is never used again. */
  sequence: number;
  /** Whose log: any text of the caller's. */
  logger: string;
  kind: 'event' | 'attribute';
  /** ms UTC */
  time: number;
  body: Json;
}

/** The logs of all loggers: queues that survive restarts. */
export interface Logs {
  /**
   * Adds entries of one or more loggers in this order, all or none. Resolves when they are durable; rejects when that
   * failed, and the store goes on trying by itself: `Store.flush` tells.
   */
  append(entries: readonly Omit<LogEntry, 'sequence'>[]): Promise<void>;
  /** @returns the oldest entries of a logger, at most `limit`, oldest first. */
  pending(logger: string, limit: number): Promise<LogEntry[]>;
  /** The CMS has everything of this logger up to and with that sequence number: it goes. Repeating it does nothing. */
  reported(logger: string, upTo: number): Promise<void>;
  /**
   * Makes room: of more than `most` entries the oldest go, attributes before events.
   * @returns how many were dropped of each kind
   */
  trim(logger: string, most: number): Promise<Dropped>;
  /** @returns how many entries each logger has that has any */
  counts(): Promise<Map<string, number>>;
  /** The logger is gone, and its log with it. */
  forget(logger: string): Promise<void>;
}

export interface Dropped {
  attributes: number;
  events: number;
}

/** What a controller told under a number: an event, or a batch of samples. The first four name it for ever. */
export interface Arrival {
  controller: string;
  /** `RecordKind` */
  kind: number;
  epoch: number;
  number: number;
  /** ms UTC at which it came first */
  time: number;
  /** CBOR */
  content: Uint8Array;
}

/** Everything that controllers told, each once, whoever received it. */
export interface Arrivals {
  /** How many are not durable yet. */
  readonly waiting: number;
  /**
   * Adds those that are not there, all or none. Resolves when all of them, new or not, are durable. Rejects when that
   * failed, and then they are forgotten: nobody may be told that they were taken.
   */
  add(arrivals: readonly Arrival[]): Promise<void>;
  /** @returns those with greater sequence numbers, at most `limit`, in the order in which they became durable. */
  after(sequence: number, limit: number): Promise<(Arrival & { sequence: number })[]>;
  /**
   * Drops some of the oldest up to a sequence number: what came before `before` (ms UTC), and what is more than `most`.
   * @returns how many went; not 0: there may be more
   */
  trim(upTo: number, before: number, most: number): Promise<number>;
}
