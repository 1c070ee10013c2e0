/**
 * All of the firmware's waiting, on one HAL timer. On the interpreter an out-of-memory or stack-overflow interrupt skips
 * `catch` and `finally` and removes the timer that was running, so both the timer and the task are armed again before
 * any work: after an interrupt the timer fires within `GUARD` ms and the interrupted task runs again after `RETRY` ms.
 */
import type { Clock } from '../hal/hal.ts';

/** ms: the wait after an interrupted wake-up. */
const GUARD = 1000;
/** ms until a task that never came back is tried again. A fraction, so that no task's own appointment looks like it. */
const RETRY = 60000.25;
/** ms: timers are set again at least this often; HAL timers end below 2^31. */
const LONGEST = 3600000;
/** ms until a task has another turn that asks for one at once: less than a clock's rounding, and no time would pass between. */
const TURN = 1;
/** Tasks at most. */
const MOST = 20;
/** Turns in a row that a vital task began and did not end well, after which it is stuck. */
const STUCK = 3;
/** What `Schedule.add` is told of a task that others depend on: it must not fail again and again; nor ever sleep. */
export const enum Care {
  Vital = 1,
  Awake = 2,
}
/** A task that has nothing to do. Beyond any uptime: 300,000 years in ms. */
export const NEVER = 1e16;

/** A part that waits. An object, not a function: a bound one costs half a dozen variables on the interpreter. */
export interface Task {
  /** The appointment has come. */
  run(): void;
}

export class Schedule {
  private _tasks: Task[] = [];
  /** Uptime of each task's appointment, ms. */
  private _due: number[] = [];
  /** By task: turns in a row that were not ended well. */
  private _strikes = new Uint8Array(MOST);
  /** Bits of the tasks that must not fail again and again, and of those that must not sleep. */
  private _vital = 0;
  private _wakeful = 0;
  private _timer = 0;
  /** The earliest appointment, and whose it is. */
  private _next = NEVER;
  private _first = 0;
  private _awake = 0;
  private _run: () => void;
  /** Found at once, which a name at the end of all names is not. */
  private _least = Math.min;

  /**
   * @param _clock the HAL's clock
   * @param _owner told what a task threw; the other tasks run on
   */
  constructor(
    private _clock: Clock,
    private _owner: { failed(error: unknown): void },
  ) {
    this._run = this._wake.bind(this);
  }

  /** Adds a task, asleep. @param care absent: none. @returns its number, for `at`. */
  add(task: Task, care?: Care): number {
    if (this._tasks.length >= MOST) throw new Error('too many tasks');
    const bit = 1 << (this._tasks.length & 31);
    if (care) this._vital |= bit;
    if (care === Care.Awake) this._wakeful |= bit;
    this._due.push(NEVER);
    return this._tasks.push(task) - 1;
  }

  /** Runs a task once, `delay` ms from now (`NEVER`: it sleeps); an earlier appointment of the same task is replaced. */
  at(task: number, delay: number): void {
    const due = this._clock.uptime() + delay;
    this._due[task] = due;
    if (due >= this._next || this._awake) return;
    this._first = task;
    this._arm(due, delay);
  }

  private _arm(due: number, delay: number): void {
    this._clock.cancel(this._timer);
    this._next = due;
    this._timer = this._clock.after(delay > 0 ? Math.min(delay, LONGEST) : 0, this._run);
  }

  /** Each task at most once, the most overdue first. Native calls find it: a loop over tasks would cost more than they do. */
  private _wake(): void {
    const now = this._clock.uptime();
    const dues = this._due;
    let task = this._first;
    let due = dues[task];
    let ran = 0;
    this._arm(now + GUARD, GUARD);
    this._awake = 1;
    for (;;) {
      if (due <= now) {
        ran |= 1 << (task & 31);
        dues[task] = now + RETRY;
        this._strikes[task]++;
        try {
          this._tasks[task].run();
          this._strikes[task] = 0;
        } catch (error) {
          this._owner.failed(error);
        }
        // One that failed is tried again; one that came back without an appointment sleeps.
        if (!this._strikes[task] && dues[task] === now + RETRY) dues[task] = NEVER;
      }
      due = this._least.apply(null, dues);
      task = dues.indexOf(due);
      if (due > now || ran & (1 << (task & 31))) break;
    }
    this._first = task;
    this._awake = 0;
    this._arm(due, due > now ? due - this._clock.uptime() : TURN);
  }

  /** @returns a vital task that keeps failing or never wakes again; -1: there is none */
  stuck(): number {
    for (let task = 0; task < this._due.length; task++) {
      const bit = 1 << (task & 31);
      if (this._vital & bit && this._strikes[task] >= STUCK) return task;
      if (this._wakeful & bit && this._due[task] === NEVER) return task;
    }
    return -1;
  }
}
