import assert from 'node:assert/strict';
import { decode } from 'cbor-x';
import { EventCode, EventItem, Leaf, LogColumn, LogKey, Phase, RecordKind } from '../../firmware/link/messages.ts';
import { Teller } from '../../firmware/link/teller.ts';
import { CborWriter } from '../../firmware/protocols/cbor.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { FlashJournal, type Journal, MemoryJournal } from '../../firmware/store/journal.ts';
import type { Bytes } from '../../hal/hal.ts';
import { World } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim, type SimHal } from '../../sim/index.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** s UTC */
const T0 = 1_795_644_000;

interface Told {
  at: number;
  leaf: string;
  kind: RecordKind;
  epoch: number;
  numbers: number[];
  items: unknown[][];
}

/** A teller, the journal behind it, and a gateway that a test plays. */
class Rig {
  readonly told: Told[] = [];
  teller!: Teller;
  schedule!: Schedule;
  online = false;
  room = true;
  /** ms until the gateway has what it was told; undefined: it never has. */
  durable: number | undefined = 200;
  #boot = 0;

  constructor(
    readonly world: World,
    readonly hal: SimHal,
    private make: (hal: SimHal, boot: number) => Journal,
  ) {
    this.boot();
  }

  journal!: Journal;

  boot(): void {
    const boot = ++this.#boot;
    this.journal = this.make(this.hal, boot);
    const rig = this;
    const schedule = new Schedule(this.hal.clock, {
      failed: (error) => {
        throw error;
      },
    });
    const post = {
      keeper: { confirmed: 0 },
      _unborn: 0,
      uplink: {
        get online() {
          return rig.online && rig.schedule === schedule;
        },
      },
      post: (leaf: Leaf, payload: Bytes) => this.#take(leaf, payload),
      touch: () => {},
    };
    this.schedule = schedule;
    this.online = false;
    this.teller = new Teller(this.hal, schedule, this.journal, post, new CborWriter(1024), boot);
  }

  connect(): void {
    this.online = true;
    this.teller.greet();
  }

  /** @returns the name that it gets */
  happen(first: number, dated = true): void {
    const uptime = Math.floor(this.hal.clock.uptime() / 1000);
    const evidence = [undefined, 70, 2315, 12, 8, undefined, 415];
    const head = [EventCode.LightStateChange, Phase.Instant, uptime, dated ? T0 + uptime : undefined];
    this.teller.happened([...head, ...evidence, first, 1]);
  }

  record(): void {
    const samples = new Uint8Array(550).fill(7);
    this.teller.recorded({ start: T0 * 1000, record: [900, LogColumn.Level], count: 96, samples });
  }

  run(ms: number): void {
    this.world.run(ms);
  }

  /** Numbers of a kind in the order in which they were told. */
  numbers(kind = RecordKind.Event): number[] {
    return this.told.filter((one) => one.kind === kind).flatMap(({ numbers }) => numbers);
  }

  #take(leaf: string, payload: Bytes): boolean {
    if (!this.room) return false;
    assert.ok(payload.length <= 1000, `${payload.length} bytes`);
    const body = decode(payload);
    const events = leaf === Leaf.Event;
    const [epoch, ...items] = events ? body : [body[LogKey.Epoch], [body[LogKey.Number]]];
    const numbers = items.map((item: number[]) => item[EventItem.Number]);
    const kind = events ? RecordKind.Event : RecordKind.Samples;
    this.told.push({ at: this.world.now, leaf, kind, epoch, numbers, items });
    if (this.durable !== undefined) {
      const teller = this.teller;
      this.world.after(this.durable, () => teller.got([kind, epoch, numbers[0], numbers.at(-1)]));
    }
    return true;
  }
}

const inMemory = () => {
  const world = new World();
  return new Rig(world, openSim({ world }), (_hal, boot) => new MemoryJournal(boot));
};

/** With 6 pages of 4 kB, as an ESP32 has. */
const inFlash = () => {
  const world = new World();
  const hal = openSim({ world, raw: new Flash({ size: 65_536 }) });
  return new Rig(world, hal, (on, boot) => new FlashJournal(on, on.openFlash({ address: 0, size: 24_576 }), boot));
};

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the teller', () => {
  it('tells what happens at once, each under its own number, and lets go of it when the gateway has it', () => {
    const rig = inFlash();
    rig.connect();
    rig.run(MINUTE);
    for (let i = 1; i <= 3; i++) {
      rig.happen(i);
      rig.run(10);
      assert.deepEqual(rig.told.at(-1)?.numbers, [i]);
      assert.deepEqual(rig.told.at(-1)?.items[0].slice(EventItem.First), [i, 1]);
      rig.run(SECOND);
    }
    assert.equal(rig.journal.first(RecordKind.Event), 4);
    rig.run(HOUR);
    assert.equal(rig.told.length, 3);
  });

  it('names the boot of what happened before the time was known, and of nothing else', () => {
    const rig = inFlash();
    rig.boot();
    rig.happen(1, false);
    rig.happen(2);
    rig.teller.happened([EventCode.DoorOpen, Phase.Start, 5, undefined, ...new Array(7).fill(undefined)]);
    rig.connect();
    rig.run(SECOND);
    const [first, second, third] = rig.told[0].items;
    assert.deepEqual([first.length, first[EventItem.Time], first[EventItem.Boot]], [15, null, 2]);
    assert.deepEqual([second.length, second[EventItem.Time]], [14, T0]);
    assert.deepEqual(
      [third.length, third[EventItem.First], third[EventItem.Second], third[EventItem.Boot]],
      [15, null, null, 2],
    );
    assert.equal(rig.told[0].epoch, 2);
  });

  it('tells what has waited newest portion first, 1 s after the gateway has the one before, and news in between', () => {
    const rig = inFlash();
    for (let i = 1; i <= 60; i++) rig.happen(i);
    for (let i = 0; i < 3; i++) rig.record();
    rig.run(MINUTE);
    rig.connect();
    rig.run(1500);
    rig.happen(61);
    rig.run(MINUTE);
    const events = rig.told.filter(({ kind }) => kind === RecordKind.Event);
    const backlog = events.filter(({ numbers }) => numbers[0] <= 60);
    assert.deepEqual(
      backlog.map(({ numbers }) => numbers.at(-1)),
      [60, ...backlog.slice(0, -1).map(({ numbers }) => numbers[0] - 1)],
      'each portion ends where the one before began',
    );
    assert.deepEqual(
      [...rig.numbers()].sort((a, b) => a - b),
      range(1, 61),
    );
    const pauses = backlog.slice(1).map(({ at }, i) => at - backlog[i].at);
    assert.ok(Math.min(...pauses) >= 1199, `${Math.min(...pauses)} ms`);
    const live = events.find(({ numbers }) => numbers[0] === 61);
    assert.ok(live && live.at <= MINUTE + 1510, 'what happens is not kept waiting');
    const samples = rig.told.filter(({ kind }) => kind === RecordKind.Samples);
    assert.deepEqual(rig.numbers(RecordKind.Samples), [1, 2, 3]);
    assert.ok(samples[0].at > (backlog.at(-1)?.at ?? 0), 'samples come after all events');
    const count = rig.told.length;
    rig.run(24 * HOUR);
    assert.equal(rig.told.length, count);
  });

  it('tells again what the gateway does not have: after 30 s, 1, 2, 4 … minutes up to 10, and after each connection', () => {
    const rig = inFlash();
    rig.durable = undefined;
    rig.connect();
    rig.run(SECOND);
    rig.happen(1);
    rig.run(2 * HOUR);
    const gaps = rig.told.slice(1).map(({ at }, i) => Math.round((at - rig.told[i].at) / SECOND));
    assert.deepEqual(gaps.slice(0, 8), [30, 30, 60, 120, 240, 480, 600, 600]);
    rig.told.length = 0;
    rig.durable = 200;
    rig.connect();
    rig.run(HOUR);
    assert.deepEqual(rig.numbers(), [1]);
    assert.equal(rig.journal.first(RecordKind.Event), 2);
  });

  it('tells again after a reboot what the gateway does not have, under the same names', () => {
    const rig = inFlash();
    rig.durable = undefined;
    rig.connect();
    for (let i = 1; i <= 5; i++) rig.happen(i);
    rig.record();
    rig.run(SECOND);
    rig.boot();
    rig.durable = 200;
    rig.connect();
    rig.happen(6);
    rig.run(MINUTE);
    const after = rig.told.slice(1);
    assert.deepEqual([...new Set(after.flatMap(({ numbers, kind }) => (kind ? [] : numbers)))].sort(), range(1, 6));
    assert.ok(rig.told.every(({ epoch }) => epoch === 1));
    assert.deepEqual(rig.journal.first(RecordKind.Event), 7);
    assert.deepEqual(rig.journal.first(RecordKind.Samples), 2);
  });

  it('waits until the uplink has room, and loses nothing', () => {
    const rig = inFlash();
    rig.connect();
    rig.room = false;
    for (let i = 1; i <= 20; i++) rig.happen(i);
    rig.record();
    rig.run(10 * MINUTE);
    assert.deepEqual(rig.told, []);
    rig.room = true;
    rig.run(MINUTE);
    assert.deepEqual(rig.numbers(), range(1, 20));
    assert.deepEqual(rig.numbers(RecordKind.Samples), [1]);
  });

  it('believes only that the gateway has records of this epoch', () => {
    const rig = inFlash();
    rig.durable = undefined;
    rig.connect();
    rig.happen(1);
    rig.run(SECOND);
    for (const bad of [
      undefined,
      7,
      [],
      [0],
      [2, 1, 1, 1],
      [0, 2, 1, 1],
      [0, 1, 1],
      [0, 1, 0, 1],
      [0, 1, 2, 1],
      ['0', 1, 1, 1],
    ]) {
      if (bad !== undefined) rig.teller.got(bad);
    }
    assert.equal(rig.journal.first(RecordKind.Event), 1);
    rig.teller.got([0, 1, 1, 4_294_967_295]);
    assert.equal(rig.journal.first(RecordKind.Event), 2);
  });

  it('tells of what was lost for want of room, once and as much as it was, whatever the telling itself costs', () => {
    const rig = inMemory();
    for (let i = 1; i <= 100; i++) {
      rig.happen(i);
      rig.run(MINUTE);
    }
    rig.connect();
    rig.run(HOUR);
    const items = rig.told.flatMap((one) => one.items);
    const lost = items.filter((item) => item[EventItem.Code] === EventCode.Dropped);
    assert.ok(lost.every((item) => item[EventItem.Second] === RecordKind.Event));
    const real = items.filter((item) => item[EventItem.Code] !== EventCode.Dropped);
    assert.equal(real.length, 23);
    assert.deepEqual(
      real.map((item) => item[EventItem.First]).sort((a, b) => (a as number) - (b as number)),
      range(101 - real.length, 100),
    );
    // All that were lost before the link was there; the telling took one more.
    assert.deepEqual(
      lost.map((item) => item[EventItem.First]),
      [76],
    );
    assert.equal(rig.journal.dropped(RecordKind.Event), 77);
    rig.run(HOUR);
    assert.equal(rig.journal.first(RecordKind.Event), rig.journal.last(RecordKind.Event) + 1);
  });
});
