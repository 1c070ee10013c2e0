/**
 * Brings the logs of loggers to their CMS: when a configuration says so, oldest first, again until it is acknowledged, and
 * never again after that. Source: TALQ 2.7.1 §5.5, ImmediateReportingMode, ScheduledReportingMode.
 */

import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { LogEntry, Logs } from '../store/store.ts';
import { type LogReport, MOST_ENTRIES, toReport } from './entries.ts';
import { delayOf, lastTime, nextTime } from './instants.ts';
import type { Logger } from './logger.ts';
import { reportingOf } from './logger-config.ts';

/** Retries of a report whose logger names no number. Source: TALQ 2.7.1 data model, ReportingMode. */
const RETRIES = 3;
/** ms between two looks whether a CMS is back: the first, doubled each time up to the last. */
const FIRST_PROBE = 60000;
const LAST_PROBE = 900000;
/** ms between two reports of a backlog. */
const BETWEEN = 1000;
/** Entries refused one by one, with none taken between them, after which it is not the entries. */
const MOST_REFUSED = 3;
/** Statuses that say that the report, not the CMS, is at fault; 413: it is too long. */
const FAULTY: (number | undefined)[] = [400, 409, 413, 422];

/** How a CMS is reached. */
export interface Post {
  /** Sends a report once. @returns the HTTP status of the answer; undefined: there was none, or nobody is attached */
  send(owner: string, report: LogReport, requestId: string): Promise<number | undefined>;
  /** @returns s between two attempts */
  retryPeriod(owner: string): number;
  /** @returns POSIX TZ string of local time */
  zone(owner: string): string;
  /** @returns whether there is anybody to send to; without, logs are kept to be pulled. */
  reaches(owner: string): boolean;
}

interface Route {
  /** As it is configured now. */
  logger: Logger;
  /** ms UTC of the first entry that waits to be reported. */
  changedAt?: number;
  busy: boolean;
  cancel?: () => void;
  /** Times in a row that the CMS could not be reached. */
  failures: number;
  /** Entries in the next report at most; fewer after a refusal. */
  most: number;
}

export class Reporter {
  private readonly routes = new Map<string, Route>();
  private stopped = false;
  private readonly waits = new Set<() => void>();

  constructor(
    private readonly options: {
      clock: Clock;
      logs: Logs;
      post: Post;
      /** A report is about to be sent whose last entry has this sequence number. Resolves when that is durable. */
      opened(logger: Logger, last: number): Promise<void>;
      /** The CMS has taken a report of this logger. */
      taken(logger: Logger): void;
      log: Log;
    },
  ) {}

  /** Reports a logger from now on as it is configured, with what has been left over. */
  add(logger: Logger): void {
    const known = this.routes.get(logger.key);
    const route = known ?? { logger, busy: false, failures: 0, most: MOST_ENTRIES };
    route.logger = logger;
    route.cancel?.();
    this.routes.set(logger.key, route);
    if (!route.busy) this.resume(route).catch((error) => this.options.log(`cannot report: ${error.message}`, 'error'));
  }

  drop(logger: Logger): void {
    this.routes.get(logger.key)?.cancel?.();
    this.routes.delete(logger.key);
  }

  /** The logger has new entries. */
  changed(logger: Logger): void {
    const route = this.routes.get(logger.key);
    const reporting = reportingOf(logger.config);
    if (!route || reporting.type !== 'ImmediateReportingMode' || !this.options.post.reaches(logger.owner)) return;
    // The first change starts the delay, later ones go with it; while the CMS is away, it is looked for in its own time.
    if (route.changedAt !== undefined || route.failures > 0) return;
    route.changedAt = this.options.clock.now();
    if (!route.busy) this.after(route, reporting.delay * 1000);
  }

  /** Time zones have changed: what is planned by local time is planned anew. */
  replan(): void {
    for (const route of this.routes.values()) {
      if (!route.busy && reportingOf(route.logger.config).type === 'ScheduledReportingMode') this.schedule(route);
    }
  }

  close(): void {
    this.stopped = true;
    for (const { logger } of [...this.routes.values()]) this.drop(logger);
    for (const end of [...this.waits]) end();
  }

  /** After a restart: what should have been reported while the gateway was away is reported now. */
  private async resume(route: Route): Promise<void> {
    const { logger } = route;
    const { clock, post } = this.options;
    const [oldest] = await this.options.logs.pending(logger.key, 1);
    if (this.gone(route) || route.busy || route.logger !== logger) return;
    const reporting = reportingOf(logger.config);
    if (reporting.type === 'ImmediateReportingMode') {
      route.changedAt = undefined;
      if (oldest) this.changed(logger);
      return;
    }
    const passed = lastTime(reporting.times, post.zone(logger.owner), clock.now());
    if (!oldest || passed === undefined || oldest.time > passed || !post.reaches(logger.owner)) {
      this.schedule(route);
      return;
    }
    const due = passed + delayOf(logger.key, passed, reporting.randomTime ?? 0);
    this.after(route, due - clock.now());
  }

  private schedule(route: Route): void {
    const { logger } = route;
    const reporting = reportingOf(logger.config);
    const { clock, post } = this.options;
    route.cancel?.();
    if (reporting.type !== 'ScheduledReportingMode' || !post.reaches(logger.owner)) return;
    const next = nextTime(reporting.times, post.zone(logger.owner), clock.now());
    if (next === undefined) return;
    this.after(route, next + delayOf(logger.key, next, reporting.randomTime ?? 0) - clock.now());
  }

  private after(route: Route, delay: number): void {
    route.cancel?.();
    if (delay > 0) route.cancel = this.options.clock.after(delay, () => void this.deliver(route));
    else void this.deliver(route);
  }

  /** Sends what is pending, report by report, and plans what comes next. */
  private async deliver(route: Route): Promise<void> {
    if (route.busy || this.gone(route)) return;
    route.busy = true;
    route.changedAt = undefined;
    const reached = await this.flush(route).catch((error) => {
      this.options.log(`${nameOf(route.logger)}: ${error.message}`);
      return false;
    });
    route.busy = false;
    route.failures = reached ? 0 : route.failures + 1;
    if (this.gone(route)) return;
    const reporting = reportingOf(route.logger.config);
    if (reporting.type === 'ScheduledReportingMode') this.schedule(route);
    else if (route.failures > 0) this.after(route, Math.min(FIRST_PROBE * 2 ** (route.failures - 1), LAST_PROBE));
    else if (route.changedAt !== undefined) {
      this.after(route, route.changedAt + reporting.delay * 1000 - this.options.clock.now());
    }
  }

  /** @returns whether everything that was there when it began has been reported. */
  private async flush(route: Route): Promise<boolean> {
    const { clock, logs, log } = this.options;
    const { key } = route.logger;
    const begun = clock.now();
    /** Entries that were refused alone; whether they are bad the next one tells. */
    let doubtful: LogEntry[] = [];
    for (let first = true; ; first = false) {
      const pending = await logs.pending(key, doubtful.length + route.most);
      const { open = 0 } = route.logger;
      const resent = pending.slice(doubtful.length).filter(({ sequence }) => sequence <= open);
      const fresh = pending.slice(doubtful.length).filter(({ time }) => time <= begun);
      // A report that was not answered is sent again as it was, so that a CMS that has it knows it by its id.
      const waiting = resent.length > 0 ? resent : fresh;
      if (waiting.length === 0) return doubtful.length === 0;
      if (!first && !(await this.pause(BETWEEN))) return false;
      const { report, count } = toReport(route.logger.config.address, waiting);
      const last = waiting[count - 1].sequence;
      if (last !== open) await this.options.opened(route.logger, last);
      const status = await this.send(route, report, requestId(key, waiting[0], last));
      if (status !== undefined && status >= 200 && status < 300) {
        for (const { body } of doubtful)
          log(`${nameOf(route.logger)}: the CMS refused ${JSON.stringify(body)}: left out`, 'warning');
        doubtful = [];
        await logs.reported(key, last);
        if (this.gone(route)) return false;
        route.most = Math.min(2 * route.most, MOST_ENTRIES);
        this.options.taken(route.logger);
        continue;
      }
      if (this.gone(route) || !FAULTY.includes(status)) return false;
      await this.options.opened(route.logger, 0);
      if (count > 1) {
        route.most = Math.ceil(count / 2);
        continue;
      }
      doubtful.push(waiting[0]);
      if (doubtful.length < MOST_REFUSED) continue;
      log(`${nameOf(route.logger)}: the CMS refuses every entry with ${status}; they are kept`, 'warning');
      return false;
    }
  }

  /** One report under one request id, repeated while there is no answer. @returns the status, undefined without an answer */
  private async send(route: Route, report: LogReport, id: string): Promise<number | undefined> {
    const { post, log } = this.options;
    const { owner, config } = route.logger;
    const { type, numberOfRetries = RETRIES } = reportingOf(config);
    // Whoever only looks whether the CMS is back asks once.
    const retries = route.failures > 0 && type === 'ImmediateReportingMode' ? 0 : numberOfRetries;
    for (let attempt = 0; ; attempt++) {
      const status = await post.send(owner, report, id);
      const again = status === undefined || status === 429 || status >= 500;
      if (!again || attempt >= retries) return status;
      const period = post.retryPeriod(owner);
      log(`${nameOf(route.logger)}: ${status ?? 'no answer'}; again in ${period} s`, 'warning');
      if (!(await this.pause(period * 1000)) || this.gone(route)) return undefined;
    }
  }

  private gone(route: Route): boolean {
    return this.stopped || this.routes.get(route.logger.key) !== route;
  }

  /** @returns whether the time has passed, not the reporter closed. */
  private pause(time: number): Promise<boolean> {
    if (this.stopped) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.waits.delete(end);
        resolve(!this.stopped);
      };
      const cancel = this.options.clock.after(time, end);
      this.waits.add(end);
    });
  }
}

const nameOf = (logger: Logger): string => `logger ${logger.config.address}`;

/**
 * @param to sequence number of the last entry
 * @returns a UUID made of what it stands for: the same entries have the same, also after a restart; a store that forgot and
 * counts anew makes others. Source: RFC 9562 §5.8.
 */
function requestId(key: string, first: LogEntry, to: number): string {
  const bytes = createHash('sha256').update(`${key} ${first.time} ${first.sequence} ${to}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const text = bytes.toString('hex');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}
