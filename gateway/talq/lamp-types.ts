/** What the type of a lamp says about watching it. Source: TALQ 2.7.1 data model, LampType, LuminaireType, LampMonitorFunction. */
import type { MonitoredLamp } from '../monitoring.ts';
import { LUMINAIRE_ASSET } from './assets.ts';
import type { DeviceView } from './model.ts';
import { LAMP, MONITOR } from './places.ts';
import type { TypeLibrary } from './type-library.ts';
import type { LampType, LuminaireType } from './types.ts';

/**
 * A luminaire type states the same, but calls its expected power `powerConsumption`; without it, its `maximumPower` is
 * what it consumes at full light. A curve of power factors says more than a single threshold.
 */
export function monitoringOf(type: LampType | LuminaireType): MonitoredLamp {
  const curve = type.powerFactorThresholdDimmingCurve?.entries.map(({ dimLevel, powerFactor }) => ({
    level: dimLevel,
    powerFactor,
  }));
  const single = type.powerFactorThreshold;
  const lamp: MonitoredLamp = {
    wattage: 'wattage' in type ? type.wattage : wattsOf(type as LuminaireType),
    gradient: type.powerLightGradient,
    tolerance: type.lampPowerTolerance,
    warmUp: type.warmUpTime,
    powerFactors: curve ?? (single === undefined ? undefined : [{ level: 100, powerFactor: single }]),
    lowCurrent: type.lowCurrentThreshold,
    highCurrent: type.highCurrentThreshold,
    powerLow: type.lampPowerLowThreshold,
    powerHigh: type.lampPowerHighThreshold,
    lowLampVoltage: 'lowLampVoltageThreshold' in type ? type.lowLampVoltageThreshold : undefined,
    highLampVoltage: 'highLampVoltageThreshold' in type ? type.highLampVoltageThreshold : undefined,
    highTemperature: type.highTemperatureThreshold,
  };
  return Object.fromEntries(Object.entries(lamp).filter(([, value]) => value !== undefined));
}

const wattsOf = ({ powerConsumption, maximumPower }: LuminaireType): number | undefined =>
  powerConsumption ?? maximumPower;

/**
 * The monitor's own lamp type, else the actuator's, as TALQ has it; where a CMS uses the newer kind alone, the type of its
 * luminaire.
 * @returns undefined when nobody has said what the lamp is
 */
export function watchedLamp(types: TypeLibrary, device: DeviceView): MonitoredLamp | undefined {
  const type =
    types.referred(device, MONITOR, 'lampTypeId', 'lamp-types') ??
    types.referred(device, LAMP, 'lampTypeId', 'lamp-types') ??
    types.referred(device, LUMINAIRE_ASSET, 'luminaireTypeAddress', 'luminaire-types');
  return type && monitoringOf(type as LampType | LuminaireType);
}
