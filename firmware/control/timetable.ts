/**
 * The calendar at work: which program rules today and which level it asks for now, read from the timetable's bytes where
 * they lie in storage. Source: TALQ 2.7.1 §5.6 and §5.8; PROTOCOL.md "Arbitration" names the steps R3 to R10.
 */
import type { Bytes } from '../../hal/hal.ts';
import { Reason } from '../link/messages.ts';
import {
  AstroControl,
  Comparison,
  Control,
  DynamicControl,
  EXTERNAL,
  FixedControl,
  Head,
  NO_RAMP,
  NO_SENSOR,
  NONE,
  Operation,
  Part,
  Period,
  PeriodKind,
  Size,
  UNKNOWN_PLACE,
} from '../link/timetable.ts';
import type { Plan } from './arbiter.ts';
import { programOf, u16 } from './calendar.ts';
import { instantOf, offsetAt, parseZone, type Zone } from './local-time.ts';
import type { Sensors } from './sensors.ts';
import { SunKind, solarDay, type sunEvent } from './sun.ts';

const DAY = 86400000;
const MINUTE = 60000;
/** Degrees: the sun's upper limb at the horizon, with standard refraction. */
const ZENITH = 90.833;
const NEVER = 1e16;

/** The verdict of the last `decide` is read from the fields. */
export class Timetable implements Plan {
  level = 0;
  reason: Reason = Reason.Default;
  /** Index of the program that ruled; `NONE` without one. */
  program = NONE;
  /** Which control of the program: fixed ones first, then astro, then dynamic; `NONE` outside active periods. */
  control = NONE;
  /** Number of the sensor that raised the level. */
  sensor = NO_SENSOR;
  /** ms, undefined when the command says nothing. */
  rampTo: number | undefined;
  rampFrom: number | undefined;
  /** ms UTC: the answer cannot change before, unless a sensor or the configuration does. */
  next = NEVER;

  private _bytes: Bytes = new Uint8Array(0);
  private _zone: Zone | undefined;
  private _now = 0;
  private _day = NEVER;
  private _start = 0;
  private _end = 0;
  private _today = NONE;
  private _yesterday = NONE;
  /** The sun's events in the program day, ms UTC: a rise as it is, a set as its negative. In order of time. */
  private _suns: number[] = [];
  /** Whether it is night when the program day begins. */
  private _dark = true;
  /** Sensors of active periods: where the period lies, which sensor, and whether it was dark last. */
  private _periods: number[] = [];
  private _numbers: number[] = [];
  private _latches: boolean[] = [];

  /**
   * @param _read gives the timetable's bytes, undefined when there is none
   * @param _sun computes rises and sets, see `sunEvent`
   */
  constructor(
    private _read: () => Bytes | undefined,
    private _sensors: Sensors,
    private _sun: typeof sunEvent,
  ) {}

  /** Forgets what was derived from the timetable; call it when another one was stored. */
  reload(): void {
    this._day = NEVER;
    this._periods = [];
    this._numbers = [];
    this._latches = [];
    const bytes = this._read();
    this._zone = bytes && parseZone(zoneText(bytes));
    if (!bytes || !this._zone) return;
    this._bytes = bytes;
    for (let program = 0; program < bytes[Head.Programs]; program++) {
      const at = this._place(program) + Part.Size;
      for (let period = 0; period < bytes[at - Part.Size]; period++) this._watch(at + period * Size.Period);
    }
  }

  /** Tells of a light sensor's reading, so that periods know the last edge even while another program rules. */
  reading(number: number, value: number): void {
    const view = this._view();
    for (let i = 0; i < this._numbers.length; i++) {
      if (this._numbers[i] !== number) continue;
      if (value < view.getFloat32(this._periods[i] + Period.On)) this._latches[i] = true;
      if (value > view.getFloat32(this._periods[i] + Period.Off)) this._latches[i] = false;
    }
  }

  /** Decides for the instant `now` in ms UTC. @param defaultLevel % when no program rules */
  decide(now: number, defaultLevel: number): void {
    this.level = defaultLevel;
    this.reason = Reason.Default;
    this.program = this.control = NONE;
    this.sensor = NO_SENSOR;
    this.rampTo = this.rampFrom = undefined;
    this.next = NEVER;
    const bytes = this._read();
    const zone = this._zone;
    if (!bytes || !zone) return;
    this._bytes = bytes;
    this._now = now;
    const day = Math.floor((now + offsetAt(zone, now) - bytes[Head.DayOffset] * 3600000) / DAY);
    if (day !== this._day) this._enter(day);
    this.next = this._end;
    if (this._today === NONE || (this._needsSun(this._today) && !this._placed())) return;
    this.program = this._today;
    this.reason = Reason.Program;
    if (this._active()) this._follow(defaultLevel);
    else this.level = 0;
  }

  private _enter(day: number): void {
    const bytes = this._bytes;
    const zone = this._zone as Zone;
    const shift = bytes[Head.DayOffset] * 3600;
    this._start = instantOf(zone, day, shift);
    this._end = instantOf(zone, day + 1, shift);
    const assigned = (u16(bytes, Head.Assigned) * 65536 + u16(bytes, Head.Assigned + 2)) * 1000;
    this._today = programOf(bytes, day);
    this._yesterday = assigned < this._start ? programOf(bytes, day - 1) : NONE;
    this._day = day;
    this._suns = this._events(this._start, this._end);
    if (this._suns.length > 0) this._dark = this._suns[0] > 0;
  }

  private _placed(): boolean {
    return this._view().getInt32(Head.Latitude) !== UNKNOWN_PLACE;
  }

  private _view(): DataView {
    return new DataView(this._bytes.buffer, this._bytes.byteOffset, this._bytes.length);
  }

  private _watch(period: number): void {
    const kind = this._bytes[period + Period.Kind];
    if (kind !== PeriodKind.Sensor && kind !== PeriodKind.AstroAndSensor) return;
    for (let at = period + Period.Sensor; at < period + Period.A; at += 2) {
      this._periods.push(period);
      this._numbers.push(u16(this._bytes, at));
      this._latches.push(true);
    }
  }

  /** @returns the sun's events in start..end, as `_suns`; none without a place. Notes whether a day without is a night. */
  private _events(start: number, end: number): number[] {
    const found: number[] = [];
    if (!this._placed()) return found;
    const view = this._view();
    const latitude = view.getInt32(Head.Latitude) / 1e6;
    const longitude = view.getInt32(Head.Longitude) / 1e6;
    // The solar day that `solarDay` gives may be its neighbour within 17 minutes of midnight.
    const last = solarDay(end + 17 * MINUTE, longitude);
    for (let day = solarDay(start - 17 * MINUTE, longitude); day <= last; day++) {
      for (let side = 1; side >= -1; side -= 2) {
        const event = this._sun(day, latitude, longitude, side > 0, ZENITH);
        if (event.kind !== SunKind.Event) this._dark = event.kind === SunKind.Down;
        else if (event.time >= start && event.time < end) found.push(side * event.time);
      }
    }
    return found;
  }

  /** @returns where the program's bytes begin. */
  private _place(program: number): number {
    return u16(this._bytes, Head.Size + 2 * program);
  }

  private _needsSun(program: number): boolean {
    const at = this._place(program);
    const bytes = this._bytes;
    if (bytes[at + Part.Astro] > 0) return true;
    for (let period = 0; period < bytes[at + Part.Periods]; period++) {
      const kind = bytes[at + Part.Size + period * Size.Period + Period.Kind];
      if (kind === PeriodKind.Astro || kind === PeriodKind.AstroAndSensor) return true;
    }
    return false;
  }

  /** @returns ms UTC of a local time, in seconds since midnight, inside the program day. */
  private _at(second: number): number {
    const shift = this._bytes[Head.DayOffset] * 3600;
    const early = second < shift;
    if (this._end - this._start === DAY) return this._start + (second - shift + (early ? 86400 : 0)) * 1000;
    return instantOf(this._zone as Zone, early ? this._day + 1 : this._day, second);
  }

  /** The answer may change at `instant`. @returns whether it has come. */
  private _passed(instant: number): boolean {
    if (instant <= this._now) return true;
    if (instant < this.next) this.next = instant;
    return false;
  }

  /** Between two local times in seconds; equal ones mean the whole day, an end before the start its two edges. */
  private _within(start: number, end: number): boolean {
    if (start === end) return true;
    const shift = this._bytes[Head.DayOffset] * 3600;
    const split = (start - shift + 86400) % 86400 > (end - shift + 86400) % 86400;
    const begun = this._passed(this._at(start));
    const over = this._passed(this._at(end));
    return split ? begun || !over : begun && !over;
  }

  /** R6: whether one of the program's active periods holds; a program without any is always active. */
  private _active(): boolean {
    const at = this._place(this._today);
    const periods = this._bytes[at + Part.Periods];
    let active = periods === 0;
    for (let period = 0; period < periods; period++) {
      if (this._holds(at + Part.Size + period * Size.Period)) active = true;
    }
    return active;
  }

  private _holds(at: number): boolean {
    const view = this._view();
    const a = view.getInt32(at + Period.A);
    const b = view.getInt32(at + Period.B);
    const kind = this._bytes[at + Period.Kind];
    if (kind === PeriodKind.Absolute) return this._within(a, b);
    if (kind === PeriodKind.Astro) return this._night(a, b);
    const sensor = this._speaking(at + Period.Sensor);
    const value = this._sensors.value(sensor);
    if (kind === PeriodKind.Value) return value !== undefined && compares(view, at, value);
    if (value === undefined)
      return kind === PeriodKind.Sensor ? !this._placed() || this._night(0, 0) : this._night(a, b);
    const dark = this._isDark(at, sensor, value);
    if (kind === PeriodKind.Sensor) return dark;
    const before = u16(this._bytes, at + Period.BeforeSunset);
    const surely = this._night(a, -u16(this._bytes, at + Period.BeforeSunrise));
    return surely || (this._night(-before, b) && dark);
  }

  /** A photocell is 1 while it is dark, with an on level above its off level; other sensors measure light. */
  private _isDark(at: number, sensor: number, value: number): boolean {
    const view = this._view();
    if (view.getFloat32(at + Period.On) > view.getFloat32(at + Period.Off)) return value >= 1;
    for (let i = 0; i < this._periods.length; i++) {
      if (this._periods[i] === at && this._numbers[i] === sensor) return this._latches[i];
    }
    return true;
  }

  /** @returns the first of a period's two sensors that has a reading. */
  private _speaking(at: number): number {
    const first = u16(this._bytes, at);
    return this._sensors.value(first) === undefined ? u16(this._bytes, at + 2) : first;
  }

  /**
   * Whether it is night, with `a` minutes added to each sunset of the program day and `b` to each sunrise. The edges of
   * the day are neither, and do not move.
   */
  private _night(a: number, b: number): boolean {
    let begun = this._dark;
    let night = false;
    for (const sun of this._suns) {
      if (sun < 0) {
        begun = this._passed(a * MINUTE - sun);
      } else {
        if (!this._passed(sun + b * MINUTE) && begun) night = true;
        begun = false;
      }
    }
    return night || begun;
  }

  /** R7 to R10 */
  private _follow(defaultLevel: number): void {
    const bytes = this._bytes;
    const at = this._place(this._today);
    const fixed = at + Part.Size + bytes[at + Part.Periods] * Size.Period;
    const astro = fixed + bytes[at + Part.Fixed] * Size.Point;
    this._fixed(fixed, bytes[at + Part.Fixed], defaultLevel);
    this._astro(astro, bytes[at + Part.Astro], bytes[at + Part.Fixed]);
    this._dynamic(
      astro + bytes[at + Part.Astro] * Size.Point,
      bytes[at + Part.Dynamic],
      bytes[at + Part.Fixed] + bytes[at + Part.Astro],
    );
  }

  private _fixed(at: number, count: number, defaultLevel: number): void {
    let control = NONE;
    for (let i = 0; i < count; i++) {
      if (this._passed(this._at(u24(this._bytes, at + i * Size.Point + FixedControl.Time)))) control = i;
    }
    if (control !== NONE) this._take(at + control * Size.Point, control);
    else this._carry(at, count, defaultLevel);
  }

  /** R7 before the first switch point: yesterday's last one, else this program's last one, else the default level. */
  private _carry(at: number, count: number, defaultLevel: number): void {
    const bytes = this._bytes;
    this.level = defaultLevel;
    if (this._yesterday !== NONE) {
      const before = this._place(this._yesterday);
      const points = bytes[before + Part.Fixed];
      const last = before + Part.Size + bytes[before + Part.Periods] * Size.Period + (points - 1) * Size.Point;
      if (points > 0) {
        this._take(last, NONE - 1);
        return;
      }
    }
    if (count > 0) this._take(at + (count - 1) * Size.Point, count - 1);
  }

  private _take(at: number, control: number): void {
    this.level = this._bytes[at + Control.Level];
    this.control = control;
    this._ramps(at);
  }

  private _ramps(at: number): void {
    const to = u16(this._bytes, at + Control.RampTo);
    const from = u16(this._bytes, at + Control.RampFrom);
    this.rampTo = to === NO_RAMP ? undefined : to * 100;
    this.rampFrom = from === NO_RAMP ? undefined : from * 100;
  }

  /** R8: the last sun event that has passed, today's or, when the same program ran yesterday, yesterday's. */
  private _astro(at: number, count: number, base: number): void {
    if (count === 0) return;
    let best = this._latest(at, count, this._suns);
    if (best === NONE && this._yesterday === this._today) {
      const start = instantOf(this._zone as Zone, this._day - 1, this._bytes[Head.DayOffset] * 3600);
      const dark = this._dark;
      best = this._latest(at, count, this._events(start, this._start));
      this._dark = dark;
    }
    const control = at + best * Size.Point;
    if (best !== NONE) this._apply(control, this._bytes[control + Control.Level], base + best);
  }

  /** @returns which control's instant came last, `NONE` when none has come; of equal ones the later in the list. */
  private _latest(at: number, count: number, suns: number[]): number {
    const view = this._view();
    let best = NONE;
    let latest = -NEVER;
    for (let i = 0; i < count; i++) {
      const side = this._bytes[at + i * Size.Point + AstroControl.Event] === 0 ? 1 : -1;
      const offset = view.getInt16(at + i * Size.Point + AstroControl.Offset) * MINUTE;
      for (const sun of suns) {
        const instant = side * sun + offset;
        if (sun * side < 0 || !this._passed(instant) || instant < latest) continue;
        latest = instant;
        best = i;
      }
    }
    return best;
  }

  private _apply(at: number, level: number, control: number): void {
    this.level = operate(this._bytes[at + Control.Operation], this.level, level);
    this.control = control;
    this._ramps(at);
  }

  /** R9: the first dynamic control of the list whose sensor is raised, or was less than its hold time ago. */
  private _dynamic(from: number, count: number, base: number): void {
    const bytes = this._bytes;
    for (let i = 0; i < count; i++) {
      const at = from + i * Size.Dynamic;
      if (!this._within(u24(bytes, at + DynamicControl.Start), u24(bytes, at + DynamicControl.End))) continue;
      const external = bytes[at + Control.Level] === EXTERNAL;
      const sensor = this._raised(at, external);
      if (sensor === NO_SENSOR) continue;
      this._apply(at, external ? this._sensors.value(-sensor) || 0 : bytes[at + Control.Level], base + i);
      this.sensor = sensor;
      this.reason = Reason.Sensor;
      return;
    }
  }

  /** @returns the first of the control's sensors that is raised or still held, `NO_SENSOR` without one. */
  private _raised(at: number, external: boolean): number {
    const bytes = this._bytes;
    const hold = u24(bytes, at + DynamicControl.Hold) * 100;
    let sensor = u16(bytes, at + DynamicControl.Sensor);
    if (sensor === NO_SENSOR) sensor = u16(bytes, Head.Presence);
    const other = u16(bytes, at + DynamicControl.Sensor + 2);
    const sensors = this._sensors;
    const first = !this._passed(sensors.until(external ? -sensor : sensor) + hold);
    const second = !this._passed(sensors.until(external ? -other : other) + hold);
    return first ? sensor : second ? other : NO_SENSOR;
  }
}

function zoneText(bytes: Bytes): string {
  const rules = bytes[Head.Rules];
  let at = Head.Size + 2 * bytes[Head.Programs];
  for (let rule = 0; rule < rules; rule++) at += 14 + 4 * bytes[at + 13];
  let text = '';
  for (let i = 0; i < bytes[Head.ZoneLength]; i++) text += String.fromCharCode(bytes[at + i]);
  return text;
}

function u24(bytes: Bytes, at: number): number {
  return (bytes[at] * 256 + bytes[at + 1]) * 256 + bytes[at + 2];
}

/** Source: TALQ 2.7.1 `EffectOperation`; the result stays in 0..100. `Mul` treats both as percentages. */
function operate(operation: number, current: number, other: number): number {
  let level = other;
  if (operation === Operation.Max) level = Math.max(current, other);
  else if (operation === Operation.Min) level = Math.min(current, other);
  else if (operation === Operation.Add) level = current + other;
  else if (operation === Operation.Sub) level = current - other;
  else if (operation === Operation.Mul) level = Math.round((current * other) / 100);
  return Math.max(0, Math.min(100, level));
}

function compares(view: DataView, at: number, value: number): boolean {
  const other = view.getFloat32(at + Period.On);
  const comparison = view.getUint8(at + Period.Comparison);
  if (comparison === Comparison.Equal) return value === other;
  if (comparison === Comparison.NotEqual) return value !== other;
  if (comparison === Comparison.GreaterOrEqual) return value >= other;
  if (comparison === Comparison.Greater) return value > other;
  if (comparison === Comparison.LessOrEqual) return value <= other;
  return value < other;
}
