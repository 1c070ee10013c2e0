/**
 * Compiles a TALQ calendar and its programs to the timetable that one controller stores and runs, and says what is wrong
 * with those that cannot be run. The layout is `firmware/link/timetable.ts`.
 */
import { crc32 } from 'crc';
import {
  AstroControl,
  type Comparison,
  Control,
  DateKind,
  DynamicControl,
  EXTERNAL,
  FixedControl,
  Head,
  NO_RAMP,
  NO_SENSOR,
  NONE,
  type Operation,
  Period,
  PeriodKind,
  Rule,
  Size,
  TIMETABLE_VERSION,
  UNKNOWN_PLACE,
} from '../../firmware/link/timetable.ts';
import type { ActivePeriod, Calendar, CalendarRule, CommandBase, ControlProgram } from './control-objects.ts';
import type { ErrorKey } from './schemas.ts';

/** What a controller's class can hold. Announced as ControlService limits. */
export interface Limits {
  rules: number;
  programs: number;
  switchPoints: number;
  activePeriods: number;
  dynamicControls: number;
}

/** What the timetable says of the lamp itself. */
export interface Situation {
  /** 0 or 12 */
  dayOffset: number;
  /** POSIX TZ string. */
  zone: string;
  /** Degrees, north and east positive; absent: unknown. */
  location?: { latitude: number; longitude: number };
  /** ms UTC since when a calendar rules the lamp. */
  assigned: number;
  /** Numbers of the controller's own sensors. */
  presence?: number;
  light?: number;
  /** @returns the number of a sensor or attribute address, undefined when it is unknown. */
  sensor(address: string): number | undefined;
}

/** An object that cannot be executed: TALQ's error key, and words that name the member. */
export class NotExecutable extends Error {
  /** Id of the program that is to blame, when one is compiled for a lamp. */
  program?: string;

  constructor(
    readonly key: ErrorKey,
    message: string,
  ) {
    super(message);
  }
}

const refuse = (key: ErrorKey, message: string): never => {
  throw new NotExecutable(key, message);
};

const OPERATIONS = { Set: 0, Max: 1, Min: 2, Add: 3, Sub: 4, Mul: 5 } satisfies Record<string, Operation>;
const COMPARISONS = { EQ: 0, NE: 1, GE: 2, GT: 3, LE: 4, LT: 5 } satisfies Record<string, Comparison>;
/** Longest month, so that 29 February is a day. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const LONGEST_HOLD = 2 ** 24 - 1;

/** @throws NotExecutable, naming the member. Checks one program by itself, before anything refers to it. */
export function checkProgram(program: ControlProgram, limits: Limits): void {
  const where = `program ${program.id}`;
  const fixed = program.fixedTimeControls;
  const starts = new Set<string>();
  for (const [i, { startTime, command }] of fixed.entries()) {
    if (starts.has(startTime)) {
      refuse('payloadError', `${where}: fixedTimeControls[${i}] starts at ${startTime} like another one`);
    }
    starts.add(startTime);
    levelOf(command, `${where}: fixedTimeControls[${i}]`);
  }
  const astro = program.astroClockTimeControls ?? [];
  for (const [i, { command }] of astro.entries()) levelOf(command, `${where}: astroClockTimeControls[${i}]`);
  for (const [i, { effect }] of (program.dynamicControls ?? []).entries()) {
    if (effect.type === 'FixedControlEffect') levelOf(effect.command, `${where}: dynamicControls[${i}].effect`);
    if ((effect.holdTime ?? 0) * 10 > LONGEST_HOLD) {
      refuse('serviceConstraintExceeded', `${where}: dynamicControls[${i}].effect holds for ${effect.holdTime} s`);
    }
  }
  for (const [i, period] of program.activePeriods.entries()) checkPeriod(period, `${where}: activePeriods[${i}]`);
  const counts: [string, number, number][] = [
    ['switch points', fixed.length + astro.length, limits.switchPoints],
    ['active periods', program.activePeriods.length, limits.activePeriods],
    ['dynamic controls', program.dynamicControls?.length ?? 0, limits.dynamicControls],
  ];
  for (const [what, count, most] of counts) {
    if (count > most) refuse('serviceConstraintExceeded', `${where}: ${count} ${what}, this gateway takes ${most}`);
  }
}

function checkPeriod(period: ActivePeriod, where: string): void {
  if (period.name === 'ValueActivePeriod') numberOf(period.state, where);
  if (period.name !== 'SensorActivePeriod' && period.name !== 'AstroAndSensorActivePeriod') return;
  const { onLevel, offLevel } = period;
  // A photocell is read as 1 (dark) and 0, with onLevel 1 and offLevel 0; every other sensor needs on <= off.
  const photocell = onLevel === 1 && offLevel === 0;
  if (onLevel !== undefined && offLevel !== undefined && onLevel > offLevel && !photocell) {
    refuse('payloadError', `${where}: onLevel ${onLevel} is above offLevel ${offLevel}`);
  }
}

/** @throws NotExecutable, naming the member. @param programs by id, those of the same CMS */
export function checkCalendar(calendar: Calendar, programs: ReadonlyMap<string, ControlProgram>, limits: Limits): void {
  const where = `calendar ${calendar.id}`;
  const rules = calendar.rules ?? [];
  for (const [i, rule] of rules.entries()) {
    ruleBytes(rule, 0, `${where}: rules[${i}]`);
    if (!programs.has(rule.program)) {
      refuse('relatedResourceNotFound', `${where}: rules[${i}].program ${rule.program} is unknown`);
    }
  }
  if (calendar.defaultProgram !== undefined && !programs.has(calendar.defaultProgram)) {
    refuse('relatedResourceNotFound', `${where}: defaultProgram ${calendar.defaultProgram} is unknown`);
  }
  const used = programsOf(calendar).length;
  if (rules.length > limits.rules) {
    refuse('serviceConstraintExceeded', `${where}: ${rules.length} rules, this gateway takes ${limits.rules}`);
  }
  if (used > limits.programs) {
    refuse('serviceConstraintExceeded', `${where}: ${used} programs, this gateway takes ${limits.programs}`);
  }
}

/** @returns the ids of the programs that a calendar uses, in the order of their indices in the timetable. */
export function programsOf(calendar: Calendar): string[] {
  const ids = (calendar.rules ?? []).map((rule) => rule.program);
  if (calendar.defaultProgram !== undefined) ids.push(calendar.defaultProgram);
  return [...new Set(ids)];
}

/** @throws NotExecutable when the calendar, one of its programs or a sensor cannot be run. */
export function compileTimetable(
  calendar: Calendar,
  programs: ReadonlyMap<string, ControlProgram>,
  situation: Situation,
): Uint8Array {
  const ids = programsOf(calendar);
  const rules = (calendar.rules ?? []).map((rule, i) =>
    ruleBytes(rule, ids.indexOf(rule.program), `calendar ${calendar.id}: rules[${i}]`),
  );
  const zone = Buffer.from(situation.zone, 'latin1');
  const bodies = ids.map((id) => {
    try {
      const program = programs.get(id);
      return program ? programBytes(program, situation) : refuse('relatedResourceNotFound', `program ${id} is unknown`);
    } catch (error) {
      if (error instanceof NotExecutable) error.program = id;
      throw error;
    }
  });
  const head = Buffer.alloc(Head.Size + 2 * ids.length);
  head[Head.Version] = TIMETABLE_VERSION;
  head[Head.DayOffset] = situation.dayOffset;
  head[Head.DefaultProgram] = calendar.defaultProgram === undefined ? NONE : ids.indexOf(calendar.defaultProgram);
  head[Head.Rules] = rules.length;
  head[Head.Programs] = ids.length;
  head[Head.ZoneLength] = zone.length;
  const place = situation.location;
  head.writeInt32BE(place ? Math.round(place.latitude * 1e6) : UNKNOWN_PLACE, Head.Latitude);
  head.writeInt32BE(place ? Math.round(place.longitude * 1e6) : UNKNOWN_PLACE, Head.Longitude);
  head.writeUInt32BE(Math.floor(situation.assigned / 1000), Head.Assigned);
  head.writeUInt16BE(situation.presence ?? NO_SENSOR, Head.Presence);
  head.writeUInt16BE(situation.light ?? NO_SENSOR, Head.Light);
  let at = head.length + rules.reduce((sum, rule) => sum + rule.length, 0) + zone.length;
  for (const [i, body] of bodies.entries()) {
    if (at > 65535) refuse('serviceConstraintExceeded', `calendar ${calendar.id}: its programs exceed 64 KiB`);
    head.writeUInt16BE(at, Head.Size + 2 * i);
    at += body.length;
  }
  const body = Buffer.concat([head, ...rules, zone, ...bodies]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body) >>> 0);
  return Buffer.concat([body, check]);
}

function ruleBytes(rule: CalendarRule, program: number, where: string): Buffer {
  const bytes = Buffer.alloc(Rule.Ranges);
  bytes[Rule.Program] = program;
  const first = writeDate(bytes, Rule.StartKind, rule.startDate, `${where}.startDate`);
  const last = writeDate(bytes, Rule.EndKind, rule.endDate, `${where}.endDate`);
  if (first.kind === DateKind.Date && last.kind === DateKind.Date && last.value < first.value) {
    refuse('payloadError', `${where}: endDate ${rule.endDate} is before startDate ${rule.startDate}`);
  }
  const condition = rule.condition;
  if (!condition) return bytes;
  if (condition.type === 'ccDay') {
    if (condition.days.length === 0) refuse('payloadError', `${where}.condition has no days`);
    for (const [i, { start, end = start }] of condition.days.entries()) {
      if (condition.days[i].end !== undefined && end <= start) {
        refuse('payloadError', `${where}.condition.days[${i}]: end ${end} is not after start ${start}`);
      }
      for (let day = start; day <= end; day++) bytes[Rule.Weekdays] |= 1 << (day - 1);
    }
    for (const which of condition.occurrences ?? []) {
      bytes[Rule.Occurrences] |= which === 'L' ? 32 : 1 << (Number(which) - 1);
    }
    return bytes;
  }
  return Buffer.concat([bytes, dateRanges(bytes, condition.dates, `${where}.condition`)]);
}

/** Notes days of the month in the rule's head. @returns ranges of days in the year. */
function dateRanges(head: Buffer, dates: { start: string; end?: string }[], where: string): Buffer {
  if (dates.length === 0) refuse('payloadError', `${where} has no dates`);
  const ranges: number[] = [];
  let monthDays = 0;
  for (const [i, { start, end }] of dates.entries()) {
    const from = dayCode(start, `${where}.dates[${i}].start`);
    const to = end === undefined ? from : dayCode(end, `${where}.dates[${i}].end`);
    if (from < 32 !== to < 32) refuse('payloadError', `${where}.dates[${i}]: ${start} and ${end} differ in form`);
    if (end !== undefined && to <= from) {
      refuse('payloadError', `${where}.dates[${i}]: end ${end} is not after start ${start}`);
    }
    if (from >= 32) ranges.push(from, to);
    else
      for (let day = from; day <= to; day++)
        monthDays += 2 ** (day - 1) * Number(!(Math.floor(monthDays / 2 ** (day - 1)) % 2));
  }
  head.writeUInt32BE(monthDays, Rule.MonthDays);
  head[Rule.RangeCount] = ranges.length / 2;
  const bytes = Buffer.alloc(2 * ranges.length);
  for (const [i, value] of ranges.entries()) bytes.writeUInt16BE(value, 2 * i);
  return bytes;
}

/** @returns the day of the month for ---dd, month * 32 + day for --mm-dd. */
function dayCode(text: string, where: string): number {
  const month = text.startsWith('---') ? 0 : Number(text.slice(2, 4));
  const day = Number(text.slice(-2));
  const longest = month === 0 ? 31 : (DAYS[month - 1] ?? 0);
  if (day < 1 || day > longest) refuse('payloadError', `${where}: ${text} is no day of the calendar`);
  return month * 32 + day;
}

function writeDate(bytes: Buffer, at: number, text: string | undefined, where: string) {
  let kind = DateKind.Open;
  let value = 0;
  if (text?.startsWith('--')) {
    kind = DateKind.Recurring;
    value = dayCode(text, where);
  } else if (text) {
    kind = DateKind.Date;
    const date = new Date(`${text}T00:00:00Z`);
    if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== text) {
      refuse('payloadError', `${where}: ${text} is no day of the calendar`);
    }
    value = Math.max(0, Math.min(65535, date.getTime() / 86_400_000));
  }
  bytes[at] = kind;
  bytes.writeUInt16BE(value, at + 1);
  return { kind, value };
}

const secondsOf = (text: string) => {
  const [hours, minutes, seconds] = text.split(':').map(Number);
  return hours * 3600 + minutes * 60 + seconds;
};

function programBytes(program: ControlProgram, situation: Situation): Buffer {
  const { dayOffset } = situation;
  const order = (text: string) => (secondsOf(text) - dayOffset * 3600 + 86_400) % 86_400;
  const fixed = [...program.fixedTimeControls].sort((a, b) => order(a.startTime) - order(b.startTime));
  const astro = program.astroClockTimeControls ?? [];
  const dynamic = program.dynamicControls ?? [];
  const where = `program ${program.id}`;
  return Buffer.concat([
    Buffer.from([program.activePeriods.length, fixed.length, astro.length, dynamic.length]),
    ...program.activePeriods.map((period, i) => periodBytes(period, situation, `${where}: activePeriods[${i}]`)),
    ...fixed.map((control) => {
      const bytes = controlBytes(Size.Point, control.command, where);
      bytes.writeUIntBE(secondsOf(control.startTime), FixedControl.Time, 3);
      return bytes;
    }),
    ...astro.map((control) => {
      const bytes = controlBytes(Size.Point, control.command, where);
      bytes[Control.Operation] = OPERATIONS[control.operation as keyof typeof OPERATIONS];
      bytes[AstroControl.Event] = control.solarEventType === 'sunset' ? 1 : 0;
      bytes.writeInt16BE(control.offset, AstroControl.Offset);
      return bytes;
    }),
    ...dynamic.map(({ period, effect }, i) => {
      const command = effect.type === 'FixedControlEffect' ? effect.command : undefined;
      const bytes = controlBytes(Size.Dynamic, command, where);
      bytes[Control.Operation] = OPERATIONS[effect.operation as keyof typeof OPERATIONS];
      bytes.writeUIntBE(period ? secondsOf(period.startTime) : 0, DynamicControl.Start, 3);
      bytes.writeUIntBE(period ? secondsOf(period.endTime) : 0, DynamicControl.End, 3);
      const addresses = effect.source.sensor?.sensorAddresses ?? [];
      writeSensors(bytes, DynamicControl.Sensor, addresses, situation, `${where}: dynamicControls[${i}]`);
      bytes.writeUIntBE(Math.round((effect.holdTime ?? 0) * 10), DynamicControl.Hold, 3);
      return bytes;
    }),
  ]);
}

function controlBytes(size: number, command: CommandBase | undefined, where: string): Buffer {
  const bytes = Buffer.alloc(size);
  bytes[Control.Level] = command ? levelOf(command, where) : EXTERNAL;
  bytes.writeUInt16BE(ramp(command?.rampToLevelTime), Control.RampTo);
  bytes.writeUInt16BE(ramp(command?.rampFromLevelTime), Control.RampFrom);
  return bytes;
}

const ramp = (seconds: number | undefined) =>
  seconds === undefined ? NO_RAMP : Math.min(NO_RAMP - 1, Math.round(seconds * 10));

/** @throws NotExecutable unless the command is a LevelState of 0..100 %. */
function levelOf(command: CommandBase, where: string): number {
  const { name, value } = command.state;
  if (name.toLowerCase() !== 'levelstate' || typeof value !== 'number' || !Number.isInteger(value)) {
    return refuse('payloadError', `${where}: a lamp takes a LevelState with an integer value, not ${name}`);
  }
  if (value < 0 || value > 100) refuse('payloadError', `${where}: level ${value} is not 0..100 %`);
  return value;
}

function numberOf(state: { name: string; value: unknown }, where: string): number {
  const { value } = state;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'number') return refuse('payloadError', `${where}.state: ${state.name} is not a number`);
  return value;
}

function writeSensors(bytes: Buffer, at: number, addresses: string[], situation: Situation, where: string): void {
  for (const [i, address] of addresses.entries()) {
    const number = situation.sensor(address);
    if (number === undefined) {
      throw new NotExecutable('relatedResourceNotFound', `${where}: sensor ${address} is unknown`);
    }
    bytes.writeUInt16BE(number, at + 2 * i);
  }
}

function periodBytes(period: ActivePeriod, situation: Situation, where: string): Buffer {
  const bytes = Buffer.alloc(Size.Period);
  if (period.name === 'AbsoluteActivePeriod') {
    bytes[Period.Kind] = PeriodKind.Absolute;
    bytes.writeInt32BE(secondsOf(period.startTime), Period.A);
    bytes.writeInt32BE(secondsOf(period.endTime), Period.B);
    return bytes;
  }
  if (period.name === 'ValueActivePeriod') {
    bytes[Period.Kind] = PeriodKind.Value;
    bytes[Period.Comparison] = COMPARISONS[period.operator as keyof typeof COMPARISONS];
    writeSensors(bytes, Period.Sensor, [period.reference.address], situation, where);
    bytes.writeFloatBE(numberOf(period.state, where), Period.On);
    return bytes;
  }
  if (period.name === 'AstroClockActivePeriod' || period.name === 'AstroAndSensorActivePeriod') {
    bytes[Period.Kind] = PeriodKind.Astro;
    bytes.writeInt32BE(period.sunsetOffset, Period.A);
    bytes.writeInt32BE(period.sunriseOffset, Period.B);
    if (period.name === 'AstroClockActivePeriod') return bytes;
    bytes[Period.Kind] = PeriodKind.AstroAndSensor;
    bytes.writeUInt16BE(period.pcActiveBeforeSunset, Period.BeforeSunset);
    bytes.writeUInt16BE(period.pcActiveBeforeSunrise, Period.BeforeSunrise);
  } else {
    bytes[Period.Kind] = PeriodKind.Sensor;
  }
  const addresses = period.sensor.sensorAddresses ?? [];
  if (addresses.length > 0) writeSensors(bytes, Period.Sensor, addresses, situation, where);
  else bytes.writeUInt16BE(situation.light ?? NO_SENSOR, Period.Sensor);
  bytes.writeFloatBE(period.onLevel ?? 35, Period.On);
  bytes.writeFloatBE(period.offLevel ?? 70, Period.Off);
  return bytes;
}
