/** What a journal has to hold, record by record, and power cuts in whatever it does. */
import assert from 'node:assert/strict';
import { RecordKind } from '../../firmware/link/messages.ts';
import { FlashJournal, type Journal } from '../../firmware/store/journal.ts';
import { PowerCut } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { type Random, seeded } from '../../sim/random.ts';

export const KINDS = [RecordKind.Event, RecordKind.Samples];

/** The bytes of record `number` of a kind: 0 to 60 of an event, 80 to 200 of samples. */
export function record(kind: RecordKind, number: number): Uint8Array {
  const length = kind === RecordKind.Event ? (number * 7) % 61 : 80 + ((number * 13) % 121);
  return Uint8Array.from({ length }, (_, i) => (number * 31 + i * 7 + kind) & 255);
}

/** Fake flash of small pages, so that few records go round: 512 bytes hold 10 events or 2 batches at most. */
export const small = (pages: number) => new Flash({ size: pages * 512, page: 512 });

export function open(raw: Flash, boot = 1): FlashJournal {
  const sim = openSim({ raw });
  return new FlashJournal(sim, sim.openFlash({ size: raw.size }), boot);
}

/** What a journal holds that nobody has acknowledged, the newest portion first, as the link takes it. */
export function drain(journal: Journal, kind: RecordKind, room: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let span = journal.newest(kind, journal.last(kind) + 1, room);
  for (; span; span = journal.newest(kind, span[0], room)) {
    const [from, to] = span;
    const records = journal.read(kind, from, room);
    if (to > from) {
      const size = records.reduce((sum, { length }) => sum + length, 0);
      assert.ok(size <= room, `${size} bytes in a portion of ${room}`);
    }
    for (let i = 0; i <= to - from; i++) {
      assert.ok(!found.has(from + i), `record ${from + i} comes twice`);
      if (records[i]) found.set(from + i, records[i]);
    }
  }
  return found;
}

/** What has to be true: what was appended, and what of it was acknowledged or dropped. */
export class Model {
  readonly open = [new Map<number, Uint8Array>(), new Map<number, Uint8Array>()];
  readonly last = [0, 0];
  readonly dropped = [0, 0];

  /** Every record that is missing was dropped and counted; every other one is whole. */
  check(journal: Journal, what: string): void {
    for (const kind of KINDS) {
      const open = this.open[kind];
      const found = drain(journal, kind, 200);
      for (const [number, bytes] of open) {
        const there = found.get(number);
        if (there) assert.deepEqual(there, bytes, `${what}: record ${number} of kind ${kind}`);
        else {
          open.delete(number);
          this.dropped[kind]++;
        }
      }
      for (const number of found.keys()) assert.ok(open.has(number), `${what}: ${number} of kind ${kind} came back`);
      assert.equal(journal.dropped(kind), this.dropped[kind], `${what}: dropped of kind ${kind}`);
      const [oldest] = open.keys();
      assert.equal(journal.first(kind), oldest ?? journal.last(kind) + 1, `${what}: the first of kind ${kind}`);
    }
  }

  append(journal: Journal, kind: RecordKind): void {
    const number = journal.last(kind) + 1;
    const bytes = record(kind, number);
    assert.equal(journal.append(kind, bytes), number);
    this.appended(kind, number);
  }

  appended(kind: RecordKind, number: number): void {
    assert.ok(number > this.last[kind], `number ${number} of kind ${kind} is used again`);
    this.open[kind].set(number, record(kind, number));
    this.last[kind] = number;
  }

  acknowledge(journal: Journal, kind: RecordKind, from: number, to: number): void {
    journal.stored(kind, from, to);
    for (let number = from; number <= to; number++) this.open[kind].delete(number);
  }
}

/** A span among the latest 20 numbers. */
export function spanOf(random: Random, last: number): number[] {
  const from = Math.max(1, last - random.below(20));
  return [from, from + random.below(6)];
}

/**
 * Appends and acknowledges so many times, and cuts the power in every flash operation of each step. Nothing is lost that is
 * not counted, nothing is half there, and no number is used twice.
 * @returns how many cuts that were, and how many records were dropped in all
 */
export function sweep(steps: number): { cuts: number; dropped: number } {
  const raw = small(6);
  const random = seeded('journal cut');
  const model = new Model();
  let cuts = 0;
  for (let step = 0; step < steps; step++) {
    const kind = KINDS[random.below(2)];
    const acknowledges = random.below(3) === 0;
    const [from, to] = spanOf(random, open(raw).last(kind));
    for (const part of [0, 0.5, 1]) {
      for (let operation = 0; ; operation++) {
        let journal = open(raw);
        const number = journal.last(kind) + 1;
        const bytes = record(kind, number);
        raw.cutAfter(operation, part);
        let cut = false;
        try {
          if (acknowledges) journal.stored(kind, from, to);
          else if (journal.append(kind, bytes) !== number) throw new Error('not appended');
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
          cut = true;
        }
        raw.keepPower();
        journal = open(raw, 9);
        const at = `step ${step}, cut at operation ${operation}, part ${part}`;
        assert.equal(journal.epoch, step === 0 && number === 1 ? journal.epoch : 1, at);
        if (acknowledges) {
          // Cut short, some of them are acknowledged and some are not.
          for (const one of [...model.open[kind].keys()]) {
            if (one < from || one > to) continue;
            const span = journal.newest(kind, one + 1, 1);
            if (!cut) assert.ok(!span || span[1] < one, at);
            if (!span || span[1] < one) model.open[kind].delete(one);
          }
        } else {
          // What was not said to be kept may be there all the same, but whole.
          const there = journal.read(kind, number, 0);
          if (there.length > 0) model.appended(kind, number);
          else assert.ok(cut, at);
          if (there.length === 0) journal.stored(kind, number, number);
        }
        model.check(journal, at);
        if (!cut) break;
        cuts++;
      }
    }
  }
  return { cuts, dropped: model.dropped[0] + model.dropped[1] };
}
