import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CommandKind, Counter, EventCode, Leaf } from '../../firmware/link/messages.ts';
import { Clock } from '../../gateway/clock.ts';
import { type ControllerEvent, Fleet, memoryOf, type Samples } from '../../gateway/fleet.ts';
import { Once } from '../../gateway/once.ts';
import { batch, birth, encode, event, report, T0 } from './rig.ts';

/** A fleet without a broker, and one controller that tells events. */
function bench(born = birth({ 12: [0, 8, 13, 15] })) {
  const log: string[] = [];
  const sent: Buffer[] = [];
  const events: ControllerEvent[] = [];
  const samples: Samples[] = [];
  let now = T0;
  const clock = new Clock(() => now);
  const fleet = new Fleet(
    clock,
    (_topic, payload) => sent.push(payload as Buffer),
    (line) => log.push(line),
  );
  fleet.onEvents((_controller, told) => events.push(...told));
  fleet.onSamples((_controller, told) => samples.push(told));
  const receive = (leaf: string, value: unknown) => fleet.receive(`rvb1/a/${leaf}`, encode(value), false);
  receive(Leaf.Birth, born);
  receive(Leaf.Link, 1);
  const run = (ms: number) => {
    now += ms;
    clock.tick();
  };
  const controller = () => {
    const found = fleet.controllers.get('a');
    assert.ok(found);
    return found;
  };
  after(() => clock.close());
  return { fleet, log, sent, events, samples, receive, run, controller };
}

const numbers = (events: ControllerEvent[]) => events.map(({ epoch, number }) => `${epoch}.${number}`);

describe('events of controllers', () => {
  it('are told once each with their time and evidence, however often they come', () => {
    const { events, receive, controller } = bench();
    const first = event();
    const second = event({ 0: 2, 1: EventCode.Sag, 2: 2, 4: T0 / 1000 - 30, 12: 3, 13: 1710 });
    receive(Leaf.Event, [7, first]);
    receive(Leaf.Event, [7, first, second]);
    receive(Leaf.Event, [7, second, first]);
    assert.deepEqual(events, [
      {
        epoch: 7,
        number: 1,
        code: EventCode.LampFailure,
        phase: 'start',
        uptime: 3000,
        time: T0 - 600_000,
        timed: true,
        level: 70,
        voltage: 2315,
        current: 12,
        power: 8,
        temperature: 415,
      },
      {
        epoch: 7,
        number: 2,
        code: EventCode.Sag,
        phase: 'instant',
        uptime: 3000,
        time: T0 - 30_000,
        timed: true,
        level: 70,
        voltage: 2315,
        current: 12,
        power: 8,
        temperature: 415,
        first: 3,
        second: 1710,
      },
    ]);
    assert.equal(controller().events.missing, 0);
  });

  it('that are missing are counted, and taken when they come late', () => {
    const { events, receive, controller } = bench();
    receive(Leaf.Event, [7, event({ 0: 5 })]);
    assert.equal(controller().events.missing, 4);
    receive(Leaf.Event, [7, event({ 0: 2 }), event({ 0: 3 })]);
    assert.equal(controller().events.missing, 2);
    receive(Leaf.Event, [7, event({ 0: 2 })]);
    receive(Leaf.Event, [8, event({ 0: 2 })]);
    assert.deepEqual(numbers(events), ['7.5', '7.2', '7.3', '8.2']);
    assert.equal(controller().events.missing, 3);
  });

  it('count once over a restart of the gateway, by what it stored', () => {
    const { receive, controller } = bench();
    receive(Leaf.Event, [7, event(), event({ 0: 4 })]);
    const stored = JSON.parse(JSON.stringify(memoryOf(controller())));
    const next = bench();
    next.fleet.restore('a', controller().birth, T0, stored);
    next.receive(Leaf.Event, [7, event(), event({ 0: 3 }), event({ 0: 4 }), event({ 0: 5 })]);
    assert.deepEqual(numbers(next.events), ['7.3', '7.5']);
    assert.deepEqual(next.controller().conditions.get(0, null)?.time, T0 - 600_000);
  });

  it('of another board in the same place count by its epoch, whichever is greater, and its boots are others', () => {
    const undated = [...event({ 3: 10, 4: null }), null, null, 7];
    for (const boot of [7, 2]) {
      const { events, receive, run } = bench();
      receive(Leaf.Report, report({ 1: undefined, 2: 100, 8: undefined }));
      receive(Leaf.Event, [700, undated]);
      run(1_000_000);
      receive(Leaf.Birth, new Map([...birth({ 3: boot, 12: [0] }), [15, Buffer.alloc(8, 1)]]));
      receive(Leaf.Report, report({ 0: 1, 1: undefined, 2: 20, 7: boot, 8: undefined }));
      receive(Leaf.Event, [30, undated.with(14, boot)]);
      receive(Leaf.Event, [700, undated, event({ 0: 2 })]);
      assert.deepEqual(numbers(events), ['700.1', '30.1', '700.2']);
      assert.equal(events[1].time - events[0].time, 1_080_000, `boot ${boot}`);
    }
  });

  it('without a clock get the time at which the boot began and their uptime; of an earlier boot, when it was over at the latest', () => {
    const { events, receive, run } = bench();
    // The report says: up for 3600 s. It took 5 s to come.
    run(5000);
    receive(Leaf.Report, report({ 1: undefined, 8: undefined }));
    run(60_000);
    const undated = (number: number, uptime: number, boot: number) => [
      ...event({ 0: number, 3: uptime, 4: null }),
      null,
      null,
      boot,
    ];
    receive(Leaf.Event, [9, undated(1, 3600, 7), undated(2, 3610, 7)]);
    receive(Leaf.Event, [8, undated(9, 500, 6), undated(10, 600, 6)]);
    const began = T0 + 5000 - 3_600_000;
    assert.deepEqual(
      events.map(({ time, timed }) => [time, timed]),
      [
        [T0 + 5000, false],
        [T0 + 15_000, false],
        [began - 100_000, false],
        [began, false],
      ],
    );
  });

  it('without a clock are of the boot that they name, whatever their epoch and what came with them', () => {
    const { events, receive, run } = bench();
    receive(Leaf.Report, report({ 1: undefined, 8: undefined }));
    run(60_000);
    // Epoch 3 has events of boot 6, of one with a clock, and of this boot.
    const undated = (number: number, uptime: number, boot: number) => [
      ...event({ 0: number, 3: uptime, 4: null }),
      null,
      null,
      boot,
    ];
    receive(Leaf.Event, [3, undated(1, 500, 6), event({ 0: 2, 3: 10, 4: T0 / 1000 - 9000 }), undated(3, 3610, 7)]);
    const began = T0 - 3_600_000;
    assert.deepEqual(
      events.map(({ time, timed }) => [time, timed]),
      [
        [began, false],
        [T0 - 9_000_000, true],
        [T0 + 10_000, false],
      ],
    );
  });

  it('before the birth or of a unit that is not there are dropped with a line in the log', () => {
    const { fleet, log, events, receive } = bench();
    fleet.receive('rvb1/b/event', encode([7, event()]), false);
    receive(Leaf.Event, [7, event({ 5: 1 }), event({ 0: 2, 5: 0 }), event({ 0: 3, 4: null })]);
    assert.deepEqual(numbers(events), ['7.2']);
    assert.match(log[0], /rvb1\/b\/event.*before the birth/);
    assert.match(log[1], /rvb1\/a\/event.*a unit that the birth did not announce/);
    assert.match(log[2], /rvb1\/a\/event.*neither a time nor the boot/);
  });

  it('in any order, number and repetition are told once each, and never one that was not sent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 250 })), { maxLength: 200 }),
        (sent) => {
          const once = new Once();
          const taken = sent.filter(([boot, number]) => once.take(boot, number)).map(String);
          assert.equal(new Set(taken).size, taken.length);
          assert.deepEqual(new Set(taken), new Set(sent.map(String)));
          const highest = [1, 2, 3, 4].map((boot) =>
            Math.max(0, ...sent.filter((one) => one[0] === boot).map((one) => one[1])),
          );
          assert.equal(once.missing, highest.reduce((sum, n) => sum + n, 0) - taken.length);
        },
      ),
      { numRuns: 300, seed: 20260504 },
    );
  });

  it('of a controller that invents numbers keep the memory small', () => {
    const once = new Once();
    for (const number of [1, 4_294_967_295]) assert.ok(once.take(1, number));
    for (let boot = 2; boot < 1000; boot++) once.take(boot, 1);
    assert.ok(once.seen.length <= 4);
    for (const epoch of [999, 996]) assert.equal(once.take(epoch, 1), false);
    const wide = new Once();
    for (let i = 1; i < 100; i++) wide.take(1, i * 1000);
    assert.ok(wide.seen[0].ranges.length <= 256);
    assert.equal(wide.missing, 99_000 - 99);
  });
});

describe('conditions', () => {
  const lamp = (control: ReturnType<typeof bench>) => {
    const { value, time, told } = control.controller().conditions.get(EventCode.LampFailure, null) ?? {};
    return [value, time === undefined ? undefined : (time - T0) / 1000, told];
  };

  it('follow events, and late ones do not undo what came after', () => {
    const control = bench();
    assert.deepEqual(lamp(control), [undefined, undefined, undefined]);
    control.receive(Leaf.Event, [7, event({ 0: 2, 2: 0, 4: T0 / 1000 - 60 })]);
    assert.deepEqual(lamp(control), [false, -60, true]);
    control.receive(Leaf.Event, [7, event()]);
    assert.deepEqual(lamp(control), [false, -60, true]);
  });

  it('are mended by what reports say is active, and dated by the event when it comes later', () => {
    const control = bench();
    control.receive(Leaf.Report, report({ 17: [0, null, 64, 0] }));
    assert.deepEqual(lamp(control), [true, 0, false]);
    control.receive(Leaf.Event, [7, event()]);
    assert.deepEqual(lamp(control), [true, -600, true]);
    control.run(60_000);
    control.receive(Leaf.Report, report({ 0: 2, 1: T0 / 1000 + 60 }));
    assert.deepEqual(lamp(control), [false, 60, false]);
    assert.equal(control.controller().conditions.get(64, 0)?.value, false);
    control.receive(Leaf.Report, report({ 0: 3, 1: T0 / 1000 + 120 }));
    assert.deepEqual(lamp(control), [false, 60, false]);
  });

  it('are left alone by reports of firmware that tells no events, and instants by all reports', () => {
    const old = bench(birth());
    old.receive(Leaf.Event, [7, event()]);
    old.receive(Leaf.Report, report({ 1: T0 / 1000 + 60 }));
    assert.deepEqual(lamp(old), [true, -600, true]);
    const control = bench();
    control.receive(Leaf.Event, [7, event({ 1: EventCode.Sag, 2: 2 })]);
    control.receive(Leaf.Report, report({ 1: T0 / 1000 + 60 }));
    assert.equal(control.controller().conditions.get(EventCode.Sag, null)?.value, true);
  });
});

describe('counters', () => {
  const told = (lampTime: number, more: Record<number, unknown> = {}) =>
    report({ 16: [10, null, 0, lampTime, 500, 3, 1, 0], ...more });

  it('are kept as they are told, and one that goes back without having been set is worth a line', () => {
    const { log, receive, controller } = bench();
    receive(Leaf.Report, told(1000));
    receive(Leaf.Report, told(1060, { 0: 2 }));
    assert.deepEqual(log, []);
    receive(Leaf.Report, told(900, { 0: 3, 1: T0 / 1000 + 60 }));
    assert.deepEqual(log, ['a has counter 3 at 900, after 1060, and nobody has set it']);
    assert.deepEqual(controller().counters, { values: [10, null, 0, 900, 500, 3, 1, 0], time: T0 + 60_000 });
    receive(Leaf.Report, report({ 0: 4 }));
    assert.equal(controller().counters?.values[Counter.LampTime], 900);
  });

  it('may go back once when an event says that they were set, or the gateway has set them', async () => {
    const { fleet, log, sent, receive } = bench();
    receive(Leaf.Report, told(1000));
    receive(Leaf.Event, [7, event({ 1: EventCode.CounterPreset, 2: 2, 12: Counter.LampTime, 13: 1000 })]);
    receive(Leaf.Report, told(0, { 0: 2 }));
    const outcome = fleet.submit('a', { kind: CommandKind.Counters, counters: [Counter.LampTime, 0] });
    const number = sent.at(-1)?.readUInt32BE(3) as number;
    receive(Leaf.Report, told(10, { 0: 3 }));
    receive(
      Leaf.Ack,
      new Map([
        [0, number],
        [1, 0],
      ]),
    );
    assert.equal(await outcome, 'done');
    receive(Leaf.Report, told(5, { 0: 4 }));
    assert.deepEqual(log, []);
    receive(Leaf.Report, told(4, { 0: 5 }));
    assert.equal(log.length, 1);
  });

  it('are set by the last command of several that set the same, and by all that set others', async () => {
    const { fleet } = bench();
    const set = (...counters: number[]) => fleet.submit('a', { kind: CommandKind.Counters, counters });
    const first = set(Counter.LampTime, 5);
    const other = set(Counter.SwitchOns, 0);
    void set(Counter.LampTime, 6);
    assert.equal(await first, 'superseded');
    assert.equal(await Promise.race([other, 'waiting']), 'waiting');
  });
});

describe('batches of samples', () => {
  it('are told once each, unpacked, and with a line in the log when they cannot be', () => {
    const { log, samples, receive } = bench();
    const good = batch(
      {},
      [32, 64],
      [
        [50, 2310],
        [60, null],
      ],
    );
    receive(Leaf.Log, good);
    receive(Leaf.Log, good);
    receive(Leaf.Log, batch({ 0: 2, 6: Buffer.from([255]) }, [32], [[1]]));
    receive(Leaf.Log, batch({ 0: 2, 2: T0 / 1000 + 1800 }, [32], [[70]]));
    assert.deepEqual(samples, [
      {
        start: T0,
        period: 900_000,
        columns: [32, 64],
        instants: [
          [50, 2310],
          [60, null],
        ],
      },
      { start: T0 + 1_800_000, period: 900_000, columns: [32], instants: [[70]] },
    ]);
    assert.match(log[0], /rvb1\/a\/log.*samples end too early/);
  });
});
