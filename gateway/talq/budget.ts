/**
 * How much one CMS can make the gateway hold at once: what a request brings and what its answer was the last time. Beyond
 * that, requests wait their turn before their body is read. Each CMS has a budget of its own, so none waits for another.
 */

/** Bytes of requests and answers that are worked on at once. */
export const BUDGET = 16777216;
/** Requests that wait, and ms of real time for which one does. */
export const MOST_WAITING = 2048;
export const LONGEST_WAIT = 20000;
/** Bytes of an answer that nobody has seen yet, and of the smallest. */
const UNSEEN = 1048576;
const LEAST = 16384;

interface Waiting {
  bytes: number;
  go: (admitted: boolean) => void;
}

export class Budget {
  private held = 0;
  private readonly queue: Waiting[] = [];
  private readonly seen = new Map<string, number>();

  /** Requests that wait now. */
  get waiting(): number {
    return this.queue.length;
  }

  /**
   * Waits until there is room. @param route what the size of the answer depends on. @param body bytes
   * @returns a function that gives the room back, which may be called again; undefined: there was none in time
   */
  async enter(route: string, body: number): Promise<(() => void) | undefined> {
    const bytes = body + (this.seen.get(route) ?? UNSEEN);
    if (this.queue.length > 0 || !this.fits(bytes)) {
      if (this.queue.length >= MOST_WAITING || !(await this.wait(bytes))) return undefined;
    } else this.held += bytes;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.held -= bytes;
      this.admit();
    };
  }

  /** Notes how long an answer was. */
  learn(route: string, bytes: number): void {
    this.seen.set(route, bytes + LEAST);
  }

  /** One request is always admitted, however much it holds. */
  private fits(bytes: number): boolean {
    return this.held === 0 || this.held + bytes <= BUDGET;
  }

  private wait(bytes: number): Promise<boolean> {
    return new Promise((resolve) => {
      const entry: Waiting = {
        bytes,
        go: (admitted) => {
          clearTimeout(timer);
          resolve(admitted);
        },
      };
      const timer = setTimeout(() => {
        this.queue.splice(this.queue.indexOf(entry), 1);
        resolve(false);
        this.admit();
      }, LONGEST_WAIT);
      this.queue.push(entry);
    });
  }

  private admit(): void {
    for (let next = this.queue[0]; next && this.fits(next.bytes); next = this.queue[0]) {
      this.queue.shift();
      this.held += next.bytes;
      next.go(true);
    }
  }
}
