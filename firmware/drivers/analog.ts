/**
 * 1-10 V (IEC 60929 Annex E) and 0-10 V (ANSI C137.1) dimming: linear between the voltages of the minimum level and of
 * 100 %. The gear supplies the current, so an open wire or a resetting controller means full light.
 */
import type { AnalogOutput, Hal } from '../../hal/hal.ts';
import type { LampConfig } from '../board.ts';

/** @returns a function that sets the dim voltage for a lit level in %; undefined for boards that only switch. */
export function openDim(hal: Hal, config: LampConfig): ((level: number) => void) | undefined {
  const dim = config.dim;
  if (!dim) return undefined;
  let output: AnalogOutput | undefined;
  const lowest = config.minimumLevel;
  // volts = minimum + slope * (level - lowest), as a fraction of the output stage's full scale
  const slope = (dim.maximum - dim.minimum) / (100 - lowest) / dim.fullScale;
  const offset = dim.minimum / dim.fullScale - slope * lowest;
  return (level: number) => {
    if (!output) output = hal.openAnalog({ pin: dim.pin, hz: dim.hz });
    const fraction = Math.max(0, Math.min(1, offset + slope * Math.max(level, lowest)));
    output.write(dim.inverted ? 1 - fraction : fraction);
  };
}
