/**
 * A whole fleet of real uplinks in simulated time, before one broker that does what a test tells it, without sockets unless
 * the test brings some. It counts who tries to connect, second by second.
 */
import { Uplink } from '../../firmware/link/uplink.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Bytes, Stream, StreamOptions } from '../../hal/hal.ts';
import { SimClock, World } from '../../sim/clock.ts';
import { seeded } from '../../sim/random.ts';

/** ms from a packet to its answer. */
const LATENCY = 20;
/** Source: MQTT 3.1.1 §3.2, §3.9, §3.4, §3.13. */
const ACCEPTED = Uint8Array.of(0x20, 2, 0, 0);
const UNAVAILABLE = Uint8Array.of(0x20, 2, 0, 3);
const GRANTED = Uint8Array.of(0x90, 4, 0, 1, 1, 1);
const PONG = Uint8Array.of(0xd0, 0);

/** What the broker does with who comes: serves, closes the door, takes the connection and says nothing. */
export type Mood = 'serving' | 'down' | 'hanging';

export interface CrowdOptions {
  fleet: number;
  /** s, of every site record */
  window: number;
  seed: number;
  /** ms between a mains failure's end and each board's boot; all boards together, or anything else. Absent: 0. */
  bootAt?(index: number): number;
  /** How connections are opened; absent: to the broker of this test. */
  connect?(power: { on: boolean }, options: StreamOptions, world: World): Stream;
}

export class Crowd {
  readonly world = new World();
  /** Attempts to connect in each second since the world began. */
  readonly attempts: number[] = [];
  /** MQTT packets that came, the same way. */
  readonly packets: number[] = [];
  /** ms at which each controller last went online. */
  readonly onlineAt: number[] = [];
  mood: Mood = 'serving';
  /** Share of connections that the broker refuses in its CONNACK. */
  refusing = 0;
  #links = new Set<CrowdLink>();
  #boards: { on: boolean }[] = [];
  #uplinks: Uplink[] = [];
  #random;

  constructor(private options: CrowdOptions) {
    this.#random = seeded(options.seed);
    for (let index = 0; index < options.fleet; index++) {
      this.#boards.push({ on: false });
      this.world.after(options.bootAt?.(index) ?? 0, () => this.#boot(index));
    }
  }

  /** Controllers that are connected and subscribed. */
  get online(): number {
    return this.#uplinks.filter(({ online }) => online).length;
  }

  /** The broker ends; everybody is thrown off at once. */
  crash(): void {
    this.mood = 'down';
    for (const link of [...this.#links]) link.fail();
  }

  /** The mains fail for an instant in a part of the town: its boards begin anew, and their connections are dead. */
  blackout(isIn: (index: number) => boolean): void {
    this.#boards.forEach((board, index) => {
      if (!isIn(index)) return;
      board.on = false;
      this.world.after(0, () => this.#boot(index));
    });
    for (const link of this.#links) if (!link.power.on) this.#links.delete(link);
  }

  /** @returns attempts in the busiest second, and how many on average over the seconds from `from` to `to` */
  load(from = 0, to = this.attempts.length): { peak: number; mean: number } {
    const seconds = Array.from({ length: to - from }, (_, at) => this.attempts[from + at] ?? 0);
    return { peak: Math.max(...seconds), mean: seconds.reduce((sum, count) => sum + count, 0) / seconds.length };
  }

  #boot(index: number): void {
    const { seed, window } = this.options;
    const { world } = this;
    const power = { on: true };
    this.#boards[index] = power;
    const random = seeded(`${seed} ${index} ${world.now}`);
    const schedule = new Schedule(new SimClock(world, power), {
      failed: (error) => {
        throw error;
      },
    });
    const hal = {
      clock: new SimClock(world, power),
      random: () => random.next(),
      connect: (options: StreamOptions) => this.#connect(power, options),
    };
    const uplink: Uplink = new Uplink(hal, schedule, {
      host: 'broker.example',
      port: 8883,
      tls: true,
      clientId: `node-${String(index).padStart(6, '0')}`,
      keepAlive: 1200,
      window,
      willTopic: 'link',
      willPayload: Uint8Array.of(0),
      subscriptions: ['cmd', 'time'],
      owner: {
        // What a session says at first: birth, link, report; and it asks for the time.
        greet: () => {
          this.onlineAt[index] = world.now;
          uplink.publish('birth', new Uint8Array(180), 1, true);
          uplink.publish('link', Uint8Array.of(1), 1, true);
          uplink.publish('report', new Uint8Array(90), 1, false);
          uplink.publish('ask', new Uint8Array(5), 0, false);
        },
        receive: () => {},
      },
    });
    this.#uplinks[index] = uplink;
  }

  #connect(power: { on: boolean }, options: StreamOptions): Stream {
    count(this.attempts, this.world.now);
    if (this.options.connect) return this.options.connect(power, options, this.world);
    const link = new CrowdLink(this, power, options, this.#links);
    if (this.mood === 'down') this.world.after(LATENCY, () => link.fail());
    else this.world.after(LATENCY, () => link.open());
    return link;
  }

  /** @returns whether a connection is taken in */
  accepts(): boolean {
    return !this.#random.chance(this.refusing);
  }
}

function count(seconds: number[], now: number): void {
  const second = Math.floor(now / 1000);
  seconds[second] = (seconds[second] ?? 0) + 1;
}

class CrowdLink implements Stream {
  #closed = false;

  constructor(
    private crowd: Crowd,
    readonly power: { on: boolean },
    private options: StreamOptions,
    private links: Set<CrowdLink>,
  ) {
    links.add(this);
  }

  open(): void {
    if (!this.#closed && this.power.on) this.options.onWritable();
  }

  fail(): void {
    if (this.#closed || !this.power.on) return;
    this.options.onError(new Error('connection lost'));
  }

  write(data: Bytes): boolean {
    const { crowd } = this;
    count(crowd.packets, crowd.world.now);
    const kind = data[0] & 0xf0;
    if (crowd.mood === 'hanging') return true;
    if (kind === 0x10) this.#answer(crowd.accepts() ? ACCEPTED : UNAVAILABLE);
    else if (kind === 0x80) this.#answer(GRANTED);
    else if (kind === 0xc0) this.#answer(PONG);
    else if (data[0] & 2) {
      // Behind a fixed header of two or three bytes the topic, and behind that the identifier.
      const topic = data[1] < 128 ? 2 : 3;
      const at = topic + 2 + ((data[topic] << 8) | data[topic + 1]);
      this.#answer(Uint8Array.of(0x40, 2, data[at], data[at + 1]));
    }
    return true;
  }

  close(): void {
    this.#closed = true;
    this.links.delete(this);
  }

  #answer(data: Uint8Array): void {
    this.crowd.world.after(LATENCY, () => {
      if (this.#closed || !this.power.on || this.crowd.mood !== 'serving') return;
      this.options.onData(data);
    });
  }
}
