/**
 * What must not be lost until the gateway has it: events and batches of samples, each numbered from 1 within its kind and
 * never anew. A record is removed only when it was acknowledged (`stored`), or when there is no room for a newer one; then
 * the least valuable go first: acknowledged ones, else the oldest samples, else the oldest events.
 *
 * In raw flash a page holds records of one kind:
 *
 *     header   magic, epoch, order (2 * sequence + kind), number of the first record, records dropped so far (events,
 *              samples), the page that this one replaces (itself: none), CRC-32 of all that
 *     entries  a word each: where the record lies in the page, and its length in the upper half
 *     marks    a word each: blank until the record is acknowledged
 *     records  each padded to 4 bytes with its length, its CRC-32 behind that
 *
 * Nothing is written twice. A record exists once its entry is written. One page is always free: to take it, a header
 * is written that names the page to be given up, so that both happen at once. Words are little-endian, as on all boards.
 */
import type { Bytes, FlashArea, Hal } from '../../hal/hal.ts';
import { RecordKind } from '../link/messages.ts';
import { WHOLE } from '../protocols/crc.ts';

/** A record's name for ever is the controller, its kind, `epoch` and its number. */
export interface Journal {
  /** Names the journal, of all that boards in this controller's place ever begin. */
  readonly epoch: number;
  /** @returns the oldest number that is not acknowledged; one more than the last when there is none */
  first(kind: RecordKind): number;
  /** @returns the latest number, 0 before the first */
  last(kind: RecordKind): number;
  /** @returns the record's number; 0: it cannot be kept, and counts as dropped */
  append(kind: RecordKind, record: Bytes): number;
  /**
   * @returns consecutive records from number `from` on, `room` bytes at most unless the first one is longer. None: that
   * one was dropped, or is damaged, and is not to be waited for: say that it is `stored`.
   */
  read(kind: RecordKind, from: number, room: number): Bytes[];
  /** @returns first and last number of the newest records below `below` that are not acknowledged, `room` bytes at most (one at least); undefined: none */
  newest(kind: RecordKind, below: number, room: number): number[] | undefined;
  /** Records of these numbers, both included, need not be kept any longer. Numbers that are not there are ignored. */
  stored(kind: RecordKind, from: number, to: number): void;
  /** @returns how many records were dropped that nobody had acknowledged, since the journal was begun */
  dropped(kind: RecordKind): number;
}

const MAGIC = 0x314a5652;
const HEADER = 32;
/** Order of a page that flash does not hold. */
const BAD = 4294967295;
/** Where room behind something torn is looked for next. */
const STEP = 64;

/** Places in `_state`, each for one kind and then the other. */
const enum Of {
  /** Number of the next record. */
  Next = 0,
  /** The page that takes records; `NOWHERE` without one. */
  Page = 2,
  /** Address of the next record. */
  Free = 4,
  Dropped = 6,
  /** All numbers below are acknowledged or gone. */
  Done = 8,
}
const NOWHERE = 4294967295;

export class FlashJournal implements Journal {
  readonly epoch: number;
  /** By page: its order, 0 when it is free; the number of its first record; how many it holds. */
  private _order: Uint32Array;
  private _first: Uint32Array;
  private _used: Uint8Array;
  private _state = new Uint32Array([1, 1, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 0, 0, 1, 1]);

  /** @param epoch names the journal if there is none yet */
  constructor(
    private _hal: Pick<Hal, 'crc32'>,
    private _flash: FlashArea,
    epoch: number,
  ) {
    const size = _flash.page;
    const count = _flash.size / size;
    const state = this._state;
    const order = new Uint32Array(count);
    this._order = order;
    this._first = new Uint32Array(count);
    this._used = new Uint8Array(count);
    const headers: Uint32Array[] = [];
    let newest = -1;
    for (let page = 0; page < count; page++) {
      const bytes = _flash.read(page * size, HEADER);
      const header = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER / 4);
      headers.push(header);
      if (_hal.crc32(bytes) !== WHOLE || header[0] !== MAGIC) continue;
      order[page] = header[2];
      this._first[page] = header[3];
      if (newest < 0 || order[page] > order[newest]) newest = page;
    }
    // A page that another one replaces is free, even if it was not erased yet.
    for (let page = 0; page < count; page++) {
      const gone = headers[page][6];
      if (order[page] && headers[gone][2] < order[page]) order[gone] = 0;
    }
    for (let page = 0; page < count; page++) {
      if (!order[page]) continue;
      const kind = order[page] & 1;
      const entries = this._table(page, 0);
      const blank = entries.indexOf(-1);
      const used = blank < 0 ? entries.length : blank;
      this._used[page] = used;
      state[Of.Next + kind] = Math.max(state[Of.Next + kind], this._first[page] + used);
      const current = state[Of.Page + kind];
      if (current !== NOWHERE && order[current] > order[page]) continue;
      state[Of.Page + kind] = page;
      let free = HEADER + 8 * entries.length;
      if (used > 0) {
        // A torn entry points further behind, maybe between words or behind the page, which is full then. (The interpreter
        // throws at a place of -1.)
        const entry = entries[used - 1];
        free = ((entry & 65535) + (entry >>> 16) + 7) & -4;
      }
      state[Of.Free + kind] = page * size + free;
    }
    const header = headers[newest];
    if (header) state.set([header[4], header[5]], Of.Dropped);
    this.epoch = header ? header[1] : epoch;
  }

  first(kind: RecordKind): number {
    const state = this._state;
    let number = state[Of.Done + kind];
    while (number < state[Of.Next + kind]) {
      const page = this._find(kind, number);
      if (page < 0) break;
      const first = this._first[page];
      number = Math.max(number, first);
      const used = this._used[page];
      const open = this._table(page, 1)
        .subarray(number - first, used)
        .indexOf(-1);
      number = open < 0 ? first + used : number + open;
      if (open >= 0) break;
    }
    state[Of.Done + kind] = number;
    return number;
  }

  last(kind: RecordKind): number {
    return this._state[Of.Next + kind] - 1;
  }

  append(kind: RecordKind, record: Bytes): number {
    const flash = this._flash;
    const state = this._state;
    const size = flash.page;
    // Its length is the padding, so that a torn entry cannot make it part of the record.
    const bytes = new Uint8Array((record.length + 7) & -4).fill(record.length);
    const end = bytes.length - 4;
    bytes.set(record);
    new DataView(bytes.buffer).setUint32(end, this._hal.crc32(bytes.subarray(0, end)), true);
    const blank = this._hal.crc32(new Uint8Array(bytes.length).fill(255));
    const slots = slotsOf(size, kind);
    // No page is given up for what no page holds.
    const fits = HEADER + 8 * slots + bytes.length <= size;
    for (let attempt = 0; fits && attempt < 2; attempt++) {
      let page = state[Of.Page + kind];
      let at = state[Of.Free + kind];
      if (page === NOWHERE || this._used[page] === slots || at + bytes.length > (page + 1) * size) {
        this._take(kind);
        page = state[Of.Page + kind];
        at = state[Of.Free + kind];
        if (page === NOWHERE) continue;
      }
      // What a power cut has torn is passed over.
      const stop = (page + 1) * size - bytes.length;
      while (at <= stop && this._hal.crc32(flash.read(at, bytes.length)) !== blank) at += STEP;
      state[Of.Free + kind] = at + bytes.length;
      if (at > stop) continue;
      const number = state[Of.Next + kind];
      const place = page * size + HEADER + 4 * this._used[page];
      const entry = new Uint8Array(new Uint16Array([at - page * size, record.length]).buffer);
      flash.write(at, bytes);
      flash.write(place, entry);
      state[Of.Next + kind]++;
      this._used[page]++;
      const held = this._hal.crc32(flash.read(place, 4)) === this._hal.crc32(entry);
      if (held && this._hal.crc32(flash.read(at, bytes.length)) === WHOLE) return number;
      this.stored(kind, number, number);
    }
    state[Of.Dropped + kind]++;
    return 0;
  }

  read(kind: RecordKind, from: number, room: number): Bytes[] {
    const records: Bytes[] = [];
    const size = this._flash.page;
    let page = -1;
    let entries: Int32Array | undefined;
    let first = 0;
    for (let number = from; number <= this.last(kind); number++) {
      if (!entries || number >= first + this._used[page]) {
        page = this._find(kind, number);
        if (page < 0) break;
        first = this._first[page];
        if (first > number) break;
        entries = this._table(page, 0);
      }
      const entry = entries[number - first];
      const length = entry >>> 16;
      const whole = (length + 7) & -4;
      const at = entry & 65535;
      if ((records.length > 0 && length > room) || at + whole > size) break;
      room -= length;
      const bytes = this._flash.read(page * size + at, whole);
      if (this._hal.crc32(bytes) !== WHOLE || (length & 3 && bytes[length] !== (length & 255))) break;
      records.push(bytes.subarray(0, length));
      if (room <= 0) break;
    }
    return records;
  }

  newest(kind: RecordKind, below: number, room: number): number[] | undefined {
    const first = this._first;
    let to = Math.min(below - 1, this.last(kind));
    for (;;) {
      let page = -1;
      for (let i = 0; i < first.length; i++) {
        if (this._order[i] && (this._order[i] & 1) === kind && this._used[i] > 0 && first[i] <= to) {
          if (page < 0 || first[i] > first[page]) page = i;
        }
      }
      if (page < 0) return undefined;
      const begin = first[page];
      const marks = this._table(page, 1).subarray(0, this._used[page]);
      to = Math.min(to, begin + marks.length - 1);
      if (marks.indexOf(-1) < 0) to = begin - 1;
      while (to >= begin && marks[to - begin] !== -1) to--;
      if (to < begin) continue;
      const entries = this._table(page, 0);
      let from = to;
      room -= entries[to - begin] >>> 16;
      while (from > begin && marks[from - 1 - begin] === -1) {
        room -= entries[from - 1 - begin] >>> 16;
        if (room < 0) break;
        from--;
      }
      return [from, to];
    }
  }

  stored(kind: RecordKind, from: number, to: number): void {
    let number = Math.max(from, this._state[Of.Done + kind]);
    while (number <= to) {
      const page = this._find(kind, number);
      if (page < 0) return;
      const marks = this._table(page, 1);
      const first = this._first[page];
      const address = page * this._flash.page + HEADER + 4 * marks.length;
      const end = Math.min(to, first + this._used[page] - 1);
      for (number = Math.max(number, first); number <= end; number++) {
        if (marks[number - first] === -1) this._flash.write(address + 4 * (number - first), new Uint8Array(4));
      }
    }
  }

  dropped(kind: RecordKind): number {
    return this._state[Of.Dropped + kind];
  }

  /** @returns the page that holds a record, or the next ones that there are; negative: none */
  private _find(kind: RecordKind, number: number): number {
    const order = this._order;
    const first = this._first;
    let found = -1;
    for (let page = 0; page < order.length; page++) {
      if (!order[page] || (order[page] & 1) !== kind || first[page] + this._used[page] <= number) continue;
      if (found < 0 || first[page] < first[found]) found = page;
    }
    return found;
  }

  /** @param marks 0: a page's entries, 1: its marks. @returns a copy; what is blank is -1 */
  private _table(page: number, marks: number): Int32Array {
    const size = this._flash.page;
    const slots = slotsOf(size, this._order[page] & 1);
    const bytes = this._flash.read(page * size + HEADER + marks * 4 * slots, 4 * slots);
    return new Int32Array(bytes.buffer, bytes.byteOffset, slots);
  }

  /** Gives a kind its next page. */
  private _take(kind: RecordKind): void {
    const flash = this._flash;
    const order = this._order;
    const state = this._state;
    const other = state[Of.Page + 1 - kind];
    let latest = 0;
    for (const one of order) if (one !== BAD && one > latest) latest = one;
    let page = order.indexOf(0);
    let gone = page;
    if (page >= 0) order[page] = BAD;
    if (order.indexOf(0) < 0) {
      // It was the last free one. Whose loss matters least?
      let least = Infinity;
      let lost = 0;
      for (let i = 0; i < order.length; i++) {
        if (i === other || order[i] === BAD) continue;
        let open = 0;
        for (const mark of this._table(i, 1).subarray(0, this._used[i])) if (mark === -1) open++;
        let worth = order[i];
        if (open > 0) worth += (order[i] & 1) === RecordKind.Samples ? 4294967296 : 8589934592;
        if (worth >= least) continue;
        least = worth;
        gone = i;
        lost = open;
      }
      if (page < 0) page = gone;
      if (gone < 0) return;
      if (gone !== page || order[gone] !== BAD) {
        state[Of.Dropped + (order[gone] & 1)] += lost;
        order[gone] = 0;
      }
    }
    const next = (latest | 1) + 1 + kind;
    const fields = [MAGIC, this.epoch, next, state[Of.Next + kind], state[Of.Dropped], state[Of.Dropped + 1], gone, 0];
    const header = new Uint8Array(new Uint32Array(fields).buffer);
    new DataView(header.buffer).setUint32(HEADER - 4, this._hal.crc32(header.subarray(0, HEADER - 4)), true);
    flash.erase(page * flash.page);
    flash.write(page * flash.page, header);
    const held = this._hal.crc32(flash.read(page * flash.page, HEADER)) === WHOLE;
    this._first[page] = held ? fields[3] : 0;
    this._used[page] = 0;
    order[page] = held ? next : BAD;
    state[Of.Page + kind] = held ? page : NOWHERE;
    state[Of.Free + kind] = page * flash.page + HEADER + 8 * slotsOf(flash.page, kind);
  }
}

/** Events and batches that a board without raw flash keeps. */
const MOST = [24, 2];

/** For boards without raw flash: what the supply's loss may take, and of which the oldest is dropped first. */
export class MemoryJournal implements Journal {
  /** By kind: the records from the oldest unacknowledged one on; acknowledged ones are undefined. */
  private _records: (Bytes | undefined)[][] = [[], []];
  private _first = [1, 1];
  private _dropped = [0, 0];

  constructor(readonly epoch: number) {}

  first(kind: RecordKind): number {
    return this._first[kind];
  }

  last(kind: RecordKind): number {
    return this._first[kind] + this._records[kind].length - 1;
  }

  append(kind: RecordKind, record: Bytes): number {
    const records = this._records[kind];
    records.push(new Uint8Array(record));
    if (records.length > MOST[kind]) {
      this._dropped[kind]++;
      this.stored(kind, this._first[kind], this._first[kind]);
    }
    return this.last(kind);
  }

  read(kind: RecordKind, from: number, room: number): Bytes[] {
    const found: Bytes[] = [];
    for (let number = from; number >= this._first[kind] && number <= this.last(kind); number++) {
      const record = this._records[kind][number - this._first[kind]];
      if (!record || (found.length > 0 && record.length > room)) break;
      room -= record.length;
      found.push(record);
    }
    return found;
  }

  newest(kind: RecordKind, below: number, room: number): number[] | undefined {
    const records = this._records[kind];
    const first = this._first[kind];
    let to = Math.min(below - 1, this.last(kind));
    while (to >= first && !records[to - first]) to--;
    if (to < first) return undefined;
    let from = to + 1;
    for (let i = to - first; i >= 0; i--) {
      const record = records[i];
      if (!record || (from <= to && record.length > room)) break;
      room -= record.length;
      from--;
    }
    return [from, to];
  }

  stored(kind: RecordKind, from: number, to: number): void {
    const records = this._records[kind];
    const end = Math.min(to, this.last(kind));
    for (let number = Math.max(from, this._first[kind]); number <= end; number++) {
      records[number - this._first[kind]] = undefined;
    }
    while (records.length > 0 && !records[0]) {
      records.shift();
      this._first[kind]++;
    }
  }

  dropped(kind: RecordKind): number {
    return this._dropped[kind];
  }
}

/** @returns how many records a page of this kind holds at most */
function slotsOf(size: number, kind: RecordKind): number {
  return Math.min(255, Math.floor(size / (kind === RecordKind.Samples ? 256 : 48)));
}
