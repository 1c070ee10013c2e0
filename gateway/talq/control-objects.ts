/**
 * Calendars and control programs: schemas and types from one source. Names, required members and enumerations as in
 * TALQ 2.7.1 (data model); members that this gateway does not know are kept and handed back.
 */
import Type, { type Static } from 'typebox';

/** Local time of day. TALQ writes hh:mm:ss; fractions are refused, they would be lost. */
const time = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d$' });
const minutes = Type.Integer({ minimum: -1440, maximum: 1440 });
const seconds = Type.Number({ minimum: 0 });
const id = Type.String({ minLength: 1, maxLength: 256 });
const choice = <T extends string[]>(...values: [...T]) => Type.Union(values.map((value) => Type.Literal(value)));

export type CommandBase = Static<typeof CommandBase>;
export const CommandBase = Type.Object({
  state: Type.Object({ name: Type.String(), value: Type.Unknown() }),
  rampToLevelTime: Type.Optional(seconds),
  rampFromLevelTime: Type.Optional(seconds),
});

export const EffectOperation = choice('Set', 'Max', 'Min', 'Add', 'Sub', 'Mul');
const SensorReference = Type.Object({
  sensorAddresses: Type.Optional(Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 2 })),
});

export type ActivePeriod = Static<typeof ActivePeriod>;
export const ActivePeriod = Type.Union([
  Type.Object({ name: Type.Literal('AbsoluteActivePeriod'), startTime: time, endTime: time }),
  Type.Object({ name: Type.Literal('AstroClockActivePeriod'), sunsetOffset: minutes, sunriseOffset: minutes }),
  Type.Object({
    name: Type.Literal('SensorActivePeriod'),
    sensor: SensorReference,
    onLevel: Type.Number(),
    offLevel: Type.Number(),
  }),
  Type.Object({
    name: Type.Literal('AstroAndSensorActivePeriod'),
    sensor: SensorReference,
    sunsetOffset: minutes,
    sunriseOffset: minutes,
    pcActiveBeforeSunset: Type.Integer({ minimum: 0, maximum: 1440 }),
    pcActiveBeforeSunrise: Type.Integer({ minimum: 0, maximum: 1440 }),
    onLevel: Type.Optional(Type.Number()),
    offLevel: Type.Optional(Type.Number()),
  }),
  Type.Object({
    name: Type.Literal('ValueActivePeriod'),
    reference: Type.Object({ resource: Type.String(), address: Type.String({ maxLength: 1024 }) }),
    operator: choice('EQ', 'NE', 'GE', 'GT', 'LE', 'LT'),
    state: Type.Object({ name: Type.String(), value: Type.Unknown() }),
  }),
]);

export type FixedTimeControl = Static<typeof FixedTimeControl>;
export const FixedTimeControl = Type.Object({ startTime: time, command: CommandBase });

export type AstroClockTimeControl = Static<typeof AstroClockTimeControl>;
export const AstroClockTimeControl = Type.Object({
  offset: minutes,
  solarEventType: choice('sunrise', 'sunset'),
  operation: EffectOperation,
  command: CommandBase,
});

const effect = {
  source: Type.Object({ sensor: Type.Optional(SensorReference) }),
  operation: EffectOperation,
  holdTime: Type.Optional(seconds),
};
export type DynamicControl = Static<typeof DynamicControl>;
export const DynamicControl = Type.Object({
  period: Type.Optional(Type.Object({ startTime: time, endTime: time })),
  effect: Type.Union([
    Type.Object({ type: Type.Literal('FixedControlEffect'), ...effect, command: CommandBase }),
    Type.Object({ type: Type.Literal('ExternalControlEffect'), ...effect }),
  ]),
});

export type ControlProgram = Static<typeof ControlProgram>;
export const ControlProgram = Type.Object({
  type: Type.Literal('ControlProgramOne'),
  id,
  ownerCMS: Type.String(),
  activePeriods: Type.Array(ActivePeriod, { maxItems: 1000 }),
  fixedTimeControls: Type.Array(FixedTimeControl, { maxItems: 1000 }),
  astroClockTimeControls: Type.Optional(Type.Array(AstroClockTimeControl, { maxItems: 1000 })),
  dynamicControls: Type.Optional(Type.Array(DynamicControl, { maxItems: 1000 })),
});

/** yyyy-mm-dd, or --mm-dd for every year. */
const date = Type.String({ pattern: '^(\\d{4}|-)-\\d\\d-\\d\\d$' });
/** ---dd for every month, or --mm-dd for every year. */
const recurring = Type.String({ pattern: '^-(-|-\\d\\d)-\\d\\d$' });
const weekday = Type.Integer({ minimum: 1, maximum: 7 });

export type Condition = Static<typeof Condition>;
export const Condition = Type.Union([
  Type.Object({
    type: Type.Literal('ccDate'),
    dates: Type.Array(Type.Object({ start: recurring, end: Type.Optional(recurring) }), { maxItems: 255 }),
  }),
  Type.Object({
    type: Type.Literal('ccDay'),
    days: Type.Array(Type.Object({ start: weekday, end: Type.Optional(weekday) }), { maxItems: 7 }),
    occurrences: Type.Optional(Type.Array(Type.String({ pattern: '^[1-5L]$' }), { maxItems: 5, uniqueItems: true })),
  }),
]);

export type CalendarRule = Static<typeof CalendarRule>;
export const CalendarRule = Type.Object({
  program: id,
  startDate: Type.Optional(date),
  endDate: Type.Optional(date),
  condition: Type.Optional(Condition),
});

export type Calendar = Static<typeof Calendar>;
export const Calendar = Type.Object({
  id,
  ownerCMS: Type.String(),
  rules: Type.Optional(Type.Array(CalendarRule, { maxItems: 1000 })),
  defaultProgram: Type.Optional(id),
});
