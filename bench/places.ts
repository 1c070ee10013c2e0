/** Where a year is lived, and the calendar that a town gives its lamps there. */
import type { Config } from '../test/reference/model.ts';
import type { ActivePeriod, CalendarRule, ControlProgramOne, DynamicControl } from '../test/reference/talq.ts';

export interface Place {
  readonly name: string;
  /** IANA name. */
  readonly timeZone: string;
  /** Degrees, north and east positive. */
  readonly latitude: number;
  readonly longitude: number;
  /** The town's festival, `--mm-dd`. */
  readonly festival: string;
}

/** One with two seasons, one with polar day and night, one on the equator without summer time, one in the south. */
export const PLACES: Readonly<Record<string, Place>> = {
  brussels: {
    name: 'Brussels',
    timeZone: 'Europe/Brussels',
    latitude: 50.8503,
    longitude: 4.3517,
    festival: '--07-21',
  },
  tromso: { name: 'Tromsø', timeZone: 'Europe/Oslo', latitude: 69.6492, longitude: 18.9553, festival: '--06-23' },
  quito: { name: 'Quito', timeZone: 'America/Guayaquil', latitude: -0.1807, longitude: -78.4678, festival: '--12-06' },
  auckland: {
    name: 'Auckland',
    timeZone: 'Pacific/Auckland',
    latitude: -36.8485,
    longitude: 174.7633,
    festival: '--02-06',
  },
};

/** The lamp's own presence sensor. */
export const PRESENCE = 'S0';

const level = (value: number, rampToLevelTime?: number) => ({
  state: { name: 'LevelState', value },
  ...(rampToLevelTime !== undefined && { rampToLevelTime }),
});
const astro = (sunsetOffset: number, sunriseOffset: number): ActivePeriod => ({
  name: 'AstroClockActivePeriod',
  sunsetOffset,
  sunriseOffset,
});

/** @param points local time, %, and s of the ramp */
function program(
  id: string,
  activePeriods: ActivePeriod[],
  points: [string, number, number?][],
  rest: Partial<ControlProgramOne> = {},
): ControlProgramOne {
  const fixedTimeControls = points.map(([time, value, ramp]) => ({
    startTime: `${time}:00`,
    command: level(value, ramp),
  }));
  return { type: 'ControlProgramOne', id, ownerCMS: 'cms', activePeriods, fixedTimeControls, ...rest };
}

/** More light while somebody is near, in the dimmed hours. @param holdTime s */
const near = (start: string, end: string, value: number, holdTime: number): DynamicControl => ({
  period: { startTime: `${start}:00`, endTime: `${end}:00` },
  effect: {
    type: 'FixedControlEffect',
    operation: 'Max',
    holdTime,
    source: { sensor: { sensorAddresses: [PRESENCE] } },
    command: level(value, 2),
  },
});

const PROGRAMS: ControlProgramOne[] = [
  // Dimmed by the clock, and brighter while somebody is near.
  program(
    'workday',
    [astro(-5, 10)],
    [
      ['16:00', 100],
      ['22:30', 80, 10],
      ['00:00', 50, 30],
      ['05:00', 100, 10],
    ],
    { dynamicControls: [near('22:30', '05:00', 100, 30)] },
  ),
  // Dimmed by the sun as well.
  program(
    'weekend',
    [astro(-5, 10)],
    [
      ['16:00', 100],
      ['02:00', 60, 20],
    ],
    {
      astroClockTimeControls: [
        { offset: 60, solarEventType: 'sunset', operation: 'Min', command: level(90, 10) },
        { offset: -30, solarEventType: 'sunrise', operation: 'Max', command: level(75, 5) },
      ],
    },
  ),
  // Off for a part of the night, unless somebody is near.
  program(
    'sunday',
    [astro(-5, 10)],
    [
      ['16:00', 100],
      ['00:30', 0],
      ['05:30', 100],
    ],
    { dynamicControls: [near('00:30', '05:30', 60, 60)] },
  ),
  program(
    'christmas',
    [astro(-15, 10)],
    [
      ['16:00', 100],
      ['01:00', 70, 30],
    ],
  ),
  program('new year', [astro(-15, 15)], [['16:00', 100]]),
  // Lit in the evening whatever the sun does.
  program(
    'festival',
    [astro(-30, 10), { name: 'AbsoluteActivePeriod', startTime: '20:00:00', endTime: '02:00:00' }],
    [['16:00', 100]],
  ),
];

/** @returns one calendar with exceptions, in the order in which they are looked at. */
export function configOf(place: Place): Config {
  const rules: CalendarRule[] = [
    { startDate: place.festival, endDate: place.festival, program: 'festival' },
    { startDate: '--12-31', endDate: '--01-01', program: 'new year' },
    { startDate: '--12-20', endDate: '--12-31', program: 'christmas' },
    { condition: { type: 'ccDay', days: [{ start: 5, end: 6 }] }, program: 'weekend' },
    { condition: { type: 'ccDay', days: [{ start: 7 }] }, program: 'sunday' },
  ];
  return {
    timeZone: place.timeZone,
    location: { latitude: place.latitude, longitude: place.longitude },
    dayOffset: 12,
    defaultLevel: 100,
    calendarID: 'town',
    calendars: [{ id: 'town', ownerCMS: 'cms', rules, defaultProgram: 'workday' }],
    programs: PROGRAMS,
    presence: PRESENCE,
  };
}
