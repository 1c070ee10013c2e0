/**
 * Mains relay in front of dimmable gear. LED gear draws up to a hundred times its running current for some milliseconds
 * when it is switched on, so the relay closes with the dim output already at its start level and not before the inrush
 * limiter has recovered; it opens only after the gear was dimmed to its minimum and had time to discharge. Gear without
 * a relay cannot be switched off by its dim wires: its level 0 is the minimum, and is reported as such.
 */
import type { DigitalOutput, Hal } from '../../hal/hal.ts';
import type { LampConfig } from '../board.ts';
import type { Schedule } from '../schedule.ts';
import { Dim } from './analog.ts';
import type { LampDriver } from './driver.ts';

export class Relay implements LampDriver {
  level = 0;
  private _wanted = 0;
  private _relay: LampConfig['relay'];
  private _dim: Dim | undefined;
  private _minimum: number;
  private _offTime: number;
  private _discharge: number;
  private _output: DigitalOutput | undefined;
  private _closed = false;
  /** Uptime in ms before which the relay stays open. */
  private _ready = 0;
  private _waiting = false;
  private _task: number;

  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    config: LampConfig,
    private _owner: { changed(): void },
  ) {
    this._relay = config.relay;
    this._minimum = config.minimumLevel;
    this._offTime = config.minimumOffTime;
    this._discharge = config.dischargeTime;
    if (config.dim) this._dim = new Dim(_hal, config.dim, config.minimumLevel);
    this._task = _schedule.add(this);
  }

  write(level: number): void {
    this._wanted = level;
    if (this._dim) this._dim.write(level);
    if (!this._relay) {
      this.level = Math.max(level, this._minimum);
      return;
    }
    if (!this._output) this._open(this._relay, level);
    if (level > 0 === this._closed) {
      this._waiting = false;
      this._schedule.cancel(this._task);
      this.level = this._closed ? level : 0;
    } else if (!this._waiting) {
      this._wait(level);
    }
  }

  private _open(relay: NonNullable<LampConfig['relay']>, level: number): void {
    this._closed = level > 0;
    this._output = this._hal.openDigital({
      pin: relay.pin,
      activeLow: relay.activeLow,
      initialValue: this._closed ? 1 : 0,
    });
  }

  private _wait(level: number): void {
    const delay = level > 0 ? this._ready - this._hal.clock.uptime() : this._discharge;
    this.level = level > 0 ? 0 : this._minimum;
    this._waiting = true;
    this._schedule.at(this._task, Math.max(0, delay));
  }

  /** The relay's moment has come. @internal */
  run(): void {
    this._waiting = false;
    this._closed = this._wanted > 0;
    if (this._output) this._output.write(this._closed ? 1 : 0);
    if (!this._closed) this._ready = this._hal.clock.uptime() + this._offTime;
    this.level = this._closed ? this._wanted : 0;
    this._owner.changed();
  }
}
