/**
 * What controllers notice, in TALQ's words: the function, its status attribute, the event type, and the threshold that a
 * CMS writes. Source: TALQ 2.7.1 data model, EventType and the functions' events. What TALQ has no type for is announced
 * as a vendor event and told as `functionError` or `deviceMalfunction`, because a log entry can only carry an EventType.
 */
import { EventCode, Quantity } from '../../firmware/link/messages.ts';
import { CONTROLLER, limitCode, readLimit } from '../monitoring.ts';
import type { Birth } from '../wire.ts';
import { type AttributeSpec, event, kept, measured } from './attributes.ts';
import type { Side } from './mapping.ts';
import { functionOfUnit, LAMP, MONITOR, meteredUnits, PHOTOCELL, SENSING } from './places.ts';

/** One event code of one controller in TALQ's words. */
export interface Notice {
  code: number;
  /** Index in the birth; null: the controller or its lamp. */
  unit: number | null;
  /** Absent: the device. */
  functionId?: string;
  /** Status attribute; absent where TALQ has none. */
  attribute?: string;
  eventType: string;
  /** The vendor's name for what TALQ has no type for, and what it is, for people. */
  vendor?: { name: string; description: string };
}

/** A limit that a CMS may set. */
export interface Threshold {
  functionId: string;
  attribute: string;
  /** As in the monitoring document. */
  code: number;
  unit: number;
  /** TALQ's unit, and the steps of the wire in one of it. */
  talqUnit?: string;
  steps: number;
}

/** TALQ has these names for events of the lamp and its supply. */
const OF_LAMP: Record<number, string> = {
  [EventCode.LampFailure]: 'lampFailure',
  [EventCode.LampUnexpectedOn]: 'lampUnexpectedOn',
  [EventCode.RelayFailure]: 'relayFailure',
  [EventCode.LampPowerTooLow]: 'lampPowerTooLow',
  [EventCode.LampPowerTooHigh]: 'lampPowerTooHigh',
  [EventCode.DimmingFailure]: 'dimmingFailure',
  [EventCode.CyclingFailure]: 'cyclingFailure',
  [EventCode.PowerFactorTooLow]: 'powerFactorTooLow',
  [EventCode.SupplyLoss]: 'supplyLoss',
  [EventCode.ContactorError]: 'contactorError',
  [EventCode.LeakageDetected]: 'leakageDetected',
  [EventCode.InvalidLampType]: 'invalidLampType',
};
const ELSEWHERE: Record<number, [functionId: string, name: string]> = {
  [EventCode.DoorOpen]: ['basic', 'cabinetDoorOpen'],
  [EventCode.PhotocellOutputOn]: [PHOTOCELL, 'photocellOutputOn'],
  [EventCode.ClockLost]: ['time', 'lastSyncError'],
  [EventCode.LightStateChange]: [LAMP, 'lightStateChange'],
};
const VENDOR: Record<number, [functionId: string, name: string, description: string]> = {
  [EventCode.Flicker]: [MONITOR, 'flicker', 'The power of the lamp trembles at a constant level.'],
  [EventCode.Sag]: [MONITOR, 'sag', 'The supply voltage was too low for a moment.'],
  [EventCode.Swell]: [MONITOR, 'swell', 'The supply voltage was too high for a moment.'],
  [EventCode.FirmwareError]: ['basic', 'firmwareError', 'The firmware caught a fault of its own.'],
  [EventCode.MemoryLow]: ['basic', 'memoryLow', 'Less than a tenth of the memory of the controller is free.'],
  [EventCode.Tilted]: ['basic', 'tilted', 'The controller no longer hangs as it was installed.'],
  [EventCode.Dropped]: ['basic', 'recordsDropped', 'There was no room any more for what nobody had taken.'],
};

/** Names of a quantity's limits in one kind of function; `threshold` is absent where a type of lamp holds it. */
interface Names {
  attribute: string;
  /** When it is spelled otherwise. */
  eventType?: string;
  threshold?: string;
  talqUnit?: string;
  steps?: number;
}
type Limits = { low?: Names; high?: Names };

const both = (stem: string, more: { talqUnit: string; steps: number }): Limits => ({
  low: { attribute: `${stem}TooLow`, threshold: `${stem}LowThreshold`, ...more },
  high: { attribute: `${stem}TooHigh`, threshold: `${stem}HighThreshold`, ...more },
});
const factor = (attribute: string, eventType: string, threshold: string): Limits => ({
  low: { attribute, eventType, threshold, steps: 1000 },
});
const VOLTS = { talqUnit: 'Volts', steps: 10 };
const AMPERES = { talqUnit: 'Amperes', steps: 1000 };
/** Thresholds of the phases are in W, although their powers are in kW. */
const WATTS = { talqUnit: 'Watts', steps: 10 };
const DUST = { talqUnit: 'MicrogramsPerCubicMeter', steps: 10 };

const LAMP_LIMITS: Record<number, Limits> = {
  [Quantity.SupplyVoltage]: {
    low: { attribute: 'supplyVoltageTooLow', threshold: 'lowSupplyVoltageThreshold', ...VOLTS },
    high: { attribute: 'supplyVoltageTooHigh', threshold: 'highSupplyVoltageThreshold', ...VOLTS },
  },
  [Quantity.SupplyCurrent]: { low: { attribute: 'currentTooLow' }, high: { attribute: 'currentTooHigh' } },
  [Quantity.ActivePower]: {
    low: { attribute: 'absoluteLampPowerTooLow' },
    high: { attribute: 'absoluteLampPowerTooHigh' },
  },
  [Quantity.PowerFactor]: { low: { attribute: 'powerFactorTooLow' } },
  [Quantity.LampVoltage]: { low: { attribute: 'lampVoltageTooLow' }, high: { attribute: 'lampVoltageTooHigh' } },
  [Quantity.Temperature]: { high: { attribute: 'highTemperature' } },
};

const phases = (first: Quantity, limits: (phase: number) => Limits): [number, Limits][] =>
  [1, 2, 3].map((phase) => [first + phase - 1, limits(phase)]);

const UNIT_LIMITS: { [side in Side]?: Record<number, Limits> } = {
  meter: {
    [Quantity.SupplyVoltage]: both('supplyVoltage', VOLTS),
    [Quantity.SupplyCurrent]: both('totalCurrent', AMPERES),
    [Quantity.ActivePower]: both('totalPower', { talqUnit: 'KiloWatt', steps: 10000 }),
    [Quantity.PowerFactor]: factor('powerfactorTooLow', 'powerFactorTooLow', 'powerfactorThreshold'),
    [Quantity.NeutralCurrent]: { high: both('neutralCurrent', AMPERES).high },
    ...Object.fromEntries([
      ...phases(Quantity.Phase1Voltage, (phase) => both(`phase${phase}Voltage`, VOLTS)),
      ...phases(Quantity.Phase1Current, (phase) => both(`phase${phase}Current`, AMPERES)),
      ...phases(Quantity.Phase1ActivePower, (phase) => both(`phase${phase}ActivePower`, WATTS)),
      ...phases(Quantity.Phase1PowerFactor, (phase) =>
        factor(
          `phase${phase}PowerfactorTooLow`,
          `phase${phase}PowerFactorTooLow`,
          `phase${phase}PowerfactorLowThreshold`,
        ),
      ),
    ]),
  },
  light: { [Quantity.Illuminance]: both('level', { talqUnit: 'Illuminance', steps: 10 }) },
  temperature: { [Quantity.Temperature]: both('temperature', { talqUnit: 'DegreesCelcius', steps: 10 }) },
  humidity: { [Quantity.Humidity]: both('humidity', { talqUnit: 'Percent', steps: 10 }) },
  noise: { [Quantity.Noise]: { high: both('noise', { talqUnit: 'Decibels', steps: 10 }).high } },
  particles: {
    [Quantity.ParticulateMatter25]: { high: both('pm2-5', DUST).high },
    [Quantity.ParticulateMatter10]: { high: both('pm10', DUST).high },
  },
};
const SIDES: Side[] = ['meter', ...SENSING.map(({ side }) => side)];

/** @returns a controller's event in TALQ's words: once for each function it is about; none when TALQ is not told of it */
export function noticesOf(birth: Birth, code: number, unit: number | null): Notice[] {
  const limit = readLimit(code);
  if (limit) return limitNotices(birth, code, unit, limit);
  const lamp = OF_LAMP[code];
  if (lamp) return [{ code, unit, functionId: MONITOR, attribute: lamp, eventType: lamp }];
  const [functionId, name] = ELSEWHERE[code] ?? [];
  if (name !== undefined) return [{ code, unit, functionId, attribute: name, eventType: name }];
  const vendor = VENDOR[code];
  if (vendor) {
    return [{ code, unit, eventType: 'deviceMalfunction', vendor: { name: vendor[1], description: vendor[2] } }];
  }
  if (code !== EventCode.UnitSilent || unit === null) return [];
  const silent = {
    name: 'unitSilent',
    description: `Unit ${birth.units[unit]?.[0]} (${birth.units[unit]?.[1]}) is silent.`,
  };
  const places = SIDES.flatMap((side) => functionOfUnit(birth, unit, side) ?? []);
  if (places.length === 0) return [{ code, unit, eventType: 'deviceMalfunction', vendor: silent }];
  return places.map((place) => ({ code, unit, functionId: place, eventType: 'functionError', vendor: silent }));
}

function limitNotices(
  birth: Birth,
  code: number,
  unit: number | null,
  { quantity, side, ofLamp }: { quantity: number; side: 'low' | 'high'; ofLamp: boolean },
): Notice[] {
  if (ofLamp) {
    const names = LAMP_LIMITS[quantity]?.[side];
    return names ? [{ code, unit, functionId: MONITOR, attribute: names.attribute, eventType: names.attribute }] : [];
  }
  if (unit === null) return [];
  return SIDES.flatMap((kind) => {
    const names = UNIT_LIMITS[kind]?.[quantity]?.[side];
    const functionId = functionOfUnit(birth, unit, kind);
    if (!names || functionId === undefined) return [];
    return [{ code, unit, functionId, attribute: names.attribute, eventType: names.eventType ?? names.attribute }];
  });
}

/** @returns all that the controller may notice, as its birth says: its events, and limits of what its units measure */
export function allNotices(birth: Birth): Notice[] {
  const { events } = birth;
  if (events === undefined) return [];
  const said = events.flatMap((code) =>
    code === EventCode.UnitSilent
      ? birth.units.flatMap((_, unit) => noticesOf(birth, code, unit))
      : noticesOf(birth, code, null),
  );
  return [...said, ...limitsOf(birth).flatMap(({ code, unit }) => noticesOf(birth, code, unit))];
}

/** @returns every limit that the controller can watch; of the lamp those of the unit that meters it */
function limitsOf(birth: Birth): { code: number; unit: number | null }[] {
  const sides = ['low', 'high'] as const;
  const lamp = meteredUnits(birth)[0] ?? 0;
  const ofLamp = [...new Set([...(birth.units[lamp]?.[2] ?? [])])].filter(
    (quantity) => quantity !== Quantity.Temperature,
  );
  const ofUnits = birth.units.flatMap(([, , quantities], unit) =>
    quantities.flatMap((quantity) => sides.map((side) => ({ code: limitCode(quantity, side), unit }))),
  );
  return [
    ...ofLamp.flatMap((quantity) => sides.map((side) => ({ code: limitCode(quantity, side, true), unit: lamp }))),
    // The controller's own temperature.
    { code: limitCode(Quantity.Temperature, 'high', true), unit: null },
    ...ofUnits,
  ];
}

/** @returns the thresholds that a CMS may write */
export function thresholdsOf(birth: Birth): Threshold[] {
  return birth.events === undefined
    ? []
    : limitsOf(birth).flatMap(({ code, unit }) => {
        const limit = readLimit(code);
        if (!limit) return [];
        const kinds = limit.ofLamp ? [LAMP_LIMITS] : SIDES.map((side) => UNIT_LIMITS[side]);
        const places = limitNotices(birth, code, unit, limit);
        return places.flatMap(({ functionId, attribute }) => {
          const names = kinds
            .map((kind) => kind?.[limit.quantity]?.[limit.side])
            .find((one) => one?.attribute === attribute);
          if (!names?.threshold || functionId === undefined) return [];
          const { threshold, talqUnit, steps = 1 } = names;
          return [{ functionId, attribute: threshold, code, unit: unit ?? CONTROLLER, talqUnit, steps }];
        });
      });
}

/** What notices and thresholds add to a function of the device class. */
export interface Announced {
  attributes: AttributeSpec[];
  /** Event types without a status attribute. */
  events: string[];
  vendorEvents: { name: string; description: string }[];
}

/** @returns what the controller's functions announce beyond their measurements, by function */
export function announcedOf(birth: Birth): Map<string, Announced> {
  const result = new Map<string, Announced>();
  const of = (functionId: string): Announced => {
    const known = result.get(functionId) ?? { attributes: [], events: [], vendorEvents: [] };
    result.set(functionId, known);
    return known;
  };
  for (const { functionId, attribute, talqUnit } of thresholdsOf(birth)) {
    of(functionId).attributes.push(kept(attribute, 'AttributeFloat', talqUnit === undefined ? {} : { unit: talqUnit }));
  }
  for (const { code, functionId, attribute, eventType, vendor } of allNotices(birth)) {
    if (attribute !== undefined && functionId !== undefined) {
      const { attributes } = of(functionId);
      if (!attributes.some(({ name }) => name === attribute)) attributes.push(event(attribute, eventType));
      continue;
    }
    const source = of(functionId ?? 'basic');
    if (!source.events.includes(eventType)) source.events.push(eventType);
    const place = of(functionId ?? VENDOR[code]?.[0] ?? 'basic');
    if (vendor && !place.vendorEvents.some(({ name }) => name === vendor.name)) {
      const { name, description } =
        code === EventCode.UnitSilent ? { name: vendor.name, description: 'The unit is silent.' } : vendor;
      place.vendorEvents.push({ name, description });
    }
  }
  return result;
}

/** The function that a photocell makes. */
export function photocell(birth: Birth): AttributeSpec[] | undefined {
  if (!birth.events?.includes(EventCode.PhotocellOutputOn)) return undefined;
  return [measured('photocellOutput', 'AttributeBinary'), kept('applicationType')];
}
