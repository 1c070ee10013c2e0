/** Simulated poles with the real firmware, and a real gateway and broker on loopback that live in the same time. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Board, Site } from '../../firmware/board.ts';
import { ConfigurationPart } from '../../firmware/link/messages.ts';
import { type Broker, openBroker } from '../../gateway/broker.ts';
import type { GatewayOptions } from '../../gateway/main.ts';
import { World } from '../../sim/clock.ts';
import { type Controller, type ControllerOptions, openController } from '../../sim/controller.ts';
import { Mains } from '../../sim/plant/mains.ts';
import { Rig, T0 } from '../gateway/rig.ts';
import { siteKey } from '../sealed.ts';

/** ms of simulated time between two looks at the sockets. */
export const SLICE = 20;
/** The same where nothing is timed: an hour takes half a second. */
const LONG_SLICE = 500;

export interface BenchOptions {
  /** A pole each. */
  boards: Board[];
  /** ms UTC at which simulated time begins; absent: T0. */
  begin?: number;
  /** Of each pole. */
  lamps?: ControllerOptions['lamp'][];
  /** Poles that tell each other of presence. */
  group?: string;
  /** What a pole was told at its installation; absent: its key, its group, and where the broker is. */
  site?(id: string): Site;
  /** The poles' way out to the network. */
  dial?: ControllerOptions['dial'];
  /** The broker is a process of its own, as far as the gateway can tell, and the gateway keeps its data: it may restart. */
  apart?: boolean;
  gateway?: Partial<GatewayOptions>;
}

export class Bench {
  readonly world = new World();
  readonly poles: Controller[] = [];
  rig!: Rig;
  #broker: Broker | undefined;
  #directory: string | undefined;
  #begin: number;
  #gateway: Partial<GatewayOptions>;

  private constructor({ begin = T0, gateway = {} }: BenchOptions) {
    this.#begin = begin;
    this.#gateway = { now: () => this.now, ...gateway };
  }

  static async open(options: BenchOptions): Promise<Bench> {
    const bench = new Bench(options);
    const { world } = bench;
    if (options.apart) {
      const broker = await openBroker({ host: '127.0.0.1', port: 0, log: () => {} });
      bench.#broker = broker;
      bench.#directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
      Object.assign(bench.#gateway, {
        brokerUrl: `mqtt://127.0.0.1:${broker.port}`,
        dataDirectory: bench.#directory,
      });
    }
    await bench.startGateway();
    const port = bench.#broker?.port ?? bench.rig.gateway.brokerPort;
    const mains = new Mains();
    options.boards.forEach((board, index) => {
      const id = `pole-${index + 1}`;
      const lamp = options.lamps?.[index];
      const site = options.site?.(id) ?? { host: '127.0.0.1', port, group: options.group, key: siteKey(id) };
      bench.poles.push(openController({ world, id, board, site, seed: index, mains, lamp, dial: options.dial }));
    });
    return bench;
  }

  /** ms UTC */
  get now(): number {
    return this.#begin + this.world.now;
  }

  async startGateway(): Promise<void> {
    this.rig = await Rig.start(this.#gateway);
  }

  async run(ms: number, slice = SLICE): Promise<void> {
    // Sums of fractions end beside the mark by less than any timer could notice.
    for (let end = this.world.now + ms; end - this.world.now > 1e-6; ) {
      await this.world.advance(Math.min(slice, end - this.world.now), slice);
      this.rig.gateway.tick();
    }
  }

  /** Lets time run to an instant in ms UTC, in long steps but for the last second. */
  async runTo(time: number): Promise<void> {
    assert.ok(time >= this.now, `${new Date(time).toISOString()} has passed`);
    await this.run(Math.max(0, time - 1000 - this.now), LONG_SLICE);
    await this.run(time - this.now);
  }

  /** Lets time run until `condition` holds. @returns ms that it took */
  async until(condition: () => boolean, most: number, slice = SLICE): Promise<number> {
    const start = this.world.now;
    while (!condition()) {
      if (this.world.now - start >= most) assert.fail(`not within ${most} ms`);
      await this.run(slice, slice);
    }
    return this.world.now - start;
  }

  /** Lets time run until every pole is online and has told its first reading. */
  async ready(): Promise<void> {
    const { fleet } = this.rig.gateway;
    const lives = ({ online, state, readings }: NonNullable<ReturnType<typeof fleet.controllers.get>>) =>
      online && state?.timed === true && readings[0]?.some((reading) => reading !== undefined) === true;
    const all = () => fleet.controllers.size === this.poles.length && [...fleet.controllers.values()].every(lives);
    // Whoever does not know the time asks for it every minute.
    await this.until(all, 75_000);
  }

  /** Lets time run beside real time while the gateway answers: sockets have delays that simulated time knows nothing of. */
  async during<T>(work: Promise<T>): Promise<T> {
    let busy = true;
    const end = work.finally(() => {
      busy = false;
    });
    for (let last = performance.now(); busy; ) {
      await turn();
      const now = performance.now();
      await this.run(Math.min(SLICE, now - last));
      last = now;
    }
    return end;
  }

  /** Lets time run while the gateway asks its poles: fast, a slice for each look at the sockets. */
  async meanwhile<T>(work: Promise<T>): Promise<T> {
    let busy = true;
    const end = work.finally(() => {
      busy = false;
    });
    while (busy) {
      await turn();
      if (busy) await this.run(SLICE);
    }
    return end;
  }

  /** Writes over the TALQ API and checks the status. */
  async write(method: string, path: string, body: unknown, status = method === 'POST' ? 201 : 200): Promise<void> {
    const reply = await this.during(this.rig.call(method, path, { body }));
    assert.equal(reply.status, status, JSON.stringify(reply.body));
  }

  /** @returns W that the gateway knows of a pole */
  watts(pole: number): number {
    return (this.rig.gateway.fleet.controllers.get(`pole-${pole}`)?.readings[0][2]?.value ?? Number.NaN) / 10;
  }

  /** @returns the TALQ address of a pole */
  address(pole: number): Promise<string> {
    return this.rig.address(`pole-${pole}`);
  }

  /** @returns an attribute as the TALQ API shows it */
  async read(pole: number, path: string): Promise<{ value: unknown; timestamp: string }> {
    const address = await this.address(pole);
    return (await this.meanwhile(this.rig.call('GET', `/devices/${address}/${path}`))).body;
  }

  async override(pole: number, targetCommand?: object): Promise<void> {
    const addresses = [{ resource: 'devices', address: await this.address(pole) }];
    await this.write('POST', '/override-commands', { addresses, targetCommand });
  }

  /** @returns the bytes of the timetable in a pole's storage, as hexadecimal text; undefined without one */
  stored(pole: number): string | undefined {
    const bytes = this.poles[pole - 1].firmware?.settings.partOf(ConfigurationPart.Timetable);
    return bytes && Buffer.from(bytes).toString('hex');
  }

  async close(): Promise<void> {
    for (const { sim } of this.poles) sim.cutPower();
    await this.rig.close();
    await this.#broker?.close();
    if (this.#directory) await rm(this.#directory, { recursive: true });
  }
}

export const toLevel = (value: number, more = {}) => ({ state: { name: 'LevelState', value }, ...more });
export const near = (actual: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance} ${what}`);
