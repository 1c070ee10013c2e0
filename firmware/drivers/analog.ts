/**
 * 1-10 V (IEC 60929 Annex E) or 0-10 V (ANSI C137.1) gear behind a mains relay. Between the voltages of the minimum level
 * and of 100 % the light is linear, or logarithmic as in IEC 62386-102, or given by points. The gear supplies the current,
 * so an open wire or a resetting controller means full light; only the relay switches it off.
 *
 * LED gear draws up to a hundred times its running current for some milliseconds when it is switched on. So the relay
 * closes with the dim output already at its start level and not before the inrush limiter has recovered; it opens only
 * after the gear was dimmed to its minimum and had time to discharge.
 */
import type { AnalogOutput, DigitalOutput, Hal } from '../../hal/hal.ts';
import type { DimConfig, LampConfig } from '../board.ts';
import { interpolate } from '../interpolate.ts';
import { Care, NEVER, type Schedule } from '../schedule.ts';
import type { LampDriver } from './driver.ts';

export class AnalogDriver implements LampDriver {
  level = 0;
  private _wanted = 0;
  /** Share of the output stage's full scale = offset + slope * position; without an output the board only switches. */
  private _output: AnalogOutput | undefined;
  private _slope = 0;
  private _offset = 0;
  /** The position is the level, or its logarithm, or the volts that the points give for it. */
  private _curve: DimConfig['curve'];
  private _minimum: number;
  private _config: LampConfig['relay'];
  private _relay: DigitalOutput | undefined;
  private _closed = 0;
  private _waiting = 0;
  /** Uptime in ms before which the relay stays open. */
  private _ready = 0;
  private _offTime: number;
  private _discharge: number;
  private _task: number;

  /** @param _owner told when `level` changes later than the `write` that asked for it */
  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    config: LampConfig,
    private _owner: { changed(): void },
  ) {
    const dim = config.dim;
    const lowest = config.minimumLevel;
    this._minimum = lowest;
    this._config = config.relay;
    this._offTime = config.minimumOffTime;
    this._discharge = config.dischargeTime;
    this._task = _schedule.add(this, Care.Vital);
    if (!dim) return;
    this._output = _hal.openAnalog({ pin: dim.pin, hz: dim.hz });
    const curve = dim.curve;
    this._curve = curve;
    const logarithmic = curve === 'logarithmic';
    const first = logarithmic ? Math.log(lowest) : lowest;
    const span = (logarithmic ? Math.log(100) : 100) - first;
    const given = curve && !logarithmic;
    const slope = (given ? 1 : (dim.maximum - dim.minimum) / span) / dim.fullScale;
    const offset = given ? 0 : dim.minimum / dim.fullScale - slope * first;
    this._slope = dim.inverted ? -slope : slope;
    this._offset = dim.inverted ? 1 - offset : offset;
  }

  write(level: number): void {
    this._wanted = level;
    const lit = Math.max(level, this._minimum);
    if (this._output) {
      const curve = this._curve;
      let position = lit;
      if (curve) position = typeof curve === 'string' ? Math.log(lit) : interpolate(curve, lit);
      this._output.write(Math.max(0, Math.min(1, this._offset + this._slope * position)));
    }
    const relay = this._config;
    if (!relay) {
      // Without a relay the gear cannot be switched off by its dim wires: level 0 is the minimum, and is reported so.
      this.level = lit;
      return;
    }
    const wanted = level > 0 ? 1 : 0;
    if (!this._relay) {
      this._closed = wanted;
      this._relay = this._hal.openDigital({ pin: relay.pin, activeLow: relay.activeLow, initialValue: wanted });
    }
    if (wanted === this._closed) {
      this._waiting = 0;
      this._schedule.at(this._task, NEVER);
      this.level = level;
    } else if (!this._waiting) {
      const delay = wanted ? this._ready - this._hal.clock.uptime() : this._discharge;
      this.level = wanted ? 0 : this._minimum;
      this._waiting = 1;
      this._schedule.at(this._task, Math.max(0, delay));
    }
  }

  /** The relay's moment has come. @internal */
  run(): void {
    const closed = this._wanted > 0 ? 1 : 0;
    this._waiting = 0;
    this._closed = closed;
    (this._relay as DigitalOutput).write(closed);
    if (!closed) this._ready = this._hal.clock.uptime() + this._offTime;
    this.level = closed ? this._wanted : 0;
    this._owner.changed();
  }
}
