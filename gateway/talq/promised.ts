/**
 * What was answered with 202: a lamp that is away gets its command when it is back, and the CMS hears of it, also when the
 * gateway was started again meanwhile. Source: TALQ 2.7.1 §3.4 (202 and talqOriginRequestId).
 */

import { CommandKind } from '../../firmware/link/messages.ts';
import type { Clock } from '../clock.ts';
import type { Fleet, Outcome } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { type Again, type Job, tellWhenDone } from './dispatch.ts';
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

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  /** Takes up what the last run of the gateway left, in the order in which it was promised. */
  async start(field: Field, find: (owner: string) => Peer | undefined): Promise<void> {
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
    void outcome.then((end) => {
      if (this.open.delete(promised)) this.save(promised, end === 'done' ? { ...promised, done: true } : undefined);
    });
  }

  private save({ owner, origin, device }: Omit<Promised, 'time'>, record: Promised | undefined): void {
    this.store.save(`${PREFIX}${owner} ${origin} ${device}`, record).catch((error: Error) => {
      this.log(`cannot store what was promised to ${device}: ${error.message}`, 'error');
    });
  }
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
