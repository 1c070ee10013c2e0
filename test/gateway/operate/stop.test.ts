import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import mqttPacket from 'mqtt-packet';
import { AckCode } from '../../../firmware/link/messages.ts';
import { connectBroker } from '../../../gateway/broker.ts';
import { checkFile } from '../../../gateway/store/sqlite.ts';
import { keyFile } from '../../sealed.ts';
import { level, to } from '../control-rig.ts';
import { GatewayProcess } from '../process.ts';
import { Rig } from '../rig.ts';

describe('a gateway that is told to stop', function () {
  this.timeout(60_000);
  let directory: string;
  let keys: string;
  let gateways: GatewayProcess[];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    // Both at once: most of the time is their start.
    keys = keyFile(['PAR-0001']);
    const flags = (name: string) => ['--data', join(directory, name), '--management-port', '0', '--keys', keys];
    gateways = await Promise.all(['first', 'second'].map((name) => GatewayProcess.start(...flags(name))));
  });
  after(async () => {
    for (const gateway of gateways) gateway.signal('SIGKILL');
    await rm(directory, { recursive: true });
    await rm(dirname(keys), { recursive: true });
  });
  it('answers what it was asked, takes nothing more, says goodbye to the broker, saves all and ends with 0', async () => {
    const [running] = gateways;
    const [, management] = await running.said(/^health and metrics at (\S+)/);
    const lamp = await running.join('PAR-0001');
    const [, device] = (await running.ask('GET', '/devices')).body as { address: string }[];
    lamp.answer = () => undefined;
    const order = running.ask('POST', '/override-commands', {
      addresses: to(device.address),
      targetCommand: { state: level(30) },
    });
    await lamp.until(() => lamp.commands.length > 0);
    const begun = performance.now();
    running.signal('SIGTERM');
    await running.said(/^SIGTERM: ends when requests in hand are answered/);
    const { status } = await fetch(`${management}/health`);
    assert.equal(status, 503);
    await assert.rejects(running.ask('GET', '/devices'), 'no connection is taken any more');
    await lamp.send(
      'ack' as never,
      new Map([
        [0, lamp.commands[0].get(0)],
        [1, AckCode.Done],
      ]),
    );
    assert.equal((await order).status, 201);
    assert.deepEqual(await running.ended, [0, null]);
    assert.ok(performance.now() - begun < 10_000);
    assert.equal(running.lines.at(-1)?.message, 'ended');
    assert.deepEqual(
      running.lines.filter((line) => line.level === 'error'),
      [],
    );
    await lamp.close();
    assert.ok(checkFile(join(directory, 'first', 'gateway.db')).records > 0);
    // The address is that of before.
    const again = await Rig.start({ dataDirectory: join(directory, 'first') });
    assert.equal(await again.address('PAR-0001'), device.address);
    await again.close();
  });

  it('ends at once at the second signal, and loses nothing that it has answered', async () => {
    const [, running] = gateways;
    const lamp = await running.join('PAR-0001');
    const [, device] = (await running.ask('GET', '/devices')).body as { address: string }[];
    const name = { type: 'AttributeString', value: 'Pole 7' };
    assert.equal((await running.ask('PATCH', `/devices/${device.address}/basic/displayName`, name)).status, 200);
    // A value that nobody reads is waited for 5 s.
    lamp.onRead = () => undefined;
    const path = `/devices/${device.address}/electricalMeter1/supplyVoltage`;
    const read = running.ask('GET', path).then(
      () => 'answered',
      () => 'cut off',
    );
    await lamp.until(() => lamp.reads.length > 0);
    running.signal('SIGTERM');
    await running.said(/^SIGTERM/);
    const begun = performance.now();
    running.signal('SIGTERM');
    assert.deepEqual(await running.ended, [1, null]);
    assert.ok(performance.now() - begun < 1000);
    assert.equal(await read, 'cut off');
    await lamp.close();
    const again = await Rig.start({ dataDirectory: join(directory, 'second') });
    const [, there] = (await again.call('GET', '/devices')).body;
    await again.close();
    assert.equal(there.name, 'Pole 7');
  });
});

describe('the last words to the broker', () => {
  const options = { subscriptions: ['x'], onMessage: () => {}, onLost: () => {}, log: () => {} };

  it('are DISCONNECT, after everything that was on its way', async () => {
    const heard: string[] = [];
    const server = createServer((socket) => {
      const parser = mqttPacket.parser({ protocolVersion: 4 });
      const say = (packet: mqttPacket.Packet) => socket.write(mqttPacket.generate(packet));
      parser.on('packet', (packet) => {
        heard.push(packet.cmd);
        if (packet.cmd === 'connect') say({ cmd: 'connack', returnCode: 0, sessionPresent: false });
        if (packet.cmd === 'subscribe') say({ cmd: 'suback', messageId: packet.messageId, granted: [1] });
        if (packet.cmd === 'publish') setTimeout(() => say({ cmd: 'puback', messageId: packet.messageId }), 50);
      });
      socket.on('data', (chunk) => parser.parse(chunk));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const client = connectBroker({ ...options, url: `mqtt://127.0.0.1:${port}` });
    await client.ready;
    assert.equal(client.connected, true);
    client.publish('y', Buffer.from('last'), 1);
    await client.close();
    assert.equal(client.connected, false);
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(heard, ['connect', 'subscribe', 'publish', 'disconnect']);
  });

  it('are not waited for where nobody listens', async () => {
    const client = connectBroker({ ...options, url: 'mqtt://127.0.0.1:1' });
    const begun = performance.now();
    await client.close();
    assert.ok(performance.now() - begun < 2000);
  });
});
