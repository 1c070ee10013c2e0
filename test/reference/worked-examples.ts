/**
 * Worked examples of the arbitration of one lamp (PROTOCOL.md "Arbitration"), W1 to W12: what happens and which level
 * must come out at which instant. Zone Europe/Madrid. Reference model, simulator and interpreter are held to the same
 * numbers, which stand here once.
 */
import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import type { Config, Decision, Happening } from './model.ts';
import { type Crossing, DAY } from './sun.ts';
import type { ActivePeriod, CalendarRule, Command, ControlProgramOne, DynamicControl } from './talq.ts';

const ZONE = 'Europe/Madrid';
const MADRID = { latitude: 40.4168, longitude: -3.7038 };

/** What is known of the decision at an instant, ms UTC; members that are absent are left open. */
export type Check = { at: number } & Partial<Decision>;

export interface Example {
  /** W1 to W12; a letter tells variants apart. */
  name: string;
  about: string;
  config: Config;
  history: Happening[];
  /** Local times at which the sun rises and sets every day; absent: the real sun. */
  sun?: { rise: string; set: string };
  /** In order of time. */
  checks: Check[];
  /** % of light while a ramp runs. */
  light?: { at: number; level: number }[];
}

/** @returns ms UTC of a local time in Madrid. */
export const at = (local: string) => DateTime.fromISO(local, { zone: ZONE }).toMillis();
/** @returns the same as RFC 3339 text. */
export const utc = (local: string) => new Date(at(local)).toISOString();

export const level = (value: number) => ({ state: { name: 'LevelState', value } });

/** @param points times as `'23:00'`, levels in % */
export function program(
  id: string,
  points: [string, number][],
  rest: Partial<ControlProgramOne> = {},
): ControlProgramOne {
  const fixedTimeControls = points.map(([time, value]) => ({ startTime: `${time}:00`, command: level(value) }));
  return { type: 'ControlProgramOne', id, ownerCMS: 'cms', activePeriods: [], fixedTimeControls, ...rest };
}

/** A lamp in Madrid whose calendar has these rules, and the last program by default. */
export function config(programs: ControlProgramOne[], rules: CalendarRule[], rest: Partial<Config> = {}): Config {
  const calendar = { id: 'cal', ownerCMS: 'cms', rules, defaultProgram: programs.at(-1)?.id };
  return {
    timeZone: ZONE,
    location: MADRID,
    dayOffset: 0,
    defaultLevel: 100,
    calendarID: 'cal',
    calendars: [calendar],
    programs,
    ...rest,
  };
}

export const override = (local: string, value: number, rest: Partial<Command> = {}): Happening => ({
  at: at(local),
  type: 'override',
  targetCommand: { ...level(value), reason: 'override', ...rest },
});

const byProgram = (local: string, value: number, refAddress: string): Check => ({
  at: at(local),
  level: value,
  reason: 'program',
  refAddress,
});
const byDefault = (local: string, value: number): Check => ({ at: at(local), level: value, reason: 'default' });
const bySensor = (local: string, value: number, refAddress: string): Check => ({
  at: at(local),
  level: value,
  reason: 'sensor',
  refAddress,
});
const byOverride = (local: string, value: number, cmsRefId: string): Check => ({
  at: at(local),
  level: value,
  reason: 'override',
  cmsRefId,
});
/** The program that rules at noon. */
const ruledBy = (date: string, refAddress: string): Check => ({
  at: at(`${date}T12:00`),
  reason: 'program',
  refAddress,
});

const w1: Example = {
  name: 'W1',
  about: 'a program whose active period is split at midnight',
  config: config(
    [
      program(
        'p',
        [
          ['00:00', 70],
          ['05:00', 100],
          ['23:00', 70],
        ],
        { activePeriods: [{ name: 'AbsoluteActivePeriod', startTime: '21:30:00', endTime: '07:00:00' }] },
      ),
    ],
    [],
  ),
  history: [],
  checks: [
    byProgram('2026-05-06T03:00', 70, 'p'),
    byProgram('2026-05-06T06:00', 100, 'p'),
    byProgram('2026-05-06T06:59:59', 100, 'p'),
    byProgram('2026-05-06T07:00', 0, 'p'),
    byProgram('2026-05-06T21:29:59', 0, 'p'),
    byProgram('2026-05-06T21:30', 100, 'p'),
    byProgram('2026-05-06T22:00', 100, 'p'),
    byProgram('2026-05-06T23:30', 70, 'p'),
  ],
};

const wednesday: CalendarRule = { program: 'R', condition: { type: 'ccDay', days: [{ start: 3 }] } };
const weekly = (rest: Partial<Config>) =>
  config(
    [
      program('R', [
        ['00:00', 90],
        ['23:00', 30],
      ]),
      program('Q', [
        ['06:00', 100],
        ['22:00', 50],
      ]),
    ],
    [wednesday],
    rest,
  );

/** 6 May 2026 is a Wednesday. */
const w2: Example = {
  name: 'W2',
  about: "yesterday's last switch point before today's first one",
  config: weekly({}),
  history: [],
  checks: [byProgram('2026-05-07T03:00', 30, 'Q'), byProgram('2026-05-08T03:00', 50, 'Q')],
};

const w2fresh: Example = {
  name: 'W2 without history',
  about: "the program's own last switch point on its first day",
  config: weekly({ assigned: at('2026-05-07T02:00') }),
  history: [],
  checks: [byProgram('2026-05-07T03:00', 50, 'Q')],
};

const christmas = (dayOffset: 0 | 12): Config => {
  const night: ActivePeriod = { name: 'AbsoluteActivePeriod', startTime: '20:00:00', endTime: '06:00:00' };
  const rule: CalendarRule = { startDate: '2026-12-20', endDate: '2026-12-24', program: 'N' };
  return config([program('N', [['00:00', 80]], { activePeriods: [night] })], [], {
    dayOffset,
    calendars: [{ id: 'cal', ownerCMS: 'cms', rules: [rule] }],
  });
};

const w3a: Example = {
  name: 'W3a',
  about: 'a rule that ends at midnight, and no default program',
  config: christmas(0),
  history: [],
  checks: [
    byProgram('2026-12-20T03:00', 80, 'N'),
    byProgram('2026-12-24T23:00', 80, 'N'),
    byDefault('2026-12-25T03:00', 100),
  ],
};

const w3b: Example = {
  name: 'W3b',
  about: 'the same rule from noon to noon',
  config: christmas(12),
  history: [],
  checks: [
    byDefault('2026-12-20T03:00', 100),
    byProgram('2026-12-20T21:00', 80, 'N'),
    byProgram('2026-12-25T03:00', 80, 'N'),
    byProgram('2026-12-25T06:30', 0, 'N'),
    byDefault('2026-12-25T13:00', 100),
  ],
};

/** 3 June is a first Thursday in 2027 and a Wednesday in 2026. */
const w4: Example = {
  name: 'W4',
  about: 'the first rule that matches wins: the first Thursday before 3 June',
  config: config(
    [program('A', [['00:00', 10]]), program('B', [['00:00', 20]]), program('Z', [['00:00', 30]])],
    [
      { program: 'A', condition: { type: 'ccDay', days: [{ start: 4 }], occurrences: ['1'] } },
      { program: 'B', condition: { type: 'ccDate', dates: [{ start: '--06-03' }] } },
    ],
  ),
  history: [],
  checks: [
    ruledBy('2026-06-03', 'B'),
    ruledBy('2026-06-04', 'A'),
    ruledBy('2026-06-05', 'Z'),
    ruledBy('2027-06-03', 'A'),
  ],
};

const w5: Example = {
  name: 'W5',
  about: 'one override slot: the second override ends the first one, expiration included',
  config: config([program('p', [['00:00', 70]])], []),
  history: [
    override('2026-05-06T22:00', 30, { expiration: utc('2026-05-06T23:00'), cmsRefId: 'first' }),
    override('2026-05-06T22:30', 80, { cmsRefId: 'second' }),
    { at: at('2026-05-06T23:15'), type: 'resume' },
  ],
  checks: [
    byOverride('2026-05-06T22:15', 30, 'first'),
    byOverride('2026-05-06T22:45', 80, 'second'),
    byOverride('2026-05-06T23:05', 80, 'second'),
    byProgram('2026-05-06T23:20', 70, 'p'),
  ],
};

const w6: Example = {
  name: 'W6',
  about: 'ramps into an override and back',
  config: config([program('p', [['00:00', 70]])], []),
  history: [
    override('2026-05-06T22:00', 30, {
      expiration: utc('2026-05-06T23:00'),
      rampToLevelTime: 10,
      rampFromLevelTime: 20,
      cmsRefId: 'ramp',
    }),
  ],
  checks: [
    byProgram('2026-05-06T21:59:59', 70, 'p'),
    byOverride('2026-05-06T22:00', 30, 'ramp'),
    byOverride('2026-05-06T22:59:59', 30, 'ramp'),
    byProgram('2026-05-06T23:00', 70, 'p'),
  ],
  light: [
    { at: at('2026-05-06T22:00:05'), level: 50 },
    { at: at('2026-05-06T22:00:10'), level: 30 },
    { at: at('2026-05-06T23:00:10'), level: 50 },
    { at: at('2026-05-06T23:00:20'), level: 70 },
  ],
};

function dynamic(address: string, operation: 'Max' | 'Set', value: number, holdTime?: number): DynamicControl {
  const source = { sensor: { sensorAddresses: [address] } };
  return { effect: { type: 'FixedControlEffect', operation, holdTime, source, command: level(value) } };
}

const sensor = (local: string, address: string, raised: boolean): Happening => ({
  at: at(local),
  type: 'sensor',
  address,
  raised,
});

const w7: Example = {
  name: 'W7',
  about: 'the first active dynamic control wins, and holds for 30 s',
  config: config(
    [
      program('p', [['00:00', 50]], {
        dynamicControls: [dynamic('S1', 'Max', 100, 30), dynamic('S2', 'Set', 20)],
      }),
    ],
    [],
  ),
  history: [
    sensor('2026-05-06T21:59:50', 'S2', true),
    sensor('2026-05-06T22:00:00', 'S1', true),
    sensor('2026-05-06T22:00:20', 'S1', false),
    sensor('2026-05-06T22:05:00', 'S2', false),
  ],
  checks: [
    byProgram('2026-05-06T21:59:40', 50, 'p'),
    bySensor('2026-05-06T21:59:55', 20, 'S2'),
    bySensor('2026-05-06T22:00:05', 100, 'S1'),
    bySensor('2026-05-06T22:00:49', 100, 'S1'),
    bySensor('2026-05-06T22:00:50', 20, 'S2'),
    byProgram('2026-05-06T22:05:00', 50, 'p'),
  ],
};

const throughTheNight = config(
  [
    program('p', [
      ['00:00', 80],
      ['02:30', 40],
      ['05:00', 100],
    ]),
  ],
  [],
);

const w8a: Example = {
  name: 'W8a',
  about: 'the spring night, in which 02:30 acts at 03:00',
  config: throughTheNight,
  history: [],
  checks: [
    byProgram('2026-03-29T01:59:59+01:00', 80, 'p'),
    byProgram('2026-03-29T03:00:00+02:00', 40, 'p'),
    byProgram('2026-03-29T05:00:00+02:00', 100, 'p'),
  ],
};

const w8b: Example = {
  name: 'W8b',
  about: 'the autumn night, in which 02:30 acts once',
  config: throughTheNight,
  history: [],
  checks: [
    byProgram('2026-10-25T02:29:59+02:00', 80, 'p'),
    byProgram('2026-10-25T02:30:00+02:00', 40, 'p'),
    byProgram('2026-10-25T02:00:00+01:00', 40, 'p'),
    byProgram('2026-10-25T02:29:59+01:00', 40, 'p'),
    byProgram('2026-10-25T05:00:00+01:00', 100, 'p'),
  ],
};

const SUN = { rise: '08:11:00', set: '19:42:00' };

const w9 = (dayOffset: 0 | 12): Example => ({
  name: `W9 with offset ${dayOffset}`,
  about: 'a night from 5 minutes before sunset to 10 minutes after sunrise',
  config: config(
    [
      program(
        'p',
        [
          ['00:00', 60],
          ['06:00', 100],
          ['19:00', 100],
        ],
        { activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }] },
      ),
    ],
    [],
    { dayOffset },
  ),
  history: [],
  sun: SUN,
  checks: [
    byProgram('2026-10-05T19:36:59', 0, 'p'),
    byProgram('2026-10-05T19:37', 100, 'p'),
    byProgram('2026-10-06T00:00', 60, 'p'),
    byProgram('2026-10-06T08:20:59', 100, 'p'),
    byProgram('2026-10-06T08:21', 0, 'p'),
  ],
});

const w10: Example = {
  name: 'W10',
  about: 'a rule from 15 November over New Year to 15 February',
  config: config(
    [program('in', [['00:00', 1]]), program('out', [['00:00', 2]])],
    [{ startDate: '--11-15', endDate: '--02-15', program: 'in' }],
  ),
  history: [],
  checks: [
    ruledBy('2026-11-14', 'out'),
    ruledBy('2026-12-01', 'in'),
    ruledBy('2027-01-31', 'in'),
    ruledBy('2027-03-01', 'out'),
  ],
};

const w11: Example = {
  name: 'W11',
  about: 'controls at sunset and sunrise on top of the fixed ones, carried over midnight',
  config: config(
    [
      program(
        'p',
        [
          ['00:00', 50],
          ['12:00', 20],
        ],
        {
          astroClockTimeControls: [
            { offset: 30, solarEventType: 'sunset', operation: 'Max', command: level(80) },
            { offset: 0, solarEventType: 'sunrise', operation: 'Set', command: level(0) },
          ],
        },
      ),
    ],
    [],
  ),
  history: [],
  sun: SUN,
  checks: [
    byProgram('2026-10-05T08:10', 80, 'p'),
    byProgram('2026-10-05T08:11', 0, 'p'),
    byProgram('2026-10-05T13:00', 0, 'p'),
    byProgram('2026-10-05T20:11', 0, 'p'),
    byProgram('2026-10-05T20:12', 80, 'p'),
    byProgram('2026-10-06T00:30', 80, 'p'),
    byProgram('2026-10-06T08:11', 0, 'p'),
  ],
};

/** 9 May 2026 is a Saturday. */
const w12: Example = {
  name: 'W12',
  about: "Saturday's program day, which ends on Sunday at noon",
  config: config(
    [
      program('saturday', [
        ['12:00', 0],
        ['20:00', 100],
        ['02:00', 30],
      ]),
      program('sunday', [['12:00', 55]]),
    ],
    [{ program: 'saturday', condition: { type: 'ccDay', days: [{ start: 6 }] } }],
    { dayOffset: 12 },
  ),
  history: [],
  checks: [
    byProgram('2026-05-09T12:00', 0, 'saturday'),
    byProgram('2026-05-09T21:00', 100, 'saturday'),
    byProgram('2026-05-10T01:00', 100, 'saturday'),
    byProgram('2026-05-10T03:00', 30, 'saturday'),
    byProgram('2026-05-10T11:59', 30, 'saturday'),
    byProgram('2026-05-10T12:00', 55, 'sunday'),
  ],
};

export const EXAMPLES: readonly Example[] = [
  w1,
  w2,
  w2fresh,
  w3a,
  w3b,
  w4,
  w5,
  w6,
  w7,
  w8a,
  w8b,
  w9(0),
  w9(12),
  w10,
  w11,
  w12,
];

/** Decisions and percents of light that the examples check. */
export const CHECKS = EXAMPLES.reduce((sum, { checks, light = [] }) => sum + checks.length + light.length, 0);

/** @returns the name of a test, with the example's numbers. */
export function sentence({ name, about, checks, light }: Example): string {
  const results = checks.map(({ level, refAddress }) => (level === undefined ? refAddress : `${level}`)).join(', ');
  const percents = light ? `, light ${light.map(({ level }) => level).join(', ')} %` : ' %';
  const unit = checks[0].level === undefined ? '' : percents;
  return `${name}: ${about} (${results}${unit})`;
}

/** @throws AssertionError when the decision at the check's instant is another one. */
export function assertDecision({ name }: Example, { at: instant, ...expected }: Check, actual: Decision): void {
  const names = Object.keys(expected) as (keyof Decision)[];
  const found = Object.fromEntries(names.map((member) => [member, actual[member]]));
  assert.deepEqual(found, expected, `${name} at ${DateTime.fromMillis(instant, { zone: ZONE }).toISO()}`);
}

/** @returns the example's sun: ms UTC of the rise or the set of a day, counted from 1970-01-01; the real one if undefined. */
export function sunOf({ sun }: Example): ((day: number, rising: boolean) => Crossing) | undefined {
  if (!sun) return undefined;
  return (day, rising) => {
    const date = new Date(day * DAY).toISOString().slice(0, 10);
    return { kind: 'event', time: at(`${date}T${rising ? sun.rise : sun.set}`), margin: 30 };
  };
}
