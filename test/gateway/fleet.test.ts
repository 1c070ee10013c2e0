import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import fc from 'fast-check';
import { connectAsync } from 'mqtt';
import { CommandKind, Leaf, Reason } from '../../firmware/link/messages.ts';
import { LONGEST_PACKET } from '../../gateway/broker.ts';
import { Clock } from '../../gateway/clock.ts';
import { Fleet } from '../../gateway/fleet.ts';
import { decodeAck, decodeBirth, decodeLink, decodeReport } from '../../gateway/wire.ts';
import { birth, decoder, encode, Rig, report, T0, UNIT } from './rig.ts';

/** A fleet without a broker. */
function bench() {
  const log: string[] = [];
  const sent: [string, Buffer][] = [];
  let now = T0;
  const clock = new Clock(() => now);
  const fleet = new Fleet(
    clock,
    (topic, payload) => sent.push([topic, payload as Buffer]),
    (line) => log.push(line),
  );
  const receive = (leaf: string, value: unknown) => fleet.receive(`rvb1/a/${leaf}`, encode(value), false);
  const run = (ms: number) => {
    now += ms;
    clock.tick();
  };
  return { fleet, clock, log, sent, receive, run };
}

describe('messages from the field', () => {
  const hostile: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['a truncated map', Buffer.from('a1', 'hex')],
    ['an array that claims 4,294,967,295 items', Buffer.from('9affffffff', 'hex')],
    ['a map that claims 2^64 pairs', Buffer.from('bbffffffffffffffff00', 'hex')],
    ['a text that claims 2 GiB', Buffer.from('7a80000000', 'hex')],
    ['2,000 nested arrays', Buffer.concat([Buffer.alloc(2000, 0x81), Buffer.from([0])])],
    ['an indefinite array', Buffer.from('9f01ff', 'hex')],
    ['a tagged value', Buffer.from('c11a514b67b0', 'hex')],
    ['a record definition of cbor-x', Buffer.from('d9dfff83191234816161820102', 'hex')],
    ['bytes after the end', Buffer.concat([encode(new Map([[0, 1]])), Buffer.from([0])])],
    ['5,000 bytes', encode('x'.repeat(5000))],
    ['text instead of a map', encode('birth')],
    ['a map with text keys', encode(new Map([['__proto__', 1]]))],
  ];
  for (const [name, payload] of hostile) {
    it(`refuses ${name}`, () => {
      for (const decode of [decodeBirth, decodeReport, decodeAck, decodeLink]) {
        const result = decode(payload);
        // A report may be empty; no other message may be anything of this.
        if (name === 'a map with text keys' && decode === (decodeReport as unknown)) assert.deepEqual(result, {});
        else assert.ok(result instanceof Error);
      }
    });
  }

  it('refuses births and reports with one value out of its range, and takes unknown keys', () => {
    for (const [key, value] of Object.entries({
      0: 2,
      1: '',
      2: 5,
      3: -1,
      4: 5,
      5: 2,
      6: 101,
      7: [[1, 'x', [30]]],
      9: -1,
    })) {
      assert.ok(decodeBirth(encode(birth({ [key]: value }))) instanceof Error, `birth ${key}`);
      assert.ok(decodeBirth(encode(birth({ [key]: undefined }))) instanceof Error, `birth without ${key}`);
    }
    for (const [key, value] of Object.entries({
      0: -1,
      1: 1e10,
      3: 101,
      4: 50.5,
      5: 7,
      6: 'x'.repeat(65),
      8: '0',
      10: [[]],
    })) {
      assert.ok(decodeReport(encode(report({ [key]: value }))) instanceof Error, `report ${key}`);
    }
    assert.ok(!(decodeBirth(encode(birth({ 99: 'new' }))) instanceof Error));
    assert.ok(!(decodeReport(encode(report({ 99: [1] }))) instanceof Error));
    assert.deepEqual(decodeReport(Buffer.from('a0', 'hex')), {});
  });

  it('survives 2,000 mutated births and reports with its state intact', () => {
    const { fleet, clock, receive } = bench();
    receive(Leaf.Birth, birth());
    receive(Leaf.Report, report());
    const golden = [encode(birth()), encode(report())].map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(
        fc.constantFrom(...golden),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(Leaf.Birth, Leaf.Report, Leaf.Ack, Leaf.Link),
        (bytes, changes, leaf) => {
          const mutant = Buffer.from(bytes);
          for (const [at, value] of changes) mutant[at % mutant.length] = value;
          fleet.receive(`rvb1/a/${leaf}`, mutant, false);
          fleet.receive(`rvb1/b/${leaf}`, mutant.subarray(0, changes[0][0] % mutant.length), false);
          const { birth: born, readings } = fleet.controllers.get('a') as NonNullable<
            ReturnType<typeof fleet.controllers.get>
          >;
          assert.equal(readings.length, born.units.length);
          readings.forEach((unit, i) => {
            assert.equal(unit.length, born.units[i][2].length);
          });
        },
      ),
      { numRuns: 2000, seed: 20260504 },
    );
    assert.ok(fleet.controllers.size <= 2);
    assert.ok(fleet.dropped > 1000);
    clock.close();
  });

  it('logs at most 20 bad messages a minute', () => {
    const { fleet, clock, log, run } = bench();
    for (let i = 0; i < 100; i++) fleet.receive('rvb1/a/report', Buffer.from([0xff]), false);
    assert.equal(log.length, 20);
    run(60000);
    fleet.receive('rvb1/a b/birth', encode(birth()), false);
    assert.equal(log.length, 21);
    assert.equal(fleet.dropped, 101);
    clock.close();
  });

  it('drops a report before its birth, of an earlier boot, overtaken, or with units that were not announced', () => {
    const { fleet, clock, receive } = bench();
    receive(Leaf.Report, report());
    assert.equal(fleet.controllers.size, 0);
    receive(Leaf.Birth, birth());
    const level = () => fleet.controllers.get('a')?.state?.level;
    receive(Leaf.Report, report({ 0: 5, 3: 50 }));
    receive(Leaf.Report, report({ 0: 4, 3: 40 }));
    receive(Leaf.Report, report({ 0: 5, 3: 30 }));
    receive(Leaf.Report, report({ 0: 9, 3: 20, 7: 6 }));
    receive(Leaf.Report, report({ 0: 10, 3: 10, 10: [[1, 2]] }));
    receive(Leaf.Report, report({ 0: 11, 3: 11, 10: [null, null] }));
    assert.equal(level(), 50);
    receive(Leaf.Birth, birth({ 3: 8 }));
    receive(Leaf.Report, report({ 0: 1, 3: 60, 7: 8 }));
    assert.equal(level(), 60);
    clock.close();
  });

  it('keeps readings over a restart, and forgets them when the units change', () => {
    const { fleet, clock, receive } = bench();
    receive(Leaf.Birth, birth());
    receive(Leaf.Report, report());
    receive(Leaf.Birth, birth({ 3: 8 }));
    assert.deepEqual(fleet.controllers.get('a')?.readings[0][0], { value: 2315, time: T0 - 12000 });
    receive(Leaf.Birth, birth({ 7: [UNIT, UNIT] }));
    assert.equal(fleet.controllers.get('a')?.readings[0][0], undefined);
    clock.close();
  });

  it('takes the arrival as the time of a report without a clock', () => {
    const { fleet, clock, receive, run } = bench();
    receive(Leaf.Birth, birth());
    run(5000);
    receive(Leaf.Report, report({ 1: undefined, 8: undefined }));
    const { state, readings } = fleet.controllers.get('a') ?? {};
    assert.equal(state?.time, T0 + 5000);
    assert.equal(state?.timed, false);
    assert.equal(readings?.[0][0]?.time, T0 - 7000);
    run(1000);
    receive(Leaf.Report, report({ 0: 2, 1: undefined, 8: undefined }));
    assert.equal(fleet.controllers.get('a')?.state?.since, T0 + 5000, 'the same command is in action');
    clock.close();
  });
});

describe('a command for a group', () => {
  const group = () => {
    const made = bench();
    const { fleet } = made;
    for (const id of ['a', 'b', 'c']) {
      fleet.receive(`rvb1/${id}/birth`, encode(birth({ 14: id === 'c' ? [] : [7] })), false);
      fleet.receive(`rvb1/${id}/link`, encode(1), false);
    }
    const told = () => made.sent.splice(0).map(([topic, payload]) => [topic, decoder.decode(payload)]);
    return { ...made, told };
  };
  const order = { kind: CommandKind.Override, level: 40 };
  const numberOf = ([, command]: (string | Map<number, number>)[]) => (command as Map<number, number>).get(0) as number;
  const map = (number: number, ...more: [number, unknown][]) =>
    new Map<number, unknown>([[0, number], [1, CommandKind.Override], [2, 40], ...more]);

  it('is obeyed by all 2 s later, also by who hears it alone, and at once by whom it reaches late', () => {
    const { fleet, clock, run, told } = group();
    run(40_030);
    void fleet.submitGroup([7], ['a', 'b', 'c'], order);
    // T0 is at a whole minute.
    const first = told();
    const number = numberOf(first[0]);
    assert.deepEqual(first, [
      ['rvb1/c/cmd', map(number, [13, 421])],
      ['rvb1c/7', map(number, [13, 421])],
    ]);
    run(5000);
    assert.deepEqual(
      told(),
      ['a', 'b', 'c'].map((id) => [`rvb1/${id}/cmd`, map(number)]),
    );
    clock.close();
  });

  it('waits for nobody when it is for one lamp, or has a start of its own', () => {
    const { fleet, clock, told } = group();
    const start = T0 / 1000 + 60;
    void fleet.submitGroup([7], ['a'], order);
    void fleet.submitGroup([7], ['a', 'b'], { ...order, start });
    const all = told();
    const [one, other] = all.map(numberOf);
    assert.deepEqual(all, [
      ['rvb1/a/cmd', map(one)],
      ['rvb1c/7', map(other, [3, start])],
    ]);
    assert.notEqual(one, other);
    clock.close();
  });

  it('has a number that no gateway before had, whatever the time was then', () => {
    const numbers = new Set<number>();
    for (let restart = 0; restart < 50; restart++) {
      const { fleet, clock, told } = group();
      for (let i = 0; i < 8; i++) void fleet.submitGroup([], ['a'], order);
      for (const one of told()) numbers.add(numberOf(one));
      clock.close();
    }
    assert.equal(numbers.size, 50 * 8);
  });

  it('is acknowledged with what is in action then', async () => {
    const { fleet, clock, receive, told } = group();
    const [outcome] = fleet.submitGroup([], ['a'], order);
    const number = numberOf(told()[0]);
    receive(
      Leaf.Ack,
      new Map([
        [0, number],
        [1, 0],
        [2, 55],
        [3, 6],
      ]),
    );
    assert.equal(await outcome, 'done');
    const expected = { number, level: 55, reason: Reason.Test, time: T0 };
    assert.deepEqual(fleet.controllers.get('a')?.applied, expected);
    clock.close();
  });
});

describe('time and link', () => {
  it('tells the time at once to a controller that asks, with what it has asked with', async () => {
    const rig = await Rig.start({ now: () => T0 + 250.7 });
    const controller = await rig.join('PAR-0001');
    await controller.send(Leaf.Ask, 4294967295);
    await controller.until(() => controller.times.length === 2);
    const told = (echo: number) =>
      new Map([
        [0, T0 / 1000],
        [1, 250],
        [2, echo],
      ]);
    assert.deepEqual(controller.times, [told(5000), told(4294967295)]);
    await rig.close();
  });

  it('tells the time to nobody who has not asked', () => {
    const { fleet, sent, clock, receive, run } = bench();
    receive(Leaf.Birth, birth());
    receive(Leaf.Link, 1);
    run(3600000);
    assert.deepEqual(sent, []);
    receive(Leaf.Ask, 4294967296);
    receive(Leaf.Ask, -1);
    assert.deepEqual([sent, fleet.dropped], [[], 2]);
    clock.close();
  });

  it('takes a link that comes before its birth', () => {
    const { fleet, clock, receive } = bench();
    receive(Leaf.Link, 1);
    receive(Leaf.Birth, birth());
    assert.equal(fleet.controllers.get('a')?.online, true);
    fleet.lose();
    assert.equal(fleet.controllers.get('a')?.online, false);
    clock.close();
  });

  it('finds retained births and links of controllers that came before the gateway', async () => {
    const first = await Rig.start();
    const { brokerPort } = first.gateway;
    await first.join('PAR-0001');
    const second = await Rig.start({ brokerUrl: `mqtt://127.0.0.1:${brokerPort}` });
    await second.during(
      () => second.gateway.fleet.controllers.get('PAR-0001')?.online === true,
      () => {},
    );
    assert.equal((await second.call('GET', '/devices/count')).body, 2);
    await second.close();
    await first.close();
  });
});

describe('the embedded broker', () => {
  it(`ends a connection that announces a packet of more than ${LONGEST_PACKET} bytes, and serves the others`, async () => {
    const rig = await Rig.start();
    const url = `mqtt://127.0.0.1:${rig.gateway.brokerPort}`;
    const greedy = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
    const closed = new Promise<void>((resolve) => greedy.once('close', () => resolve()));
    greedy.publish('rvb1/a/report', Buffer.alloc(LONGEST_PACKET + 1));
    await closed;
    const raw = connect(rig.gateway.brokerPort, '127.0.0.1');
    // CONNECT with a remaining length of 256 MiB, and no more.
    raw.write(Buffer.from('10ffffff7f', 'hex'));
    await new Promise((resolve) => raw.once('close', resolve));
    await rig.join('PAR-0001');
    await rig.close();
  });

  it('takes a packet of 16 KiB in one-byte pieces', async () => {
    const rig = await Rig.start();
    const watcher = await connectAsync(`mqtt://127.0.0.1:${rig.gateway.brokerPort}`, { protocolVersion: 4 });
    await watcher.subscribeAsync('test');
    const arrived = new Promise<Buffer>((resolve) => watcher.once('message', (_topic, payload) => resolve(payload)));
    const raw = connect(rig.gateway.brokerPort, '127.0.0.1');
    raw.setNoDelay(true);
    const payload = Buffer.alloc(300, 7);
    const publish = Buffer.concat([Buffer.from([0x30, 0xb2, 0x02, 0, 4]), Buffer.from('test'), payload]);
    const bytes = Buffer.concat([Buffer.from('100d00044d5154540402003c000131', 'hex'), publish]);
    for (const byte of bytes) raw.write(Buffer.from([byte]));
    assert.deepEqual(await arrived, payload);
    raw.destroy();
    await watcher.endAsync(true);
    await rig.close();
  });
});

describe('starting', () => {
  const occupy = async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, port: (server.address() as { port: number }).port };
  };

  it('names an occupied port, and leaves nothing open', async () => {
    const { server, port } = await occupy();
    await assert.rejects(Rig.start({ port }), new RegExp(`port ${port} \\(TALQ API\\) is occupied`));
    await assert.rejects(Rig.start({ brokerPort: port }), new RegExp(`port ${port} \\(MQTT broker\\) is occupied`));
    server.close();
  });

  it('stays on loopback in open test mode and says which mode it is in', async () => {
    await assert.rejects(Rig.start({ host: '0.0.0.0' }), /0\.0\.0\.0 needs --insecure-http/);
    const rig = await Rig.start({ host: '0.0.0.0', insecureHttp: true });
    assert.ok(rig.log.some((line) => line.startsWith('open test mode')));
    assert.match(rig.gateway.url, /^http:\/\/127\.0\.0\.1:\d+\/talq\/gateway$/);
    await rig.close();
  });
});
