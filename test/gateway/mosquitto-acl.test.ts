import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { GATEWAY_USER } from '../../gateway/keys/access.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { Untrusting } from '../security/untrusting.ts';
import { Bench, toLevel } from '../sim/bench.ts';
import { MosquittoBroker, without } from './mosquitto-broker.ts';
import { CMS } from './rig.ts';

describe('the access list on mosquitto', () => {
  let broker: MosquittoBroker;
  const clients: MqttClient[] = [];

  before(async function () {
    this.timeout(20000);
    if (without) {
      console.log(`skipped: ${without}; the access list was not tried on mosquitto`);
      this.skip();
    }
    broker = new MosquittoBroker();
    await broker.reserve();
    broker.enrol(['pole-1', 'pole-2', 'pole-3'], { group: 'elm' });
    await broker.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true);
  });
  after(() => broker?.close());

  /** A controller, with what its site record says. */
  function enter(id: string, options: IClientOptions = {}): Promise<MqttClient> {
    const { username, password } = broker.site(id);
    return open(`mqtts://127.0.0.1:${broker.tlsPort}`, { clientId: id, username, password, ...options });
  }
  const gateway = (options: IClientOptions = {}): Promise<MqttClient> => {
    const password = readFileSync(broker.passwordFile, 'utf8').trim();
    return open(`mqtt://127.0.0.1:${broker.port}`, { username: GATEWAY_USER, password, ...options });
  };
  async function open(url: string, options: IClientOptions): Promise<MqttClient> {
    const ca = readFileSync(broker.authority.ca);
    const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ca, ...options });
    clients.push(client);
    return client;
  }
  const refusal = (entering: Promise<unknown>) =>
    entering.then(
      () => 0,
      (error: { code?: number }) => error.code,
    );

  /** Collects the topics that a client hears, up to the one that the test sends last. */
  async function listen(client: MqttClient, filters: string[], last: string): Promise<{ topics: Promise<string[]> }> {
    const topics: string[] = [];
    const over = new Promise<string[]>((resolve) => {
      client.on('message', (topic) => {
        topics.push(topic);
        if (topic === last) resolve(topics);
      });
    });
    // mosquitto 2.0 grants every subscription and judges each message instead.
    await client.subscribeAsync(filters, { qos: 1 });
    return { topics: over };
  }
  const say = async (client: MqttClient, ...topics: string[]) => {
    for (const topic of topics) await client.publishAsync(topic, 'x', { qos: 1 });
  };
  const gone = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

  it('lets in by the passwords that were made, over TLS, and nobody else', async () => {
    await enter('pole-1');
    await gateway();
    assert.equal(await refusal(enter('pole-1', { password: broker.site('pole-2').password })), 5);
    assert.equal(await refusal(enter('pole-1', { username: undefined, password: undefined })), 5);
    assert.equal(await refusal(enter('pole-1', { username: 'pole-9' })), 5);
  });

  it('carries what a controller says of itself and to its group, and nothing that it says for others', async () => {
    const heard = await listen(await gateway(), ['rvb1/#', 'rvb1c/#'], 'rvb1/pole-1/ask');
    const victim = await listen(await enter('pole-2'), ['rvb1/pole-2/+', 'rvb1c/#', 'rvb1g/+'], 'rvb1g/elm');
    const thief = await enter('pole-1');
    await say(thief, 'rvb1/pole-2/birth', 'rvb1/pole-2/link', 'rvb1/pole-2/report', 'rvb1/pole-2/ack');
    await say(thief, 'rvb1/pole-2/event', 'rvb1/pole-2/log', 'rvb1/pole-2/ask');
    await say(thief, 'rvb1/pole-2/cmd', 'rvb1/pole-2/time', 'rvb1/pole-2/got', 'rvb1/pole-1/cmd', 'rvb1/pole-1/other');
    await say(thief, 'rvb1c/1', 'rvb1c/2', 'rvb1g/oak', 'rvb2/pole-1/birth', 'other');
    const own = ['birth', 'link', 'report', 'ack', 'event', 'log', 'ask'].map((leaf) => `rvb1/pole-1/${leaf}`);
    await say(thief, 'rvb1g/elm', ...own);
    assert.deepEqual(await heard.topics, own);
    assert.deepEqual(await victim.topics, ['rvb1g/elm']);
  });

  it('delivers to a controller what is meant for it, whatever it subscribes to', async () => {
    const filters = ['#', 'rvb1/pole-2/cmd', 'rvb1/+/cmd', '$share/x/rvb1/pole-2/cmd', 'rvb1g/oak', '$SYS/#'];
    const thief = await listen(await enter('pole-1'), filters, 'rvb1/pole-1/got');
    const victim = await enter('pole-2');
    const hub = await gateway();
    await say(hub, 'rvb1/pole-2/cmd', 'rvb1/pole-2/time', 'rvb1/pole-2/got');
    await say(victim, 'rvb1/pole-2/birth', 'rvb1/pole-2/report');
    await say(hub, 'rvb1c/3', 'rvb1/pole-1/cmd', 'rvb1/pole-1/time', 'rvb1/pole-1/got');
    const topics = [...new Set(await thief.topics)];
    assert.deepEqual(topics, ['rvb1c/3', 'rvb1/pole-1/cmd', 'rvb1/pole-1/time', 'rvb1/pole-1/got']);
  });

  it("sends a controller's own last will, and none on another's topic", async () => {
    const heard = await listen(await gateway(), ['rvb1/+/link', 'rvb1/+/cmd'], 'rvb1/pole-1/link');
    for (const topic of ['rvb1/pole-2/link', 'rvb1/pole-2/cmd', 'rvb1/pole-1/link']) {
      const will = { topic, payload: Buffer.from([0]), qos: 1 } as const;
      const thief = await enter('pole-1', { will }).catch(() => undefined);
      if (!thief) continue; // refused at once, as later versions may
      thief.stream.destroy();
      await gone(thief);
      await broker.until(/Client pole-1 .*(closed its connection|disconnected)/);
    }
    assert.deepEqual(await heard.topics, ['rvb1/pole-1/link']);
  });

  it("throws nobody out who is called like another's client", async () => {
    const victim = await enter('pole-2');
    await enter('pole-1', { clientId: 'pole-2' });
    const heard = await listen(victim, ['rvb1/pole-2/cmd'], 'rvb1/pole-2/cmd');
    await say(await gateway(), 'rvb1/pole-2/cmd');
    assert.deepEqual(await heard.topics, ['rvb1/pole-2/cmd']);
  });

  it('carries the product: births, reports, and commands to one pole and to a group', async function () {
    this.timeout(20000);
    const board = await loadBoard('street');
    const secure = { ...board, network: { ...board.network, tls: true } };
    const out = new Untrusting();
    const account = { brokerPassword: broker.passwordFile, keysFile: broker.keysFile };
    const bench = await Bench.open({
      boards: [secure, secure],
      site: (id) => ({ ...broker.site(id), window: 1 }),
      dial: out.dial,
      gateway: { brokerUrl: `mqtt://127.0.0.1:${broker.port}`, ...account },
    });
    const { controllers } = bench.rig.gateway.fleet;
    const until = async (condition: () => boolean) => {
      for (const end = bench.now + 60_000; !condition(); await bench.run(10, 10)) {
        assert.ok(bench.now < end, bench.rig.log.join('\n'));
        await out.settled();
        // The broker is another process: 10 ms of simulated time leave it at least 1 ms.
        await new Promise((next) => setTimeout(next, 1));
      }
    };
    const shows = (pole: number, level: number) => controllers.get(`pole-${pole}`)?.state?.level === level;
    try {
      await until(() => [1, 2].every((pole) => shows(pole, 100)));
      await bench.override(1, toLevel(40));
      await until(() => shows(1, 40) && shows(2, 100));
      const addresses = [await bench.address(1), await bench.address(2)];
      const members = addresses.map((address) => ({ resource: 'devices', address }));
      await bench.write('POST', '/groups', [{ address: 'elm', ownerCMS: CMS, members, purpose: 'override' }]);
      await until(() => [...controllers.values()].every(({ groups }) => groups?.length === 1));
      const group = { addresses: [{ resource: 'groups', address: 'elm' }], targetCommand: toLevel(70) };
      broker.forget();
      const { status } = await bench.during(bench.rig.call('POST', '/override-commands', { body: group }));
      assert.ok(status === 201 || status === 202, `status ${status}`);
      await until(() => [1, 2].every((pole) => shows(pole, 70)));
      assert.match(broker.output, /Sending PUBLISH to pole-2 \(.*'rvb1c\/\d+'/);
      assert.doesNotMatch(broker.output, /'rvb1\/pole-\d\/cmd'/);
    } finally {
      await bench.close();
    }
  });

  it('lets several gateways share one account, and the load of events among them', async () => {
    const two = [await gateway(), await gateway()];
    const filters = ['rvb1/+/report', '$share/reverbere/rvb1/+/event'];
    const heard = await Promise.all(two.map((client) => listen(client, filters, 'rvb1/pole-1/report')));
    const pole = await enter('pole-1');
    for (let i = 0; i < 6; i++) await say(pole, 'rvb1/pole-1/event');
    await say(pole, 'rvb1/pole-1/report');
    const counts = await Promise.all(heard.map(async ({ topics }) => (await topics).length - 1));
    assert.equal(counts[0] + counts[1], 6, `${counts}`);
    assert.ok(counts[0] > 0 && counts[1] > 0, `${counts}`);
  });

  it('ends the connection of a controller that is revoked, or whose password is replaced, at SIGHUP', async () => {
    const [revoked, replaced, kept] = [await enter('pole-2'), await enter('pole-3'), await enter('pole-1')];
    const old = broker.site('pole-3');
    broker.provision('--revoke', '--id', 'pole-2');
    broker.enrol(['pole-3'], {}, '--replace');
    const ends = Promise.all([gone(revoked), gone(replaced)]);
    broker.reload();
    await ends;
    assert.equal(await refusal(enter('pole-3', { password: old.password })), 5);
    await enter('pole-3');
    assert.ok(kept.connected);
  });
});
