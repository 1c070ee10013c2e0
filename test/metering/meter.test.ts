import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { MeterConfig } from '../../firmware/board.ts';
import { Quantity } from '../../firmware/link/messages.ts';
import { addressOf, type Meters, openMeters, profileOf, quantitiesOf } from '../../firmware/metering/meter.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { type Burst, FakeLine } from './fake-line.ts';
import { latest } from './latest.ts';
import { ServerUnit, sdm120Registers, sealed } from './units.ts';

const compiled = (name: string) =>
  compileProfile(
    JSON.parse(readFileSync(new URL(`../../board-configs/profiles/${name}.json`, import.meta.url), 'utf8')),
  );
const sdm120 = compiled('sdm120');

describe('Meters', () => {
  let bus: FakeLine;
  let meters: Meters;
  let read: number[];
  let servers: Map<number, ServerUnit>;
  /** What becomes of the answer of a unit; the answer itself unless a test says otherwise. */
  let spoil: (unit: number, answer: Uint8Array, request: Uint8Array) => Burst[];

  const meter = (unit: number, more: Partial<MeterConfig> = {}): MeterConfig => ({
    line: 0,
    unit,
    profile: 'sdm120',
    period: 10_000,
    timeout: 300,
    quantities: sdm120.quantities,
    plan: sdm120.plan,
    ...more,
  });

  /** The fixed readings of a unit: its address is in the digits. */
  const fill = (unit: number, volts = 230 + unit) => {
    const { input } = servers.get(unit) as ServerUnit;
    for (const [address, value] of Object.entries(sdm120Registers(volts))) {
      input.writeFloatBE(value, 2 * Number(address));
    }
  };

  const expected = (volts: number) => [10 * volts, 250, 571, 575, -64, -993, 4998, 1234500, 250, 7000];

  const start = async (configs: MeterConfig[]) => {
    bus = new FakeLine();
    read = [];
    servers = new Map(configs.map(({ unit }) => [unit, new ServerUnit()]));
    for (const [unit, server] of servers) {
      await server.ready();
      fill(unit);
    }
    spoil = (_unit, answer) => [{ at: 40 + answer.length * 4, bytes: answer }];
    bus.answer = (request) => {
      const server = servers.get(request[0]);
      return server ? spoil(request[0], server.answer(request), request) : [];
    };
    const schedule = new Schedule(bus.clock, {
      failed(error) {
        throw error;
      },
    });
    const lines = [{ port: 'Serial2', baud: 2400, echo: false }];
    meters = openMeters(bus.hal, schedule, lines, configs, { reading: (index) => void read.push(index) });
  };

  it('know nothing before the first reply: undefined, never zero', async () => {
    await start([meter(1)]);
    assert.equal(meters.count, 1);
    assert.deepEqual(meters.values(0), Array(10).fill(undefined));
    assert.equal(meters.time(0), undefined);
    assert.deepEqual([addressOf(meters, 0), profileOf(meters, 0), meters.failures(0)], [1, 'sdm120', 0]);
    assert.deepEqual(quantitiesOf(meters, 0), sdm120.quantities);
  });

  it('read all 10 quantities of an SDM120 played by jsmodbus with 2 requests', async () => {
    await start([meter(1)]);
    bus.clock.run(2000);
    assert.equal(bus.sent.length, 2);
    assert.deepEqual(meters.values(0), expected(231));
    assert.deepEqual(read, [0]);
    assert.ok(Math.abs((meters.time(0) as number) - bus.sent[1].end - 40 - 21 * 4) < 1e-6);
  });

  it('poll 3 units of one line every 10 s, each with its own values', async () => {
    await start([meter(1), meter(2), meter(3)]);
    bus.clock.run(30_900);
    assert.deepEqual(read, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    for (const i of [0, 1, 2]) assert.deepEqual(meters.values(i), expected(231 + i));
    bus.clock.run(60_000);
    const starts = bus.sent.filter(({ bytes }) => bytes[0] === 2 && bytes[3] === 0).map(({ start }) => start);
    for (let i = 1; i < starts.length; i++) assert.ok(Math.abs(starts[i] - starts[i - 1] - 10_000) < 50);
  });

  it('read a SEN0644 played by jsmodbus beside an SDM120 on one line, and know 35.2 lx no longer when it is unplugged', async () => {
    const sensor = { ...compiled('sen0644'), profile: 'sen0644' };
    await start([meter(1), meter(2, sensor)]);
    (servers.get(2) as ServerUnit).holding.writeUInt32BE(35_249, 4);
    bus.clock.run(12_000);
    assert.deepEqual([quantitiesOf(meters, 1), meters.values(1)], [[10], [352]]);
    assert.deepEqual(meters.values(0), expected(231));
    assert.equal(latest(meters, 1, Quantity.Illuminance), 352);
    assert.equal(latest(meters, 0, Quantity.Frequency), 4998);
    assert.equal(latest(meters, 0, Quantity.Illuminance), undefined);
    spoil = (unit, answer) => (unit === 2 ? [] : [{ at: 40 + answer.length * 4, bytes: answer }]);
    bus.clock.run(12_000);
    assert.deepEqual(meters.values(1), [352]);
    assert.equal(latest(meters, 1, Quantity.Illuminance), undefined);
  });

  it('are read again 3 s after the lamp has changed, and otherwise once a minute', async () => {
    await start([meter(1, { period: 60_000 })]);
    bus.clock.run(20_000);
    assert.equal(read.length, 1);
    meters.hurry();
    bus.clock.run(2999);
    assert.equal(read.length, 1);
    bus.clock.run(2000);
    assert.equal(read.length, 2);
    bus.clock.run(55_000);
    assert.equal(read.length, 2);
    bus.clock.run(10_000);
    assert.equal(read.length, 3);
  });

  it('are read every 3 s at least, not never, while the lamp changes every 2 s', async () => {
    await start([meter(1, { period: 60_000 }), meter(2, { period: 10_000 })]);
    for (let change = 0; change < 60; change++) {
      bus.clock.run(2000);
      meters.hurry();
    }
    const count = (unit: number) => read.filter((index) => index === unit).length;
    assert.ok(count(0) >= 25 && count(1) >= 25, `${count(0)} and ${count(1)} readings in 120 s`);
  });

  it('of a unit that does not answer are not hurried', async () => {
    await start([meter(1)]);
    spoil = () => [];
    bus.clock.run(120_000);
    assert.ok(meters.failures(0) >= 5);
    const asked = bus.sent.length;
    meters.hurry();
    bus.clock.run(5000);
    assert.equal(bus.sent.length, asked);
  });

  it('are all read at once when somebody asks, the silent ones last, and are busy until then', async () => {
    await start([meter(1, { period: 60_000 }), meter(2, { period: 60_000 })]);
    spoil = (unit, answer) => (unit === 1 ? [] : [{ at: 40 + answer.length * 4, bytes: answer }]);
    bus.clock.run(600_000);
    assert.ok(meters.failures(0) >= 5);
    bus.clock.run(3000);
    while (meters.busy(bus.clock.uptime())) bus.clock.run(10);
    const asked = bus.sent.length;
    meters.hurry(0);
    assert.equal(meters.busy(bus.clock.uptime()), true);
    bus.clock.run(10);
    let waited = 10;
    for (; meters.busy(bus.clock.uptime()); waited += 10) bus.clock.run(10);
    const units = bus.sent.slice(asked).map(({ bytes }) => bytes[0]);
    assert.equal(units.at(-1), 1);
    assert.ok(units.length > 1 && units.slice(0, -1).every((unit) => unit === 2), units.join());
    assert.ok(bus.clock.uptime() - (meters.time(1) ?? 0) < waited && waited < 4000, `${waited} ms`);
  });

  it('poll two lines side by side, each its own units', async () => {
    await start([meter(1)]);
    const first = new FakeLine();
    const other = new FakeLine();
    const hal = {
      clock: first.clock,
      openSerial: (options: { port: string }) =>
        (options.port === 'A' ? first.hal : other.hal).openSerial(options as never),
    };
    other.clock = first.clock;
    first.answer = bus.answer;
    other.answer = bus.answer;
    servers.set(7, new ServerUnit());
    await servers.get(7)?.ready();
    fill(7);
    const schedule = new Schedule(first.clock, { failed: (error) => assert.fail(String(error)) });
    const lines = ['A', 'B'].map((port) => ({ port, baud: 2400, echo: false }));
    const both = openMeters(hal as never, schedule, lines, [meter(7, { line: 1 }), meter(1)], { reading() {} });
    first.clock.run(2000);
    assert.deepEqual([both.values(0)[0], both.values(1)[0]], [2370, 2310]);
    assert.equal(first.sent.length, 2);
    assert.ok(other.sent.every(({ bytes }) => bytes[0] === 7));
  });

  it('keep old values with their old time when a unit is unplugged, and tell after 5 failed polls', async () => {
    await start([meter(1)]);
    bus.clock.run(5000);
    const time = meters.time(0);
    spoil = () => [];
    bus.clock.run(45_000);
    assert.equal(meters.failures(0), 4);
    bus.clock.run(10_000);
    assert.equal(meters.failures(0), 5);
    assert.deepEqual(meters.values(0), expected(231));
    assert.equal(meters.time(0), time);
    assert.deepEqual(read, [0, 0]);
    spoil = (_unit, answer) => [{ at: 300, bytes: answer }];
    fill(1, 228);
    bus.clock.run(62_000);
    assert.equal(meters.failures(0), 0);
    assert.deepEqual(meters.values(0), expected(228));
    assert.deepEqual(read, [0, 0, 0]);
  });

  it('ask a dead unit once a minute with one attempt, and read its neighbours in time', async () => {
    await start([meter(1), meter(2), meter(3)]);
    spoil = (unit, answer) => (unit === 2 ? [] : [{ at: 40 + answer.length * 4, bytes: answer }]);
    const late: number[] = [];
    for (let second = 0; second < 600; second++) {
      bus.clock.run(1000);
      if (second > 5) late.push(bus.clock.now - Math.min(meters.time(0) as number, meters.time(2) as number));
    }
    assert.ok(Math.max(...late) < 13_000, `oldest reading of a neighbour ${Math.max(...late)} ms`);
    const dead = bus.sent.filter(({ bytes }) => bytes[0] === 2);
    assert.equal(dead.filter(({ start }) => start < 60_000).length, 15);
    const later = dead.filter(({ start }) => start > 60_000);
    assert.ok(later.length >= 8 && later.length <= 10, `${later.length}`);
    assert.deepEqual(meters.values(1), Array(10).fill(undefined));
    assert.equal(meters.time(1), undefined);
    assert.equal(meters.failures(1), 5 + later.length);
  });

  it('take a reading whole or not at all: a failed second request leaves the first one out', async () => {
    await start([meter(1)]);
    bus.clock.run(5000);
    fill(1, 200);
    spoil = (_unit, answer, request) => (request[3] === 0 ? [{ at: 300, bytes: answer }] : []);
    bus.clock.run(10_000);
    assert.deepEqual(meters.values(0), expected(231));
    assert.equal(meters.failures(0), 1);
  });

  it('show a quantity as unknown when the unit says NaN or nonsense, and the others as read', async () => {
    await start([meter(1)]);
    const { input } = servers.get(1) as ServerUnit;
    input.writeFloatBE(Number.NaN, 60);
    input.writeFloatBE(1e30, 12);
    bus.clock.run(5000);
    const values = expected(231).map((value, i) => (i === 5 || i === 1 ? undefined : value));
    assert.deepEqual(meters.values(0), values);
  });

  it('count a poll as failed when nothing of it makes sense', async () => {
    await start([meter(1)]);
    bus.clock.run(5000);
    (servers.get(1) as ServerUnit).input.fill(0xff);
    bus.clock.run(10_000);
    assert.deepEqual(meters.values(0), expected(231));
    assert.equal(meters.failures(0), 1);
  });

  it('do not repeat a request that the unit refuses as illegal, and ask a busy unit again after 1 s', async () => {
    await start([meter(1)]);
    spoil = (unit) => [{ at: 200, bytes: sealed([unit, 0x84, 2]) }];
    bus.clock.run(9000);
    assert.deepEqual([bus.sent.length, meters.failures(0)], [1, 1]);
    spoil = (unit) => [{ at: 200, bytes: sealed([unit, 0x84, 6]) }];
    bus.clock.run(2500);
    assert.deepEqual([bus.sent.length, meters.failures(0)], [3, 3]);
    spoil = (_unit, answer) => [{ at: 300, bytes: answer }];
    bus.clock.run(2500);
    assert.deepEqual([meters.values(0), meters.failures(0)], [expected(231), 0]);
  });

  it('never take the answer to one half of the plan for the other, however late the unit is', async () => {
    for (const late of [320, 450, 600, 750, 890, 1000, 1500]) {
      await start([meter(1, { quantities: [0, 2], plan: [20, 4, 0, 2, 1, 0, 148, 1, 4, 12, 2, 1, 0, 660, 1] })]);
      const { input } = servers.get(1) as ServerUnit;
      input.writeFloatBE(100, 24);
      spoil = (_unit, answer) => [{ at: late, bytes: answer }];
      bus.clock.run(200_000);
      const values = meters.values(0);
      if (meters.time(0) !== undefined) assert.deepEqual(values, [2310, 1000]);
    }
  });

  it('hold 3 units on one line with 2 timers at most', async () => {
    await start([meter(1), meter(2), meter(3)]);
    for (let i = 0; i < 100; i++) {
      bus.clock.run(777);
      const own = [...bus.clock.timers.values()].filter(({ run }) => !/onData|busy|done/.test(String(run)));
      assert.ok(own.length <= 2);
    }
  });
});
