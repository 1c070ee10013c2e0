/**
 * Shows the installer that lamp, dim wires and relay work: a few levels after power-up, before anybody has told the
 * controller anything. Source: TALQ 2.7.1 §5.8 leaves local control outside its arbitration.
 */
import { Reason } from '../link/messages.ts';
import type { Schedule } from '../schedule.ts';
import type { LampCommand } from './command.ts';

export class InstallerTest {
  private _at = 0;
  private _task: number;

  /**
   * @param _steps `[level %, ms, …]`; empty: no test
   * @param _arbiter given each level, and undefined at the end
   */
  constructor(
    private _schedule: Schedule,
    private _steps: readonly number[],
    private _arbiter: { test(command: LampCommand | undefined): void; wake(): void },
  ) {
    this._task = _schedule.add(this);
    _schedule.at(this._task, 0);
  }

  /** The next step. @internal */
  run(): void {
    const level = this._steps[this._at];
    this._arbiter.test(level === undefined ? undefined : { level, reason: Reason.Test, rampTo: 0 });
    this._arbiter.wake();
    if (level !== undefined) this._schedule.at(this._task, this._steps[this._at + 1]);
    this._at += 2;
  }
}
