/**
 * Brings what the journal keeps to the gateway, and lets go of it only when the gateway has it for good. What happens is
 * told at once; what has waited is told newest first, so that what matters now comes first, in portions of which the next
 * one waits until the one before is durable; samples come last, oldest first. Whatever is told twice has the same name.
 */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Batch } from '../monitor/recorder.ts';
import type { CborWriter } from '../protocols/cbor.ts';
import { NEVER, type Schedule } from '../schedule.ts';
import type { Journal } from '../store/journal.ts';
import { EventCode, EventItem, Leaf, LogKey, Phase, RecordKind } from './messages.ts';
import { seconds, writeItems } from './reports.ts';

/** Bytes of events in one message. */
const PORTION = 600;
/** ms from one portion to the next, and until the uplink is asked again when it has no room. */
const PAUSE = 1000;
/** ms that the gateway has to say that it has something; doubled while it does not, up to the longest. */
const PATIENCE = 30000;
const LONGEST = 600000;

/** How messages get out. */
export interface Post {
  readonly keeper: { readonly confirmed: number };
  readonly uplink: { readonly online: boolean };
  /** The birth is not yet told. */
  readonly _unborn: number;
  /** @returns false: there is no room for it now */
  post(leaf: Leaf, payload: Bytes, retain: boolean): boolean;
  /** Something worth reporting has changed. */
  touch(): void;
}

export class Teller {
  /** What happened and is not yet in the journal: from a reading to here the stack is as deep as it may be. As JSON, small. */
  private _fresh: string[] = [];
  /** Events up to this number were told since the link came up, or were there before it did. */
  private _sent: number;
  /** Of these it is not to be expected any more that the gateway says it has them. */
  private _border: number;
  /** Uptime of the latest message of news. */
  private _told = 0;
  /** Last number of the portion that the gateway does not have yet, below 0 of samples; 0: there is none. */
  private _open = 0;
  /** Uptime of the next portion. */
  private _next = 0;
  private _patience = PATIENCE;
  /** Records by kind of whose loss was told, and events that the telling itself has cost. */
  private _lost: number;
  private _lostSamples: number;
  private _cost = 0;
  private _task: number;
  constructor(
    private _hal: Pick<Hal, 'clock'>,
    private _schedule: Schedule,
    private _journal: Journal,
    readonly _post: Post,
    private _writer: CborWriter,
    private _boot: number,
  ) {
    this._sent = this._border = _journal.last(RecordKind.Event);
    this._lost = _journal.dropped(RecordKind.Event);
    this._lostSamples = _journal.dropped(RecordKind.Samples);
    this._task = _schedule.add(this);
    _schedule.at(this._task, 0);
  }

  /** Something happened. @param event by `EventItem`, its number left out */
  happened(event: readonly (number | null | undefined)[]): void {
    this._fresh.push(JSON.stringify(event));
    this._schedule.at(this._task, 0);
  }

  /** A batch of samples is full. */
  recorded(batch: Batch): void {
    const writer = this._writer;
    writer.pairs(LogKey.Start, [batch.start / 1000, batch.record[0]]);
    writer.number(LogKey.Columns);
    writer.array(batch.record.length - 1);
    writeItems(writer, batch.record, 1);
    writer.pairs(LogKey.Count, [batch.count]);
    writer.number(LogKey.Samples);
    writer.bytes(batch.samples);
    this._journal.append(RecordKind.Samples, writer.finish() as Bytes);
    this._next = Math.min(this._next, this._hal.clock.uptime() + (this._open ? PATIENCE : 0));
    this._schedule.at(this._task, 0);
  }

  /** The link is up and the birth is told: all that is there has waited. */
  greet(): void {
    this._keep();
    this._border = this._sent = this._journal.last(RecordKind.Event);
    this._open = 0;
    this._patience = PATIENCE;
    this._next = 0;
    this._schedule.at(this._task, 0);
  }

  /** The gateway has records for good. @param content [kind, epoch, from, to] */
  got(content: unknown): void {
    const items = content as number[];
    const kind = items[0];
    const from = items[2];
    const to = items[3];
    const journal = this._journal;
    if ((kind !== 0 && kind !== 1) || items[1] !== journal.epoch || !(from >= 1 && to >= from)) return;
    journal.stored(kind, from, Math.min(to, journal.last(kind)));
    this._patience = PATIENCE;
    // Whatever it has, it listens.
    if (!this._open) return;
    const last = kind === RecordKind.Event ? this._open : -this._open;
    if (from <= last && to >= last) this._open = 0;
    this._next = this._hal.clock.uptime() + PAUSE;
    this._schedule.at(this._task, PAUSE);
  }

  /** @internal */
  run(): void {
    const journal = this._journal;
    const now = this._hal.clock.uptime();
    this._keep();
    if (!this._post.uplink.online || this._post._unborn) return;
    if (journal.last(RecordKind.Event) > this._sent) {
      const sent = this._tell(RecordKind.Event, this._sent + 1, journal.last(RecordKind.Event));
      if (sent) {
        this._sent = sent;
        this._told = now;
        if (!this._open) this._next = Math.min(this._next, now + PATIENCE);
      }
      this._schedule.at(this._task, sent ? 0 : PAUSE);
      return;
    }
    if (this._next - now < 1) {
      if (this._open) this._patience = Math.min(LONGEST, 2 * this._patience);
      if (now - this._told >= PATIENCE) this._border = this._sent;
      const events = journal.newest(RecordKind.Event, this._border + 1, PORTION);
      const first = journal.first(RecordKind.Samples);
      if (events || first <= journal.last(RecordKind.Samples)) {
        this._open = events
          ? this._tell(RecordKind.Event, events[0], events[1])
          : -this._tell(RecordKind.Samples, first, first);
        this._next = now + (this._open ? this._patience : PAUSE);
      } else {
        // Nothing is left but, maybe, news that the gateway has not confirmed yet.
        this._open = 0;
        this._next = this._border < this._sent ? this._told + PATIENCE : NEVER;
      }
    }
    this._schedule.at(this._task, this._next - now);
  }

  /** @returns the last number that was told; 0: there was no room */
  private _tell(kind: RecordKind, from: number, to: number): number {
    const journal = this._journal;
    const writer = this._writer;
    const records = journal.read(kind, from, PORTION);
    let count = Math.min(records.length, to - from + 1);
    if (count === 0) {
      // It was dropped, or is damaged.
      journal.stored(kind, from, from);
      return from;
    }
    if (kind === RecordKind.Samples) {
      count = 1;
      writer.map(7);
      writer.pairs(LogKey.Number, [from, journal.epoch]);
      writer.raw(records[0]);
    } else {
      writer.array(count + 1);
      writer.number(journal.epoch);
      for (let i = 0; i < count; i++) {
        const record = records[i];
        writer.raw(record.subarray(0, 1));
        writer.number(from + i);
        writer.raw(record.subarray(1));
      }
    }
    const leaf = kind === RecordKind.Samples ? Leaf.Log : Leaf.Event;
    return this._post.post(leaf, writer.finish() as Bytes, false) ? from + count - 1 : 0;
  }

  /** Into the journal with what has happened, and with what it could not hold. */
  private _keep(): void {
    const journal = this._journal;
    const writer = this._writer;
    for (;;) {
      const text = this._fresh[0];
      if (text) {
        const event = JSON.parse(text) as (number | null)[];
        const undated = event[EventItem.Time - 1] === null;
        const length = undated ? EventItem.Boot - 1 : event.length;
        writer.array(length + (undated ? 2 : 1));
        for (let i = 0; i < length; i++) {
          const item = event[i];
          if (item === undefined || item === null) writer.simple(null);
          else writer.number(item);
        }
        if (undated) writer.number(this._boot);
        const before = journal.dropped(RecordKind.Event);
        journal.append(RecordKind.Event, writer.finish() as Bytes);
        this._fresh.shift();
        if (event[EventItem.Code - 1] === EventCode.Dropped) this._cost += journal.dropped(RecordKind.Event) - before;
        this._post.touch();
        continue;
      }
      for (let kind = 0; kind < 2; kind++) {
        const events = kind === RecordKind.Event;
        const dropped = journal.dropped(kind);
        const count = dropped - (events ? this._lost : this._lostSamples);
        // While nobody listens the event would be lost itself.
        if (!this._post.uplink.online || count - (events ? this._cost : 0) < 1) continue;
        if (events) {
          this._lost = dropped;
          this._cost = 0;
        } else this._lostSamples = dropped;
        const clock = this._hal.clock;
        const nothing = [undefined, undefined, undefined, undefined, undefined, undefined, undefined];
        const told = [EventCode.Dropped, Phase.Instant, seconds(clock.uptime()), seconds(clock.time())];
        this._fresh.push(JSON.stringify(told.concat(nothing, [dropped, kind])));
      }
      if (this._fresh.length === 0) return;
    }
  }
}
