import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { type Broker, connectBroker, openBroker } from '../../../gateway/broker.ts';
import { GATEWAY_USER, mayPublish, maySubscribe, rulesOf } from '../../../gateway/keys/access.ts';
import { Attempts } from '../../../gateway/keys/attempts.ts';
import { ControllerKeys } from '../../../gateway/keys/controller-keys.ts';
import { Guard } from '../../../gateway/keys/guard.ts';
import { hashPassword } from '../../../gateway/keys/mosquitto.ts';

const KEY = new Uint8Array(32);

describe('who may say and hear what at a broker', () => {
  const pole = rulesOf('pole-1', 'elm');
  const gateway = rulesOf(GATEWAY_USER);

  it('lets a controller speak for itself and its group, and nothing else', () => {
    const said = (topics: string[]) => topics.filter((topic) => mayPublish(pole, topic));
    const own = ['birth', 'link', 'report', 'ack', 'event', 'log', 'ask'].map((leaf) => `rvb1/pole-1/${leaf}`);
    assert.deepEqual(said(own), own);
    assert.deepEqual(said(['rvb1g/elm']), ['rvb1g/elm']);
    const down = ['rvb1/pole-1/cmd', 'rvb1/pole-1/time', 'rvb1/pole-1/got', 'rvb1c/1'];
    const foreign = ['rvb1/pole-2/birth', 'rvb1/pole-10/link', 'rvb1g/oak', 'rvb1g', 'rvb1', '$SYS/broker/uptime'];
    const strange = ['rvb1/+/birth', 'rvb1/#', '#', 'rvb1/pole-1/birth/x', '/rvb1/pole-1/birth', 'rvb1/pole-1/', ''];
    assert.deepEqual(said([...down, ...foreign, ...strange]), []);
  });

  it('lets a controller hear what is meant for it, and nothing else', () => {
    const heard = (filters: string[]) => filters.filter((filter) => maySubscribe(pole, filter));
    const own = [
      'rvb1/pole-1/cmd',
      'rvb1/pole-1/time',
      'rvb1/pole-1/got',
      'rvb1c/7',
      'rvb1c/#',
      'rvb1c/+',
      'rvb1g/elm',
    ];
    assert.deepEqual(heard(own), own);
    const foreign = [
      '#',
      '+/#',
      'rvb1/#',
      'rvb1/+/cmd',
      'rvb1/pole-1/#',
      'rvb1/pole-1/+',
      'rvb1/pole-2/cmd',
      'rvb1g/+',
    ];
    assert.deepEqual(heard([...foreign, 'rvb1g/#', '$SYS/#', 'rvb1/pole-1/report', '']), []);
  });

  it('lets the gateway hear what controllers say, and command', () => {
    for (const leaf of ['birth', 'link', 'report', 'ack', 'event', 'log', 'ask']) {
      assert.ok(maySubscribe(gateway, `rvb1/+/${leaf}`), leaf);
    }
    for (const topic of ['rvb1/a/cmd', 'rvb1/a/time', 'rvb1/a/got', 'rvb1c/9', 'rvb1/a/birth', 'rvb1/a/link']) {
      assert.ok(mayPublish(gateway, topic), topic);
    }
    for (const topic of ['rvb1/a/report', 'rvb1/a/event', 'rvb1g/elm']) assert.ok(!mayPublish(gateway, topic), topic);
    assert.ok(!maySubscribe(gateway, '#'));
  });
});

describe('wrong passwords', () => {
  it('are looked at 5 times in a row, and after a minute again', () => {
    let now = 0;
    const attempts = new Attempts(() => now);
    for (let i = 0; i < 5; i++) {
      assert.equal(attempts.mustWait('a'), false);
      attempts.failed('a');
    }
    assert.equal(attempts.mustWait('a'), true);
    assert.equal(attempts.mustWait('b'), false);
    now = 59999;
    assert.equal(attempts.mustWait('a'), true);
    now = 60000;
    assert.equal(attempts.mustWait('a'), false);
    for (let i = 0; i < 4; i++) attempts.failed('a');
    attempts.succeeded('a');
    attempts.failed('a');
    assert.equal(attempts.mustWait('a'), false);
  });
});

describe("the gateway's own broker with a guard", () => {
  const keys = new ControllerKeys();
  const log: string[] = [];
  const clients: MqttClient[] = [];
  let broker: Broker;

  before(async () => {
    for (const id of ['pole-1', 'pole-2', 'pole-3']) {
      keys.add(id, { key: KEY, username: id, passwordHash: hashPassword(`word of ${id}`), group: 'elm' });
    }
    keys.add('mute', { key: KEY });
    const guard = new Guard(keys, 'word of the gateway');
    broker = await openBroker({ host: '127.0.0.1', port: 0, guard, log: (line) => log.push(line) });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true);
  });
  after(() => broker.close());

  async function enter(username: string, options: IClientOptions = {}): Promise<MqttClient> {
    const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
      protocolVersion: 4,
      clientId: username,
      username,
      password: username === GATEWAY_USER ? 'word of the gateway' : `word of ${username}`,
      reconnectPeriod: 0,
      ...options,
    });
    clients.push(client);
    return client;
  }
  const gone = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));
  /** Subscribes and acts. @returns the topics of all messages up to the one on `last`, which the act sends at its end */
  async function heard(client: MqttClient, filters: string[], last: string, act: () => unknown): Promise<string[]> {
    const topics: string[] = [];
    const over = new Promise<void>((resolve) => {
      client.on('message', (topic) => {
        topics.push(topic);
        if (topic === last) resolve();
      });
    });
    // A refused filter is told in the SUBACK, which the client makes an error.
    await client.subscribeAsync(filters, { qos: 1 }).catch(() => {});
    await act();
    await over;
    return topics;
  }
  const codeOf = async (username: string, options: IClientOptions): Promise<number> => {
    const fault = await enter(username, options).then(
      () => undefined,
      (error: Error & { code?: number }) => error,
    );
    return fault?.code ?? 0;
  };

  it('lets in who knows the password, and tells others what MQTT has for it', async () => {
    await enter('pole-1');
    await enter(GATEWAY_USER, { clientId: 'reverbere-gateway-1-a' });
    assert.equal(await codeOf('pole-1', { password: 'wrong' }), 4);
    assert.equal(await codeOf('pole-9', {}), 4);
    assert.equal(await codeOf('mute', { password: '' }), 4);
    assert.equal(await codeOf('pole-2', { username: undefined, password: undefined }), 4);
    assert.equal(await codeOf(GATEWAY_USER, { password: 'word of pole-1' }), 4);
    assert.equal(await codeOf('pole-2', { clientId: 'pole-1' }), 2);
    assert.ok(log.every((line) => !line.includes('word of')));
    assert.ok(log.some((line) => line.includes('127.0.0.1 pole-9: wrong user name or password')));
  });

  it('makes whoever had 5 wrong passwords wait, and nobody else', async () => {
    for (let i = 0; i < 5; i++) assert.equal(await codeOf('pole-3', { password: `guess ${i}` }), 4);
    assert.equal(await codeOf('pole-3', {}), 3);
    await enter('pole-2');
  });

  it('ends the connection of a controller that speaks for another, whose commands and reports stay its own', async () => {
    const [gateway, victim] = [await enter(GATEWAY_USER), await enter('pole-2')];
    const commands = heard(victim, ['rvb1/pole-2/cmd', 'rvb1c/1', 'rvb1g/elm'], 'rvb1g/elm', () => {});
    const reports = await heard(gateway, ['rvb1/+/report'], 'rvb1/pole-1/report', async () => {
      for (const topic of ['rvb1/pole-2/report', 'rvb1/pole-2/cmd', 'rvb1c/1', 'rvb1g/oak']) {
        const thief = await enter('pole-1');
        thief.publish(topic, 'x', { qos: 0 });
        await gone(thief);
      }
      const honest = await enter('pole-1');
      await honest.publishAsync('rvb1g/elm', 'x');
      await honest.publishAsync('rvb1/pole-1/report', 'x', { qos: 1 });
    });
    assert.deepEqual(reports, ['rvb1/pole-1/report']);
    assert.deepEqual(await commands, ['rvb1g/elm']);
  });

  it("refuses subscriptions to others' topics, and delivers nothing of them", async () => {
    const [thief, gateway] = [await enter('pole-1'), await enter(GATEWAY_USER)];
    const filters = ['rvb1/pole-2/cmd', 'rvb1/+/cmd', '#', 'rvb1/pole-1/cmd'];
    const topics = await heard(thief, filters, 'rvb1/pole-1/cmd', async () => {
      await gateway.publishAsync('rvb1/pole-2/cmd', 'x', { qos: 1 });
      await gateway.publishAsync('rvb1/pole-1/cmd', 'x', { qos: 1 });
    });
    assert.deepEqual(topics, ['rvb1/pole-1/cmd']);
  });

  it("keeps a last will on another's topic to itself, and sends one's own", async () => {
    const gateway = await enter(GATEWAY_USER);
    const topics = await heard(gateway, ['rvb1/+/link'], 'rvb1/pole-1/link', async () => {
      for (const id of ['pole-2', 'pole-1']) {
        const will = { topic: `rvb1/${id}/link`, payload: Buffer.from([0]), qos: 1, retain: true } as const;
        const thief = await enter('pole-1', { will });
        thief.stream.destroy();
        await gone(thief);
      }
    });
    assert.deepEqual(topics, ['rvb1/pole-1/link']);
  });

  it('ends connections whose credentials are revoked or replaced, within the keys that change', async () => {
    const [revoked, replaced, kept] = [await enter('pole-1'), await enter('pole-2'), await enter(GATEWAY_USER)];
    const next = new ControllerKeys();
    next.add('pole-2', { key: KEY, passwordHash: hashPassword('word of pole-2') });
    const ends = Promise.all([gone(revoked), gone(replaced)]);
    keys.become(next);
    await ends;
    assert.equal(await codeOf('pole-1', {}), 4);
    await enter('pole-2');
    assert.ok(kept.connected);
  });

  it('takes the gateway with its own password, over which the subscriptions of a gateway hold', async () => {
    const told: string[] = [];
    const client = connectBroker({
      url: `mqtt://127.0.0.1:${broker.port}`,
      username: GATEWAY_USER,
      password: 'word of the gateway',
      subscriptions: ['rvb1/+/birth', 'rvb1/+/report'],
      onMessage: (topic) => told.push(topic),
      onLost: () => {},
      log: () => {},
    });
    await client.ready;
    await client.close();
  });

  it('answers nothing to somebody who does not say who he is', async () => {
    const socket: Socket = connectSocket(broker.port, '127.0.0.1');
    await once(socket, 'connect');
    // A PUBLISH before any CONNECT. Source: MQTT 3.1.1 §3.1.
    socket.write(Buffer.from([0x30, 0x04, 0x00, 0x02, 0x61, 0x62]));
    await once(socket, 'close');
    assert.equal(socket.bytesRead, 0);
  });
});
