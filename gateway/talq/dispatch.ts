/** Waiting for controllers: for as long as an answer may take, and for those that are done later. */
import { type Clock, within } from '../clock.ts';
import type { Outcome } from '../fleet.ts';
import type { DeviceView } from './model.ts';
import type { Command } from './schemas.ts';

/** ms of the gateway's time that an answer waits for the controllers; a group is told 2 s ahead. */
const PATIENCE = 2500;
/** ms of real time after which it no longer waits, should the gateway's time stand still. */
const REAL_PATIENCE = 10000;
/** ms after which the CMS hears of the controllers that are done, while others are still away. */
const PATIENCE_OF_CMS = 60000;

/** Something that a controller was told. */
export interface Job {
  device: DeviceView;
  outcome: Promise<Outcome>;
  /** How it is done again after a restart of the gateway; absent: it is looked after anyway. */
  again?: Again;
  /** A sensor's word: after a restart it is too late for it. */
  transient?: true;
}

/** An override, null ends one; counters and what they are set to; or the level without calendar in %. */
export interface Again {
  command?: Command | null;
  counters?: number[];
  level?: number;
}

/** @returns how the jobs ended, undefined when that takes longer than an answer waits. */
export function settle(clock: Clock, jobs: Job[]): Promise<{ device: DeviceView; outcome: Outcome }[] | undefined> {
  const ends = jobs.map(async ({ device, outcome }) => ({ device, outcome: await outcome }));
  return within(clock, Promise.all(ends), PATIENCE, REAL_PATIENCE);
}

/**
 * Tells of the devices that did their jobs: all at once when the last job has ended, and every minute what has been done
 * meanwhile, since a controller may be away for days. Devices that failed are not told of.
 */
export function tellWhenDone(clock: Clock, jobs: Job[], tell: (devices: DeviceView[]) => void): void {
  const failed = new Set<string>();
  const open = new Map<string, number>();
  for (const { device } of jobs) open.set(device.address, (open.get(device.address) ?? 0) + 1);
  let done: DeviceView[] = [];
  let cancel: (() => void) | undefined;
  const flush = (): void => {
    cancel?.();
    cancel = undefined;
    if (done.length > 0) tell(done);
    done = [];
  };
  for (const { device, outcome } of jobs) {
    void outcome.then((end) => {
      const left = (open.get(device.address) ?? 1) - 1;
      open.set(device.address, left);
      if (end !== 'done') failed.add(device.address);
      if (left > 0) return;
      open.delete(device.address);
      if (!failed.has(device.address)) done.push(device);
      if (open.size === 0) flush();
      else cancel ??= clock.after(PATIENCE_OF_CMS, flush);
    });
  }
}
