/**
 * Decides which command rules now: the override while it lasts, else what the plan says, else the default level, which
 * needs neither clock, link nor storage. Between decisions it sleeps until the next instant that can change the answer.
 *
 * Source: TALQ 2.7.1 §4.3 and §5.8: one override slot, a later override replaces an earlier one, there is no stack. An
 * override that starts later waits in a slot of its own while the present one runs on; a resume clears both.
 */
import type { Clock } from '../../hal/hal.ts';
import { AckCode, Reason } from '../link/messages.ts';
import type { Schedule } from '../schedule.ts';
import type { LampCommand } from './command.ts';

/** What rules without an override. `decide` leaves its verdict in the fields. */
export interface Plan {
  readonly level: number;
  readonly reason: Reason;
  /** Which program and sensor it comes from, as indices and numbers of the timetable. */
  readonly program: number;
  readonly sensor: number;
  /** ms, undefined when the command says nothing. */
  readonly rampTo: number | undefined;
  readonly rampFrom: number | undefined;
  /** ms UTC: the verdict cannot change before. */
  readonly next: number;
  /** @param now ms UTC. @param defaultLevel % when nothing rules */
  decide(now: number, defaultLevel: number): void;
}

/** ms: the arbiter looks at the clock at least once a day. */
const DAY = 86400000;

export class Arbiter {
  /** The command in action. */
  command: LampCommand;
  /** Uptime in ms at which it took effect. */
  since = 0;
  private _override: LampCommand | undefined;
  private _pending: LampCommand | undefined;
  private _task: number;

  /**
   * @param _defaultLevel %, without override and plan
   * @param _lamp told the level of each new command in action, and the ms its ramp takes
   */
  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _plan: Plan,
    private _defaultLevel: number,
    private _lamp: { apply(level: number, ramp: number): void },
  ) {
    this._task = _schedule.add(this);
    this.command = { level: _defaultLevel, reason: Reason.Default };
    _lamp.apply(_defaultLevel, 0);
  }

  /** Takes effect with the next `run`. @returns `Done`, or why it cannot be obeyed; then nothing has changed. */
  override(command: LampCommand): AckCode {
    const now = this._clock.time();
    const start = command.start;
    const expiration = command.expiration;
    if (now === undefined) {
      if (start !== undefined || expiration !== undefined) return AckCode.NoClock;
    } else if (expiration !== undefined && expiration <= Math.max(now, start || 0)) {
      return AckCode.Expired;
    }
    if (start !== undefined && now !== undefined && start > now) this._pending = command;
    else this._override = command;
    return AckCode.Done;
  }

  /** Ends the override in action and the one that waits, with the next `run`. */
  resume(): void {
    this._override = this._pending = undefined;
  }

  /** Decides at once, but from the schedule: a message's way through the link is deep enough. */
  wake(): void {
    this._schedule.at(this._task, 0);
  }

  /** Decides now; also after the clock, the plan or a sensor has changed. */
  run(): void {
    const now = this._clock.time();
    if (now !== undefined) this._expire(now);
    const winner = this._override || this._planned(now);
    const before = this.command;
    if (now !== undefined) this._sleep(now);
    if (same(before, winner)) return;
    this.command = winner;
    this.since = this._clock.uptime();
    // The way back from an override is the override's own ramp; every other change takes the newcomer's.
    const back = before.reason === Reason.Override && winner.reason !== Reason.Override;
    this._lamp.apply(
      winner.level,
      back ? first(before.rampFrom, winner.rampTo) : first(winner.rampTo, before.rampFrom),
    );
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

  private _planned(now: number | undefined): LampCommand {
    const plan = this._plan;
    if (now === undefined) return { level: this._defaultLevel, reason: Reason.Default };
    plan.decide(now, this._defaultLevel);
    return {
      level: plan.level,
      reason: plan.reason,
      rampTo: plan.rampTo,
      rampFrom: plan.rampFrom,
      program: plan.program,
      sensor: plan.sensor,
    };
  }

  private _sleep(now: number): void {
    let next = now + DAY;
    const override = this._override;
    if (override) next = override.expiration === undefined ? next : Math.min(next, override.expiration);
    else next = Math.min(next, this._plan.next);
    if (this._pending) next = Math.min(next, this._pending.start as number);
    this._schedule.at(this._task, Math.max(0, next - now));
  }
}

/** An override is the same only if it is the same object: a repeated one starts its ramp and its reference anew. */
function same(a: LampCommand, b: LampCommand): boolean {
  if (a === b) return true;
  if (a.reason === Reason.Override || a.reason !== b.reason) return false;
  return a.level === b.level && a.program === b.program && a.sensor === b.sensor;
}

function first(a: number | undefined, b: number | undefined): number {
  return a === undefined ? b || 0 : a;
}
