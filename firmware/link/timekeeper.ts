/**
 * Keeps UTC. Asks the gateway what time it is, adds half of what question and answer took together, and then lets the
 * clock glide where that is enough: a clock that jumps tells an instant twice or not at all. Without an answer it runs on.
 *
 * An answer is right to half its round trip (RFC 5905 §8, with one server); the clock itself gets worse by its drift. A
 * slow answer counts only where the clock is much worse, or cannot be right.
 */
import type { Clock } from '../../hal/hal.ts';
import type { Schedule } from '../schedule.ts';
import { TimeKey } from './messages.ts';

/** ms UTC: 2024 and 2106, outside which no gateway's clock can be right. */
const EARLIEST = 1704067200000;
const LATEST = 4294967295000;
/** ms: a longer round trip tells nothing worth having; one of `GOOD` or less is good enough for an hour. */
const LONGEST_TRIP = 10000;
const GOOD = 150;
/** Times that a slow answer has to be better than the clock. */
const BETTER = 4;
/** ms from a question that had no good answer to the next: doubled each time, up to the time between questions otherwise. */
const FIRST = 30000;
const PERIOD = 3600000;
/** The same while the time is unknown: the gateway answers only who asks, and may be away for long. */
const UNKNOWN = 60000;
/** ms between questions while the crystal is being learned. */
const EARLY = 600000;
/** ms of good answers from which the crystal can be told, is known, and is told anew. */
const ENOUGH = 1800000;
const LEARNED = 7200000;
const LONG = 86400000;
/** Of a pause, that is random: a street that was switched on together shall not ask together for ever. */
const SPREAD = 0.2;
/** ms from which on the clock is set at once; below it glides, half a second a minute, in a step every so many ms. */
const JUMP = 60000;
const GLIDE = 1 / 120;
const STEP = 10000;
/** ms between the steps that make up for the crystal only. */
const TRIM = 600000;
/** By which the board's crystal may be wrong. */
const DRIFT = 0.0001;
/** ms of a difference below which the clock stays as it is. */
const FINE = 1;
/** The question in bits that every CBOR library reads alike. */
const TURN = 4294967296;

/** Who can ask. */
export interface Asker {
  /** @param uptime what the answer echoes. @returns false: it did not go out */
  ask(uptime: number): boolean;
}

/** Whose clock it is. */
export interface TimeOwner {
  /** It is this time, ms UTC. @param jump it is not what the clock was expected to say */
  setTime(time: number, jump: boolean): void;
}

export class Timekeeper {
  /** Uptime at which the gateway last confirmed the clock; 0: not yet. */
  confirmed = 0;
  /** Uptime of the question whose answer is still good; negative: there is none. */
  private _asked = -1;
  /** Uptime of the next question. */
  private _due = 0;
  private _pause = FIRST;
  /** ms by which the clock is still behind. */
  private _behind = 0;
  /** ms by which the crystal is slow, in a ms. */
  private _slow = 0;
  /** Uptime of the last step. */
  private _stepped = 0;
  /** Uptime from which on the crystal is watched, and what the clock has gained by steps since then. */
  private _since = 0;
  private _gained = 0;
  /** ms by which the clock was wrong at most when it was confirmed. */
  private _error = JUMP;
  private _task: number;

  /** It sleeps until `begin`. */
  constructor(
    private _hal: { readonly clock: Clock; random(): number },
    private _schedule: Schedule,
    private _asker: Asker,
    private _owner: TimeOwner,
  ) {
    this._task = _schedule.add(this);
  }

  /** The link has come up, or something failed for want of a clock: asks at once. */
  begin(): void {
    this._pause = FIRST;
    this._due = 0;
    this._schedule.at(this._task, 0);
  }

  /** @internal */
  run(): void {
    const clock = this._hal.clock;
    const now = clock.uptime();
    const time = clock.time();
    const passed = now - this._stepped;
    this._stepped = now;
    this._behind += passed * this._slow;
    if (time !== undefined && Math.abs(this._behind) >= FINE) {
      const step = Math.max(-passed * GLIDE, Math.min(passed * GLIDE, this._behind));
      this._behind -= step;
      this._gained += step;
      this._owner.setTime(time + step, false);
    }
    if (this._due - now < 1) {
      this._asked = Math.floor(now);
      this._due = now + this._pause * (1 - SPREAD * this._hal.random());
      this._pause = Math.min(time === undefined ? UNKNOWN : PERIOD, 2 * this._pause);
      // Without a link it is asked when there is one.
      if (!this._asker.ask(this._asked % TURN)) this._asked = -1;
    }
    this._schedule.at(this._task, Math.min(Math.abs(this._behind) < FINE ? TRIM : STEP, this._due - now));
  }

  /** An answer. @param content by `TimeKey`. @param arrived uptime at which it came */
  take(content: Record<number, unknown>, arrived: number): void {
    const asked = this._asked;
    // Who has not asked believes nobody: what comes later than expected was held up somewhere.
    if (asked < 0 || content[TimeKey.Echo] !== asked % TURN) return;
    this._asked = -1;
    const trip = arrived - asked;
    const told = Number(content[TimeKey.Seconds]) * 1000 + Number(content[TimeKey.Milliseconds]);
    if (trip > LONGEST_TRIP || !(told >= EARLIEST && told <= LATEST)) return;
    const clock = this._hal.clock;
    const now = clock.uptime();
    const before = clock.time();
    const error = trip / 2;
    const time = told + error + now - arrived;
    const gap = before === undefined ? JUMP : time - before;
    const wrong = Math.abs(gap - this._behind);
    const doubt = this._error + (now - this.confirmed) * DRIFT;
    this.confirmed = now;
    const good = trip <= GOOD;
    const since = now - this._since;
    const jump = Math.abs(gap) >= JUMP;
    const keep = !good && error * BETTER > doubt && wrong <= error + doubt;
    this._error = keep ? doubt : error;
    if (!keep) this._behind = jump ? 0 : gap;
    if (!keep && jump) this._owner.setTime(time, true);
    if (good) {
      const slow = (this._gained + gap) / since;
      this._pause = FIRST;
      if (!this._since || jump || (since > ENOUGH && Math.abs(slow) > DRIFT)) {
        this._since = now;
        this._gained = -this._behind;
      } else if (since > ENOUGH) this._slow = slow;
      if (since > LONG) {
        // What is old counts for less and less.
        this._since += since / 2;
        this._gained /= 2;
      }
      const pause = now - this._since < LEARNED ? EARLY : PERIOD;
      this._due = now + pause * (1 - SPREAD * this._hal.random());
    }
    this._schedule.at(this._task, Math.min(Math.abs(this._behind) < FINE ? TRIM : STEP, this._due - now));
  }
}
