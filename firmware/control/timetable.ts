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
import { programOf } from './calendar.ts';
import { instantOf, offsetAt, parseZone, type Zone } from './local-time.ts';
import type { Sensors } from './sensors.ts';
import { SunKind, type sunEvent } from './sun.ts';

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
  private _view = new DataView(this._bytes.buffer);
  private _zone: Zone | undefined;
  private _placed = false;
  private _now = 0;

  // The program day: its date, its edges in ms UTC, and the local second at which it begins.
  private _day = NEVER;
  private _start = 0;
  private _end = 0;
  private _shift = 0;
  /** ms UTC at which the day would begin if its clocks did not change; when they do, and by how many ms they jump. */
  private _base = 0;
  private _change = NEVER;
  private _jump = 0;
  private _today = NONE;
  private _yesterday = NONE;
  /** Whether today's program can run: there is one, and the place is known if it follows the sun. */
  private _ruled = false;
  /** The sun's events in the program day, ms UTC: a rise as it is, a set as its negative. In order of time. */
  private _suns: number[] = [];
  /** Those of the day before, while its last control of the sun may still hold. */
  private _eve: number[] = [];
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
    this._end = 0;
    this._periods = [];
    this._numbers = [];
    this._latches = [];
    const bytes = this._read();
    this._zone = bytes && parseZone(zoneText(bytes));
    if (!bytes || !this._zone) return;
    this._open(bytes);
    for (let program = 0; program < bytes[Head.Programs]; program++) {
      const at = this._place(program) + Part.Size;
      for (let period = 0; period < bytes[at - Part.Size]; period++) this._watch(at + period * Size.Period);
    }
  }

  /** Tells of a light sensor's reading, so that periods know the last edge even while another program rules. */
  reading(number: number, value: number): void {
    const bytes = this._read();
    if (!bytes || this._numbers.indexOf(number) < 0) return;
    this._open(bytes);
    const view = this._view;
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
    this._open(bytes);
    this._now = now;
    if (now < this._start || now >= this._end) {
      // The zone is asked here and not in `_enter`, because its calls go deep and the stack is short.
      const shift = bytes[Head.DayOffset] * 3600;
      const day = Math.floor((now + offsetAt(zone, now) - shift * 1000) / DAY);
      const follows = day === this._day + 1;
      const before = follows ? this._start : instantOf(zone, day - 1, shift);
      this._start = instantOf(zone, day, shift);
      this._end = instantOf(zone, day + 1, shift);
      this._shift = shift;
      this._enter(day, before, follows);
    }
    this.next = this._end;
    if (!this._ruled) return;
    this.program = this._today;
    this.reason = Reason.Program;
    if (this._active()) this._follow(defaultLevel);
    else this.level = 0;
  }

  private _open(bytes: Bytes): void {
    this._bytes = bytes;
    this._view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** @param before ms UTC at which the day before began. @param follows the last decision was about that day */
  private _enter(day: number, before: number, follows: boolean): void {
    const bytes = this._bytes;
    const start = this._start;
    this._findChange(day);
    const ran = this._view.getUint32(Head.Assigned) * 1000 < start;
    const yesterday = !ran ? NONE : follows ? this._today : programOf(bytes, day - 1);
    const today = programOf(bytes, day);
    const eve = follows ? this._suns : undefined;
    this._day = day;
    this._yesterday = yesterday;
    this._today = today;
    this._ruled = today !== NONE;
    this._suns = [];
    this._eve = [];
    if (today === NONE) return;
    const at = this._place(today);
    const carried = bytes[at + Part.Astro] > 0;
    let needed = carried;
    let useful = carried;
    for (let period = 0; period < bytes[at + Part.Periods]; period++) {
      const kind = bytes[at + Part.Size + period * Size.Period + Period.Kind];
      if (kind === PeriodKind.Astro || kind === PeriodKind.AstroAndSensor) needed = true;
      if (kind !== PeriodKind.Absolute && kind !== PeriodKind.Value) useful = true;
    }
    this._placed = this._view.getInt32(Head.Latitude) !== UNKNOWN_PLACE;
    this._ruled = this._placed || !needed;
    if (!useful || !this._placed) return;
    if (carried && yesterday === today) this._eve = eve || this._events(before, start);
    this._suns = this._events(start, this._end);
    if (this._suns.length > 0) this._dark = this._suns[0] > 0;
  }

  /** Notes how the clocks run in the program day. Source: POSIX zones change at whole seconds, at most once in a day. */
  private _findChange(day: number): void {
    const zone = this._zone as Zone;
    let early = this._start / 1000 - 1;
    let late = this._end / 1000 - 1;
    const before = offsetAt(zone, early * 1000);
    const after = offsetAt(zone, late * 1000);
    this._base = (day * 86400 + this._shift) * 1000 - before;
    this._jump = after - before;
    this._change = NEVER;
    if (before === after) return;
    while (late - early > 1) {
      const middle = Math.floor((early + late) / 2);
      if (offsetAt(zone, middle * 1000) === after) late = middle;
      else early = middle;
    }
    this._change = late * 1000;
  }

  private _watch(period: number): void {
    const kind = this._bytes[period + Period.Kind];
    if (kind !== PeriodKind.Sensor && kind !== PeriodKind.AstroAndSensor) return;
    for (let at = period + Period.Sensor; at < period + Period.A; at += 2) {
      this._periods.push(period);
      this._numbers.push(this._view.getUint16(at));
      this._latches.push(true);
    }
  }

  /** @returns the sun's events in start..end, as `_suns`. Notes whether a day without is a night. */
  private _events(start: number, end: number): number[] {
    const found: number[] = [];
    const view = this._view;
    const latitude = view.getInt32(Head.Latitude) / 1e6;
    const longitude = view.getInt32(Head.Longitude) / 1e6;
    // Rises lie before the solar noon, sets after it; the sun is up to 17 minutes ahead of the clock, or behind.
    const east = longitude / 360;
    const last = Math.floor(2 * ((end + 17 * MINUTE) / DAY + east));
    for (let half = Math.floor(2 * ((start - 17 * MINUTE) / DAY + east)); half <= last; half++) {
      const rising = (half & 1) === 0;
      const event = this._sun(half >> 1, latitude, longitude, rising, ZENITH);
      if (event.kind !== SunKind.Event) this._dark = event.kind === SunKind.Down;
      else if (event.time >= start && event.time < end) found.push(rising ? event.time : -event.time);
    }
    return found;
  }

  /** @returns where the program's bytes begin. */
  private _place(program: number): number {
    return this._view.getUint16(Head.Size + 2 * program);
  }

  /** @returns ms UTC of a local time, in seconds since midnight, inside the program day; as `instantOf`. */
  private _at(second: number): number {
    const instant = this._base + (second - this._shift + (second < this._shift ? 86400 : 0)) * 1000;
    return instant < this._change ? instant : Math.max(this._change, instant - this._jump);
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
    const shift = this._shift;
    const split = start < shift === end < shift ? start > end : start < shift;
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
    const view = this._view;
    const a = view.getInt32(at + Period.A);
    const b = view.getInt32(at + Period.B);
    const kind = this._bytes[at + Period.Kind];
    if (kind === PeriodKind.Absolute) return this._within(a, b);
    if (kind === PeriodKind.Astro) return this._night(a, b);
    const sensor = this._speaking(at + Period.Sensor);
    const value = this._sensors.value(sensor);
    if (kind === PeriodKind.Value) return value !== undefined && compares(view, at, value);
    if (value === undefined) return kind === PeriodKind.Sensor ? !this._placed || this._night(0, 0) : this._night(a, b);
    const dark = this._isDark(at, sensor, value);
    if (kind === PeriodKind.Sensor) return dark;
    const before = view.getUint16(at + Period.BeforeSunset);
    const surely = this._night(a, -view.getUint16(at + Period.BeforeSunrise));
    return surely || (this._night(-before, b) && dark);
  }

  /** A photocell is 1 while it is dark, with an on level above its off level; other sensors measure light. */
  private _isDark(at: number, sensor: number, value: number): boolean {
    const view = this._view;
    if (view.getFloat32(at + Period.On) > view.getFloat32(at + Period.Off)) return value >= 1;
    for (let i = 0; i < this._periods.length; i++) {
      if (this._periods[i] === at && this._numbers[i] === sensor) return this._latches[i];
    }
    return true;
  }

  /** @returns the first of a period's two sensors that has a reading. */
  private _speaking(at: number): number {
    const first = this._view.getUint16(at);
    return this._sensors.value(first) === undefined ? this._view.getUint16(at + 2) : first;
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

  /** R7: the last switch point; before today's first one yesterday's last, else this program's own, else the default. */
  private _fixed(at: number, count: number, defaultLevel: number): void {
    const view = this._view;
    let passed = 0;
    let ahead = count;
    let next = this.next;
    while (passed < ahead) {
      const middle = (passed + ahead) >> 1;
      const time = at + middle * Size.Point + FixedControl.Time;
      const instant = this._at(view.getUint16(time) * 256 + view.getUint8(time + 2));
      if (instant <= this._now) {
        passed = middle + 1;
      } else {
        ahead = middle;
        if (instant < next) next = instant;
      }
    }
    this.next = next;
    this.level = defaultLevel;
    if (passed > 0) {
      this._take(at + (passed - 1) * Size.Point, passed - 1);
      return;
    }
    const last = this._yesterday === NONE ? 0 : this._lastPoint(this._yesterday);
    if (last > 0) this._take(last, NONE - 1);
    else if (count > 0) this._take(at + (count - 1) * Size.Point, count - 1);
  }

  /** @returns where the program's last switch point lies, 0 when it has none. */
  private _lastPoint(program: number): number {
    const at = this._place(program);
    const points = this._bytes[at + Part.Fixed];
    if (points === 0) return 0;
    return at + Part.Size + this._bytes[at + Part.Periods] * Size.Period + (points - 1) * Size.Point;
  }

  private _take(at: number, control: number): void {
    this.level = this._bytes[at + Control.Level];
    this.control = control;
    this._ramps(at);
  }

  private _ramps(at: number): void {
    const to = this._view.getUint16(at + Control.RampTo);
    const from = this._view.getUint16(at + Control.RampFrom);
    this.rampTo = to === NO_RAMP ? undefined : to * 100;
    this.rampFrom = from === NO_RAMP ? undefined : from * 100;
  }

  /** R8: the last sun event that has passed, today's or, when the same program ran yesterday, yesterday's. */
  private _astro(at: number, count: number, base: number): void {
    if (count === 0) return;
    let best = this._latest(at, count, this._suns);
    if (best === NONE && this._eve.length > 0) best = this._latest(at, count, this._eve);
    const control = at + best * Size.Point;
    if (best !== NONE) this._apply(control, this._bytes[control + Control.Level], base + best);
  }

  /** @returns which control's instant came last, `NONE` when none has come; of equal ones the later in the list. */
  private _latest(at: number, count: number, suns: number[]): number {
    const view = this._view;
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
    const view = this._view;
    for (let i = 0; i < count; i++) {
      const at = from + i * Size.Dynamic;
      const start = view.getUint16(at + DynamicControl.Start) * 256 + view.getUint8(at + DynamicControl.Start + 2);
      const end = view.getUint16(at + DynamicControl.End) * 256 + view.getUint8(at + DynamicControl.End + 2);
      if (!this._within(start, end)) continue;
      const level = view.getUint8(at + Control.Level);
      const sensor = this._raised(at, level === EXTERNAL);
      if (sensor === NO_SENSOR) continue;
      this._apply(at, level === EXTERNAL ? this._sensors.value(-sensor) || 0 : level, base + i);
      this.sensor = sensor;
      this.reason = Reason.Sensor;
      return;
    }
  }

  /** @returns the first of the control's sensors that is raised or still held, `NO_SENSOR` without one. */
  private _raised(at: number, external: boolean): number {
    const view = this._view;
    const sensors = this._sensors;
    const hold = (view.getUint16(at + DynamicControl.Hold) * 256 + view.getUint8(at + DynamicControl.Hold + 2)) * 100;
    let raised = NO_SENSOR;
    for (let place = at + DynamicControl.Sensor + 2; place >= at + DynamicControl.Sensor; place -= 2) {
      let sensor = view.getUint16(place);
      if (sensor === NO_SENSOR && place === at + DynamicControl.Sensor) sensor = view.getUint16(Head.Presence);
      if (sensor !== NO_SENSOR && !this._passed(sensors.until(external ? -sensor : sensor) + hold)) raised = sensor;
    }
    return raised;
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
