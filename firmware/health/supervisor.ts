/**
 * Looks after everybody else: counts boots, and starts with the light alone when they keep failing; feeds the watchdog only
 * while the vital tasks come back; keeps what went wrong for those who can mend it; measures the memory before it ends.
 */
import type { Hal, Storage } from '../../hal/hal.ts';
import { EventCode, FaultKind } from '../link/messages.ts';
import { readText, writeText } from '../protocols/text.ts';
import type { Schedule } from '../schedule.ts';

/** ms: all tasks share one timer, so when this one is so late the others are, too. */
const LATE = 10000;
const MINUTE = 60000;
/** ms between two looks where no watchdog waits. */
const UNHURRIED = 300000;
/** ms between two writes of what went wrong, and between two events of it. */
const HOUR = 3600000;
/** ms after which a boot was a good one; between two looks at the memory, each of which collects all garbage. */
const GOOD = 600000;
/** Boots in a row that end sooner than that, until the light comes alone. */
export const ROW = 4;
/** Doublings of the waits, as the row goes on. */
const DOUBLINGS = 6;
/** Characters of a fault that are kept. */
const TEXT = 60;
/** Parts of the memory that are free: looked at every minute from there, too little, enough again, and the end. */
const WATCHFUL = 0.25;
const LOW = 0.1;
const ENOUGH = 0.15;
const END = 0.03;
/** Bytes of the record of boots: how many, big-endian, and how many of the latest in a row failed. */
const RECORD = 5;

/** What went wrong in one boot: its number, how often, text of the latest, text of the first. */
export type FaultRecord = (number | string)[];

/** Whom it looks after. */
export interface Supervised {
  readonly lamp: { readonly level: number; readonly ramping: boolean } | undefined;
  /** Of this boot or, while there is nothing, of the one before; undefined: nothing. */
  faults: FaultRecord | undefined;
  /** Opens the next part. @returns whether there is more */
  open(): boolean;
  /**
   * Tells an `EventCode`: FirmwareError, with how often and `FaultKind`; or MemoryLow, with 1 or 0: then what can be had again
   * is given back.
   */
  tell(code: number, first: number, second?: number): void;
}

export class Supervisor {
  /** Boots of this controller, this one included; 0 when storage does not work. */
  boot = 1;
  /** Boots before this one that all ended too soon; fewer than `ROW` once everything is open. */
  failures = 0;
  /** What the record says of the row, with this boot. */
  private _row = 0;
  private _task: number;
  /** Uptime of the appointment; of the next opening, or of the boot being good, 0: it is; of the last look at the memory. */
  private _due = 0;
  private _step = 0;
  private _looked = 0;
  private _interval = GOOD;
  /** Uptime of the last write of faults, 0: none; kind of the latest + 1 until it is written and told, then 0. */
  private _written = 0;
  private _news = 0;
  private _low = 0;
  /** A new start is due: it comes at the next look, should writing and telling why not come back. */
  private _end = 0;

  /** @param _timeout ms that the watchdog waits; undefined: there is none */
  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    private _storage: Storage,
    private _timeout: number | undefined,
    private _owner: Supervised,
  ) {
    const reset = _hal.system.resetReason;
    this._task = _schedule.add(this);
    if (_timeout) _hal.watchdog.enable(_timeout);
    _hal.system.watch(this);
    _schedule.at(this._task, 0);
    const stored = _storage.read('boot');
    // Records of 4 bytes are from before the row was counted.
    if (stored && stored.length >= RECORD - 1) {
      this.boot += new DataView(stored.buffer, stored.byteOffset, 4).getUint32(0);
      this.failures = stored[RECORD - 1] || 0;
    }
    // The power comes and goes without anybody's fault.
    const fault = reset === 'power' || reset === 'brownout' ? 0 : 1;
    this._count(Math.min(255, this.failures + fault));
    const bytes = _storage.read('fault');
    try {
      const kept = bytes && JSON.parse(readText(bytes, 0, bytes.length));
      if (kept && kept[0] === this.boot - 1) _owner.faults = kept;
    } catch (_damaged) {
      // As if nothing had been wrong.
    }
    const over = this.failures - ROW;
    this._step = over < 0 ? GOOD : MINUTE << (Math.min(over, DOUBLINGS) & 31);
  }

  /** Writes the record of boots. A cabinet that is switched every evening costs one write an evening. */
  private _count(row: number): void {
    const bytes = new Uint8Array(RECORD);
    new DataView(bytes.buffer).setUint32(0, this.boot);
    bytes[RECORD - 1] = this._row = row;
    try {
      this._storage.write('boot', bytes);
    } catch (_full) {
      this.boot = 0;
    }
  }

  /** Something went wrong. @param error its text counts. @param kind absent: nobody has caught it */
  failed(error: unknown, kind?: FaultKind): void {
    const owner = this._owner;
    // ASCII is what storage and CBOR take as it is.
    let text = '';
    for (const character of String(error).substr(0, TEXT))
      text += character >= ' ' && character <= '~' ? character : '?';
    let faults = owner.faults;
    if (!faults || faults[0] !== this.boot) owner.faults = faults = [this.boot, 0, text, text];
    (faults[1] as number)++;
    faults[2] = text;
    this._news = 1 + (kind === undefined ? (Array.isArray(error) ? FaultKind.Flags : FaultKind.Uncaught) : kind);
    if (!this._written) this._schedule.at(this._task, 0);
  }

  run(): void {
    const hal = this._hal;
    const owner = this._owner;
    const lamp = owner.lamp;
    const timeout = this._timeout;
    const now = hal.clock.uptime();
    const late = now - this._due;
    const pause = timeout ? timeout / 4 : Math.min(this._interval, UNHURRIED);
    this._schedule.at(this._task, pause);
    this._due = now + pause;
    if (this._end) hal.system.reboot();
    const stuck = this._schedule.stuck();
    if (stuck >= 0) {
      this._end = 1;
      this.failed(`task ${stuck} is stuck`, FaultKind.Stuck);
    } else if (timeout && late < LATE) hal.watchdog.feed();

    // Memory is measured while the lamp rests, and before it ends there is room made, or a new start: best while it is off.
    if (now - this._looked >= this._interval && (this._low || !lamp || !lamp.ramping)) {
      const memory = hal.system.memory();
      const free = 1 - memory.used / memory.total;
      const before = this._low;
      this._looked = now;
      this._interval = free < WATCHFUL ? MINUTE : GOOD;
      this._low = free < LOW || (before && free < ENOUGH) ? 1 : 0;
      if (this._low !== before) owner.tell(EventCode.MemoryLow, this._low);
      else if (this._low && (free < END || !lamp || lamp.level === 0)) {
        this._end = 1;
        this.failed(`memory: ${memory.used} of ${memory.total} used`, FaultKind.Memory);
      }
    }

    if (this._news && (this._end || !this._written || now - this._written >= HOUR)) {
      const faults = owner.faults as FaultRecord;
      const kind = this._news - 1;
      const text = JSON.stringify(faults);
      const bytes = new Uint8Array(text.length);
      this._news = 0;
      this._written = now || 1;
      writeText(bytes, 0, text);
      try {
        this._storage.write('fault', bytes);
      } catch (_full) {
        // It is told all the same.
      }
      try {
        owner.tell(EventCode.FirmwareError, faults[1] as number, kind);
      } catch (_fault) {
        // Who tells may be what fails.
      }
    }
    if (this._end) hal.system.reboot();
    if (!this._step || now < this._step) return;

    // The boot was a good one, or the next part is opened: that may be what fails, so the next appointment is made before.
    if (this.failures < ROW) {
      this._step = 0;
      if (this._row) this._count(0);
      return;
    }
    this._step = now + GOOD;
    if (owner.open()) this._step = now + (GOOD << (Math.min(this.failures - ROW, DOUBLINGS) & 31));
    else this.failures = ROW - 1;
  }
}
