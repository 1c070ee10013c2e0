import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AckCode } from '../../../firmware/link/messages.ts';
import { openBroker } from '../../../gateway/broker.ts';
import type { GatewayOptions } from '../../../gateway/main.ts';
import { MemoryStore } from '../../../gateway/store/memory.ts';
import { level, to } from '../control-rig.ts';
import { Attached } from '../logger-rig.ts';
import { event, Rig, report } from '../rig.ts';
import { PostgresServer } from '../store/postgres-server.ts';
import { parse, type Sample } from './exposition.ts';

const get = async (rig: Rig, path: string, method = 'GET') => {
  const reply = await fetch(`http://127.0.0.1:${rig.gateway.managementPort}${path}`, { method });
  const text = await reply.text();
  return { status: reply.status, type: reply.headers.get('content-type') ?? '', text };
};
const health = async (rig: Rig) => {
  const { status, text } = await get(rig, '/health');
  return { code: status, ...JSON.parse(text) };
};
const metrics = async (rig: Rig) => {
  const samples = parse((await get(rig, '/metrics')).text);
  return (name: string, labels: Record<string, string> = {}): number | undefined => {
    const fits = (sample: Sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
    return samples.find(fits)?.value;
  };
};
const until = async (condition: () => Promise<boolean>) => {
  for (const end = Date.now() + 5000; !(await condition()); ) assert.ok(Date.now() < end, 'it does not come');
};

describe("the gateway's management port", () => {
  let rig: Rig;
  const start = async (options: Partial<GatewayOptions> = {}) => {
    rig = await Rig.start({ managementPort: 0, ...options });
  };
  afterEach(() => rig.close());

  it('says that the gateway is ready, and what it has', async () => {
    await start();
    await rig.join('PAR-0001');
    const { database, version, ...rest } = await health(rig);
    assert.deepEqual(rest, {
      code: 200,
      status: 'ready',
      role: 'leader',
      broker: { connected: true },
      cms: [],
      controllers: { known: 1, online: 1 },
    });
    assert.equal(database.writable, true);
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.deepEqual([(await get(rig, '/health/live')).status, (await get(rig, '/nothing')).status], [200, 404]);
    assert.equal((await get(rig, '/health', 'POST')).status, 405);
    assert.deepEqual([(await get(rig, '/health', 'HEAD')).text, (await get(rig, '/health?x=1')).status], ['', 200]);
  });

  it('says 503 when the database takes no writes, and when the broker is gone; and lives on', async () => {
    const store = new MemoryStore();
    const broker = await openBroker({ host: '127.0.0.1', port: 0, log: () => {} });
    await start({ store, brokerUrl: `mqtt://127.0.0.1:${broker.port}` });
    await until(async () => (await health(rig)).code === 200);
    const save = store.save;
    store.save = () => Promise.reject(new Error('disk full at postgres://me:secret@host'));
    await until(async () => (await health(rig)).code === 503);
    const { text } = await get(rig, '/health');
    assert.match(text, /"status":"unready".*"writable":false,"reason":"a write failed"/);
    assert.ok(!text.includes('secret') && !text.includes('host'));
    store.save = save;
    await until(async () => (await health(rig)).code === 200);
    await broker.close();
    await until(async () => (await health(rig)).broker.connected === false);
    assert.equal((await get(rig, '/health')).status, 503);
    assert.equal((await get(rig, '/health/live')).status, 200);
    assert.equal((await metrics(rig))('reverbere_broker_connected'), 0);
  });

  it('names an occupied port, and leaves nothing open', async () => {
    await start();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await assert.rejects(Rig.start({ managementPort: port }), new RegExp(`port ${port} \\(management\\) is occupied`));
    server.close();
  });

  it('counts controllers, messages, commands and requests, in the format of Prometheus', async () => {
    await start();
    const lamp = await rig.join('PAR-0001');
    await rig.join('PAR-0002');
    await rig.report(lamp, report({ 0: 2, 18: 5 }));
    await lamp.sendRaw('report', Buffer.from('ff', 'hex'));
    await lamp.sendBare('report', Buffer.from('ff', 'hex'));
    const address = await rig.address('PAR-0001');
    const order = () =>
      rig.call('POST', '/override-commands', { body: { addresses: to(address), targetCommand: { state: level(30) } } });
    await order();
    lamp.answer = () => AckCode.Malformed;
    await order();
    await rig.send('GET', '/talq/gateway/bogus%0Aevil', {});
    const read = await metrics(rig);
    const { type } = await get(rig, '/metrics');
    assert.match(type, /^text\/plain; version=0\.0\.4/);
    assert.deepEqual(
      [
        read('reverbere_controllers'),
        read('reverbere_controllers_online'),
        read('reverbere_messages_total', { leaf: 'report' }),
        read('reverbere_messages_total', { leaf: 'log' }),
        read('reverbere_messages_dropped_total'),
        read('reverbere_messages_refused_by_controllers'),
        read('reverbere_messages_refused_total', { reason: 'malformed' }),
        read('reverbere_commands_total', { outcome: 'done' }),
        read('reverbere_commands_total', { outcome: 'refused' }),
        read('reverbere_commands_pending'),
        read('reverbere_broker_connected'),
        read('reverbere_leader'),
      ],
      [2, 2, 5, 0, 1, 5, 1, 1, 1, 0, 1, 1],
    );
    const posts = { method: 'POST', resource: 'override-commands' };
    const count = 'reverbere_http_request_duration_seconds_count';
    assert.deepEqual([read(count, { ...posts, status: '2xx' }), read(count, { ...posts, status: '4xx' })], [1, 1]);
    assert.equal(read(count, { resource: 'unknown', status: '4xx' }), 1);
    assert.ok((read('process_resident_memory_bytes') ?? 0) > 2 ** 20);
    assert.ok((read('nodejs_eventloop_lag_seconds', { quantile: '1' }) ?? -1) >= 0);
    lamp.answer = () => undefined;
    lamp.drop();
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0001')?.online === false,
      () => {},
    );
    await rig.advance(order());
    const later = await metrics(rig);
    assert.deepEqual([later('reverbere_controllers_online'), later('reverbere_commands_pending')], [1, 1]);
  });
});

describe('the management port of a gateway with a CMS and a database', () => {
  it('is degraded while the CMS is not attached, and counts what waits for it and what the database does', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    const street = await Attached.open({ dataDirectory: directory, managementPort: 0 });
    const { uri } = street.cms;
    assert.deepEqual((await health(street.rig)).cms, [{ uri, attached: true }]);
    await street.create('log');
    await street.join('PAR-0001');
    const waiting = async () => (await metrics(street.rig))('reverbere_report_entries_waiting', { cms: uri }) ?? 0;
    await until(async () => (await waiting()) === 0);
    await street.down();
    const [lamp] = street.rig.controllers;
    await lamp.send('event' as never, [7, event({ 0: 1 })]);
    await until(async () => (await waiting()) > 0);
    const read = await metrics(street.rig);
    const transactions = read('reverbere_database_transaction_duration_seconds_count') ?? 0;
    assert.ok(transactions > 5, `${transactions} transactions`);
    assert.deepEqual(
      [
        read('reverbere_database_failures_total'),
        read('reverbere_inbox_backlog'),
        read('reverbere_cms_attached', { cms: uri }),
      ],
      [0, 0, 1],
    );
    await street.up();
    await street.rig.close();
    await street.cms.close();
    const alone = await Rig.start({ managementPort: 0, cms: [{ uri }], insecureHttp: true });
    const { code, status, cms } = await health(alone);
    assert.deepEqual([code, status, cms], [200, 'degraded', [{ uri, attached: false }]]);
    await alone.close();
    await rm(directory, { recursive: true });
  });

  it('says which of two gateways leads, and when the other one does', async function () {
    this.timeout(30_000);
    const server = PostgresServer.shared('no gateway followed another one');
    if (!server) this.skip();
    const broker = await openBroker({ host: '127.0.0.1', port: 0, log: () => {} });
    const options = {
      database: await server.create(),
      brokerUrl: `mqtt://127.0.0.1:${broker.port}`,
      managementPort: 0,
    };
    const first = await Rig.start(options);
    const second = await Rig.start(options);
    await until(async () => (await health(first)).code === 200);
    assert.equal((await health(first)).role, 'leader');
    const { code, role, status, broker: field, leader, kept } = await health(second);
    assert.deepEqual([code, role, status, field, kept], [200, 'follower', 'ready', undefined, 0]);
    assert.ok(first.gateway.url.startsWith(leader), leader);
    assert.equal((await fetch(new URL('/health', second.gateway.url))).status, 404, 'it is no part of the API');
    const leads = async (rig: Rig) => (await metrics(rig))('reverbere_leader');
    assert.deepEqual([await leads(first), await leads(second)], [1, 0]);
    await first.gateway.close();
    await until(async () => (await leads(second)) === 1);
    await until(async () => (await health(second)).code === 200);
    await second.gateway.close();
    await broker.close();
  });
});
