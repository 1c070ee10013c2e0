/** Registers to values in the resolution of the wire. */
import { Quantity } from '../link/messages.ts';

/** How a value lies in its registers. Codes of a compiled plan. */
export const enum RegisterType {
  Unsigned16 = 0,
  Signed16 = 1,
  Unsigned32 = 2,
  Signed32 = 3,
  /** IEEE 754 single precision */
  Float32 = 4,
}

/**
 * Largest believable magnitude, in wire steps: 1 kV, 10 kA, 10 MW (var, VA), 100 Hz, 1 TWh. More than any meter of a
 * street or its cabinet measures; a wrong word order or a number for "unknown" is far beyond.
 */
function limit(quantity: number): number {
  if (quantity >= Quantity.ActiveEnergy) return 1e12;
  if (quantity === Quantity.SupplyVoltage || quantity === Quantity.Frequency) return 1e4;
  if (quantity === Quantity.PowerFactor) return 1000;
  return quantity === Quantity.SupplyCurrent ? 1e7 : 1e8;
}

/** These are never negative. Reactive energy, apparent power and current may be, in meters that sign by direction. */
function positive(quantity: number): boolean {
  return (
    quantity === Quantity.SupplyVoltage ||
    quantity === Quantity.Frequency ||
    quantity === Quantity.ActiveEnergy ||
    quantity === Quantity.ExportedEnergy
  );
}

/**
 * Reads one item of a plan. Registers whose low word comes first are put into order in place: each is read once.
 *
 * @param at index of its first byte
 * @param format and `multiplier` as in the plan, see `metering/meter`
 * @returns an integer in wire steps, or NaN when it is no number or not believable
 */
export function decode(registers: DataView, at: number, format: number, multiplier: number): number {
  if (format & 8) {
    const low = registers.getUint16(at);
    registers.setUint16(at, registers.getUint16(at + 2));
    registers.setUint16(at + 2, low);
  }
  const type = format & 7;
  const exponent = ((format >> 4) & 15) - 8;
  let value = raw(registers, at, type) * multiplier;
  // Powers of ten are exact, their inverses are not.
  if (exponent < 0) value /= Math.pow(10, -exponent);
  else if (exponent > 0) value *= Math.pow(10, exponent);
  // Not Math.round: interpreters disagree about -0.5.
  value = Math.floor(value + 0.5);
  const quantity = format >> 8;
  const most = limit(quantity);
  return value <= most && value >= (positive(quantity) ? 0 : -most) ? value : NaN;
}

function raw(registers: DataView, at: number, type: number): number {
  if (type === RegisterType.Float32) return registers.getFloat32(at);
  if (type === RegisterType.Unsigned16) return registers.getUint16(at);
  if (type === RegisterType.Signed16) return registers.getInt16(at);
  return type === RegisterType.Unsigned32 ? registers.getUint32(at) : registers.getInt32(at);
}
