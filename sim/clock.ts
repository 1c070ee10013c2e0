/**
 * Simulated time. A `World` is one queue of events that several controllers may share; each boot of a controller has its
 * own `SimClock` on it, with its own uptime and its own idea of UTC. Time moves only in `run` and `advance`.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../hal/hal.ts';

/** Who an event belongs to. Events of an owner that is no longer `on` are dropped, as a power cut drops them. */
export interface Owner {
  on: boolean;
  /** Told what a callback threw. Without it the error leaves `World.run`. */
  failed?(error: unknown): void;
}

/** Thrown out of code that runs when the power goes. Firmware cannot act on it: nothing of that boot runs again. */
export class PowerCut extends Error {
  constructor() {
    super('the power is off');
  }
}

interface Event {
  due: number;
  order: number;
  run: (() => void) | undefined;
  owner: Owner | undefined;
}

/** ms of simulated time between two looks at sockets in `World.advance`. */
const SLICE = 10;

/** Events of one instant, beyond which whoever asks for the next one would never let time go on. */
const MOST_AT_ONCE = 1_000_000;

const before = (a: Event, b: Event) => a.due < b.due || (a.due === b.due && a.order < b.order);

export class World {
  #now = 0;
  #order = 0;
  #heap: Event[] = [];
  #events = new Map<number, Event>();
  #running = false;

  /** ms since the world began, with fractions. */
  get now(): number {
    return this.#now;
  }

  /** Number of events that wait. */
  get pending(): number {
    return this.#events.size;
  }

  /** Runs `run` in `delay` ms; events of one instant run in the order they were made. @returns a handle, never reused. */
  after(delay: number, run: () => void, owner?: Owner): number {
    const event: Event = { due: this.#now + delay, order: ++this.#order, run, owner };
    this.#events.set(event.order, event);
    this.#push(event);
    return event.order;
  }

  /** Unknown handles are ignored. */
  cancel(handle: number): void {
    const event = this.#events.get(handle);
    if (!event) return;
    event.run = undefined;
    this.#events.delete(handle);
    // Cancelled events stay in the heap until they are due; a watchdog fed for a year must not fill the memory.
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#events.size) this.#compact();
  }

  /** Moves time by `ms`, running what falls due; stays inside the call. What a callback without `failed` throws leaves it. */
  run(ms: number): void {
    if (this.#running) throw new Error('time is already moving');
    if (!(ms >= 0)) throw new RangeError(`cannot move time by ${ms} ms`);
    const end = this.#now + ms;
    let still = 0;
    this.#running = true;
    try {
      for (let first = this.#heap[0]; first && first.due <= end; first = this.#heap[0]) {
        this.#pop();
        if (!first.run) continue;
        this.#events.delete(first.order);
        still = first.due === this.#now ? still + 1 : 0;
        if (still > MOST_AT_ONCE) throw new Error(`time stands still at ${this.#now} ms`);
        this.#now = first.due;
        if (first.owner?.on !== false) this.#call(first.run, first.owner);
      }
      this.#now = end;
    } finally {
      this.#running = false;
    }
  }

  /** As `run`, and lets sockets and promises have their turn every `slice` ms of simulated time. */
  async advance(ms: number, slice = SLICE): Promise<void> {
    const end = this.#now + ms;
    await turn();
    while (this.#now < end) {
      this.run(Math.min(slice, end - this.#now));
      await turn();
    }
    if (ms === 0) this.run(0);
  }

  #call(run: () => void, owner: Owner | undefined): void {
    try {
      run();
    } catch (error) {
      if (error instanceof PowerCut) return;
      if (!owner?.failed) throw error;
      owner.failed(error);
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(event, heap[up])) break;
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = event;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last && this.#heap.length) this.#sink(0, last);
  }

  #sink(hole: number, event: Event): void {
    const heap = this.#heap;
    const size = heap.length;
    let at = hole;
    for (let down = 2 * at + 1; down < size; down = 2 * at + 1) {
      if (down + 1 < size && before(heap[down + 1], heap[down])) down++;
      if (!before(heap[down], event)) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = event;
  }

  #compact(): void {
    this.#heap = this.#heap.filter((event) => event.run);
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at, this.#heap[at]);
  }
}

/** Timer delays end here (exclusive). Source: the limit of every `setTimeout` with a 32-bit delay. */
const LONGEST = 2 ** 31;

/** ms: the shortest wait. Less would be lost in the rounding of a late hour, and firmware would ask for it for ever. */
const RESOLUTION = 0.001;

/** The clock of one boot. */
export class SimClock implements Clock {
  #world: World;
  #power: Owner;
  #boot: number;
  #offset: number | undefined;

  constructor(world: World, power: Owner) {
    this.#world = world;
    this.#power = power;
    this.#boot = world.now;
  }

  uptime(): number {
    return this.#world.now - this.#boot;
  }

  time(): number | undefined {
    return this.#offset === undefined ? undefined : this.uptime() + this.#offset;
  }

  setTime(time: number): void {
    if (typeof time !== 'number' || !Number.isFinite(time)) throw new RangeError(`${time} is not a time`);
    this.#offset = time - this.uptime();
  }

  after(delay: number, run: () => void): number {
    if (!(delay >= 0 && delay < LONGEST)) throw new RangeError(`delay ${delay} is not in 0..2^31-1`);
    if (typeof run !== 'function') throw new TypeError('a timer needs a function');
    const wait = delay > 0 ? Math.max(delay, RESOLUTION) : 0;
    return this.#power.on ? this.#world.after(wait, run, this.#power) : 0;
  }

  cancel(timer: number): void {
    if (this.#power.on) this.#world.cancel(timer);
  }

  /** For tests: moves the world's time without leaving the call. Sockets get no turn. */
  run(ms: number): void {
    this.#world.run(ms);
  }

  /** For tests: moves the world's time and lets sockets have their turn. */
  advance(ms: number): Promise<void> {
    return this.#world.advance(ms);
  }
}
