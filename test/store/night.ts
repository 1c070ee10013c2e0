/**
 * The night in which the clocks go back, in Brussels, with commands of every kind: what they are on the wire, and what
 * the reference model is told of them.
 */
import { AckCode, CommandKind, LogColumn, Quantity } from '../../firmware/link/messages.ts';
import { CONTROLLER, compileMonitoring, limitCode } from '../../gateway/monitoring.ts';
import type { FieldCommand } from '../../gateway/wire.ts';
import { type Random, seeded } from '../../sim/random.ts';
import { type Change, Configuration } from '../configuration.ts';
import { numberOf, timetableOf } from '../reference/firmware.ts';
import type { Config, Happening } from '../reference/model.ts';
import type { CalendarRule, ControlProgramOne, DynamicControl } from '../reference/talq.ts';

/** ms UTC: 18:00 summer time to 07:50 winter time; dusk and dawn lie inside. */
export const DUSK = Date.UTC(2026, 9, 24, 16);
export const DAWN = Date.UTC(2026, 9, 25, 6, 50);
/** %, of a board that was told no other. */
export const DEFAULT_LEVEL = 100;

const level = (value: number, rampToLevelTime?: number) => ({
  state: { name: 'LevelState', value },
  ...(rampToLevelTime !== undefined && { rampToLevelTime }),
});

const told = (address: string, operation: 'Set' | 'Max'): DynamicControl => ({
  effect: {
    type: 'ExternalControlEffect',
    operation,
    holdTime: 20,
    source: { sensor: { sensorAddresses: [address] } },
  },
});

function program(id: string, points: [string, number, number?][], rest: Partial<ControlProgramOne>): ControlProgramOne {
  const fixedTimeControls = points.map(([startTime, value, ramp]) => ({ startTime, command: level(value, ramp) }));
  return { type: 'ControlProgramOne', id, ownerCMS: 'cms', activePeriods: [], fixedTimeControls, ...rest };
}

/** Rules that do not hold tonight, so that the timetables are long and of different lengths. */
const others = (count: number, program: string): CalendarRule[] =>
  Array.from({ length: count }, (_, i) => ({ startDate: `--03-${i + 10}`, endDate: `--03-${i + 10}`, program }));

function configOf(id: string, programs: ControlProgramOne[], rules: CalendarRule[], assigned?: number): Config {
  return {
    timeZone: 'Europe/Brussels',
    location: { latitude: 50.8503, longitude: 4.3517 },
    dayOffset: 12,
    defaultLevel: DEFAULT_LEVEL,
    calendarID: id,
    calendars: [{ id, ownerCMS: 'cms', rules, defaultProgram: programs[0].id }],
    programs,
    assigned,
  };
}

const A = configOf(
  'A',
  [
    program(
      'a-night',
      [
        ['16:00:00', 100],
        ['21:00:00', 80, 2],
        ['00:30:00', 60, 1.5],
        // In the hour that comes twice.
        ['02:30:00', 40, 3],
        ['05:00:00', 90, 2],
      ],
      {
        activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }],
        dynamicControls: [told('X1', 'Set')],
      },
    ),
    program('a-other', [['12:00:00', 15]], {}),
  ],
  [...others(12, 'a-other'), { startDate: '--10-24', endDate: '--10-24', program: 'a-night' }],
);

const B = configOf(
  'B',
  [
    program('b-other', [['12:00:00', 25]], {}),
    program(
      'b-night',
      [
        ['23:00:00', 35, 1],
        ['04:00:00', 0],
        ['04:20:00', 55, 2],
      ],
      {
        activePeriods: [
          { name: 'AstroClockActivePeriod', sunsetOffset: 0, sunriseOffset: 0 },
          { name: 'AbsoluteActivePeriod', startTime: '18:10:00', endTime: '08:00:00' },
        ],
        astroClockTimeControls: [
          { offset: 30, solarEventType: 'sunset', operation: 'Max', command: level(65, 1) },
          { offset: -45, solarEventType: 'sunrise', operation: 'Set', command: level(75, 1) },
        ],
        dynamicControls: [told('X2', 'Max')],
      },
    ),
  ],
  [...others(3, 'b-other'), { condition: { type: 'ccDay', days: [{ start: 6 }] }, program: 'b-night' }],
  DUSK,
);

const NONE: Config = { ...A, calendarID: '', calendars: [], programs: [] };

/** What a controller can be told to run: two calendars, or none. */
export const CALENDARS: readonly Config[] = [A, B, NONE];
/** Monitoring documents; the first one is the product's own. */
const DOCUMENTS: readonly (Uint8Array | null)[] = [
  null,
  compileMonitoring({ lamp: { wattage: 60, tolerance: 3, warmUp: 60, standby: 1 } }),
  compileMonitoring({
    lamp: { wattage: 45 },
    limits: [{ code: limitCode(Quantity.Temperature, 'high'), unit: CONTROLLER, threshold: 800 }],
    recorder: { period: 900, columns: [LogColumn.Level, LogColumn.Temperature] },
  }),
];
/** Parts that no controller takes. */
const WRONG: readonly Change[] = [
  { level: 101 },
  { timetable: Uint8Array.of(1, 2, 3) },
  { monitoring: Uint8Array.of(0xa1, 0x00) },
  { groups: Uint8Array.of(0, 7) },
];

/** The same on the wire. */
export const TIMETABLES: readonly Uint8Array[] = CALENDARS.map((config) => timetableOf(config) ?? new Uint8Array(0));

/** One message of the gateway. */
export interface Order {
  /** ms UTC, a whole second. */
  readonly at: number;
  readonly command: FieldCommand;
  /** What has to become of it. */
  readonly code: AckCode;
}

/** What a controller has to do, by all that it has acknowledged. */
export interface State {
  readonly config: Config;
  readonly history: readonly Happening[];
  /** Index in `TIMETABLES`. */
  readonly timetable: number;
  /** Null: the product's own. */
  readonly monitoring: Uint8Array | null;
  /** Of its configuration. */
  readonly version: number;
}

export const UNTOLD: State = { config: NONE, history: [], timetable: 2, monitoring: null, version: 0 };

/** @returns the state after one more order. */
export function obeyed(state: State, { at, command, code }: Order): State {
  const { kind, start, expiration, rampTo, reference, sensor } = command;
  const level = command.level ?? 0;
  const instant = (seconds: number) => new Date(seconds * 1000).toISOString();
  const until = expiration === undefined ? {} : { expiration: instant(expiration) };
  const add = (happening: Happening): State => ({ ...state, history: [...state.history, happening] });
  switch (kind) {
    case CommandKind.Override: {
      const from = start === undefined ? {} : { start: instant(start) };
      const ramp = rampTo === undefined ? {} : { rampToLevelTime: rampTo / 10 };
      const targetCommand = { state: { name: 'LevelState', value: level }, ...from, ...until, ...ramp };
      return add({ at, type: 'override', targetCommand: { ...targetCommand, cmsRefId: reference } });
    }
    case CommandKind.Resume:
      return add({ at, type: 'resume' });
    case CommandKind.Sensor: {
      const refAddress = ['X1', 'X2'].find((address) => numberOf(address) === sensor) as string;
      const targetCommand = { state: { name: 'LevelState', value: level }, ...until, refAddress };
      return add({ at, type: 'external', targetCommand });
    }
    case CommandKind.Counters:
      return state;
    case CommandKind.Configuration: {
      if (code !== AckCode.Done) return state;
      const { timetable, monitoring = state.monitoring, version = 0 } = command;
      const index = timetable ? TIMETABLES.findIndex((bytes) => Buffer.from(bytes).equals(timetable)) : state.timetable;
      const defaultLevel = command.level === undefined ? state.config.defaultLevel : (command.level ?? DEFAULT_LEVEL);
      return { ...state, timetable: index, config: { ...CALENDARS[index], defaultLevel }, monitoring, version };
    }
    default:
      throw new RangeError(`a night has no orders of kind ${kind}`);
  }
}

/** A restart forgets what was said in a sensor's name. */
export const restarted = (state: State): State => ({
  ...state,
  history: state.history.filter(({ type }) => type !== 'external'),
});

const LEVELS = [0, 0, 5, 10, 20, 30, 45, 50, 70, 85, 100];
/** 0.1 s */
const RAMPS = [undefined, undefined, undefined, 0, 5, 10, 20, 20, 35, 200];

/** @returns an override: at once, later, or since a while; for ever, for a time, or too late */
function override(random: Random, at: number, reference: string): Omit<Order, 'at'> {
  const second = at / 1000;
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)];
  const start = random.chance(0.5) ? undefined : second + random.below(1500) - (random.chance(0.3) ? 1500 : 0);
  const late = random.chance(0.05);
  let expiration: number | undefined;
  if (late) expiration = Math.max(second, start ?? 0) - random.below(60);
  else if (random.chance(0.8))
    expiration = Math.max(second, start ?? 0) + 1 + random.below(random.chance(0.2) ? 6 : 900);
  const ramps = { rampTo: pick(RAMPS), rampFrom: pick(RAMPS) };
  return {
    command: { kind: CommandKind.Override, level: pick(LEVELS), start, expiration, ...ramps, reference },
    code: late ? AckCode.Expired : AckCode.Done,
  };
}

/** @returns a change of one part or several; one in six has a part that makes it wrong */
function configure(random: Random, configuration: Configuration): Omit<Order, 'at'> {
  const change: Change = {};
  while (Object.keys(change).length === 0) {
    if (random.chance(0.6)) change.timetable = TIMETABLES[[0, 0, 1, 1, 2][random.below(5)]];
    if (random.chance(0.4)) change.level = random.chance(0.2) ? null : random.below(101);
    if (random.chance(0.4)) change.monitoring = DOCUMENTS[random.below(3)];
  }
  if (!random.chance(1 / 6)) return { code: AckCode.Done, command: configuration.change(change) };
  const before = { version: configuration.version, content: configuration.content };
  const command = configuration.change({ ...change, ...WRONG[random.below(WRONG.length)] });
  Object.assign(configuration, before);
  return { code: AckCode.Malformed, command };
}

function order(random: Random, at: number, reference: string, configuration: Configuration): Omit<Order, 'at'> {
  const code = AckCode.Done;
  const kind = random.next();
  const level = random.below(101);
  if (kind < 0.45) return override(random, at, reference);
  if (kind < 0.55) return { code, command: { kind: CommandKind.Resume } };
  if (kind < 0.85) return configure(random, configuration);
  const sensor = numberOf(random.chance(0.5) ? 'X1' : 'X2');
  const expiration = random.chance(0.8) ? at / 1000 + random.below(300) : undefined;
  return { code, command: { kind: CommandKind.Sensor, level, sensor, expiration } };
}

/** @returns `count` orders of a night in order of time: calendar A at dusk, then anything, some of them in one second */
export function ordersOf(count: number, seed: number): Order[] {
  const random = seeded(`${seed} orders`);
  const seconds = (DAWN - DUSK) / 1000;
  const configuration = new Configuration();
  const first = { at: DUSK, code: AckCode.Done, command: configuration.change({ timetable: TIMETABLES[0] }) };
  const times = Array.from({ length: count - 1 }, () => DUSK + 1000 * (1 + random.below(seconds - 1)));
  for (let i = 10; i < times.length; i += 10) times[i] = times[i - 1];
  times.sort((a, b) => a - b);
  return [first, ...times.map((at, i) => ({ at, ...order(random, at, `op-${i + 1}`, configuration) }))];
}
