/**
 * A night of accidents: many controllers with the real firmware, a real mosquitto and the real gateway as a process, all
 * in one simulated time, between them a bad network. What the controllers produced is noted where it is made; what the
 * gateway's database holds is read from it in the end.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Decoder } from 'cbor-x';
import type { Board, Site } from '../../../firmware/board.ts';
import { EventCode, EventItem, LogKey, Phase, RecordKind } from '../../../firmware/link/messages.ts';
import { start as startFirmware } from '../../../firmware/main.ts';
import type { Journal } from '../../../firmware/store/journal.ts';
import { ControllerKeys, KEY_LENGTH } from '../../../gateway/keys/controller-keys.ts';
import { openStore, type StoreOptions } from '../../../gateway/store/open.ts';
import { loadBoard } from '../../../scripts/board-config.mjs';
import { World } from '../../../sim/clock.ts';
import { type Controller, openController } from '../../../sim/controller.ts';
import { Daylight } from '../../../sim/plant/daylight.ts';
import { Mains } from '../../../sim/plant/mains.ts';
import { type Random, seeded } from '../../../sim/random.ts';
import { freePort } from '../../free-port.ts';
import type { FromGateway, ToGateway } from './gateway.ts';
import { BadNetwork, type Badness, GOOD } from './proxy.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
const BEGIN = Date.parse('2026-11-26T18:00:00Z');
const CMS = '0a6f1f0e-53a5-4b52-9d0e-3a3c2b1d4e5f';

/** ms of simulated time between two looks at sockets, while somebody connects, who has 15 s for each step, and else. */
const SHORT = 40;
const LONG = 250;
/** ms of simulated time that the world may be ahead of a gateway that runs. */
const AHEAD = 2000;
/** ms of real time that anything of the machinery may take. */
const PATIENCE = 60_000;

const decoder = new Decoder({ mapsAsObjects: false } as never);

export interface NightOptions {
  seed: number;
  controllers: number;
  /** Of them, those with a meter, at whose lamps something breaks. */
  metered: number;
  /** ms of simulated time */
  length: number;
  /** Times that the gateway is killed, and the broker. */
  kills: number;
  /** Of the controllers' network, and of the gateway's. */
  badness: { near: Badness; far: Badness };
  store: StoreOptions;
}

/** What the night came to. */
export interface Sum {
  produced: number;
  stored: number;
  lost: number;
  doubled: number;
  /** In the database, but never produced, or not as it is there. */
  wrong: number;
}

interface Command {
  reference: string;
  pole: number;
  level: number;
  /** ms UTC */
  time: number;
  fate: 'asked' | 'accepted' | 'promised' | 'refused' | 'unanswered';
  obeyed: boolean;
}

/** One pole, and what was seen of it where it happened. */
class Pole {
  readonly events: string[] = [];
  readonly batches: string[] = [];
  /** What the test did to it, in the words of the events that must come of it. */
  readonly injected: string[] = [];
  /** References of the overrides that it obeyed, each time. */
  readonly overrides: string[] = [];
  faulty = false;
  /** What its firmware keeps for the gateway. */
  journal: Journal | undefined;

  constructor(
    readonly id: string,
    readonly controller: Controller,
  ) {}
}

export class Night {
  readonly world = new World();
  readonly poles: Pole[] = [];
  readonly commands: Command[] = [];
  readonly log: string[] = [];
  near!: BadNetwork;
  far!: BadNetwork;
  gatewayKills = 0;
  brokerKills = 0;
  #random: Random;
  #broker: ChildProcess | undefined;
  #gateway: Child | undefined;
  #next: Child | undefined;
  #directory = mkdtempSync(join(tmpdir(), 'reverbere-'));
  #addresses = new Map<string, string>();
  #keys = join(this.#directory, 'keys.json');
  /** ms that the gateway's clock is wrong. */
  #skew = 0;
  #asking = 0;
  #starting = 0;
  #chaos = false;

  private constructor(private options: NightOptions) {
    this.#random = seeded(options.seed);
  }

  static async open(options: NightOptions): Promise<Night> {
    const night = new Night(options);
    try {
      const port = await freePort();
      writeFileSync(
        join(night.#directory, 'mosquitto.conf'),
        `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 10000\nlog_dest stderr\n`,
      );
      await night.#startBroker();
      night.near = await BadNetwork.open(port, seeded(`${options.seed} near`));
      night.far = await BadNetwork.open(port, seeded(`${options.seed} far`));
      await night.#openPoles();
      night.#next = new Child(night);
      await night.#startGateway();
      return night;
    } catch (error) {
      await night.close();
      throw error;
    }
  }

  /** ms UTC */
  get now(): number {
    return BEGIN + this.world.now;
  }

  async close(): Promise<void> {
    for (const { controller } of this.poles) controller.sim.cutPower();
    await this.#gateway?.kill();
    await this.#next?.kill();
    this.#broker?.kill('SIGKILL');
    await this.near?.close();
    await this.far?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Lets the whole night pass, with everything that happens in it, and then peace until all has arrived. */
  async run(): Promise<void> {
    await this.advance(MINUTE);
    await this.until(() => this.poles.every((pole) => isOnline(pole)), HOUR, 'everybody is online');
    await this.#learnAddresses();
    await this.#beside(() => this.#call('POST', '/logger-configs', LOGGER));
    this.near.badness = this.options.badness.near;
    this.far.badness = this.options.badness.far;
    this.#chaos = true;
    this.#schedule();
    await this.advance(this.options.length);
    this.#chaos = false;
    for (const { controller, faulty } of this.poles) if (faulty) controller.lamp.repair();
    this.near.badness = this.far.badness = GOOD;
    const settled = () => {
      this.settle();
      const open = this.commands.some(({ obeyed, fate }) => !obeyed && (fate === 'accepted' || fate === 'promised'));
      return !open && this.poles.every(hasToldAll);
    };
    // Who has failed often waits up to an hour before it connects; what is not there by then will never be.
    for (const end = this.world.now + 4 * HOUR; this.world.now < end && !settled(); ) await this.advance(MINUTE);
    await this.advance(10 * MINUTE);
    this.settle();
  }

  /** Lets time pass until condition holds. */
  async until(condition: () => boolean, most: number, what: string): Promise<void> {
    for (const end = this.world.now + most; !condition(); await this.advance(10 * SECOND)) {
      if (this.world.now > end)
        assert.fail(`${what}: not within ${most / MINUTE} min\n${this.log.slice(-20).join('\n')}`);
    }
  }

  async advance(ms: number): Promise<void> {
    for (const end = this.world.now + ms; this.world.now < end - 1e-6; ) {
      const busy = this.near.greeting > 0 || this.#asking > 0;
      const step = Math.min(busy ? SHORT : LONG, end - this.world.now);
      this.world.run(step);
      this.#gateway?.tick(this.now + this.#skew);
      // Real processes start, and connect, in real time.
      const awaited = this.#broker && this.#gateway && (this.far.connections === 0 || this.far.greeting > 0);
      const slow = this.#starting > 0 || awaited;
      if (busy || slow) await sleep(slow ? 4 : 2);
      else await turn();
      for (
        const limit = Date.now() + PATIENCE;
        this.#gateway?.isBehind(this.now + this.#skew - AHEAD);
        await sleep(1)
      ) {
        assert.ok(Date.now() < limit, `the gateway hangs\n${this.log.slice(-20).join('\n')}`);
      }
    }
  }

  async #openPoles(): Promise<void> {
    const plain = await boardOf(this.#directory, 'plain', false);
    const metered = await boardOf(this.#directory, 'metered', true);
    const mains = new Mains({ seed: this.options.seed });
    const daylight = new Daylight({ begin: BEGIN });
    const keys = new ControllerKeys();
    for (let index = 0; index < this.options.controllers; index++) {
      const id = `pole-${String(index + 1).padStart(3, '0')}`;
      const key = Uint8Array.from({ length: KEY_LENGTH }, () => this.#random.below(256));
      keys.add(id, { key });
      const controller: Controller = openController({
        world: this.world,
        id,
        board: index < this.options.metered ? metered : plain,
        site: {
          id,
          host: '127.0.0.1',
          port: this.near.port,
          window: 20,
          key: Buffer.from(key).toString('base64url'),
        } as Site,
        seed: `${this.options.seed} ${index}`,
        mains,
        daylight,
        temperature: 20,
        onUncaught: (error) => this.log.push(`${id}: ${(error as Error).stack}`),
        start: (hal, board, site) => {
          const firmware = startFirmware(hal, board, site);
          watch(firmware, pole, () => controller.sim.clock.uptime());
          return firmware;
        },
      });
      const pole = new Pole(id, controller);
      this.poles.push(pole);
    }
    keys.save(this.#keys);
  }

  /** Everything that happens, at instants drawn now. */
  #schedule(): void {
    const { length, kills, controllers, metered } = this.options;
    const random = this.#random;
    const at = (run: () => void) => this.world.after(random.below(length), () => this.#chaos && run());
    for (let count = 0; count < kills; count++) {
      at(() =>
        this.#when(
          () => this.#gateway,
          () => this.#killGateway(),
        ),
      );
      at(() =>
        this.#when(
          () => this.#broker,
          () => this.#killBroker(),
        ),
      );
    }
    for (let count = 0; count < length / (20 * SECOND); count++) at(() => this.near.cutOne());
    for (let count = 0; count < length / (5 * MINUTE); count++) at(() => this.far.cutOne());
    for (let count = 0; count < length / (30 * MINUTE); count++) {
      at(() => {
        this.#skew = (random.next() - 0.5) * 20 * SECOND;
      });
    }
    for (let count = 0; count < length / (4 * MINUTE); count++) {
      const pole = this.poles[random.below(controllers)];
      const step = (random.next() - 0.5) * 20 * MINUTE;
      at(() => {
        const { clock } = pole.controller.sim;
        const time = clock.time();
        if (time !== undefined) clock.setTime(time + step);
      });
    }
    for (const pole of this.poles.slice(0, metered)) {
      for (let count = 0; count < length / (2 * HOUR); count++) at(() => this.#breakLamp(pole));
    }
    for (const pole of this.poles) {
      for (const signal of SIGNALS) this.#toggle(pole, signal);
    }
    for (let count = 0; count < (2 * controllers * length) / (8 * HOUR); count++) at(() => void this.#order());
  }

  /** Does something as soon as there is something to do it to. */
  #when(there: () => unknown, run: () => Promise<void>): void {
    if (there()) void run();
    else this.world.after(MINUTE, () => this.#when(there, run));
  }

  /** Opens and closes a door, or its like, again and again, for long enough to be told of. */
  #toggle(pole: Pole, signal: (typeof SIGNALS)[number]): void {
    // A fault is told of anew a quarter of an hour after it was the last time, not sooner.
    const wait = () => (14 + this.#random.below(20)) * MINUTE;
    const begin = () => {
      if (!this.#chaos) return;
      pole.controller.inputs.set(signal, true);
      pole.injected.push(`${CODES[signal]} ${Phase.Start}`);
      this.world.after((2 + this.#random.below(10)) * MINUTE, () => {
        pole.controller.inputs.set(signal, undefined);
        pole.injected.push(`${CODES[signal]} ${Phase.End}`);
        this.world.after(wait(), begin);
      });
    };
    this.world.after(wait(), begin);
  }

  #breakLamp(pole: Pole): void {
    if (pole.faulty) return;
    pole.faulty = true;
    pole.controller.lamp.fail({ gear: 'open' });
    this.world.after((10 + this.#random.below(30)) * MINUTE, () => {
      pole.controller.lamp.repair();
      pole.faulty = false;
    });
  }

  async #startBroker(): Promise<void> {
    const child = spawn('mosquitto', ['-v', '-c', join(this.#directory, 'mosquitto.conf')]);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error('mosquitto ended')));
      child.stderr?.on('data', (text) => /running/.test(String(text)) && resolve());
    });
    child.removeAllListeners('exit');
    this.#broker = child;
  }

  async #killBroker(): Promise<void> {
    const broker = this.#broker;
    if (!broker) return;
    this.brokerKills++;
    this.#broker = undefined;
    const ended = once(broker, 'exit');
    broker.kill(this.#random.chance(0.5) ? 'SIGKILL' : 'SIGTERM');
    await ended;
    this.world.after((5 + this.#random.below(120)) * SECOND, () => void this.#startBroker());
  }

  async #startGateway(): Promise<void> {
    const child = this.#next as Child;
    this.#next = new Child(this);
    this.#starting++;
    const brokerUrl = `mqtt://127.0.0.1:${this.far.port}`;
    await child.start({ ...this.options.store, port: 0, brokerUrl, keysFile: this.#keys }, this.now + this.#skew);
    this.#starting--;
    this.#gateway = child;
  }

  async #killGateway(): Promise<void> {
    const gateway = this.#gateway;
    if (!gateway) return;
    this.gatewayKills++;
    this.#gateway = undefined;
    await gateway.kill();
    this.world.after(this.#random.below(30) * SECOND, () => void this.#startGateway());
  }

  /** A process told something. */
  hear(line: string): void {
    this.log.push(`${new Date(this.now).toISOString()} ${line}`);
  }

  async #learnAddresses(): Promise<void> {
    await this.#beside(async () => {
      const { body } = await this.#call('GET', '/devices');
      for (const { name, address } of body as { name: string; address: string }[]) this.#addresses.set(name, address);
    });
    for (const { id } of this.poles) assert.ok(this.#addresses.has(id), `${id} is not among the gateway's devices`);
  }

  /** The CMS orders a level, unless the lamp has an order that is not done. */
  async #order(): Promise<void> {
    const at = this.#random.below(this.poles.length);
    const level = 20 + this.#random.below(81);
    const open = this.commands.some(
      ({ pole, obeyed, fate }) => pole === at && !obeyed && fate !== 'refused' && fate !== 'unanswered',
    );
    if (open) return;
    const reference = `${this.commands.length + 1} for ${this.poles[at].id}`;
    const command: Command = { reference, pole: at, level, time: this.now, fate: 'asked', obeyed: false };
    this.commands.push(command);
    const body = {
      addresses: [{ resource: 'devices', address: this.#addresses.get(this.poles[at].id) }],
      targetCommand: { state: { name: 'LevelState', value: level }, cmsRefId: reference },
    };
    try {
      const { status } = await this.#call('POST', '/override-commands', body);
      if (status === 201) command.fate = 'accepted';
      else command.fate = status === 202 ? 'promised' : 'refused';
    } catch {
      command.fate = 'unanswered';
    }
  }

  /** What has been obeyed since. */
  private settle(): void {
    for (const command of this.commands) {
      command.obeyed ||= this.poles[command.pole].overrides.includes(command.reference);
    }
  }

  /** @returns poles whose lamp does not do what was ordered last, or gives another light than that */
  astray(): string[] {
    return this.poles.flatMap(({ id, controller, overrides }, at) => {
      const ours = this.commands.filter(({ pole }) => pole === at);
      const accepted = ours.filter(({ fate }) => fate === 'accepted' || fate === 'promised');
      const last = ours.findLastIndex(({ reference }) => reference === overrides.at(-1));
      if (accepted.length > 0 && last < ours.indexOf(accepted[accepted.length - 1])) return [`${id}: an older command`];
      const light = Math.round(controller.lamp.light);
      if (last < 0 || light === ours[last].level) return [];
      return [`${id}: ${light} % instead of ${ours[last].level} %`];
    });
  }

  async #beside<T>(work: () => Promise<T>): Promise<T> {
    let busy = true;
    const end = work().finally(() => {
      busy = false;
    });
    while (busy) await this.advance(SHORT);
    return end;
  }

  async #call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const url = this.#gateway?.url;
    if (!url) throw new Error('there is no gateway');
    this.#asking++;
    try {
      const query = new URLSearchParams({
        clientAddress: CMS,
        ...(method === 'GET' ? {} : { talqRequestId: randomUUID() }),
      });
      return await ask(method, `${url}${path}?${query}`, body);
    } finally {
      this.#asking--;
    }
  }

  /** Ends the gateway and compares what its database holds with what was produced. */
  async compare(): Promise<{ events: Sum; samples: Sum; inputs: Sum; doors: Sum }> {
    await this.#gateway?.kill();
    this.#gateway = undefined;
    const store = await openStore(this.options.store, () => {});
    const stored = new Map<string, string[]>();
    const log: Logged[] = [];
    try {
      for (let sequence = 0; ; ) {
        const some = await store.arrivals.after(sequence, 1000);
        if (some.length === 0) break;
        sequence = some[some.length - 1].sequence;
        for (const { controller, kind, content } of some) {
          const name = `${controller} ${kind}`;
          const list = stored.get(name) ?? [];
          list.push(kind === RecordKind.Event ? eventOf(content) : batchOf(content));
          stored.set(name, list);
        }
      }
      for (const { body } of await store.logs.pending(`${CMS}/${LOGGER.address}`, 1_000_000))
        log.push((body as unknown as { data: Logged }).data);
    } finally {
      await store.close();
    }
    const events = sumOf(this.poles.map(({ id, events }) => [events, stored.get(`${id} ${RecordKind.Event}`) ?? []]));
    const samples = sumOf(
      this.poles.map(({ id, batches }) => [batches, stored.get(`${id} ${RecordKind.Samples}`) ?? []]),
    );
    const toldOf = (id: string, signals: readonly (typeof SIGNALS)[number][]) =>
      (stored.get(`${id} ${RecordKind.Event}`) ?? [])
        .map((text) => text.split(' ').slice(0, 2).join(' '))
        .filter((text) => signals.some((signal) => text.startsWith(`${CODES[signal]} `)));
    const inputs = sumOf(this.poles.map(({ id, injected }) => [injected, toldOf(id, SIGNALS)]));
    const doors = sumOf(
      this.poles.map(({ id, injected }) => {
        const address = `${this.#addresses.get(id)}/basic`;
        const logged = log.filter(({ srcAddress, eventType }) => srcAddress === address && eventType === DOOR);
        return [
          injected.filter((text) => text.startsWith(`${CODES.door} `)),
          logged.map(({ startEndFlag }) => `${CODES.door} ${startEndFlag ? Phase.Start : Phase.End}`),
        ];
      }),
    );
    return { events, samples, inputs, doors };
  }
}

const DOOR = 'cabinetDoorOpen';
const LOGGER = {
  address: 'log',
  ownerCMS: CMS,
  sourceAddresses: { blackList: [] },
  recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: [DOOR] } },
  reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
};

/** An entry of the log, as far as it matters here. Source: TALQ 2.7.1, EventLogData. */
interface Logged {
  srcAddress: string;
  eventType: string;
  startEndFlag?: boolean;
}

const SIGNALS = ['door', 'leakage'] as const;
const CODES = { door: EventCode.DoorOpen, leakage: EventCode.LeakageDetected };

const isOnline = ({ controller }: Pole): boolean => controller.firmware?.status().includes('link up') === true;

/** @returns whether the controller believes that the gateway has all that it knows */
function hasToldAll({ journal }: Pole): boolean {
  if (!journal) return false;
  return [RecordKind.Event, RecordKind.Samples].every((kind) => journal.first(kind) > journal.last(kind));
}

/** A product without lines, whose inputs tell much, or one with a meter besides. */
async function boardOf(directory: string, name: string, meter: boolean): Promise<Board> {
  const file = new URL('../../../board-configs/esp32.json', import.meta.url);
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.inputs = SIGNALS.map((signal, i) => ({ pin: `D${34 + i}`, signal }));
  config.monitoring = { recordSeconds: 60 };
  config.program = [];
  config.reportSeconds = 900;
  config.installerTest = undefined;
  if (!meter) config.lines = config.meters = [];
  writeFileSync(join(directory, `${name}.json`), JSON.stringify(config));
  const board = await loadBoard(name, { directory });
  return { ...board, network: { ...board.network, keepAlive: 600 } };
}

/** Notes what a controller's parts make, before anything of the link has it. */
// biome-ignore lint/suspicious/noExplicitAny: parts that nobody else reaches into
function watch(firmware: any, pole: Pole, uptime: () => number): void {
  const { _told: told } = firmware.instrument;
  pole.journal = told._journal;
  const { happened, recorded } = told;
  const { override } = firmware.arbiter;
  told.happened = (event: readonly (number | undefined)[]) => {
    pole.events.push(`${event[EventItem.Code - 1]} ${event[EventItem.Phase - 1]} ${Math.floor(uptime() / 1000)}`);
    happened.call(told, event);
  };
  told.recorded = (batch: { start: number; record: readonly number[]; count: number; samples: Uint8Array }) => {
    pole.batches.push(
      `${batch.start / 1000} ${batch.record[0]} ${batch.count} ${Buffer.from(batch.samples).toString('hex')}`,
    );
    recorded.call(told, batch);
  };
  firmware.arbiter.override = (command: { reference?: string }) => {
    if (command.reference !== undefined) pole.overrides.push(command.reference);
    return override.call(firmware.arbiter, command);
  };
}

function eventOf(content: Uint8Array): string {
  const [, items] = decoder.decode(content) as [number, number[]];
  return `${items[EventItem.Code]} ${items[EventItem.Phase]} ${items[EventItem.Uptime]}`;
}

function batchOf(content: Uint8Array): string {
  const map = decoder.decode(content) as Map<number, number & Uint8Array>;
  const samples = Buffer.from(map.get(LogKey.Samples) as Uint8Array).toString('hex');
  return `${map.get(LogKey.Start)} ${map.get(LogKey.Period)} ${map.get(LogKey.Count)} ${samples}`;
}

/** @param pairs what was produced, and what is stored of it; two things of one kind may look alike */
function sumOf(pairs: [readonly string[], readonly string[]][]): Sum {
  const sum: Sum = { produced: 0, stored: 0, lost: 0, doubled: 0, wrong: 0 };
  for (const [produced, stored] of pairs) {
    sum.produced += produced.length;
    sum.stored += stored.length;
    const open = new Map<string, number>();
    for (const text of produced) open.set(text, (open.get(text) ?? 0) + 1);
    for (const text of stored) {
      const left = open.get(text);
      if (left === undefined) sum.wrong++;
      else if (left === 0) sum.doubled++;
      else open.set(text, left - 1);
    }
    for (const left of open.values()) sum.lost += left;
  }
  return sum;
}

function ask(method: string, url: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      {
        method,
        headers: {
          'talq-api-version': '2.7.1',
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
        timeout: PATIENCE,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const all = Buffer.concat(chunks).toString();
          resolve({ status: answer.statusCode ?? 0, body: all === '' ? undefined : JSON.parse(all) });
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end(text);
  });
}

/** A gateway's process. */
class Child {
  url: string | undefined;
  #process: ChildProcess;
  #at = 0;
  #said = 0;
  #loaded: Promise<unknown>;
  #started: Promise<string>;

  constructor(night: Night) {
    const child = fork(fileURLToPath(new URL('gateway.ts', import.meta.url)), { execArgv: ['--import', 'tsx'] });
    this.#process = child;
    child.on('error', (error) => night.hear(`the gateway's process: ${error.message}`));
    this.#loaded = new Promise<void>((resolve) =>
      child.on('message', (message: FromGateway) => 'loaded' in message && resolve()),
    );
    this.#started = new Promise((resolve, reject) => {
      child.on('message', (message: FromGateway) => {
        if ('url' in message) resolve(message.url);
        else if ('at' in message) this.#at = message.at;
        else if ('log' in message) night.hear(message.log);
        else if ('fault' in message) reject(new Error(`the gateway does not start: ${message.fault}`));
      });
    });
    this.#started.catch((error) => night.hear(error.message));
  }

  async start(options: ToGateway['start'], now: number): Promise<void> {
    await this.#loaded;
    this.#send({ start: options, now } as ToGateway);
    this.url = await this.#started;
  }

  tick(now: number): void {
    this.#said = now;
    this.#send({ now });
  }

  isBehind(time: number): boolean {
    return this.#said > 0 && this.#at < time;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  #send(message: ToGateway): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }
}
