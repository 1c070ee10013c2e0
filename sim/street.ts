/** A street of simulated poles that share one supply, one sky and one clock; people walk by, and its sockets are real. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { World } from './clock.ts';
import { type Controller, type ControllerOptions, openController } from './controller.ts';
import type { Keep } from './keep.ts';
import { Daylight } from './plant/daylight.ts';
import { Mains } from './plant/mains.ts';
import { sendWalkers } from './walkers.ts';

export interface StreetOptions {
  board: ControllerOptions['board'];
  lamps: number;
  /** What every controller is told at installation. */
  site: ControllerOptions['site'];
  /** The key of each, in base64url; absent: none has one, and each stays alone. */
  keyOf?(id: string): string;
  seed: number;
  keep?: Keep;
  world: World;
  /** ms UTC at which the world began. */
  begin: number;
  log(line: string): void;
}

/** What one row of the table shows. */
export interface Row {
  id: string;
  /** % of light */
  level: number;
  /** W */
  power: number;
  link: 'up' | 'down';
  /** Who commands, from where, and what. */
  command: string;
}

/** @returns what the lamps of a street call themselves */
export function idsOf(lamps: number): string[] {
  const width = Math.max(2, String(lamps).length);
  return Array.from({ length: lamps }, (_, index) => `lamp-${String(index + 1).padStart(width, '0')}`);
}

/** `Firmware.status`: the level, who commands and what, the link. A reference of the CMS may hold commas. */
const STATUS = /^\S+ %, (.*), link (up|down)(?:, (?:the site|\d+ faults) .*)?$/s;

/** ms between two steps of simulated time. */
const TICK = 50;
/** ms of real time that one step makes up for; a computer that slept does not make the street jump. */
const CATCH_UP = 250;
/** Looks at sockets per step at least, whatever the speed. */
const TURNS = 100;

export class Street {
  readonly poles: readonly Controller[];
  #options: StreetOptions;
  #running = false;
  #finished: Promise<void> = Promise.resolve();

  constructor(options: StreetOptions) {
    const { board, lamps, keyOf, seed, keep, world, begin, log } = options;
    this.#options = options;
    const mains = new Mains({ seed });
    const daylight = new Daylight({ begin });
    this.poles = idsOf(lamps).map((id) => {
      const site = options.site && { ...options.site, key: keyOf?.(id) };
      const onUncaught = (error: unknown) => log(`${id}: ${error}`);
      const saved = keep?.load(id);
      const pole = openController({ world, id, board, site, seed, mains, daylight, saved, onUncaught });
      keep?.follow(id, pole.sim);
      return pole;
    });
    const { presence } = board;
    if (!presence) return;
    const sensors = this.poles.map(
      ({ sim }) =>
        (present: boolean) =>
          sim.pins.set(presence.pin, present === !presence.activeLow ? 1 : 0),
    );
    sendWalkers(world, sensors, seed);
  }

  rows(): Row[] {
    return this.poles.map(({ sim, lamp, firmware }) => {
      const [, command = 'starting', link] = STATUS.exec(firmware?.status() ?? '') ?? [];
      return {
        id: sim.system.id,
        level: lamp.light,
        power: lamp.load.watts,
        link: link === 'up' ? 'up' : 'down',
        command,
      };
    });
  }

  /** Lets simulated time run beside real time, `speed` times as fast. */
  start(speed: number): void {
    this.#running = true;
    this.#finished = this.#run(speed);
  }

  /** Stops time and cuts the power; what the poles remember is kept. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#finished;
    this.save();
    for (const { sim } of this.poles) sim.cutPower();
  }

  save(): void {
    const { keep } = this.#options;
    if (keep) for (const pole of this.poles) keep.save(pole.sim.system.id, pole.saved());
  }

  async #run(speed: number): Promise<void> {
    const { world } = this.#options;
    for (let last = performance.now(); this.#running; ) {
      await sleep(TICK);
      const now = performance.now();
      const step = Math.min(now - last, CATCH_UP) * speed;
      last = now;
      await world.advance(step, Math.max(TICK / 5, step / TURNS));
    }
  }
}
