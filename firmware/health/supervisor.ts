/**
 * Feeds the watchdog while the firmware is well, and only then: a board that hangs, leaks or lost its tasks is reset,
 * and comes up lit.
 */
import type { Hal } from '../../hal/hal.ts';
import type { Schedule } from '../schedule.ts';

/** ms: a task this late means that the schedule no longer serves it. */
const LATE = 10000;
/** Part of the memory that must stay free. */
const RESERVE = 0.02;

export class Supervisor {
  private _task: number;

  /** @param _timeout ms that the watchdog waits */
  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    private _timeout: number,
  ) {
    this._task = _schedule.add(this);
    _hal.watchdog.enable(_timeout);
    _schedule.at(this._task, 0);
  }

  run(): void {
    this._schedule.at(this._task, this._timeout / 4);
    const memory = this._hal.system.memory();
    if (this._schedule.lag() > LATE || memory.used > memory.total * (1 - RESERVE)) return;
    this._hal.watchdog.feed();
  }
}
