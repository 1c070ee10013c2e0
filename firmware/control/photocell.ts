/**
 * The photocell: says from illuminance readings whether it is dark enough for the lamp. Times are uptimes in ms: it needs
 * no clock. Where its sensor has fallen silent, the nights that it has learned still know (`control/night`).
 *
 * The off level may lie above the on level, at it or below it. A threshold with hysteresis would oscillate with the
 * last, so each edge is a latch of its own: it gets dark only while the light does not rise, and bright only while it
 * rises or is beyond doubt that of the day. Levels are not compared with a median: a delay that one contrary reading
 * restarts rejects headlights and lightning without keeping any of them.
 *
 * Source: TALQ 2.7.1 `PhotocellFunction` (on below `onLevel`, off above `offLevel`).
 */
import type { Night } from './night.ts';

const MINUTE = 60000;
const DAY = 1440 * MINUTE;
/** ms that the light must have stayed below the on level, above the off level. */
const ON_DELAY = 30000;
const OFF_DELAY = MINUTE;
/** ms between two edges at least. */
const SHORTEST = 15 * MINUTE;
/** ms after the lamp has changed its level during which the light may be its own. */
const BLIND = MINUTE;
/** ms: the time constant of the mean that the light is compared with, and how far above it light rises: ln 1.2. */
const TREND = 10 * MINUTE;
const RISE = 0.18;
/** lx under a clear sky at sunrise, far more than a lamp gives its own sensor. Source: AMS Glossary, "civil twilight". */
const SUNRISE = 400;
/** ms of silence after which the sensor is lost. */
const SILENCE = MINUTE;

export class Photocell {
  private _dark: boolean | undefined;
  /** When that changed last, and since when the light asks for the opposite. */
  private _since = 0;
  private _asked: number | undefined;
  /** The latest reading in lx; without another one the sensor is lost, without a different one it is stuck, from here. */
  private _lux: number | undefined;
  private _lost = 0;
  private _stuck = 0;
  /** Until when readings are not trusted; 0: the lamp has not changed since the latest trusted one. */
  private _blind = 0;
  /** Logarithm of the latest trusted reading, and its mean over time. */
  private _light = 0;
  private _mean = 0;

  /**
   * @param _onLux lx below which it is dark, and `_offLux` above which it is bright
   * @param _night learns from the edges
   */
  constructor(
    private _onLux: number,
    private _offLux: number,
    private _night: Night,
  ) {}

  /**
   * Takes a reading; to be fed at least every 20 s, because 60 s of silence mean that the sensor is lost.
   * @param lux 0 or more; undefined: the sensor did not answer
   * @returns whether `dark` answers otherwise than before
   */
  sample(lux: number | undefined, uptime: number): boolean {
    if (lux === undefined) return false;
    const before = this.dark(uptime);
    const share = Math.min(1, (uptime + SILENCE - this._lost) / TREND);
    this._lost = uptime + SILENCE;
    if (lux !== this._lux) this._stuck = uptime + DAY;
    this._lux = lux;
    const most = Math.max(this._onLux, this._offLux);
    const day = lux > Math.max(most, SUNRISE);
    const light = Math.log(lux + 1);
    if (before === undefined) {
      // The levels alone decide; where the light may be the lamp's own, only full daylight is bright. Between the levels it
      // stays as it was, or is dark: then the lamp is lit.
      const own = this._dark || (this._dark === undefined && uptime < this._blind);
      const bright = own ? day : lux > most;
      this._dark = !bright && (lux < Math.min(this._onLux, this._offLux) || this._dark !== false);
      this._since = uptime - SHORTEST;
      this._asked = undefined;
      this._light = this._mean = light;
    } else if (uptime < this._blind && !day) {
      this._asked = undefined;
    } else {
      // What came with the lamp's change is no trend.
      if (this._blind > 0) this._mean += light - this._light;
      this._blind = 0;
      this._light = light;
      this._mean += (light - this._mean) * share;
      const rises = light - this._mean > RISE;
      const asks = before ? lux > this._offLux && (rises || day) : lux < this._onLux && !rises;
      if (!asks) this._asked = undefined;
      else if (this._asked === undefined) this._asked = uptime;
      else if (uptime - this._asked >= (before ? OFF_DELAY : ON_DELAY) && uptime - this._since >= SHORTEST) {
        this._dark = !before;
        this._since = uptime;
        this._asked = undefined;
        this._night.edge(!before, uptime);
      }
    }
    return this.dark(uptime) !== before;
  }

  /** The lamp has begun or ended a change of its level: what is measured next is no daylight. */
  changedLight(uptime: number): void {
    this._blind = uptime + BLIND;
  }

  /** @returns whether it is dark; undefined while nothing was read, the sensor is silent, or its reading is stuck for a day. */
  dark(uptime: number): boolean | undefined {
    return uptime >= this._lost || uptime >= this._stuck ? undefined : this._dark;
  }

  /** @returns as `dark`; without a sensor what the learned nights say; undefined when they know nothing. */
  isNight(uptime: number): boolean | undefined {
    const dark = this.dark(uptime);
    return dark === undefined ? this._night.dark(uptime) : dark;
  }
}
