/**
 * How much light a command is worth: virtual light output, times constant light output (CLO) by age, times the
 * maintenance factor by dirt. They move by less than 0.1 % an hour.
 *
 * Source: TALQ 2.7.1, LampType `virtualLightOutput` and `lumenDepreciationCurve`, LampActuatorFunction
 * `maintenanceFactor`, in this order.
 */
import type { Clock, Storage } from '../../hal/hal.ts';
import type { LightConfig } from '../board.ts';
import { interpolate } from '../interpolate.ts';

const HOUR = 3600000;
/**
 * Hours more than stored that are worth a write while the lamp is lit; when it is switched off, one hour is. Where the
 * feeder goes off by day nobody switches off, and less than this is lost every night.
 */
const WORTH = 2;
const KEY = 'lit';

export class Light {
  /** Hours lit that storage holds. */
  hours = 0;

  constructor(
    private _clock: Clock,
    private _storage: Storage,
    private _config: LightConfig,
  ) {
    const stored = _config.clo && _storage.read(KEY);
    if (stored && stored.length === 4) this.hours = new DataView(stored.buffer, stored.byteOffset, 4).getUint32(0);
  }

  /**
   * Also keeps the hours of a lamp with CLO across a power cut; storage that refuses is asked again later.
   * @param lit ms that the lamp has been lit since it was new
   * @param on the lamp is lit now
   * @returns light per command, above 0 and up to 1. While the clock is unknown the lamp counts as dirty: more light.
   */
  factor(lit: number, on: boolean): number {
    const config = this._config;
    const hours = lit / HOUR;
    let factor = config.virtualOutput / 100;
    if (config.clo) factor *= interpolate(config.clo, hours) / 100;
    const now = this._clock.time();
    if (config.maintenance && now !== undefined) factor *= interpolate(config.maintenance, now) / 100;
    const full = Math.floor(hours);
    if (config.clo && full >= this.hours + (on ? WORTH : 1)) {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, full);
      // Counted only when it is written: storage that was full is tried again.
      try {
        this._storage.write(KEY, bytes);
        this.hours = full;
      } catch (_full) {}
    }
    return factor;
  }
}
