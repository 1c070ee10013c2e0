/**
 * The loggers of each CMS: their configurations, what they have recorded, and what of it the CMS has. All of it is stored.
 * Source: TALQ 2.7.1 §5.5.
 */

import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Json, Store } from '../store/store.ts';
import { eventEntry, type LogReport } from './entries.ts';
import { refusal } from './errors.ts';
import type { EventFeed } from './feed.ts';
import type { Groups, Keeper } from './groups.ts';
import type { Logger, NewEntry } from './logger.ts';
import { checkLogger, type LoggerConfig, loggerReference, namesGroup, snapshot } from './logger-config.ts';
import type { Model } from './model.ts';
import { Recorder } from './recorder.ts';
import { type Post, Reporter } from './reporter.ts';
import type { Reference } from './schemas.ts';
import type { Lists } from './selection.ts';
import { MOST_LOGGERS } from './services.ts';

const PREFIX = 'loggers/';
/** Record of the time until which all has been recorded, and ms between two of its writes. */
const RECORDED = 'logged';
const KEEP_PERIOD = 60000;
/** Entries that a logger keeps for a CMS; without one to report to, until they are pulled. */
const MOST_KEPT = 100000;
const MOST_UNREPORTED = 10000;
/** New entries after which the log is looked at whether it is too long. */
const LOOK = 500;
/** Entries that wait in memory while the store fails, and ms until it is asked again. */
const MOST_WAITING = 20000;
const AGAIN = 5000;

interface LoggerRecord {
  owner: string;
  config: LoggerConfig;
  lists: Lists<string>;
  since: number;
  lost: number;
  open?: number;
}

interface Entry extends Logger {
  /** Entries dropped for want of room that the CMS has not yet been told of. */
  lost: number;
  /** Entries recorded since its length was last looked at. */
  grown: number;
}

export interface LoggersOptions {
  fleet: Fleet;
  feed: EventFeed;
  clock: Clock;
  store: Store;
  model: Model;
  modelOf(owner: string): Model;
  groups: Groups;
  post: Post;
  /** Entries kept for each logger; absent: 100000 for a CMS. */
  most?: number;
  log: Log;
}

export class Loggers {
  private readonly entries = new Map<string, Entry>();
  private readonly recorder: Recorder;
  private readonly reporter: Reporter;
  private readonly endings: (() => void)[] = [];
  private closed = false;
  private next: () => void = () => {};
  /** Entries that are on their way into the store. */
  private waiting = 0;
  private failing = false;
  /** What is on its way into the store: nothing is asked of it before, unless it fails. */
  private writing: Promise<void> = Promise.resolve();
  private stop: () => void = () => {};
  private readonly stopped = new Promise<void>((resolve) => {
    this.stop = resolve;
  });

  constructor(private readonly options: LoggersOptions) {
    const { fleet, feed, clock, model, modelOf, store, post, log } = options;
    this.recorder = new Recorder({
      fleet,
      feed,
      clock,
      model,
      modelOf,
      loggers: () => this.entries.values(),
      keep: (logger, entries) => this.keep(logger as Entry, entries),
    });
    this.reporter = new Reporter({
      clock,
      logs: store.logs,
      post,
      opened: (logger, last) => this.opened(logger as Entry, last),
      taken: (logger) => this.taken(logger as Entry),
      log,
    });
    options.groups.users.push((owner, address) =>
      this.of(owner)
        .filter(({ config }) => namesGroup(config, address))
        .map(({ config }) => loggerReference(config.address)),
    );
  }

  /** Takes up what was stored, records from then on and reports what is left. */
  async start(): Promise<void> {
    const { store, clock } = this.options;
    const recorded = Number((await store.load(RECORDED)).get(RECORDED) ?? clock.now());
    for (const [, json] of await store.load(PREFIX)) {
      const record = json as unknown as LoggerRecord;
      const entry: Entry = { ...record, key: keyOf(record.owner, record.config.address), grown: LOOK };
      this.entries.set(entry.key, entry);
      this.recorder.add(entry, recorded);
    }
    this.recorder.start();
    this.keepTime();
    for (const entry of this.entries.values()) this.reporter.add(entry);
    this.endings.push(
      this.options.model.onWrite((device, names) => {
        if (!device.controller && names.some((name) => name.endsWith('/timeZone'))) this.reporter.replan();
      }),
    );
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stop();
    void this.guard(this.options.store.save(RECORDED, this.options.clock.now()));
    for (const end of this.endings.splice(0)) end();
    this.next();
    this.recorder.close();
    this.reporter.close();
    await this.writing;
  }

  /** @returns the configuration. Throws a Refusal: 404 */
  find(owner: string, address: string): LoggerConfig {
    return this.get(owner, address).config;
  }

  count(owner: string): number {
    return this.of(owner).length;
  }

  /** Throws a Refusal, and then nothing has changed. */
  async create(keeper: Keeper, config: LoggerConfig): Promise<void> {
    const key = keyOf(keeper.owner, config.address);
    if (this.entries.has(key)) {
      const reference = loggerReference(config.address);
      throw refusal(409, 'resourceConflict', `${config.address} exists already.`, reference);
    }
    const entry = this.toEntry(keeper, config);
    if (this.entries.size >= MOST_LOGGERS) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway keeps ${MOST_LOGGERS} loggers.`);
    }
    await this.put(entry);
  }

  /** The new configuration holds from now on, what was recorded is still reported. Throws a Refusal. */
  async replace(keeper: Keeper, address: string, config: LoggerConfig): Promise<void> {
    const known = this.get(keeper.owner, address);
    if (config.address !== address) {
      throw refusal(422, 'resourceConflict', 'An address never changes.', loggerReference(address));
    }
    const entry = { ...this.toEntry(keeper, config), lost: known.lost, open: known.open };
    this.recorder.drop(known);
    await this.put(entry);
  }

  /** What it has recorded goes with it. @returns the configuration. Throws a Refusal: 404 */
  async remove(owner: string, address: string): Promise<LoggerConfig> {
    const entry = this.get(owner, address);
    await this.discard(entry);
    return entry.config;
  }

  /** @returns what the CMS has not got, and a fresh sample of a logger of attributes. Throws a Refusal: 404 */
  async pull(owner: string, address: string): Promise<LogReport> {
    const entry = this.get(owner, address);
    await this.written();
    const pending = await this.options.store.logs.pending(entry.key, this.most(entry));
    const entries = [...pending.map(({ body }) => body as never), ...this.recorder.snapshot(entry)];
    return { address, entries };
  }

  /** @returns the loggers of an owner that name the device, or a function of it. */
  mentioning(owner: string, device: string): Reference[] {
    const named = this.of(owner).filter(({ config: { sourceAddresses: { whiteList = [], blackList = [] } = {} } }) =>
      [...whiteList, ...blackList].some(({ address }) => address.split('/')[0].toLowerCase() === device),
    );
    return named.map(({ config }) => loggerReference(config.address));
  }

  /** @param owner whose loggers are forgotten; undefined: everybody's */
  async forget(owner: string | undefined): Promise<void> {
    const gone = [...this.entries.values()].filter((entry) => owner === undefined || entry.owner === owner);
    for (const entry of gone) await this.discard(entry);
  }

  /** Notes until when all has been recorded, so that what controllers recorded by themselves fills in what comes after. */
  private keepTime(): void {
    const { store, clock } = this.options;
    void this.guard(store.save(RECORDED, clock.now()));
    this.next = clock.after(KEEP_PERIOD, () => this.keepTime());
  }

  /** @returns entries that wait to be reported, by owner */
  async waitingFor(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for (const [key, count] of await this.options.store.logs.counts()) {
      const owner = this.entries.get(key)?.owner;
      if (owner !== undefined) found.set(owner, (found.get(owner) ?? 0) + count);
    }
    return found;
  }

  private of(owner: string): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.owner === owner);
  }

  private get(owner: string, address: string): Entry {
    const found = this.entries.get(keyOf(owner, address));
    if (found) return found;
    throw refusal(404, 'resourceNotFound', 'There is no such logger.', loggerReference(address));
  }

  private toEntry(keeper: Keeper, config: LoggerConfig): Entry {
    checkLogger(keeper, config);
    return {
      key: keyOf(keeper.owner, config.address),
      owner: keeper.owner,
      config,
      lists: snapshot(keeper, this.options.groups, config),
      since: this.options.clock.now(),
      lost: 0,
      grown: 0,
    };
  }

  private async put(entry: Entry): Promise<void> {
    this.entries.set(entry.key, entry);
    this.recorder.add(entry);
    this.reporter.add(entry);
    await this.save(entry);
  }

  private async discard(entry: Entry): Promise<void> {
    this.recorder.drop(entry);
    this.reporter.drop(entry);
    this.entries.delete(entry.key);
    const { store } = this.options;
    await this.written();
    await this.guard(Promise.all([store.save(`${PREFIX}${entry.key}`, undefined), store.logs.forget(entry.key)]));
  }

  private most({ owner }: Entry): number {
    const { post, most = MOST_KEPT } = this.options;
    return post.reaches(owner) ? most : Math.min(most, MOST_UNREPORTED);
  }

  /** In the order in which things happened, and in one transaction with all else that is saved in this turn. */
  private keep(entry: Entry, entries: NewEntry[]): void {
    const { clock, store } = this.options;
    if (this.failing && this.waiting + entries.length > MOST_WAITING) {
      entry.lost += entries.length;
      return;
    }
    const time = clock.now();
    entry.grown += entries.length;
    this.waiting += entries.length;
    const stored = store.logs.append(entries.map((one) => ({ ...one, logger: entry.key, time })));
    stored.catch(() => {});
    this.writing = this.writing.then(() => this.kept(entry.key, entries.length, stored));
  }

  /** The CMS gets nothing that is not in the store. */
  private async kept(key: string, count: number, stored: Promise<void>): Promise<void> {
    const { clock, log, store } = this.options;
    let trying = stored;
    while (!(await settled(trying))) {
      if (!this.failing)
        log(`cannot store what loggers record: ${await trying.catch(({ message }) => message)}`, 'error');
      this.failing = true;
      if (this.closed) return;
      await Promise.race([this.stopped, new Promise<void>((resolve) => clock.after(AGAIN, resolve))]);
      trying = store.flush();
    }
    this.failing = false;
    this.waiting -= count;
    const entry = this.entries.get(key);
    if (!entry) await this.guard(store.logs.forget(key));
    else {
      await this.trim(entry);
      this.reporter.changed(entry);
    }
  }

  /** Waits for what is on its way into the store, unless it fails. */
  private written(): Promise<void> {
    return this.failing ? Promise.resolve() : this.writing;
  }

  private async trim(entry: Entry): Promise<void> {
    const most = this.most(entry);
    if (entry.grown <= Math.min(LOOK, most / 10)) return;
    entry.grown = 0;
    const dropped = await this.guard(this.options.store.logs.trim(entry.key, most));
    const lost = dropped ? dropped.attributes + dropped.events : 0;
    if (lost === 0 || !this.options.post.reaches(entry.owner)) return;
    entry.lost += lost;
    await this.save(entry);
  }

  private async opened(entry: Entry, last: number): Promise<void> {
    entry.open = last;
    await this.save(entry);
  }

  /** Connected again: the log that has a hole says so, and so do those that record such events. */
  private taken(entry: Entry): void {
    const { lost } = entry;
    if (lost === 0) return;
    entry.lost = 0;
    void this.save(entry);
    const happening = {
      eventType: 'deviceMalfunction',
      phase: 'instant',
      time: this.options.clock.now(),
      info: `logger ${entry.config.address}: ${lost} entries lost, there was no room for them while the CMS was away`,
      owner: entry.owner,
    } as const;
    if (this.recorder.happened(happening).includes(entry)) return;
    const gateway = this.options.modelOf(entry.owner).gatewayDevice().address;
    this.keep(entry, [{ kind: 'event', body: eventEntry(happening, gateway) as unknown as Json }]);
  }

  private async save(entry: Entry): Promise<void> {
    const { owner, config, lists, since, lost, open } = entry;
    const record = JSON.parse(JSON.stringify({ owner, config, lists, since, lost, open })) as Json;
    await this.guard(this.options.store.save(`${PREFIX}${entry.key}`, record));
  }

  /** A store that fails is the operator's trouble; the lamps go on. */
  private async guard<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      this.options.log(`cannot store what loggers record: ${(error as Error).message}`, 'error');
      return undefined;
    }
  }
}

const keyOf = (owner: string, address: string): string => `${owner}/${address}`;
const settled = (work: Promise<void>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );
