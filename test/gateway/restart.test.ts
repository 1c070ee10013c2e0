/** What a CMS was answered is there after SIGKILL: a copy of the data of that instant is what a killed process leaves. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BirthKey, CommandKind } from '../../firmware/link/messages.ts';
import { keyFile } from '../sealed.ts';
import { program, to } from './control-rig.ts';
import { type Ask, type Device, memory, TAKEN_BACK, text, writes } from './everything.ts';
import { birth, CMS, Controller, Rig, refusalOf } from './rig.ts';
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

  for (const kind of ['sqlite', 'postgres'] as const) {
    it(`is there after SIGKILL at the answer, and so is every address (${kind})`, async function () {
      this.timeout(60000);
      const server = kind === 'postgres' ? PostgresServer.shared('no gateway was killed on it') : undefined;
      if (kind === 'postgres' && !server) this.skip();
      const path = keyFile(['PAR-0001', 'PAR-0002']);
      const place = server ? ['--database', await server.create()] : ['--data', directory];
      const flags = [...place, '--keys', path];
      const controllers: Controller[] = [];
      try {
        const running = await Running.start(flags);
        for (const id of ['PAR-0001', 'PAR-0002']) {
          const controller = await Controller.connect(running.brokerPort, id);
          controllers.push(controller);
          await controller.greet();
          await controller.until(() => controller.times.length > 0);
        }
        const [gateway, lamp] = (await running.ask('GET', '/devices')).body as Device[];
        for (const [method, path, body] of writes(gateway, lamp).slice(0, -TAKEN_BACK)) {
          const { status, text: answer } = await running.ask(method, path, body);
          assert.ok(status < 202, `${method} ${path} was answered with ${status} ${answer}`);
        }
        const told = await memory(running.ask);
        await running.ask('POST', '/control-programs', [program('last', [['21:00', 50]])]);
        await running.kill();
        const again = await Running.start(flags);
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
    for (const start of ['first', 'second']) {
      const rig = await Rig.start({ dataDirectory: directory });
      const known = birth({
        [BirthKey.Limits]: device.birth.limits,
        [BirthKey.Timetable]: device.timetable.crc,
        [BirthKey.Presence]: 1,
      });
      const controller = await rig.join('PAR-0001', known);
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
      // Were the sensor's number another one, the timetable would be another one too, and be sent.
      await rig.call('POST', '/override-commands', { body: { addresses: to(device.address) } });
      assert.deepEqual(
        controller.commands.map((command) => command.get(1)),
        [CommandKind.Resume],
      );
      await rig.close();
    }
    assert.deepEqual((await readdir(directory)).sort(), ['gateway.db', 'gateway.json.old', 'gateway.lock']);
    await rm(directory, { recursive: true });
  });
});

/** A gateway in a process of its own. */
class Running {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
    readonly brokerPort: number,
  ) {}

  static async start(flags: string[]): Promise<Running> {
    const main = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));
    const words = ['--import', 'tsx', main, '--port', '0', '--broker-port', '0', ...flags];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    return new Promise((resolve, reject) => {
      const listen = (chunk: Buffer): void => {
        said += chunk;
        const broker = /broker mqtt:\/\/127\.0\.0\.1:(\d+) connected/.exec(said);
        const api = /TALQ 2\.7\.1 at (http\S+)/.exec(said);
        if (broker && api) resolve(new Running(child, api[1], Number(broker[1])));
      };
      child.stdout.on('data', listen);
      child.stderr.on('data', listen);
      child.once('exit', () => reject(new Error(`the gateway ended: ${said}`)));
    });
  }

  readonly ask: Ask = async (method, path, body) => {
    const id = method === 'GET' ? '' : `&talqRequestId=${randomUUID()}`;
    const answer = await fetch(`${this.url}${path}?clientAddress=${CMS}${id}`, {
      method,
      headers: { 'talq-api-version': '2.7.1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: JSON.stringify(body),
    });
    const content = await answer.text();
    const parsed = content === '' ? undefined : JSON.parse(content);
    return { status: answer.status, headers: {}, body: parsed, text: content, reused: false };
  };

  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}
