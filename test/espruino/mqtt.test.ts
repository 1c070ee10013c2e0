import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { cost, interpreter } from '../../scripts/interpreter.mjs';
import * as golden from '../golden/mqtt.ts';
import { connack, made, pingresp, puback, publish, suback } from '../protocols/mqtt-peer.ts';
import { same } from './same.ts';

const hexOf = (data: Uint8Array) => Buffer.from(data).toString('hex');

/** An uplink whose stream says what it is given; `task` is what the schedule would run, `port` the stream's options. */
const UPLINK = `
  let task, port, last, room = true;
  const schedule = { add(part) { task = part; return 0; }, at(number, delay) { global.delay = delay; }, cancel() {} };
  const stream = { write(data) { global.written(data); return room; }, close() { global.closed = true; } };
  const hal = {
    clock: { uptime() { return 0; } },
    random() { return 0.5; },
    connect(options) { port = options; return stream; },
  };
  const owner = { greet() { global.greeted(); }, receive(topic, payload) { global.received(topic, payload); } };
  const options = {
    host: "h", port: 1883, tls: false, clientId: "c1", keepAlive: 60, willTopic: "rvb1/c1/link",
    willPayload: new Uint8Array([0]), subscriptions: ["rvb1/c1/cmd", "rvb1/c1/time"], owner,
  };
`;

describe('MQTT on the interpreter', () => {
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: MQTT on the interpreter needs ESPRUINO');
    this.skip();
  });

  it('makes the packets of MQTT 3.1.1 byte by byte, payloads of 0 to 1024 bytes as Node does', async () => {
    const lines = await same(
      `import { encodeAck, encodeConnect, encodeEmpty, encodePublish, encodeSubscribe, encodeTopic } from './firmware/protocols/mqtt.ts';`,
      `const options = { clientId: "ab", keepAlive: 300, willTopic: "w", willPayload: new Uint8Array([0]), username: "u", password: "p" };
      say(hex(encodeConnect(options)));
      options.username = undefined;
      say(hex(encodeConnect(options)));
      say(hex(encodeSubscribe(1, ["a/b", "c/d"])));
      const topic = encodeTopic("a/b");
      say(hex(encodePublish(48, topic, 0, new Uint8Array([1, 2]))));
      say(hex(encodePublish(51, topic, 258, new Uint8Array([1, 2]))));
      say(hex(encodeAck(258)));
      say(hex(encodeEmpty(192)));
      say(hex(encodeEmpty(224)));
      say(hex(encodeTopic("caf" + String.fromCharCode(195, 169))));
      for (const length of [0, 118, 119, 120, 121, 122, 123, 200, 1024, 1025]) {
        say(hex(encodePublish(50, topic, 65535, new Uint8Array(length))));
        say(hex(encodePublish(49, topic, 0, new Uint8Array(length))));
      }`,
    );
    const { CONNECT, CONNECT_OPEN, SUBSCRIBE, PUBLISH, PUBLISH_ONCE, PUBACK, PINGREQ, DISCONNECT } = golden;
    const packets = [CONNECT, CONNECT_OPEN, SUBSCRIBE, PUBLISH, PUBLISH_ONCE, PUBACK, PINGREQ, DISCONNECT];
    assert.deepEqual(lines.slice(0, 8), packets);
    assert.equal(lines[8], '00000005636166c3a9');
  });

  it('holds one conversation as Node does, in one chunk and byte by byte, with topics of bytes 128 to 255', async () => {
    const talk = [
      connack(),
      suback([1, 1]),
      publish('rvb1/c1/cmd', Uint8Array.of(1, 2, 3), 1, 258),
      publish('é水', Uint8Array.of(255), 0),
      puback(2),
      pingresp,
      publish('rvb1/c1/cmd', new Uint8Array(3600), 1, 300),
      puback(3),
    ].map((packet) => hexOf(made(packet)));
    const lines = await same(
      `import { Uplink } from './firmware/link/uplink.ts';`,
      `${UPLINK}
      global.written = (data) => say("writes " + hex(data));
      global.greeted = () => say("online");
      global.received = (topic, payload) => say("receives " + codes(topic) + " " + hex(payload));
      const talk = ${JSON.stringify(talk)};
      for (const size of [10000, 1]) {
        const uplink = new Uplink(hal, schedule, options);
        const tell = (id) => ({ arrived: () => say("has " + id) });
        say(uplink.publish("rvb1/c1/report", new Uint8Array([1]), 1, false, tell(2)));
        say(uplink.publish("rvb1/c1/report", new Uint8Array([2, 2]), 1, true, tell(3)));
        say(uplink.publish("rvb1/c1/report", new Uint8Array([0]), 0, false));
        task.run();
        port.onWritable();
        const data = bytes(talk.join(""));
        for (let at = 0; at < data.length; at += size) port.onData(data.subarray(at, Math.min(data.length, at + size)));
        say(uplink.online + " " + uplink.oversize);
        say(uplink.publish("rvb1/c1/report", new Uint8Array([3, 3]), 1, false, tell(3)));
        say(uplink.publish("rvb1/c1/report", new Uint8Array([4, 4, 4]), 1, false));
        port.onError(new Error("gone"));
        say(uplink.online + " " + global.delay);
        task.run();
        port.onWritable();
        for (const packet of talk.slice(0, 2)) port.onData(bytes(packet));
        port.onData(bytes("40020003"));
        task.run();
        task.run();
        task.run();
        say(uplink.online + " " + global.delay);
        port.onData(bytes("40010003"));
        say(uplink.online + " " + global.delay);
        uplink.close();
      }`,
    );
    const half = lines.length / 2;
    assert.deepEqual(lines.slice(half), lines.slice(0, half), 'cut or not');
    const written = lines.slice(0, half).filter((line) => line.startsWith('writes '));
    assert.ok(
      written.some((line) => line.startsWith('writes 3a')),
      'a duplicate',
    );
    assert.ok(lines.includes('receives 195,169,230,176,180 ff'));
    assert.ok(lines.includes('true 1'));
  });

  it('publishes 64 bytes in less than 520,000 instructions (QoS 0) and 585,000 (QoS 1, PUBACK included)', async () => {
    const { code } = await bundle({
      source: `import { Uplink } from './firmware/link/uplink.ts';
        ${UPLINK}
        global.written = (data) => { last = data; };
        global.greeted = () => {};
        global.uplink = new Uplink(hal, schedule, options);
        task.run();
        port.onWritable();
        port.onData(new Uint8Array(${JSON.stringify([...made(connack())])}));
        port.onData(new Uint8Array(${JSON.stringify([...made(suback([1, 1]))])}));
        if (!uplink.online) throw "offline";
        stream.write = (data) => { last = data; return true; };
        const topic = "rvb1/c1/report", payload = new Uint8Array(64), answer = new Uint8Array([64, 2, 0, 0]);
        global.least = () => uplink.publish(topic, payload, 0, false);
        global.once = () => {
          uplink.publish(topic, payload, 1, false);
          answer[2] = last[18];
          answer[3] = last[19];
          port.onData(answer);
        };
        global.around = () => {
          answer[2] = payload[18];
          answer[3] = payload[19];
        };`,
    });
    const around = cost(code, 'around()');
    const least = cost(code, 'least()');
    const once = cost(code, 'once()') - around;
    console.log(`      ${least} and ${once} instructions`);
    assert.ok(least < 520_000 && once < 585_000);
  });
});
