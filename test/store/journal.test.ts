import assert from 'node:assert/strict';
import { RecordKind } from '../../firmware/link/messages.ts';
import { FlashJournal, MemoryJournal } from '../../firmware/store/journal.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';
import { KINDS, Model, open, record, small, spanOf, sweep } from './journal-model.ts';

/** bytes in front of the entries of a page. Source: the layout at the top of firmware/store/journal.ts. */
const HEADER = 32;

describe('a journal in raw flash', () => {
  it('gives what was appended under its number, after every restart, with the epoch that it was begun with', () => {
    const raw = new Flash({ size: 6 * 4096 });
    const model = new Model();
    for (let boot = 3; boot < 43; boot++) {
      const journal = open(raw, boot);
      if (boot > 3) assert.equal(journal.epoch, 3);
      model.check(journal, `boot ${boot}`);
      model.append(journal, RecordKind.Event);
      if (boot % 10 === 0) model.append(journal, RecordKind.Samples);
    }
    const journal = open(raw, 99);
    assert.deepEqual([journal.last(RecordKind.Event), journal.last(RecordKind.Samples)], [40, 4]);
    assert.deepEqual(
      journal.read(RecordKind.Event, 38, 600),
      [38, 39, 40].map((number) => record(RecordKind.Event, number)),
    );
  });

  it('goes on behind an entry of which any bits were not yet written when the power went', () => {
    // Pages of 512 bytes: a header of 32, then the entries. Bits that are not written are 1.
    for (let bit = 0; bit < 32; bit++) {
      for (const kind of KINDS) {
        const raw = small(6);
        const model = new Model();
        model.append(open(raw), kind);
        open(raw).append(kind, record(kind, 2));
        const word = Buffer.from(raw.read(HEADER + 4, 4)).readUInt32LE();
        raw.damage(HEADER + 4 + (bit >> 3), (2 ** (bit % 8) - 1) & ~Buffer.from(raw.read(HEADER + 4, 4))[bit >> 3]);
        const journal = open(raw);
        assert.equal(journal.last(kind), 2);
        const [second] = journal.read(kind, 2, 600);
        if (second) assert.deepEqual(second, record(kind, 2), `bit ${bit} of ${word.toString(16)}`);
        else journal.stored(kind, 2, 2);
        if (second) model.appended(kind, 2);
        else model.last[kind] = 2;
        for (const one of KINDS) model.append(journal, one);
        model.check(open(raw), `bit ${bit}`);
      }
    }
  });

  it('reads at most the room that there is, but one record at least, and none where there is none', () => {
    const journal = open(new Flash({ size: 6 * 4096 }));
    for (let i = 0; i < 8; i++) journal.append(RecordKind.Event, new Uint8Array(50).fill(i));
    const sizes = (from: number, room: number) => journal.read(RecordKind.Event, from, room).map((one) => one[0]);
    assert.deepEqual(sizes(1, 149), [0, 1]);
    assert.deepEqual(sizes(1, 150), [0, 1, 2]);
    assert.deepEqual(sizes(7, 10), [6]);
    assert.deepEqual(sizes(9, 600), []);
    assert.deepEqual(sizes(0, 600), []);
    assert.deepEqual(journal.newest(RecordKind.Event, 9, 150), [6, 8]);
    assert.deepEqual(journal.newest(RecordKind.Event, 9, 10), [8, 8]);
    assert.deepEqual(journal.newest(RecordKind.Event, 1, 600), undefined);
  });

  it('keeps no more than 24 kB: 100 days of 8 batches and 3 events, of which nobody took anything', () => {
    const raw = new Flash({ size: 6 * 4096 });
    const model = new Model();
    let journal = open(raw);
    for (let day = 0; day < 100; day++) {
      for (let i = 0; i < 8; i++) model.append(journal, RecordKind.Samples);
      for (let i = 0; i < 3; i++) model.append(journal, RecordKind.Event);
      if (day % 50 === 0) journal = open(raw);
      if (day % 50 === 1) model.check(journal, `day ${day}`);
    }
    model.check(open(raw), 'the end');
    // Events last: 300 of them in 4 pages of 85, the samples in what is left.
    const left = model.open.map(({ size }) => size);
    assert.ok(left[RecordKind.Event] >= 3 * 70, `${left} left`);
    assert.ok(left[RecordKind.Samples] > 0, `${left} left`);
  });

  it('gives up acknowledged records first, then samples, then events', () => {
    const raw = small(6);
    const journal = open(raw);
    const model = new Model();
    // Two pages of events, of which the first is acknowledged; three of samples, one page free.
    for (let i = 0; i < 20; i++) model.append(journal, RecordKind.Event);
    const page = journal.newest(RecordKind.Event, 21, 1e9) as number[];
    while (raw.erases.reduce((sum, count) => sum + count) < 5) model.append(journal, RecordKind.Samples);
    const [oldest] = page;
    model.acknowledge(journal, RecordKind.Event, 1, oldest - 1);
    assert.equal(journal.first(RecordKind.Event), oldest);
    const grow = (kind: RecordKind, pages: number) => {
      const before = raw.erases.reduce((sum, count) => sum + count);
      while (raw.erases.reduce((sum, count) => sum + count) < before + pages) model.append(journal, kind);
      model.check(journal, 'grown');
    };
    grow(RecordKind.Samples, 1);
    assert.deepEqual(model.dropped, [0, 0], 'the acknowledged events were in the way');
    grow(RecordKind.Samples, 1);
    assert.ok(model.dropped[RecordKind.Samples] > 0);
    assert.equal(model.dropped[RecordKind.Event], 0);
    grow(RecordKind.Event, 3);
    assert.equal(model.dropped[RecordKind.Event], 0, 'samples go before events');
    grow(RecordKind.Event, 2);
    assert.ok(model.dropped[RecordKind.Event] > 0);
    assert.ok(model.open[RecordKind.Samples].size > 0, 'the page that takes samples stays');
  });

  for (const pages of [2, 4, 6]) {
    it(`agrees with a model in 300 random steps on ${pages} pages, restarts among them`, () => {
      const raw = small(pages);
      const random = seeded(`journal ${pages}`);
      const model = new Model();
      let journal = open(raw);
      for (let step = 0; step < 300; step++) {
        const kind = KINDS[random.below(2)];
        const chance = random.below(10);
        if (chance < 6) model.append(journal, kind);
        else if (chance < 9) {
          const [from, to] = spanOf(random, journal.last(kind));
          model.acknowledge(journal, kind, from, to);
        } else journal = open(raw);
        model.check(journal, `step ${step}`);
      }
      model.check(open(raw), 'the end');
      assert.ok(model.dropped[0] + model.dropped[1] > 5, `${model.dropped} dropped`);
    });
  }

  it('loses nothing that it does not count, whenever the power goes in 30 appends and acknowledgements', () => {
    const { cuts } = sweep(30);
    console.log(`      ${cuts} cuts`);
    assert.ok(cuts > 250, `${cuts} cuts`);
  });

  it('reads on behind a record that flash has spoilt, once that one is said to be stored', () => {
    const raw = new Flash({ size: 6 * 4096 });
    const model = new Model();
    let journal = open(raw);
    for (let i = 0; i < 9; i++) model.append(journal, RecordKind.Event);
    const at = Buffer.from(raw.image()).indexOf(record(RecordKind.Event, 5));
    raw.damage(at + 3, 0x10);
    journal = open(raw);
    const numbers = (from: number) => journal.read(RecordKind.Event, from, 600).length;
    assert.deepEqual([numbers(1), numbers(5), numbers(6)], [4, 0, 4]);
    model.acknowledge(journal, RecordKind.Event, 1, 5);
    assert.equal(journal.first(RecordKind.Event), 6);
    model.check(journal, 'behind it');
  });

  it('goes on in other pages when one is worn out, and says so when all are', () => {
    const raw = small(4);
    const sim = openSim({ raw });
    const flash = sim.openFlash({ size: raw.size });
    let worn = 1;
    // Pages below `worn` take nothing any more.
    const area = { ...flash, write: (at: number, data: Uint8Array) => at >= worn * 512 && flash.write(at, data) };
    const journal = new FlashJournal(sim, area as typeof flash, 1);
    for (let i = 1; i <= 40; i++) assert.equal(journal.append(RecordKind.Event, record(RecordKind.Event, i)), i);
    worn = 4;
    let taken = 0;
    for (let i = 0; i < 20; i++) if (journal.append(RecordKind.Event, new Uint8Array(60)) > 0) taken++;
    assert.equal(taken, 0);
    assert.ok(journal.dropped(RecordKind.Event) >= 20);
  });

  it('refuses what no page holds, and gives up nothing for it', () => {
    const journal = open(new Flash({ size: 6 * 4096 }));
    journal.append(RecordKind.Samples, new Uint8Array(600));
    assert.equal(journal.append(RecordKind.Samples, new Uint8Array(4000)), 0);
    assert.equal(journal.append(RecordKind.Samples, new Uint8Array(3900)), 2);
    assert.deepEqual([journal.first(RecordKind.Samples), journal.dropped(RecordKind.Samples)], [1, 1]);
  });

  it('ignores acknowledgements of what it never had', () => {
    const raw = small(4);
    const journal = open(raw);
    journal.append(RecordKind.Event, record(RecordKind.Event, 1));
    const { operations } = raw;
    for (const [from, to] of [
      [2, 4294967295],
      [0, 0],
      [-5, 0],
      [Number.NaN, 3],
      [3, 1],
    ])
      journal.stored(RecordKind.Event, from, to);
    journal.stored(RecordKind.Samples, 1, 100);
    assert.equal(raw.operations, operations);
    journal.stored(RecordKind.Event, 0, 4294967295);
    assert.equal(journal.first(RecordKind.Event), 2);
  });
});

describe('a journal in memory', () => {
  it('gives what was appended until it is acknowledged, in any order', () => {
    const journal = new MemoryJournal(7);
    const model = new Model();
    assert.equal(journal.epoch, 7);
    for (let i = 0; i < 20; i++) model.append(journal, RecordKind.Event);
    model.check(journal, 'all');
    model.acknowledge(journal, RecordKind.Event, 15, 18);
    model.acknowledge(journal, RecordKind.Event, 3, 4);
    model.check(journal, 'two gaps');
    assert.deepEqual(journal.newest(RecordKind.Event, 21, 1e9), [19, 20]);
    assert.deepEqual(journal.newest(RecordKind.Event, 19, 1e9), [5, 14]);
    model.acknowledge(journal, RecordKind.Event, 1, 100);
    model.check(journal, 'none');
    assert.deepEqual([journal.first(RecordKind.Event), journal.last(RecordKind.Event)], [21, 20]);
  });

  it('holds 24 events and 2 batches, and counts what it drops', () => {
    const journal = new MemoryJournal(1);
    for (let i = 1; i <= 30; i++) assert.equal(journal.append(RecordKind.Event, record(RecordKind.Event, i)), i);
    for (let i = 1; i <= 5; i++) journal.append(RecordKind.Samples, record(RecordKind.Samples, i));
    assert.deepEqual([journal.first(RecordKind.Event), journal.dropped(RecordKind.Event)], [7, 6]);
    assert.deepEqual([journal.first(RecordKind.Samples), journal.dropped(RecordKind.Samples)], [4, 3]);
    assert.deepEqual(
      journal.read(RecordKind.Samples, 4, 1e9),
      [4, 5].map((i) => record(RecordKind.Samples, i)),
    );
  });
});
