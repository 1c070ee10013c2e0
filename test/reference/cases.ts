/**
 * Random cases for comparing a controller's decisions with the reference model: places with hard clocks and hard suns,
 * days on which something changes, programs and calendars whose edges lie near the instant that is asked for.
 *
 * All instants are whole seconds, so that nothing depends on the wire's resolution. A case is built from independent
 * choices, relative to its instant, so that fast-check can shrink each of them.
 */
import fc from 'fast-check';
import { acceptable, type Config, type Decision, type Happening } from './model.ts';
import { crossing, DAY } from './sun.ts';
import type {
  ActivePeriod,
  AstroClockTimeControl,
  Calendar,
  CalendarRule,
  Condition,
  ControlEffect,
  ControlProgramOne,
  DynamicControl,
  EffectOperation,
  FixedTimeControl,
} from './talq.ts';
import { instantOf, transitions } from './zone.ts';

export interface Case {
  place: string;
  config: Config;
  history: Happening[];
  /** ms UTC, whole seconds. */
  instant: number;
}

/** What to leave out, for a controller that has none of it. All of it is in by default. */
export interface CaseOptions {
  /** Sun: astro periods and controls. */
  sun?: boolean;
  /** SensorActivePeriod, AstroAndSensorActivePeriod and readings. */
  light?: boolean;
  /** Readings between onLevel and offLevel, where the past decides. */
  hysteresis?: boolean;
  /** Readings that end: a sensor that is lost. */
  lost?: boolean;
  /** ValueActivePeriod. */
  values?: boolean;
  /** Dynamic controls, with sensors that are raised and lowered. */
  dynamic?: boolean;
  /** ExternalControlEffect. */
  external?: boolean;
}

interface Place {
  readonly name: string;
  readonly zone: string;
  readonly latitude: number;
  readonly longitude: number;
}

const place = (name: string, zone: string, latitude: number, longitude: number): Place => ({
  name,
  zone,
  latitude,
  longitude,
});

/** Each zone has a POSIX rule. */
export const PLACES: readonly Place[] = [
  place('Brussels', 'Europe/Brussels', 50.8503, 4.3517),
  place('Madrid', 'Europe/Madrid', 40.4168, -3.7038),
  place('Dublin', 'Europe/Dublin', 53.3498, -6.2603),
  place('Ponta Delgada', 'Atlantic/Azores', 37.7412, -25.6756),
  place('Reykjavik', 'Atlantic/Reykjavik', 64.1466, -21.9426),
  place('Tromsø', 'Europe/Oslo', 69.6492, 18.9553),
  place('Longyearbyen', 'Arctic/Longyearbyen', 78.2232, 15.6267),
  place('Nuuk', 'America/Nuuk', 64.1814, -51.6941),
  place('Troll', 'Antarctica/Troll', -72.0117, 2.5351),
  place('New York', 'America/New_York', 40.7128, -74.006),
  place('St. Johns', 'America/St_Johns', 47.5615, -52.7126),
  place('Havana', 'America/Havana', 23.1136, -82.3666),
  place('Quito', 'America/Guayaquil', -0.1807, -78.4678),
  place('Santiago', 'America/Santiago', -33.4489, -70.6693),
  place('Ushuaia', 'America/Argentina/Ushuaia', -54.8019, -68.303),
  place('Anchorage', 'America/Anchorage', 61.2181, -149.9003),
  place('Adak', 'America/Adak', 51.88, -176.6581),
  place('Kiritimati', 'Pacific/Kiritimati', 1.8721, -157.4278),
  place('Apia', 'Pacific/Apia', -13.8507, -171.7514),
  place('Suva', 'Pacific/Fiji', -18.1248, 178.4501),
  place('Auckland', 'Pacific/Auckland', -36.8485, 174.7633),
  place('Chatham', 'Pacific/Chatham', -43.9535, -176.5597),
  place('Lord Howe', 'Australia/Lord_Howe', -31.5553, 159.0821),
  place('Sydney', 'Australia/Sydney', -33.8688, 151.2093),
  place('Cairo', 'Africa/Cairo', 30.0444, 31.2357),
  place('Jerusalem', 'Asia/Jerusalem', 31.7683, 35.2137),
  place('Beirut', 'Asia/Beirut', 33.8938, 35.5018),
  place('Kathmandu', 'Asia/Kathmandu', 27.7172, 85.324),
];

const SECOND = 1000;
const dayNumber = (date: string) => Date.parse(`${date}T00:00Z`) / DAY;

/** Leap days, ends of months and years, solstices, and the edges of polar day and night in 2027 and 2028. */
const DATES = [
  '2028-02-28',
  '2028-02-29',
  '2028-03-01',
  '2027-02-28',
  '2027-03-01',
  '2026-12-31',
  '2027-01-01',
  '2027-04-30',
  '2027-01-31',
  '2027-03-20',
  '2027-06-21',
  '2027-12-21',
  '2028-01-15',
  '2027-05-17',
  '2027-07-25',
  '2027-11-27',
  '2027-04-18',
  '2027-08-24',
  '2027-10-26',
  '2028-02-15',
].map(dayNumber);

const changes = new Map<string, number[]>();

/** Local days on which a zone's clocks change, 2025 to 2029. */
function changeDays(zone: string): number[] {
  let days = changes.get(zone);
  if (!days) {
    days = transitions(zone, Date.UTC(2025, 0, 1), Date.UTC(2029, 11, 31)).map((time) => Math.round(time / DAY));
    changes.set(zone, days);
  }
  return days;
}

const times = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(
      ...['00:00:00', '00:30:00', '01:00:00', '01:30:00', '01:59:59', '02:00:00', '02:30:00', '03:00:00', '05:00:00'],
      ...['06:30:00', '11:59:59', '12:00:00', '12:00:01', '16:00:00', '20:00:00', '22:00:00', '23:00:00', '23:59:59'],
    ),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 86_399 }).map(clock) },
);

function clock(second: number): string {
  return [Math.floor(second / 3600), Math.floor(second / 60) % 60, second % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

const level = fc.constantFrom(0, 1, 20, 33, 50, 67, 80, 100);
const command = level.map((value) => ({ state: { name: 'LevelState', value } }));
const operation = fc.constantFrom<EffectOperation>('Set', 'Max', 'Min', 'Add', 'Sub', 'Mul');
const minutes = fc.constantFrom(0, -5, 10, -30, 30, 60, -90);
const perhaps = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ withCrossShrink: true }, { weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

/** Seconds before the instant at which things have happened. */
const ago = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 9, 10, 11, 29, 30, 31, 59, 60, 61, 600, 3600, 7200) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 * 86_400 }) },
);
const later = fc.constantFrom(1, 10, 30, 60, 600, 3600, 7200, 86_400);

const sensors = (...names: string[]) =>
  fc.constantFrom(...[[], ...names.map((name) => [name]), names]).map((sensorAddresses) => ({ sensorAddresses }));

function periods(options: CaseOptions): fc.Arbitrary<ActivePeriod> {
  const { sun = true, light = true, values = true } = options;
  const kinds: fc.Arbitrary<ActivePeriod>[] = [
    fc.record({ name: fc.constant('AbsoluteActivePeriod' as const), startTime: times, endTime: times }),
  ];
  if (sun) {
    kinds.push(
      fc.record({
        name: fc.constant('AstroClockActivePeriod' as const),
        sunsetOffset: minutes,
        sunriseOffset: minutes,
      }),
    );
  }
  const levels = fc.constantFrom(
    { onLevel: 35, offLevel: 70 },
    { onLevel: 20, offLevel: 100 },
    { onLevel: 50, offLevel: 50 },
  );
  if (light) {
    const photocell = { onLevel: 1, offLevel: 0 };
    kinds.push(
      fc
        .tuple(sensors('L1', 'L2'), levels)
        .map(([sensor, both]) => ({ name: 'SensorActivePeriod' as const, sensor, ...both })),
      fc.constant({ name: 'SensorActivePeriod' as const, sensor: { sensorAddresses: ['P1'] }, ...photocell }),
    );
  }
  if (light && sun) {
    kinds.push(
      fc
        .tuple(
          sensors('L1', 'L2'),
          minutes,
          minutes,
          fc.constantFrom(0, 15, 45),
          fc.constantFrom(0, 15, 45),
          perhaps(levels),
        )
        .map(([sensor, sunsetOffset, sunriseOffset, pcActiveBeforeSunset, pcActiveBeforeSunrise, both]) => ({
          name: 'AstroAndSensorActivePeriod' as const,
          sensor,
          sunsetOffset,
          sunriseOffset,
          pcActiveBeforeSunset,
          pcActiveBeforeSunrise,
          ...both,
        })),
    );
  }
  if (values) {
    kinds.push(
      fc.record({
        name: fc.constant('ValueActivePeriod' as const),
        reference: fc.constantFrom('A1', 'A2').map((address) => ({ resource: 'devices', address })),
        operator: fc.constantFrom('EQ' as const, 'NE', 'GE', 'GT', 'LE', 'LT'),
        state: fc.constantFrom(
          { name: 'BooleanState', value: true },
          { name: 'BooleanState', value: false },
          { name: 'IntegerState', value: 50 },
        ),
      }),
    );
  }
  return fc.oneof(...kinds);
}

function dynamicControls(options: CaseOptions): fc.Arbitrary<DynamicControl> {
  const holdTime = perhaps(fc.constantFrom(0, 10, 30, 60));
  const fixed = fc
    .tuple(sensors('S1', 'S2'), operation, holdTime, command)
    .map(([sensor, op, hold, given]): ControlEffect => {
      const common = { source: { sensor }, operation: op, ...(hold !== undefined && { holdTime: hold }) };
      return { type: 'FixedControlEffect', ...common, command: given };
    });
  const external = fc
    .tuple(fc.constantFrom<string[]>(['X1'], ['X2'], ['X1', 'X2']), operation, holdTime)
    .map(([sensorAddresses, op, hold]): ControlEffect => {
      const common = {
        source: { sensor: { sensorAddresses } },
        operation: op,
        ...(hold !== undefined && { holdTime: hold }),
      };
      return { type: 'ExternalControlEffect', ...common };
    });
  const effect = (options.external ?? true) ? fc.oneof(fixed, external) : fixed;
  return fc
    .tuple(perhaps(fc.record({ startTime: times, endTime: times })), effect)
    .map(([period, chosen]) => ({ ...(period && { period }), effect: chosen }));
}

function programs(options: CaseOptions): fc.Arbitrary<Omit<ControlProgramOne, 'id'>> {
  const fixed = fc.uniqueArray(fc.record<FixedTimeControl>({ startTime: times, command }), {
    maxLength: 6,
    selector: ({ startTime }) => startTime,
  });
  const astro = fc.record<AstroClockTimeControl>({
    offset: minutes,
    solarEventType: fc.constantFrom('sunrise', 'sunset'),
    operation,
    command,
  });
  const none = <T>() => fc.constant<T[]>([]);
  return fc.record({
    type: fc.constant('ControlProgramOne' as const),
    ownerCMS: fc.constant('cms'),
    activePeriods: fc.oneof(none<ActivePeriod>(), fc.array(periods(options), { maxLength: 2 })),
    fixedTimeControls: fixed,
    astroClockTimeControls:
      (options.sun ?? true)
        ? fc.oneof(none<AstroClockTimeControl>(), fc.array(astro, { maxLength: 3 }))
        : none<AstroClockTimeControl>(),
    dynamicControls:
      (options.dynamic ?? true) ? fc.array(dynamicControls(options), { maxLength: 3 }) : none<DynamicControl>(),
  });
}

/** Bounds and dates as days from the instant's date. */
const nearby = fc.constantFrom(0, -1, 1, -2, 7, -7, 30, -30, 200);
const bound = perhaps(fc.record({ full: fc.boolean(), delta: nearby }));
const conditions = fc.oneof(
  fc.constant(undefined),
  fc.record({
    type: fc.constant('ccDate' as const),
    dates: fc.array(fc.record({ monthly: fc.boolean(), start: nearby, end: perhaps(nearby) }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
  fc.record({
    type: fc.constant('ccDay' as const),
    days: fc.array(fc.record({ start: fc.integer({ min: 1, max: 7 }), length: fc.integer({ min: 0, max: 6 }) }), {
      minLength: 1,
      maxLength: 2,
    }),
    occurrences: perhaps(fc.uniqueArray(fc.constantFrom('1', '2', '3', '4', '5', 'L'), { minLength: 1, maxLength: 2 })),
  }),
);
const rules = fc.record({ start: bound, end: bound, condition: conditions, program: fc.nat(2) });

type Rule = typeof rules extends fc.Arbitrary<infer T> ? T : never;

const isoDate = (day: number) => new Date(day * DAY).toISOString().slice(0, 10);

function conditionOf(raw: Rule['condition'], day: number): Condition | undefined {
  if (!raw) return undefined;
  if (raw.type === 'ccDay') {
    const days = raw.days.map(({ start, length }) => ({
      start,
      ...(length > 0 && start < 7 && { end: Math.min(7, start + length) }),
    }));
    return { type: 'ccDay', days, ...(raw.occurrences && { occurrences: raw.occurrences }) };
  }
  const text = (monthly: boolean, delta: number) => {
    const date = isoDate(day + delta);
    return monthly ? `---${date.slice(8)}` : `--${date.slice(5)}`;
  };
  const dates = raw.dates.map(({ monthly, start, end }) => {
    const first = text(monthly, start);
    const last = end === undefined ? first : text(monthly, end);
    return { start: first, ...(last > first && { end: last }) };
  });
  return { type: 'ccDate', dates };
}

function ruleOf({ start, end, condition, program }: Rule, day: number, count: number): CalendarRule {
  const bounds = [start, end].map((raw) => raw && { full: raw.full, day: day + raw.delta });
  // Two full dates must be in order.
  if (bounds[0]?.full && bounds[1]?.full && bounds[0].day > bounds[1].day) bounds.reverse();
  const [startDate, endDate] = bounds.map(
    (raw) => raw && (raw.full ? isoDate(raw.day) : `--${isoDate(raw.day).slice(5)}`),
  );
  const built = conditionOf(condition, day);
  return {
    ...(startDate && { startDate }),
    ...(endDate && { endDate }),
    ...(built && { condition: built }),
    program: `p${program % count}`,
  };
}

/** Happenings, `ago` seconds before the instant. */
function happenings(options: CaseOptions) {
  const { light = true, hysteresis = true, lost = true, values = true, dynamic = true, external = true } = options;
  const override = fc.record({
    type: fc.constant('override' as const),
    ago,
    level,
    start: rarely(later),
    expiration: perhaps(later),
    reference: perhaps(fc.constantFrom('op-1', 'op-2')),
  });
  const kinds = [
    { weight: 1, arbitrary: override },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('resume' as const), ago }) },
  ] as { weight: number; arbitrary: fc.Arbitrary<RawHappening> }[];
  if (dynamic) {
    const sensor = fc.record({
      type: fc.constant('sensor' as const),
      ago,
      address: fc.constantFrom('S0', 'S1', 'S2'),
      raised: fc.boolean(),
    });
    kinds.push({ weight: 6, arbitrary: sensor });
  }
  if (dynamic && external) {
    const played = fc.record({
      type: fc.constant('external' as const),
      ago,
      address: fc.constantFrom('X1', 'X2'),
      level,
      expiration: perhaps(later),
    });
    kinds.push({ weight: 3, arbitrary: played });
  }
  const reading = (addresses: string[], found: (number | undefined)[]) =>
    fc.record({
      type: fc.constant('reading' as const),
      ago,
      address: fc.constantFrom(...addresses),
      value: fc.constantFrom(...found, ...(lost ? [undefined] : [])),
    });
  if (light) {
    kinds.push({ weight: 3, arbitrary: reading(['L0', 'L1', 'L2'], hysteresis ? [5, 50, 60, 200] : [5, 200]) });
    kinds.push({ weight: 1, arbitrary: reading(['P1'], [0, 1]) });
  }
  if (values) kinds.push({ weight: 1, arbitrary: reading(['A1', 'A2'], [0, 1, 50]) });
  return fc.array(fc.oneof(...kinds), { maxLength: 8 });
}

type RawHappening =
  | { type: 'override'; ago: number; level: number; start?: number; expiration?: number; reference?: string }
  | { type: 'resume'; ago: number }
  | { type: 'sensor'; ago: number; address: string; raised: boolean }
  | { type: 'external'; ago: number; address: string; level: number; expiration?: number }
  | { type: 'reading'; ago: number; address: string; value?: number };

const utc = (time: number) => new Date(time).toISOString();

function happeningOf(raw: RawHappening, instant: number): Happening {
  const at = instant - raw.ago * SECOND;
  if (raw.type === 'resume') return { at, type: 'resume' };
  if (raw.type === 'sensor') return { at, type: 'sensor', address: raw.address, raised: raw.raised };
  if (raw.type === 'reading') {
    return { at, type: 'reading', address: raw.address, ...(raw.value !== undefined && { value: raw.value }) };
  }
  const state = { name: 'LevelState', value: raw.level };
  const ends = (from: number) =>
    raw.expiration === undefined ? {} : { expiration: utc(from + raw.expiration * SECOND) };
  if (raw.type === 'external') {
    return { at, type: 'external', targetCommand: { state, reason: 'sensor', refAddress: raw.address, ...ends(at) } };
  }
  const start = raw.start === undefined ? at : at + raw.start * SECOND;
  const targetCommand = {
    state,
    reason: 'override' as const,
    ...(raw.reference !== undefined && { cmsRefId: raw.reference }),
    ...(raw.start !== undefined && { start: utc(start) }),
    ...ends(start),
  };
  return { at, type: 'override', targetCommand };
}

const moments = fc.record({
  day: fc.oneof(
    { weight: 3, arbitrary: fc.record({ change: fc.nat(9), delta: fc.constantFrom(0, -1, 1) }) },
    { weight: 3, arbitrary: fc.record({ date: fc.constantFrom(...DATES), delta: fc.constantFrom(0, -1, 1) }) },
    {
      weight: 2,
      arbitrary: fc.record({ date: fc.integer({ min: dayNumber('2025-01-01'), max: dayNumber('2030-12-31') }) }),
    },
  ),
  time: times,
  /** Seconds from that local time; an hour later is the second pass of a repeated hour. */
  nudge: fc.constantFrom(0, 0, 0, -1, 1, 1800, 3600, 3599),
  /** Or near a sun event, out of the tolerance of any sun. */
  sun: rarely(fc.record({ rising: fc.boolean(), offset: minutes, nudge: fc.constantFrom(300, -300, 75, -75) })),
});

type Moment = typeof moments extends fc.Arbitrary<infer T> ? T : never;

/** Local day of the moment and its instant. */
function momentOf({ day, time, nudge, sun }: Moment, { zone, latitude, longitude }: Place): [number, number] {
  let date: number;
  if ('change' in day) {
    const days = changeDays(zone);
    date = days.length > 0 ? days[day.change % days.length] + day.delta : DATES[day.change] + day.delta;
  } else {
    date = day.date + ('delta' in day ? day.delta : 0);
  }
  const event = sun && crossing(date, latitude, longitude, sun.rising);
  if (sun && event?.kind === 'event') {
    return [date, Math.round(event.time / SECOND) * SECOND + (sun.offset * 60 + sun.nudge) * SECOND];
  }
  const [hours, minute, second] = time.split(':').map(Number);
  return [date, instantOf(zone, date * DAY + (hours * 3600 + minute * 60 + second) * SECOND) + nudge * SECOND];
}

/** Random cases; each is valid TALQ and executable. */
export function cases(options: CaseOptions = {}): fc.Arbitrary<Case> {
  return fc
    .record({
      place: fc.constantFrom(...PLACES),
      known: rarely(fc.constant('unknown position')),
      dayOffset: fc.constantFrom(0 as const, 12 as const),
      defaultLevel: fc.constantFrom(100, 40),
      moment: moments,
      programs: fc.array(programs(options), { minLength: 1, maxLength: 3 }),
      rules: fc.array(rules, { maxLength: 4 }),
      defaultProgram: fc.option(fc.nat(2), { nil: undefined, freq: 4 }),
      calendar: rarely(fc.constantFrom('', 'nobody')),
      assigned: perhaps(ago),
      history: happenings(options),
    })
    .map((raw) => {
      const [day, instant] = momentOf(raw.moment, raw.place);
      const count = raw.programs.length;
      const calendar: Calendar = {
        id: 'cal',
        ownerCMS: 'cms',
        rules: raw.rules.map((rule) => ruleOf(rule, day, count)),
        ...(raw.defaultProgram !== undefined && { defaultProgram: `p${raw.defaultProgram % count}` }),
      };
      const { latitude, longitude } = raw.place;
      const config: Config = {
        timeZone: raw.place.zone,
        ...(raw.known === undefined && { location: { latitude, longitude } }),
        dayOffset: raw.dayOffset,
        defaultLevel: raw.defaultLevel,
        calendarID: raw.calendar ?? 'cal',
        ...(raw.assigned !== undefined && { assigned: instant - raw.assigned * SECOND }),
        calendars: [calendar],
        programs: raw.programs.map((program, i) => ({ ...program, id: `p${i}` })),
        presence: 'S0',
        group: ['S1', 'S2'],
        light: 'L0',
      };
      const history = raw.history.map((happening) => happeningOf(happening, instant)).sort((a, b) => a.at - b.at);
      return { place: raw.place.name, config, history, instant };
    });
}

/**
 * Asks `run` for its decision on `runs` random cases. Throws on the first that the model does not accept, shrunk to a
 * minimal case, with the seed and the path to repeat it.
 */
export function assertAgrees(
  run: (given: Case) => Decision,
  runs: number,
  seed: number,
  options: CaseOptions = {},
): void {
  fc.assert(
    fc.property(cases(options), (given) => {
      const actual = run(given);
      const expected = acceptable(given.config, given.history, given.instant);
      if (expected.some((decision) => same(decision, actual))) return;
      throw new Error(
        `${given.place} ${utc(given.instant)}: ${JSON.stringify(actual)} is not ${expected.map((one) => JSON.stringify(one)).join(' or ')}`,
      );
    }),
    { numRuns: runs, seed },
  );
}

function same(a: Decision, b: Decision): boolean {
  return a.level === b.level && a.reason === b.reason && a.refAddress === b.refAddress && a.cmsRefId === b.cmsRefId;
}
