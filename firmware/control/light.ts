/**
 * From the percent of a command to the percent of light that the gear is asked for.
 *
 * Source: TALQ 2.7.1, LampActuatorFunction and LampType: virtual output first, then constant light output, then the
 * maintenance factor, then the gear's limits; a cap by protection comes last. A lit command never becomes dark.
 */
import type { LampConfig } from '../board.ts';

const HOUR = 3600000;

export class Light {
  /** % of light that protection allows. */
  cap = 100;
  /** Light per command, 0..1. */
  private _factor = 1;

  constructor(private _config: LampConfig) {}

  /**
   * Lets the factors follow age and dirt; both move by less than 0.01 % an hour.
   * @param burnt hours that the lamp has been lit
   * @param now ms UTC, undefined while the clock is unknown: the lamp then counts as clean
   */
  age(burnt: number, now: number | undefined): void {
    const config = this._config;
    let factor = config.virtualOutput === undefined ? 1 : config.virtualOutput / 100;
    if (config.clo) factor *= interpolate(config.clo, burnt) / 100;
    const dirt = config.maintenance;
    if (dirt && now !== undefined) {
      const part = Math.min(1, Math.max(0, (now - dirt.cleaned) / HOUR / dirt.period));
      factor *= (dirt.initial + (100 - dirt.initial) * part) / 100;
    }
    this._factor = factor;
  }

  /** @param command %, 0 is off. @returns % of light, 0 or the gear's minimum..100 */
  physical(command: number): number {
    if (command === 0) return 0;
    const light = Math.max(command * this._factor, this._config.minimumLevel);
    return Math.min(light, 100, Math.max(this.cap, this._config.minimumLevel));
  }

  /** @returns the command that asks for `light` %, so that a healthy dimmed lamp reports what it was told. */
  command(light: number): number {
    return Math.min(100, Math.round(light / this._factor));
  }
}

/** @param points `[x, y, …]` with ascending x. @returns y, linear between points and constant outside. */
export function interpolate(points: readonly number[], x: number): number {
  let i = 0;
  while (i < points.length && points[i] <= x) i += 2;
  if (i === 0) return points[1];
  const y = points[i - 1];
  if (i === points.length) return y;
  return y + ((points[i + 1] - y) * (x - points[i - 2])) / (points[i] - points[i - 2]);
}
