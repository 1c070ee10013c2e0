/**
 * Less light for a hot controller, and back only when it has cooled. The lamp stays lit. A sensor that falls silent keeps
 * the last word for ten minutes.
 */
import type { System } from '../../hal/hal.ts';
import type { Schedule } from '../schedule.ts';

/** ms between measurements. */
const PERIOD = 30000;
/** Measurements without an answer after which the light is given back: 10 minutes. */
const PATIENCE = 20;
/** % that is left by the reduction of 1 % a degree. */
const LEAST = 50;
/** % that asks for the gear's minimum; not 0, which is off on gear without a minimum. */
const DIM = 1;
/** K that the temperature has to fall before the light follows. */
const HYSTERESIS = 5;
/** °C below all. */
const COLD = -273;

export class Protection {
  /** °C that rules: follows a rise at once and a fall `HYSTERESIS` late. */
  private _ruling = COLD;
  private _silent = 0;
  private _task: number;

  /**
   * @param _lamp `cap` is the % of light that it may give; `run` applies it
   * @param _reduce °C above which the light is reduced by 1 % a degree
   * @param _minimum °C above which only the gear's minimum is left
   */
  constructor(
    private _system: System,
    private _schedule: Schedule,
    private _lamp: { cap: number; run(): void },
    private _reduce: number,
    private _minimum: number,
  ) {
    this._task = _schedule.add(this);
    _schedule.at(this._task, 0);
  }

  /** Measures. @internal */
  run(): void {
    this._schedule.at(this._task, PERIOD);
    const measured = this._system.temperature();
    if (measured !== undefined) {
      // Whole degrees: noise of the sensor shall not move the light.
      const temperature = Math.round(measured);
      this._silent = 0;
      this._ruling = Math.max(temperature, Math.min(this._ruling, temperature + HYSTERESIS));
    } else if (++this._silent >= PATIENCE) {
      this._ruling = COLD;
    }
    const ruling = this._ruling;
    const cap = ruling > this._minimum ? DIM : Math.min(100, Math.max(LEAST, 100 + this._reduce - ruling));
    if (cap === this._lamp.cap) return;
    this._lamp.cap = cap;
    this._lamp.run();
  }
}
