import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  encodeAck,
  encodeConnect,
  encodeEmpty,
  encodePublish,
  encodeSubscribe,
  encodeTopic,
  Found,
  Packet,
  PacketReader,
  PublishFlag,
} from '../../firmware/protocols/mqtt.ts';
import * as golden from '../golden/mqtt.ts';
import { connack, type Finding, findings, made, pingresp, puback, publish, read, suback } from './mqtt-peer.ts';

const hex = (data: Uint8Array | undefined) => data && Buffer.from(data).toString('hex');
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const options = {
  clientId: 'ab',
  keepAlive: 300,
  willTopic: 'w',
  willPayload: new Uint8Array([0]),
  username: 'u',
  password: 'p',
};
const ONCE = Packet.Publish | PublishFlag.AtLeastOnce;
const word = fc.integer({ min: 1, max: 65535 });
const name = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 });

describe('MQTT packets of a client', () => {
  it('are those of MQTT 3.1.1, byte by byte', () => {
    assert.equal(hex(encodeConnect(options)), golden.CONNECT);
    assert.equal(hex(encodeConnect({ ...options, username: undefined })), golden.CONNECT_OPEN);
    assert.equal(hex(encodeSubscribe(1, ['a/b', 'c/d'])), golden.SUBSCRIBE);
    const topic = encodeTopic('a/b');
    const payload = new Uint8Array([1, 2]);
    assert.equal(hex(encodePublish(Packet.Publish, topic, 0, payload)), golden.PUBLISH);
    assert.equal(hex(encodePublish(ONCE | PublishFlag.Retain, topic, 258, payload)), golden.PUBLISH_ONCE);
    assert.equal(hex(encodeAck(258)), golden.PUBACK);
    assert.equal(hex(encodeEmpty(Packet.PingRequest)), golden.PINGREQ);
    assert.equal(hex(encodeEmpty(Packet.Disconnect)), golden.DISCONNECT);
  });

  it('CONNECT is read by mqtt-packet as meant: 300 random ones', () => {
    const maybe = fc.option(name, { nil: undefined });
    fc.assert(
      fc.property(
        name,
        word,
        name,
        fc.uint8Array({ maxLength: 300 }),
        maybe,
        maybe,
        (id, keepAlive, topic, will, user, pass) => {
          const ours = encodeConnect({
            clientId: id,
            keepAlive,
            willTopic: topic,
            willPayload: will,
            username: user,
            password: pass,
          });
          const [packet] = read(ours);
          assert.ok(packet.cmd === 'connect' && packet.will);
          assert.deepEqual(
            [packet.protocolId, packet.protocolVersion, packet.clean, packet.clientId, packet.keepalive],
            ['MQTT', 4, true, id, keepAlive],
          );
          assert.deepEqual([packet.will.topic, packet.will.qos, packet.will.retain], [topic, 1, true]);
          assert.deepEqual(new Uint8Array(packet.will.payload as Buffer), will);
          assert.equal(packet.username, user);
          assert.equal(packet.password?.toString(), user === undefined ? undefined : pass);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  it('SUBSCRIBE is read by mqtt-packet as meant: 300 random ones', () => {
    fc.assert(
      fc.property(word, fc.array(name, { minLength: 1, maxLength: 8 }), (id, filters) => {
        const [packet] = read(encodeSubscribe(id, filters));
        assert.ok(packet.cmd === 'subscribe');
        assert.equal(packet.messageId, id);
        assert.deepEqual(
          packet.subscriptions.map(({ topic, qos }) => [topic, qos]),
          filters.map((filter) => [filter, 1]),
        );
      }),
      { numRuns: 300, seed: 2 },
    );
  });

  it('PUBLISH is read by mqtt-packet as meant: payloads of 0 to 1024 bytes, QoS 0 and 1', () => {
    for (let length = 0; length <= 1024; length++) {
      const payload = Uint8Array.from({ length }, (_, i) => i);
      const id = length % 2 ? 0 : length + 256;
      const head = id ? ONCE : Packet.Publish | PublishFlag.Retain;
      const [packet] = read(encodePublish(head, encodeTopic('rvb1/c1/report'), id, payload) as Uint8Array);
      assert.ok(packet.cmd === 'publish');
      assert.deepEqual(
        [packet.topic, packet.qos, packet.retain, packet.dup],
        ['rvb1/c1/report', id ? 1 : 0, !id, false],
      );
      assert.equal(packet.messageId, id || undefined);
      assert.deepEqual(new Uint8Array(packet.payload as Buffer), payload);
    }
  });

  it('PUBLISH refuses a payload of 1025 bytes', () => {
    assert.equal(encodePublish(ONCE, encodeTopic('t'), 1, new Uint8Array(1025)), undefined);
  });

  it('carry text of bytes 128 to 255 as it is', () => {
    const [packet] = read(
      encodePublish(Packet.Publish, encodeTopic('caf\xc3\xa9'), 0, new Uint8Array(1)) as Uint8Array,
    );
    assert.ok(packet.cmd === 'publish');
    assert.equal(packet.topic, 'café');
  });

  it('PUBACK, PINGREQ and DISCONNECT are read by mqtt-packet as meant', () => {
    for (const id of [1, 255, 256, 65535]) {
      const [packet] = read(encodeAck(id));
      assert.deepEqual([packet.cmd, packet.messageId], ['puback', id]);
    }
    assert.equal(read(encodeEmpty(Packet.PingRequest))[0].cmd, 'pingreq');
    assert.equal(read(encodeEmpty(Packet.Disconnect))[0].cmd, 'disconnect');
  });
});

describe('MQTT packet reader', () => {
  const stream = [
    connack(),
    suback([1, 1]),
    publish('rvb1/c1/cmd', new Uint8Array(5), 1),
    pingresp,
    publish('t', new Uint8Array(0), 0),
    puback(513),
    publish(
      'rvb1/c1/time',
      Uint8Array.from({ length: 200 }, (_, i) => i),
      0,
    ),
    puback(65535),
  ].map(made);
  const all = Buffer.concat(stream);
  const wanted: Finding[] = stream.map((packet) => {
    const start = packet[1] < 128 ? 2 : 3;
    return [packet[0], hex(packet.subarray(start)) as string, false];
  });

  it('finds 8 packets in one chunk, and byte by byte', () => {
    assert.deepEqual(findings([all]), wanted);
    assert.deepEqual(findings(Array.from(all, (byte) => Uint8Array.of(byte))), wanted);
  });

  it(`finds them in two chunks, cut at each of ${all.length} bytes`, () => {
    for (let at = 0; at <= all.length; at++) {
      assert.deepEqual(findings([all.subarray(0, at), all.subarray(at)]), wanted, `cut at ${at}`);
    }
  });

  it('finds them in three chunks, cut at every pair of bytes of the first 60', () => {
    for (let at = 0; at <= 60; at++) {
      for (let then = at; then <= 60; then++) {
        assert.deepEqual(findings([all.subarray(0, at), all.subarray(at, then), all.subarray(then)]), wanted);
      }
    }
  });

  it('keeps 3424 bytes of longer bodies, however cut, and finds what follows', () => {
    for (const length of [1009, 3409, 3410, 3411, 3412, 5000, 20000, 70000]) {
      const long = made(
        publish(
          'rvb1/c1/cmd',
          Uint8Array.from({ length }, (_, i) => i * 7),
          1,
          99,
        ),
      );
      const body = hex(long.subarray(long.length - length - 15, long.length - length - 15 + 3424));
      const wantedNow: Finding[] = [
        [0x32, body as string, length + 15 > 3424],
        [0xd0, '', false],
      ];
      const whole = Buffer.concat([long, made(pingresp)]);
      for (const size of [1, 2, 3, 7, 536, 1024, 1460, 100000]) {
        if (size < 3 && length > 4000) continue;
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size));
        assert.deepEqual(findings(chunks), wantedNow, `${length} bytes in chunks of ${size}`);
      }
    }
  });

  it('allocates nothing for a packet of 268,435,455 bytes but its first 3424', () => {
    const reader = new PacketReader();
    assert.equal(reader.next(bytes('32ffffff7f')), Found.Nothing);
    const before = process.memoryUsage().arrayBuffers;
    const chunk = new Uint8Array(1460);
    for (let i = 0; i < 1000; i++) {
      reader.at = 0;
      assert.equal(reader.next(chunk), Found.Nothing);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 100_000);
  });

  it('reads lengths of one to four bytes and refuses five', () => {
    assert.deepEqual(findings([bytes('d000')]), [[0xd0, '', false]]);
    assert.deepEqual(findings([bytes('d08000')]), [[0xd0, '', false]]);
    assert.deepEqual(findings([bytes('d0808000')]), [[0xd0, '', false]]);
    assert.deepEqual(findings([bytes('d080808000')]), [[0xd0, '', false]]);
    assert.deepEqual(findings([bytes('d08080808000')]), ['error']);
    assert.deepEqual(findings([bytes('30ffffffff01')]), ['error']);
  });

  const refused: [string, string][] = [
    ['the reserved types 0 and 15', '0002ffff f000 f002ffff'],
    ['packets that only a client sends', '100c00044d5154540402003c0000 82060001000161 01 a2060001000161 c000 e000'],
    ['packets of QoS 2', '50020001 62020001 70020001'],
    ['an UNSUBACK', 'b0020001'],
    ['PUBLISH of QoS 2 and 3', '34050001610001 36050001610001'],
    ['PUBLISH of QoS 0 that is a duplicate', '3803000161'],
    ['reserved flags', '21020000 41020001 42020001 91030001 01 92030001 01 d100'],
    ['CONNACK of 1 and 3 bytes', '200100 2003000000'],
    ['PUBACK of 0, 1 and 3 bytes', '4000 400100 4003000100'],
    ['SUBACK without a code', '90020001'],
    ['PINGRESP with a body', 'd00100'],
    ['PUBLISH without a topic', '3000 300100 30020000'],
  ];
  for (const [what, packets] of refused) {
    it(`refuses ${what}`, () => {
      for (const packet of packets.replace(/ 01/g, '01').split(' ')) {
        assert.deepEqual(findings([bytes(packet)]), ['error'], packet);
        assert.deepEqual(
          findings(Array.from(bytes(packet), (byte) => Uint8Array.of(byte))),
          ['error'],
          `${packet} byte by byte`,
        );
      }
    });
  }
});
