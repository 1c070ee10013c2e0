/** A gateway with its own broker on loopback, a clock moved by hand, played controllers, and a CMS that checks everything. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { Agent as TlsAgent, type AgentOptions as TlsAgentOptions, request as tlsRequest } from 'node:https';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { Decoder, Encoder } from 'cbor-x';
import { connectAsync, type MqttClient } from 'mqtt';
import { AckCode, COMMAND_GROUP_ROOT, CommandKind, Leaf, TOPIC_ROOT } from '../../firmware/link/messages.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../gateway/main.ts';
import { FieldEnd, KEYS } from '../sealed.ts';
import { check } from './oas.ts';
import { encodeSamples } from './samples-encoder.ts';

export const CMS = '0a6f1f0e-53a5-4b52-9d0e-3a3c2b1d4e5f';
export const T0 = Date.parse('2026-05-04T20:00:00Z');
const BASE = '/talq/gateway';

// Settings of its own, so that both sides do not share a mistake: maps by their integer keys, nothing tagged.
const encoder = new Encoder({
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: false,
  tagUint8Array: false,
  useTag259ForMaps: false,
} as never);
export const decoder = new Decoder({ mapsAsObjects: false } as never);

export const encode = (value: unknown): Buffer => encoder.encode(value);

export interface Call {
  query?: Record<string, string | string[] | undefined>;
  headers?: Record<string, string | undefined>;
  body?: unknown;
  /** sent as it is instead of `body` */
  raw?: string | Buffer;
  encoding?: 'gzip' | 'deflate';
  /** the client's certificate, key and authorities */
  tls?: TlsAgentOptions;
  /** the request breaks the official document on purpose */
  bad?: boolean;
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind
  body: any;
  text: string;
  reused: boolean;
}

/** SDM120-like unit: voltage, current, active, reactive, apparent power, power factor, frequency, active energy. */
export const UNIT = [1, 'sdm120', [0, 1, 2, 3, 4, 5, 6, 7]];

/** @returns a birth as the wire has it, with some keys replaced; undefined leaves a key out. */
export function birth(replaced: Record<number, unknown> = {}): Map<number, unknown> {
  return merged(
    [
      [0, 1],
      [1, 'linux'],
      [2, '0.1.0'],
      [3, 7],
      [4, 1],
      [5, 1],
      [6, 10],
      [7, [UNIT]],
      [9, 100],
    ],
    replaced,
  );
}

/** @returns a report of T0, 12 s after its readings: 231.5 V, 0.4 A, 92.3 W, -8.7 var, 92.7 VA, PF -0.995, 50.02 Hz, 1234.567 kWh. */
export function report(replaced: Record<number, unknown> = {}): Map<number, unknown> {
  const unit = [12, 2315, 400, 923, -87, 927, -995, 5002, 1234567];
  const at = T0 / 1000;
  return merged(
    [
      [0, 1],
      [1, at],
      [2, 3600],
      [3, 70],
      [4, 70],
      [5, 3],
      [7, 7],
      [8, at - 600],
      [10, [unit]],
    ],
    replaced,
  );
}

/** @returns a lamp failure that starts 10 minutes before the report, as the wire has it, with some places replaced. */
export function event(replaced: Record<number, unknown> = {}): unknown[] {
  const items: unknown[] = [1, 0, 1, 3000, T0 / 1000 - 600, null, 70, 2315, 12, 8, null, 415];
  for (const [place, value] of Object.entries(replaced)) items[Number(place)] = value;
  return items;
}

/** @returns a batch of samples from T0 on, packed by the reference encoder, with some keys replaced. */
export function batch(
  replaced: Record<number, unknown>,
  columns: number[],
  instants: (number | null)[][],
): Map<number, unknown> {
  const samples = encodeSamples(columns, instants);
  return merged(
    [
      [0, 1],
      [1, 7],
      [2, T0 / 1000],
      [3, 900],
      [4, columns],
      [5, instants.length],
      [6, samples],
    ],
    replaced,
  );
}

function merged(entries: [number, unknown][], replaced: Record<number, unknown>): Map<number, unknown> {
  const map = new Map(entries);
  for (const [key, value] of Object.entries(replaced)) {
    if (value === undefined) map.delete(Number(key));
    else map.set(Number(key), value);
  }
  return map;
}

/** One played controller. */
export class Controller {
  /** Commands that came, decoded, in order. */
  readonly commands: Map<number, unknown>[] = [];
  /** The topic that each came on. */
  readonly topics: string[] = [];
  private groups: number[] = [];
  readonly times: Map<number, number>[] = [];
  /** What the gateway says that it has: kind, epoch, first and last number. */
  readonly gots: number[][] = [];
  /** How it answers a command; undefined: not at all. */
  answer: (command: Map<number, unknown>) => AckCode | undefined = () => AckCode.Done;
  /** Commands to read now that came; apart from the others, because many a GET is one. */
  readonly reads: Map<number, unknown>[] = [];
  /** What it does with such a command before it answers. */
  onRead: () => AckCode | undefined | Promise<AckCode | undefined> = () => AckCode.Done;
  private waiting: (() => void)[] = [];

  private constructor(
    readonly id: string,
    private readonly client: MqttClient,
    /** Seals what it sends, and opens what comes. */
    readonly end: FieldEnd,
  ) {
    client.on('message', (topic, payload) => {
      const { message, counter } = this.end.open(topic, payload);
      if (topic.endsWith(`/${Leaf.Time}`)) this.times.push(decoder.decode(message));
      else if (topic.endsWith(`/${Leaf.Got}`)) this.gots.push(decoder.decode(message));
      else void this.obey(topic, decoder.decode(message), counter);
      for (const resolve of this.waiting.splice(0)) resolve();
    });
  }

  /** @param end what it keeps of an earlier connection */
  static async connect(port: number, id: string, end = new FieldEnd(id)): Promise<Controller> {
    const topic = (leaf: Leaf) => `${TOPIC_ROOT}/${id}/${leaf}`;
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      protocolVersion: 4,
      clientId: id,
      reconnectPeriod: 0,
      will: { topic: topic(Leaf.Link), payload: Buffer.from([0]), qos: 1, retain: true },
    });
    const controller = new Controller(id, client, end);
    await client.subscribeAsync([topic(Leaf.Command), topic(Leaf.Time), topic(Leaf.Got)], { qos: 1 });
    return controller;
  }

  /** Birth, link, a first report and the question for the time, as firmware does after connecting. */
  async greet(born = birth(), first: Map<number, unknown> | undefined = report()): Promise<void> {
    await this.send(Leaf.Birth, born, true);
    await this.send(Leaf.Link, 1, true);
    if (first) await this.send(Leaf.Report, first);
    await this.send(Leaf.Ask, 5000);
  }

  send(leaf: Leaf, value: unknown, retain = false): Promise<unknown> {
    const named = leaf === Leaf.Birth && value instanceof Map && !value.has(15);
    const own = new Map<number, unknown>([[15, this.end.session]]);
    const { told } = this.end.configuration;
    if (told && named && !value.has(10)) own.set(10, told);
    return this.sendRaw(leaf, encode(named ? new Map([...value, ...own]) : value), retain);
  }

  /** @param message any bytes, which are sealed */
  sendRaw(leaf: string, message: Buffer, retain = false): Promise<unknown> {
    return this.sendBare(leaf, this.end.seal(leaf, message), retain);
  }

  /** @param payload as it travels */
  sendBare(leaf: string, payload: Buffer, retain = false): Promise<unknown> {
    return this.client.publishAsync(`${TOPIC_ROOT}/${this.id}/${leaf}`, payload, { qos: 1, retain });
  }

  /** Resolves when `condition` holds, looked at after every message. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Falls off the network, so that its last will is sent. */
  drop(): void {
    this.client.stream.destroy();
  }

  async close(): Promise<void> {
    await this.client.endAsync(true);
  }

  /** Listens to the commands of these groups, and to no others. */
  async listen(groups: number[]): Promise<void> {
    const topics = (numbers: number[]) => numbers.map((number) => `${COMMAND_GROUP_ROOT}/${number}`);
    const old = this.groups.filter((number) => !groups.includes(number));
    this.groups = groups;
    if (old.length > 0) await this.client.unsubscribeAsync(topics(old));
    if (groups.length > 0) await this.client.subscribeAsync(topics(groups), { qos: 1 });
  }

  private async obey(topic: string, command: Map<number, unknown>, counter: number): Promise<void> {
    const configuration = command.get(1) === CommandKind.Configuration;
    const wrapped = command.get(12) as Uint8Array | null | undefined;
    const record = wrapped ? this.end.unwrap(wrapped, counter) : wrapped;
    const read = command.get(1) === CommandKind.Read;
    (read ? this.reads : this.commands).push(command);
    if (!read) this.topics.push(topic);
    let code = read ? await this.onRead() : this.answer(command);
    if (code === AckCode.Done && configuration) {
      code = this.end.configuration.take(command, record);
      if (code === AckCode.Done && record !== undefined) await this.listen(this.end.join(record ?? Buffer.alloc(0)));
    }
    if (code !== undefined)
      this.send(
        Leaf.Ack,
        new Map([
          [0, command.get(0)],
          [1, code],
        ]),
      );
  }
}

export class Rig {
  now = T0;
  readonly log: string[] = [];
  readonly controllers: Controller[] = [];
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 4 });
  private readonly agents = new Map<TlsAgentOptions, TlsAgent>();
  gateway!: Gateway;

  /** @param now ms UTC */
  static async start(options: Partial<GatewayOptions> = {}, now = T0): Promise<Rig> {
    const rig = new Rig();
    rig.now = now;
    const log = (line: string) => rig.log.push(line);
    rig.gateway = await startGateway({ port: 0, keys: KEYS, now: () => rig.now, log, ...options });
    return rig;
  }

  /** Connects a controller that greets. Resolves when the gateway has taken everything. */
  async join(
    id: string,
    born?: Map<number, unknown>,
    first?: Map<number, unknown>,
    end?: FieldEnd,
  ): Promise<Controller> {
    const controller = await Controller.connect(this.gateway.brokerPort, id, end);
    this.controllers.push(controller);
    await this.during(
      () => {
        const known = this.gateway.fleet.controllers.get(id);
        return known?.online === true && known.state !== undefined;
      },
      () => controller.greet(born, first),
    );
    return controller;
  }

  /** Does something and waits until the fleet satisfies `condition`, looked at after each of its changes. */
  async during(condition: () => boolean, act: () => unknown): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stop = this.gateway.fleet.onChange(() => look());
      const look = (): void => {
        if (!condition()) return;
        stop();
        resolve();
      };
      Promise.resolve(act()).then(look, reject);
    });
  }

  /** Sends a report and waits until it has arrived. */
  async report(controller: Controller, values: Map<number, unknown>): Promise<void> {
    const { fleet } = this.gateway;
    let arrived = false;
    const stop = fleet.onChange((changed, what) => {
      if (changed.id === controller.id && what === 'report') arrived = true;
    });
    await this.during(
      () => arrived,
      () => controller.send(Leaf.Report, values),
    );
    stop();
  }

  /** Moves the gateway's time on until `work` is done. */
  async advance<T>(work: Promise<T>, step = 100): Promise<T> {
    let busy = true;
    const end = work.finally(() => {
      busy = false;
    });
    while (busy) {
      await new Promise(setImmediate);
      this.now += step;
      this.gateway.tick();
    }
    return end;
  }

  /** Asks the TALQ API as the CMS would, and has every message checked. `path` is below the base. */
  async call(method: string, path: string, options: Call = {}): Promise<Reply> {
    const write = method !== 'GET';
    const query = { clientAddress: CMS, ...(write ? { talqRequestId: randomUUID() } : {}), ...options.query };
    const headers: Record<string, string> = {};
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const given = {
      'talq-api-version': '2.7.1',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.encoding ? { 'content-encoding': options.encoding } : {}),
      ...options.headers,
    };
    for (const [name, value] of Object.entries(given)) if (value !== undefined) headers[name] = value;
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      for (const one of [value].flat()) if (one !== undefined) search.append(name, one);
    const packed =
      body === undefined || !options.encoding ? body : options.encoding === 'gzip' ? gzipSync(body) : deflateSync(body);
    const reply = await this.send(method, `${BASE}${path}?${search}`, headers, packed, options.tls);
    const violations = check(
      'gateway',
      {
        method,
        path,
        query,
        headers,
        body: options.raw === undefined ? options.body : undefined,
        status: reply.status,
        answerHeaders: reply.headers,
        answer: reply.body,
      },
      options.bad,
    );
    assert.deepEqual(violations, []);
    return reply;
  }

  /** Sends anything to the gateway's server, unchecked. */
  send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string | Buffer,
    tls?: TlsAgentOptions,
  ): Promise<Reply> {
    const { hostname, port } = new URL(this.gateway.url);
    return new Promise((resolve, reject) => {
      const length: Record<string, string> =
        body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const agent = tls ? this.secure(tls) : this.agent;
      const asked = (tls ? tlsRequest : request)(
        { agent, hostname, port, method, path, headers: { ...headers, ...length } },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk) => chunks.push(chunk));
          answer.on('end', () => {
            const bytes = Buffer.concat(chunks);
            const encoding = answer.headers['content-encoding'];
            const text = String(
              encoding === 'gzip' ? gunzipSync(bytes) : encoding === 'deflate' ? inflateSync(bytes) : bytes,
            );
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: text === '' ? undefined : JSON.parse(text),
              text,
              reused: asked.reusedSocket,
            });
          });
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });
  }

  /** One connection for each identity. */
  private secure(tls: TlsAgentOptions): TlsAgent {
    const agent = this.agents.get(tls) ?? new TlsAgent({ keepAlive: true, maxSockets: 1, ...tls });
    this.agents.set(tls, agent);
    return agent;
  }

  /** @returns the TALQ address of a controller. */
  async address(id: string, clientAddress = CMS): Promise<string> {
    const { body } = await this.call('GET', '/devices', { query: { clientAddress } });
    return body.find((device: { name: string }) => device.name === id).address;
  }

  async close(): Promise<void> {
    for (const controller of this.controllers) await controller.close();
    this.agent.destroy();
    for (const agent of this.agents.values()) agent.destroy();
    await this.gateway.close();
  }
}

/** @returns status and the key of the first error. */
export const refusalOf = ({ status, body }: Reply): string => `${status} ${body?.[0]?.key}`;
