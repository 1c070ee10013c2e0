/**
 * One lamp: takes it from where it is to a commanded level, along a ramp in the light domain. A lit command never goes
 * below the gear's minimum, so that no lamp goes dark by rounding.
 */
import type { Clock } from '../../hal/hal.ts';
import type { LampDriver } from '../drivers/driver.ts';
import { NEVER, type Schedule } from '../schedule.ts';

/** ms between ramp steps: 20 a second look continuous. */
const STEP = 50;

export class Lamp {
  private _from = 0;
  private _target = 0;
  private _begin = 0;
  private _ramp = 0;
  private _now = 0;
  private _task: number;
  readonly cap = 100;

  /**
   * @param _minimum %, the lowest lit level of the gear
   * @param _owner told when a ramp begins, and when the lamp has reached a new level
   */
  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _driver: LampDriver,
    private _minimum: number,
    private _owner: { changed(): void },
  ) {
    this._task = _schedule.add(this);
  }

  /** % that the lamp gives now. */
  get level(): number {
    return Math.round(this._driver.level);
  }

  /**
   * Leaves whatever ramp is running.
   * @param level 0 off, else up to 100 %
   * @param ramp ms until the level is reached; 0: at once
   */
  apply(level: number, time: number | undefined): void {
    const ramp = time || 0;
    if (!(level >= 0 && level <= 100)) throw new Error(`level ${level} is not 0..100 %`);
    this._from = Math.max(this._now, level > 0 ? this._minimum : 0);
    this._target = level > 0 ? Math.max(level, this._minimum) : 0;
    this._begin = this._clock.uptime();
    this._ramp = ramp;
    this.run();
    if (ramp > 0) this._owner.changed();
  }

  /** A step of the ramp. @internal */
  run(): void {
    const passed = this._clock.uptime() - this._begin;
    const done = passed >= this._ramp;
    let level = this._target;
    if (!done) {
      level = this._from + ((level - this._from) * passed) / this._ramp;
      if (level > 0) level = Math.max(level, this._minimum);
    }
    this._schedule.at(this._task, done ? NEVER : Math.min(STEP, this._ramp - passed));
    this._now = level;
    this._driver.write(level);
    if (done) this._owner.changed();
  }
}
