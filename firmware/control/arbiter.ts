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
import { Care, NEVER, type Schedule } from '../schedule.ts';
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
/** ms by which a clock that is corrected may go back, and no decision with it. */
const GLIDE = 1000;
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
  /** ms UTC of the last decision. */
  private _latest = 0;
  /** The last decision knew no time. */
  private _timeless = false;
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
    this._task = _schedule.add(this, Care.Awake);
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
      if (start === undefined || start < now) command.start = Math.floor(now);
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
      // An interrupt took the last decision: what cannot be decided must not leave a lamp dark.
      this.command = { level: this._defaultLevel, reason: Reason.Default };
      this._lamp.apply(this._defaultLevel, 0);
    }
    this._open = 1;
    let now = this._clock.time();
    if (now !== undefined) {
      // What has begun does not end again because the clock was a little fast.
      if (now < this._latest && now > this._latest - GLIDE) now = this._latest;
      this._latest = now;
    }
    this._expire(now);
    let winner = this._test || this._override;
    let next = NEVER;
    let fault: unknown;
    if (!winner && now === undefined) winner = this._guess();
    if (!winner) {
      // Here and not in a function: from the plan it is far to the text of its time zone.
      const plan = this._plan;
      try {
        plan.decide(now as number, this._defaultLevel);
        next = plan.next;
        winner = {
          level: plan.level,
          reason: plan.reason,
          rampTo: plan.rampTo,
          rampFrom: plan.rampFrom,
          program: plan.program,
          control: plan.control,
          sensor: plan.sensor,
        };
      } catch (error) {
        fault = error;
        winner = { level: this._defaultLevel, reason: Reason.Default };
      }
    }
    if (now !== undefined && fault === undefined) this._sleep(now, next);
    // Nobody ramps after a restart, or when the clock becomes known: the change is older than that.
    const late = before.level < 0 || (this._timeless && now !== undefined);
    const changed = !same(this.command, winner);
    this._timeless = now === undefined;
    this.command = winner;
    if (changed) {
      this.since = this._clock.uptime();
      this._lamp.apply(winner.level, late ? undefined : rampOf(before, winner));
    }
    this._open = 0;
    if (fault !== undefined) throw fault;
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

  /** @param verdict ms UTC until which the plan's holds; `NEVER` when it was not asked */
  private _sleep(now: number, verdict: number): void {
    let next = Math.min(now + DAY, verdict);
    const override = this._override;
    if (override && override.expiration !== undefined) next = Math.min(next, override.expiration);
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

/**
 * An override, and a sensor that no other command replaces, shape the way back; every other change takes the newcomer's
 * ramp. Source: TALQ 2.7.1 `CommandBase` rampToLevelTime and rampFromLevelTime.
 * @returns ms, undefined when nobody names a ramp
 */
function rampOf(before: LampCommand, winner: LampCommand): number | undefined {
  const overridden = before.reason === Reason.Override && winner.reason !== Reason.Override;
  const sensed =
    before.reason === Reason.Sensor && (winner.reason === Reason.Program || winner.reason === Reason.Default);
  const back = overridden || sensed;
  const ramp = back ? before.rampFrom : winner.rampTo;
  if (ramp !== undefined) return ramp;
  return back ? winner.rampTo : before.rampFrom;
}
