/**
 * A man in the middle, and a false broker: TLS with a certificate that nobody has a reason to trust, which the controller's
 * TLS does not look at, as on Espruino. He hears every message, and decides where connections end.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { connectAsync, type MqttClient } from 'mqtt';
import { type Broker, openBroker } from '../../gateway/broker.ts';
import { Authority } from '../gateway/authority.ts';
import { Untrusting } from './untrusting.ts';

export interface Heard {
  topic: string;
  payload: Buffer;
}

export class Wiretap {
  /** Every message that passed the true broker, in order. */
  readonly recorded: Heard[] = [];
  /** Every message that came to the false one. */
  readonly heard: Heard[] = [];
  /** Connections of controllers that ended at the false broker. */
  deceived = 0;
  /** A controller's way out, on which he stands. */
  readonly out = new Untrusting(() => (this.server.address() as AddressInfo).port);
  /** Ports of the true and the false broker. */
  private truePort = 0;
  private falsePort = 0;
  private lying = false;
  private server!: Server;
  private broker!: Broker;
  private attacker!: MqttClient;
  private recorder: MqttClient | undefined;
  private readonly sockets = new Set<Socket>();
  private readonly authority = new Authority('Nobody');

  static async open(): Promise<Wiretap> {
    const tap = new Wiretap();
    const pair = tap.authority.issue('unrelated.example');
    tap.broker = await openBroker({ host: '127.0.0.1', port: 0, log: () => {} });
    tap.falsePort = tap.broker.port;
    tap.attacker = await connectAsync(`mqtt://127.0.0.1:${tap.falsePort}`, { protocolVersion: 4 });
    await tap.attacker.subscribeAsync('#', { qos: 1 });
    tap.attacker.on('message', (topic, payload) => tap.heard.push({ topic, payload }));
    tap.server = createServer({ cert: readFileSync(pair.certificate), key: readFileSync(pair.key) }, (near) => {
      if (tap.lying) tap.deceived++;
      const far = connect(tap.lying ? tap.falsePort : tap.truePort, '127.0.0.1');
      for (const socket of [near, far]) {
        socket.setNoDelay(true);
        tap.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          tap.sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    tap.server.on('tlsClientError', () => {});
    tap.server.listen(0, '127.0.0.1');
    await once(tap.server, 'listening');
    return tap;
  }

  /** Listens at the true broker. */
  async record(port: number): Promise<void> {
    this.truePort = port;
    this.recorder = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
    this.recorder.on('message', (topic, payload) => this.recorded.push({ topic, payload }));
    await this.recorder.subscribeAsync('#', { qos: 1 });
  }

  /** Ends all connections; new ones end at the false broker, or at the true one again. */
  deceive(lying: boolean): void {
    this.lying = lying;
    for (const socket of [...this.sockets]) socket.destroy();
  }

  /** Sends from the false broker. */
  async send(topic: string, payload: Buffer): Promise<void> {
    await this.attacker.publishAsync(topic, payload, { qos: 1 });
  }

  async close(): Promise<void> {
    await this.attacker.endAsync(true);
    await this.recorder?.endAsync(true);
    for (const socket of [...this.sockets]) socket.destroy();
    this.server.close();
    await this.broker.close();
    this.authority.close();
  }
}
