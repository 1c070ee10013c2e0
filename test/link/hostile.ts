/** Brokers that have gone mad. */
import assert from 'node:assert/strict';
import { connack, made, pingresp, puback, publish, suback } from '../protocols/mqtt-peer.ts';
import { mutate } from '../protocols/mutate.ts';
import { Bench } from './bench.ts';

const PACKETS = [
  connack(),
  suback([1, 1]),
  publish('rvb1/c1/cmd', Uint8Array.of(1, 2, 3), 1),
  publish('rvb1/c1/time', Uint8Array.of(4), 0),
  puback(2),
  puback(3),
  pingresp,
  publish('rvb1/c1/cmd', new Uint8Array(300), 1, 65535),
].map(made);
const GREETING = Buffer.concat(PACKETS.slice(0, 2));
const TALKS = [
  ...PACKETS,
  Buffer.concat(PACKETS),
  Buffer.concat(PACKETS.slice(2)),
  Buffer.concat([PACKETS[4], PACKETS[2], PACKETS[5]]),
];

/**
 * Holds `count` conversations with one uplink after the other, in which what the broker says is damaged and cut anywhere,
 * before and after the uplink went online. Nothing may throw, at most 8 messages wait, every 10th conversation is followed
 * by a sound one that brings all of them through.
 */
export function hostile(count: number, random: () => number): void {
  let bench = new Bench();
  for (let i = 0; i < count; i++) {
    if (i % 50 === 0) bench = new Bench({ keepAlive: 600 });
    bench.chance = 0;
    while (bench.links.length === 0 || bench.link.closed) bench.clock.pass(1000);
    const link = bench.link;
    link.open();
    if (random() < 0.7 && !bench.uplink.online) link.send(GREETING);
    bench.publish(i & 255, random() < 0.5 ? 1 : 0);
    const data = mutate(TALKS[i % TALKS.length], TALKS, random);
    for (let at = 0; at < data.length && !link.closed; ) {
      const size = random() < 0.3 ? 1 : 1 + Math.floor(random() * data.length);
      link.send(data.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(bench.failures, []);
    if (i % 10 === 9) sound(bench);
    link.writes.length = 0;
    link.packets.length = 0;
  }
}

/** A sound conversation: everything that waits arrives, then one message each way. */
function sound(bench: Bench): void {
  if (!bench.link.closed) bench.link.fail();
  while (bench.link.closed) bench.clock.pass(1000);
  const link = bench.link;
  link.open();
  link.send(GREETING);
  assert.equal(bench.uplink.online, true);
  let arrived = 0;
  for (const packet of link.packets) {
    if (packet.cmd !== 'publish') continue;
    arrived++;
    link.send(puback(packet.messageId as number));
  }
  assert.ok(arrived <= 8);
  link.packets.length = 0;
  let done = 0;
  assert.equal(
    bench.publish(1, 1, () => done++),
    true,
  );
  link.send(puback(link.take('publish').messageId as number));
  assert.equal(done, 1);
  link.send(publish('rvb1/c1/cmd', Uint8Array.of(42), 1, 77));
  assert.deepEqual(bench.received.at(-1), ['rvb1/c1/cmd', [42]]);
  assert.equal(link.take('puback').messageId, 77);
  bench.received.length = 0;
}
