/**
 * Reference model of the arbitration of one lamp: which level, and why, at an instant. It reads TALQ JSON as it stands,
 * keeps no state and starts from nothing for every question; zones come from luxon, the sun from astronomy-engine. It
 * shares no code with the firmware or the gateway. R1 to R10 are the steps of PROTOCOL.md "Arbitration".
 *
 * Where TALQ 2.7.1 leaves a choice, the model takes the one named beside it.
 */
import { DateTime } from 'luxon';
import { altitude, type Crossing, crossing, DAY, HORIZON } from './sun.ts';
import type {
  ActivePeriod,
  Calendar,
  CalendarRule,
  Command,
  Condition,
  ControlProgramOne,
  DynamicControl,
  EffectOperation,
  SensorReference,
  State,
} from './talq.ts';
import { instantOf, wall } from './zone.ts';

export interface Config {
  /** IANA name. */
  timeZone: string;
  /** Degrees, north and east positive; absent: the position is unknown. */
  location?: { latitude: number; longitude: number };
  /** Hours from midnight to the start of a program day. */
  dayOffset: 0 | 12;
  /** %, `defaultLightState`. */
  defaultLevel: number;
  /** Empty: none. */
  calendarID: string;
  /** ms UTC at which the calendar came to rule the lamp; absent: it always has. */
  assigned?: number;
  calendars: Calendar[];
  programs: ControlProgramOne[];
  /** The controller's own sensors, for references without an address. */
  presence?: string;
  /** Presence sensors of its neighbours, which stand beside its own in such references. */
  group?: string[];
  light?: string;
  /** Levels of an AstroAndSensorActivePeriod that names none; lx. */
  onLevel?: number;
  offLevel?: number;
  /** What a SensorActivePeriod does without a reading: 'astro' (sunset to sunrise, lit without position) or 'lit'. */
  whenSensorLost?: 'astro' | 'lit';
}

/** What happened to the lamp. `at` is in ms UTC; order in the list decides between equal ones. */
export type Happening = { at: number } & (
  | { type: 'override'; targetCommand: Command }
  | { type: 'resume' }
  /** An OverrideCommand without addresses and with reason "sensor". */
  | { type: 'external'; targetCommand: Command & { refAddress: string } }
  | { type: 'sensor'; address: string; raised: boolean }
  /** Of a light sensor, a photocell (1 is ON) or an attribute; without a value: lost. */
  | { type: 'reading'; address: string; value?: number }
);

export interface Decision {
  /** % */
  level: number;
  reason: 'default' | 'override' | 'sensor' | 'program';
  /** Program id or sensor address. */
  refAddress?: string;
  cmsRefId?: string;
}

export interface Options {
  /** Moves every rise and set by so many ms. */
  sunShift?: number;
  /** Degrees added to the zenith distance of rise and set. */
  zenithShift?: number;
  /** Another sun: the rise or set of a solar day, in days since 1970-01-01. */
  sun?: (day: number, rising: boolean) => Crossing;
}

const MINUTE = 60_000;
const SECOND = 1000;

/** @param instant ms UTC. @returns what the lamp has to do at that instant, given all that happened up to it. */
export function decide(config: Config, history: Happening[], instant: number, options: Options = {}): Decision {
  const past = history.filter(({ at }) => at <= instant).sort((a, b) => a.at - b.at);
  const override = overrideAt(past, instant); // R1
  if (override) {
    const { state, cmsRefId } = override; // R2
    return { level: levelOf(state), reason: 'override', ...(cmsRefId !== undefined && { cmsRefId }) };
  }
  const byDefault: Decision = { level: config.defaultLevel, reason: 'default' };
  const calendar = config.calendars.find(({ id }) => id === config.calendarID); // R4
  if (!calendar || !executable(config, calendar)) return byDefault;
  const today = programDay(config, instant); // R5
  const program = programOf(config, calendar, today);
  if (!program) return byDefault;
  if (needsPosition(program) && !config.location) return byDefault; // R3
  const moment = new Moment(config, calendar, past, instant, options, today);
  return moment.run(program, byDefault);
}

/**
 * Everything that may be right when the sun is known to a tolerance only: the exact decision first, then those with the
 * sun's events earlier or later and its horizon lower or higher. One entry unless the instant lies at such an edge.
 */
export function acceptable(config: Config, history: Happening[], instant: number): Decision[] {
  const exact = decide(config, history, instant);
  if (!config.location || exact.reason === 'override') return [exact];
  const latitude = Math.abs(config.location.latitude);
  const shift = latitude < 60 ? 10 * SECOND : 60 * SECOND;
  const tries: Options[] = [{ sunShift: -shift }, { sunShift: shift }];
  if (latitude > 60) {
    // Near the polar circles a day may gain or lose an event, and a rise and its set are off in opposite directions.
    for (const zenithShift of [-0.03, 0.03]) {
      for (const sunShift of [-shift, 0, shift]) tries.push({ zenithShift, sunShift });
    }
  }
  const all = [exact, ...tries.map((options) => decide(config, history, instant, options))];
  const texts = all.map((decision) => JSON.stringify(decision));
  return all.filter((_, i) => texts.indexOf(texts[i]) === i);
}

/**
 * R1: one slot and one pending slot. A command that starts later waits in the pending slot while the other runs on; at
 * its start it takes the slot. A later command of the same kind replaces, a resume clears both, an expired one is gone.
 */
function overrideAt(past: Happening[], instant: number): Command | undefined {
  let running: Command | undefined;
  let pending: Command | undefined;
  const expired = (command: Command, now: number) =>
    command.expiration !== undefined && Date.parse(command.expiration) <= now;
  const moveTo = (now: number) => {
    if (pending?.start !== undefined && Date.parse(pending.start) <= now) {
      running = pending;
      pending = undefined;
    }
    if (running && expired(running, now)) running = undefined;
  };
  for (const happening of past) {
    moveTo(happening.at);
    if (happening.type === 'resume') running = pending = undefined;
    if (happening.type !== 'override') continue;
    const command = happening.targetCommand;
    const start = command.start === undefined ? happening.at : Date.parse(command.start);
    if (expired(command, Math.max(happening.at, start))) continue; // refused: it could never act
    if (start > happening.at) pending = command;
    else running = command;
  }
  moveTo(instant);
  return running;
}

/** R4: a calendar that refers to programs nobody has cannot be executed. */
function executable(config: Config, calendar: Calendar): boolean {
  const ids = (calendar.rules ?? []).map(({ program }) => program);
  if (calendar.defaultProgram !== undefined) ids.push(calendar.defaultProgram);
  return ids.every((id) => config.programs.some((program) => program.id === id));
}

/** R5: the local date, one less while the local time is before the day's offset; days since 1970-01-01. */
function programDay(config: Config, instant: number): number {
  const local = wall(config.timeZone, instant);
  const date = Math.floor(local / DAY);
  return local - date * DAY < config.dayOffset * 60 * MINUTE ? date - 1 : date;
}

function programOf(config: Config, calendar: Calendar, day: number): ControlProgramOne | undefined {
  const rule = (calendar.rules ?? []).find((rule) => inRange(rule, day) && holds(rule.condition, day)); // first match
  const id = rule ? rule.program : calendar.defaultProgram;
  return config.programs.find((program) => program.id === id);
}

const isoDate = (day: number) => new Date(day * DAY).toISOString().slice(0, 10);
const monthDay = (day: number) => `--${isoDate(day).slice(5)}`;

/** Each bound is tested on its own; a recurring range whose start is after its end goes over New Year. */
function inRange({ startDate, endDate }: CalendarRule, day: number): boolean {
  const form = (bound: string) => (bound.startsWith('--') ? monthDay(day) : isoDate(day));
  const begun = startDate === undefined || form(startDate) >= startDate;
  const lasts = endDate === undefined || form(endDate) <= endDate;
  const wraps = startDate?.startsWith('--') && endDate?.startsWith('--') && startDate > endDate;
  return wraps ? begun || lasts : begun && lasts;
}

function holds(condition: Condition | undefined, day: number): boolean {
  if (!condition) return true;
  const date = DateTime.fromMillis(day * DAY, { zone: 'utc' });
  if (condition.type === 'ccDate') {
    return condition.dates.some(({ start, end = start }) => {
      const text = start.startsWith('---') ? `---${isoDate(day).slice(8)}` : monthDay(day);
      return text >= start && text <= end;
    });
  }
  if (!condition.days.some(({ start, end = start }) => date.weekday >= start && date.weekday <= end)) return false;
  const which = condition.occurrences ?? [];
  if (which.length === 0) return true;
  const last = date.plus({ weeks: 1 }).month !== date.month;
  return which.includes(String(Math.ceil(date.day / 7))) || (last && which.includes('L'));
}

/** R3: what follows the sun needs a position. */
function needsPosition(program: ControlProgramOne): boolean {
  const astro = ['AstroClockActivePeriod', 'AstroAndSensorActivePeriod'];
  return (
    (program.astroClockTimeControls ?? []).length > 0 || program.activePeriods.some(({ name }) => astro.includes(name))
  );
}

function levelOf({ value }: State): number {
  return Number(value);
}

function operate(operation: EffectOperation, current: number, other: number): number {
  const results = {
    Set: other,
    Max: Math.max(current, other),
    Min: Math.min(current, other),
    Add: current + other,
    Sub: current - other,
    Mul: (current * other) / 100,
  };
  return Math.round(Math.min(100, Math.max(0, results[operation])));
}

/** Seconds since midnight. */
function secondOf(text: string): number {
  const [hours, minutes, seconds] = text.split(':').map(Number);
  return hours * 3600 + minutes * 60 + seconds;
}

/** R6 to R10 at one instant of one program day. */
class Moment {
  constructor(
    private config: Config,
    private calendar: Calendar,
    private past: Happening[],
    private instant: number,
    private options: Options,
    private today: number,
  ) {}

  run(program: ControlProgramOne, byDefault: Decision): Decision {
    const ref = program.id;
    const periods = program.activePeriods;
    if (periods.length > 0 && !periods.some((period) => this.active(period))) {
      return { level: 0, reason: 'program', refAddress: ref }; // R6
    }
    const base = this.astro(program, this.fixed(program, byDefault.level)); // R7, R8
    for (const control of program.dynamicControls ?? []) {
      const effect = this.effect(control); // R9
      if (!effect) continue;
      const level = operate(control.effect.operation, base, effect.level);
      return { level, reason: 'sensor', refAddress: effect.address };
    }
    return { level: base, reason: 'program', refAddress: ref }; // R10
  }

  /** The instant of a local time of program day `day`; with an offset of 12 h the morning is the next date's. */
  private local(day: number, second: number): number {
    const date = second < this.config.dayOffset * 3600 ? day + 1 : day;
    return instantOf(this.config.timeZone, date * DAY + second * SECOND);
  }

  private startOf(day: number): number {
    return this.local(day, this.config.dayOffset * 3600);
  }

  /** Seconds since the start of the program day, on the clock. */
  private order(second: number): number {
    return (second - this.config.dayOffset * 3600 + 86_400) % 86_400;
  }

  /** A clock range of today: whole when both ends are equal, split at the day's ends when it would run backwards. */
  private within(startTime: string, endTime: string): boolean {
    if (startTime === endTime) return true;
    const start = secondOf(startTime);
    const end = secondOf(endTime);
    const begun = this.local(this.today, start) <= this.instant;
    const ended = this.local(this.today, end) <= this.instant;
    return this.order(start) < this.order(end) ? begun && !ended : begun || !ended;
  }

  // R6

  private active(period: ActivePeriod): boolean {
    switch (period.name) {
      case 'AbsoluteActivePeriod':
        return this.within(period.startTime, period.endTime);
      case 'AstroClockActivePeriod':
        return this.night(period.sunsetOffset, period.sunriseOffset);
      case 'SensorActivePeriod': {
        const dark = this.dark(period.sensor, period.onLevel, period.offLevel);
        if (dark !== undefined) return dark;
        return this.config.whenSensorLost === 'lit' || !this.config.location || this.night(0, 0);
      }
      case 'AstroAndSensorActivePeriod': {
        const { onLevel = this.config.onLevel ?? 35, offLevel = this.config.offLevel ?? 70 } = period;
        const dark = this.dark(period.sensor, onLevel, offLevel);
        if (dark === undefined) return this.night(period.sunsetOffset, period.sunriseOffset);
        // The sensor may start it in the minutes before sunset and end it in those before sunrise.
        return (
          this.night(period.sunsetOffset, -period.pcActiveBeforeSunrise) ||
          (dark && this.night(-period.pcActiveBeforeSunset, period.sunriseOffset))
        );
      }
      case 'ValueActivePeriod':
        return this.compares(period);
    }
  }

  /** Rises and sets inside a program day, in time order. */
  private sunEvents(day: number): { time: number; rising: boolean }[] {
    const { latitude, longitude } = this.config.location as { latitude: number; longitude: number };
    const { sunShift = 0, zenithShift = 0 } = this.options;
    const sun =
      this.options.sun ?? ((label, rising) => crossing(label, latitude, longitude, rising, HORIZON + zenithShift));
    const start = this.startOf(day);
    const end = this.startOf(day + 1);
    const found: { time: number; rising: boolean }[] = [];
    const middle = Math.floor((start + end) / 2 / DAY + longitude / 360);
    for (let label = middle - 2; label <= middle + 2; label++) {
      for (const rising of [true, false]) {
        const event = sun(label, rising);
        if (event.kind !== 'event') continue;
        const time = event.time + sunShift;
        if (time >= start && time < end) found.push({ time, rising });
      }
    }
    return found.sort((a, b) => a.time - b.time);
  }

  /**
   * Whether the instant lies in a night of today, of which a sunset moves the beginning by `setOffset` minutes and a
   * sunrise the end by `riseOffset`. The edges of the program day are no sunsets and do not move.
   */
  private night(setOffset: number, riseOffset: number): boolean {
    const events = this.sunEvents(this.today);
    const start = this.startOf(this.today);
    const end = this.startOf(this.today + 1);
    const darkAtStart = events.length > 0 ? events[0].rising : this.darkAt((start + end) / 2);
    let begin = darkAtStart ? start : undefined;
    for (const { time, rising } of events) {
      if (!rising) begin = time + setOffset * MINUTE;
      else if (begin !== undefined) {
        if (begin <= this.instant && this.instant < time + riseOffset * MINUTE) return true;
        begin = undefined;
      }
    }
    return begin !== undefined && begin <= this.instant;
  }

  private darkAt(time: number): boolean {
    const { latitude, longitude } = this.config.location as { latitude: number; longitude: number };
    return altitude(time, latitude, longitude) < 90 - HORIZON - (this.options.zenithShift ?? 0);
  }

  /** Last reading of an address; undefined when there is none or the sensor is lost. */
  private reading(address: string | undefined): number | undefined {
    const last = this.past.findLast((happening) => happening.type === 'reading' && happening.address === address);
    return last?.type === 'reading' ? last.value : undefined;
  }

  /** Hysteresis over all readings so far; undefined without a reading. Of two sensors the first that has one counts. */
  private dark({ sensorAddresses = [] }: SensorReference, onLevel: number, offLevel: number): boolean | undefined {
    const addresses = sensorAddresses.length > 0 ? sensorAddresses : [this.config.light];
    const address = addresses.find((candidate) => this.reading(candidate) !== undefined);
    if (address === undefined) return undefined;
    if (onLevel === 1 && offLevel === 0) return (this.reading(address) as number) >= 1; // a photocell: 1 is ON
    let dark = true; // until a reading says otherwise no lamp is dark by accident
    for (const happening of this.past) {
      if (happening.type !== 'reading' || happening.address !== address || happening.value === undefined) continue;
      if (happening.value < onLevel) dark = true;
      if (happening.value > offLevel) dark = false;
    }
    return dark;
  }

  private compares({ reference, operator, state }: Extract<ActivePeriod, { name: 'ValueActivePeriod' }>): boolean {
    const value = this.reading(reference.address);
    if (value === undefined) return false;
    const other = levelOf(state);
    const results = {
      EQ: value === other,
      NE: value !== other,
      GE: value >= other,
      GT: value > other,
      LE: value <= other,
      LT: value < other,
    };
    return results[operator];
  }

  // R7

  private fixed(program: ControlProgramOne, defaultLevel: number): number {
    const inOrder = (of: ControlProgramOne) =>
      [...of.fixedTimeControls].sort((a, b) => this.order(secondOf(a.startTime)) - this.order(secondOf(b.startTime)));
    const own = inOrder(program);
    const now = own.findLast(({ startTime }) => this.local(this.today, secondOf(startTime)) <= this.instant);
    const before = this.yesterday();
    const last = now ?? (before && inOrder(before).at(-1)) ?? own.at(-1);
    return last ? levelOf(last.command.state) : defaultLevel;
  }

  /** The program that ran on the day before: none when the calendar came to rule the lamp only today. */
  private yesterday(): ControlProgramOne | undefined {
    const { assigned = Number.NEGATIVE_INFINITY } = this.config;
    return assigned < this.startOf(this.today) ? programOf(this.config, this.calendar, this.today - 1) : undefined;
  }

  // R8

  private astro(program: ControlProgramOne, base: number): number {
    const ranYesterday = this.yesterday()?.id === program.id;
    const control =
      this.lastAstro(program, this.today) ?? (ranYesterday ? this.lastAstro(program, this.today - 1) : undefined);
    return control ? operate(control.operation, base, levelOf(control.command.state)) : base;
  }

  /** The control whose instant came last, of a day's events; of equal instants the one later in the list. */
  private lastAstro(program: ControlProgramOne, day: number) {
    const controls = program.astroClockTimeControls ?? [];
    if (controls.length === 0) return undefined;
    const events = this.sunEvents(day);
    const reached = controls.flatMap((control, index) =>
      events
        .filter(({ rising }) => rising === (control.solarEventType === 'sunrise'))
        .map(({ time }) => ({ control, index, time: time + control.offset * MINUTE }))
        .filter(({ time }) => time <= this.instant),
    );
    return reached.sort((a, b) => a.time - b.time || a.index - b.index).at(-1)?.control;
  }

  // R9

  private effect({ period, effect }: DynamicControl): { level: number; address: string } | undefined {
    if (period && !this.within(period.startTime, period.endTime)) return undefined;
    const addresses = effect.source.sensor?.sensorAddresses ?? [];
    const hold = (effect.holdTime ?? 0) * SECOND;
    const unnamed = effect.type === 'FixedControlEffect' ? this.anybodyNear() : this.config.presence;
    for (const address of addresses.length > 0 ? addresses : [unnamed]) {
      if (address === undefined) continue;
      if (effect.type === 'FixedControlEffect') {
        const until = this.raisedUntil(address);
        if (until !== undefined && this.instant < until + hold)
          return { level: levelOf(effect.command.state), address };
      } else {
        const external = this.past.findLast(
          (happening) => happening.type === 'external' && happening.targetCommand.refAddress === address,
        );
        if (external?.type !== 'external') continue;
        const { state, expiration } = external.targetCommand;
        const until = expiration === undefined ? external.at : Date.parse(expiration);
        if (this.instant < until + hold) return { level: levelOf(state), address };
      }
    }
    return undefined;
  }

  /** @returns which presence sensor of the street lasts longest, its own before its neighbours'. */
  private anybodyNear(): string | undefined {
    const heard = [this.config.presence, ...(this.config.group ?? [])].flatMap((address) => {
      const until = address === undefined ? undefined : this.raisedUntil(address);
      return until === undefined ? [] : [{ address, until }];
    });
    const latest = Math.max(...heard.map(({ until }) => until));
    return heard.find(({ until }) => until === latest)?.address;
  }

  /** ms UTC at which a sensor was lowered, infinite while it is up, undefined when it never was. */
  private raisedUntil(address: string): number | undefined {
    const edges = this.past.filter((happening) => happening.type === 'sensor' && happening.address === address);
    let until: number | undefined;
    let up = false;
    for (const edge of edges) {
      if (edge.type !== 'sensor') continue;
      if (edge.raised) until = Number.POSITIVE_INFINITY;
      else if (up) until = edge.at;
      up = edge.raised;
    }
    return until;
  }
}

/** Level on the way from one command to the next: linear, complete `ramp` seconds after the change. */
export function rampedLevel(from: number, to: number, ramp: number, elapsed: number): number {
  if (elapsed >= ramp) return to;
  return from + ((to - from) * elapsed) / ramp;
}
