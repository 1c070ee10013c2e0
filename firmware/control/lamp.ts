/**
 * One lamp: takes it from where it is to a commanded level, along a ramp in the light domain, and turns the level into
 * the light that the gear is asked for. A lit command never goes below the gear's minimum, so that no lamp goes dark by
 * rounding, by a factor or by protection.
 *
 * Levels are in the command's scale, before all factors: a healthy lamp that gives 72 % of its light reports the 100 %
 * that it was told. Source: TALQ 2.7.1, LampType: virtual light output, then CLO, then the maintenance factor, then the
 * gear's limits; the cap by protection comes last.
 */
import type { Clock } from '../../hal/hal.ts';
import type { LampDriver } from '../drivers/driver.ts';
import { Care, NEVER, type Schedule } from '../schedule.ts';
import type { Light } from './light.ts';

/** ms between ramp steps: 20 a second look continuous. */
const STEP = 50;
const HOUR = 3600000;
/** %, where a soft start begins on gear without a minimum: at 0 % its relay would stay open. */
const GLOW = 1;

export class Lamp {
  /** % of light that protection allows, above 0; never less than the gear's minimum. `run` applies it. */
  cap = 100;
  private _from = 0;
  private _target = 0;
  private _begin = 0;
  private _ramp = 0;
  private _now = 0;
  /** A soft start waits for the relay; a commanded ramp ends in time, whatever the relay does. */
  private _soft = 0;
  /** Light per command. */
  private _factor = 1;
  private _lit: number;
  /** Uptime of the last count. */
  private _seen = 0;
  private _task: number;

  /**
   * @param _minimum %, the lowest lit level of the gear
   * @param _owner told when a ramp begins, and when the lamp has reached a new level
   * @param _softStart ms from the minimum to the level when a command without a ramp switches the lamp on
   * @param _light absent: a command of 1 % is worth 1 % of light
   */
  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _driver: LampDriver,
    private _minimum: number,
    private _owner: { changed(): void },
    private _softStart: number,
    private _light?: Light,
  ) {
    this._lit = _light ? _light.hours * HOUR : 0;
    // Lit already, where boots failed before: then it goes on from there.
    this._now = _driver.level;
    this._task = _schedule.add(this, Care.Vital);
  }

  /** % that the lamp gives now, in the command's scale; 0 while the relay is open. */
  get level(): number {
    const light = this._driver.level;
    if (light === 0 || this._now === 0) return Math.round(light);
    return Math.round(Math.min(this._now, Math.max(this.cap, this._minimum) / this._factor));
  }

  /** % of light that the gear gives now. */
  get light(): number {
    return this._driver.level;
  }

  /** A ramp is running. */
  get ramping(): boolean {
    return this._ramp > 0;
  }

  /** Counts. @returns ms that the lamp has been lit: since boot, or since it was new if the board has CLO */
  lit(): number {
    const now = this._clock.uptime();
    if (this._driver.level > 0) this._lit += now - this._seen;
    this._seen = now;
    return this._lit;
  }

  /**
   * Leaves whatever ramp is running.
   * @param level 0 off, else up to 100 %
   * @param ramp ms until the level is reached; undefined: at once, or with a soft start from darkness
   */
  apply(level: number, ramp: number | undefined): void {
    if (!(level >= 0 && level <= 100)) throw new Error(`level ${level} is not 0..100 %`);
    const dark = this._now === 0 || this._driver.level === 0;
    const soft = ramp === undefined && level > 0 && this._softStart > 0 && dark;
    this._soft = soft ? 1 : 0;
    this._ramp = soft ? this._softStart : ramp || 0;
    this._from = Math.max(soft ? GLOW : this._now, level > 0 ? this._minimum : 0);
    this._target = level > 0 ? Math.max(level, this._minimum) : 0;
    this._begin = this._clock.uptime();
    this._step();
    this._owner.changed();
  }

  /** A step of the ramp; also after `cap` has changed, and every hour for the factors. @internal */
  run(): void {
    if (this._step()) this._owner.changed();
  }

  /** @returns whether a ramp has ended, or the light has moved without one */
  private _step(): boolean {
    const lit = this.lit();
    if (this._soft && this._driver.level === 0) this._begin = this._seen;
    const passed = this._seen - this._begin;
    const done = passed >= this._ramp;
    let level = this._target;
    if (!done) {
      level = this._from + ((level - this._from) * passed) / this._ramp;
      if (level > 0) level = Math.max(level, this._minimum);
    }
    const light = this._light;
    this._schedule.at(this._task, done ? (light && level > 0 ? HOUR : NEVER) : Math.min(STEP, this._ramp - passed));
    this._now = level;
    if (light && (done || passed === 0)) this._factor = light.factor(lit, level > 0);
    const before = this._driver.level;
    this._driver.write(level > 0 ? Math.max(Math.min(level * this._factor, this.cap), this._minimum) : 0);
    if (!done) return false;
    const ended = this._ramp > 0;
    this._ramp = 0;
    return ended || this._driver.level !== before;
  }
}
