/**
 * Decides which command rules now: the override while it lasts, else the program, else the default level, which needs
 * neither clock, link nor storage. Between decisions it sleeps until the next instant that can change the answer.
 *
 * Source: TALQ 2.7.1 §7.2: one override slot, a later override replaces an earlier one, there is no stack. An override
 * that starts later waits in a slot of its own while the present one runs on; a resume clears both.
 */
import type { Clock } from '../../hal/hal.ts';
import { AckCode, Reason } from '../link/messages.ts';
import type { Schedule } from '../schedule.ts';
import type { LampCommand } from './command.ts';
import type { Program } from './program.ts';

export class Arbiter {
  /** The command in action. */
  command: LampCommand;
  /** Uptime in ms at which it took effect. */
  since = 0;
  private _override: LampCommand | undefined;
  private _pending: LampCommand | undefined;
  private _task: number;

  /**
   * @param defaultLevel %, without override and program
   * @param _apply told of each new command in action, with the ms its ramp takes
   */
  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _program: Program,
    private _defaultLevel: number,
    private _apply: (command: LampCommand, ramp: number) => void,
  ) {
    this._task = _schedule.add(() => this.decide());
    this.command = { level: _defaultLevel, reason: Reason.Default };
    _apply(this.command, 0);
  }

  /** @returns `Done`, or why the override cannot be obeyed; then nothing has changed. */
  override(command: LampCommand): AckCode {
    const now = this._clock.time();
    if (now === undefined) {
      if (command.start !== undefined || command.expiration !== undefined) return AckCode.NoClock;
    } else if (command.expiration !== undefined && command.expiration <= Math.max(now, command.start || 0)) {
      return AckCode.Expired;
    }
    if (command.start !== undefined && now !== undefined && command.start > now) this._pending = command;
    else this._override = command;
    this.decide();
    return AckCode.Done;
  }

  /** Ends the override in action and the one that waits. */
  resume(): void {
    this._override = undefined;
    this._pending = undefined;
    this.decide();
  }

  /** Decides now; also after the clock was set. */
  decide(): void {
    const now = this._clock.time();
    if (now !== undefined) this._expire(now);
    const before = this.command;
    const winner = this._override || (now === undefined ? undefined : this._program.at(now)) || this._default();
    if (now !== undefined) this._sleep(now);
    if (same(before, winner)) return;
    this.command = winner;
    this.since = this._clock.uptime();
    const ended = before.reason === Reason.Override && winner.reason !== Reason.Override;
    const ramp = ended ? first(before.rampFrom, winner.rampTo) : first(winner.rampTo, before.rampFrom);
    this._apply(winner, ramp);
  }

  private _expire(now: number): void {
    const pending = this._pending;
    if (pending && (pending.start as number) <= now) {
      this._override = pending;
      this._pending = undefined;
    }
    const override = this._override;
    if (override && override.expiration !== undefined && override.expiration <= now) this._override = undefined;
  }

  private _default(): LampCommand {
    return { level: this._defaultLevel, reason: Reason.Default };
  }

  private _sleep(now: number): void {
    let next = now + 86400000;
    if (this._program.next > now) next = this._program.next;
    if (this._pending) next = Math.min(next, this._pending.start as number);
    if (this._override && this._override.expiration !== undefined) next = Math.min(next, this._override.expiration);
    this._schedule.at(this._task, next - now);
  }
}

/** An override is the same only if it is the same object: a repeated one starts its ramp and its reference anew. */
function same(a: LampCommand, b: LampCommand): boolean {
  return a === b || (a.reason === b.reason && a.reason !== Reason.Override && a.level === b.level);
}

function first(a: number | undefined, b: number | undefined): number {
  return a === undefined ? b || 0 : a;
}
