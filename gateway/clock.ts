/** Timers that ride on the gateway's idea of time, which in a bench runs faster than the wall clock. */

/** ms of real time between two looks at the clock. */
const LOOK = 100;

export class Clock {
  private readonly timers = new Map<number, { due: number; run: () => void }>();
  private last = 0;
  private readonly looking: NodeJS.Timeout;

  /** @param now ms UTC; may be simulated */
  constructor(readonly now: () => number) {
    this.looking = setInterval(() => this.tick(), LOOK);
    this.looking.unref();
  }

  /** Runs `run` once, when `delay` ms of `now` have passed. @returns a function that takes it back */
  after(delay: number, run: () => void): () => void {
    const timer = ++this.last;
    this.timers.set(timer, { due: this.now() + delay, run });
    return () => this.timers.delete(timer);
  }

  /** Runs what is due. Called every 100 ms of real time; a test that moves the time calls it at once. */
  tick(): void {
    const now = this.now();
    for (const [timer, { due, run }] of [...this.timers]) {
      if (due > now || !this.timers.delete(timer)) continue;
      run();
    }
  }

  close(): void {
    clearInterval(this.looking);
    this.timers.clear();
  }
}

/**
 * Waits for some work.
 * @param patience ms of the clock's time
 * @param realPatience ms of real time, should the clock stand still
 * @returns what the work gives, undefined when it takes longer; rejects when it does
 */
export function within<T>(
  clock: Clock,
  work: Promise<T>,
  patience: number,
  realPatience: number,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      clearTimeout(timer);
    };
    const late = (): void => {
      stop();
      resolve(undefined);
    };
    const cancel = clock.after(patience, late);
    const timer = setTimeout(late, realPatience);
    work.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error) => {
        stop();
        reject(error);
      },
    );
  });
}
