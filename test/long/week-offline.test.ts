/** A week without a link: what the journal keeps of it and what it drops; and a hundred such controllers that come back at once. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'cbor-x';
import type { Board } from '../../firmware/board.ts';
import { EventCode, EventItem, LogKey, Phase, RecordKind } from '../../firmware/link/messages.ts';
import { start } from '../../firmware/main.ts';
import type { Journal } from '../../firmware/store/journal.ts';
import { Once } from '../../gateway/once.ts';
import { World } from '../../sim/clock.ts';
import { type Controller, openController, type SavedController } from '../../sim/controller.ts';
import type { SimHal } from '../../sim/index.ts';
import { type Dial, dialTcp } from '../../sim/network.ts';
import { measure } from '../../sim/plant/modbus-meter.ts';
import { type Random, seeded } from '../../sim/random.ts';
import { Rig } from '../gateway/rig.ts';
import { withInputs } from '../monitor/faults.ts';
import { BEGIN, boardOf, DAY, HOUR, LAMP_ALARMS, MINUTE, SECOND } from '../monitor/pole.ts';
import { Post } from '../monitor/post.ts';
import { siteKey } from '../sealed.ts';
import { QuickLines } from './quick-line.ts';

const WEEK = 7 * DAY;
const KINDS = [RecordKind.Event, RecordKind.Samples] as const;

/** Opens at `linux`, with a door, an earth leakage relay, and a lamp that is dimmed every hour. */
const boardWith = (journal: boolean): Promise<Board> =>
  boardOf('linux', (config) => {
    withInputs('door', 'leakage')?.(config);
    config.lines[0].baud = 9600;
    config.reportSeconds = 3600;
    config.program = Array.from({ length: 24 }, (_, hour) => ({
      at: `${String(hour).padStart(2, '0')}:00`,
      level: hour % 2 ? 100 : 50,
    }));
    if (!journal) delete config.journal;
  });

const noWay: Dial = (_target, listener) => {
  listener.failed(new Error('no way'));
  return { write: () => {}, end: () => {}, destroy: () => {} };
};

/** A record as it went into the journal. */
interface Kept {
  number: number;
  length: number;
  /** Of an event: its items by `EventItem`, the number being 0. */
  items: (number | null)[];
}

/** A controller with the real firmware, and a look at what goes into its journal. */
class Subject {
  readonly pole: Controller;
  /** By kind. */
  readonly produced: [Kept[], Kept[]] = [[], []];
  /** The way out. */
  dial: Dial = noWay;
  journal!: Journal;
  onAppend: (kind: RecordKind, record: Kept) => void = () => {};

  constructor(
    readonly world: World,
    readonly id: string,
    board: Board,
    readonly random: Random,
    port = 1883,
    begin: number | undefined = BEGIN,
    saved?: SavedController,
  ) {
    let lines: QuickLines;
    this.pole = openController({
      world,
      id,
      board,
      site: { host: '127.0.0.1', port, key: siteKey(id) },
      seed: id,
      dial: (target, listener) => this.dial(target, listener),
      begin,
      saved,
      start: (hal, ...rest) => {
        const firmware = start(lines.in(hal as SimHal), ...rest);
        const parts = firmware as unknown as { _session: { teller: { _journal: Journal } } };
        this.#watch(parts._session.teller._journal);
        return firmware;
      },
    });
    const { mains, lamp } = this.pole;
    lines = new QuickLines(
      board,
      random,
      () => measure(world, mains, lamp),
      () => mains.factor > 0,
    );
  }

  #watch(journal: Journal): void {
    this.journal = journal;
    const append = journal.append.bind(journal);
    journal.append = (kind, record) => {
      const number = append(kind, record);
      // The array's head counts the number, which is put behind it when the event is told.
      const told = Buffer.concat([record.subarray(0, 1), Buffer.of(0), record.subarray(1)]);
      const items = kind === RecordKind.Event ? decode(told) : [];
      const kept = { number, length: record.length, items };
      this.produced[kind].push(kept);
      this.onAppend(kind, kept);
      return number;
    };
  }

  /** @returns how often a code came into the journal, in one phase */
  count(code: number, phase: Phase): number {
    return this.produced[RecordKind.Event].filter(
      ({ items }) => items[EventItem.Code] === code && items[EventItem.Phase] === phase,
    ).length;
  }

  /** @returns the numbers that the journal holds, read one by one */
  held(kind: RecordKind): number[] {
    const numbers = this.produced[kind].map(({ number }) => number);
    return numbers.filter((number) => this.journal.read(kind, number, 0).length > 0);
  }
}

/** What happened to one pole, counted where it happened. */
interface Plant {
  doors: number;
  leaks: number;
  faults: number;
  hours: number;
}

/** Lives a week: a door and a leak every half an hour or so, two gears a day that die, a change of level every hour. */
function liveAWeek({ world, pole, random }: Subject, length = WEEK): Plant {
  const plant = { doors: 0, leaks: 0, faults: 0, hours: 0 };
  const end = world.now + length - HOUR;
  /** No sooner again than the pause between two raises allows. */
  const repeat = (least: number, spread: number, act: () => void): void => {
    const wait = least + random.next() * spread;
    if (world.now + wait > end) return;
    world.after(wait, () => {
      act();
      repeat(least, spread, act);
    });
  };
  repeat(20 * MINUTE, 10 * MINUTE, () => {
    plant.doors++;
    pole.inputs.set('door', true);
    world.after(30 * SECOND + random.next() * 4 * MINUTE, () => pole.inputs.set('door', undefined));
  });
  repeat(20 * MINUTE, 10 * MINUTE, () => {
    plant.leaks++;
    pole.inputs.set('leakage', true);
    world.after(10 * SECOND + random.next() * MINUTE, () => pole.inputs.set('leakage', undefined));
  });
  repeat(8 * HOUR, 8 * HOUR, () => {
    plant.faults++;
    pole.lamp.fail({ gear: 'dead' });
    world.after(30 * MINUTE, () => pole.lamp.repair());
  });
  const from = world.now;
  world.run(length);
  plant.hours = Math.floor((BEGIN + world.now) / HOUR) - Math.floor((BEGIN + from) / HOUR);
  return plant;
}

/**
 * The policy in words of PROTOCOL.md, Events, and of the journal's layout: 6 pages of 4 kB of which one is free, a page
 * for records of one kind, 85 events or 16 batches at most, each with 8 bytes in the page's tables, and 4 bytes of CRC,
 * padded to 4. The oldest page of samples goes first, then the oldest of events, never the one that the other kind fills.
 */
class Policy {
  static readonly PAGES = 5;
  #pages: { kind: RecordKind; numbers: number[]; room: number }[] = [];
  readonly dropped: [number, number] = [0, 0];

  append(kind: RecordKind, number: number, length: number): void {
    const most = kind === RecordKind.Event ? 85 : 16;
    const size = Math.ceil((length + 4) / 4) * 4;
    let page = this.#pages.filter((one) => one.kind === kind).at(-1);
    if (!page || page.numbers.length === most || page.room < size) {
      if (this.#pages.length === Policy.PAGES) this.#giveUp(kind);
      page = { kind, numbers: [], room: 4096 - 32 - 8 * most };
      this.#pages.push(page);
    }
    page.numbers.push(number);
    page.room -= size;
  }

  #giveUp(kind: RecordKind): void {
    const filled = this.#pages.filter((one) => one.kind !== kind).at(-1);
    const open = this.#pages.filter((one) => one !== filled);
    const gone = open.find((one) => one.kind === RecordKind.Samples) ?? open[0];
    this.#pages.splice(this.#pages.indexOf(gone), 1);
    this.dropped[gone.kind] += gone.numbers.length;
  }

  held(kind: RecordKind): number[] {
    return this.#pages.filter((one) => one.kind === kind).flatMap(({ numbers }) => numbers);
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('a week without a link', function () {
  this.timeout(300_000);

  for (const seed of ['week 1', 'week 2', 'week 3']) {
    it(`leaves in raw flash what the policy says, and the gateway knows what is missing (seed "${seed}")`, async () => {
      await tellOf(seed, true);
    });
  }

  it('leaves 24 events and 2 batches where there is no raw flash', async () => {
    await tellOf('week in memory', false);
  });

  async function tellOf(seed: string, flash: boolean): Promise<void> {
    const world = new World();
    const subject = new Subject(world, 'pole-1', await boardWith(flash), seeded(seed));
    const policy = new Policy();
    subject.onAppend = (kind, { number, length, items }) => {
      if (flash && items[EventItem.Code] === EventCode.Dropped) {
        assert.equal(items[EventItem.First], policy.dropped[items[EventItem.Second] as RecordKind]);
      }
      policy.append(kind, number, length);
    };
    const plant = liveAWeek(subject);
    const { journal, produced } = subject;

    // What came into the journal is what happened.
    assert.equal(subject.count(EventCode.DoorOpen, Phase.Start), plant.doors);
    assert.equal(subject.count(EventCode.DoorOpen, Phase.End), plant.doors);
    assert.equal(subject.count(EventCode.LeakageDetected, Phase.Start), plant.leaks);
    assert.equal(subject.count(EventCode.LeakageDetected, Phase.End), plant.leaks);
    const lamp = LAMP_ALARMS.map((code) => subject.count(code, Phase.Start));
    assert.ok(lamp[0] >= plant.faults, `${lamp[0]} of ${plant.faults} dead gears`);
    // And one when it starts.
    assert.equal(subject.count(EventCode.LightStateChange, Phase.Instant), plant.hours + 1);

    // What it holds is what the policy says, and nothing is unaccounted for.
    const kept = KINDS.map((kind) => subject.held(kind));
    for (const kind of KINDS) {
      const count = produced[kind].length;
      const last = produced[kind][count - 1].number;
      const name = ['events', 'batches'][kind];
      assert.equal(last, count, `${name} are numbered without a gap`);
      const expected = flash ? policy.held(kind) : range(last + 1 - MEMORY[kind], last);
      assert.deepEqual(kept[kind], expected, name);
      assert.equal(journal.dropped(kind), last - expected.length, name);
      assert.equal(kept[kind].length + journal.dropped(kind), count, name);
      assert.ok(journal.dropped(kind) > 0, `more ${name} than there is room for`);
    }

    // The link is back: the other end, with the gateway's own account of what has come.
    const post = new Post(world, subject.id);
    post.now = () => BEGIN + world.now;
    const come = [new Once(), new Once()];
    const told = [0, 0];
    const back = world.now;
    const before = produced.map((list) => list.length);
    let first = 0;
    let latest = 0;
    post.onLetter = ({ leaf, body, at }) => {
      if (leaf === 'birth') first = at;
      if (leaf === 'log') {
        const batch = body as Record<number, number>;
        if (come[RecordKind.Samples].take(batch[LogKey.Epoch], batch[LogKey.Number])) latest = at;
      }
      if (leaf !== 'event') return;
      const [epoch, ...events] = body as [number, ...number[][]];
      for (const items of events) {
        if (!come[RecordKind.Event].take(epoch, items[EventItem.Number])) continue;
        if (items[EventItem.Number] <= before[RecordKind.Event]) latest = at;
        if (items[EventItem.Code] !== EventCode.Dropped) continue;
        const kind = items[EventItem.Second];
        told[kind] = Math.max(told[kind], items[EventItem.First]);
      }
    };
    subject.dial = post.dial;
    const drained = () => KINDS.every((kind) => journal.first(kind) > journal.last(kind));
    while (world.now - back < 4 * HOUR && !(first && drained())) world.run(SECOND);
    assert.ok(drained(), 'the gateway has all that there is');
    world.run(MINUTE);
    for (const kind of KINDS) {
      const missing = range(1, journal.last(kind)).length - numbersOf(come[kind]).length;
      assert.equal(come[kind].missing, missing);
      assert.equal(missing, journal.dropped(kind), 'what the gateway misses is what was dropped');
      const own = numbersOf(come[kind]).filter((number) => number <= before[kind]);
      // Without raw flash there is no room for news that come before the link is told.
      if (flash) assert.deepEqual(own, kept[kind], 'all that was held has come');
      // The telling takes a place in memory for each kind.
      const untold = missing - told[kind];
      assert.ok(untold >= 0 && untold <= (flash ? 0 : 2), `${told[kind]} of ${missing} are told of`);
    }
    const counts = KINDS.map(
      (kind) =>
        `${before[kind]} ${['events', 'batches'][kind]} produced, ${kept[kind].length} kept, ${before[kind] - kept[kind].length} dropped` +
        ` (event 22 says ${told[kind]})`,
    );
    console.log(
      `      seed "${seed}": ${plant.doors} doors, ${plant.leaks} leaks, ${plant.faults} dead gears, ${plant.hours} levels; ${counts.join('; ')};`,
      `drained ${((latest - first) / SECOND).toFixed(0)} s after the birth`,
    );
  }
});

const FLEET = 100;
/** As long as it takes until nothing more goes into the journal without something being dropped. */
const ABSENCE = 2.5 * DAY;
/** ms of simulated time between two looks at the sockets. */
const SLICE = 20;
const SEED = 'drain 1';
/** ms after which an open or closed door is told of at the earliest: 10 s, counted in whole ones. Of a leak 1 s, which counts here. */
const DOOR = 9 * SECOND;

interface Returning {
  subject: Subject;
  /** Numbers that it holds when it comes back, by kind. */
  held: number[][];
  bytes: number;
  /** ms of the world: the gateway has its birth, and all that it held; 0: not yet. */
  born: number;
  empty: number;
}

/** Something in the plant of which the gateway has to hear. */
interface Alarm {
  from: number;
  kept?: number;
  arrived?: number;
}

describe(`${FLEET} controllers with full journals that boot together, before one gateway with SQLite`, function () {
  this.timeout(300_000);
  let directory: string;
  let rig: Rig;
  const returning = new Map<string, Returning>();
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'week-'));
  });
  after(async () => {
    for (const { subject } of returning.values()) subject.pole.sim.cutPower();
    await rig.close();
    await rm(directory, { recursive: true });
  });

  it(`tell of live alarms within 5 s while they drain (seed "${SEED}")`, async () => {
    const board = await boardWith(true);
    const random = seeded(SEED);
    const world = new World();
    const begin = BEGIN + ABSENCE;
    rig = await Rig.start({ now: () => begin + world.now, dataDirectory: directory });
    const { fleet, brokerPort } = rig.gateway;
    const alarms = new Map<string, Alarm>();
    const began = performance.now();
    for (let index = 1; index <= FLEET; index++) {
      const id = `pole-${index}`;
      const away = new Subject(new World(), id, board, seeded(`${SEED} ${id}`));
      liveAWeek(away, ABSENCE);
      assert.ok(away.journal.dropped(RecordKind.Event) > 0, 'the journal is full');
      const held = KINDS.map((kind) => away.held(kind));
      const sizes = KINDS.flatMap((kind) => away.produced[kind].slice(-held[kind].length).map(({ length }) => length));
      const bytes = sizes.reduce((sum, length) => sum + length, 0);
      const subject = new Subject(world, id, board, random, brokerPort, undefined, away.pole.saved());
      subject.dial = dialTcp;
      returning.set(id, { subject, held, bytes, born: 0, empty: 0 });
      // What happens in the plant, and what of it comes into the journal.
      const { inputs } = subject.pole;
      const raise = (name: string, delay: number, debounce: number, act: () => void) =>
        world.after(delay, () => {
          act();
          alarms.set(`${id} ${name}`, { from: world.now + debounce });
        });
      const leak = 8 * SECOND + random.next() * 14 * SECOND;
      raise(`${EventCode.LeakageDetected} start`, leak, 0, () => inputs.set('leakage', true));
      raise(`${EventCode.LeakageDetected} end`, leak + 5 * SECOND, 0, () => inputs.set('leakage', undefined));
      const door = 2 * SECOND + random.next() * 10 * SECOND;
      raise(`${EventCode.DoorOpen} start`, door, DOOR, () => inputs.set('door', true));
      raise(`${EventCode.DoorOpen} end`, door + 15 * SECOND, DOOR, () => inputs.set('door', undefined));
      subject.onAppend = (_kind, { items }) => {
        const alarm = alarms.get(
          `${id} ${items[EventItem.Code]} ${items[EventItem.Phase] === Phase.Start ? 'start' : 'end'}`,
        );
        if (alarm) alarm.kept ??= world.now;
      };
    }
    const lived = performance.now() - began;
    const drain = performance.now();
    let live = 0;
    fleet.onEvents(({ id }, events) => {
      const last = returning.get(id)?.held[RecordKind.Event].at(-1) as number;
      for (const { code, phase, number } of events) {
        if (number <= last) continue;
        live++;
        const alarm = alarms.get(`${id} ${code} ${phase}`);
        if (alarm) alarm.arrived ??= world.now;
      }
    });
    fleet.onChange(({ id }, change) => {
      const one = returning.get(id) as Returning;
      if (change === 'birth') one.born ||= world.now;
    });
    const all = [...returning.values()];
    while (
      world.now < 10 * MINUTE &&
      !(all.every(({ empty }) => empty) && [...alarms.values()].every(({ arrived }) => arrived))
    ) {
      await world.advance(SLICE, SLICE);
      rig.gateway.tick();
      for (const one of all) {
        if (one.empty || !one.born) continue;
        const { journal } = one.subject;
        const left = KINDS.some((kind) => journal.first(kind) <= (one.held[kind].at(-1) as number));
        if (!left) one.empty = world.now;
      }
    }

    const drained = performance.now() - drain;

    // All that was held is there, once.
    for (const [id, { held }] of returning) {
      const known = fleet.controllers.get(id);
      const come = [known?.events, known?.batches].map((once) => numbersOf(once as Once));
      KINDS.forEach((kind) => {
        const last = held[kind].at(-1) as number;
        assert.deepEqual(
          come[kind].filter((number) => number <= last),
          held[kind],
          id,
        );
      });
    }
    const drains = all.map(({ born, empty }) => (empty - born) / SECOND);
    const counts = all.map(({ held }) => held[0].length + held[1].length);
    const rates = all.map(({ bytes }, i) => bytes / drains[i]);
    const records = counts.reduce((sum, count) => sum + count, 0);
    const first = Math.min(...all.map(({ born }) => born));
    const end = Math.max(...all.map(({ empty }) => empty));
    const whole = (end - first) / SECOND;
    console.log(
      `      ${ABSENCE / DAY} days away each (lived in ${(lived / SECOND).toFixed(1)} s); ${records} records came, ${all.reduce((sum, { held }) => sum + held[1].length, 0)} of them batches;`,
      `all drained in ${whole.toFixed(1)} s from the first birth (${(records / whole).toFixed(0)} records/s at the gateway; its own work takes no simulated time: ${(drained / SECOND).toFixed(1)} s for all of this on this machine)`,
    );
    console.log(
      `      a controller: ${counts[0]} records, ${all[0].bytes} bytes; drained in p50 ${at(drains, 0.5).toFixed(1)} s, max ${at(drains, 1).toFixed(1)} s,`,
      `${(at(counts, 0.5) / at(drains, 0.5)).toFixed(1)} records/s, ${at(rates, 0.5).toFixed(0)} bytes/s`,
    );
    const during = [...alarms].filter(
      ([key, { from }]) => from < (returning.get(key.split(' ')[0]) as Returning).empty,
    );
    const say = (what: string, list: number[]) => {
      const [p50, p99, max] = [0.5, 0.99, 1].map((part) => at(list, part).toFixed(2));
      console.log(`      ${what}: ${list.length} alarms, p50 ${p50} s, p99 ${p99} s, max ${max} s`);
    };
    const delays = during.map(([, { from, arrived }]) => ((arrived as number) - from) / SECOND);
    const ways = during.map(([, { kept, arrived }]) => ((arrived as number) - (kept as number)) / SECOND);
    say('from the plant (a door: from 9 s after it moves) to the gateway', delays);
    say('from the journal to the gateway', ways);
    console.log(
      `      ${live} live events in all, ${alarms.size} of them doors and leaks, ${during.length} while their controller drained`,
    );
    assert.ok(during.length >= FLEET, 'enough of them to count');
    assert.ok(at(delays, 0.99) < 5, `p99 is ${at(delays, 0.99)} s`);
    const missed = [...alarms].filter(([, { from, arrived = 0 }]) => arrived <= from).map(([key]) => key);
    assert.deepEqual(missed, [], 'every alarm has come, and none before it was raised');
  });
});

/** @returns the value below or at which this part of them lies */
function at(list: readonly number[], part: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** Events and batches that memory holds. */
const MEMORY = [24, 2];

const numbersOf = ({ seen }: Once) => seen.flatMap(({ ranges }) => ranges.flatMap(([from, to]) => range(from, to)));
