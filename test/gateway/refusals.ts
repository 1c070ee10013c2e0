/** Programs and calendars that the gateway has to refuse, for its API and for the lamps behind it. */
import { calendar, command, program } from './control-rig.ts';

export const OTHER = '7c0f6a6e-91c1-4e0d-8f63-0f7d6c1c2b3a';

/** What is wrong, the changed members, status and key, words of the description; `true`: wrong by the document too. */
export type Refused = [string, object, string, RegExp, boolean?];

export const GOOD = program('p', [
  ['20:00', 80],
  ['23:00', 40],
]);
export const YEAR = calendar('c', [], 'p');
const fixed = (startTime: string, value: unknown = 50) => ({
  fixedTimeControls: [{ startTime, command: { state: { name: 'LevelState', value } } }],
});
const dynamic = (rest: object) => ({
  dynamicControls: [
    { effect: { type: 'FixedControlEffect', source: {}, operation: 'Set', command: command(50), ...rest } },
  ],
});
const dates = (start: string, end?: string) => ({
  rules: [{ program: 'p', condition: { type: 'ccDate', dates: [end === undefined ? { start } : { start, end }] } }],
});
const days = (start: number, end?: number, more: object = {}) => ({
  rules: [{ program: 'p', condition: { type: 'ccDay', days: [{ start, end }], ...more } }],
});
const rule = (rest: object) => ({ rules: [{ program: 'p', ...rest }] });
const sensor = (address: string) => ({ source: { sensor: { sensorAddresses: [address] } } });
const period = (one: object) => ({ activePeriods: [one] });

/** Wrong programs, as changes of `GOOD`. */
export const PROGRAMS: Refused[] = [
  [
    'equal start times',
    { fixedTimeControls: [...fixed('23:00:00').fixedTimeControls, ...fixed('23:00:00').fixedTimeControls] },
    '422 payloadError',
    /fixedTimeControls\[1\]/,
  ],
  ['a time of 24:00:00', fixed('24:00:00'), '400 payloadError', /fixedTimeControls\/0\/startTime/],
  ['a time of 12:60:00', fixed('12:60:00'), '400 payloadError', /fixedTimeControls\/0\/startTime/],
  ['a time without seconds', fixed('12:00'), '400 payloadError', /fixedTimeControls\/0\/startTime/],
  ['a level of 101 %', fixed('12:00:00', 101), '422 payloadError', /fixedTimeControls\[0\].*101/, true],
  ['a level of 12.5 %', fixed('12:00:00', 12.5), '422 payloadError', /fixedTimeControls\[0\]/, true],
  [
    'a text as level',
    { fixedTimeControls: [{ startTime: '12:00:00', command: { state: { name: 'TextState', value: 'on' } } }] },
    '422 payloadError',
    /fixedTimeControls\[0\].*TextState/,
  ],
  [
    'an unknown operation of a sensor',
    dynamic({ operation: 'Pow' }),
    '400 payloadError',
    /dynamicControls\/0\/effect\/operation/,
    true,
  ],
  [
    'an unknown operation of the sun',
    { astroClockTimeControls: [{ offset: 0, solarEventType: 'sunset', operation: 'max', command: command(1) }] },
    '400 payloadError',
    /astroClockTimeControls\/0\/operation/,
    true,
  ],
  [
    'an unknown event of the sun',
    { astroClockTimeControls: [{ offset: 0, solarEventType: 'noon', operation: 'Max', command: command(1) }] },
    '400 payloadError',
    /astroClockTimeControls\/0\/solarEventType/,
    true,
  ],
  ['an unknown effect', dynamic({ type: 'OtherEffect' }), '400 payloadError', /dynamicControls\/0\/effect/, true],
  [
    'an effect without a command',
    dynamic({ command: undefined }),
    '400 payloadError',
    /dynamicControls\/0\/effect.*'command'/,
    true,
  ],
  ['a hold time below zero', dynamic({ holdTime: -1 }), '400 payloadError', /dynamicControls\/0\/effect\/holdTime/],
  [
    'a hold time of 20 days',
    dynamic({ holdTime: 20 * 86400 }),
    '422 serviceConstraintExceeded',
    /dynamicControls\[0\]/,
  ],
  [
    'a sensor that nobody knows',
    dynamic(sensor('none/presence1')),
    '422 relatedResourceNotFound',
    /dynamicControls\[0\].*none\/presence1/,
  ],
  [
    'three sensors',
    dynamic({ source: { sensor: { sensorAddresses: ['a', 'b', 'c'] } } }),
    '400 payloadError',
    /sensorAddresses/,
    true,
  ],
  [
    'a ramp below zero',
    { fixedTimeControls: [{ startTime: '12:00:00', command: { ...command(5), rampToLevelTime: -1 } }] },
    '400 payloadError',
    /rampToLevelTime/,
  ],
  [
    'an active period of an unknown kind',
    period({ name: 'MoonActivePeriod' }),
    '400 payloadError',
    /activePeriods\/0/,
    true,
  ],
  [
    'an active period that ends at 25:00',
    period({ name: 'AbsoluteActivePeriod', startTime: '20:00:00', endTime: '25:00:00' }),
    '400 payloadError',
    /activePeriods\/0\/endTime/,
  ],
  [
    'an astro period without its sunrise',
    period({ name: 'AstroClockActivePeriod', sunsetOffset: 1 }),
    '400 payloadError',
    /activePeriods\/0.*'sunriseOffset'/,
    true,
  ],
  [
    'a light sensor that switches on above off',
    period({ name: 'SensorActivePeriod', sensor: {}, onLevel: 70, offLevel: 30 }),
    '422 payloadError',
    /activePeriods\[0\].*70.*30/,
  ],
  [
    'a value of an unknown attribute',
    period({
      name: 'ValueActivePeriod',
      reference: { resource: 'devices', address: 'x/y/z' },
      operator: 'GT',
      state: { name: 'IntegerState', value: 1 },
    }),
    '422 relatedResourceNotFound',
    /activePeriods\[0\].*x\/y\/z/,
  ],
  [
    'an unknown comparison',
    period({
      name: 'ValueActivePeriod',
      reference: { resource: 'devices', address: 'x/y/z' },
      operator: '>',
      state: { name: 'IntegerState', value: 1 },
    }),
    '400 payloadError',
    /activePeriods\/0\/operator/,
    true,
  ],
  ['another owner', { ownerCMS: OTHER }, '422 resourceConflict', /ownerCMS/],
  ['another type', { type: 'ControlProgramTwo' }, '400 payloadError', /type/],
];
/** Wrong calendars, as changes of `YEAR`. */
export const CALENDARS: Refused[] = [
  ['31 February', dates('--02-31'), '422 payloadError', /rules\[0\]\.condition\.dates\[0\]\.start: --02-31/],
  [
    '31 April as an end',
    dates('--04-01', '--04-31'),
    '422 payloadError',
    /rules\[0\]\.condition\.dates\[0\]\.end: --04-31/,
  ],
  ['the 32nd of every month', dates('---32'), '422 payloadError', /---32/, true],
  ['the 0th of every month', dates('---00'), '422 payloadError', /---00/, true],
  ['month 13', dates('--13-01'), '422 payloadError', /--13-01/, true],
  [
    'a range of dates that ends before it starts',
    dates('--12-20', '--01-10'),
    '422 payloadError',
    /dates\[0\].*--01-10/,
  ],
  ['a range of dates that ends where it starts', dates('---05', '---05'), '422 payloadError', /dates\[0\]/],
  ['a range in two forms', dates('---05', '--06-07'), '422 payloadError', /dates\[0\].*differ/],
  ['a date with a year in a condition', dates('2026-02-01'), '400 payloadError', /dates\/0\/start/, true],
  ['Friday to Monday', days(5, 1), '422 payloadError', /days\[0\].*end 1.*start 5/],
  ['Monday to Monday', days(1, 1), '422 payloadError', /days\[0\]/],
  ['an eighth weekday', days(8), '400 payloadError', /days\/0\/start/, true],
  ['a sixth Monday', days(1, undefined, { occurrences: ['6'] }), '400 payloadError', /occurrences\/0/, true],
  [
    'no weekday',
    { rules: [{ program: 'p', condition: { type: 'ccDay', days: [] } }] },
    '422 payloadError',
    /rules\[0\]\.condition has no days/,
  ],
  [
    'no date',
    { rules: [{ program: 'p', condition: { type: 'ccDate', dates: [] } }] },
    '422 payloadError',
    /rules\[0\]\.condition has no dates/,
  ],
  ['an unknown condition', rule({ condition: { type: 'ccMoon' } }), '400 payloadError', /rules\/0\/condition/, true],
  [
    'a rule from 30 February on',
    rule({ startDate: '2026-02-30' }),
    '422 payloadError',
    /rules\[0\]\.startDate: 2026-02-30/,
    true,
  ],
  ['a rule until 31 November', rule({ endDate: '--11-31' }), '422 payloadError', /rules\[0\]\.endDate: --11-31/],
  [
    'a rule that ends before it starts',
    rule({ startDate: '2026-06-02', endDate: '2026-06-01' }),
    '422 payloadError',
    /rules\[0\]: endDate 2026-06-01/,
  ],
  ['a rule without a program', { rules: [{}] }, '400 payloadError', /rules\/0.*'program'/, true],
  ['a rule with an unknown program', rule({ program: 'q' }), '422 relatedResourceNotFound', /rules\[0\]\.program q/],
  ['another owner', { ownerCMS: OTHER }, '422 resourceConflict', /ownerCMS/],
];
