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
  YESTERDAY,
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
/** Readings of the light that must agree: half a minute of a sensor that is read every 10 s. */
const AGREE = 3;

/** Where the timetable lies. */
export interface TimetableStore {
  /** @returns its bytes, valid until the next write; undefined without one */
  timetable(): Bytes | undefined;
}

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
  /** What does not change with time was derived from the bytes. */
  private _loaded = 0;
  private _zone: Zone | undefined;
  private _placed = false;
  private _now = 0;

  // What the clock alone decides (R6 to R8), and from when until when that holds, ms UTC.
  private _from = 0;
  private _until = 0;
  private _lit = false;
  /** The default level that it was decided with, %. */
  private _default = 0;
  private _level = 0;
  private _point = NONE;
  /** Where that control lies; 0 without one. */
  private _ruler = 0;

  // Times of the program day are local seconds since its midnight; with an offset of 12 h the morning is after 86400.
  /** That of `_now`, and the next one that matters. */
  private _second = 0;
  private _soon = 0;

  // The program day: its date, its edges in ms UTC, and the second at which it begins.
  private _day = NEVER;
  private _start = 0;
  private _end = 0;
  private _shift = 0;
  /** ms UTC of its midnight, as if its clocks did not change; when they do, and by how many ms they jump. */
  private _base = 0;
  private _change = NEVER;
  private _jump = 0;
  private _today = NONE;
  private _yesterday = NONE;
  /** Whether today's program can run: there is one, and the place is known if it follows the sun. */
  private _ruled = false;
  /** Whether its active periods ask sensors. */
  private _sensed = false;
  /** Where it lies, and its dynamic controls. */
  private _place = 0;
  private _effects = 0;
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
  /** The latest lux of the own light sensor, oldest first. */
  private _recent: number[] = [];

  /** @param _sun computes rises and sets, see `sunEvent` */
  constructor(
    private _store: TimetableStore,
    private _sensors: Sensors,
    private _sun: typeof sunEvent,
  ) {}

  /** @returns the number of the controller's own presence input, `NO_SENSOR` when the gateway has given it none */
  own(): number {
    const bytes = this._store.timetable();
    return bytes ? bytes[Head.Presence] * 256 + bytes[Head.Presence + 1] : NO_SENSOR;
  }

  /** Forgets what was derived from the timetable, until the next `decide`; call it when another one was stored. */
  reload(): void {
    this._loaded = 0;
    this._day = NEVER;
    this._end = 0;
    this._periods = [];
    this._numbers = [];
    this._latches = [];
  }

  /** @returns the timetable's bytes, undefined when there is none that can be read. */
  private _open(): Bytes | undefined {
    const bytes = this._store.timetable();
    if (!bytes) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this._bytes = bytes;
    this._view = view;
    if (this._loaded) return this._zone && bytes;
    this._loaded = 1;
    this._zone = parseZone(zoneText(bytes));
    if (!this._zone) return undefined;
    for (let program = 0; program < bytes[Head.Programs]; program++) {
      const first = view.getUint16(Head.Size + 2 * program) + Part.Size;
      const end = first + bytes[first - Part.Size] * Size.Period;
      for (let period = first; period < end; period += Size.Period) {
        const kind = bytes[period + Period.Kind];
        if (kind !== PeriodKind.Sensor && kind !== PeriodKind.AstroAndSensor) continue;
        for (let at = period + Period.Sensor; at < period + Period.A; at += 2) {
          this._periods.push(period);
          const number = view.getUint16(at);
          const lux = this._sensors.value(number);
          this._numbers.push(number);
          this._latches.push(lux === undefined || lux <= view.getFloat32(period + Period.Off));
        }
      }
    }
    return bytes;
  }

  /**
   * The controller's own light sensor has measured `lux`, or is lost: undefined. Headlights and lightning are no daylight:
   * the latest readings must agree that it is dark, and twice as many that it is bright.
   * @returns the number of the sensor, `NO_SENSOR` when the gateway has given it none
   */
  see(lux: number | undefined): number {
    // To load it is `decide`'s work, for which the stack has room there.
    const number = this._loaded && this._open() ? this._view.getUint16(Head.Light) : NO_SENSOR;
    const recent = this._recent;
    if (lux === undefined || number === NO_SENSOR) {
      this._recent = [];
      return number;
    }
    if (recent.push(lux) > 2 * AGREE) recent.shift();
    let low = lux;
    let high = lux;
    for (let i = 0; i < recent.length; i++) {
      low = Math.min(low, recent[i]);
      if (i >= recent.length - AGREE) high = Math.max(high, recent[i]);
    }
    this.reading(number, low, high);
    return number;
  }

  /**
   * A light sensor has measured between `low` and `high` lx for some time. Periods know the last edge also while another
   * program rules. To be called after the first `decide`, or from `see`: one knows the periods then.
   */
  reading(number: number, low: number, high: number): void {
    for (let i = 0; i < this._numbers.length; i++) {
      if (this._numbers[i] !== number) continue;
      if (high < this._view.getFloat32(this._periods[i] + Period.On)) this._latches[i] = true;
      if (low > this._view.getFloat32(this._periods[i] + Period.Off)) this._latches[i] = false;
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
    const bytes = this._open();
    if (!bytes) return;
    const zone = this._zone as Zone;
    if (now < this._start || now >= this._end) {
      // The zone is asked here and not in `_enter`, because its calls go deep and the stack is short.
      const shift = bytes[Head.DayOffset] * 3600;
      const day = Math.floor((now + offsetAt(zone, now) - shift * 1000) / DAY);
      const follows = day === this._day + 1;
      const before = follows ? this._start : instantOf(zone, day - 1, shift);
      this._start = instantOf(zone, day, shift);
      this._end = instantOf(zone, day + 1, shift);
      this._shift = shift;
      this._findChange(zone, day);
      this._enter(day, before, follows);
    }
    this.next = this._end;
    if (!this._ruled) return;
    this.program = this._today;
    this.reason = Reason.Program;
    this._now = now;
    // While the clock repeats an hour, nothing of that hour happens again.
    this._second = ((now < this._change ? now : Math.max(this._change - 1, now + this._jump)) - this._base) / 1000;
    const stale = now < this._from || now >= this._until || defaultLevel !== this._default;
    if (stale || this._sensed) this._follow(defaultLevel);
    this.next = this._until;
    this.level = this._level;
    this.control = this._point;
    let ruler = this._ruler;
    if (this._lit) ruler = this._react() || ruler;
    if (ruler === 0) return;
    const to = this._view.getUint16(ruler + Control.RampTo);
    const from = this._view.getUint16(ruler + Control.RampFrom);
    if (to !== NO_RAMP) this.rampTo = to * 100;
    if (from !== NO_RAMP) this.rampFrom = from * 100;
  }

  /** Notes how the clocks run in the program day. Source: POSIX zones change at whole seconds, at most once in a day. */
  private _findChange(zone: Zone, day: number): void {
    let early = this._start / 1000 - 1;
    let late = this._end / 1000 - 1;
    const before = offsetAt(zone, early * 1000);
    const after = offsetAt(zone, late * 1000);
    this._base = day * DAY - before;
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

  /** R5. @param before ms UTC at which the day before began. @param follows the last decision was about that day */
  private _enter(day: number, before: number, follows: boolean): void {
    const bytes = this._bytes;
    const view = this._view;
    const start = this._start;
    const today = programOf(bytes, view, day);
    let yesterday = NONE;
    if (view.getUint32(Head.Assigned) * 1000 < start) {
      yesterday = follows ? this._today : programOf(bytes, view, day - 1);
    }
    const eve = this._suns;
    this._day = day;
    this._until = 0;
    this._yesterday = yesterday;
    this._today = today;
    this._ruled = today !== NONE;
    this._suns = [];
    this._eve = [];
    if (today === NONE) return;
    const at = view.getUint16(Head.Size + 2 * today);
    const fixed = at + Part.Size + bytes[at] * Size.Period;
    const carried = bytes[at + Part.Astro] > 0;
    let needed = carried;
    let useful = carried;
    let sensed = false;
    for (let period = at + Part.Size; period < fixed; period += Size.Period) {
      const kind = bytes[period];
      if (kind === PeriodKind.Astro || kind === PeriodKind.AstroAndSensor) needed = true;
      if (kind !== PeriodKind.Absolute && kind !== PeriodKind.Value) useful = true;
      if (kind !== PeriodKind.Absolute && kind !== PeriodKind.Astro) sensed = true;
    }
    this._place = at;
    this._effects = fixed + (bytes[at + Part.Fixed] + bytes[at + Part.Astro]) * Size.Point;
    this._sensed = sensed;
    const latitude = view.getInt32(Head.Latitude);
    this._placed = latitude !== UNKNOWN_PLACE;
    this._ruled = this._placed || !needed;
    if (!useful || !this._placed) return;
    const longitude = view.getInt32(Head.Longitude) / 1e6;
    const again = carried && yesterday === today;
    const from = again && !follows ? before : start;
    const suns = this._events(from, this._end, latitude / 1e6, longitude);
    this._suns = suns;
    if (from < start) {
      this._eve = suns.filter((sun) => Math.abs(sun) < start);
      this._suns = suns.slice(this._eve.length);
    } else if (again) {
      this._eve = eve;
    }
    if (this._suns.length > 0) this._dark = this._suns[0] > 0;
  }

  /** @returns the sun's events in start..end, as `_suns`. Notes whether a day without is a night. */
  private _events(start: number, end: number, latitude: number, longitude: number): number[] {
    const found: number[] = [];
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

  /** The answer may change at `instant`. @returns whether it has come. */
  private _passed(instant: number): boolean {
    if (instant <= this._now) return true;
    if (instant < this.next) this.next = instant;
    return false;
  }

  /** Lets the answer change at `_soon`. A local time that is skipped acts at the end of the gap. */
  private _wait(): void {
    let instant = this._base + this._soon * 1000;
    if (instant >= this._change) instant = Math.max(this._change, instant - this._jump);
    if (instant < this.next) this.next = instant;
  }

  /** Between two local times in seconds; equal ones mean the whole day, an end before the start its two edges. */
  private _within(from: number, to: number): boolean {
    if (from === to) return true;
    const start = from < this._shift ? from + 86400 : from;
    const end = to < this._shift ? to + 86400 : to;
    const second = this._second;
    if (start > second && start < this._soon) this._soon = start;
    if (end > second && end < this._soon) this._soon = end;
    return start < end ? start <= second && end > second : start <= second || end > second;
  }

  private _holds(at: number): boolean {
    const bytes = this._bytes;
    const view = this._view;
    const a = view.getInt32(at + Period.A);
    const b = view.getInt32(at + Period.B);
    const kind = bytes[at];
    if (kind === PeriodKind.Absolute) return this._within(a, b);
    if (kind === PeriodKind.Astro) return this._night(a, b);
    // Of its two sensors the first that has a reading.
    let sensor = view.getUint16(at + Period.Sensor);
    if (this._sensors.value(sensor) === undefined) sensor = view.getUint16(at + Period.Sensor + 2);
    const value = this._sensors.value(sensor);
    if (kind === PeriodKind.Value)
      return value !== undefined && compares(bytes[at + Period.Comparison], value, view.getFloat32(at + Period.On));
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

  /**
   * Whether it is night, with `a` minutes added to each sunset of the program day and `b` to each sunrise. The edges of
   * the day are neither, and do not move.
   */
  private _night(a: number, b: number): boolean {
    const now = this._now;
    let begun = this._dark;
    let night = false;
    for (const sun of this._suns) {
      const edge = sun < 0 ? a * MINUTE - sun : b * MINUTE + sun;
      if (edge > now && edge < this.next) this.next = edge;
      if (sun < 0) {
        begun = edge <= now;
      } else {
        if (edge > now && begun) night = true;
        begun = false;
      }
    }
    return night || begun;
  }

  /** R6 to R8 */
  private _follow(defaultLevel: number): void {
    this._default = defaultLevel;
    this._soon = NEVER;
    this._level = 0;
    this._point = NONE;
    this._ruler = 0;
    const at = this._place;
    // A program without active periods is always active.
    const end = at + Part.Size + this._bytes[at] * Size.Period;
    this._lit = this._bytes[at] === 0;
    for (let period = at + Part.Size; period < end; period += Size.Period) if (this._holds(period)) this._lit = true;
    if (this._lit) {
      const fixed = this._bytes[at + Part.Fixed];
      const astro = this._bytes[at + Part.Astro];
      const from = this._effects - (fixed + astro) * Size.Point;
      this._level = defaultLevel;
      this._fixed(from, fixed);
      if (astro > 0) this._astro(from + fixed * Size.Point, astro, fixed);
    }
    if (this._soon < NEVER) this._wait();
    this._from = this._now;
    this._until = this.next;
  }

  /** R7: the last switch point; before today's first one yesterday's last, else this program's own, else the default. */
  private _fixed(from: number, count: number): void {
    const view = this._view;
    const shift = this._shift;
    const now = this._second;
    let passed = 0;
    let ahead = count;
    let soon = this._soon;
    while (passed < ahead) {
      const middle = (passed + ahead) >> 1;
      const at = from + middle * Size.Point + FixedControl.Time;
      let second = view.getUint32(at) >>> 8;
      if (second < shift) second += 86400;
      if (second <= now) {
        passed = middle + 1;
      } else {
        ahead = middle;
        if (second < soon) soon = second;
      }
    }
    this._soon = soon;
    let point = (passed > 0 ? passed : count) - 1;
    let ruler = count > 0 ? from + point * Size.Point : 0;
    if (passed === 0 && this._yesterday !== NONE) {
      const at = view.getUint16(Head.Size + 2 * this._yesterday);
      const points = view.getUint8(at + Part.Fixed);
      if (points > 0) {
        point = YESTERDAY;
        ruler = at + Part.Size + view.getUint8(at) * Size.Period + (points - 1) * Size.Point;
      }
    }
    if (ruler === 0) return;
    this._point = point;
    this._ruler = ruler;
    this._level = Math.min(100, this._bytes[ruler]);
  }

  /** R8: the last sun event that has passed, today's or, when the same program ran yesterday, yesterday's. */
  private _astro(at: number, count: number, base: number): void {
    let best = this._latest(at, count, this._suns);
    if (best === NONE && this._eve.length > 0) best = this._latest(at, count, this._eve);
    if (best === NONE) return;
    const bytes = this._bytes;
    const control = at + best * Size.Point;
    this._level = operate(bytes[control + Control.Operation], this._level, bytes[control]);
    this._point = base + best;
    this._ruler = control;
  }

  /** @returns which control's instant came last, `NONE` when none has come; of equal ones the later in the list. */
  private _latest(from: number, count: number, suns: number[]): number {
    const bytes = this._bytes;
    let best = NONE;
    let latest = -NEVER;
    for (let i = 0; i < count; i++) {
      const at = from + i * Size.Point;
      const side = bytes[at + AstroControl.Event] === 0 ? 1 : -1;
      const offset = this._view.getInt16(at + AstroControl.Offset) * MINUTE;
      for (const sun of suns) {
        const instant = side * sun + offset;
        if (sun * side < 0 || !this._passed(instant) || instant < latest) continue;
        latest = instant;
        best = i;
      }
    }
    return best;
  }

  /**
   * R9: the first dynamic control of the list whose sensor is raised, or was less than its hold time ago.
   * @returns where it lies, 0 without one
   */
  private _react(): number {
    const bytes = this._bytes;
    const count = bytes[this._place + Part.Dynamic];
    let found = 0;
    this._soon = NEVER;
    for (let i = 0; i < count && found === 0; i++) {
      const at = this._effects + i * Size.Dynamic;
      const start = this._view.getUint32(at + DynamicControl.Start) >>> 8;
      const end = this._view.getUint32(at + DynamicControl.End) >>> 8;
      if (!this._within(start, end)) continue;
      const external = bytes[at] === EXTERNAL;
      const sensor = this._raised(at, external);
      if (sensor === NO_SENSOR) continue;
      const level = external ? this._sensors.value(-sensor) || 0 : bytes[at];
      this.level = operate(bytes[at + Control.Operation], this.level, level);
      this.control = bytes[this._place + Part.Fixed] + bytes[this._place + Part.Astro] + i;
      this.sensor = sensor;
      this.reason = Reason.Sensor;
      found = at;
    }
    if (this._soon < NEVER) this._wait();
    return found;
  }

  /** @returns the first of the control's sensors that is raised or still held, `NO_SENSOR` without one. */
  private _raised(at: number, external: boolean): number {
    const view = this._view;
    let first = view.getUint16(at + DynamicControl.Sensor);
    if (first === NO_SENSOR) first = external ? view.getUint16(Head.Presence) : this._sensors.latest();
    if (this._lasts(at, external ? -first : first)) return first;
    const second = view.getUint16(at + DynamicControl.Sensor + 2);
    return second !== NO_SENSOR && this._lasts(at, external ? -second : second) ? second : NO_SENSOR;
  }

  private _lasts(at: number, sensor: number): boolean {
    const until = this._sensors.until(sensor);
    return until > 0 && !this._passed(until + (this._view.getUint32(at + DynamicControl.Hold) >>> 8) * 100);
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

function compares(comparison: number, value: number, other: number): boolean {
  if (comparison === Comparison.Equal) return value === other;
  if (comparison === Comparison.NotEqual) return value !== other;
  if (comparison === Comparison.GreaterOrEqual) return value >= other;
  if (comparison === Comparison.Greater) return value > other;
  if (comparison === Comparison.LessOrEqual) return value <= other;
  return value < other;
}
