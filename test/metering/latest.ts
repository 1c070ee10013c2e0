import type { Quantity } from '../../firmware/link/messages.ts';
import { type Meters, quantitiesOf } from '../../firmware/metering/meter.ts';

/** @returns steps of the wire, undefined when the unit does not measure it or did not answer the latest poll */
export function latest(meters: Meters, unit: number, quantity: Quantity): number | undefined {
  const at = quantitiesOf(meters, unit).indexOf(quantity);
  return at < 0 || meters.failures(unit) > 0 ? undefined : meters.values(unit)[at];
}
