/** One gateway with 10,000 controllers: how long it takes to start, and what the CMS's requests cost. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import Fastify from 'fastify';
import { Leaf, TOPIC_ROOT } from '../firmware/link/messages.ts';
import { type Gateway, startGateway } from '../gateway/main.ts';
import { openSqliteStore } from '../gateway/store/sqlite.ts';
import { KEYS } from '../test/sealed.ts';
import { BIRTH, Field, idOf, report, sealed } from './field.ts';
import { type Part, quantile } from './part.ts';

const CONTROLLERS = 10000;
const CMS = '0a6f1f0e-53a5-4b52-9d0e-3a3c2b1d4e5f';
/** Messages that reach the gateway before it looks after anything else. */
const BURST = 100;
/** ms */
const PATIENCE = 60000;

type Say = (fact: string, value: string) => void;

export const gateway: Part = {
  name: 'gateway',
  about: `${CONTROLLERS} controllers in one gateway: start, reports, devices, a group of all, logs`,
  async run(say) {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-bench-'));
    try {
      await measure(directory, say);
      await measureLogs(join(directory, 'logs'), say);
      await measureCms(join(directory, 'cms'), say);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

async function measure(dataDirectory: string, say: Say): Promise<void> {
  const open = (): Promise<Gateway> =>
    startGateway({ port: 0, keys: KEYS, dataDirectory, now: Date.now, log: () => {} });
  const first = await open();
  say('10,000 new devices, stored', await cost(() => born(first).then(() => first.close())));
  let opened: Gateway | undefined;
  const start = async (): Promise<void> => {
    opened = await open();
  };
  say('start with 10,000 known devices', await cost(start));
  const running = opened as Gateway;
  const field = await Field.connect(running.brokerPort);
  try {
    say('their births and links after the start', await cost(() => born(running)));
    say('10,000 reports', await cost(() => each(running, Leaf.Report, report(1, Date.now()))));
    const devices = await measureReads(running, say);
    await measureWrites(running, field, devices, say);
    await measureLogger(running, devices.length, say);
    say('memory', `${Math.round(process.memoryUsage.rss() / 1048576)} MB RSS, with the played controllers`);
  } finally {
    await field.close();
    await running.close();
  }
}

/** Every controller says the same on one topic. */
async function each({ seals }: Gateway, leaf: Leaf, payload: Buffer): Promise<void> {
  for (let i = 0; i < CONTROLLERS; i++) {
    seals.receive(`${TOPIC_ROOT}/${idOf(i)}/${leaf}`, sealed(idOf(i), leaf, payload), false);
    if (i % BURST === 0) await turn();
  }
}

async function born(running: Gateway): Promise<void> {
  await each(running, Leaf.Birth, BIRTH);
  await each(running, Leaf.Link, Buffer.from([1]));
}

interface Device {
  address: string;
  name: string;
}

async function measureReads(running: Gateway, say: Say): Promise<Device[]> {
  const get = (path: string) => ask(running, 'GET', path);
  const devices: Device[] = [];
  for (const [size, count] of [
    [100, 100],
    [1000, 11],
  ]) {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const offset = i * size;
      times.push(
        await timed(async () => {
          const page = (await get(`/devices?offset=${offset}&limit=${size}`)) as Device[];
          if (size === 1000 && i <= CONTROLLERS / size) devices.push(...page);
        }),
      );
    }
    say(`GET /devices, a page of ${size}`, latencies(times));
  }
  const known = devices.filter(({ name }) => name.startsWith('pole-'));
  const one: number[] = [];
  for (let i = 0; i < 200; i++) one.push(await timed(() => get(`/devices/${known[i * 47].address}`)));
  say('GET /devices/…, one', latencies(one));
  const counts: number[] = [];
  for (let i = 0; i < 200; i++) counts.push(await timed(() => get('/devices/count')));
  say('GET /devices/count', latencies(counts));
  return known;
}

async function measureWrites(running: Gateway, field: Field, devices: Device[], say: Say): Promise<void> {
  const ownerCMS = CMS;
  const post = (path: string, body: unknown) => ask(running, 'POST', path, body);
  const renames: number[] = [];
  for (let i = 0; i < 200; i++) {
    const path = `/devices/${devices[i * 47].address}/basic/displayName`;
    const body = { type: 'AttributeString', value: `pole-${i} renamed` };
    renames.push(await timed(() => ask(running, 'PATCH', path, body)));
  }
  say('PATCH of a name', latencies(renames));
  const members = devices.map(({ address }) => ({ resource: 'devices', address }));
  const group = { address: 'all', ownerCMS, members, purpose: 'override' };
  const created = await timed(() => post('/groups', [group]));
  const controllers = [...running.fleet.controllers.values()];
  const told = await timed(() => until(() => controllers.every(({ groups }) => groups?.length === 1)));
  say(`POST of a group of ${members.length}, until answered`, seconds(created));
  say('that group, until every controller listens to it', seconds(created + told));
  const addresses = [{ resource: 'groups', address: 'all' }];
  for (const value of [50, 60]) {
    const before = field.commands;
    const override = { addresses, targetCommand: { state: { name: 'LevelState', value } } };
    const time = await cost(() => post('/override-commands', override));
    say('override of that group, until answered', `${time}, ${field.commands - before} messages`);
  }
  const program = { type: 'ControlProgramOne', id: 'night', ownerCMS, activePeriods: [], fixedTimeControls: [] };
  await post('/control-programs', [program]);
  await post('/calendars', [{ id: 'year', ownerCMS, rules: [], defaultProgram: 'night' }]);
  const before = field.commands;
  const assign = { addresses, entity: { resource: 'calendars', address: 'year' } };
  const answered = await timed(() => post('/assign-commands', assign));
  const rest = await timed(() => until(() => field.commands - before >= devices.length));
  say('calendar for that group, until answered', seconds(answered));
  say('calendar for that group, until all have it', seconds(answered + rest));
  const worst = await timed(() => ask(running, 'GET', '/devices/count'));
  say('GET /devices/count just after', `${worst.toFixed(1)} ms`);
}

/** A periodic logger of the power of every lamp: a pull samples them all, stores the entries and gives them. */
async function measureLogger(running: Gateway, lamps: number, say: Say): Promise<void> {
  const config = {
    address: 'power',
    ownerCMS: CMS,
    sourceAddresses: { blackList: [] },
    recordingMode: {
      type: 'PeriodicRecordingMode',
      content: [{ function: { functionType: 'LampMonitorFunction', attributes: [{ name: 'activePower' }] } }],
      samplingProfiles: [{ samplingStartTime: '2100-01-01T00:00:00Z', samplingPeriod: 'PT15M' }],
    },
    reportingMode: { type: 'ScheduledReportingMode', times: ['00:00:00Z'] },
  };
  say('POST of a periodic logger over all', await cost(() => ask(running, 'POST', '/logger-configs', config)));
  const pull = async (): Promise<void> => {
    const { entries } = (await ask(running, 'GET', '/log-reports/power')) as { entries: unknown[] };
    assert.ok(entries.length >= lamps, `${entries.length} entries`);
  };
  say('a sample of all of them, stored and pulled', await cost(pull));
}

/** A CMS is attached, and all controllers come at once: until it knows every one. */
async function measureCms(dataDirectory: string, say: Say): Promise<void> {
  const server = Fastify({ bodyLimit: 100000000, forceCloseConnections: true });
  let known = 0;
  const gatewayAddress = randomUUID();
  server.all('/*', async (request, reply) => {
    const devices = request.body as Device[];
    const [own] = Array.isArray(devices) ? devices : [];
    const introduced = request.method === 'POST' && own?.address === '00000000-0000-0000-0000-000000000000';
    if (introduced) {
      const address = (value: string) => ({ type: 'AttributeString', value });
      const addresses = { gatewayAddress: address(gatewayAddress), cmsAddress: address(CMS) };
      const functions = [{ id: 'gateway', type: 'GatewayFunction', ...addresses }];
      return reply.code(201).send([{ ...own, address: gatewayAddress, functions }]);
    }
    if (request.method === 'POST' && own?.address !== undefined) known += devices.length;
    return reply.code(request.method === 'POST' ? 201 : 200).send(request.body ?? []);
  });
  const uri = await server.listen({ host: '127.0.0.1', port: 0 });
  let now = Date.now();
  const log: string[] = [];
  const running = await startGateway({
    port: 0,
    keys: KEYS,
    dataDirectory,
    cms: [{ uri }],
    insecureHttp: true,
    now: () => now,
    log: (line) => log.push(line),
  });
  try {
    await until(() => {
      // The bootstrap waits for a minute that the CMS configures the gateway.
      now += 1000;
      running.tick();
      return log.some((line) => line.includes('attached to CMS'));
    });
    const announced = async (): Promise<void> => {
      await born(running);
      await until(() => known >= CONTROLLERS);
    };
    say('10,000 births with a CMS, until it knows all', await cost(announced));
    say('10,000 births that tell nothing new', await cost(() => each(running, Leaf.Birth, BIRTH)));
  } finally {
    await running.close();
    await server.close();
  }
}

/** A logger of one value of each controller, period by period, in the store alone. */
async function measureLogs(directory: string, say: Say): Promise<void> {
  const store = await openSqliteStore(directory);
  const logger = `${CMS} night`;
  const body = { type: 'AttributeFloat', value: 231.5, timestamp: new Date().toISOString() };
  const entries = Array.from({ length: CONTROLLERS }, (_, i) => ({
    logger,
    kind: 'attribute' as const,
    time: Date.now(),
    body: { ...body, address: `${randomUUID()}/electricalMeter1/supplyVoltage`, i },
  }));
  const appends: number[] = [];
  for (let i = 0; i < 5; i++) appends.push(await timed(() => store.logs.append(entries)));
  say('append 10,000 entries to a log', latencies(appends));
  const cycles: number[] = [];
  for (let left = 5 * CONTROLLERS; left > 0; left -= 1000) {
    cycles.push(
      await timed(async () => {
        const some = await store.logs.pending(logger, 1000);
        assert.equal(some.length, 1000);
        await store.logs.reported(logger, some[999].sequence);
      }),
    );
  }
  say('take 1000 of up to 50,000 entries out of it', latencies(cycles));
  const { size } = await stat(join(directory, 'gateway.db'));
  say('database with it', `${(size / 1048576).toFixed(1)} MB`);
  await store.close();
}

async function ask(running: Gateway, method: string, path: string, body?: unknown): Promise<unknown> {
  const url = new URL(`${running.url}${path}`);
  url.searchParams.set('clientAddress', CMS);
  if (method !== 'GET') url.searchParams.set('talqRequestId', randomUUID());
  const reply = await fetch(url, {
    method,
    headers: { 'talq-api-version': '2.7.1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text.slice(0, 500)}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** Throws when it takes longer than a minute. */
async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${seconds(PATIENCE)}: ${condition}`);
    await turn();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** @returns how long it took, and how much of that the processor was busy: other programs do not count. */
async function cost(work: () => Promise<unknown>): Promise<string> {
  const before = process.cpuUsage();
  const wall = await timed(work);
  const { user, system } = process.cpuUsage(before);
  return `${seconds(wall)}, ${seconds((user + system) / 1000)} of the processor`;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const latencies = (all: number[]): string =>
  `p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms`;
