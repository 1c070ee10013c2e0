/** Whoever has the broker may read, keep back, repeat and make up messages: what becomes of that at a controller. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Encoder } from 'cbor-x';
import { AckKey, CommandKey, CommandKind, ReportKey } from '../../firmware/link/messages.ts';
import { Seal } from '../../firmware/link/seal.ts';
import type { Part } from '../../hal/hal.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { type Controller, openController } from '../../sim/controller.ts';
import { openSim } from '../../sim/index.ts';
import { type Change, Configuration } from '../configuration.ts';
import { type Letter, Post } from '../monitor/post.ts';
import { type Group, keyOf, open, recordOf, seal, siteKey, toField, toGroup } from '../sealed.ts';

/** ms UTC at which the world begins: 21:00 at the pole, whose own program gives 100 %. */
const BEGIN = Date.UTC(2026, 10, 25, 20);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const ID = 'pole-1';
const COMMAND = `rvb1/${ID}/cmd`;

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false });
const encode = (...items: [number, unknown][]) => Buffer.from(encoder.encode(new Map(items)));
let number = 0;
const override = (percent: number) =>
  encode([CommandKey.Number, ++number], [CommandKey.Kind, CommandKind.Override], [CommandKey.Level, percent]);

describe('whoever has the broker', function () {
  this.timeout(20_000);
  let world: World;
  let post: Post;
  let pole: Controller;
  let acks: number[];
  let report: Record<string, unknown>;
  const now = () => BEGIN + world.now;
  const light = () => Math.round(pole.lamp.light);
  const session = () => post.seal.session ?? assert.fail('no birth');

  beforeEach(async () => {
    world = new World();
    post = new Post(world, ID);
    acks = [];
    post.now = now;
    post.onLetter = ({ leaf, body }: Letter) => {
      if (leaf === 'ack') acks.push((body as Record<string, number>)[AckKey.Number]);
      if (leaf === 'report') report = body as Record<string, unknown>;
    };
    const site = { host: 'broker', port: 1883, key: siteKey(ID) };
    pole = openController({ world, id: ID, board: await loadBoard('linux'), site, dial: post.dial });
    world.run(30 * SECOND);
    assert.equal(light(), 100);
  });
  afterEach(() => pole.sim.cutPower());

  /** Sends it, and lets a moment pass. */
  const send = (payload: Buffer, topic = COMMAND) => {
    post.sendRaw(topic, payload);
    world.run(SECOND);
  };
  /** Nothing of that was obeyed or answered, and a report counts it all. */
  const refused = (count: number) => {
    world.run(2 * MINUTE);
    assert.deepEqual([light(), acks], [100, []]);
    assert.equal(report[ReportKey.Refused] ?? 0, count);
  };
  const sealed = (message: Buffer, at = now()) => toField(ID, 'cmd', message, at, session());

  it('cannot command with any bit of a command changed, with any end of it missing, or with more behind it', () => {
    const good = sealed(override(40));
    let sent = 0;
    for (let bit = 0; bit < 8 * good.length; bit++) {
      const bad = Buffer.from(good);
      bad[bit >> 3] ^= 1 << (bit & 7);
      post.sendRaw(COMMAND, bad);
      world.run(20);
      sent++;
    }
    for (let length = 0; length < good.length; length++) {
      post.sendRaw(COMMAND, good.subarray(0, length));
      world.run(20);
      sent++;
    }
    send(Buffer.concat([good, Buffer.alloc(1)]));
    refused(sent + 1);
    // Within 300 s the command itself is still good: that is what was shown.
    send(good);
    assert.deepEqual([light(), acks.length], [40, 1]);
  });

  it('cannot make one up, or use one for another controller, topic, boot or direction', () => {
    const message = override(40);
    const bound = (topic: string, rest = session()) => Buffer.concat([Buffer.from(topic), rest]);
    const iv = Buffer.alloc(6);
    iv.writeUIntBE(now(), 0, 6);
    send(message);
    send(seal(Buffer.alloc(32, 7), [[6, iv]], message, bound(COMMAND)));
    send(toField('pole-2', 'cmd', message, now(), session()));
    send(seal(keyOf(ID), [[6, iv]], message, bound('rvb1/pole-2/cmd')));
    send(toField(ID, 'time', message, now(), session()));
    send(toField(ID, 'got', message, now(), session()));
    send(toField(ID, 'cmd', message, now(), Buffer.alloc(8)));
    send(toField(ID, 'cmd', message, now(), Buffer.alloc(0)));
    // As a controller seals: without a counter.
    send(seal(keyOf(ID), [], message, bound(COMMAND)));
    send(seal(keyOf(ID), [[6, iv]], message, bound(`rvb1/${ID}/ack`)), `rvb1/${ID}/ack`.replace('ack', 'cmd'));
    refused(10);
  });

  it('cannot repeat one, or give an older one after a newer one', () => {
    const first = sealed(override(40), now());
    const second = sealed(override(100), now() + 1);
    send(second);
    assert.equal(acks.length, 1);
    for (const again of [second, first, second]) send(again);
    acks = [];
    refused(3);
  });

  it('cannot use one of an earlier boot', () => {
    const kept = [sealed(override(40), now() + 60_000), sealed(override(30), now() + 120_000)];
    pole.sim.cutPower();
    pole.sim.restorePower();
    world.run(30 * SECOND);
    for (const old of kept) send(old);
    refused(2);
  });

  it('cannot keep one back for more than 300 s, nor have one of the future', () => {
    const old = [sealed(override(40), now()), sealed(override(30), now() + 1)];
    world.run(301 * SECOND);
    for (const late of old) send(late);
    send(sealed(override(20), now() + 301 * SECOND));
    refused(3);
    send(sealed(override(60), now() - 299 * SECOND));
    assert.deepEqual([light(), acks.length], [60, 1]);
  });

  it('cannot set the clock: with a time made up, repeated, or not asked for', () => {
    const time = encode([0, Math.floor(now() / 1000) - 3600], [1, 0], [2, 0]);
    const told = toField(ID, 'time', time, now(), session());
    const forged = Buffer.from(told);
    forged[forged.length - 1] ^= 1;
    const topic = `rvb1/${ID}/time`;
    send(forged, topic);
    send(time, topic);
    // From the gateway, but no answer to any question.
    send(told, topic);
    send(told, topic);
    refused(3);
    assert.ok(Math.abs((pole.sim.clock.time() ?? 0) - now()) < 100);
  });

  it('cannot make it believe that the gateway has what it told', () => {
    const got = Buffer.from(encoder.encode([0, 1, 1, 1000]));
    const topic = `rvb1/${ID}/got`;
    const forged = toField(ID, 'got', got, now(), session());
    forged[forged.length - 1] ^= 1;
    send(got, topic);
    send(forged, topic);
    send(sealed(got), topic);
    refused(3);
  });

  it('gains nothing by what is well sealed and makes no sense', () => {
    const nested = Buffer.concat([Buffer.alloc(900, 0x81), Buffer.of(0)]);
    const huge = Buffer.concat([Buffer.of(0x7a, 0, 0, 9, 0), Buffer.alloc(2304, 0xff)]);
    for (const message of [nested, huge, Buffer.alloc(0), Buffer.of(0xff)]) send(sealed(message));
    refused(0);
    send(sealed(override(50)));
    assert.equal(light(), 50);
  });

  describe('with groups', () => {
    const key = (fill: number) => Buffer.alloc(32, fill);
    const OWN: Group = { number: 7, generation: 3, key: key(0x11) };
    const OTHER: Group = { number: 300, generation: 0, key: key(0x22) };
    const join = (...groups: Group[]) => {
      const at = now();
      const items = configuration
        .items({ groups: recordOf(groups) })
        .map(([key, value]): [number, unknown] => [key, key === CommandKey.Groups ? recordOf(groups, ID, at) : value]);
      send(sealed(encode([CommandKey.Number, ++number], [CommandKey.Kind, CommandKind.Configuration], ...items), at));
      assert.equal(acks.length, 1);
      acks = [];
    };
    const topic = 'rvb1c/7';
    let configuration: Configuration;
    beforeEach(() => {
      configuration = new Configuration();
    });

    it('cannot command with the key of another group, of an earlier generation, or with none', () => {
      join(OWN, OTHER);
      send(override(40), topic);
      send(toGroup({ ...OWN, key: OTHER.key }, override(40), now()), topic);
      send(toGroup(OTHER, override(40), now()), topic);
      send(toGroup(OWN, override(40), now()), 'rvb1c/300');
      send(toGroup({ ...OWN, number: 9 }, override(40), now()), 'rvb1c/9');
      send(sealed(override(40)), topic);
      join({ ...OWN, generation: 4, key: key(0x33) });
      send(toGroup(OWN, override(40), now()), topic);
      send(toGroup({ ...OWN, generation: 4 }, override(40), now()), topic);
      refused(8);
    });

    it('cannot repeat a command, nor bring one of before the boot or of 301 s ago', () => {
      join(OWN);
      const kept = toGroup(OWN, override(100), now());
      send(kept, topic);
      assert.equal(acks.length, 1);
      acks = [];
      send(kept, topic);
      const early = toGroup(OWN, override(40), now());
      const late = toGroup(OWN, override(40), now() + 1);
      world.run(301 * SECOND);
      send(late, topic);
      refused(2);
      pole.sim.cutPower();
      pole.sim.restorePower();
      world.run(30 * SECOND);
      send(toGroup(OWN, override(40), now() - 60_000), topic);
      send(early, topic);
      refused(2);
      send(toGroup(OWN, override(60), now()), topic);
      assert.deepEqual([light(), acks.length], [60, 1]);
    });

    it('cannot, with the key of a stolen member, do more than override: neither settings nor other keys', () => {
      join(OWN);
      const change = (part: Change) => [
        [CommandKey.Kind, CommandKind.Configuration] as [number, unknown],
        ...configuration.items(part),
      ];
      const kinds: [number, unknown][][] = [
        change({ level: 0 }),
        change({ timetable: Buffer.alloc(0) }),
        change({ monitoring: Buffer.alloc(0) }),
        change({ groups: recordOf([{ ...OWN, generation: 9 }]) }),
        [
          [CommandKey.Kind, CommandKind.Counters],
          [CommandKey.Counters, [3, 0]],
        ],
        [[CommandKey.Kind, CommandKind.Read]],
      ];
      for (const kind of kinds) send(toGroup(OWN, encode([CommandKey.Number, ++number], ...kind), now()), topic);
      refused(6);
      send(toGroup(OWN, override(60), now()), topic);
      assert.equal(light(), 60);
    });
  });
});

describe('a controller whose site has no key, or half of one', () => {
  it('connects to nobody, says so, and gives its light', async () => {
    for (const key of [undefined, '', 'A'.repeat(42), 'A'.repeat(44)]) {
      const world = new World();
      let dialled = 0;
      const dial = () => {
        dialled++;
        throw new Error('no network');
      };
      const site = { host: 'broker', port: 1883, key };
      const pole = openController({ world, id: ID, board: await loadBoard('linux'), site, dial });
      world.run(MINUTE);
      assert.equal(dialled, 0);
      assert.equal(pole.firmware?.status(), '100 %, default 100 %, link down, the site has no key');
    }
  });
});

describe('the examples of seals in PROTOCOL.md', () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
  const session = Buffer.from('0102030405060708', 'hex');
  const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `(rvb1\/\S+)` \| `([0-9a-f]+)` \| `([0-9a-f]+)` \|$/gm)];

  it('are opened by the COSE library', () => {
    assert.equal(rows.length, 2);
    for (const [, topic, message, envelope] of rows) {
      const aad = Buffer.concat([Buffer.from(topic), session]);
      assert.equal(open(key, Buffer.from(envelope, 'hex'), aad).message.toString('hex'), message);
    }
  });

  it('are opened and made by the firmware', () => {
    const [[, , command, told], [, , ack, answer]] = rows;
    const sim = openSim();
    const hal = {
      clock: { ...sim.clock, uptime: () => 1000, time: () => Date.UTC(2026, 10, 25, 22) },
      random: () => 0,
      // The session is made of the first: here it is that of the example.
      mac: (own: Uint8Array, parts: Part[]) =>
        parts.length === 1 ? Uint8Array.from([...session, ...Buffer.alloc(24)]) : sim.mac(own, parts),
    };
    const firmware = new Seal(hal as never, new Uint8Array(key), 'rvb1/lamp-01/', 1);
    const opened = firmware.open('cmd', new Uint8Array(Buffer.from(told, 'hex')));
    assert.equal(Buffer.from(opened ?? []).toString('hex'), command);
    assert.equal(Buffer.from(firmware.seal('ack', new Uint8Array(Buffer.from(ack, 'hex')))).toString('hex'), answer);
  });
});
