/** What controllers tell under a number is kept before they hear so, and recorded once, whatever happens in between. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Sqlite from 'better-sqlite3';
import { EventCode, Leaf } from '../../firmware/link/messages.ts';
import type { Database } from '../../gateway/store/database.ts';
import { openSqliteStore } from '../../gateway/store/sqlite.ts';
import type { Store } from '../../gateway/store/store.ts';
import { BORN, crashAfter, sag, samples, until } from './inbox-crash.ts';
import { create, eventsOf, logger, pass, pulled, turns } from './logger-rig.ts';
import { type Controller, event, Rig } from './rig.ts';

const files = (store: Store) => (store as unknown as { database: Database & { file: Sqlite.Database } }).database;

describe('what a controller tells under a number', () => {
  let directory: string;
  let rig: Rig;
  let store: Store;
  let controller: Controller;
  const start = async (opened?: Store): Promise<void> => {
    store = opened ?? (await openSqliteStore(directory));
    rig = await Rig.start({ store });
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    await start();
    controller = await rig.join('PAR-0001', BORN);
  });
  afterEach(async () => {
    await rig.close();
    await rm(directory, { recursive: true });
  });
  const got = (count: number) => until(() => controller.gots.length >= count, `got ${count}`);
  const kept = async () => (await store.arrivals.after(0, 1000)).map(({ kind, number }) => `${kind}.${number}`);

  it('is kept by the time it hears so, range by range, each time it tells it, and is there once', async () => {
    await controller.send(Leaf.Event, [7, sag(1), sag(2), sag(3), sag(7)]);
    await got(2);
    assert.deepEqual(controller.gots, [
      [0, 7, 1, 3],
      [0, 7, 7, 7],
    ]);
    assert.deepEqual(await kept(), ['0.1', '0.2', '0.3', '0.7']);
    await controller.send(Leaf.Event, [7, sag(3), sag(4)]);
    await controller.send(Leaf.Log, samples(3));
    await got(4);
    assert.deepEqual(controller.gots.slice(2), [
      [0, 7, 3, 4],
      [1, 7, 3, 3],
    ]);
    assert.deepEqual(await kept(), ['0.1', '0.2', '0.3', '0.7', '0.4', '1.3']);
    const { fleet } = rig.gateway;
    assert.deepEqual([fleet.missing(0), fleet.missing(1)], [2, 2]);
  });

  it('is not acknowledged while the disk is full, and kept when it is told again', async () => {
    const { file } = files(store);
    file.pragma(`max_page_count = ${Number(file.pragma('page_count', { simple: true }))}`);
    // More than the free places of pages take.
    for (let i = 0; i < 20; i++)
      await controller.send(Leaf.Event, [7, ...Array.from({ length: 8 }, (_, j) => sag(8 * i + j + 1))]);
    await until(() => rig.log.some((line) => /cannot keep what controllers tell: .*full/.test(line)), 'the complaint');
    await turns(20);
    const acknowledged = new Set(
      controller.gots.flatMap(([, , from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)),
    );
    assert.ok(acknowledged.size < 160, `${acknowledged.size} of 160`);
    for (const number of acknowledged) assert.ok((await kept()).includes(`0.${number}`));
    file.pragma('max_page_count = 1000000');
    const before = controller.gots.length;
    for (let i = 0; i < 20; i++)
      await controller.send(Leaf.Event, [7, ...Array.from({ length: 8 }, (_, j) => sag(8 * i + j + 1))]);
    await got(before + 20);
    assert.equal((await kept()).length, 160);
  });

  it('is acknowledged also when it makes no sense, so that it does not stand before what comes after', async () => {
    await controller.send(Leaf.Event, [7, sag(1), event({ 0: 2, 2: 9 }), sag(3)]);
    await controller.send(Leaf.Log, new Map<number, unknown>([...samples(1), [6, Buffer.from([255])]]));
    await got(2);
    assert.deepEqual(controller.gots, [
      [0, 7, 1, 3],
      [1, 7, 1, 1],
    ]);
    await turns(5);
    assert.equal(rig.gateway.fleet.dropped, 2);
    assert.match(rig.log.join('\n'), /PAR-0001\/event.*phase[\s\S]*PAR-0001\/log.*samples end too early/);
  });

  it('goes when it is too old, what has not been taken stays', async () => {
    await controller.send(Leaf.Event, [7, sag(1)]);
    await got(1);
    rig.now += 60 * 86400000;
    await controller.send(Leaf.Event, [7, sag(2)]);
    await got(2);
    rig.now += 31 * 86400000;
    await pass(rig, 1000);
    assert.deepEqual(await kept(), ['0.2']);
    await controller.send(Leaf.Event, [7, sag(1)]);
    await got(3);
    assert.equal(rig.gateway.fleet.missing(0), 0);
  });

  it('and never comes is told after a day, or as soon as the controller says that it had no room', async () => {
    await create(rig, logger('log'));
    const malfunctions = async () =>
      (await pulled(rig, 'log'))
        .filter(({ data }) => data.eventType === 'deviceMalfunction')
        .map(({ data }) => data.info[0].description);
    await controller.send(Leaf.Event, [7, event({ 0: 6, 1: EventCode.Dropped, 2: 2, 12: 3, 13: 0 })]);
    await got(1);
    assert.match((await malfunctions())[0], /^recordsDropped: There was no room.* 3 events so far\./);
    // It says how many there were in all, and may say it late.
    await controller.send(Leaf.Event, [7, event({ 0: 4, 1: EventCode.Dropped, 2: 2, 12: 1, 13: 0 })]);
    await got(2);
    await turns(5);
    const said = () => rig.log.filter((line) => line.includes('for want of room'));
    assert.deepEqual(said(), ['PAR-0001 has dropped 3 events for want of room, before the gateway had them']);
    await controller.send(Leaf.Event, [7, event({ 0: 8, 1: EventCode.Dropped, 2: 2, 12: 4, 13: 0 })]);
    await got(3);
    await turns(5);
    assert.match(said()[1], /dropped 1 events/);
    // 1, 2, 3, 5 and 7 are missing, and four of them explained.
    await pass(rig, 23 * 3600000, 1800000);
    assert.equal((await malfunctions()).length, 3);
    await pass(rig, 3 * 3600000, 1800000);
    assert.match((await malfunctions())[3], /^1 events of this controller have not come for a day/);
    await pass(rig, 48 * 3600000, 1800000);
    assert.equal((await malfunctions()).length, 4);
    await controller.send(Leaf.Event, [7, sag(2)]);
    await got(4);
    await turns(5);
    assert.equal(rig.gateway.fleet.missing(0), 4);
    assert.ok(eventsOf(await pulled(rig, 'log')).length >= 3, 'it counts when it comes late');
  }).timeout(20000);

  it('is in a logger once after a crash between two transactions, whether or not it was acknowledged', async () => {
    for (const most of [1, 4]) {
      await rm(directory, { recursive: true });
      const crashed = await crashAfter(most, () => openSqliteStore(directory));
      assert.ok(crashed, `${most} transactions`);
    }
  }).timeout(20000);
});
