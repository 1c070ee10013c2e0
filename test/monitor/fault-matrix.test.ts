import assert from 'node:assert/strict';
import { EventCode, EventItem, Phase } from '../../firmware/link/messages.ts';
import { FAULTS, type Fault, INSTANCES, type Instance, type Window, withInputs } from './faults.ts';
import { BEGIN, type Event, HOUR, LAMP_ALARMS, MINUTE, Pole, SECOND } from './pole.ts';

/** Codes that are no alarm. */
const HARMLESS: number[] = [EventCode.LightStateChange, EventCode.CounterPreset];

/** ms that nothing must be told after a fault that was brief, or that was none. */
const QUIET = 20 * MINUTE;

type Column = 'raise' | 'not yet' | 'clear' | 'suppressed';
const COLUMNS: Column[] = ['raise', 'not yet', 'clear', 'suppressed'];
const matrix = new Map<string, Partial<Record<Column, string>>>();

const words = (ms: number) => {
  if (ms < 2 * MINUTE) return `${Math.round(ms / 100) / 10} s`;
  return ms < 2 * HOUR ? `${Math.round(ms / 600) / 100} min` : `${Math.round(ms / (HOUR / 100)) / 100} h`;
};
const span = ([from, to]: Window) => `${words(from)}..${words(to)}`;
const told = (events: Event[]) => JSON.stringify(events.map(({ at, code, phase, unit }) => [code, phase, unit, at]));

function note(name: string, column: Column, text: string): void {
  matrix.set(name, { ...matrix.get(name), [column]: text });
}

/** Nothing was told but of `code` and what is true besides. */
function nothingElse(pole: Pole, code: number, unit: number | null, besides: readonly number[] = []): void {
  const other = pole.events.filter(
    (event) => !(event.code === code && event.unit === unit) && ![...HARMLESS, ...besides].includes(event.code),
  );
  assert.deepEqual(told(other), '[]');
}

/** Each event was told of once, in order, at a time that is right. */
function inOrder(pole: Pole): void {
  pole.events.forEach(({ at, items, epoch }, i) => {
    assert.equal(epoch, pole.events[0].epoch);
    assert.equal(items[EventItem.Number], i + 1);
    // What happened before there was a link waited for it.
    if (at < 30 * SECOND) return;
    const time = items[EventItem.Time];
    const age = at / SECOND - (items[EventItem.Uptime] as number);
    assert.ok(age >= 0 && age < 3, `told ${age} s late`);
    if (time !== null && pole.post.now() !== undefined)
      assert.ok(Math.abs((BEGIN + at) / SECOND - time) < 3, `at ${time}`);
  });
}

function within(actual: number, [from, to]: Window, what: string): void {
  assert.ok(actual >= from && actual <= to, `${what} after ${words(actual)}, not ${span([from, to])}`);
}

async function raiseAndClear(fault: Fault): Promise<void> {
  const { name, code, unit = null, raised, cleared, besides } = fault;
  const pole = await Pole.open(fault.pole);
  fault.before?.(pole);
  pole.run(3 * MINUTE);
  nothingElse(pole, code, unit, besides);
  const before = pole.of(code, unit).length;
  const begin = pole.now;
  fault.begin(pole);
  pole.run(Math.max(0, begin + raised[1] - pole.now));
  const [start, ...more] = pole.of(code, unit).slice(before);
  note(name, 'raise', `${span(raised)}: ${start ? words(start.at - begin) : 'never'}`);
  assert.ok(start, `never raised; told was ${told(pole.events)}`);
  assert.deepEqual(told(more), '[]');
  assert.equal(start.phase, Phase.Start);
  within(start.at - begin, raised, 'raised');
  fault.evidence?.(start, pole);
  pole.run(MINUTE + SECOND);
  const holds = pole.active.some((value, i) => i % 2 === 0 && value === code && (pole.active[i + 1] ?? null) === unit);
  assert.ok(holds, `the report does not say that it holds: ${JSON.stringify(pole.active)}`);
  const end = pole.now;
  fault.end(pole);
  pole.run(Math.max(0, end + cleared[1] - pole.now));
  const [stop, ...rest] = pole.of(code, unit).slice(before + 1);
  note(name, 'clear', `${span(cleared)}: ${stop ? words(stop.at - end) : 'never'}`);
  assert.ok(stop, `never cleared; told was ${told(pole.events)}`);
  assert.deepEqual(told(rest), '[]');
  assert.equal(stop.phase, Phase.End);
  within(stop.at - end, cleared, 'cleared');
  nothingElse(pole, code, unit, besides);
  inOrder(pole);
}

async function notYet(fault: Fault): Promise<void> {
  const { name, code, unit = null, brief, besides } = fault;
  const pole = await Pole.open(fault.pole);
  fault.before?.(pole);
  pole.run(3 * MINUTE);
  const before = pole.of(code, unit).length;
  const begin = pole.now;
  if (typeof brief === 'function') brief(pole);
  else {
    fault.begin(pole);
    pole.run(Math.max(0, begin + (brief as number) - pole.now));
    fault.end(pole);
  }
  pole.run(QUIET);
  const events = pole.of(code, unit).slice(before);
  note(name, 'not yet', `${typeof brief === 'number' ? words(brief) : 'too few'}: ${events.length || 'nothing'}`);
  assert.deepEqual(told(events), '[]');
  nothingElse(pole, code, unit, besides);
}

async function suppressed(fault: Fault): Promise<void> {
  const { name, code, unit = null, pole: options, suppressed: row, besides } = fault;
  assert.ok(row);
  const pole = await Pole.open(row.pole ?? options);
  row.before?.(pole);
  const before = pole.of(code, unit).length;
  row.happen(pole);
  const events = pole.of(code, unit).slice(before);
  pole.run(QUIET);
  note(name, 'suppressed', `${row.why}: ${events.length || 'nothing'}`);
  assert.deepEqual(told(events), '[]');
  nothingElse(pole, code, unit, besides);
}

async function instance(row: Instance): Promise<void> {
  const pole = await Pole.open(row.pole);
  row.happen(pole);
  const end = pole.now;
  pole.run(row.told[1]);
  const events = pole.of(row.code);
  note(row.name, 'raise', `${span(row.told)}: ${events[0] ? words(events[0].at - end) : 'never'}`);
  assert.equal(events.length, 1, told(pole.events));
  assert.equal(events[0].phase, Phase.Instant);
  within(events[0].at - end, row.told, 'told');
  row.evidence(events[0]);
  row.suppressed.happen(pole);
  pole.run(QUIET);
  note(row.name, 'suppressed', `${row.suppressed.why}: ${pole.of(row.code).length - 1 || 'nothing'}`);
  assert.equal(pole.of(row.code).length, 1);
  nothingElse(pole, row.code, null);
}

describe('fault matrix', () => {
  for (const fault of FAULTS) {
    const { name, raised, cleared, brief, suppressed: row } = fault;
    const code = eventName(fault.code);
    it(`${code}: ${name}: raised after ${span(raised)}, cleared after ${span(cleared)}`, () => raiseAndClear(fault));
    if (brief !== undefined) it(`${code}: ${name}: not yet`, () => notYet(fault));
    if (row) it(`${code}: not raised: ${row.why}`, () => suppressed(fault));
  }
  for (const row of INSTANCES) {
    it(`${eventName(row.code)}: ${row.name}: told once, and not: ${row.suppressed.why}`, () => instance(row));
  }

  it('SupplyLoss: 10 min without mains: told before the board is dark, and its end when they are back', async () => {
    const pole = await Pole.open({ change: withInputs('mains') });
    const begin = pole.now;
    pole.mains.disturb(pole.world, 0, 10 * MINUTE);
    pole.run(SECOND);
    const [start, ...more] = pole.of(EventCode.SupplyLoss);
    assert.deepEqual(told(more), '[]');
    assert.deepEqual([start.phase, start.items[EventItem.First]], [Phase.Start, 1]);
    within(start.at - begin, [0, 300], 'raised');
    pole.run(10 * MINUTE + 20 * SECOND);
    const [, end, ...others] = pole.of(EventCode.SupplyLoss);
    note('no mains for 10 min', 'raise', `before the board is dark: ${words(start.at - begin)}`);
    note('no mains for 10 min', 'clear', `1 s..20 s: ${words(end.at - begin - 10 * MINUTE)}`);
    assert.deepEqual([told(others), end.phase, end.epoch], ['[]', Phase.End, start.epoch]);
    within(end.at - begin, [10 * MINUTE + SECOND, 10 * MINUTE + 20 * SECOND], 'ended');
    nothingElse(pole, EventCode.SupplyLoss, null);
  });

  it('SupplyLoss: found at the next boot where nothing sees the supply, with the time of the last record', async () => {
    const pole = await Pole.open();
    const begin = pole.now;
    pole.mains.disturb(pole.world, 0, 10 * MINUTE);
    pole.run(10 * MINUTE + 20 * SECOND);
    const [start, end, ...more] = pole.of(EventCode.SupplyLoss);
    note('no mains for 10 min, no input', 'raise', `at the next boot: ${words(start.at - begin - 10 * MINUTE)}`);
    assert.deepEqual(
      [told(more), start.phase, start.epoch, end.phase, end.epoch],
      ['[]', Phase.Start, pole.events[0].epoch, Phase.End, pole.events[0].epoch],
    );
    assert.equal(start.items[EventItem.First], 0);
    within(BEGIN + begin - (start.items[EventItem.Time] as number) * SECOND, [-SECOND, MINUTE + SECOND], 'recorded');
    nothingElse(pole, EventCode.SupplyLoss, null);
  });

  it('SupplyLoss: not told after a reset by the watchdog or by software', async () => {
    const pole = await Pole.open();
    for (const reason of ['watchdog', 'software'] as const) {
      pole.controller.sim.reset(reason);
      pole.run(5 * MINUTE);
    }
    assert.equal(pole.controller.sim.resets.length, 3);
    note('no mains for 10 min, no input', 'suppressed', 'watchdog and software reset it: nothing');
    nothingElse(pole, EventCode.LightStateChange, null);
  });

  it('tells of a lamp that goes out for 3 min every 6 min no more than once in 15 min', async () => {
    const pole = await Pole.open();
    for (let i = 0; i < 20; i++) {
      pole.lamp.fail({ gear: i % 2 ? 'sound' : 'open' });
      pole.run(3 * MINUTE);
    }
    const starts = pole.of(EventCode.LampFailure).filter(({ phase }) => phase === Phase.Start);
    assert.ok(starts.length >= 3, told(starts));
    for (let i = 1; i < starts.length; i++) assert.ok(starts[i].at - starts[i - 1].at >= 15 * MINUTE, told(starts));
  });

  for (const rate of [0.01, 0.1, 0.5]) {
    it(`no lamp alarm in 12 h with ${rate * 100} % of the messages damaged, lit, dimmed and off`, async () => {
      const pole = await Pole.open();
      pole.damage(rate);
      for (const level of [100, 50, 20, 0, 100, 0]) {
        pole.level(level);
        pole.run(2 * HOUR);
      }
      assert.deepEqual(told(pole.events.filter(({ code }) => LAMP_ALARMS.includes(code))), '[]');
      const [meter] = pole.controller.meters;
      assert.ok(meter.answers > 100, `${meter.answers} answers`);
    });
  }

  after(() => {
    const rows = [...matrix].map(([name, cells]) => [name, ...COLUMNS.map((column) => cells[column] ?? '-')]);
    const head = ['fault', ...COLUMNS];
    const widths = head.map((text, i) => Math.max(text.length, ...rows.map((row) => row[i].length)));
    for (const row of [head, ...rows])
      console.log(
        `      ${row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}`,
      );
  });
});

/** @returns the name of a code; enums of constants have none at run time */
function eventName(code: number): string {
  const names = [
    'LampFailure',
    'LampUnexpectedOn',
    'RelayFailure',
    'LampPowerTooLow',
    'LampPowerTooHigh',
    'DimmingFailure',
    'CyclingFailure',
    'PowerFactorTooLow',
    'SupplyLoss',
    'ContactorError',
    'LeakageDetected',
    'InvalidLampType',
    'Flicker',
    'Sag',
    'Swell',
    'UnitSilent',
    'DoorOpen',
    'Tilted',
    'PhotocellOutputOn',
    'ClockLost',
    'LightStateChange',
    'CounterPreset',
  ];
  return names[code] ?? `Limit ${code}`;
}
