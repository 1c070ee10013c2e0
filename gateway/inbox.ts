/**
 * Everything that controllers tell under a number: kept in the store before a controller hears that it was got, and taken
 * from there once each, in the order in which it was kept. Whatever is recorded of it is in one transaction with the note
 * of how far that has come, so that a crash at any instant neither loses nor doubles anything.
 */

import { Leaf, TOPIC_ROOT } from '../firmware/link/messages.ts';
import type { Clock } from './clock.ts';
import type { Fleet } from './fleet.ts';
import type { Log } from './log.ts';
import type { Arrival, Store } from './store/store.ts';
import { encodeGot } from './wire.ts';

/** Record of the sequence number up to which everything has been taken. */
const TAKEN = 'taken';
/** Records taken in one transaction. */
const PORTION = 200;
/** ms until a store that failed is asked again. */
const AGAIN = 1000;
/** ms between two looks for what other gateways have kept. */
const LOOK = 1000;
/** ms between two looks for what is too old. */
const TRIM_PERIOD = 3600000;
const DAY = 86400000;
/** Days for which what was taken is kept, and how many of it. */
export const KEPT_DAYS = 90;
export const MOST_KEPT = 1000000;

export interface InboxOptions {
  store: Store;
  fleet: Fleet;
  clock: Clock;
  publish(topic: string, payload: Buffer, qos: 0 | 1): void;
  /** Absent: 90 */
  days?: number;
  /** Absent: 1,000,000 */
  most?: number;
  /** Other gateways keep records in this store too. */
  shared?: boolean;
  log: Log;
}

export class Inbox {
  private taken = 0;
  private running: Promise<void> | undefined;
  private again = false;
  private closed = false;
  private stop: () => void = () => {};
  private readonly stopped = new Promise<void>((resolve) => {
    this.stop = resolve;
  });
  private failing = false;
  private next: () => void = () => {};
  private looking: NodeJS.Timeout | undefined;

  constructor(private readonly options: InboxOptions) {}

  /** Takes what is left from before, and from then on what comes. */
  async start(): Promise<void> {
    const { store, fleet } = this.options;
    this.taken = Number((await store.load(TAKEN)).get(TAKEN) ?? 0);
    await this.take();
    fleet.keep = (arrivals) => void this.keep(arrivals);
    this.trim();
    if (this.options.shared) this.look();
  }

  /** Resolves when nothing is under way any more; what comes from then on is not kept, and nobody is told that it was. */
  async close(): Promise<void> {
    const { fleet } = this.options;
    this.closed = true;
    this.stop();
    this.next();
    clearTimeout(this.looking);
    fleet.keep = () => {};
    await this.running;
  }

  private async keep(arrivals: readonly Arrival[]): Promise<void> {
    if (!(await this.guard(this.options.store.arrivals.add(arrivals)))) return;
    this.tell(runsOf(arrivals));
  }

  /** Another gateway, or this one, has kept what these runs name, and sent them as `toNotices` does. */
  heard(notice: string): void {
    const runs = JSON.parse(notice) as [string, number, number, number, number][];
    this.tell(runs.map(([controller, kind, epoch, from, to]) => ({ controller, kind, epoch, from, to })));
  }

  /** Tells controllers that they are durable, and takes them. */
  private tell(runs: readonly Run[]): void {
    for (const { controller, kind, epoch, from, to } of runs) {
      this.options.publish(`${TOPIC_ROOT}/${controller}/${Leaf.Got}`, encodeGot(kind, epoch, from, to), 1);
    }
    void this.take();
  }

  /** Takes everything that is there. */
  private take(): Promise<void> {
    this.again = true;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async run(): Promise<void> {
    const { store, fleet } = this.options;
    while (this.again && !this.closed) {
      this.again = false;
      const some = await this.insist(() => store.arrivals.after(this.taken, PORTION));
      if (this.closed || !some || some.length === 0) continue;
      // No `await` from here to the note: all of it is one transaction.
      fleet.takeRecords(some);
      this.taken = some[some.length - 1].sequence;
      let saved: Promise<void> | undefined = store.save(TAKEN, this.taken);
      await this.insist(() => {
        const saving = saved ?? store.flush();
        saved = undefined;
        return saving;
      });
      this.again = true;
    }
  }

  /** Notices of other gateways are lost with a connection; what they tell of is not. */
  private look(): void {
    void this.take();
    this.looking = setTimeout(() => this.look(), LOOK).unref();
  }

  private trim(): void {
    const { store, clock, days = KEPT_DAYS, most = MOST_KEPT } = this.options;
    const some = async (): Promise<void> => {
      while (!this.closed && (await store.arrivals.trim(this.taken, clock.now() - days * DAY, most)) > 0);
    };
    void this.guard(some());
    this.next = clock.after(TRIM_PERIOD, () => this.trim());
  }

  /** Asks a store that fails again and again. @returns undefined when the inbox was closed meanwhile */
  private async insist<T>(work: () => Promise<T>): Promise<T | undefined> {
    while (!this.closed) {
      try {
        return await work();
      } catch (error) {
        this.complain(error as Error);
        await Promise.race([this.stopped, new Promise((resolve) => setTimeout(resolve, AGAIN).unref())]);
      }
    }
    return undefined;
  }

  /** @returns whether the work is done */
  private async guard(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      this.failing = false;
      return true;
    } catch (error) {
      this.complain(error as Error);
      return false;
    }
  }

  /** A line when it begins to fail; controllers repeat what was not kept. */
  private complain({ message }: Error): void {
    if (!this.failing) this.options.log(`cannot keep what controllers tell: ${message}`, 'error');
    this.failing = true;
  }
}

/** Records of one controller, kind and epoch whose numbers follow each other. */
export interface Run {
  controller: string;
  kind: number;
  epoch: number;
  from: number;
  to: number;
}

/** @returns what arrived, in as few runs as it takes */
export function runsOf(arrivals: readonly Arrival[]): Run[] {
  const runs: Run[] = [];
  for (const { controller, kind, epoch, number } of arrivals) {
    const last = runs.at(-1);
    const same = last?.controller === controller && last.kind === kind && last.epoch === epoch;
    if (last && same && number === last.to + 1) last.to = number;
    else runs.push({ controller, kind, epoch, from: number, to: number });
  }
  return runs;
}

/** Runs in one notice between gateways. */
const MOST_IN_NOTICE = 60;

/** @returns the same as texts for another gateway, each of less than 8000 bytes */
export function toNotices(arrivals: readonly Arrival[]): string[] {
  const runs = runsOf(arrivals);
  const portions = Array.from({ length: Math.ceil(runs.length / MOST_IN_NOTICE) }, (_, i) =>
    runs.slice(i * MOST_IN_NOTICE, (i + 1) * MOST_IN_NOTICE),
  );
  return portions.map((some) =>
    JSON.stringify(some.map(({ controller, kind, epoch, from, to }) => [controller, kind, epoch, from, to])),
  );
}
