/** Registers to values in the resolution of the wire. */
/** How a value lies in its registers. Codes of a compiled plan. */
export const enum RegisterType {
  Unsigned16 = 0,
  Signed16 = 1,
  Unsigned32 = 2,
  Signed32 = 3,
  /** IEEE 754 single precision */
  Float32 = 4,
}

/** Bits of the quantities that are never negative: voltages, frequency, energy, illuminance, noise, particles, humidity. */
const UNSIGNED = 0x3703dc1;

/**
 * Largest believable magnitude of each quantity, in wire steps: exponents of ten as digits of base 36. 1 kV, 10 kA, 10 MW
 * (var, VA), power factor 1, 100 Hz, 1 TWh, 1 Mlx, 1000 dB, 10 mg/m³, 100 °C, 100 %. More than any unit of a street or its
 * cabinet measures; a wrong word order or a number for "unknown" is mostly far beyond.
 */
const LIMITS = '4788834ccc74447778884553347333';

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
  let value: number;
  if (type === RegisterType.Float32) value = registers.getFloat32(at);
  else if (type === RegisterType.Unsigned16) value = registers.getUint16(at);
  else if (type === RegisterType.Signed16) value = registers.getInt16(at);
  else value = type === RegisterType.Unsigned32 ? registers.getUint32(at) : registers.getInt32(at);
  value *= multiplier;
  // Powers of ten are exact, their inverses are not.
  if (exponent < 0) value /= Math.pow(10, -exponent);
  else if (exponent > 0) value *= Math.pow(10, exponent);
  // Not Math.round: interpreters disagree about -0.5.
  value = Math.floor(value + 0.5);
  const quantity = format >> 8;
  const most = Math.pow(10, parseInt(LIMITS[quantity], 36));
  const least = (UNSIGNED >> (quantity & 31)) & 1 ? 0 : -most;
  return value >= least && value <= most ? value : NaN;
}
