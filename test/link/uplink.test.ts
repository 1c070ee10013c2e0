import assert from 'node:assert/strict';
import { connack, made, pingresp, puback, publish, suback } from '../protocols/mqtt-peer.ts';
import { generator } from '../protocols/mutate.ts';
import { Bench, type Link } from './bench.ts';
import { hostile } from './hostile.ts';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const command = (payload: Uint8Array, qos: 0 | 1 | 2 = 1, id = 7) => publish('rvb1/c1/cmd', payload, qos, id);
const acknowledge = (link: Link) => link.send(puback(link.take('publish').messageId as number));

/** Identifiers of the next `count` publishes, in order. */
const identifiers = (link: Link, count: number) =>
  Array.from({ length: count }, () => link.take('publish').messageId as number);

describe('Uplink going online', () => {
  it('introduces itself, subscribes, and is online when both filters are granted', () => {
    const bench = new Bench({ username: 'u', password: 'p' });
    const link = bench.attempt();
    assert.deepEqual([link.options.host, link.options.port, link.options.tls], ['broker.example', 1883, false]);
    link.none();
    link.open();
    const connect = link.take('connect');
    assert.deepEqual(
      [connect.protocolVersion, connect.clean, connect.clientId, connect.keepalive, connect.username],
      [4, true, 'c1', 60, 'u'],
    );
    assert.deepEqual([connect.will?.topic, connect.will?.qos, connect.will?.retain], ['rvb1/c1/link', 1, true]);
    assert.equal(connect.password?.toString(), 'p');
    link.none();
    link.send(connack());
    const subscribe = link.take('subscribe');
    assert.deepEqual(
      subscribe.subscriptions.map(({ topic, qos }) => [topic, qos]),
      [
        ['rvb1/c1/cmd', 1],
        ['rvb1/c1/time', 1],
      ],
    );
    assert.deepEqual([bench.uplink.online, bench.online], [false, 0]);
    link.send(suback([1, 1], subscribe.messageId));
    assert.deepEqual([bench.uplink.online, bench.online], [true, 1]);
  });

  it('goes online however CONNACK, SUBACK and a message are cut or joined, at each byte', () => {
    const all = Buffer.concat([connack(), suback([1, 1]), command(bytes('0102'))].map(made));
    const cuts = Array.from({ length: all.length }, (_, at) => at);
    for (const then of [undefined, ...cuts]) {
      for (const at of cuts) {
        if (then !== undefined && then < at) continue;
        const bench = new Bench();
        const link = bench.attempt();
        link.open();
        const chunks = [
          all.subarray(0, at),
          all.subarray(at, then),
          then === undefined ? undefined : all.subarray(then),
        ];
        for (const chunk of chunks) if (chunk?.length) link.send(chunk);
        assert.equal(bench.online, 1);
        assert.deepEqual(bench.received, [['rvb1/c1/cmd', [1, 2]]]);
        link.take('connect');
        link.take('subscribe');
        assert.equal(link.take('puback').messageId, 7);
      }
    }
  });

  it('delivers what comes between CONNACK and SUBACK', () => {
    const bench = new Bench();
    const link = bench.attempt();
    link.open();
    link.send(connack(), command(bytes('05'), 0));
    assert.deepEqual(bench.received, [['rvb1/c1/cmd', [5]]]);
    assert.equal(bench.uplink.online, false);
  });

  it('refuses a keep-alive of 0 and of 65,536 s', () => {
    assert.throws(() => new Bench({ keepAlive: 0 }), /keepAlive/);
    assert.throws(() => new Bench({ keepAlive: 65536 }), /keepAlive/);
  });
});

describe('Uplink that fails', () => {
  /** @returns the first instant after `time` at which an uplink tries whose first attempt came at `slot`: every 5 s from it */
  const next = (time: number, slot: number) => slot + 5000 * (Math.floor((time - slot) / 5000) + 1);

  /** Everything that can go wrong until the uplink is online, and after. */
  const stages: [string, (link: Link, bench: Bench) => void][] = [
    ['cannot open the stream', (link) => link.fail()],
    ['loses the stream after CONNECT', (link) => [link.open(), link.fail()]],
    ['loses the stream after SUBSCRIBE', (link) => [link.open(), link.send(connack()), link.fail()]],
    ['loses the stream online', (link) => [link.accept(), link.fail()]],
    ['loses the stream within a packet', (link) => [link.accept(), link.send(bytes('3205')), link.fail()]],
    ['is never connected, for 15 s', (_, bench) => bench.clock.pass(15000)],
    ['gets no CONNACK for 15 s', (link, bench) => [link.open(), bench.clock.pass(15000)]],
    ['gets no SUBACK for 15 s', (link, bench) => [link.open(), link.send(connack()), bench.clock.pass(15000)]],
    ...[1, 2, 3, 4, 5].map((code): [string, (link: Link) => void] => [
      `is refused with code ${code}`,
      (link) => [link.open(), link.send(connack(code))],
    ]),
    ['is accepted with a session that it did not ask for', (link) => [link.open(), link.send(bytes('20020100'))]],
    ['has a filter refused', (link) => [link.open(), link.send(connack()), link.send(bytes('900400010180'))]],
    ['is granted QoS 2', (link) => [link.open(), link.send(connack()), link.send(bytes('900400010102'))]],
    ['gets the SUBACK of another', (link) => [link.open(), link.send(connack()), link.send(bytes('900400020101'))]],
    ['gets SUBACK before CONNACK', (link) => [link.open(), link.send(suback([1, 1]))]],
    ['gets PUBLISH before CONNACK', (link) => [link.open(), link.send(command(bytes('01')))]],
    ['gets PINGRESP before CONNACK', (link) => [link.open(), link.send(pingresp)]],
    ['gets CONNACK twice', (link) => [link.accept(), link.send(connack())]],
    ['gets SUBACK twice', (link) => [link.accept(), link.send(suback([1, 1]))]],
    ['gets a message of QoS 2', (link) => [link.accept(), link.send(command(bytes('01'), 2))]],
    ['gets a message with identifier 0', (link) => [link.accept(), link.send(bytes('3206000161000001'))]],
    ['gets a topic longer than its packet', (link) => [link.accept(), link.send(bytes('300500056101ff'))]],
    ['gets a topic without a letter', (link) => [link.accept(), link.send(bytes('3003000001'))]],
    ['gets QoS 1 without room for an identifier', (link) => [link.accept(), link.send(bytes('320400016100'))]],
    ['gets a length of five bytes', (link) => [link.accept(), link.send(bytes('30ffffffff01'))]],
    ['gets a packet for servers', (link) => [link.accept(), link.send(bytes('c000'))]],
  ];
  for (const [what, happen] of stages) {
    it(`${what} closes the stream and comes back at its own instant of 5 s`, () => {
      const bench = new Bench();
      const link = bench.attempt();
      bench.chance = 0.9;
      bench.clock.pass(700);
      happen(link, bench);
      assert.deepEqual([link.closed, bench.uplink.online, bench.links.length], [true, false, 1]);
      const due = next(bench.clock.uptime(), 2500);
      bench.clock.pass(due - 1 - bench.clock.uptime());
      assert.equal(bench.links.length, 1);
      bench.clock.pass(1);
      assert.equal(bench.links.length, 2);
      bench.link.accept();
      assert.equal(bench.uplink.online, true);
      bench.publish(1);
      assert.deepEqual(bench.link.taken(), [1]);
      assert.deepEqual(bench.failures, []);
    });
  }

  it('tries again when connecting throws', () => {
    const bench = new Bench();
    bench.broken = true;
    bench.clock.pass(20000);
    assert.ok(bench.failures.length > 0);
    bench.broken = false;
    bench.connect();
  });

  it('gives each step of connecting 15 s: a stream after 14 s, CONNACK and SUBACK after 14 more', () => {
    const bench = new Bench();
    const link = bench.attempt();
    bench.clock.pass(14000);
    link.open();
    bench.clock.pass(14000);
    link.send(connack(), suback([1, 1]));
    assert.equal(bench.uplink.online, true);
    bench.clock.pass(20000);
    assert.equal(bench.uplink.online, true);
  });

  it('waits full jitter and then for its own instant: random below 5 s · 2^n, at most 3600 s', () => {
    for (const chance of [0, 0.25, 0.999]) {
      const bench = new Bench({}, chance);
      const slot = chance * 5000;
      assert.equal(bench.attempt().since, slot);
      // The first failure waits for the instant alone: that is at random already.
      const jitters = [0, ...Array.from({ length: 20 }, (_, n) => chance * Math.min(3_600_000, 5000 * 2 ** n))];
      for (const jitter of jitters) {
        bench.clock.pass(1);
        const before = bench.clock.uptime();
        bench.link.fail();
        const end = before + 3_700_000;
        for (const links = bench.links.length; bench.links.length === links; bench.clock.pass(1)) {
          assert.ok(bench.clock.uptime() < end);
          if (bench.clock.uptime() < next(before + jitter, slot) - 2) {
            bench.clock.pass(next(before + jitter, slot) - 2 - bench.clock.uptime());
          }
        }
        assert.ok(Math.abs(bench.link.since - next(before + jitter, slot)) <= 1, `${bench.link.since}`);
      }
    }
  });

  it('keeps to its window of 900 s: once in each, at the instant drawn at the boot', () => {
    const bench = new Bench({ window: 900 }, 0.4);
    assert.equal(bench.attempt().since, 360_000);
    for (const attempt of [1, 2, 3]) {
      bench.clock.pass(100);
      bench.link.fail();
      bench.clock.pass(360_000 + attempt * 900_000 - 1 - bench.clock.uptime());
      assert.equal(bench.links.length, attempt);
      bench.clock.pass(1);
      assert.equal(bench.links.length, attempt + 1);
    }
    bench.link.accept();
    for (let s = 0; s < 1000; s += 20) {
      bench.clock.pass(20_000);
      bench.link.send(pingresp);
    }
    assert.equal(bench.uplink.online, true);
    bench.link.fail();
    assert.equal(bench.attempt().since, 360_000 + 5 * 900_000, 'and so after the loss of a good connection');
  });

  it('takes 5 s for a window that is none', () => {
    for (const window of [undefined, 0, -1, Number.NaN, 'soon' as never, null as never]) {
      assert.equal(new Bench({ window }, 0.999).attempt().since, 4995);
    }
  });

  it('forgets its failures after 10 min online, not after 9', () => {
    const wait = (minutes: number) => {
      const bench = new Bench();
      for (let n = 0; n < 6; n++) bench.attempt().fail();
      const link = bench.connect();
      for (let s = 0; s < minutes * 60; s += 10) {
        bench.clock.pass(10000);
        link.send(pingresp);
      }
      bench.clock.pass(1);
      link.fail();
      const before = bench.clock.uptime();
      return [bench.attempt().since, next(before + 0.5 * 5000 * 2 ** 5, 2500), next(before, 2500)];
    };
    const [early, jittered] = wait(9);
    assert.equal(early, jittered);
    const [late, , free] = wait(10);
    assert.equal(late, free);
  });

  it('does nothing more after close, and sends no DISCONNECT, so that the will is published', () => {
    for (const stage of ['waiting', 'opening', 'greeting', 'online']) {
      const bench = new Bench();
      if (stage !== 'waiting') bench.attempt();
      if (stage === 'greeting') bench.link.open();
      if (stage === 'online') bench.link.accept();
      const before = bench.links.length;
      const packets = bench.link?.packets.length;
      bench.uplink.close();
      bench.uplink.close();
      assert.equal(bench.uplink.online, false);
      bench.clock.pass(10_000_000);
      assert.equal(bench.links.length, before);
      if (before) assert.deepEqual([bench.link.closed, bench.link.packets.length], [true, packets]);
      assert.equal(bench.publish(1, 0), false);
    }
  });

  it('stops reading when a message makes its owner close it', () => {
    const bench = new Bench();
    const link = bench.connect();
    bench.onMessage = () => bench.uplink.close();
    link.send(command(bytes('01')), command(bytes('02')));
    assert.deepEqual(bench.received, [['rvb1/c1/cmd', [1]]]);
    link.none();
    bench.clock.pass(10_000_000);
    assert.equal(bench.links.length, 1);
  });

  it('comes back when a call that it made never returned, because its place in the stream is lost', () => {
    const bench = new Bench();
    const link = bench.connect();
    bench.onMessage = () => {
      throw new Error('interrupted');
    };
    assert.throws(() => link.send(command(bytes('01')), command(bytes('02'))), /interrupted/);
    bench.onMessage = () => {};
    bench.clock.pass(60000);
    link.take('pingreq');
    link.send(pingresp);
    assert.equal(link.closed, true);
    bench.connect().send(command(bytes('03')));
    assert.deepEqual(bench.received.at(-1), ['rvb1/c1/cmd', [3]]);
  });
});

describe('Uplink keeping alive', () => {
  for (const keepAlive of [10, 60, 1200]) {
    it(`pings when idle, never more than ${keepAlive} s apart, and stays online for a day`, () => {
      const bench = new Bench({ keepAlive });
      const link = bench.connect();
      let last = bench.clock.uptime();
      let pings = 0;
      for (let s = 0; s < 86400; s++) {
        bench.clock.pass(1000);
        if (link.packets.length === 0) continue;
        link.take('pingreq');
        link.none();
        assert.ok(bench.clock.uptime() - last <= keepAlive * 1000);
        last = bench.clock.uptime();
        pings++;
        link.send(pingresp);
      }
      assert.equal(link.closed, false);
      assert.ok(pings >= 86400 / keepAlive && pings <= (1.3 * 86400) / keepAlive, `${pings} pings`);
    });

    it(`finds a dead peer within ${1.5 * keepAlive} s of its last sign, wherever that falls`, () => {
      for (let part = 0; part < 1; part += 0.05) {
        const bench = new Bench({ keepAlive });
        const link = bench.connect();
        bench.clock.pass(part * keepAlive * 1000);
        link.send(pingresp);
        const last = bench.clock.uptime();
        while (!link.closed) {
          bench.clock.pass(100);
          assert.ok(bench.clock.uptime() - last <= 1500 * keepAlive);
        }
        assert.ok(bench.clock.uptime() - last > 800 * keepAlive, 'and not at once');
      }
    });
  }

  it('does not ping while messages are acknowledged', () => {
    const bench = new Bench();
    const link = bench.connect();
    for (let i = 0; i < 100; i++) {
      bench.clock.pass(10000);
      assert.equal(bench.publish(i), true);
      acknowledge(link);
    }
    link.none();
    assert.equal(bench.uplink.online, true);
  });

  it('pings although messages of QoS 0 come, because they do not show that anybody hears it', () => {
    const bench = new Bench();
    const link = bench.connect();
    for (let i = 0; i < 60; i++) {
      bench.clock.pass(1000);
      link.send(command(bytes('01'), 0));
    }
    link.take('pingreq');
  });

  it('gives up a peer that answers pings and never acknowledges, within 1.5 keep-alive times', () => {
    const bench = new Bench();
    const link = bench.connect();
    bench.publish(1);
    for (let s = 0; s < 90 && !link.closed; s++) {
      bench.clock.pass(1000);
      link.send(pingresp);
    }
    assert.equal(link.closed, true);
  });

  it('gives up a peer that sends and never reads, within 1.5 keep-alive times', () => {
    const bench = new Bench();
    const link = bench.connect();
    link.room = false;
    bench.publish(1, 0);
    for (let s = 0; s < 90 && !link.closed; s++) {
      bench.clock.pass(1000);
      link.send(pingresp);
    }
    assert.equal(link.closed, true);
  });
});

describe('Uplink publishing', () => {
  it('sends QoS 0 when online only, 0 to 1024 bytes, retained when asked', () => {
    const bench = new Bench();
    assert.equal(bench.publish(1, 0), false);
    const link = bench.connect();
    for (const length of [0, 1, 100, 101, 102, 103, 1024]) {
      const payload = Uint8Array.from({ length }, (_, i) => i);
      assert.equal(bench.uplink.publish('rvb1/c1/report', payload, 0, length > 100), true);
      const packet = link.take('publish');
      assert.deepEqual(
        [packet.topic, packet.qos, packet.dup, packet.retain, packet.messageId],
        ['rvb1/c1/report', 0, false, length > 100, undefined],
      );
      assert.deepEqual(new Uint8Array(packet.payload as Buffer), payload);
    }
    assert.equal(bench.uplink.publish('rvb1/c1/report', new Uint8Array(1025), 0, false), false);
    link.fail();
    assert.equal(bench.publish(1, 0), false);
  });

  it('tells once when QoS 1 is acknowledged', () => {
    const bench = new Bench();
    const link = bench.connect();
    let done = 0;
    assert.equal(
      bench.publish(1, 1, () => done++),
      true,
    );
    const packet = link.take('publish');
    assert.deepEqual([packet.qos, packet.dup, packet.retain], [1, false, false]);
    assert.equal(done, 0);
    link.send(puback(packet.messageId as number));
    link.send(puback(packet.messageId as number));
    assert.equal(done, 1);
  });

  it('keeps its own copy of the payload', () => {
    const bench = new Bench();
    const payload = Uint8Array.of(1, 2, 3);
    bench.uplink.publish('t', payload, 1, false);
    payload.fill(9);
    assert.deepEqual(bench.connect().taken(), [1, 2, 3]);
  });

  it('sends what had waited after SUBACK, in order, before what its owner sends then', () => {
    const bench = new Bench();
    bench.onOnline = () => bench.publish(9);
    for (const byte of [1, 2, 3]) assert.equal(bench.publish(byte), true);
    const link = bench.attempt();
    link.accept();
    assert.deepEqual([link.taken(), link.taken(), link.taken(), link.taken()], [[1], [2], [3], [9]]);
    link.none();
  });

  it('repeats unacknowledged messages after a reconnection, in order, with DUP and their identifiers', () => {
    const bench = new Bench();
    const told: number[] = [];
    let link = bench.connect();
    for (const byte of [1, 2, 3, 4]) bench.publish(byte, 1, () => told.push(byte));
    const first = Array.from({ length: 4 }, () => link.take('publish'));
    assert.equal(new Set(first.map(({ messageId }) => messageId)).size, 4);
    link.send(puback(first[1].messageId as number));
    link.fail();
    bench.publish(5, 1, () => told.push(5));
    link = bench.connect();
    const again = Array.from({ length: 4 }, () => link.take('publish'));
    link.none();
    assert.deepEqual(
      again.map(({ payload, dup, qos }) => [...(payload as Buffer), dup, qos]),
      [
        [1, true, 1],
        [3, true, 1],
        [4, true, 1],
        [5, false, 1],
      ],
    );
    assert.deepEqual(
      again.slice(0, 3).map(({ messageId }) => messageId),
      [first[0], first[2], first[3]].map(({ messageId }) => messageId),
    );
    for (const { messageId } of again) link.send(puback(messageId as number));
    assert.deepEqual(told, [2, 1, 3, 4, 5]);
    bench.publish(6);
    assert.equal(link.take('publish').dup, false, 'a packet that serves again is no duplicate');
  });

  it('repeats a message as often as the acknowledgement is lost', () => {
    const bench = new Bench();
    let done = 0;
    bench.publish(1, 1, () => done++);
    for (let n = 0; n < 5; n++) {
      const link = bench.connect();
      const packet = link.take('publish');
      assert.equal(packet.dup, n > 0);
      link.none();
      if (n < 4) link.fail();
      else link.send(puback(packet.messageId as number));
    }
    assert.equal(done, 1);
  });

  it('takes acknowledgements in any order, joined and cut at each byte', () => {
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const order of orders) {
      for (let cut = 0; cut <= 12; cut++) {
        const bench = new Bench();
        const link = bench.connect();
        const told: number[] = [];
        for (const byte of [0, 1, 2]) bench.publish(byte, 1, () => told.push(byte));
        const ids = identifiers(link, 3);
        const data = Buffer.concat(order.map((index) => made(puback(ids[index]))));
        link.send(data.subarray(0, cut));
        if (cut < 12) link.send(data.subarray(cut));
        assert.deepEqual(told, order);
        for (const byte of [3, 4]) bench.publish(byte, 1, () => told.push(byte));
        acknowledge(link);
        acknowledge(link);
        assert.deepEqual(told, [...order, 3, 4]);
        link.fail();
        bench.connect().none();
      }
    }
  });

  it('keeps the order when the newest message is acknowledged first and its packet serves again', () => {
    for (const apart of [true, false]) {
      const bench = new Bench();
      const link = bench.connect();
      for (const byte of [0, 1, 2]) bench.publish(byte);
      const newest = identifiers(link, 3)[2];
      if (apart) link.send(puback(newest));
      else link.send(pingresp, puback(newest));
      for (const byte of [3, 4]) bench.publish(byte);
      assert.deepEqual([link.taken(), link.taken()], [[3], [4]]);
      link.fail();
      const again = bench.connect();
      assert.deepEqual([again.taken(), again.taken(), again.taken(), again.taken()], [[0], [1], [3], [4]]);
      again.none();
    }
  });

  it('takes no acknowledgement from within another packet', () => {
    const bench = new Bench();
    const link = bench.connect();
    let done = 0;
    bench.publish(1, 1, () => done++);
    const [id] = identifiers(link, 1);
    const payload = made(puback(id));
    const packet = made(command(payload, 0));
    link.send(packet.subarray(0, packet.length - 4));
    link.send(payload);
    assert.equal(done, 0);
    assert.deepEqual(bench.received, [['rvb1/c1/cmd', [...payload]]]);
    link.send(puback(id));
    assert.equal(done, 1);
  });

  it('ignores acknowledgements of what it has not sent', () => {
    const bench = new Bench();
    const link = bench.connect();
    link.room = false;
    let done = 0;
    bench.publish(1, 1, () => done++);
    bench.publish(2, 1, () => done++);
    const [id] = identifiers(link, 1);
    for (const other of [1, id + 1, id + 2, 65535]) link.send(puback(other));
    assert.deepEqual([done, link.closed], [0, false]);
    link.open();
    assert.deepEqual(link.taken(), [2]);
  });

  it('ignores acknowledgements of what waits for room', () => {
    for (const joined of [false, true]) {
      const bench = new Bench();
      let done = 0;
      for (const byte of [1, 2]) bench.publish(byte, 1, () => done++);
      const link = bench.attempt();
      link.open();
      link.take('connect');
      link.room = false;
      link.send(connack());
      link.take('subscribe');
      link.send(suback([1, 1]));
      assert.equal(bench.uplink.online, true);
      const early = Array.from({ length: 5 }, (_, id) => puback(id + 1));
      if (joined) link.send(...early);
      else for (const packet of early) link.send(packet);
      assert.equal(done, 0);
      link.room = true;
      link.open();
      assert.deepEqual([link.closed, link.taken(), link.taken()], [false, [1], [2]]);
    }
  });

  it('holds 8 messages of QoS 1, refuses the ninth, and takes it when one is acknowledged', () => {
    for (const online of [false, true]) {
      const bench = new Bench();
      if (online) bench.connect();
      for (let byte = 0; byte < 8; byte++) assert.equal(bench.publish(byte), true);
      assert.equal(bench.publish(8), false);
      assert.equal(bench.uplink.publish('other', new Uint8Array(3), 1, false), false);
      const link = online ? bench.link : bench.connect();
      assert.equal(bench.publish(99, 0), true);
      const packets = Array.from({ length: 9 }, () => link.take('publish'));
      assert.deepEqual(
        packets.flatMap(({ payload }) => [...(payload as Buffer)]),
        [0, 1, 2, 3, 4, 5, 6, 7, 99],
      );
      assert.equal(bench.publish(8), false);
      link.send(puback(packets[3].messageId as number));
      assert.equal(bench.publish(8), true);
      assert.equal(bench.publish(9), false);
      assert.deepEqual(link.taken(), [8]);
    }
  });

  it('refuses a payload of 1025 bytes for ever without losing a place', () => {
    const bench = new Bench();
    for (let i = 0; i < 20; i++) assert.equal(bench.uplink.publish('t', new Uint8Array(1025), 1, false), false);
    for (let byte = 0; byte < 8; byte++) assert.equal(bench.publish(byte), true);
  });

  it('uses no identifier twice at a time, never 0, through 140,000 messages of which one stays unacknowledged', () => {
    const bench = new Bench({ keepAlive: 65535 });
    const link = bench.connect();
    bench.publish(0);
    const [stuck] = identifiers(link, 1);
    const flying = new Set([stuck]);
    for (let i = 0; i < 140_000; i++) {
      // Three lengths in turn: no packet fits the next message.
      assert.equal(bench.uplink.publish('t', new Uint8Array(i % 3), 1, false), true);
      const write = link.writes.at(-1) as Buffer;
      const id = write.readUInt16BE(5);
      assert.ok(id > 1 && !flying.has(id), `identifier ${id}`);
      flying.add(id);
      link.packets.length = 0;
      link.writes.length = 0;
      if (flying.size < 5) continue;
      const oldest = [...flying][1];
      flying.delete(oldest);
      link.send(Uint8Array.of(0x40, 2, oldest >> 8, oldest & 255));
    }
  });

  it('takes any number of topics', () => {
    const bench = new Bench();
    const link = bench.connect();
    for (let i = 0; i < 100; i++) {
      const topic = `rvb1/c1/${i % 13}`;
      bench.uplink.publish(topic, Uint8Array.of(i), i % 2 ? 1 : 0, false);
      const packet = link.take('publish');
      assert.deepEqual([packet.topic, ...(packet.payload as Buffer)], [topic, i]);
      if (packet.qos) link.send(puback(packet.messageId as number));
    }
  });

  it('may be called from the callbacks', () => {
    const bench = new Bench();
    const link = bench.connect();
    let depth = 0;
    const again = () => {
      if (++depth < 5) bench.publish(depth, 1, again);
    };
    bench.publish(0, 1, again);
    for (let i = 0; i < 5; i++) acknowledge(link);
    assert.equal(depth, 5);
    bench.onMessage = () => bench.publish(7);
    link.send(command(bytes('01')));
    assert.deepEqual(link.taken(), [7]);
    assert.equal(link.take('puback').messageId, 7);
  });
});

describe('Uplink with other topic filters', () => {
  const granted = (link: ReturnType<Bench['connect']>, filters: string[]) => {
    const { subscriptions, messageId } = link.take('subscribe');
    assert.deepEqual(
      subscriptions.map(({ topic }) => topic),
      filters,
    );
    link.send(suback([1, 1], messageId));
  };

  it('subscribes at once while it is online, and stays so', () => {
    const bench = new Bench();
    const link = bench.connect();
    bench.uplink.subscribe(['a', 'b']);
    granted(link, ['a', 'b']);
    assert.equal(bench.uplink.online, true);
    assert.equal(link.closed, false);
    assert.equal(bench.online, 1);
    bench.publish(5);
    assert.deepEqual(link.taken(), [5]);
  });

  it('closes the stream when the answer comes twice', () => {
    const bench = new Bench();
    const link = bench.connect();
    bench.uplink.subscribe(['a', 'b']);
    granted(link, ['a', 'b']);
    link.send(suback([1, 1], 1));
    assert.equal(link.closed, true);
  });

  it('uses them after the next connection when it is offline, or has no room', () => {
    const bench = new Bench();
    const link = bench.connect();
    link.room = false;
    bench.publish(1);
    bench.uplink.subscribe(['a', 'b']);
    assert.equal(link.closed, true);
    bench.clock.pass(5000);
    const next = bench.links[bench.links.length - 1];
    next.open();
    next.take('connect');
    next.send(connack());
    granted(next, ['a', 'b']);
    assert.equal(bench.uplink.online, true);
  });
});

describe('Uplink waiting for room', () => {
  it('writes nothing more until there is room, then all in order', () => {
    const bench = new Bench();
    const link = bench.connect();
    link.room = false;
    for (const byte of [1, 2, 3]) assert.equal(bench.publish(byte), true);
    assert.equal(bench.publish(4, 0), false);
    assert.deepEqual(link.taken(), [1]);
    link.none();
    link.open();
    assert.deepEqual(link.taken(), [2]);
    link.none();
    link.room = true;
    link.open();
    assert.deepEqual(link.taken(), [3]);
    assert.equal(bench.publish(4, 0), true);
  });

  it('subscribes when there is room for it', () => {
    const bench = new Bench();
    const link = bench.attempt();
    link.room = false;
    link.open();
    link.take('connect');
    link.send(connack());
    link.none();
    link.open();
    link.take('subscribe');
    link.send(suback([1, 1]));
    assert.equal(bench.uplink.online, true);
    bench.publish(1);
    link.none();
    link.open();
    assert.deepEqual(link.taken(), [1]);
  });

  it('keeps 20 acknowledgements for later and comes back when there are more', () => {
    for (const count of [20, 21]) {
      const bench = new Bench();
      const link = bench.connect();
      link.room = false;
      bench.publish(1, 0);
      link.take('publish');
      for (let id = 1; id <= count; id++) link.send(command(bytes('01'), 1, id));
      link.none();
      assert.equal(link.closed, count > 20);
      if (link.closed) continue;
      link.room = true;
      link.open();
      for (let id = 1; id <= count; id++) assert.equal(link.take('puback').messageId, id);
    }
  });
});

describe('Uplink receiving', () => {
  it('hands messages over with their topic, and acknowledges QoS 1 afterwards', () => {
    const bench = new Bench();
    const link = bench.connect();
    bench.onMessage = () => bench.received.length === 1 && link.none();
    link.send(command(bytes('010203')), publish('rvb1/c1/time', bytes('ff'), 0));
    assert.deepEqual(bench.received, [
      ['rvb1/c1/cmd', [1, 2, 3]],
      ['rvb1/c1/time', [255]],
    ]);
    assert.equal(link.take('puback').messageId, 7);
    link.none();
  });

  it('gives topics of bytes 128 to 255 byte by byte, up to 300 of them', () => {
    const bench = new Bench();
    const link = bench.connect();
    for (const topic of ['é', '水', 'ü'.repeat(150)]) {
      link.send(publish(topic, bytes('01'), 0));
      assert.equal(bench.received.at(-1)?.[0], Buffer.from(topic).toString('latin1'));
    }
  });

  it('acknowledges, drops and counts messages longer than 3424 bytes with their topic, and reads the next one', () => {
    const bench = new Bench();
    const link = bench.connect();
    for (const [length, dropped] of [
      [3409, 0],
      [3410, 1],
      [5000, 1],
      [100000, 1],
    ]) {
      bench.received.length = 0;
      const before = bench.uplink.oversize;
      const data = Buffer.concat([command(new Uint8Array(length)), command(bytes('02'), 0)].map(made));
      for (let at = 0; at < data.length; at += 536) link.send(data.subarray(at, at + 536));
      assert.equal(bench.uplink.oversize - before, dropped, `${length} bytes`);
      assert.deepEqual(bench.received.at(-1), ['rvb1/c1/cmd', [2]]);
      assert.equal(bench.received.length, 2 - dropped);
      assert.equal(link.take('puback').messageId, 7);
      link.none();
    }
    link.send(command(new Uint8Array(3500), 0));
    link.none();
    assert.equal(bench.uplink.oversize, 4);
  });

  it('survives 2,000 mutated conversations: bounded memory, and afterwards a sound exchange', () => {
    hostile(2000, generator(4711));
  });
});
