/** A serial port with simulated time and scripted stations, just enough of a Hal for one Modbus line. */
import type { Clock, Done, Hal, Serial, SerialOptions } from '../../hal/hal.ts';

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  now = 0;
  timers = new Map<number, { due: number; run: () => void }>();
  #last = 0;

  uptime() {
    return this.now;
  }
  time() {
    return undefined;
  }
  setTime() {}
  after(delay: number, run: () => void) {
    this.timers.set(++this.#last, { due: this.now + delay, run });
    return this.#last;
  }
  cancel(timer: number) {
    this.timers.delete(timer);
  }

  /** Runs everything that is due within the next `duration` ms. */
  run(duration: number) {
    const end = this.now + duration;
    for (;;) {
      let first: [number, { due: number; run: () => void }] | undefined;
      for (const entry of this.timers) if (!first || entry[1].due < first[1].due) first = entry;
      if (!first || first[1].due > end) break;
      this.timers.delete(first[0]);
      this.now = Math.max(this.now, first[1].due);
      first[1].run();
    }
    this.now = end;
  }
}

/** Bytes that a station sends. `at`: ms from the end of the request to the arrival of the last of them. */
export interface Burst {
  at: number;
  bytes: ArrayLike<number>;
}

/** A request as the wire carried it. */
export interface Sent {
  bytes: Uint8Array;
  start: number;
  end: number;
}

export class FakeLine {
  clock = new FakeClock();
  sent: Sent[] = [];
  /** What the stations answer. */
  answer: (request: Uint8Array, count: number) => Burst[] = () => [];
  /** ms by which the driver's `done` comes later than the last stop bit. */
  lateDone = 0;
  /** The driver never reports the end of a transmission. */
  deaf = false;
  options: (SerialOptions & { echo?: boolean }) | undefined;
  closed = false;
  #busy = false;

  /** As much of a Hal as a line asks for. */
  get hal(): Hal {
    return { clock: this.clock, openSerial: (options: SerialOptions) => this.#open(options) } as unknown as Hal;
  }

  /** Bytes arrive `delay` ms from now. */
  deliver(bytes: ArrayLike<number>, delay: number) {
    this.clock.after(delay, () => {
      if (this.closed) return;
      const data = Uint8Array.from(bytes);
      this.options?.onData(data);
      data.fill(0xdb);
    });
  }

  #open(options: SerialOptions): Serial {
    this.options = options;
    return {
      write: (data: Uint8Array, done?: Done) => {
        if (this.#busy) throw new Error('write before done');
        this.#busy = true;
        const bytes = Uint8Array.from(data);
        const start = this.clock.now;
        const duration = (bytes.length * 10_000) / options.baud;
        const count = this.sent.push({ bytes, start, end: start + duration });
        if (this.options?.echo) this.deliver(bytes, duration);
        this.clock.after(duration + this.lateDone, () => {
          if (this.deaf) return;
          this.#busy = false;
          done?.(null);
        });
        for (const burst of this.answer(bytes, count)) this.deliver(burst.bytes, duration + burst.at);
      },
      close: () => {
        this.closed = true;
      },
    };
  }
}
