/**
 * Decides which command rules now: the installer's test while it runs, else the override while it lasts, else what the
 * plan says, else the default level, which needs neither clock, link nor storage. Between decisions it sleeps until the
 * next instant that can change the answer.
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
  /** Which program, control and sensor it comes from, as indices and numbers of the timetable. */
  readonly program: number;
  readonly control: number;
  readonly sensor: number;
  /** ms, undefined when the command says nothing. */
  readonly rampTo: number | undefined;
  readonly rampFrom: number | undefined;
  /** ms UTC: the verdict cannot change before. */
  readonly next: number;
  /** @param now ms UTC. @param defaultLevel % when nothing rules */
  decide(now: number, defaultLevel: number): void;
}

/** What survives a power cut. */
export interface OverrideStore {
  /** The override in action, and the one that waits. Throws when storage is full. */
  setOverrides(running: LampCommand | undefined, pending: LampCommand | undefined): void;
  overrides(): (LampCommand | undefined)[];
}

/** Tells night from day while the clock is unknown. */
export interface Photocell {
  /** Whether it is dark; undefined while nothing measures it. */
  dark(uptime: number): boolean | undefined;
  /** The same, or what earlier nights say; undefined: nobody knows. */
  isNight(uptime: number): boolean | undefined;
}

/** ms: the arbiter looks at the clock at least once a day, and once a minute while it is unknown. */
const DAY = 86400000;
const MINUTE = 60000;

export class Arbiter {
  /** The command in action. */
  command: LampCommand;
  /** Uptime in ms at which it took effect. */
  since = 0;
  private _override: LampCommand | undefined;
  private _pending: LampCommand | undefined;
  private _test: LampCommand | undefined;
  /** A decision has begun and not come back. */
  private _open = 0;
  private _task: number;

  /**
   * Decides as soon as the schedule runs, whatever else fails at boot; nothing drives the lamp before, so that one that is
   * off by its program does not flash at a restart.
   *
   * @param _defaultLevel %, without override and plan
   * @param _lamp told the level of each new command in action, and the ms its ramp takes; undefined: none is given
   * @param _photocell asked while the clock is unknown; absent: there is none
   */
  constructor(
    private _clock: Clock,
    private _schedule: Schedule,
    private _plan: Plan,
    private _store: OverrideStore,
    private _defaultLevel: number,
    private _lamp: { apply(level: number, ramp: number | undefined): void },
    private _photocell: Photocell | undefined,
  ) {
    this._task = _schedule.add(this);
    this.command = { level: -1, reason: Reason.Default };
    const kept = _store.overrides();
    this._override = kept[0];
    this._pending = kept[1];
    this.wake();
  }

  /** Takes effect with the next `run`. @returns `Done`, or why it cannot be obeyed; then nothing has changed. */
  override(command: LampCommand): AckCode {
    const now = this._clock.time();
    const start = command.start;
    const expiration = command.expiration;
    if (now === undefined) {
      if (start !== undefined || expiration !== undefined) return AckCode.NoClock;
    } else if (expiration !== undefined) {
      if (expiration <= Math.max(now, start || 0)) return AckCode.Expired;
      // Its length is what counts after a restart that does not know the time.
      if (start === undefined) command.start = Math.floor(now);
    }
    const later = start !== undefined && now !== undefined && start > now;
    return this._keep(later ? this._override : command, later ? command : this._pending);
  }

  /** Ends the override in action and the one that waits, with the next `run`. @returns `Done`, or `TooLarge` as `override` */
  resume(): AckCode {
    return this._keep(undefined, undefined);
  }

  /** Stored first, obeyed then: what was acknowledged survives a power cut at any instant. */
  private _keep(running: LampCommand | undefined, pending: LampCommand | undefined): AckCode {
    if (running !== this._override || pending !== this._pending) {
      try {
        this._store.setOverrides(running, pending);
      } catch (_full) {
        return AckCode.TooLarge;
      }
    }
    this._override = running;
    this._pending = pending;
    return AckCode.Done;
  }

  /** @param level %, without override and plan; takes effect with the next `run` */
  setDefaultLevel(level: number): void {
    this._defaultLevel = level;
  }

  /** The installer's test takes the lamp, or gives it back: undefined. Takes effect with the next `run`. */
  test(command: LampCommand | undefined): void {
    this._test = command;
  }

  /** Decides at once, but from the schedule: a message's way through the link is deep enough. */
  wake(): void {
    this._schedule.at(this._task, 0);
  }

  /** Decides now; also after the clock, the plan or a sensor has changed. */
  run(): void {
    this._schedule.at(this._task, MINUTE);
    const before = this.command;
    if (this._open) {
      // What cannot be decided, because it throws or memory ends, must not leave a lamp dark.
      this.command = { level: this._defaultLevel, reason: Reason.Default };
      this._lamp.apply(this._defaultLevel, 0);
    }
    this._open = 1;
    const now = this._clock.time();
    this._expire(now);
    let winner = this._test || this._override;
    if (!winner && now === undefined) winner = this._guess();
    if (!winner) {
      // Here and not in a function: from the plan it is far to the text of its time zone.
      const plan = this._plan;
      plan.decide(now as number, this._defaultLevel);
      winner = {
        level: plan.level,
        reason: plan.reason,
        rampTo: plan.rampTo,
        rampFrom: plan.rampFrom,
        program: plan.program,
        control: plan.control,
        sensor: plan.sensor,
      };
    }
    if (now !== undefined) this._sleep(now);
    const changed = !same(this.command, winner);
    this.command = winner;
    if (changed) {
      this.since = this._clock.uptime();
      // The way back from an override is the override's own ramp; every other change takes the newcomer's.
      const back = before.reason === Reason.Override && winner.reason !== Reason.Override;
      const ramp = back ? before.rampFrom : winner.rampTo;
      this._lamp.apply(winner.level, ramp === undefined ? (back ? winner.rampTo : before.rampFrom) : ramp);
    }
    this._open = 0;
  }

  /** While the clock is unknown, an override lasts as long after the restart as it was meant to last in all. */
  private _expire(now: number | undefined): void {
    const pending = this._pending;
    let override = this._override;
    if (pending && now !== undefined && (pending.start as number) <= now) override = pending;
    const waiting = override === pending ? undefined : pending;
    if (override && override.expiration !== undefined) {
      const end = now === undefined ? this._clock.uptime() + (override.start as number) : now;
      if (end >= override.expiration) override = undefined;
    }
    if (override === this._override && waiting === pending) return;
    if (this._keep(override, waiting) === AckCode.Done) return;
    // Storage is full: they end all the same, until the next restart.
    this._override = override;
    this._pending = waiting;
  }

  /** Without a clock: lit while it is dark, or when nobody knows. */
  private _guess(): LampCommand {
    const uptime = this._clock.uptime();
    const photocell = this._photocell;
    const night = photocell && photocell.isNight(uptime);
    if (!photocell || night === undefined) return { level: this._defaultLevel, reason: Reason.Default };
    const learned = photocell.dark(uptime) === undefined;
    return { level: night ? this._defaultLevel : 0, reason: learned ? Reason.Learned : Reason.Photocell };
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
