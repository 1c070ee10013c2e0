/** Two gateways on one database and one broker: one is killed, one is paused, and nothing is lost, doubled or spoiled. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { dataOf, logger } from '../gateway/logger-rig.ts';
import { eventually, Insisting, Member, Mosquitto } from '../gateway/member-rig.ts';
import { PostgresServer } from '../gateway/store/postgres-server.ts';
import { TestCms } from '../gateway/test-cms.ts';
import { keyFile } from '../sealed.ts';

const CONTROLLERS = 12;
const EVENTS = 60;

describe('two gateways on one PostgreSQL database and one mosquitto', () => {
  let server: PostgresServer;
  let broker: Mosquitto;
  let url: string;
  let cms: TestCms;
  let members: Member[];
  let keys: string;
  let field: Insisting[];
  before(async function () {
    const found = PostgresServer.shared('several gateways on one database');
    if (!found || Mosquitto.absent) {
      console.log('skipped: PostgreSQL or mosquitto is absent; several gateways were not tested');
      this.skip();
    }
    server = found;
  });
  beforeEach(async () => {
    url = await server.create();
    broker = await Mosquitto.start();
    cms = new TestCms();
    await cms.listen();
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
    const words = ['--database', url, '--broker', `mqtt://127.0.0.1:${broker.port}`, '--insecure-http'];
    const ids = Array.from({ length: CONTROLLERS }, (_, i) => `PAR-${i}`);
    keys = keyFile(ids);
    const same = ['--keys', keys, '--cms', cms.uri, '--public-uri', `http://127.0.0.1:${ports[0]}/talq/gateway`];
    members = [new Member(ports[0], ports[2], [...words, ...same])];
    await members[0].becomes('leader');
    members.push(new Member(ports[1], ports[3], [...words, ...same]));
    await members[1].becomes('follower');
    await attach();
    field = await Promise.all(ids.map((id) => Insisting.connect(broker.port, id)));
    await eventually(async () => {
      const { body } = await members[1].call(cms.cmsAddress, 'GET', '/devices/count');
      return body === CONTROLLERS + 1;
    }, 'the last device');
    // Through the one that follows.
    const config = logger('log', {}, cms.cmsAddress);
    assert.equal((await members[1].call(cms.cmsAddress, 'POST', '/logger-configs', config)).status, 201);
  });
  afterEach(async () => {
    for (const { controller } of field ?? []) await controller.close().catch(() => {});
    for (const member of members ?? []) {
      member.signal('SIGCONT');
      await member.end('SIGKILL');
    }
    await cms.close();
    await broker.close();
    rmSync(dirname(keys), { recursive: true });
  });

  async function attach(): Promise<void> {
    await cms.until(3);
    const functions = [
      { id: 'gateway', type: 'GatewayFunction', cmsAddress: { type: 'AttributeString', value: cms.cmsAddress } },
    ];
    const patched = await members[0].call(cms.cmsAddress, 'PATCH', `/devices/${cms.gatewayAddress}`, { functions });
    assert.equal(patched.status, 200);
    await cms.until(5);
  }

  /** All controllers tell all their events, some at a time; `at` is done in the middle. */
  async function happen(from: number, at: () => void | Promise<void>): Promise<void> {
    for (let number = from; number < from + EVENTS; number++) {
      for (const one of field) one.happen(number);
      if (number === from + EVENTS / 3) await at();
      await sleep(20);
    }
    await eventually(
      () => field.reduce((sum, { left }) => sum + left, 0) === 0,
      () => `the last acknowledgement: ${said()}`,
      40000,
    );
  }

  const said = (): string => members.map(({ log }) => log.slice(-8).join('\n')).join('\n\n');

  /** What the logger told the CMS, by device and number; a CMS knows a repeated report by its id. */
  function told(): Map<string, number> {
    const reports = new Map(cms.reports.map((report) => [report.id, report]));
    const counts = new Map<string, number>();
    for (const { body } of reports.values()) {
      for (const { srcAddress, info } of dataOf(body.entries)) {
        const duration = /([\d.]+) s,/.exec(info?.[0].description ?? '');
        if (!duration) continue;
        const name = `${srcAddress}/${Math.round(10 * Number(duration[1]))}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    return counts;
  }

  /** Everything is in the database once, and in the CMS once. */
  async function check(numbers: number): Promise<void> {
    const rows = await server.query(
      url,
      'SELECT count(*)::integer AS all, count(DISTINCT (controller, kind, epoch, number))::integer AS different ' +
        'FROM reverbere_arrivals',
    );
    assert.deepEqual(rows, [{ all: CONTROLLERS * numbers, different: CONTROLLERS * numbers }]);
    await eventually(() => told().size === CONTROLLERS * numbers, 'the last entry at the CMS');
    await sleep(1500);
    const doubled = [...told()].filter(([, count]) => count !== 1);
    assert.deepEqual(doubled, []);
    assert.equal(told().size, CONTROLLERS * numbers);
    assert.deepEqual(cms.violations, []);
  }

  it('share events; when the leader is killed, the other one leads within seconds, and no event is lost or doubled', async () => {
    let shares: number[] = [];
    let killed = 0;
    await happen(1, async () => {
      await eventually(
        async () => {
          shares = await Promise.all(members.map(async (member) => (await member.health())?.kept ?? 0));
          return shares.every((kept) => kept > 20);
        },
        () => `a share of each: ${shares}: ${said()}`,
      );
      await members[0].end('SIGKILL');
      killed = performance.now();
    });
    await members[1].becomes('leader');
    const [first, second] = shares;
    assert.ok(first > 20 && second > 20, `${first} and ${second} messages kept`);
    const { log } = members[1];
    assert.ok(log.some((line) => /^leads after/.test(line)));
    await check(EVENTS);
    console.log(
      `      ${first} and ${second} messages kept when one was killed; the rest within ${Math.round(performance.now() - killed)} ms`,
    );

    // The one that was killed comes back and follows; then the other one ends in good order.
    members[0] = new Member(members[0].port, members[0].management, members[0].words);
    await members[0].becomes('follower');
    await happen(EVENTS + 1, () => members[1].end('SIGTERM'));
    await members[0].becomes('leader');
    await check(2 * EVENTS);
  });

  it('go on when the leader is paused, and it spoils nothing when it wakes up', async () => {
    const told = () => cms.received.filter(({ method, path }) => method === 'POST' && path === '/devices');
    const lamps = () =>
      told().flatMap(({ body }) => body.filter(({ name }: { name: string }) => name.startsWith('PAR-')));
    await eventually(() => lamps().length > 0, 'the first lamp at the CMS');
    const [lamp] = lamps();
    const override = (value: number) => ({
      addresses: [{ resource: 'devices', address: lamp.address }],
      targetCommand: { state: { name: 'LevelState', value } },
    });
    await happen(1, () => members[0].signal('SIGSTOP'));
    await members[1].becomes('leader');
    assert.equal((await members[1].call(cms.cmsAddress, 'POST', '/override-commands', override(30))).status, 201);
    const commands = () => field.map(({ controller }) => controller.commands.length).reduce((a, b) => a + b, 0);
    const before = commands();
    members[0].signal('SIGCONT');
    await members[0].becomes('follower');
    assert.ok(
      members[0].log.some((line) => line === 'does not lead any more'),
      members[0].log.join('\n'),
    );
    // Through the one that follows now.
    assert.equal((await members[0].call(cms.cmsAddress, 'POST', '/override-commands', override(40))).status, 201);
    await eventually(() => commands() === before + 1, 'the second override');
    await happen(EVENTS + 1, () => {});
    await check(2 * EVENTS);
    assert.equal((await members[1].health())?.role, 'leader');
  });
});
