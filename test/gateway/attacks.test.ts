/** Whoever has the broker may read, keep back, repeat and make up messages: what becomes of that at the gateway. */
import assert from 'node:assert/strict';
import { Decoder } from 'cbor-x';
import { AckCode, Leaf } from '../../firmware/link/messages.ts';
import { GroupKeys } from '../../gateway/keys/group-keys.ts';
import { Reader, Seals } from '../../gateway/seal.ts';
import { MemoryStore } from '../../gateway/store/memory.ts';
import { FieldEnd, fromField, KEYS, keyOf, seal, siteKey } from '../sealed.ts';
import { birth, encode, report, T0 } from './rig.ts';

const ID = 'PAR-0001';
const TOPIC = (leaf: string, id = ID) => `rvb1/${id}/${leaf}`;
const decoder = new Decoder({ mapsAsObjects: false } as never);
const session = (fill: number) => Buffer.alloc(8, fill);
/** @returns the birth of a boot as it travels */
const born = (boot: number, id = ID) =>
  fromField(id, Leaf.Birth, encode(new Map([...birth({ 3: boot }), [15, session(boot)]])));

/** Seals without a broker: what reaches the fleet, and what is published. */
async function open(store = new MemoryStore(), now = T0, ids?: string[]) {
  const bench = {
    now,
    store,
    delivered: [] as [string, Buffer][],
    published: [] as [string, Buffer][],
    log: [] as string[],
  };
  const log = (line: string) => void bench.log.push(line);
  const groups = new GroupKeys(store, log);
  await groups.load();
  const seals = new Seals({
    keys: ids ? { find: (id) => (ids.includes(id) ? keyOf(id) : undefined) } : KEYS,
    groups,
    store,
    now: () => bench.now,
    publish: (topic, payload) => void bench.published.push([topic, payload]),
    deliver: (topic, payload) => void bench.delivered.push([topic, Buffer.from(payload)]),
    log,
  });
  await seals.load();
  const receive = (leaf: string, payload: Buffer) => seals.receive(TOPIC(leaf), payload, false);
  return Object.assign(bench, { seals, groups, receive });
}

describe('whoever has the broker, at the gateway', () => {
  const message = encode(report());

  it('is not believed with any bit of a report changed, with any end of it missing, or with more behind it', async () => {
    const { receive, delivered, seals } = await open();
    receive(Leaf.Birth, born(7));
    const good = fromField(ID, Leaf.Report, message, session(7));
    const bad: Buffer[] = [Buffer.concat([good, Buffer.alloc(1)])];
    for (let length = 0; length < good.length; length++) bad.push(good.subarray(0, length));
    for (let bit = 0; bit < 8 * good.length; bit++) {
      bad.push(Buffer.from(good));
      (bad.at(-1) as Buffer)[bit >> 3] ^= 1 << (bit & 7);
    }
    delivered.length = 0;
    for (const payload of bad) receive(Leaf.Report, payload);
    assert.deepEqual(delivered, []);
    assert.equal(seals.refused.forged + seals.refused.malformed, bad.length);
    receive(Leaf.Report, good);
    assert.deepEqual(delivered, [[TOPIC(Leaf.Report), message]]);
  });

  it('cannot speak for a controller: by a made-up key, another one, another topic, boot or direction, or without a seal', async () => {
    const { receive, delivered, seals } = await open(undefined, undefined, [ID, 'PAR-0002']);
    receive(Leaf.Birth, born(7));
    delivered.length = 0;
    const bound = Buffer.concat([Buffer.from(TOPIC(Leaf.Report)), session(7)]);
    const bad = [
      message,
      seal(Buffer.alloc(32, 1), [], message, bound),
      fromField('PAR-0002', Leaf.Report, message, session(7)),
      seal(keyOf('PAR-0002'), [], message, bound),
      fromField(ID, Leaf.Event, message, session(7)),
      fromField(ID, Leaf.Report, message, session(6)),
      fromField(ID, Leaf.Report, message, Buffer.alloc(0)),
      // As the gateway seals: with a counter.
      seal(keyOf(ID), [[6, Buffer.alloc(6, 1)]], message, bound),
    ];
    for (const payload of bad) receive(Leaf.Report, payload);
    seals.receive(TOPIC(Leaf.Report, 'PAR-0002'), fromField('PAR-0002', Leaf.Report, message, session(7)), false);
    seals.receive(TOPIC(Leaf.Report, 'PAR-0003'), fromField('PAR-0003', Leaf.Report, message, session(7)), false);
    assert.deepEqual(delivered, []);
    assert.deepEqual(seals.refused, { noKey: 1, malformed: 2, forged: 6, noBirth: 1, unproven: 0 });
  });

  it('cannot put a controller back to an earlier boot by its birth of then, not even after a restart of the gateway', async () => {
    const first = await open();
    first.receive(Leaf.Birth, born(6));
    first.receive(Leaf.Birth, born(7));
    const { receive, delivered, published, seals } = await open(first.store, T0 + 1000);
    receive(Leaf.Birth, born(6));
    receive(Leaf.Report, fromField(ID, Leaf.Report, message, session(6)));
    // What it acknowledged then is no answer to what it is asked now.
    for (const number of [1, 2, 3]) {
      const old = encode(
        new Map([
          [0, number],
          [1, AckCode.Done],
        ]),
      );
      receive(Leaf.Ack, fromField(ID, Leaf.Ack, old, session(6)));
    }
    assert.deepEqual(delivered, []);
    assert.equal(seals.refused.unproven, 5);
    assert.equal(published.length, 1, 'asked once in 5 s');
    receive(Leaf.Report, fromField(ID, Leaf.Report, message, session(7)));
    assert.equal(delivered.length, 1);
  });

  it('does not lock out a controller that has lost its storage: it is asked something, and its answer counts', async () => {
    const bench = await open();
    const { receive, delivered, published, seals } = bench;
    receive(Leaf.Birth, born(7));
    delivered.length = 0;
    receive(Leaf.Birth, born(1));
    assert.equal(delivered.length, 0);
    const [topic, envelope] = published[0];
    const asked: Map<number, number> = decoder.decode(new FieldEnd(ID, session(1)).open(topic, envelope).message);
    const answer = encode(
      new Map([
        [0, asked.get(0)],
        [1, AckCode.Malformed],
      ]),
    );
    receive(Leaf.Ack, fromField(ID, Leaf.Ack, answer, session(1)));
    assert.deepEqual(
      delivered.map(([topic]) => topic),
      [TOPIC(Leaf.Birth)],
    );
    receive(Leaf.Report, fromField(ID, Leaf.Report, message, session(1)));
    assert.equal(delivered.length, 2);
    // From now on the boot before is the false one.
    receive(Leaf.Report, fromField(ID, Leaf.Report, message, session(7)));
    assert.equal(delivered.length, 2);
    assert.equal(seals.refused.forged, 1);
  });

  it('gets a question answered that has overtaken its birth, once', async () => {
    const { receive, delivered, seals } = await open();
    receive(Leaf.Ask, fromField(ID, Leaf.Ask, encode(5000), session(7)));
    assert.deepEqual([delivered, seals.refused.noBirth], [[], 1]);
    receive(Leaf.Birth, born(7));
    receive(Leaf.Birth, born(7));
    assert.deepEqual(
      delivered.map(([topic]) => topic),
      [TOPIC(Leaf.Birth), TOPIC(Leaf.Ask), TOPIC(Leaf.Birth)],
    );
    assert.equal(seals.refused.noBirth, 0);
  });

  it('never sees a counter twice or a lower one, also after a restart with the clock an hour back', async () => {
    const first = await open();
    first.receive(Leaf.Birth, born(7));
    const end = new FieldEnd(ID, session(7));
    const publish = ({ seals }: typeof first) => seals.publish(TOPIC(Leaf.Command), encode(1), 1);
    for (let i = 0; i < 3; i++) publish(first);
    first.now += 100;
    publish(first);
    const second = await open(first.store, T0 - 3_600_000);
    publish(second);
    publish(second);
    const counters = [...first.published, ...second.published].map(([topic, one]) => end.open(topic, one).counter);
    assert.deepEqual(counters.slice(0, 4), [T0, T0 + 1, T0 + 2, T0 + 100]);
    for (let i = 1; i < counters.length; i++) assert.ok(counters[i] > counters[i - 1], `${counters}`);
    assert.ok(counters[4] <= T0 + 100 + 60_001, 'not so far ahead that controllers would call it stale');
  });

  it('has its noise counted, and told in 20 lines a minute at most, each of them one line', async () => {
    const { seals, log } = await open(undefined, undefined, []);
    for (let i = 0; i < 100; i++) seals.receive(`rvb1/a/report\nCMS fine: all well\x1b[2J`, Buffer.from('x'), false);
    assert.equal(seals.refused.noKey, 100);
    assert.equal(log.length, 20);
    assert.equal(
      log[0],
      'refused a message on "rvb1/a/report\\nCMS fine: all well\\u001b[2J": no key of this controller',
    );
  });

  it('finds no key in logs, faults or what is shown of the parts', async () => {
    const bench = await open();
    bench.receive(Leaf.Birth, born(7));
    bench.receive(Leaf.Report, Buffer.from(siteKey(ID)));
    bench.receive(Leaf.Report, fromField('PAR-0002', Leaf.Report, message, session(7)));
    const shown = `${bench.log.join()} ${JSON.stringify(bench.seals.refused)}`;
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      assert.ok(!shown.includes(keyOf(ID).toString(form)), shown);
    }
  });

  it('cannot read the key of a group, which each member alone unwraps; another generation has another key', async () => {
    const bench = await open();
    const { seals, groups, published } = bench;
    for (const id of ['a', 'b']) {
      bench.seals.receive(TOPIC(Leaf.Birth, id), born(7, id), false);
      seals.publish(TOPIC(Leaf.Command, id), (wrap) => encode(new Map([[12, wrap(groups.record([300]))]])), 1);
    }
    const { key, generation } = groups.of(300);
    const found = published.map(([topic, envelope], i) => {
      assert.ok(!envelope.includes(Buffer.from(key)), 'never in clear');
      const end = new FieldEnd(['a', 'b'][i], session(7));
      const { message: opened, counter } = end.open(topic, envelope);
      end.join(end.unwrap((decoder.decode(opened) as Map<number, Uint8Array>).get(12) ?? Buffer.alloc(0), counter));
      return end;
    });
    for (const end of found) assert.deepEqual(Buffer.from(end.groups.get(300)?.key ?? []), Buffer.from(key));
    seals.publish('rvb1c/300', message, 1);
    for (const end of found) assert.deepEqual(end.open(...(published[2] as [string, Buffer])).message, message);
    const renewed = groups.renew(300);
    assert.equal(renewed.generation, (generation + 1) % 256);
    seals.publish('rvb1c/300', message, 1);
    assert.throws(() => found[0].open(...(published[3] as [string, Buffer])));
    const again = new GroupKeys(bench.store, () => {});
    await again.load();
    assert.deepEqual(Buffer.from(again.of(300).key), Buffer.from(renewed.key));
  });

  it('cannot put events past a gateway that hears no births, and makes it ask its database once a second at most', async () => {
    const leader = await open();
    leader.receive(Leaf.Birth, born(7));
    let asked = 0;
    const { store } = leader;
    const load = store.load.bind(store);
    store.load = (prefix) => {
      asked++;
      return load(prefix);
    };
    let time = 0;
    const reader = new Reader(KEYS, store, () => time);
    const ask = (payload: Buffer) => reader.open(TOPIC(Leaf.Event), ID, payload);
    assert.deepEqual(await ask(fromField(ID, Leaf.Event, message, session(7))), message);
    for (let i = 0; i < 10; i++)
      await assert.rejects(ask(fromField(ID, Leaf.Event, message, session(6))), /does not fit/);
    await assert.rejects(ask(message), /not sealed/);
    assert.equal(asked, 1);
    leader.receive(Leaf.Birth, born(8));
    time = 1000;
    assert.deepEqual(await ask(fromField(ID, Leaf.Event, message, session(8))), message);
    assert.equal(asked, 2);
  });
});
