/** A gateway that crashes between two transactions while a controller tells it things, and what a logger has in the end. */
import assert from 'node:assert/strict';
import { EventCode, Leaf } from '../../firmware/link/messages.ts';
import { type Database, DatabaseStore } from '../../gateway/store/database.ts';
import type { Store } from '../../gateway/store/store.ts';
import { create, dataOf, eventsOf, logger, pass, pulled, turns } from './logger-rig.ts';
import { batch, birth, event, Rig, report, T0 } from './rig.ts';

/** Of a controller that tells events of every kind used here. */
export const BORN = birth({
  12: [EventCode.LampFailure, EventCode.Sag, EventCode.LightStateChange, EventCode.Dropped],
});
/** @returns a sag of as many tenths of a second as its number: nothing else tells it from others */
export const sag = (number: number): unknown[] => event({ 0: number, 1: EventCode.Sag, 2: 2, 12: number, 13: 1710 });
export const samples = (number: number): Map<number, unknown> => batch({ 0: number }, [32], [[50], [60]]);

/** Waits for sockets with the time standing still. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 5000; !condition(); await turns(1)) {
    if (Date.now() > end) assert.fail(`${what} does not come`);
  }
}

const LIGHT = event({ 0: 4, 1: EventCode.LightStateChange, 2: 2, 3: 3600, 4: T0 / 1000, 6: 40, 12: 40, 13: 1 });
const MESSAGES: [Leaf, unknown][] = [
  [Leaf.Event, [7, sag(1), event({ 0: 2 })]],
  [Leaf.Log, samples(1)],
  [Leaf.Event, [7, LIGHT, sag(3)]],
  [Leaf.Event, [7, sag(1), sag(5)]],
];
const TOLD = [
  'deviceMalfunction 0.1 s',
  'deviceMalfunction 0.3 s',
  'deviceMalfunction 0.5 s',
  'lampFailure',
  'lightStateChange',
];

/**
 * @param most transactions after which the first gateway does none any more
 * @param open opens the store, empty at first
 * @returns whether it came to that
 */
export async function crashAfter(most: number, open: () => Promise<Store>): Promise<boolean> {
  const first = await open();
  const { database, dead } = dying((first as unknown as { database: Database }).database);
  const before = await Rig.start({ store: new DatabaseStore(database) });
  const controller = await before.join('PAR-0001', BORN);
  await create(before, logger('log'));
  dead.after(most);
  // One at a time, so that the crash falls between all that happens with each of them.
  for (const [i, [leaf, message]] of MESSAGES.entries()) {
    await controller.send(leaf, message);
    await until(() => dead.is || controller.gots.length > i, 'an acknowledgement');
    await turns(6);
  }
  const { gots } = controller;
  await before.close().catch(() => {}); // it cannot save any more
  await first.close();

  const store = await open();
  const after = await Rig.start({ store });
  try {
    const again = await after.join('PAR-0001', BORN, report({ 0: 2 }));
    await turns(5);
    if (gots.length === MESSAGES.length) assert.equal(await lights(after), 1, 'what waited for a report');
    await checkKept(store, gots);
    for (const [i, [leaf, message]] of MESSAGES.entries()) {
      await again.send(leaf, message);
      await until(() => again.gots.length > i, 'an acknowledgement');
    }
    await pass(after, 4000);
    for (const end = Date.now() + 5000; (await told(after)).length < TOLD.length && Date.now() < end; ) await turns(5);
    await turns(20);
    assert.deepEqual(await told(after), TOLD, `a crash after ${most} transactions`);
  } finally {
    await after.close();
    await store.close();
  }
  return dead.is;
}

async function told(rig: Rig): Promise<string[]> {
  const all = dataOf(await pulled(rig, 'log')).map(({ eventType, info }) =>
    `${eventType} ${info?.[0].description.match(/[\d.]+ s/)?.[0] ?? ''}`.trim(),
  );
  return all.filter((name) => name !== 'deviceReset').sort();
}

async function lights(rig: Rig): Promise<number> {
  return eventsOf(await pulled(rig, 'log')).filter((name) => name === 'lightStateChange').length;
}

/** What was acknowledged is there. */
async function checkKept(store: Store, gots: readonly number[][]): Promise<void> {
  const names = (await store.arrivals.after(0, 1000)).map(({ kind, number }) => `${kind}.${number}`);
  for (const [kind, , from, to] of gots) {
    for (let number = from; number <= to; number++) assert.ok(names.includes(`${kind}.${number}`));
  }
}

/** A database on which nothing is done any more after some transactions, as after a crash. */
function dying(inner: Database): { database: Database; dead: { is: boolean; after(count: number): void } } {
  let left = Number.POSITIVE_INFINITY;
  const dead = { is: false, after: (count: number) => (left = count) };
  const work = <T>(run: () => T): T => {
    if (left-- <= 0) dead.is = true;
    if (dead.is) throw new Error('crashed');
    return run();
  };
  const database: Database = {
    name: inner.name,
    commit: (batches) => work(() => inner.commit(batches)),
    arrive: (arrivals) => work(() => inner.arrive(arrivals)),
    records: (prefix) => inner.records(prefix),
    has: (key) => inner.has(key),
    entries: (log, limit) => inner.entries(log, limit),
    trim: (log, most) => inner.trim(log, most),
    counts: () => inner.counts(),
    arrived: (after, limit) => inner.arrived(after, limit),
    trimArrivals: (upTo, before, most) => inner.trimArrivals(upTo, before, most),
    close: async () => {},
  };
  return { database, dead };
}
