/** TALQ 2.7.1 objects of lighting control, members spelled as in the data model; only what a decision needs. */

export type State = { name: string; value: number | boolean };

export interface CommandBase {
  state: State;
  rampToLevelTime?: number;
  rampFromLevelTime?: number;
}

export interface Command extends CommandBase {
  reason?: 'default' | 'override' | 'sensor' | 'program';
  cmsRefId?: string;
  refAddress?: string;
  /** RFC 3339 */
  start?: string;
  expiration?: string;
}

export type EffectOperation = 'Set' | 'Max' | 'Min' | 'Add' | 'Sub' | 'Mul';

export type SensorReference = { sensorAddresses?: string[] };

export type ActivePeriod =
  | { name: 'AbsoluteActivePeriod'; startTime: string; endTime: string }
  | { name: 'AstroClockActivePeriod'; sunsetOffset: number; sunriseOffset: number }
  | { name: 'SensorActivePeriod'; sensor: SensorReference; onLevel: number; offLevel: number }
  | {
      name: 'AstroAndSensorActivePeriod';
      sensor: SensorReference;
      sunsetOffset: number;
      sunriseOffset: number;
      pcActiveBeforeSunset: number;
      pcActiveBeforeSunrise: number;
      onLevel?: number;
      offLevel?: number;
    }
  | {
      name: 'ValueActivePeriod';
      reference: { resource: string; address: string };
      operator: 'EQ' | 'NE' | 'GE' | 'GT' | 'LE' | 'LT';
      state: State;
    };

export interface FixedTimeControl {
  startTime: string;
  command: CommandBase;
}

export interface AstroClockTimeControl {
  offset: number;
  solarEventType: 'sunrise' | 'sunset';
  operation: EffectOperation;
  command: CommandBase;
}

export type ControlEffect = {
  source: { sensor?: SensorReference };
  operation: EffectOperation;
  holdTime?: number;
} & ({ type: 'FixedControlEffect'; command: CommandBase } | { type: 'ExternalControlEffect' });

export interface DynamicControl {
  period?: { startTime: string; endTime: string };
  effect: ControlEffect;
}

export interface ControlProgramOne {
  type: 'ControlProgramOne';
  id: string;
  ownerCMS: string;
  activePeriods: ActivePeriod[];
  fixedTimeControls: FixedTimeControl[];
  astroClockTimeControls?: AstroClockTimeControl[];
  dynamicControls?: DynamicControl[];
}

export type Condition =
  | { type: 'ccDate'; dates: { start: string; end?: string }[] }
  | { type: 'ccDay'; days: { start: number; end?: number }[]; occurrences?: string[] };

export interface CalendarRule {
  startDate?: string;
  endDate?: string;
  condition?: Condition;
  program: string;
}

export interface Calendar {
  id: string;
  ownerCMS: string;
  rules?: CalendarRule[];
  defaultProgram?: string;
}
