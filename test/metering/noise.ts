/**
 * A line of meters under everything that happens to RS-485: damage, pieces, echoes, late and repeated answers, other units'
 * answers, another master that asks the same units. Meters are the simulator's, served by jsmodbus; what they measure
 * changes from millisecond to millisecond and is another for every unit, so that a value tells where and when it was read.
 */
import { crc16modbus } from 'crc';
import fc from 'fast-check';
import type { openMeters as OpenMeters } from '../../firmware/metering/meter.ts';
import type { Schedule as ScheduleClass } from '../../firmware/schedule.ts';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { World } from '../../sim/clock.ts';
import { openSim } from '../../sim/index.ts';
import { addMeter, type Readings, readProfile } from '../../sim/plant/modbus-meter.ts';
import { RtuSegment } from '../../sim/plant/rtu-segment.ts';
import type { Station } from '../../sim/serial-line.ts';
import { sealed } from './units.ts';

/** The firmware's code, or a copy of it with a fault. */
export interface Code {
  openMeters: typeof OpenMeters;
  Schedule: typeof ScheduleClass;
}

const PROFILES = ['sdm120', 'sdm120', 'sdm630'];
const FORMAT = { baud: 9600, data: 8, parity: 'none', stop: 1 } as const;
const STEPS: Record<string, number> = {
  Voltage: 10,
  Current: 1000,
  Power: 10,
  Factor: 1000,
  Frequency: 100,
  Energy: 1000,
};

/** Bytes of the line that are looked through for answers that were right by accident. */
const MEMORY = 4096;

/** One change of a message's bytes. */
interface Damage {
  what: 'flip' | 'replace' | 'lose' | 'add' | 'double';
  /** Shares of the message. */
  at: number;
  length: number;
  value: number;
}

/** What happens to one answer. `wait`: ms */
export type Disturbance =
  | { kind: 'none' | 'silence' }
  | { kind: 'damage'; changes: Damage[] }
  | { kind: 'cut'; from: number; to: number }
  | { kind: 'late'; wait: number }
  | { kind: 'twice'; wait: number }
  | { kind: 'echo'; part: number; wait: number }
  | { kind: 'noise'; bytes: number[]; wait: number }
  | { kind: 'unit'; unit: number; wait: number; instead: boolean }
  | { kind: 'piece'; unit: number; at: number; from: number }
  | { kind: 'master'; unit: number; block: number; offset: number; same: boolean; wait: number };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const unit = fc.integer({ min: 1, max: PROFILES.length });
const wait = fc.integer({ min: 0, max: 400 });
const damage: fc.Arbitrary<Damage> = fc.record({
  what: fc.constantFrom('flip', 'replace', 'lose', 'add', 'double'),
  at: share,
  length: fc.integer({ min: 1, max: 4 }),
  value: fc.integer({ min: 0, max: 255 }),
});
const master = (same: boolean): fc.Arbitrary<Disturbance> =>
  fc.record({
    kind: fc.constant('master' as const),
    unit,
    block: fc.integer({ min: 0, max: 9 }),
    // What it reads of the very same registers is as true as ours, but may be older: that counts as foreign.
    offset: fc.integer({ min: same ? 0 : 1, max: 2 }),
    same: fc.constant(same),
    wait,
  });
/** ms: late by as much as an attempt takes, which is what the line promises to bear. */
const LATEST = 400;
export const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  fc.record({ kind: fc.constantFrom('none' as const, 'silence' as const) }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('damage' as const),
      changes: fc.array(damage, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), from: share, to: share }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('late' as const), wait: fc.integer({ min: 0, max: LATEST }) }),
  },
  fc.record({ kind: fc.constant('twice' as const), wait }),
  fc.record({ kind: fc.constant('echo' as const), part: share, wait: fc.integer({ min: 0, max: 30 }) }),
  fc.record({
    kind: fc.constant('noise' as const),
    bytes: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 12 }),
    wait,
  }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unit' as const), unit, wait, instead: fc.boolean() }) },
  fc.record({ kind: fc.constant('piece' as const), unit, at: share, from: share }),
  { weight: 2, arbitrary: master(false) },
);

/** Only answers that come late or not at all, between others that are in time. */
export const late: fc.Arbitrary<Disturbance> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('none' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('silence' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('late' as const), wait: fc.integer({ min: 0, max: LATEST }) }),
  },
);

/** A second master that wants as many registers of the same meters as ours, but others. */
export const rival: fc.Arbitrary<Disturbance> = fc.oneof(master(true), disturbance);

/** @returns a share of 0..1 that differs from millisecond to millisecond, unit to unit and quantity to quantity */
function scatter(unit: number, quantity: string, time: number): number {
  let state = Math.floor(time) ^ (unit << 27);
  for (const letter of quantity) state = Math.imul(state ^ letter.charCodeAt(0), 0x9e3779b1);
  state = Math.imul(state ^ (state >>> 15), 0x85ebca6b);
  return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
}

/** What a unit measures at an instant: anything that a meter could. */
function measured(unit: number, quantity: string, time: number): number {
  const some = scatter(unit, quantity, time);
  if (quantity.endsWith('Voltage')) return 200 + 50 * some;
  if (quantity.endsWith('Factor')) return 0.2 + 0.79 * some;
  if (quantity === 'Frequency') return 49 + 2 * some;
  if (quantity.endsWith('Energy')) return 100_000 + 900_000 * some;
  return 1 + 90 * some;
}

/** @param register as the meter has it: energies in kWh. @returns the value in steps of the wire */
function inSteps(quantity: string, register: number): number {
  const steps = STEPS[Object.keys(STEPS).find((end) => quantity.endsWith(end)) ?? ''];
  return Math.floor(register * steps + 0.5);
}

/** @returns what a meter of single precision makes of a value, in steps of the wire */
function toSteps(quantity: string, value: number): number {
  return inSteps(quantity, Math.fround(quantity.endsWith('Energy') ? value / 1000 : value));
}

export interface Outcome {
  /** Answers that something was done to. */
  disturbed: number;
  /** Readings of units that were taken, and values in them. */
  readings: number;
  values: number;
  /** Readings that hold a damaged answer whose CRC is right by accident: nobody could tell. */
  collisions: number;
  /** Readings that hold the meter's own answer to another master's request for as many registers: it looks like ours. */
  foreign: number;
  /** What was wrong, in words; undefined: nothing. */
  wrong?: string;
}

/** Polls three meters while each disturbance happens to one answer, and holds every value against the meters. */
export function endure(
  code: Code,
  disturbances: readonly Disturbance[],
  profiles: readonly string[] = PROFILES,
): Outcome {
  const world = new World();
  const sim = openSim({ world, seed: 1 });
  const wire = sim.line('A');
  const segment = new RtuSegment(world, wire, FORMAT);
  const asked: number[][] = profiles.map(() => []);
  const configs = profiles.map((name, i) => ({
    line: 0,
    unit: i + 1,
    profile: name,
    period: 1000,
    ...compileProfile(readProfile(name)),
  }));
  profiles.forEach((name, i) => {
    const profile = readProfile(name);
    addMeter(segment, i + 1, profile, () => {
      asked[i].push(world.now);
      const entries = profile.registers.map(({ quantity }) => [quantity, measured(i + 1, quantity, world.now)]);
      return Object.fromEntries(entries) as Partial<Readings>;
    });
  });
  const heard: number[] = [];
  wire.attach({ format: FORMAT, echo: false, receive: (data) => void heard.push(...data) });

  const outcome: Outcome = { disturbed: 0, readings: 0, values: 0, collisions: 0, foreign: 0 };
  const queue = [...disturbances];
  const transmit = wire.transmit.bind(wire);
  let request: Uint8Array = new Uint8Array(0);
  let stray = false;
  const put = (bytes: () => ArrayLike<number>, delay: number): void => {
    world.after(delay, () => {
      stray = true;
      wire.disturb(Uint8Array.from(bytes()));
      stray = false;
    });
  };
  /** Answers as the meters gave them. */
  const genuine = new Set<string>();
  /** By unit: when the poll that runs has begun, and how many had failed before it. */
  const polls = profiles.map(() => ({ begun: 0, failures: -1 }));
  wire.transmit = (sender: Station, data, done) => {
    if (sender !== segment) {
      if (!stray) ask(Uint8Array.from(data));
      return transmit(sender, data, done);
    }
    genuine.add(Buffer.from(data).toString('hex'));
    const next = queue.shift();
    if (next && next.kind !== 'none') outcome.disturbed++;
    const answer = disturb(Uint8Array.from(data), next);
    if (answer.length === 0) return { abort: () => {} };
    const late = next?.kind === 'late' ? next.wait : 0;
    if (late > 0) {
      world.after(late, () => transmit(sender, answer, done));
      return { abort: () => {} };
    }
    return transmit(sender, answer, done);
  };

  function ask(own: Uint8Array): void {
    request = own;
    const poll = polls[own[0] - 1];
    const failures = meters.failures(own[0] - 1);
    if (poll.failures === failures) return;
    poll.failures = failures;
    poll.begun = world.now;
  }

  function disturb(answer: Uint8Array, by: Disturbance | undefined): Uint8Array {
    switch (by?.kind) {
      case 'silence':
        return new Uint8Array(0);
      case 'damage':
        return by.changes.reduce(damaged, answer);
      case 'cut': {
        const [from, to] = [by.from, by.to].sort((a, b) => a - b);
        return answer.subarray(Math.floor(from * answer.length), Math.ceil(to * answer.length));
      }
      case 'twice':
        put(() => answer, by.wait + answer.length);
        return answer;
      case 'echo':
        return Uint8Array.from([...request.subarray(0, Math.ceil(by.part * request.length)), ...answer]);
      case 'noise':
        put(() => by.bytes, by.wait);
        return answer;
      case 'unit': {
        if (by.instead) return replyOf(by.unit);
        put(() => replyOf(by.unit), by.wait);
        return answer;
      }
      case 'piece': {
        const other = replyOf(by.unit);
        const at = Math.floor(by.at * answer.length);
        const piece = other.subarray(Math.floor(by.from * other.length));
        return Uint8Array.from([...answer.subarray(0, at), ...piece, ...answer.subarray(at)]);
      }
      case 'master': {
        const blocks = blocksOf(configs[by.unit - 1].plan);
        const { first, count } = blocks[by.block % blocks.length];
        const size = by.same ? count : Math.max(1, count - 2 * by.offset);
        put(() => sealed([by.unit, 4, 0, first + 2 * by.offset, 0, size]), by.wait);
        return answer;
      }
    }
    return answer;
  }

  /** What another unit than the one that is asked now would say to the same request. */
  function replyOf(other: number): Uint8Array {
    const address = other === request[0] ? profiles.length + 1 : other;
    const data = Buffer.alloc(2 * request[5]);
    for (let at = 0; at + 4 <= data.length; at += 4) data.writeFloatBE(measured(address, `other${at}`, world.now), at);
    return sealed([address, 4, data.length, ...data]);
  }

  const schedule = new code.Schedule(sim.clock, {
    failed(error: unknown) {
      throw error;
    },
  });
  const meters = code.openMeters(sim, schedule, [{ port: 'A', baud: 9600, echo: false }], configs, {
    reading(index) {
      if (meters.failures(index) > 0) return;
      outcome.readings++;
      const values = meters.values(index);
      const { plan } = configs[index];
      const names = readProfile(profiles[index]).registers.map(({ quantity, address }) => ({ quantity, address }));
      names.sort((a, b) => a.address - b.address);
      const instants = asked[index].filter((time) => time >= polls[index].begun);
      let first = 0;
      for (const { items } of blocksOf(plan)) {
        const block = names.slice(first, first + items);
        const truth = (time: number): string =>
          block.map(({ quantity }) => toSteps(quantity, measured(index + 1, quantity, time))).join();
        const taken = values.slice(first, first + items).join();
        first += items;
        outcome.values += items;
        if (instants.some((time) => truth(time) === taken)) continue;
        if (given(index + 1, block, taken, genuine)) outcome.foreign++;
        else if (collided(index + 1, heard, genuine)) outcome.collisions++;
        else outcome.wrong ??= `unit ${index + 1} at ${world.now} ms: ${taken} was true at none of ${instants.join()}`;
      }
      polls[index].failures = -1;
      heard.splice(0, Math.max(0, heard.length - MEMORY));
    },
  });
  // Until all has happened, and then until every unit is read again; an absent one is asked once a minute.
  for (let i = 0; i < 10_000 && queue.length > 0; i++) world.run(1000);
  const calm = world.now;
  const read = (index: number): boolean => (meters.time(index) ?? 0) > calm && meters.failures(index) === 0;
  for (let i = 0; i < 70 && !profiles.every((_, index) => read(index)); i++) world.run(1000);
  for (const index of profiles.keys()) if (!read(index)) outcome.wrong ??= `unit ${index + 1} is not read any more`;
  return outcome;
}

/** @returns the message after one change */
function damaged(bytes: Uint8Array, { what, at, length, value }: Damage): Uint8Array {
  const from = Math.floor(at * bytes.length);
  const [before, piece, after] = [
    bytes.subarray(0, from),
    bytes.subarray(from, from + length),
    bytes.subarray(from + length),
  ];
  const others: Record<Damage['what'], ArrayLike<number>> = {
    flip: piece.map((byte) => byte ^ (1 << (value & 7))),
    replace: piece.map((byte, i) => byte ^ (1 + ((value + 91 * i) % 255))),
    lose: [],
    add: [...Array.from({ length }, (_, i) => (value + 57 * i) & 255), ...piece],
    double: [...piece, ...piece],
  };
  return Uint8Array.from([...before, ...Array.from(others[what]), ...after]);
}

/** @returns first address, registers and values of each request of a plan */
function blocksOf(plan: readonly number[]): { first: number; count: number; items: number }[] {
  const blocks = [];
  for (let at = 1; at < plan.length; at += 4 + 3 * plan[at + 3]) {
    blocks.push({ first: plan[at + 1], count: plan[at + 2], items: plan[at + 3] });
  }
  return blocks;
}

/** @returns whether the meter gave these values in an answer of this size, whatever registers it was about */
function given(
  unit: number,
  block: { quantity: string; address: number }[],
  taken: string,
  genuine: ReadonlySet<string>,
): boolean {
  const head = Buffer.from([unit, 4]).toString('hex');
  const values = taken.split(',');
  return [...genuine].some((hex) => {
    if (!hex.startsWith(head)) return false;
    const frame = Buffer.from(hex, 'hex');
    const places = block.map(({ quantity, address }) => ({ quantity, at: 3 + 2 * (address - block[0].address) }));
    if (places.some(({ at }) => at + 6 > frame.length)) return false;
    // What no meter could measure is left out of a reading.
    return places.every(
      ({ quantity, at }, i) => values[i] === '' || values[i] === `${inSteps(quantity, frame.readFloatBE(at))}`,
    );
  });
}

/** @returns whether the line carried a whole answer of the unit, with a right CRC by the `crc` package, that no meter gave */
function collided(unit: number, heard: readonly number[], genuine: ReadonlySet<string>): boolean {
  const line = Buffer.from(heard);
  for (let at = 0; at + 5 <= line.length; at++) {
    const length = 5 + line[at + 2];
    if (line[at] !== unit || line[at + 1] !== 4 || at + length > line.length) continue;
    const frame = line.subarray(at, at + length);
    if (crc16modbus(frame) === 0 && !genuine.has(frame.toString('hex'))) return true;
  }
  return false;
}
