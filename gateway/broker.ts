/** The MQTT broker inside the gateway: enough for one box, without anything to install. */
import { createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Aedes, type AuthenticateError, type Client } from 'aedes';
import { connect } from 'mqtt';
import type { Admission, Guard, Refusal } from './keys/guard.ts';
import { complainer, type Level, type Log } from './log.ts';
import { listenFault } from './ports.ts';

/** Bytes of the longest MQTT packet accepted; ours stay below 1,000. */
export const LONGEST_PACKET = 16384;
/** ms of real time for the last words to the broker. */
const GOODBYE = 1000;
/** Connections at once. */
const MOST_CLIENTS = 10000;

export interface Broker {
  /** TCP port it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Starts a broker for MQTT 3.1.1.
 * @param options port 0: any free one; guard: who gets in, absent: whoever reaches `host`
 * @returns when it listens; rejects with a message that names an occupied port
 */
export async function openBroker(options: { host: string; port: number; guard?: Guard; log: Log }): Promise<Broker> {
  const aedes = await Aedes.createBroker({
    maxClientsIdLength: 64,
    maxTopicLevels: 8,
    queueLimit: 64,
    concurrency: 100,
  });
  const complain = complainer(options.log);
  aedes.on('clientError', (client, error) => complain(`broker: ${client.id}: ${error.message}`));
  aedes.on('connectionError', (_client, error) => complain(`broker: connection refused: ${error.message}`));
  if (options.guard) protect(aedes, options.guard);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => sockets.delete(socket));
    aedes.handle(new BoundedPackets(socket));
  });
  server.maxConnections = MOST_CLIENTS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      aedes.close();
      reject(listenFault(error, options.port, 'MQTT broker'));
    });
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: address && typeof address === 'object' ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => aedes.close(() => resolve()));
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Lets in whom the guard admits, and ends connections whose credentials are revoked or replaced. */
function protect(aedes: Aedes, guard: Guard): void {
  const admitted = new Map<Client, Admission>();
  aedes.authenticate = (client, user, password, done) => {
    const from = (client.conn as BoundedPackets).address;
    const decide = (admission: Admission | Refusal): void => {
      if ('refusal' in admission) {
        const { refusal, code } = admission;
        done(Object.assign(new Error(refusal), { returnCode: code as number }) as AuthenticateError, null);
        return;
      }
      admitted.set(client, admission);
      done(null, true);
    };
    guard.admit(from, client.id, user, password).then(decide, (error) => done(error, null));
  };
  aedes.authorizePublish = (client, { topic }, done) => {
    const admission = client && admitted.get(client);
    const allowed = !client || (admission && guard.mayPublish(admission, topic));
    done(allowed ? null : new Error(`may not publish to ${topic}`));
  };
  aedes.authorizeSubscribe = (client, subscription, done) => {
    const admission = admitted.get(client);
    done(null, admission && guard.maySubscribe(admission, subscription.topic) ? subscription : null);
  };
  // After its last will, which is still to be judged.
  aedes.on('clientDisconnect', (client) => setImmediate(() => admitted.delete(client)));
  guard.keys.onChange((ids) => {
    for (const [client, { user }] of admitted) if (ids.includes(user)) client.close();
  });
}

/** The gateway's own connection to the broker, its own or a foreign one. */
export interface BrokerClient {
  /** Sends one message; while the broker is away it is lost, the fleet repeats what matters. */
  publish(topic: string, payload: Buffer, qos: 0 | 1, retain?: boolean): void;
  /** Whether the broker is there. */
  readonly connected: boolean;
  /** Resolves when the subscriptions hold for the first time. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/**
 * Connects to a broker with MQTT 3.1.1 and keeps trying for as long as it takes.
 * @param options url: mqtt://host:port or mqtts://…; username and password where they are not in it; ca: authorities, in
 *   PEM, that may have signed the broker's certificate, absent: those that this computer trusts
 */
export function connectBroker(options: {
  url: string;
  username?: string;
  password?: string;
  ca?: string;
  subscriptions: string[];
  onMessage(topic: string, payload: Uint8Array, retained: boolean): void;
  onLost(): void;
  log: Log;
}): BrokerClient {
  const name = options.url.replace(/\/\/[^@/]*@/, '//');
  const { username, password, ca } = options;
  const client = connect(options.url, {
    ...(username === undefined ? {} : { username, password }),
    ...(ca === undefined ? {} : { ca }),
    protocolVersion: 4,
    clientId: `reverbere-gateway-${process.pid}-${Math.random().toString(16).slice(2, 10)}`,
    clean: true,
    keepalive: 30,
    reconnectPeriod: 1000,
    connectTimeout: 10000,
    queueQoSZero: false,
  });
  let closed = false;
  let said = '';
  const say = (line: string, level: Level = 'warning'): void => {
    if (line !== said) options.log(line, level);
    said = line;
  };
  const ready = new Promise<void>((resolve) => {
    client.on('connect', () => {
      // Or an order would wait until the broker's computer has acknowledged the one before, up to 40 ms.
      (client.stream as Partial<Socket>).setNoDelay?.(true);
      client.subscribe(options.subscriptions, { qos: 1 }, (error, granted) => {
        const refused = granted?.some((grant) => grant.qos > 1);
        if (error || refused) say(`broker ${name} refuses the subscriptions: ${error?.message ?? 'no permission'}`);
        else say(`broker ${name} connected`, 'info');
        if (!error && !refused) resolve();
      });
    });
  });
  client.on('error', (error) =>
    say(`broker ${name}: ${error.message || (error as NodeJS.ErrnoException).code}; trying on`),
  );
  client.on('close', () => {
    say(`broker ${name} is not connected`);
    options.onLost();
  });
  client.on('message', (topic, payload, packet) => options.onMessage(topic, payload, packet.retain));
  return {
    publish: (topic, payload, qos, retain = false) => {
      // Not queued while offline: an old order would reach the lamp late and out of turn.
      if (client.connected) client.publish(topic, payload, { qos, retain });
    },
    get connected() {
      return client.connected && !closed;
    },
    ready,
    close: async () => {
      client.removeAllListeners('close');
      client.removeAllListeners('message');
      // With DISCONNECT, so that the broker knows that this is no loss; one that does not listen is not waited for.
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise((resolve) => {
        timer = setTimeout(resolve, GOODBYE);
      });
      await Promise.race([client.endAsync(false), patience]);
      clearTimeout(timer);
      client.stream?.destroy();
      closed = true;
    },
  };
}

/**
 * A socket that ends when a packet announces more bytes than allowed: the broker's parser would collect them all first.
 * Source: MQTT 3.1.1 section 2.2.3 (remaining length).
 */
class BoundedPackets extends Duplex {
  private left = 0; // bytes of the packet's body still to come
  private shift = -1; // -1: a packet's first byte is next; else the position in the remaining length
  private length = 0;
  /** Where the connection comes from; empty when it is gone. */
  readonly address: string;

  constructor(private socket: Socket) {
    super();
    this.address = socket.remoteAddress ?? '';
    socket.on('data', (chunk: Buffer) => {
      if (!this.fits(chunk)) this.destroy(new Error(`a packet of more than ${LONGEST_PACKET} bytes`));
      else if (!this.push(chunk)) socket.pause();
    });
    socket.once('end', () => this.push(null));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.socket.write(Buffer.concat(chunks.map((entry) => entry.chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  private fits(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.left > 0) {
        const skip = Math.min(this.left, chunk.length - at);
        this.left -= skip;
        at += skip;
        continue;
      }
      const byte = chunk[at++];
      if (this.shift < 0) {
        this.shift = 0;
        this.length = 0;
        continue;
      }
      this.length += (byte & 127) << this.shift;
      this.shift += 7;
      if (this.length > LONGEST_PACKET || this.shift > 28) return false;
      if (byte < 128) {
        this.left = this.length;
        this.shift = -1;
      }
    }
    return true;
  }
}
