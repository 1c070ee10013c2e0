/**
 * Compiles the monitoring document of one controller: what its lamp is, what is too much, what is recorded. What nobody
 * has said is left out, and the product's own holds. The same input gives the same bytes, so that check values compare.
 */
import { Encoder } from 'cbor-x';
import { crc32 } from 'crc';
import { EventCode, LampItem, MonitoringKey, Quantity } from '../firmware/link/messages.ts';

/** Most limits that a controller takes. */
export const MOST_LIMITS = 32;
/** The controller itself, where a limit names a unit. */
export const CONTROLLER = 255;

const HIGH = 1;
const OF_LAMP = 2;

/** What a lamp is and beyond which values something is wrong; absent: nobody has said. */
export interface MonitoredLamp {
  /** W at full light */
  wattage?: number;
  /** Slope of light against power; absent: 1 */
  gradient?: number;
  /** W around the expected power */
  tolerance?: number;
  /** s after switching on */
  warmUp?: number;
  /** W that the pole may draw while the lamp is off */
  standby?: number;
  /** Lowest power factor by % of light, ascending; a single point holds for all light. */
  powerFactors?: { level: number; powerFactor: number }[];
  /** A */
  lowCurrent?: number;
  highCurrent?: number;
  /** W */
  powerLow?: number;
  powerHigh?: number;
  /** V behind the gear */
  lowLampVoltage?: number;
  highLampVoltage?: number;
  /** °C */
  highTemperature?: number;
}

/** A value beyond which something is wrong. */
export interface Limit {
  /** As in `EventCode.Limit`. */
  code: number;
  /** Index in the birth, or `CONTROLLER`. */
  unit: number;
  /** In steps of the quantity. */
  threshold: number;
}

/** @returns the code of a limit, as events and the monitoring document have it */
export function limitCode(quantity: number, side: 'low' | 'high', ofLamp = false): number {
  return EventCode.Limit + 4 * quantity + (side === 'high' ? HIGH : 0) + (ofLamp ? OF_LAMP : 0);
}

/** @returns what a limit's code means, undefined when it is none of a limit */
export function readLimit(code: number): { quantity: number; side: 'low' | 'high'; ofLamp: boolean } | undefined {
  if (code < EventCode.Limit) return undefined;
  const rest = (code - EventCode.Limit) % 4;
  return {
    quantity: Math.floor((code - EventCode.Limit) / 4),
    side: rest & HIGH ? 'high' : 'low',
    ofLamp: (rest & OF_LAMP) !== 0,
  };
}

// `useTag259ForMaps` is missing in the package's types.
const codec = new Encoder({ useRecords: false, variableMapSize: true, useTag259ForMaps: false } as object);

/** @param unit index of the unit that meters the lamp. @returns the limits that follow from a lamp */
export function limitsOfLamp(lamp: MonitoredLamp, unit: number): Limit[] {
  const limits: [number | undefined, number, 'low' | 'high', number, number][] = [
    [lamp.lowCurrent, Quantity.SupplyCurrent, 'low', unit, 1000],
    [lamp.highCurrent, Quantity.SupplyCurrent, 'high', unit, 1000],
    [lamp.powerLow, Quantity.ActivePower, 'low', unit, 10],
    [lamp.powerHigh, Quantity.ActivePower, 'high', unit, 10],
    [lamp.lowLampVoltage, Quantity.LampVoltage, 'low', unit, 10],
    [lamp.highLampVoltage, Quantity.LampVoltage, 'high', unit, 10],
    [lamp.highTemperature, Quantity.Temperature, 'high', CONTROLLER, 10],
  ];
  return limits.flatMap(([value, quantity, side, of, steps]) =>
    value === undefined
      ? []
      : [{ code: limitCode(quantity, side, true), unit: of, threshold: Math.round(value * steps) }],
  );
}

/** What a monitoring document says; an absent part is the product's own. */
export interface Monitoring {
  lamp?: MonitoredLamp;
  /** At most `MOST_LIMITS`; they replace the product's. */
  limits?: Limit[];
  /** `period` in s, `columns` as in `LogKey`; no columns: nothing is recorded. */
  recorder?: { period: number; columns: number[] };
}

/** @returns the document; empty when nobody has said anything. Throws when there are too many limits. */
export function compileMonitoring({ lamp, limits, recorder }: Monitoring): Uint8Array {
  const content = new Map<number, unknown>();
  if (lamp) content.set(MonitoringKey.Lamp, lampItems(lamp));
  if (limits) {
    if (limits.length > MOST_LIMITS) throw new Error(`${limits.length} limits, only ${MOST_LIMITS}`);
    const sorted = [...limits].sort((a, b) => a.unit - b.unit || a.code - b.code);
    content.set(
      MonitoringKey.Limits,
      sorted.flatMap(({ code, unit, threshold }) => [code, unit, threshold]),
    );
  }
  if (recorder)
    content.set(MonitoringKey.Recorder, recorder.columns.length > 0 ? [recorder.period, ...recorder.columns] : []);
  return content.size === 0 ? new Uint8Array(0) : codec.encode(content);
}

/** @returns the check value that a birth tells of a document: CRC-32 (IEEE 802.3), 0 of an empty one */
export function checkOf(document: Uint8Array): number {
  return document.length === 0 ? 0 : crc32(Buffer.from(document)) >>> 0;
}

function lampItems(lamp: MonitoredLamp): (number | null)[] {
  const { wattage, gradient = 1, tolerance = 0, warmUp = 0, standby = 0, powerFactors = [] } = lamp;
  const items: (number | null)[] = [];
  items[LampItem.Wattage] = wattage === undefined ? null : Math.round(wattage * 10);
  items[LampItem.Gradient] = Math.round(gradient * 1000);
  items[LampItem.Tolerance] = Math.round(tolerance * 10);
  items[LampItem.WarmUp] = Math.round(warmUp);
  items[LampItem.Standby] = Math.round(standby * 10);
  const curve = [...powerFactors].sort((a, b) => a.level - b.level);
  return [...items, ...curve.flatMap(({ level, powerFactor }) => [Math.round(level), Math.round(powerFactor * 1000)])];
}
