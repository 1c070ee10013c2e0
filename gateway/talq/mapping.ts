/** Between the units and codes of the wire and those of TALQ. Nothing else in the gateway converts. */
import { CommandKind, ControlType, Quantity, Reason } from '../../firmware/link/messages.ts';
import type { Birth, FieldCommand } from '../wire.ts';
import type { Command } from './schemas.ts';

/** A measured attribute: its name, TALQ unit, and the steps of the wire in one such unit. */
export interface Measure {
  name: string;
  unit?: string;
  steps: number;
}

/** The kinds of function that show readings. */
export type Side = 'monitor' | 'meter' | 'light' | 'temperature' | 'humidity' | 'noise' | 'particles';

/**
 * What each quantity is called in the lamp monitor (W, VA, var), the electrical meter (kW, kVA, kvar) and the sensors.
 * Source: TALQ 2.7.1 data model, LampMonitorFunction, ElectricalMeterFunction, LightSensorFunction,
 * TemperatureSensorFunction, HumiditySensorFunction, NoiseMonitoringSensorFunction, ParticulateMatterSensorFunction.
 */
export const MEASURES: Record<number, { [side in Side]?: Measure }> = {
  [Quantity.SupplyVoltage]: {
    monitor: { name: 'supplyVoltage', unit: 'Volts', steps: 10 },
    meter: { name: 'supplyVoltage', unit: 'Volts', steps: 10 },
  },
  [Quantity.SupplyCurrent]: {
    monitor: { name: 'supplyCurrent', unit: 'Amperes', steps: 1000 },
    meter: { name: 'totalCurrent', unit: 'Amperes', steps: 1000 },
  },
  [Quantity.ActivePower]: {
    monitor: { name: 'activePower', unit: 'Watts', steps: 10 },
    meter: { name: 'totalPower', unit: 'KiloWatt', steps: 10000 },
  },
  [Quantity.ReactivePower]: {
    monitor: { name: 'reactivePower', unit: 'VoltAmpereReactive', steps: 10 },
    meter: { name: 'totalVAR', unit: 'KiloVoltAmpereReactive', steps: 10000 },
  },
  [Quantity.ApparentPower]: {
    monitor: { name: 'apparentPower', unit: 'VoltAmperes', steps: 10 },
    meter: { name: 'totalVA', unit: 'KiloVoltAmpere', steps: 10000 },
  },
  [Quantity.PowerFactor]: {
    monitor: { name: 'powerFactor', steps: 1000 },
    meter: { name: 'totalPowerFactor', steps: 1000 },
  },
  [Quantity.Frequency]: { meter: { name: 'frequency', unit: 'Hertz', steps: 100 } },
  [Quantity.ActiveEnergy]: {
    monitor: { name: 'activeEnergy', unit: 'KiloWattHours', steps: 1000 },
    meter: { name: 'totalActiveEnergy', unit: 'KiloWattHours', steps: 1000 },
  },
  [Quantity.ReactiveEnergy]: {
    meter: { name: 'totalReactiveEnergy', unit: 'KiloVoltAmpereReactiveHours', steps: 1000 },
  },
  [Quantity.Illuminance]: { light: { name: 'lightLevel', unit: 'Illuminance', steps: 10 } },
  [Quantity.Phase1Voltage]: { meter: { name: 'phase1Voltage', unit: 'Volts', steps: 10 } },
  [Quantity.Phase2Voltage]: { meter: { name: 'phase2Voltage', unit: 'Volts', steps: 10 } },
  [Quantity.Phase3Voltage]: { meter: { name: 'phase3Voltage', unit: 'Volts', steps: 10 } },
  [Quantity.Phase1Current]: { meter: { name: 'phase1Current', unit: 'Amperes', steps: 1000 } },
  [Quantity.Phase2Current]: { meter: { name: 'phase2Current', unit: 'Amperes', steps: 1000 } },
  [Quantity.Phase3Current]: { meter: { name: 'phase3Current', unit: 'Amperes', steps: 1000 } },
  [Quantity.Phase1ActivePower]: { meter: { name: 'phase1ActivePower', unit: 'KiloWatt', steps: 10000 } },
  [Quantity.Phase2ActivePower]: { meter: { name: 'phase2ActivePower', unit: 'KiloWatt', steps: 10000 } },
  [Quantity.Phase3ActivePower]: { meter: { name: 'phase3ActivePower', unit: 'KiloWatt', steps: 10000 } },
  [Quantity.NeutralCurrent]: { meter: { name: 'neutralCurrent', unit: 'Amperes', steps: 1000 } },
  [Quantity.Phase1PowerFactor]: { meter: { name: 'phase1PowerFactor', steps: 1000 } },
  [Quantity.Phase2PowerFactor]: { meter: { name: 'phase2PowerFactor', steps: 1000 } },
  [Quantity.Phase3PowerFactor]: { meter: { name: 'phase3PowerFactor', steps: 1000 } },
  [Quantity.Noise]: { noise: { name: 'noise', unit: 'Decibels', steps: 10 } },
  [Quantity.ParticulateMatter25]: { particles: { name: 'pm2-5', unit: 'MicrogramsPerCubicMeter', steps: 10 } },
  [Quantity.ParticulateMatter10]: { particles: { name: 'pm10', unit: 'MicrogramsPerCubicMeter', steps: 10 } },
  [Quantity.Temperature]: { temperature: { name: 'temperature', unit: 'DegreesCelcius', steps: 10 } },
  [Quantity.Humidity]: { humidity: { name: 'humidity', unit: 'Percent', steps: 10 } },
};

const FACTORS: number[] = [
  Quantity.PowerFactor,
  Quantity.Phase1PowerFactor,
  Quantity.Phase2PowerFactor,
  Quantity.Phase3PowerFactor,
];

/** @returns the value in the measure's unit. Division, not multiplication: 2315 / 10 is 231.5 exactly. */
export function toUnit(quantity: number, measure: Measure, value: number): number {
  // TALQ's power factor has no sign; the sense is an attribute of its own.
  return FACTORS.includes(quantity) ? Math.min(Math.abs(value) / measure.steps, 1) : value / measure.steps;
}

/**
 * Which way the current is shifted, by the sign of the reactive power: drawn by an inductive load, it lags.
 * The sign of a power factor is no help: meters use it for either the shift or the direction of the energy.
 * @returns undefined when there is no shift
 */
export function toSense(reactivePower: number): 'lag' | 'lead' | undefined {
  if (reactivePower === 0) return undefined;
  return reactivePower > 0 ? 'lag' : 'lead';
}

const REASONS: Record<number, 'default' | 'override' | 'sensor' | 'program'> = {
  [Reason.Default]: 'default',
  [Reason.Override]: 'override',
  [Reason.Sensor]: 'sensor',
  [Reason.Program]: 'program',
  [Reason.Photocell]: 'sensor',
  [Reason.Learned]: 'default',
  [Reason.Test]: 'default',
};

/** @returns the nearest of TALQ's four: it has no word for what a controller does before anybody commands it. */
export function toReason(reason: number | undefined): 'default' | 'override' | 'sensor' | 'program' {
  return REASONS[reason ?? Reason.Default];
}

/** @returns the ranges of levels in % that the controller's gear can be set to. */
export function toLevels(birth: Birth): { start: number; end: number }[] {
  const lowest = birth.control === ControlType.Switch ? 100 : Math.max(birth.minimumLevel, 1);
  return [
    { start: 0, end: 0 },
    { start: lowest, end: 100 },
  ];
}

/** What a controller's output can drive, in the words of TALQ 2.7.1 LampType.controlType. */
const CONTROLS: Record<number, string[]> = {
  [ControlType.Switch]: ['Switch', 'Other'],
  [ControlType.Analog]: ['1-10V', 'Other'],
};

/** @returns why a lamp of this controlType cannot hang on the controller, undefined when it can. */
export function misfitOf(birth: Birth, controlType: string): string | undefined {
  const fitting = CONTROLS[birth.control] ?? ['Other'];
  if (fitting.includes(controlType)) return undefined;
  return `A lamp with controlType ${controlType} does not fit this controller: ${fitting.join(' or ')}.`;
}

/** Longest ramp that the wire carries, in s. */
export const LONGEST_RAMP = 100000;

/**
 * @param level % of the command's state, already checked
 * @param reference what stands for its cmsRefId on the wire
 * @param now ms UTC: a start that has passed is not sent
 */
export function toFieldCommand(
  command: Command,
  level: number,
  reference: string | undefined,
  now: number,
): FieldCommand {
  const start = command.start === undefined ? undefined : Date.parse(command.start);
  return {
    kind: CommandKind.Override,
    level,
    start: start === undefined || start <= now ? undefined : Math.round(start / 1000),
    expiration: command.expiration === undefined ? undefined : Math.round(Date.parse(command.expiration) / 1000),
    rampTo: tenths(command.rampToLevelTime),
    rampFrom: tenths(command.rampFromLevelTime),
    reference,
  };
}

function tenths(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 10);
}

/** @param time ms UTC. @returns RFC 3339 */
export function toTimestamp(time: number): string {
  // Most attributes of a device are of the same few instants.
  if (time !== last.time) {
    last.text = new Date(time).toISOString();
    last.time = time;
  }
  return last.text;
}
const last = { time: Number.NaN, text: '' };
