import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Decoder } from 'cbor-x';
import { EventCode } from '../../firmware/link/messages.ts';
import type { ControllerEvent } from '../../gateway/fleet.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { opensslVersion } from '../gateway/authority.ts';
import { encode } from '../gateway/rig.ts';
import { seal, toField } from '../sealed.ts';
import { Bench, toLevel } from '../sim/bench.ts';
import { type Heard, Wiretap } from './wiretap.ts';

const ID = 'pole-1';
const decoder = new Decoder({ mapsAsObjects: false } as never);
const map = (...entries: [number, unknown][]) => encode(new Map(entries));

/** @returns the codes of the events in a sealed message, which is signed and not encrypted */
function codesOf({ payload }: Heard): number[] {
  const [, , message] = decoder.decode(payload) as [unknown, unknown, Uint8Array];
  const [, ...events] = decoder.decode(message.subarray(0, -4)) as [number, ...number[][]];
  return events.map(([, code]) => code);
}

describe('a false broker with TLS and a certificate of its own', function () {
  this.timeout(20000);
  let tap: Wiretap;
  let bench: Bench;
  const events: ControllerEvent[] = [];

  before(async function () {
    if (opensslVersion === undefined) {
      console.log('skipped: openssl is not installed; a false broker was not tried');
      this.skip();
    }
    tap = await Wiretap.open();
    const board = await loadBoard('street');
    const secure = { ...board, network: { ...board.network, tls: true } };
    bench = await Bench.open({ boards: [secure], dial: tap.out.dial });
    await tap.record(bench.rig.gateway.brokerPort);
    bench.rig.gateway.fleet.onEvents((_controller, told) => events.push(...told));
    await until(() => known()?.state?.timed === true, 60_000);
  });
  after(async () => {
    await bench?.close();
    await tap?.close();
  });

  /** Lets time run until `condition` holds, but not during handshakes. */
  async function until(condition: () => boolean, most: number, slice = 20): Promise<void> {
    for (const end = bench.now + most; !condition(); await bench.run(slice, slice)) {
      assert.ok(bench.now < end, `not within ${most} ms`);
      await tap.out.settled();
    }
  }
  const pole = () => bench.poles[0];
  const known = () => bench.rig.gateway.fleet.controllers.get(ID);
  const clockError = () => (pole().sim.clock.time() ?? 0) - bench.now;
  const online = () => pole().firmware?.status().includes('link up') === true;
  const topic = (leaf: string) => `rvb1/${ID}/${leaf}`;
  const recordedOn = (leaf: string) => tap.recorded.filter((message) => message.topic === topic(leaf));
  /** Sends, and lets a second pass. */
  async function attack(on: string, ...payloads: Buffer[]): Promise<void> {
    for (const payload of payloads) {
      await tap.send(on, payload);
      await bench.run(100);
    }
  }

  it('is connected to, and hears what the controller says', async () => {
    // What an attacker can have heard: commands, times, acknowledgements of storage.
    await bench.override(1, toLevel(40, { cmsRefId: 'heard' }));
    await until(() => pole().lamp.light === 40, 10_000);
    await bench.override(1);
    await until(() => pole().lamp.light === 100, 10_000);
    await bench.run(5000);
    assert.ok(recordedOn('cmd').length >= 2 && recordedOn('time').length >= 1, 'something was recorded');

    tap.deceive(true);
    await until(() => tap.deceived > 0 && online(), 120_000);
    await until(() => tap.heard.some((message) => message.topic === topic('report')), 10_000);
    assert.equal(known()?.online, false);
  });

  it('cannot command, neither in clear, nor sealed with a key of its own, nor by what it has heard', async () => {
    const dark = map([0, 4_000_000_000], [1, 0], [2, 0]);
    const seconds = Math.floor(bench.now / 1000);
    const forged = [
      dark,
      seal(randomBytes(32), [[6, Buffer.alloc(6, 0xff)]], dark, Buffer.from(topic('cmd'))),
      toField('somebody-else', 'cmd', dark, bench.now, randomBytes(8)),
      // The right key, which it has not, and the wrong boot.
      toField(ID, 'cmd', dark, bench.now + 1000, randomBytes(8)),
      map([0, 1], [1, 4], [2, 0]),
      map([0, 2], [1, 0], [2, 0], [3, seconds], [4, seconds + 3600]),
      Buffer.alloc(0),
      randomBytes(40),
    ];
    await attack(topic('cmd'), ...forged, ...recordedOn('cmd').map(({ payload }) => payload));
    assert.equal(pole().lamp.light, 100);
    for (let bit = 0; bit < 8 * 64; bit += 41) {
      const copy = Buffer.from(recordedOn('cmd')[0].payload);
      copy[(bit >> 3) % copy.length] ^= 1 << (bit & 7);
      await attack(topic('cmd'), copy);
    }
    assert.equal(pole().lamp.light, 100);
    assert.ok(!tap.heard.some((message) => message.topic === topic('ack')), 'nothing was acknowledged');
  });

  it('cannot set the clock', async () => {
    const later = Math.floor(bench.now / 1000) + 86400;
    // Sockets need no simulated time, or a lot of it: so the clock is not exact to begin with.
    const before = clockError();
    await attack(
      topic('time'),
      map([0, later], [1, 0]),
      map([0, later], [1, 0], [2, Math.round(pole().sim.clock.uptime())]),
      seal(randomBytes(32), [[6, Buffer.alloc(6, 0xff)]], map([0, later], [1, 0]), Buffer.from(topic('time'))),
      ...recordedOn('time').map(({ payload }) => payload),
    );
    await bench.run(5000);
    assert.ok(Math.abs(clockError() - before) < 100, `${before} ms, then ${clockError()} ms`);
  });

  it('cannot make it believe that something was stored, and the gateway hears of it later', async () => {
    events.length = 0;
    pole().meters[0].connected = false;
    const told = () => tap.heard.filter((message) => message.topic === topic('event')).flatMap(codesOf);
    await until(() => told().includes(EventCode.UnitSilent), 1_200_000, 500);
    const all = [0, 1].flatMap((kind) => [0, 1, 2].map((epoch) => encode([kind, epoch, 1, 1_000_000])));
    await attack(topic('got'), ...all, ...recordedOn('got').map(({ payload }) => payload));

    tap.deceive(false);
    await until(() => known()?.online === true, 600_000, 500);
    await until(() => events.some(({ code }) => code === EventCode.UnitSilent), 300_000, 500);
  });

  it('leaves a count of what was refused, which the gateway hears', async () => {
    await bench.run(120_000, 500);
    assert.ok((known()?.state?.refused ?? 0) >= 20, `${known()?.state?.refused} refused`);
  });

  it('cannot say again after a reboot what was valid before it', async () => {
    const before = tap.deceived;
    tap.deceive(true);
    pole().sim.reset('power');
    await until(() => tap.deceived > before && online(), 600_000, 100);
    const heard = tap.heard.length;
    await attack(topic('cmd'), ...recordedOn('cmd').map(({ payload }) => payload));
    await attack(topic('time'), ...recordedOn('time').map(({ payload }) => payload));
    assert.equal(pole().lamp.light, 100);
    assert.ok(!tap.heard.slice(heard).some((message) => message.topic === topic('ack')));
  });
});
