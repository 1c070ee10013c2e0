/** Ids of a controller's functions, and which of them shows what a Modbus unit measures. */
import { Quantity } from '../../firmware/link/messages.ts';
import type { Birth } from '../wire.ts';
import { MEASURES, type Side } from './mapping.ts';

/** Id of the lamp actuator. */
export const LAMP = 'lampActuator1';
export const MONITOR = 'lampMonitor1';
export const PHOTOCELL = 'photocell1';
/** Ids of the functions that programs may name as sensors, and what they measure. */
export const PRESENCE = 'presence1';
export const LIGHT = 'lightSensor1';
export const SENSORS: Record<string, string> = { [PRESENCE]: 'presenceStatus', [LIGHT]: 'lightLevel' };

/** Functions that show what a Modbus sensor measures: a controller has each at most once. */
export const SENSING: { id: string; type: string; side: Side }[] = [
  { id: LIGHT, type: 'LightSensorFunction', side: 'light' },
  { id: 'temperatureSensor1', type: 'TemperatureSensorFunction', side: 'temperature' },
  { id: 'humiditySensor1', type: 'HumiditySensorFunction', side: 'humidity' },
  { id: 'noiseSensor1', type: 'NoiseMonitoringSensorFunction', side: 'noise' },
  { id: 'particulateMatterSensor1', type: 'ParticulateMatterSensorFunction', side: 'particles' },
];

/** The units of a controller that meter power, by their index in the birth: each is an electricalMeterN. */
export function meteredUnits(birth: Birth): number[] {
  return birth.units.flatMap((unit, i) => (unit[2].includes(Quantity.ActivePower) ? [i] : []));
}

/** @returns the index of the first unit that measures something for that side, negative without one. */
export function sensingUnit(birth: Birth, side: Side): number {
  return birth.units.findIndex((unit) => unit[2].some((quantity) => MEASURES[quantity]?.[side]));
}

/** @returns the function that shows the unit's measurements of a kind, undefined without one */
export function functionOfUnit(birth: Birth, unit: number, side: Side): string | undefined {
  if (side === 'meter') {
    const at = meteredUnits(birth).indexOf(unit);
    return at < 0 ? undefined : `electricalMeter${at + 1}`;
  }
  return sensingUnit(birth, side) === unit ? SENSING.find((one) => one.side === side)?.id : undefined;
}
