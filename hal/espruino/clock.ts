import type { Clock } from '../hal.ts';

/** The board's clock goes on through a reset, and is ours to set; put in by the build. */
declare const KEEPS_TIME: boolean;

/** ms by which the board's clock may differ from ours before it is set. */
const COARSE = 1000;
/** s UTC, 2024-01-01: a board's clock that shows less was never set. */
const PLAUSIBLE = 1704067200;
/** Delays end here (exclusive), ms. */
const LONGEST = 2147483648;

/** The interpreter looks a name up by reading all that were declared before it: what runs often holds what it uses. */
interface HostClock extends Clock {
  /** `getTime` itself. */
  _getTime(): number;
  /** `getTime()` of uptime 0, in ms. */
  _started: number;
  /** The last uptime given out. */
  _latest: number;
  /** UTC minus uptime, ms. */
  _offset: number | undefined;
  /** Timers that wait: our handle to the interpreter's. */
  _pending: { [timer: number]: number };
  _handle: number;
}

function fire(pending: { [timer: number]: number }, timer: number, run: () => void): void {
  delete pending[timer];
  run();
}

/**
 * The interpreter's clock and timers. UTC is an offset of our own: the interpreter's `setTime` knows whole seconds on
 * STM32, and stalls or fires every timer on Linux. Handles are our own too: the interpreter gives the highest one out
 * again once its timer is done, so that a late `cancel` would hit a stranger.
 */
export const clock: HostClock = {
  _getTime: getTime,
  _started: 0,
  _latest: 0,
  _offset: undefined,
  _pending: {},
  _handle: 0,

  /** The interpreter's clock goes back when a host's is set; then uptime stands still once and goes on from there. */
  uptime(): number {
    const now = this._getTime() * 1000 - this._started;
    if (now < this._latest) this._started += now - this._latest;
    else this._latest = now;
    return this._latest;
  },

  time(): number | undefined {
    return this._offset === undefined ? undefined : this.uptime() + this._offset;
  },

  setTime(time: number): void {
    if (!isFinite(time)) throw new Error('not a time');
    const uptime = this.uptime();
    if (KEEPS_TIME && Math.abs(this._getTime() * 1000 - time) > COARSE) {
      // After the next reset it is known at once what time it is.
      setTime(time / 1000);
      this._started = this._getTime() * 1000 - uptime;
    }
    this._offset = time - uptime;
  },

  after(delay: number, run: () => void): number {
    if (!(delay >= 0 && delay < LONGEST)) throw new Error('delay out of range');
    const timer = ++this._handle;
    this._pending[timer] = setTimeout(fire, delay, this._pending, timer, run);
    return timer;
  },

  cancel(timer: number): void {
    const waiting = this._pending[timer];
    if (!waiting) return;
    clearTimeout(waiting);
    delete this._pending[timer];
  },
};

/** Uptime starts. UTC is known already where the board's clock outlives a reset. */
export function startClock(): void {
  const now = getTime();
  clock._started = now * 1000;
  clock._latest = 0;
  clock._offset = now > PLAUSIBLE ? now * 1000 : undefined;
}
