import assert from 'node:assert/strict';
import { ModbusLine, type Transaction } from '../../firmware/metering/line.ts';
import { encodeRequest, Fault } from '../../firmware/protocols/modbus.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { FakeLine } from './fake-line.ts';
import { sealed } from './units.ts';

interface Result {
  fault: number;
  reply: number[];
  at: number;
}

describe('Modbus line', () => {
  let bus: FakeLine;
  let line: ModbusLine;
  let errors: unknown[];

  const open = (config: { baud?: number; echo?: boolean } = {}) => {
    bus = new FakeLine();
    errors = [];
    const schedule = new Schedule(bus.clock, { failed: (error) => void errors.push(error) });
    line = new ModbusLine(bus.hal, schedule, {
      port: 'Serial2',
      baud: config.baud ?? 9600,
      echo: config.echo ?? false,
    });
    bus.clock.run(1000);
  };

  const results: Result[] = [];
  const ask = (unit: number, code: number, address: number, value: number, more: Partial<Transaction> = {}) => {
    const request = new Uint8Array(8);
    encodeRequest(request, unit, code, address, value);
    const done = (fault: number, reply: Uint8Array) =>
      results.push({ fault, reply: [...reply.subarray(0, 5 + (code < 5 ? 2 * value : 3))], at: bus.clock.now });
    return line.submit({ request, timeout: 300, gap: 20, retries: 2, done, ...more });
  };
  const faults = () => results.map((result) => result.fault);
  const reply = (unit: number, ...words: number[]) =>
    sealed([unit, 4, 2 * words.length, ...words.flatMap((word) => [word >> 8, word & 255])]);

  beforeEach(() => {
    results.splice(0);
    open();
  });
  afterEach(() => assert.deepEqual(errors, []));

  it('sends a request and gives the reply as soon as it is whole', () => {
    bus.answer = () => [{ at: 40, bytes: reply(1, 2302) }];
    ask(1, 4, 0, 1);
    bus.clock.run(48.4);
    assert.deepEqual(results[0].reply, [...reply(1, 2302)]);
    assert.ok(Math.abs(results[0].at - bus.sent[0].end - 40) < 1e-6);
  });

  it('puts a reply together from chunks of 1 byte that a host sees 50 ms apart', () => {
    bus.answer = () => [...reply(1, 2302)].map((byte, i) => ({ at: 250 + 50 * i, bytes: [byte] }));
    ask(1, 4, 0, 1);
    bus.clock.run(700);
    assert.deepEqual(faults(), [Fault.None]);
    assert.equal(bus.sent.length, 1);
  });

  it('gives up 300 ms and the 8 ms of the reply after a request and repeats it twice, before it reports silence', () => {
    ask(1, 4, 0, 1);
    bus.clock.run(2000);
    assert.deepEqual(faults(), [Fault.Silent]);
    assert.equal(bus.sent.length, 3);
    // A task that asks for another turn at once gets it a millisecond later.
    for (const i of [1, 2]) {
      const late = bus.sent[i].start - bus.sent[i - 1].end - 300 - (7 * 11) / 9.6;
      assert.ok(late > -1e-6 && late < 1 + 1e-6, `${late} ms late`);
    }
  });

  it('repeats a request whose reply was damaged, at once', () => {
    bus.answer = (_request, count) => [{ at: 40, bytes: count === 1 ? [1, 4, 2, 8, 255, 0, 0] : reply(1, 7) }];
    ask(1, 4, 0, 1);
    bus.clock.run(200);
    assert.deepEqual(faults(), [Fault.None]);
    assert.equal(bus.sent.length, 2);
    assert.ok(bus.sent[1].start - bus.sent[0].end - 40 < 10);
  });

  it('counts half a reply as damaged when it does not go on', () => {
    bus.answer = () => [{ at: 290, bytes: reply(1, 7).subarray(0, 4) }];
    ask(1, 4, 0, 1, { retries: 0 });
    bus.clock.run(345);
    assert.deepEqual(faults(), []);
    bus.clock.run(20);
    assert.deepEqual(faults(), [Fault.Corrupt]);
  });

  it('reports an exception with its code and does not repeat the request', () => {
    bus.answer = () => [{ at: 30, bytes: sealed([1, 0x84, 2]) }];
    ask(1, 4, 0, 60);
    bus.clock.run(500);
    assert.deepEqual(faults(), [Fault.IllegalAddress]);
    assert.equal(bus.sent.length, 1);
  });

  for (const [baud, silence] of [
    [1200, 32.083],
    [9600, 4.0104],
    [19200, 2.0052],
    [38400, 1.75],
    [115200, 1.75],
  ]) {
    it(`waits for ${silence} ms of silence at ${baud} baud, t3.5`, () => {
      open({ baud });
      bus.deliver([0x55], 10);
      bus.clock.run(10);
      ask(1, 4, 0, 1);
      bus.clock.run(100);
      const waited = bus.sent[0].start - 1010;
      assert.ok(waited >= silence - 0.001 && waited < silence + 0.001, `${waited} ms`);
    });
  }

  it('leaves the gap that the unit wants after a reply: 20 ms, or 150', () => {
    bus.answer = (request) => [{ at: 40, bytes: reply(request[0], 7) }];
    ask(1, 4, 0, 1);
    ask(2, 4, 0, 1, { gap: 150 });
    ask(1, 4, 0, 1);
    bus.clock.run(1000);
    assert.deepEqual(faults(), [0, 0, 0]);
    const gaps = [1, 2].map((i) => Math.round(bus.sent[i].start - bus.sent[i - 1].end - 40));
    assert.deepEqual(gaps, [20, 150]);
  });

  it('has one transaction at a time in the order of submission, and refuses the ninth that waits', () => {
    bus.answer = (request) => [{ at: 40, bytes: reply(request[0], request[0]) }];
    for (let unit = 1; unit <= 8; unit++) assert.equal(ask(unit, 4, 0, 1), true);
    assert.equal(ask(9, 4, 0, 1), false);
    bus.clock.run(2000);
    assert.deepEqual(
      bus.sent.map((sent) => sent.bytes[0]),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.deepEqual(
      results.map((result) => result.reply[4]),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    for (let i = 1; i < 8; i++) assert.ok(bus.sent[i].start > bus.sent[i - 1].end + 40);
  });

  it('takes its own echo off by count, in one chunk with the reply or byte by byte', () => {
    open({ echo: true });
    bus.answer = () => [{ at: 40, bytes: reply(1, 7) }];
    ask(1, 4, 0, 1);
    bus.clock.run(500);
    assert.deepEqual(faults(), [Fault.None]);
    // A write's echo looks like its confirmation: only the second copy counts.
    bus.answer = () => [];
    ask(1, 6, 2, 3, { retries: 0 });
    bus.clock.run(500);
    assert.deepEqual(faults(), [Fault.None, Fault.Silent]);
    bus.answer = (request) => [{ at: 40, bytes: request }];
    ask(1, 6, 2, 3);
    bus.clock.run(1000);
    assert.deepEqual(faults(), [Fault.None, Fault.Silent, Fault.None]);
  });

  it('sends a broadcast, expects nothing and leaves the units 150 ms to obey', () => {
    bus.answer = (request) => (request[0] === 0 ? [] : [{ at: 40, bytes: reply(1, 7) }]);
    ask(0, 6, 0, 1, { timeout: 150, gap: 0 });
    ask(1, 4, 0, 1);
    bus.clock.run(500);
    assert.deepEqual(faults(), [Fault.None, Fault.None]);
    assert.equal(bus.sent.length, 2);
    assert.ok(bus.sent[1].start - bus.sent[0].end >= 150);
  });

  it('finds the reply behind a glitch of up to 20 bytes, and behind the late answer of another unit', () => {
    for (const noise of [[0], [0xff, 0], [1], [4, 1], Array(20).fill(0x55), [...reply(2, 9)]]) {
      bus.answer = () => [
        { at: 20, bytes: noise },
        { at: 60, bytes: reply(1, 7) },
      ];
      ask(1, 4, 0, 1, { retries: 0 });
      bus.clock.run(2000);
      assert.equal(results.at(-1)?.fault, Fault.None, `noise ${noise}`);
      assert.deepEqual(results.at(-1)?.reply, [...reply(1, 7)]);
    }
  });

  it('is not deaf after noise between transactions', () => {
    for (let i = 0; i < 50; i++) bus.deliver([i, 1, 4], 10 * i);
    bus.clock.run(600);
    bus.answer = () => [{ at: 40, bytes: reply(1, 7) }];
    ask(1, 4, 0, 1);
    bus.clock.run(100);
    assert.deepEqual(faults(), [Fault.None]);
  });

  it('waits 10 s for a line that never falls silent, then reports it busy and goes on', () => {
    const babble = () => {
      if (bus.clock.now < 15_000) bus.deliver([0x33], 1);
      if (bus.clock.now < 15_000) bus.clock.after(1, babble);
    };
    babble();
    bus.clock.run(10);
    bus.answer = () => [{ at: 40, bytes: reply(1, 7) }];
    ask(1, 4, 0, 1);
    ask(1, 4, 0, 1);
    bus.clock.run(30_000);
    assert.deepEqual(faults(), [Fault.Busy, Fault.None]);
    assert.ok(results[0].at > 11_000 && results[0].at < 11_100);
    assert.equal(bus.sent.length, 1);
  });

  it('ends an attempt in bounded time while noise goes on for ever, with its buffer of 256 bytes full', () => {
    const babble = () => {
      bus.deliver(Array(40).fill(0x33), 1);
      bus.clock.after(20, babble);
    };
    bus.answer = (_request, count) => {
      if (count === 1) babble();
      return [];
    };
    ask(1, 4, 0, 125, { retries: 0 });
    bus.clock.run(5000);
    assert.equal(results.length, 1);
    assert.ok(results[0].fault < 0);
  });

  // The answers of one unit that is late, to requests that look alike except for the address.
  for (let late = 310; late <= 900; late += 59) {
    it(`never takes an answer that comes after ${late} ms for the answer of another request`, () => {
      bus.answer = (request) => [{ at: late, bytes: reply(1, 1000 + request[3]) }];
      const asked: number[] = [];
      const askNext = (address: number) => {
        asked.push(address);
        ask(1, 4, address, 1, {
          done: (fault, data) => {
            results.push({ fault, reply: [address, 256 * data[3] + data[4]], at: bus.clock.now });
            if (address < 20) askNext(address + 1);
          },
        });
      };
      askNext(0);
      bus.clock.run(60_000);
      assert.equal(results.length, 21);
      for (const { fault, reply: pair } of results) if (fault === Fault.None) assert.equal(pair[1], 1000 + pair[0]);
    });
  }

  it('does not make another unit wait for the outstanding answers of a silent one', () => {
    bus.answer = (request) => (request[0] === 2 ? [{ at: 40, bytes: reply(2, 7) }] : []);
    ask(1, 4, 0, 1);
    ask(2, 4, 0, 1);
    ask(1, 4, 0, 1, { retries: 0 });
    bus.clock.run(5000);
    assert.deepEqual(faults(), [Fault.Silent, Fault.None, Fault.Silent]);
    assert.ok(bus.sent[3].start - results[0].at < 5);
    assert.ok(bus.sent[4].start - results[0].at >= 900);
  });

  it('hears a reply that is there before the driver has reported the end of the transmission', () => {
    bus.lateDone = 50;
    bus.answer = (request) => [{ at: 5, bytes: reply(request[0], 7) }];
    ask(1, 4, 0, 1);
    ask(2, 4, 0, 1);
    bus.clock.run(500);
    assert.deepEqual(faults(), [Fault.None, Fault.None]);
  });

  it('recovers from a driver that loses the end of a transmission', () => {
    bus.deaf = true;
    ask(1, 4, 0, 1, { retries: 0 });
    bus.clock.run(5000);
    assert.deepEqual(faults(), [Fault.Silent]);
    ask(1, 4, 0, 1, { retries: 0 });
    bus.clock.run(20_000);
    assert.deepEqual(faults(), [Fault.Silent, Fault.Busy]);
    // This driver throws for ever: the caller learns of it, and the attempt counts as silent.
    assert.throws(() => ask(1, 4, 0, 1, { retries: 0 }), /write before done/);
    bus.clock.run(20_000);
    assert.deepEqual(faults(), [Fault.Silent, Fault.Busy, Fault.Silent]);
  });

  it('goes on when `done` throws, and `done` may submit the next transaction', () => {
    bus.answer = (request) => [{ at: 40, bytes: reply(request[0], 7) }];
    ask(1, 4, 0, 1, {
      done: () => {
        ask(3, 4, 0, 1);
        throw new Error('from done');
      },
    });
    ask(2, 4, 0, 1);
    bus.clock.run(500);
    assert.deepEqual(
      results.map((result) => result.reply[0]),
      [2, 3],
    );
    assert.match(String(errors.pop()), /from done/);
  });
});
