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
import type { Board, Site } from '../../../firmware/board.ts';
import { EventCode, Phase, RecordKind } from '../../../firmware/link/messages.ts';
import { start as startFirmware } from '../../../firmware/main.ts';
import { ControllerKeys, KEY_LENGTH } from '../../../gateway/keys/controller-keys.ts';
import { openStore, type StoreOptions } from '../../../gateway/store/open.ts';
import { loadBoard } from '../../../scripts/board-config.mjs';
import { World } from '../../../sim/clock.ts';
import { openController } from '../../../sim/controller.ts';
import { Daylight } from '../../../sim/plant/daylight.ts';
import { Mains } from '../../../sim/plant/mains.ts';
import { type Random, seeded } from '../../../sim/random.ts';
import { freePort } from '../../free-port.ts';
import { type Answered, CMS, NightCms, type Order } from './cms.ts';
import type { FromGateway, ToGateway } from './gateway.ts';
import { eventOf, nameOf, Pole, type Records, textOf } from './pole.ts';
import { BadNetwork, type Badness, GOOD } from './proxy.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
const BEGIN = Date.parse('2026-11-26T18:00:00Z');

/** ms of simulated time between two looks at sockets, while somebody connects, who has 15 s for each step, while a CMS asks, and else. */
const SHORT = 40;
const MIDDLE = 100;
const LONG = 250;
/** ms of simulated time that the world may be ahead of a gateway that runs. */
const AHEAD = 2000;
/** ms of real time that anything of the machinery may take. */
const PATIENCE = 60_000;

export interface NightOptions {
  seed: number;
  controllers: number;
  /** Of them, those with a meter, at whose lamps something breaks. */
  metered: number;
  /** ms of simulated time */
  length: number;
  /** Gateways on one database. */
  members: number;
  /** Times that a gateway is killed, and the broker. */
  kills: number;
  /** Times that the power of one of the unsteady poles goes, and that another board takes a place. */
  powerCuts: number;
  replacements: number;
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
  /** Went with a board that was replaced. */
  gone: number;
  /** Of these kinds, some. */
  examples: string[];
}

export class Night {
  readonly world = new World();
  readonly poles: Pole[] = [];
  cms!: NightCms;
  readonly log: string[] = [];
  near!: BadNetwork;
  far!: BadNetwork;
  gatewayKills = 0;
  brokerKills = 0;
  /** What the log says was not obeyed: where, and the token of the command. */
  failures: string[] = [];
  /** Times that one of several gateways began to lead. */
  successions = 0;
  /** Orders whose gateway was killed as soon as it had answered that they are for later. */
  orphans = 0;
  /** What doors and leakages of poles without power, or just before, did that no journal had. */
  unseen = 0;
  #random: Random;
  #broker: ChildProcess | undefined;
  /** By member; undefined: it was killed. */
  #gateways: (Child | undefined)[] = [];
  #next: Child | undefined;
  #directory = mkdtempSync(join(tmpdir(), 'reverbere-'));
  #keys = join(this.#directory, 'keys.json');
  /** ms that the gateway's clock is wrong. */
  #skew = 0;
  #asking = 0;
  #starting = 0;
  #chaos = false;
  #boards = 0;
  /** The next gateway that promises something is killed. */
  #treacherous = false;
  /** Puts a new board in the place of a pole. */
  #standards = new Map<Pole, () => void>();

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
      for (let member = 0; member < options.members; member++) await night.#startGateway(member);
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
    for (const gateway of this.#gateways) await gateway?.kill();
    await this.#next?.kill();
    this.#broker?.kill('SIGKILL');
    await this.near?.close();
    await this.far?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Lets the whole night pass, with everything that happens in it, and then peace until all has arrived. */
  async run(): Promise<void> {
    await this.advance(MINUTE);
    await this.until(() => this.poles.every(({ online }) => online), HOUR, 'everybody is online');
    await this.#beside(async () => {
      await this.cms.prepare();
      await this.#call('POST', '/logger-configs', LOGGER);
    });
    this.near.badness = this.options.badness.near;
    this.far.badness = this.options.badness.far;
    this.#chaos = true;
    this.#schedule();
    await this.advance(this.options.length);
    this.#chaos = false;
    if (this.#treacherous) await this.#killGateway();
    this.#treacherous = false;
    for (const { controller, faulty } of this.poles) if (faulty) controller.lamp.repair();
    this.near.badness = this.far.badness = GOOD;
    const settled = () =>
      !this.cms.asking && this.cms.obedience().disobeyed.length === 0 && this.poles.every((pole) => pole.hasToldAll);
    // Who has failed often waits up to an hour before it connects; what is not there by then will never be.
    for (const end = this.world.now + 4 * HOUR; this.world.now < end && !settled(); ) await this.advance(MINUTE);
    this.cms.stop();
    await this.advance(30 * MINUTE);
  }

  /** What the CMS wants of everybody is wanted, and done where it can be. */
  async orderAll(what: Order['what'], level?: number): Promise<void> {
    const { cms } = this;
    const orders = Array.from({ length: cms.groups }, (_, group): Order => {
      const poles = cms.members(group);
      return { what, reference: 'the end', poles, group: true, level, expiration: undefined, fate: 'asked' };
    });
    await this.#beside(() => Promise.all(orders.map((order) => cms.put(order))));
    await this.advance(2 * MINUTE);
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
      const greeting = this.near.greeting > 0;
      const busy = greeting || this.#asking > 0;
      const pace = greeting ? SHORT : busy ? MIDDLE : LONG;
      const step = Math.min(pace, end - this.world.now);
      this.world.run(step);
      for (const gateway of this.#gateways) gateway?.tick(this.now + this.#skew);
      // Real processes start, and connect, in real time.
      const awaited = this.#broker && this.#alive.length > 0 && (this.far.connections === 0 || this.far.greeting > 0);
      const slow = this.#starting > 0 || awaited;
      if (busy || slow) await sleep(slow ? 4 : 2);
      else await turn();
      for (
        const limit = Date.now() + PATIENCE;
        this.#alive.some((gateway) => gateway.isBehind(this.now + this.#skew - AHEAD));
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
      const pole = new Pole(id, index % 5 > 2, seeded(`${this.options.seed} ${id}`));
      const site = {
        id,
        host: '127.0.0.1',
        port: this.near.port,
        window: 20,
        key: Buffer.from(key).toString('base64url'),
      } as Site;
      const stand = () => {
        const controller = openController({
          world: this.world,
          id,
          board: index < this.options.metered ? metered : plain,
          site,
          seed: `${this.options.seed} ${this.#boards++}`,
          mains,
          daylight,
          temperature: 20,
          onUncaught: (error) => this.log.push(`${id}: ${(error as Error).stack}`),
          start: (hal, board, site) => {
            const firmware = startFirmware(hal, board, site);
            pole.watch(firmware);
            return firmware;
          },
        });
        pole.stand(controller);
      };
      this.#standards.set(pole, stand);
      stand();
      this.poles.push(pole);
    }
    keys.save(this.#keys);
    this.cms = new NightCms(
      this.poles,
      this.#random,
      (method, path, body, request) => this.#call(method, path, body, request),
      () => this.now,
      (ms, run) => this.world.after(ms, run),
      (line) => this.hear(line),
    );
  }

  /** Everything that happens, at instants drawn now. */
  #schedule(): void {
    const { length, kills, controllers, metered } = this.options;
    const random = this.#random;
    const at = (run: () => void) => this.world.after(random.below(length), () => this.#chaos && run());
    for (let count = 0; count < kills; count++) {
      at(() =>
        this.#when(
          () => this.#alive.length > 0 && !this.#treacherous,
          async () => {
            if (random.chance(0.5)) await this.#killGateway();
            else this.#treacherous = true;
          },
        ),
      );
      at(() =>
        this.#when(
          () => this.#broker,
          () => this.#killBroker(),
        ),
      );
    }
    const unsteady = this.poles.filter((pole) => pole.unsteady);
    for (let count = 0; count < this.options.powerCuts; count++) {
      const pole = unsteady[random.below(unsteady.length)];
      at(() => this.#cutPower(pole));
    }
    const replaceable = unsteady.filter((pole) => this.poles.indexOf(pole) >= metered);
    for (let count = 0; count < this.options.replacements; count++) {
      const pole = replaceable[random.below(replaceable.length)];
      at(() => this.#replace(pole));
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
    const lamps = (controllers * length) / HOUR;
    for (let count = 0; count < lamps / 10; count++) at(() => this.cms.order('override', false));
    for (let count = 0; count < lamps / 30; count++) at(() => this.cms.order('override', true));
    for (let count = 0; count < lamps / 20; count++) at(() => this.cms.order('calendar', random.chance(0.2)));
    for (let count = 0; count < lamps / 30; count++) at(() => this.cms.order('level', false));
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

  /** The power of a pole goes, mostly in the middle of a write, and comes back. */
  #cutPower(pole: Pole): void {
    const { sim } = pole.controller;
    if (!sim.on) return;
    const kind = this.#random.below(4);
    if (kind === 0) sim.cutPower();
    else pole.tear(kind > 1, 20 * MINUTE);
    const back = () => {
      if (sim !== pole.controller.sim) return;
      if (sim.on) this.world.after(MINUTE, back);
      else
        this.world.after(this.#random.below(4) === 0 ? this.#random.below(10) * MINUTE : SECOND, () =>
          sim.restorePower(),
        );
    };
    back();
  }

  /** Another board takes the place of one, with empty flash. */
  #replace(pole: Pole): void {
    if (!pole.online) {
      this.world.after(MINUTE, () => this.#replace(pole));
      return;
    }
    pole.leave();
    this.world.after((1 + this.#random.below(5)) * MINUTE, () => this.#standards.get(pole)?.());
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

  async #startGateway(member: number): Promise<void> {
    const child = this.#next as Child;
    this.#next = new Child(this);
    this.#starting++;
    const brokerUrl = `mqtt://127.0.0.1:${this.far.port}`;
    await child.start({ ...this.options.store, port: 0, brokerUrl, keysFile: this.#keys }, this.now + this.#skew);
    this.#starting--;
    this.#gateways[member] = child;
  }

  get #alive(): Child[] {
    return this.#gateways.filter((gateway) => gateway !== undefined);
  }

  async #killGateway(which?: Child): Promise<void> {
    const alive = this.#alive;
    const gateway = which ?? alive[this.#random.below(alive.length)];
    const member = this.#gateways.indexOf(gateway);
    if (member < 0) return;
    this.gatewayKills++;
    this.#gateways[member] = undefined;
    await gateway.kill();
    this.world.after(this.#random.below(30) * SECOND, () => void this.#startGateway(member));
  }

  /** A process told something. */
  hear(line: string): void {
    if (line.startsWith('leads after')) this.successions++;
    this.log.push(`${new Date(this.now).toISOString()} ${line}`);
  }

  async #beside<T>(work: () => Promise<T>): Promise<T> {
    let busy = true;
    const end = work().finally(() => {
      busy = false;
    });
    while (busy) await this.advance(SHORT);
    return end;
  }

  async #call(method: string, path: string, body?: unknown, request: string = randomUUID()): Promise<Answered> {
    const alive = this.#alive;
    const gateway = alive[this.#random.below(alive.length)];
    if (!gateway?.url) throw new Error('there is no gateway');
    this.#asking++;
    try {
      const query = new URLSearchParams({
        clientAddress: CMS,
        ...(method === 'GET' ? {} : { talqRequestId: request }),
      });
      const answered = await ask(method, `${gateway.url}${path}?${query}`, body);
      if (answered.status === 202 && this.#treacherous) {
        this.#treacherous = false;
        this.orphans++;
        await this.#killGateway(gateway);
      }
      return answered;
    } finally {
      this.#asking--;
    }
  }

  /** Waits until the gateway has everything, then ends it and compares what their database holds with what was produced. */
  async compare(): Promise<{ events: Sum; samples: Sum; inputs: Sum; doors: Sum }> {
    await this.until(() => this.poles.every((pole) => pole.hasToldAll), HOUR, 'everything is told');
    for (const gateway of this.#gateways) await gateway?.kill();
    this.#gateways = [];
    const store = await openStore(this.options.store, () => {});
    const stored = new Map<string, Records>();
    const log: Logged[] = [];
    try {
      for (let sequence = 0; ; ) {
        const some = await store.arrivals.after(sequence, 1000);
        if (some.length === 0) break;
        sequence = some[some.length - 1].sequence;
        for (const { controller, kind, epoch, number, content } of some) {
          const records: Records = stored.get(controller) ?? new Map();
          records.set(nameOf(kind, epoch, number), textOf(kind, content));
          stored.set(controller, records);
        }
      }
      for (const { body } of await store.logs.pending(`${CMS}/${LOGGER.address}`, 1_000_000))
        log.push(body as unknown as Logged);
    } finally {
      await store.close();
    }
    const sum = (kind: RecordKind) =>
      sumOf(
        this.poles.map(({ id, recorded, gone }) => {
          const mine = (records: Records) =>
            [...records].filter(([name]) => name.startsWith(`${kind} `)).map(([name, text]) => `${name} ${text}`);
          const held = stored.get(id) ?? new Map();
          const lost = [...gone]
            .filter((name) => name.startsWith(`${kind} `) && !held.has(name))
            .map((name) => `${name} ${recorded.get(name)}`);
          return [mine(recorded), mine(held), lost];
        }),
      );
    const toldOf = (records: Records, signals: readonly (typeof SIGNALS)[number][]) =>
      [...records]
        .filter(([name]) => name.startsWith(`${RecordKind.Event} `))
        .map(([, text]) => eventOf(text))
        .filter((text) => signals.some((signal) => text.startsWith(`${CODES[signal]} `)));
    const steady = this.poles.filter(({ unsteady }) => !unsteady);
    const inputs = sumOf(steady.map(({ id, injected }) => [injected, toldOf(stored.get(id) ?? new Map(), SIGNALS)]));
    const doors = sumOf(
      steady.map(({ id, injected }) => [
        injected.filter((text) => text.startsWith(`${CODES.door} `)),
        logged(log, this.cms.addresses.get(id)),
      ]),
    );
    this.failures = log.flatMap(({ cmsRefId, data }) => (cmsRefId ? [`${data.srcAddress} ${cmsRefId}`] : []));
    const others = this.poles.filter(({ unsteady }) => unsteady);
    this.unseen = sumOf(others.map(({ injected, recorded }) => [injected, toldOf(recorded, SIGNALS)])).lost;
    return { events: sum(RecordKind.Event), samples: sum(RecordKind.Samples), inputs, doors };
  }
}

/** @returns code and phase of a device's entries about its door */
function logged(log: readonly Logged[], device = ''): string[] {
  return log
    .filter(({ data }) => data.srcAddress === `${device}/basic` && data.eventType === DOOR)
    .map(({ data: { startEndFlag } }) => `${CODES.door} ${startEndFlag ? Phase.Start : Phase.End}`);
}

const DOOR = 'cabinetDoorOpen';
const LOGGER = {
  address: 'log',
  ownerCMS: CMS,
  sourceAddresses: { blackList: [] },
  recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: [DOOR, 'deviceMalfunction'] } },
  reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
};

/** An entry of the log, as far as it matters here. Source: TALQ 2.7.1, EventLogData. */
interface Logged {
  cmsRefId?: string;
  data: { srcAddress: string; eventType: string; startEndFlag?: boolean };
}

const SIGNALS = ['door', 'leakage'] as const;
const CODES = { door: EventCode.DoorOpen, leakage: EventCode.LeakageDetected };

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

/** @param triples what was produced, what is stored of it, and what may not be; two things of one kind may look alike */
function sumOf(triples: [readonly string[], readonly string[], (readonly string[])?][]): Sum {
  const sum: Sum = { produced: 0, stored: 0, lost: 0, doubled: 0, wrong: 0, gone: 0, examples: [] };
  for (const [produced, stored, gone = []] of triples) {
    sum.produced += produced.length;
    sum.stored += stored.length;
    sum.gone += gone.length;
    const open = new Map<string, number>();
    for (const text of produced) open.set(text, (open.get(text) ?? 0) + 1);
    for (const text of stored) {
      const left = open.get(text);
      if (left === undefined) sum.wrong++;
      else if (left === 0) sum.doubled++;
      else open.set(text, left - 1);
      if (!left) sum.examples.push(`${left === 0 ? 'doubled' : 'wrong'}: ${text}`);
    }
    for (const text of gone) open.delete(text);
    for (const [text, left] of open) {
      sum.lost += left;
      if (left > 0) sum.examples.push(`lost: ${text}`);
    }
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
