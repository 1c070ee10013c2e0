/** Byte streams for simulated boards: real TCP, any Duplex, or a pipe inside simulated time; with faults to order. */
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { Bytes, Stream, StreamOptions } from '../hal/hal.ts';
import { type Owner, PowerCut, type World } from './clock.ts';

export interface Target {
  host: string;
  port: number;
  tls: boolean;
}

/** What a connection tells its board. May be called at any time, also outside simulated time. */
export interface Listener {
  connected(): void;
  data(data: Bytes): void;
  /** At most once, also when the peer ended in good order. */
  failed(error: Error): void;
}

export interface Connection {
  /** @param sent the bytes have left */
  write(data: Bytes, sent: () => void): void;
  /** Sends what is queued, then ends. */
  end(): void;
  /** Ends at once, as a power cut does. */
  destroy(): void;
}

/** Opens connections for a board. */
export type Dial = (target: Target, listener: Listener) => Connection;

/** ms that an orderly end may take before it is forced. */
const LINGER = 1000;

function overDuplex(duplex: Duplex, connectedEvent: string | undefined, listener: Listener): Connection {
  let over = false;
  const fail = (error: Error) => {
    if (over) return;
    over = true;
    listener.failed(error);
  };
  duplex.on('data', (chunk: Buffer) => {
    if (!over) listener.data(chunk);
  });
  duplex.on('error', fail);
  duplex.on('end', () => fail(new Error('the peer ended the connection')));
  duplex.on('close', () => fail(new Error('the connection is closed')));
  if (connectedEvent) duplex.once(connectedEvent, () => listener.connected());
  else process.nextTick(() => listener.connected());
  return {
    write: (data, sent) => {
      duplex.write(data, (error) => {
        if (!error) sent();
      });
    },
    end: () => {
      over = true;
      duplex.end();
      setTimeout(() => duplex.destroy(), LINGER).unref();
    },
    destroy: () => {
      over = true;
      duplex.destroy();
    },
  };
}

/** Connects through the host's TCP/IP, TLS with the host's trust store. */
export const dialTcp: Dial = (target, listener) => {
  const { host, port } = target;
  const socket = target.tls ? tls.connect({ host, port, servername: host }) : net.connect({ host, port });
  socket.setNoDelay(true);
  return overDuplex(socket, target.tls ? 'secureConnect' : 'connect', listener);
};

/** @param open gives the near end of a connection, or throws to refuse it */
export function dialDuplex(open: (target: Target) => Duplex): Dial {
  return (target, listener) => {
    try {
      return overDuplex(open(target), undefined, listener);
    } catch (error) {
      listener.failed(error as Error);
      return { write: () => {}, end: () => {}, destroy: () => {} };
    }
  };
}

/** The far end of a pipe, for a test that plays the server. */
export interface FarEnd {
  /** Set it to hear the board. `data` belongs to the receiver. */
  onData: (data: Uint8Array) => void;
  /** Called when the board has ended the connection. */
  onEnd: () => void;
  /** Sends a copy to the board. */
  write(data: Uint8Array): void;
  /** Ends the connection in good order. */
  end(): void;
}

/**
 * Connects without sockets, wholly inside simulated time, so that `World.run` needs no turn of the event loop.
 *
 * @param accept called for every connection with its far end and target; throws to refuse it
 * @param latency ms one way
 */
export function dialPipe(world: World, accept: (end: FarEnd, target: Target) => void, latency = 10): Dial {
  return (target, listener) => {
    let open = true;
    const later = (run: () => void) => world.after(latency, () => open && run());
    const far: FarEnd = {
      onData: () => {},
      onEnd: () => {},
      write: (data) => {
        const copy = new Uint8Array(data);
        later(() => listener.data(copy));
      },
      end: () => {
        later(() => {
          open = false;
          listener.failed(new Error('the peer ended the connection'));
        });
      },
    };
    later(() => {
      try {
        accept(far, target);
        listener.connected();
      } catch (error) {
        open = false;
        listener.failed(error as Error);
      }
    });
    return {
      write: (data, sent) => {
        later(() => {
          sent();
          far.onData(data);
        });
      },
      end: () => {
        later(() => {
          open = false;
          far.onEnd();
        });
      },
      destroy: () => {
        open = false;
        world.after(latency, () => far.onEnd());
      },
    };
  };
}

/** A board's access to the network, and the faults of it. */
export class Network {
  /** New connections fail. */
  refuse = false;
  /** ms that every event of a connection is held back. */
  delay = 0;
  /** Nothing passes in either direction and nobody is told, as when a router forgets a connection. */
  silent = false;
  /** bytes accepted before `write` answers false. */
  window = 4096;
  /** Bytes sent and received since the world began. */
  sent = 0;
  received = 0;
  #streams = new Set<SimStream>();

  constructor(
    readonly world: World,
    readonly dial: Dial,
  ) {}

  /** Number of streams that are connected. */
  get connected(): number {
    return [...this.#streams].filter((stream) => stream.connected).length;
  }

  /** Every connection breaks. */
  cut(): void {
    for (const stream of [...this.#streams]) stream.cut();
  }

  /** @see Hal.connect */
  connect(power: Owner, options: StreamOptions): Stream {
    const { host, port } = options;
    if (typeof host !== 'string' || host === '') throw new RangeError('a stream needs a host');
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new RangeError(`${port} is not a port`);
    for (const name of ['onWritable', 'onData', 'onError'] as const) {
      if (typeof options[name] !== 'function') throw new TypeError(`a stream needs ${name}`);
    }
    const stream = new SimStream(this, power, options, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    return stream;
  }

  /** The board lost its power: connections break without a word from it. */
  reset(): void {
    for (const stream of [...this.#streams]) stream.drop();
  }
}

type State = 'connecting' | 'open' | 'failed' | 'closed';

class SimStream implements Stream {
  #state: State = 'connecting';
  #connection: Connection | undefined;
  #unsent = 0;
  #waiting = false;
  #last = 0;

  constructor(
    private network: Network,
    private power: Owner,
    private options: StreamOptions,
    private gone: () => void,
  ) {
    if (network.refuse) {
      this.#fail(new Error('connection refused'));
      return;
    }
    const target = { host: options.host, port: options.port, tls: options.tls === true };
    this.#connection = network.dial(target, {
      connected: () => this.#post(() => this.#opened()),
      data: (data) => this.#post(() => this.#heard(data)),
      failed: (error) => this.#fail(error),
    });
  }

  get connected(): boolean {
    return this.#state === 'open';
  }

  write(data: Bytes): boolean {
    if (!this.power.on) throw new PowerCut();
    if (this.#state !== 'open') throw new Error(`the stream is ${this.#state}`);
    if (!(data instanceof Uint8Array)) throw new TypeError('a stream takes bytes');
    const length = data.length;
    this.#unsent += length;
    this.network.sent += length;
    if (!this.network.silent) {
      this.#connection?.write(new Uint8Array(data), () => {
        this.#unsent -= length;
        if (this.#waiting && this.#unsent <= this.network.window / 2) this.#post(() => this.#roomAgain());
      });
    }
    if (this.#unsent < this.network.window) return true;
    this.#waiting = true;
    return false;
  }

  close(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'open' && !this.network.silent) this.#connection?.end();
    else this.#connection?.destroy();
    this.#state = 'closed';
    this.gone();
  }

  /** Breaks, and tells the board. */
  cut(): void {
    if (this.#state !== 'connecting' && this.#state !== 'open') return;
    this.#connection?.destroy();
    this.#fail(new Error('the connection is cut'));
  }

  /** Breaks without telling the board. */
  drop(): void {
    if (this.#state !== 'closed') this.#connection?.destroy();
    this.#state = 'closed';
    this.gone();
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.options.onWritable();
  }

  #heard(data: Bytes): void {
    if (this.#state !== 'open') return;
    this.network.received += data.length;
    this.options.onData(data);
  }

  #roomAgain(): void {
    if (this.#state !== 'open' || !this.#waiting) return;
    this.#waiting = false;
    this.options.onWritable();
  }

  #fail(error: Error): void {
    this.#post(() => {
      if (this.#state === 'failed' || this.#state === 'closed') return;
      this.#state = 'failed';
      this.options.onError(error);
    });
  }

  /** Into simulated time, in the order of arrival. */
  #post(run: () => void): void {
    if (this.network.silent) return;
    const now = this.network.world.now;
    this.#last = Math.max(this.#last, now + this.network.delay);
    this.network.world.after(this.#last - now, run, this.power);
  }
}
