/**
 * What the gateway records by its own choice (TALQ 2.7.1 data model, VendorRecordingMode): energies, hours, voltages and
 * the like once a quarter of an hour; powers, currents and levels also when they change by more than 5 %; states and what
 * was configured or commanded whenever it changes.
 */
import type { AttributeSpec } from './attributes.ts';
import { exceeds } from './selection.ts';

/** ms: the slots of the clock in which a measurement is recorded once. */
export const SLOT = 900000;
/** % */
const CHANGE = 5;

/** When a value is recorded: in every slot of so many ms, and when it changes by more than so many %. */
export interface Strategy {
  slot?: number;
  threshold?: number;
  /** Every time that it happens, whatever its value. */
  always?: true;
}

const LIVELY = /power|current|totalVAR?$|light|illuminance|noise/i;
const ON_CHANGE: Strategy = { threshold: 0 };

/** @returns how the attribute is recorded when a logger names it without a threshold of its own. */
export function strategyOf({ name, type, scope }: AttributeSpec): Strategy {
  if (scope === 'event') return { always: true };
  if (scope !== 'measurement') return ON_CHANGE;
  if (name === 'currentTime') return { slot: SLOT };
  if (type === 'AttributeFloat' || type === 'AttributeInteger' || type === 'AttributeLevelState') {
    return LIVELY.test(name) ? { slot: SLOT, threshold: CHANGE } : { slot: SLOT };
  }
  return ON_CHANGE;
}

/** @returns whether the attribute is recorded by a logger that names none: everything but the time and what are events. */
export function isUseful({ name, scope }: AttributeSpec): boolean {
  return scope !== 'event' && name !== 'currentTime';
}

/** A value as it was logged. */
export interface Logged {
  value: unknown;
  /** ms UTC of the measurement or change. */
  time: number;
  /** ms UTC of the one logged before; between the two there may be something to fill in. */
  before?: number;
}

/** @returns whether `next` is worth an entry after `last`. */
export function isDue({ slot, threshold, always }: Strategy, last: Logged | undefined, next: Logged): boolean {
  if (!last) return true;
  if (next.time <= last.time) return false;
  if (always) return true;
  if (slot !== undefined && Math.floor(next.time / slot) > Math.floor(last.time / slot)) return true;
  return threshold !== undefined && exceeds(last.value, next.value, threshold);
}

/** @returns whether a value of the past, told late, belongs to a slot between the last two that were logged. */
export function fillsGap({ slot }: Strategy, { time, before }: Logged, past: number): boolean {
  if (slot === undefined || before === undefined || past <= before || past >= time) return false;
  const [first, at, last] = [before, past, time].map((one) => Math.floor(one / slot));
  return at > first && at < last;
}
