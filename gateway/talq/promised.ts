/**
 * What was answered with 202: a lamp that is away gets its command when it is back, and the CMS hears of it, also when the
 * gateway was started again meanwhile. TALQ has no message about those that fail: an event says so, with the token of the
 * command. Source: TALQ 2.7.1 §3.4 (202 and talqOriginRequestId).
 */

import { CommandKind } from '../../firmware/link/messages.ts';
import type { Clock } from '../clock.ts';
import type { Fleet, Outcome } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { type Again, type Job, tellWhenDone } from './dispatch.ts';
import type { EventFeed } from './feed.ts';
import type { DeviceView, Model } from './model.ts';
import { give } from './override.ts';
import type { Peer } from './peers.ts';
import type { Timetables } from './timetables.ts';

const PREFIX = 'promised/';

/** What is still to be done, or to be told. */
interface Promised {
  /** cmsAddress of the CMS that wanted it, and its request. */
  owner: string;
  origin: string;
  /** Address of the device. */
  device: string;
  /** ms UTC of the answer */
  time: number;
  again?: Again;
  /** It was done, but the CMS has not heard of it. */
  done?: true;
}

/** How things are done again. */
interface Field {
  model: Model;
  fleet: Fleet;
  clock: Clock;
  timetables: Timetables;
}

export class Promises {
  private readonly open = new Set<Promised>();
  private field: Field | undefined;
  private listened: () => void = () => {};
  /** Somebody listens to the feed. */
  private readonly listening = new Promise<void>((resolve) => {
    this.listened = resolve;
  });

  constructor(
    private readonly store: Store,
    private readonly feed: EventFeed,
    private readonly log: Log,
  ) {}

  /** Takes up what the last run of the gateway left, in the order in which it was promised. */
  async start(field: Field, find: (owner: string) => Peer | undefined): Promise<void> {
    this.field = field;
    const left = await this.load();
    const requests = new Map<string, { promised: Promised; jobs: Job[] }>();
    for (const promised of left.sort((a, b) => a.time - b.time)) {
      const { owner, origin, done } = promised;
      const device = field.model.find(promised.device);
      if (!device?.controller) {
        this.save(promised, undefined);
        continue;
      }
      const outcome = done ? Promise.resolve<Outcome>('done') : again(field, device, promised);
      if (!done) this.watch(promised, outcome);
      const request = requests.get(`${owner} ${origin}`) ?? { promised, jobs: [] };
      request.jobs.push({ device, outcome });
      requests.set(`${owner} ${origin}`, request);
    }
    for (const { promised, jobs } of requests.values()) {
      const { owner, origin } = promised;
      tellWhenDone(field.clock, jobs, (devices) => void this.tell(find(owner), devices, owner, origin));
    }
  }

  /** Loggers hear what fails, from now on and what has failed since the start. */
  tellFailures(): void {
    this.listened();
  }

  /** Writes down the jobs of a request that is about to be answered with 202, until they have ended and were told of. */
  keep(owner: string, origin: string, time: number, jobs: readonly Job[]): void {
    for (const { device, outcome, again, transient } of jobs) {
      if (transient) continue;
      const promised: Promised = { owner, origin, device: device.address, time, again };
      this.save(promised, promised);
      this.watch(promised, outcome);
    }
  }

  /** Tells the CMS which devices have done what its request wanted. */
  async tell(peer: Peer | undefined, devices: DeviceView[], owner: string, origin: string): Promise<void> {
    await peer?.completed(devices, origin);
    for (const { address } of devices) this.save({ owner, origin, device: address }, undefined);
  }

  /** A CMS is gone. @param owner its cmsAddress; undefined: all of them */
  async forget(owner: string | undefined): Promise<void> {
    for (const promised of this.open) if (owner === undefined || promised.owner === owner) this.open.delete(promised);
    for (const promised of await this.load()) {
      if (owner === undefined || promised.owner === owner) this.save(promised, undefined);
    }
  }

  private async load(): Promise<Promised[]> {
    return [...(await this.store.load(PREFIX)).values()] as unknown as Promised[];
  }

  private watch(promised: Promised, outcome: Promise<Outcome>): void {
    this.open.add(promised);
    void outcome.then(async (end) => {
      const failed = end !== 'done' && end !== 'superseded' && promised.again !== undefined;
      if (failed) await this.listening;
      if (!this.open.delete(promised)) return;
      // Both are one transaction.
      this.save(promised, end === 'done' ? { ...promised, done: true } : undefined);
      if (failed) this.fail(promised, end);
    });
  }

  private fail({ device: address, owner, again }: Promised, end: Outcome): void {
    const device = this.field?.model.find(address);
    if (!this.field || !device) return;
    const info = `${nameOf(again)} was not obeyed: ${REASONS[end] ?? end}`;
    const happening = { functionId: 'basic', eventType: 'deviceMalfunction', phase: 'instant' } as const;
    const cmsRefId = again?.command?.cmsRefId;
    this.feed.emit({ device, ...happening, time: this.field.clock.now(), info, cmsRefId, owner });
  }

  private save({ owner, origin, device }: Omit<Promised, 'time'>, record: Promised | undefined): void {
    this.store.save(`${PREFIX}${owner} ${origin} ${device}`, record).catch((error: Error) => {
      this.log(`cannot store what was promised to ${device}: ${error.message}`, 'error');
    });
  }
}

const REASONS: { [outcome in Outcome]?: string } = {
  expired: 'the lamp did not acknowledge it before it expired',
  refused: 'the lamp refused it',
  tooLarge: 'the lamp has no room for it',
};

function nameOf({ command, counters }: Again = {}): string {
  if (command !== undefined) return command ? 'an override' : 'the end of an override';
  return counters ? 'the setting of a counter' : 'a default level';
}

function again({ model, fleet, clock, timetables }: Field, device: DeviceView, promised: Promised): Promise<Outcome> {
  const id = device.controller?.id ?? '';
  const how: Again = promised.again ?? {};
  if (how.command !== undefined) {
    return give(model, fleet, clock, promised.owner, [{ device, command: how.command ?? undefined }])[0].outcome;
  }
  if (how.counters) return fleet.submit(id, { kind: CommandKind.Counters, counters: how.counters });
  return how.level === undefined ? timetables.bring(id) : timetables.setLevel(id, how.level);
}
