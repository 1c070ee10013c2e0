import type { Clock } from '../hal.ts';

/** s UTC, 2024-01-01: a board's clock that shows less was never set. */
const PLAUSIBLE = 1704067200;
/** Delays end here (exclusive), ms. */
const LONGEST = 2147483648;

/** `getTime()` of uptime 0, in ms. */
let started = 0;
/** The last uptime given out. */
let latest = 0;
/** UTC minus uptime, ms. */
let offset: number | undefined;
/** Timers that wait: our handle to the interpreter's. */
const pending: { [timer: number]: number } = {};
let handle = 0;

function fire(timer: number, run: () => void): void {
  delete pending[timer];
  run();
}

/**
 * The interpreter's clock and timers. UTC is an offset of our own: the interpreter's `setTime` stalls or fires every
 * timer on Linux. Handles are our own too: the interpreter gives the highest one out again once its timer is done, so
 * that a late `cancel` would hit a stranger.
 */
export const clock: Clock = {
  /** The interpreter's clock goes back when a host's is set; then uptime stands still once and goes on from there. */
  uptime(): number {
    let now = getTime() * 1000 - started;
    if (now < latest) {
      started += now - latest;
      now = latest;
    }
    latest = now;
    return now;
  },

  time: () => (offset === undefined ? undefined : clock.uptime() + offset),

  setTime(time: number): void {
    if (!isFinite(time)) throw new Error('not a time');
    offset = time - clock.uptime();
  },

  after(delay: number, run: () => void): number {
    if (!(delay >= 0 && delay < LONGEST)) throw new Error('delay out of range');
    handle++;
    pending[handle] = setTimeout(fire, delay, handle, run);
    return handle;
  },

  cancel(timer: number): void {
    if (!pending[timer]) return;
    clearTimeout(pending[timer]);
    delete pending[timer];
  },
};

/** Uptime starts. UTC is known already where the board's clock outlives a reset. */
export function startClock(): void {
  started = getTime() * 1000;
  latest = 0;
  offset = getTime() > PLAUSIBLE ? started : undefined;
}
