/** What a CMS was answered is on the disk at that instant: a copy of the data is what a process leaves that is killed then. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BirthKey, CommandKind } from '../../firmware/link/messages.ts';
import { FieldEnd } from '../sealed.ts';
import { checkOf, program, timetable, to } from './control-rig.ts';
import { type Ask, type Device, memory, TAKEN_BACK, text, writes } from './everything.ts';
import { birth, CMS, Rig, refusalOf } from './rig.ts';
import { PostgresServer } from './store/postgres-server.ts';

describe('what a CMS was answered', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is in the data at the instant of the answer, for every kind of write', async () => {
    const rig = await Rig.start({ dataDirectory: join(directory, 'data') });
    await rig.join('PAR-0001');
    const ask: Ask = (method, path, body) => rig.call(method, path, { body });
    const [gateway, lamp] = (await ask('GET', '/devices')).body as Device[];
    const all = writes(gateway, lamp);
    // With everything that is made, and then without what is taken back.
    for (const some of [all.slice(0, -TAKEN_BACK), all.slice(-TAKEN_BACK)]) {
      let told = await memory(ask);
      for (const [method, path, body] of some) {
        const before = told;
        const reply = await ask(method, path, body);
        assert.ok(reply.status < 202, `${method} ${path} was answered with ${reply.status} ${reply.text}`);
        await cp(join(directory, 'data'), join(directory, 'copy'), {
          recursive: true,
          filter: (name) => !name.endsWith('.lock'),
        });
        told = await memory(ask);
        assert.notDeepEqual(told, before, `${method} ${path} changes something`);
      }
      const again = await Rig.start({ dataDirectory: join(directory, 'copy'), now: () => rig.now });
      const there = await memory((...call) => again.call(call[0], call[1], { body: call[2] }));
      await again.close();
      assert.deepEqual(there, told);
    }
    await rig.close();
  }).timeout(30000);

  it('is not answered with success while the database is away, and is done when it is asked for again', async function () {
    this.timeout(60000);
    const server = PostgresServer.shared('no database was taken away');
    if (!server) this.skip();
    const rig = await Rig.start({ database: await server.create() });
    try {
      const ask = (talqRequestId: string) =>
        rig.call('POST', '/control-programs', { body: [program('night', [['20:00', 40]])], query: { talqRequestId } });
      const name = (talqRequestId: string) => {
        const [gateway] = devices;
        const body = text('elsewhere');
        return rig.call('PATCH', `/devices/${gateway.address}/basic/displayName`, { body, query: { talqRequestId } });
      };
      const devices = (await rig.call('GET', '/devices')).body;
      const ids = [randomUUID(), randomUUID()];
      server.crash();
      assert.equal(refusalOf(await name(ids[0])), '503 genericError');
      assert.equal(refusalOf(await name(ids[0])), '503 genericError');
      assert.equal((await rig.call('GET', '/devices')).status, 200);
      server.boot();
      assert.equal((await name(ids[0])).status, 200);
      assert.equal((await ask(ids[1])).status, 201);
    } finally {
      await rig.close();
    }
  });
});

describe('the data of version 0.1', () => {
  // Written by that version, for a controller with an assigned calendar, a renamed device and a program with a sensor.
  const written = fileURLToPath(new URL('./version-0.1/gateway.json', import.meta.url));

  it('are taken over: addresses, names, calendars, assignments and numbers of sensors, at the second start too', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    await cp(written, join(directory, 'gateway.json'));
    const { records } = JSON.parse(await readFile(written, 'utf8'));
    const device = records['devices/PAR-0001'];
    const { programs, calendars, assigns } = records.control[CMS];
    const end = new FieldEnd('PAR-0001');
    for (const start of ['first', 'second']) {
      const rig = await Rig.start({ dataDirectory: directory });
      const known = birth({
        [BirthKey.Limits]: device.birth.limits,
        [BirthKey.Presence]: 1,
      });
      const controller = await rig.join('PAR-0001', known, undefined, end);
      const list = (await rig.call('GET', '/devices')).body as { address: string; name: string }[];
      assert.deepEqual(
        list.map(({ address, name }) => [address, name]),
        [
          [records.gateway.address, 'Réverbère gateway'],
          [device.address, 'Pole 1'],
        ],
        start,
      );
      const get = async (path: string) => (await rig.call('GET', path)).body;
      assert.deepEqual(
        [await get('/control-programs'), await get('/calendars'), await get('/assign-commands')],
        [programs, calendars, assigns],
      );
      const assigned = await get(`/devices/${device.address}/lampActuator1/calendarID`);
      assert.equal(assigned.value, 'year');
      // Were the sensor's number another one, the timetable would be another one too.
      const sent = start === 'first' ? [CommandKind.Configuration, CommandKind.Resume] : [CommandKind.Resume];
      if (start === 'first') assert.equal(checkOf(await timetable(controller, 1)), device.timetable.crc);
      await rig.call('POST', '/override-commands', { body: { addresses: to(device.address) } });
      assert.deepEqual(
        controller.commands.map((command) => command.get(1)),
        sent,
      );
      await rig.close();
    }
    assert.deepEqual((await readdir(directory)).sort(), ['gateway.db', 'gateway.json.old', 'gateway.lock']);
    await rm(directory, { recursive: true });
  });
});
