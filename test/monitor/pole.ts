/** A controller in the plant on simulated time, and what it tells of faults, read from the bytes that it publishes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Encoder } from 'cbor-x';
import type { Board } from '../../firmware/board.ts';
import {
  CommandKey,
  CommandKind,
  EventCode,
  EventItem,
  MonitoringKey,
  type Phase,
  ReportKey,
} from '../../firmware/link/messages.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { World } from '../../sim/clock.ts';
import { type Controller, type ControllerOptions, openController } from '../../sim/controller.ts';
import type { Lamp } from '../../sim/plant/lamp.ts';
import { Mains } from '../../sim/plant/mains.ts';
import type { MeterProfile } from '../../sim/plant/modbus-meter.ts';
import { siteKey } from '../sealed.ts';
import { Post } from './post.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Codes that say something is wrong with the lamp, limits apart. */
export const LAMP_ALARMS: readonly number[] = [
  EventCode.LampFailure,
  EventCode.LampUnexpectedOn,
  EventCode.RelayFailure,
  EventCode.LampPowerTooLow,
  EventCode.LampPowerTooHigh,
  EventCode.DimmingFailure,
  EventCode.CyclingFailure,
  EventCode.PowerFactorTooLow,
  EventCode.Flicker,
];

/** One event as it was published. */
export interface Event {
  /** ms of the world at which it arrived. */
  at: number;
  epoch: number;
  code: number;
  phase: Phase;
  unit: number | null;
  /** All of its items, by `EventItem`. */
  items: (number | null)[];
}

/** What a lamp is, in the units of people. */
export interface Document {
  /** W; absent: it is learned */
  wattage?: number;
  gradient?: number;
  /** W */
  tolerance?: number;
  /** s */
  warmUp?: number;
  /** W */
  standby?: number;
  /** [% of light, power factor, …] */
  powerFactors?: number[];
  /** [code, unit (255: the controller), threshold in steps of the quantity, …] */
  limits?: number[];
}

/** What is changed in a board's JSON. */
// biome-ignore lint/suspicious/noExplicitAny: it is whatever the schema says, and checked against it when it is loaded
export type Change = (config: any) => void;

export interface PoleOptions {
  /** Board configuration that is the base. */
  board?: string;
  change?: Change;
  lamp?: ConstructorParameters<typeof Lamp>[2];
  /** Absent: the lamp's own wattage. null: none is given. */
  document?: Document | null;
  /** It has a second unit, which measures the voltage at the LEDs. */
  lampMeter?: boolean;
  /** Of the mains; absent: none, the voltage stands. */
  swing?: number;
  controller?: Partial<ControllerOptions>;
}

/** ms UTC: noon of a Monday, winter. */
export const BEGIN = Date.UTC(2026, 0, 5, 12);

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false });
const tenths = (value: number | undefined) => (value === undefined ? null : Math.round(value * 10));

/** @returns the bytes of a monitoring document, see PROTOCOL.md */
export function documentBytes(document: Document): Uint8Array {
  const { wattage, gradient = 1, tolerance = 0, warmUp = 60, standby = 1, powerFactors = [], limits = [] } = document;
  const factors = powerFactors.map((value, i) => (i % 2 ? Math.round(value * 1000) : value));
  const lamp = [tenths(wattage), Math.round(gradient * 1000), tenths(tolerance), warmUp, tenths(standby)];
  const items: [number, unknown][] = [
    [MonitoringKey.Lamp, [...lamp, ...factors]],
    [MonitoringKey.Limits, limits],
    [MonitoringKey.Recorder, []],
  ];
  return new Uint8Array(encoder.encode(new Map(items)));
}

/** No product of board-configs measures at the LEDs. */
const LAMP_METER: MeterProfile & { source: string; serial: object } = {
  name: 'lamp voltage',
  source: 'made up for these tests',
  function: 4,
  wordOrder: 'ABCD',
  maximumRegisters: 10,
  serial: { baud: 2400, data: 8, parity: 'none', stop: 1 },
  registers: [{ quantity: 'LampVoltage', address: 0, type: 'u16', unit: 'V', scale: 0.1 }],
};

const boards = new Map<string, Promise<Board>>();

/** @returns a board of board-configs with something changed, checked like every other */
export function boardOf(name: string, change: Change = () => {}): Promise<Board> {
  const config = JSON.parse(readFileSync(new URL(`../../board-configs/${name}.json`, import.meta.url), 'utf8'));
  change(config);
  const text = JSON.stringify(config);
  let board = boards.get(text);
  if (!board) {
    const directory = mkdtempSync(join(tmpdir(), 'board-'));
    writeFileSync(join(directory, `${name}.json`), text);
    board = loadBoard(name, { directory }).finally(() => rmSync(directory, { recursive: true }));
    boards.set(text, board);
  }
  return board;
}

export class Pole {
  readonly world = new World();
  readonly post: Post;
  readonly controller: Controller;
  readonly events: Event[] = [];
  /** The latest report, keys as text. */
  report: Record<string, unknown> = {};
  /** Called for every report. */
  onReport: (report: Record<string, unknown>, at: number) => void = () => {};

  private constructor(board: Board, options: PoleOptions) {
    const { world } = this;
    const id = options.controller?.id ?? 'pole-1';
    this.post = new Post(world, id);
    this.tellTime();
    this.post.onLetter = ({ at, leaf, body }) => {
      if (leaf === 'event') this.#hear(at, body as unknown[]);
      if (leaf !== 'report') return;
      this.report = body as Record<string, unknown>;
      this.onReport(this.report, at);
    };
    const mains = new Mains({ swing: options.swing ?? 0 });
    const site = { host: 'broker', port: 1883, key: siteKey(id) };
    const { lamp, controller } = options;
    const profiles = { [LAMP_METER.name]: LAMP_METER };
    const { dial } = this.post;
    this.controller = openController({ world, id, board, site, mains, lamp, dial, profiles, ...controller });
  }

  static async #board({ board = 'linux', change, lampMeter }: PoleOptions): Promise<Board> {
    const found = await boardOf(board, change);
    if (!lampMeter) return found;
    const { quantities, plan, timeout } = compileProfile(LAMP_METER);
    const unit = { line: 0, unit: 9, profile: LAMP_METER.name, period: MINUTE, timeout, quantities, plan };
    return { ...found, meters: [...found.meters, unit] };
  }

  /** A pole that has been lit at 100 % for ten minutes, and knows its lamp. */
  static async open(options: PoleOptions = {}): Promise<Pole> {
    const pole = new Pole(await Pole.#board(options), options);
    pole.run(30 * SECOND);
    pole.level(100);
    const { document = { wattage: options.lamp?.wattage ?? 60 } } = options;
    if (document) pole.monitor(document);
    pole.run(10 * MINUTE);
    return pole;
  }

  /** ms of the world */
  get now(): number {
    return this.world.now;
  }

  get lamp(): Controller['lamp'] {
    return this.controller.lamp;
  }

  get mains(): Controller['mains'] {
    return this.controller.mains;
  }

  /** Lets simulated time run, ms. */
  run(ms: number): void {
    this.world.run(ms);
  }

  /** Who asks is told what time it is. */
  tellTime(): void {
    this.post.now = () => BEGIN + this.world.now;
  }

  /** Nobody says any more what time it is. */
  stopTelling(): void {
    this.post.now = () => undefined;
  }

  /** An override until further notice, %. */
  level(level: number): void {
    this.post.command(CommandKind.Override, [[CommandKey.Level, level]]);
  }

  resume(): void {
    this.post.command(CommandKind.Resume);
  }

  monitor(document: Document): void {
    this.send(documentBytes(document));
  }

  /** Sends a monitoring document as it is. */
  send(bytes: Uint8Array): void {
    this.post.configure({ monitoring: bytes });
  }

  /** @param rate of the messages on every line that arrive with a flipped bit */
  damage(rate: number): void {
    for (const port of ['/dev/ttyUSB0']) this.controller.sim.line(port).damage = rate;
  }

  /** @returns what was told of a code, oldest first */
  of(code: number, unit: number | null = null): Event[] {
    return this.events.filter((event) => event.code === code && event.unit === unit);
  }

  /** @returns [code, unit, …] of what the latest report says holds */
  get active(): (number | null)[] {
    return (this.report[ReportKey.Active] ?? []) as (number | null)[];
  }

  /** Events come as [epoch, event, …], each an array by `EventItem`. */
  #hear(at: number, body: unknown[]): void {
    const [epoch, ...events] = body as [number, ...(number | null)[][]];
    for (const items of events) {
      assert.ok(Array.isArray(items), `an event is an array, not ${JSON.stringify(items)}`);
      const code = items[EventItem.Code] as number;
      const phase = items[EventItem.Phase] as Phase;
      this.events.push({ at, epoch, code, phase, unit: items[EventItem.Unit], items });
    }
  }
}
