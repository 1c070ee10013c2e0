/**
 * Meters: Modbus units polled by compiled plans, and their latest readings.
 *
 * A plan is a flat list of integers 0..65535, made by scripts/meter-profile.mjs:
 *
 *     gap, request, request, …
 *     gap      ms of silence that the unit wants after a reply
 *     request  function code (3 or 4), first address, count of registers, n, n items
 *     item     register within the reply, format, multiplier
 *     format   type (`RegisterType`) + 8 if the low word comes first + 16 * (exponent + 8) + 256 * `Quantity`
 *
 * A value in the wire's resolution is raw * multiplier * 10^exponent, rounded. Items stand in the order of the values.
 */
import type { Bytes, Clock, Hal } from '../../hal/hal.ts';
import type { LineConfig, MeterConfig } from '../board.ts';
import { encodeRequest, Fault } from '../protocols/modbus.ts';
import type { Schedule } from '../schedule.ts';
import { ModbusLine, type Transaction } from './line.ts';
import { decode } from './register.ts';

/** Numbers of a request and of an item in a plan. */
const REQUEST = 4;
const ITEM = 3;
/** Immediate repetitions of a request that was not answered. */
const RETRIES = 2;
/** Failed polls in a row after which a unit counts as absent. */
const ABSENT = 5;
/** ms between polls of an absent unit at least, so that it does not slow the others. */
const ABSENT_PERIOD = 60000;
/** ms that a lamp takes to settle after its level has changed. */
const SETTLED = 3000;
/** ms until a unit that is busy is asked again. */
const BUSY = 1000;
/** ms after which a poll counts as failed when the line never came back. Longer than a full queue of dead units. */
const LOST = 300000;

interface Unit {
  readonly _index: number;
  readonly _address: number;
  readonly _profile: string;
  readonly _plan: Uint16Array;
  /** NaN: unknown. */
  readonly _values: Float64Array;
  /** ms */
  readonly _period: number;
  readonly _timeout: number;
  /** Uptime of the next poll, and of the reading; undefined: never read. */
  _due: number;
  _read: number | undefined;
  _failures: number;
}

/** The latest readings, by index into the board's list of meters. */
export class Meters {
  readonly count: number;

  constructor(
    readonly _units: Unit[],
    private _pollers: Poller[],
  ) {
    this.count = _units.length;
  }

  /**
   * Reads the units again soon.
   * @param delay ms; absent: the lamp has changed, and takes a moment to settle. 0: somebody asks, also for absent units
   */
  hurry(delay?: number): void {
    for (const poller of this._pollers) poller.hurry(delay === undefined ? SETTLED : delay);
  }

  /** @returns whether a unit is being read, or due at this uptime */
  busy(now: number): boolean {
    for (const unit of this._units) if (unit._due - now < 1) return true;
    for (const poller of this._pollers) if (poller._unit) return true;
    return false;
  }

  /**
   * @returns the latest reading, in steps of each quantity's resolution on the wire. Undefined: never read, or the unit
   * itself does not know (NaN, or a number that no meter measures).
   */
  values(index: number): (number | undefined)[] {
    const values: (number | undefined)[] = [];
    for (const value of this._units[index]._values) values.push(value < Infinity ? value : undefined);
    return values;
  }

  /** @returns uptime in ms of the latest reading; undefined: never read. A failed poll changes neither it nor the values. */
  time(index: number): number | undefined {
    return this._units[index]._read;
  }

  /** @returns polls that failed since the latest reading, 0..255. From 5 on, the unit is asked once a minute. */
  failures(index: number): number {
    return this._units[index]._failures;
  }
}

// What a birth message says of the units. Functions, because a bundle without their callers leaves them out.

/** @returns Modbus address, 1..247 */
export function addressOf(meters: Meters, index: number): number {
  return meters._units[index]._address;
}

/** @returns the name of the profile */
export function profileOf(meters: Meters, index: number): string {
  return meters._units[index]._profile;
}

/** @returns `Quantity` codes in the order of `Meters.values` */
export function quantitiesOf(meters: Meters, index: number): number[] {
  const plan = meters._units[index]._plan;
  const quantities: number[] = [];
  for (let at = 1; at < plan.length; ) {
    const next = at + REQUEST + ITEM * plan[at + 3];
    for (let item = at + REQUEST; item < next; item += ITEM) quantities.push(plan[item + 1] >> 8);
    at = next;
  }
  return quantities;
}

/** Who is told of readings. */
export interface Listener {
  /** A unit was read, or its readings have become stale. @param index into the board's meters */
  reading(index: number): void;
}

/** Polls the units of one line, one after the other, the one that has waited longest first. */
class Poller implements Transaction {
  readonly request = new Uint8Array(8);
  timeout = 0;
  gap = 0;
  retries = 0;
  private _task: number;
  private _staged: Float64Array;
  /** The unit that is being read; whether the line has its request; what became of the latest request. */
  _unit: Unit | undefined;
  private _asked = false;
  private _fault: number = Fault.None;
  /** Where the next request of the plan begins, its first value, and how many values made sense so far. */
  private _at = 0;
  private _first = 0;
  private _sound = 0;

  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _line: ModbusLine,
    private _units: Unit[],
    private _owner: Listener,
  ) {
    let most = 0;
    for (const unit of _units) most = Math.max(most, unit._values.length);
    this._staged = new Float64Array(most);
    this._task = _schedule.add(this);
    _schedule.at(this._task, 0);
  }

  /** One step: the next request, or the end of a reading and the next unit. Steps are short because stacks are. @internal */
  run(): void {
    let unit = this._unit;
    // While the line has a request, only an interrupt that took its call of `done` brings us here.
    const fault = this._asked ? Fault.Silent : this._fault;
    if (unit && (fault !== Fault.None || this._at >= unit._plan.length)) {
      const news = this._end(unit, fault === Fault.None && this._sound === 0 ? Fault.Corrupt : fault);
      if (news) this._owner.reading(unit._index);
      unit = undefined;
    }
    if (!unit) unit = this._choose();
    if (unit) this._ask(unit);
  }

  /** @returns the unit that is due; undefined: none is, and the poller sleeps */
  private _choose(): Unit | undefined {
    const now = this._clock.uptime();
    let next = this._units[0];
    for (const unit of this._units) if (unit._due < next._due) next = unit;
    // Less than 1 ms early is in time: a clock of fractions may never come nearer.
    if (next._due - now >= 1) {
      this._schedule.at(this._task, next._due - now);
      return undefined;
    }
    next._due = now + next._period;
    this._unit = next;
    this._fault = Fault.None;
    this.timeout = next._timeout;
    this.gap = next._plan[0];
    this.retries = next._failures < ABSENT ? RETRIES : 0;
    this._at = 1;
    this._first = 0;
    this._sound = 0;
    this._staged.fill(NaN);
    return next;
  }

  /** Units that do not answer keep their pace, or come last. */
  hurry(delay: number): void {
    const now = this._clock.uptime();
    let next = now + delay;
    for (const unit of this._units) {
      if (unit._failures < ABSENT) unit._due = Math.min(unit._due, now + delay);
      else if (delay === 0) unit._due = Math.min(unit._due, now + 1);
      next = Math.min(next, unit._due);
    }
    if (!this._unit) this._schedule.at(this._task, Math.max(0, next - now));
  }

  private _ask(unit: Unit): void {
    const plan = unit._plan;
    const at = this._at;
    this._schedule.at(this._task, LOST);
    this._asked = true;
    encodeRequest(this.request, unit._address, plan[at], plan[at + 1], plan[at + 2]);
    if (this._line.submit(this)) return;
    this._asked = false;
    this._fault = Fault.Busy;
    this._schedule.at(this._task, 0);
  }

  done(fault: number, reply: Bytes): void {
    const unit = this._unit;
    if (!unit || !this._asked) return;
    this._asked = false;
    this._fault = fault;
    this._schedule.at(this._task, 0);
    if (fault !== Fault.None) return;
    const plan = unit._plan;
    const registers = new DataView(reply.buffer as ArrayBuffer, 3);
    const next = this._at + REQUEST + ITEM * plan[this._at + 3];
    for (let item = this._at + REQUEST; item < next; item += ITEM) {
      const value = decode(registers, 2 * plan[item], plan[item + 1], plan[item + 2]);
      if (value < Infinity) this._sound++;
      this._staged[this._first++] = value;
    }
    this._at = next;
  }

  /** A reading is taken whole or not at all. @returns whether somebody has to be told */
  private _end(unit: Unit, fault: number): boolean {
    const now = this._clock.uptime();
    this._unit = undefined;
    this._asked = false;
    if (fault === Fault.None) {
      unit._values.set(this._staged.subarray(0, unit._values.length));
      unit._read = now;
      unit._failures = 0;
    } else {
      if (unit._failures < 255) unit._failures++;
      if (fault === Fault.Acknowledge || fault === Fault.DeviceBusy) unit._due = Math.min(unit._due, now + BUSY);
      if (unit._failures >= ABSENT) unit._due = now + Math.max(unit._period, ABSENT_PERIOD);
    }
    return fault === Fault.None || unit._failures === ABSENT;
  }
}

/**
 * Opens the lines and starts polling their units. Throws when a port cannot be opened.
 *
 * @param owner told after each new reading, and once when a unit's 5th poll in a row has failed
 */
export function openMeters(
  hal: Hal,
  schedule: Schedule,
  lines: readonly LineConfig[],
  meters: readonly MeterConfig[],
  owner: Listener,
): Meters {
  const units: Unit[] = [];
  for (const meter of meters) units.push(unitOf(meter, units));
  const pollers: Poller[] = [];
  lines.forEach((line, index) => {
    const own = units.filter((unit) => meters[unit._index].line === index);
    if (own.length === 0) return;
    pollers.push(new Poller(hal.clock, schedule, new ModbusLine(hal, schedule, line), own, owner));
  });
  return new Meters(units, pollers);
}

/** Units of one profile share its plan. */
function unitOf(meter: MeterConfig, others: Unit[]): Unit {
  const twin = others.find((other) => other._profile === meter.profile);
  return {
    _index: others.length,
    _address: meter.unit,
    _profile: meter.profile,
    _plan: twin ? twin._plan : new Uint16Array(meter.plan),
    _values: new Float64Array(meter.quantities.length).fill(NaN),
    _period: meter.period,
    _timeout: meter.timeout,
    _due: 0,
    _read: undefined,
    _failures: 0,
  };
}
