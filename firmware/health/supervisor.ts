/**
 * Feeds the watchdog while the firmware is well, and only then: a board that hangs, leaks or lost its tasks is reset,
 * and comes up lit.
 */
import type { Hal } from '../../hal/hal.ts';
import type { Schedule } from '../schedule.ts';

/** ms: all tasks share one timer, so when this one is so late the others are, too. */
const LATE = 10000;
/** Part of the memory that must stay free. */
const RESERVE = 0.02;

export class Supervisor {
  private _task: number;
  /** Uptime of the appointment. */
  private _due = 0;

  /** @param _timeout ms that the watchdog waits */
  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    private _timeout: number,
  ) {
    this._task = _schedule.add(this);
    _hal.watchdog.enable(_timeout);
    this._due = _hal.clock.uptime();
    _schedule.at(this._task, 0);
  }

  run(): void {
    const late = this._hal.clock.uptime() - this._due;
    const pause = this._timeout / 4;
    this._schedule.at(this._task, pause);
    this._due += late + pause;
    const memory = this._hal.system.memory();
    if (late > LATE || memory.used > memory.total * (1 - RESERVE)) return;
    this._hal.watchdog.feed();
  }
}
