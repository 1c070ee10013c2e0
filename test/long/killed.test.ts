/** Processes that are killed with SIGKILL: what they have answered is there when they are started again. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchCms } from '../../cms/bench-cms.ts';
import { openPostgresStore } from '../../gateway/store/postgres.ts';
import { openSqliteStore } from '../../gateway/store/sqlite.ts';
import { program } from '../gateway/control-rig.ts';
import { type Device, memory, TAKEN_BACK, writes } from '../gateway/everything.ts';
import { GatewayProcess } from '../gateway/process.ts';
import type { Controller } from '../gateway/rig.ts';
import { Writer } from '../gateway/store/crash.ts';
import { PostgresServer } from '../gateway/store/postgres-server.ts';
import { keyFile } from '../sealed.ts';
import { BenchProcess } from '../sim/bench-process.ts';

describe('a gateway that is killed', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  for (const kind of ['sqlite', 'postgres'] as const) {
    it(`has what it had answered, and every address (${kind})`, async function () {
      this.timeout(60000);
      const server = kind === 'postgres' ? PostgresServer.shared('no gateway was killed on it') : undefined;
      if (kind === 'postgres' && !server) this.skip();
      const path = keyFile(['PAR-0001', 'PAR-0002']);
      const place = server ? ['--database', await server.create()] : ['--data', directory];
      const flags = [...place, '--keys', path];
      const controllers: Controller[] = [];
      try {
        const running = await GatewayProcess.start(...flags);
        for (const id of ['PAR-0001', 'PAR-0002']) controllers.push(await running.join(id));
        const [gateway, lamp] = (await running.ask('GET', '/devices')).body as Device[];
        for (const [method, path, body] of writes(gateway, lamp).slice(0, -TAKEN_BACK)) {
          const { status, text: answer } = await running.ask(method, path, body);
          assert.ok(status < 202, `${method} ${path} was answered with ${status} ${answer}`);
        }
        const told = await memory(running.ask);
        await running.ask('POST', '/control-programs', [program('last', [['21:00', 50]])]);
        await running.kill();
        const again = await GatewayProcess.start(...flags);
        const there = await memory(again.ask);
        await again.kill();
        const { collections, ...rest } = there as { collections: { id: string }[][] };
        assert.equal(collections[0].pop()?.id, 'last');
        assert.deepEqual({ ...rest, collections }, told);
      } finally {
        await rm(dirname(path), { recursive: true });
        for (const controller of controllers) await controller.close();
      }
    });
  }
});

describe('a store whose writer is killed', () => {
  it('has every acknowledged write in SQLite, three times over', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    for (const count of [1, 300, 900]) {
      const writer = new Writer('sqlite', directory, `w${count}`);
      await writer.kill(count);
      const store = await openSqliteStore(directory);
      await writer.check(store);
      await store.close();
    }
    await rm(directory, { recursive: true });
  });

  it('has every acknowledged write in PostgreSQL, also of another writer, and logs stay in order', async function () {
    const server = PostgresServer.shared('no writer was killed on it');
    if (!server) this.skip();
    const url = await server.create();
    const [one, two] = [new Writer('postgres', url, 'one'), new Writer('postgres', url, 'two')];
    await one.kill(200);
    await two.kill(400);
    const store = await openPostgresStore(url, () => {});
    await one.check(store);
    await two.check(store);
    const shared = await store.logs.pending('all', 1000000);
    assert.ok(shared.every(({ sequence }, i) => i === 0 || sequence > shared[i - 1].sequence));
    assert.equal(new Set(shared.map(({ body }) => String(body).split(' ')[0])).size, 2);
    await store.close();
  });
});

describe('a street of npm start that is killed', () => {
  it('has bootstrapped with its CMS, and is what it was after a start with the same data', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'street-'));
    const told: string[] = [];
    const resets = new Set<string>();
    const cms = new BenchCms({
      tell: (line) => told.push(line),
      report: (_logger, { data }) => {
        if (data.eventType === 'deviceReset' && data.startEndFlag === undefined)
          resets.add(data.srcAddress.split('/')[0]);
      },
    });
    await cms.server.listen(0);
    const flags = ['--lamps', '2', '--cms', cms.server.uri, '--insecure-http', '--data', directory, '--speed', '1'];
    let bench = new BenchProcess('--port', '0', ...flags);
    await cms.until(() => cms.lamps().length === 2, 50_000);
    const [gateway] = cms.gateways.values();
    const port = new URL(gateway.uri).port;
    const [first, second] = cms.lamps();
    const read = async (lamp: { address: string }, path: string) =>
      (await cms.ask(gateway, 'GET', `devices/${lamp.address}/${path}`)).value;
    const to = (...lamps: { address: string }[]) => lamps.map(({ address }) => ({ resource: 'devices', address }));
    const until = async (condition: () => Promise<boolean>, patience: number) => {
      const end = performance.now() + patience;
      while (!(await condition().catch(() => false))) {
        assert.ok(performance.now() < end, `not within ${patience} ms`);
        await sleep(100);
      }
    };

    // From the factory: no calendar, no override, all light.
    for (const lamp of [first, second]) {
      assert.equal(await read(lamp, 'lampActuator1/calendarID'), '');
      assert.deepEqual(await read(lamp, 'lampActuator1/defaultLightState'), { name: 'LevelState', value: 100 });
      // Until it knows the time, its photocell decides.
      await until(async () => (await read(lamp, 'lampActuator1/feedbackLightCommand')).reason === 'default', 10_000);
      assert.equal((await read(lamp, 'lampActuator1/actualLightState')).value, 100);
      assert.equal(typeof (await read(lamp, 'presence1/presenceStatus')), 'boolean');
    }

    // An IANA zone of whole hours, whose sign is that of POSIX: five hours behind UTC.
    const zone = { type: 'AttributeString', value: 'Etc/GMT+5' };
    const place = { type: 'AttributeLocation', value: { latitude: 40.7, longitude: -74 } };
    await cms.ask(gateway, 'PATCH', `devices/${second.address}/time/timeZone`, zone);
    await cms.ask(gateway, 'PATCH', `devices/${second.address}/basic/location`, place);
    assert.match(await read(second, 'time/currentTime'), /-05:00$/);
    const program = {
      type: 'ControlProgramOne',
      id: 'half',
      ownerCMS: cms.cmsAddress,
      activePeriods: [],
      fixedTimeControls: [{ startTime: '00:00:00', command: { state: { name: 'LevelState', value: 50 } } }],
    };
    await cms.ask(gateway, 'POST', 'control-programs', [program]);
    const year = { id: 'year', ownerCMS: cms.cmsAddress, rules: [], defaultProgram: 'half' };
    await cms.ask(gateway, 'POST', 'calendars', [year]);
    const entity = { resource: 'calendars', address: 'year' };
    await cms.ask(gateway, 'POST', 'assign-commands', { addresses: to(second), entity });
    const targetCommand = { state: { name: 'LevelState', value: 30 }, cmsRefId: 'kept' };
    await cms.ask(gateway, 'POST', 'override-commands', { addresses: to(first), targetCommand });
    await cms.ask(gateway, 'POST', 'logger-configs', {
      address: 'resets',
      ownerCMS: cms.cmsAddress,
      sourceAddresses: { blackList: [] },
      recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: ['deviceReset'] } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    // Acknowledged is kept, also when the process ends at once.
    bench.child.kill('SIGKILL');
    await bench.ended;

    const before = told.length;
    const killed = Date.now();
    bench = new BenchProcess('--port', port, ...flags);
    await bench.until(/TALQ 2\.7\.1 at /);
    const reset = async (lamp: { address: string }) => {
      const attribute = await cms.ask(gateway, 'GET', `devices/${lamp.address}/basic/deviceReset`);
      return attribute.value === true && Date.parse(attribute.timestamp) > killed - 1000;
    };
    await until(async () => (await reset(first)) && (await reset(second)), 15_000);
    await until(async () => (await read(first, 'lampActuator1/actualLightState')).value === 30, 3000);
    await until(async () => (await read(second, 'lampActuator1/actualLightState')).value === 50, 3000);
    await until(async () => resets.has(first.address) && resets.has(second.address), 15_000);
    assert.equal((await read(first, 'lampActuator1/feedbackLightCommand')).cmsRefId, 'kept');
    assert.equal(await read(second, 'lampActuator1/calendarID'), 'year');
    assert.equal(await read(second, 'time/timeZone'), 'Etc/GMT+5');
    assert.deepEqual(await read(second, 'location1/location'), place.value);
    assert.equal((await cms.ask(gateway, 'GET', 'devices')).length, 3);
    assert.deepEqual(told.slice(before), [], 'neither a bootstrap nor an announcement');
    bench.child.kill('SIGTERM');
    assert.equal(await bench.ended, 0);
    await cms.close();
    rmSync(directory, { recursive: true });
  });
});
