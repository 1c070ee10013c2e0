/**
 * A bad network before an MQTT broker: it cuts connections, also in the middle of a packet, delivers packets of QoS 1 and
 * their acknowledgements twice, and late. Within a connection packets stay whole and in order, as TCP promises.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '../../../sim/random.ts';

/** First byte of packets, without flags. Source: MQTT 3.1.1 §2.2.1. */
const PUBLISH = 0x30;
const PUBACK = 0x40;
const SUBACK = 0x90;
const DUPLICATE = 0x08;
const AT_LEAST_ONCE = 0x02;

/** Probabilities for each packet. */
export interface Badness {
  /** The connection ends after a part of it. */
  truncate: number;
  /** It comes twice. */
  duplicate: number;
  /** It waits up to `longest` ms, and all behind it. */
  delay: number;
  longest: number;
}

export const GOOD: Badness = { truncate: 0, duplicate: 0, delay: 0, longest: 0 };

export class BadNetwork {
  badness = GOOD;
  packets = 0;
  truncated = 0;
  duplicated = 0;
  delayed = 0;
  cut = 0;
  #pairs = new Set<Pair>();
  #server: Server;

  private constructor(
    readonly target: number,
    readonly random: Random,
  ) {
    this.#server = createServer((near) => {
      const pair = new Pair(this, near);
      this.#pairs.add(pair);
      near.once('close', () => this.#pairs.delete(pair));
    });
  }

  /** @param target port of the broker on this machine */
  static async open(target: number, random: Random): Promise<BadNetwork> {
    const network = new BadNetwork(target, random);
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    return network;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are being made: until a client has its subscriptions. */
  get greeting(): number {
    let count = 0;
    for (const { greeted } of this.#pairs) if (!greeted) count++;
    return count;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Cuts one connection. */
  cutOne(): void {
    const pairs = [...this.#pairs];
    if (pairs.length === 0) return;
    this.cut++;
    pairs[this.random.below(pairs.length)].end();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const pair of this.#pairs) pair.end();
    await closed;
  }
}

class Pair {
  greeted = false;
  #far: Socket;

  constructor(
    network: BadNetwork,
    private near: Socket,
  ) {
    this.#far = connect(network.target, '127.0.0.1');
    const up = new Way(network, this.#far, () => this.end());
    const down = new Way(
      network,
      near,
      () => this.end(),
      (kind) => {
        if (kind === SUBACK) this.greeted = true;
      },
    );
    near.on('data', (data) => up.take(data));
    this.#far.on('data', (data) => down.take(data));
    for (const socket of [near, this.#far]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.end());
      socket.on('close', () => this.end());
    }
  }

  end(): void {
    this.near.destroy();
    this.#far.destroy();
  }
}

/** One direction of a connection, packet by packet. */
class Way {
  #bytes: Buffer = Buffer.alloc(0);
  #waiting: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Nothing comes after a packet that was cut. */
  #over = false;

  constructor(
    private network: BadNetwork,
    private to: Socket,
    private end: () => void,
    private passed: (kind: number) => void = () => {},
  ) {}

  take(data: Buffer): void {
    this.#bytes = this.#bytes.length > 0 ? Buffer.concat([this.#bytes, data]) : data;
    for (let length = lengthOf(this.#bytes); length > 0; length = lengthOf(this.#bytes)) {
      const packet = this.#bytes.subarray(0, length);
      this.#bytes = this.#bytes.subarray(length);
      this.#pass(packet);
    }
  }

  #pass(packet: Buffer): void {
    const { network } = this;
    const { random, badness } = network;
    const kind = packet[0] & 0xf0;
    network.packets++;
    if (this.#over || this.to.destroyed) return;
    if (random.chance(badness.truncate)) {
      network.truncated++;
      this.#over = true;
      this.to.write(packet.subarray(0, 1 + random.below(packet.length - 1)), () => this.end());
      return;
    }
    if (!this.#timer && random.chance(badness.delay)) {
      network.delayed++;
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        for (const waiting of this.#waiting.splice(0)) if (!this.#over) this.#write(waiting);
      }, 1 + random.below(badness.longest));
    }
    this.#write(packet);
    const again = kind === PUBACK || (kind === PUBLISH && (packet[0] & AT_LEAST_ONCE) > 0);
    if (again && random.chance(badness.duplicate)) {
      network.duplicated++;
      const copy = Buffer.from(packet);
      if (kind === PUBLISH) copy[0] |= DUPLICATE;
      this.#write(copy);
    }
  }

  #write(packet: Buffer): void {
    if (this.#timer) {
      this.#waiting.push(packet);
      return;
    }
    if (this.to.destroyed) return;
    this.to.write(packet);
    this.passed(packet[0] & 0xf0);
  }
}

/** @returns bytes of the packet at the beginning; 0: it is not whole yet. Source: MQTT 3.1.1 §2.2.3. */
function lengthOf(bytes: Buffer): number {
  let length = 0;
  for (let at = 1; at < 5; at++) {
    if (at >= bytes.length) return 0;
    length += (bytes[at] & 127) * 128 ** (at - 1);
    if (bytes[at] < 128) return at + 1 + length <= bytes.length ? at + 1 + length : 0;
  }
  throw new Error('this is not MQTT');
}
