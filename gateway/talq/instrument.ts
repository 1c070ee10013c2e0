/** What the controller itself notices and counts, as TALQ attributes: status, hours, energies. */
import { Counter, EventCode, Quantity } from '../../firmware/link/messages.ts';
import type { Controller } from '../fleet.ts';
import type { Birth } from '../wire.ts';
import { allNotices, type Notice } from './notices.ts';
import { MONITOR, meteredUnits, PHOTOCELL } from './places.ts';
import type { Valued } from './readings.ts';

/** A counter as an attribute. */
interface Counted {
  counter: Counter;
  /** Steps of the wire in one of TALQ's unit. */
  steps: number;
  /** TALQ counts whole ones. */
  whole?: true;
  /** A meter that counts this itself is believed instead. */
  unless?: Quantity;
}

/** 32-bit counters wrap. Source: TALQ 2.7.1 data model, switchOnCounter and supplyLossCount. */
const WRAP = 2 ** 32;
const HOUR = 3600;
/** 0.1 Wh in a kWh. */
const ENERGY = 10000;
const COUNTED: Record<string, Counted> = {
  'basic/operatingHours': { counter: Counter.ControllerTime, steps: HOUR, whole: true },
  [`${MONITOR}/operatingHours`]: { counter: Counter.LampTime, steps: HOUR },
  [`${MONITOR}/switchOnCounter`]: { counter: Counter.SwitchOns, steps: 1, whole: true },
  [`${MONITOR}/supplyLossCount`]: { counter: Counter.SupplyLosses, steps: 1, whole: true },
  [`${MONITOR}/activeEnergy`]: { counter: Counter.ActiveEnergy, steps: ENERGY },
  'electricalMeter1/totalActiveEnergy': { counter: Counter.ActiveEnergy, steps: ENERGY, unless: Quantity.ActiveEnergy },
  'electricalMeter1/totalReactiveEnergy': {
    counter: Counter.ReactiveEnergy,
    steps: ENERGY,
    unless: Quantity.ReactiveEnergy,
  },
  'electricalMeter1/totalApparentEnergy': { counter: Counter.ApparentEnergy, steps: ENERGY },
};

/** @param value in TALQ's unit. @returns it in steps of the wire */
export function toCounter(counter: Counter, value: number): number {
  const counted = Object.values(COUNTED).find((one) => one.counter === counter);
  return Math.round(value * (counted?.steps ?? 1));
}

const noticed = new WeakMap<Birth, Map<string, Notice[]>>();

/** @returns undefined when the attribute is none of these, or nothing is known of it but what a unit may have measured */
export function readInstrument(controller: Controller, functionId: string, name: string): Valued | undefined {
  const path = `${functionId}/${name}`;
  if (path === `${PHOTOCELL}/photocellOutput`) {
    const dark = controller.conditions.get(EventCode.PhotocellOutputOn, null);
    return dark ? { value: dark.value ? 'ON' : 'OFF', time: dark.time } : {};
  }
  const counted = Object.hasOwn(COUNTED, path) ? COUNTED[path] : undefined;
  if (counted) return readCounter(controller, counted);
  const notices = noticesByPath(controller.birth).get(path);
  if (notices) return readStatus(controller, notices);
  return path === `${MONITOR}/lampFailure` ? {} : undefined; // older firmware does not tell
}

function readCounter({ birth, counters }: Controller, { counter, steps, whole, unless }: Counted): Valued | undefined {
  const quantities = birth.units[meteredUnits(birth)[0]]?.[2];
  const value = counters?.values[counter];
  if (unless !== undefined && quantities?.includes(unless)) return undefined;
  if (!counters || value === null || value === undefined) return undefined;
  return { value: whole ? Math.floor(value / steps) % WRAP : value / steps, time: counters.time };
}

/** True since the first of the conditions that hold, or false since the last that held has ended. */
function readStatus({ conditions, bornAt }: Controller, notices: readonly Notice[]): Valued {
  const known = notices.flatMap(({ code, unit }) => conditions.get(code, unit) ?? []);
  const holding = known.filter(({ value }) => value).map(({ time }) => time);
  if (holding.length > 0) return { value: true, time: Math.min(...holding) };
  return { value: false, time: known.length > 0 ? Math.max(...known.map(({ time }) => time)) : bornAt };
}

function noticesByPath(birth: Birth): Map<string, Notice[]> {
  const known = noticed.get(birth);
  if (known) return known;
  const paths = new Map<string, Notice[]>();
  for (const notice of allNotices(birth)) {
    if (notice.attribute === undefined || notice.code === EventCode.LightStateChange) continue;
    const path = `${notice.functionId}/${notice.attribute}`;
    paths.set(path, [...(paths.get(path) ?? []), notice]);
  }
  noticed.set(birth, paths);
  return paths;
}
