/** What the type of a lamp says about watching it. Source: TALQ 2.7.1 data model, LampType, LuminaireType, LampMonitorFunction. */
import type { Clock } from '../clock.ts';
import type { MonitoredLamp } from '../monitoring.ts';
import { LUMINAIRE_ASSET } from './assets.ts';
import type { EventFeed } from './feed.ts';
import type { DeviceView, Model } from './model.ts';
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
 * Controllers make light of commands as their board configuration says. What a type asks for beyond that, nobody executes.
 * @param minimumLevel % below which the controller does not go
 * @returns the names of those members
 */
export function unexecuted(type: LampType | LuminaireType, minimumLevel: number): string[] {
  const asked: [string, boolean][] = [
    ['virtualLightOutput', (type.virtualLightOutput ?? 100) !== 100],
    ['minLightOutput', (type.minLightOutput ?? 0) > minimumLevel],
    [
      'lumenDepreciationCurve',
      type.cloType?.toLowerCase() === 'controller' && type.lumenDepreciationCurve !== undefined,
    ],
    ['warmUpTime', (type.warmUpTime ?? 0) > 0], // it is waited for before the lamp is judged, but dimming goes on
    ['coolDownTime', (type.coolDownTime ?? 0) > 0],
  ];
  return asked.flatMap(([name, missing]) => (missing ? [name] : []));
}

/** Tells by invalidLampType that a lamp does not do all that its type asks for, and that it does again. */
export class LampFits {
  constructor(
    private readonly model: Model,
    private readonly types: TypeLibrary,
    private readonly feed: EventFeed,
    private readonly clock: Clock,
  ) {
    model.onWrite((device, names) => {
      if (names.some((name) => name.endsWith('/lampTypeId') || name.endsWith('/luminaireTypeAddress')))
        this.look(device);
    });
  }

  lookAll(): void {
    for (const device of this.model.devices()) this.look(device);
  }

  private look(device: DeviceView): void {
    if (!device.controller) return;
    const type =
      this.types.referred(device, LAMP, 'lampTypeId', 'lamp-types') ??
      this.types.referred(device, LUMINAIRE_ASSET, 'luminaireTypeAddress', 'luminaire-types');
    const { minimumLevel } = device.controller.birth;
    const missing = type ? unexecuted(type as LampType | LuminaireType, minimumLevel) : [];
    const told = this.model.read(device, LAMP, 'invalidLampType').value === true;
    if (told === missing.length > 0) return;
    const what = { device, functionId: LAMP, eventType: 'invalidLampType', time: this.clock.now() };
    if (told) this.feed.emit({ ...what, phase: 'end' });
    else this.feed.emit({ ...what, phase: 'start', info: `The controller does not execute ${missing.join(', ')}.` });
  }
}

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
