/**
 * Everything that controllers tell under a number: kept in the store before a controller hears that it was got, and taken
 * from there once each, in the order in which it was kept. Whatever is recorded of it is in one transaction with the note
 * of how far that has come, so that a crash at any instant neither loses nor doubles anything.
 */
import { Leaf, TOPIC_ROOT } from '../firmware/link/messages.ts';
import type { Clock } from './clock.ts';
import type { Fleet } from './fleet.ts';
import type { Arrival, Store } from './store/store.ts';
import { encodeGot } from './wire.ts';

/** Record of the sequence number up to which everything has been taken. */
const TAKEN = 'taken';
/** Records taken in one transaction. */
const PORTION = 200;
/** ms until a store that failed is asked again. */
const AGAIN = 1000;
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
  log(line: string): void;
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
  /** Names of records begin anew: until the store knows, none is kept. */
  private renewing: Promise<unknown> = Promise.resolve();
  private failing = false;
  private next: () => void = () => {};

  constructor(private readonly options: InboxOptions) {}

  /** Takes what is left from before, and from then on what comes. */
  async start(): Promise<void> {
    const { store, fleet } = this.options;
    this.taken = Number((await store.load(TAKEN)).get(TAKEN) ?? 0);
    await this.take();
    fleet.keep = (arrivals) => void this.keep(arrivals);
    fleet.renewed = (id) => {
      const { taken } = this;
      this.renewing = this.renewing.then(() => this.guard(store.arrivals.forget(id, taken)));
    };
    this.trim();
  }

  /** Resolves when nothing is under way any more; what comes from then on is not kept, and nobody is told that it was. */
  async close(): Promise<void> {
    const { fleet } = this.options;
    this.closed = true;
    this.stop();
    this.next();
    fleet.keep = () => {};
    fleet.renewed = () => {};
    await this.renewing;
    await this.running;
  }

  private async keep(arrivals: readonly Arrival[]): Promise<void> {
    await this.renewing;
    if (!(await this.guard(this.options.store.arrivals.add(arrivals)))) return;
    for (const [topic, payload] of gotOf(arrivals)) this.options.publish(topic, payload, 1);
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
    if (!this.failing) this.options.log(`cannot keep what controllers tell: ${message}`);
    this.failing = true;
  }
}

/** @returns topics and messages that tell controllers that these records are durable. */
export function gotOf(arrivals: readonly Arrival[]): [topic: string, payload: Buffer][] {
  const messages: [string, Buffer][] = [];
  for (let at = 0; at < arrivals.length; ) {
    const { controller, kind, epoch, number } = arrivals[at];
    let last = number;
    const follows = (next: Arrival | undefined): boolean =>
      next?.controller === controller && next.kind === kind && next.epoch === epoch && next.number === last + 1;
    while (follows(arrivals[++at])) last++;
    messages.push([`${TOPIC_ROOT}/${controller}/${Leaf.Got}`, encodeGot(kind, epoch, number, last)]);
  }
  return messages;
}
