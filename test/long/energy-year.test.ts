import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { CommandKey, CommandKind, Counter, EnergySource, ReportKey } from '../../firmware/link/messages.ts';
import { start } from '../../firmware/main.ts';
import { World } from '../../sim/clock.ts';
import { type Controller, openController } from '../../sim/controller.ts';
import type { SimHal } from '../../sim/index.ts';
import type { LampOptions } from '../../sim/plant/lamp.ts';
import { Mains } from '../../sim/plant/mains.ts';
import { measure } from '../../sim/plant/modbus-meter.ts';
import { seeded } from '../../sim/random.ts';
import { boardOf, type Change, DAY, type Document, documentBytes, HOUR, MINUTE, SECOND } from '../monitor/pole.ts';
import { Post } from '../monitor/post.ts';
import { siteKey } from '../sealed.ts';
import { QuickLines } from './quick-line.ts';

const CUTS = 500;
const YEAR = 365 * DAY;
const BEGIN = Date.UTC(2026, 0, 1);
/** 0.1 Wh, and s: what the gateway sets in the middle of the year. */
const ENERGY = 123_456_789;
const LAMP_TIME = 36_000_000;
/** ms between two interruptions at least: shorter ones are one loss of the supply. */
const REST = 30 * SECOND;
/** s of lamp or controller time that a cut may cost. */
const LOSS = 60;

/** What a report said, and what was true when it came. */
interface Moment {
  counters: number[];
  /** Wh since the beginning. */
  wattHours: number;
  /** s */
  lit: number;
  powered: number;
  /** Losses of the supply so far. */
  cuts: number;
}

/** Time for which something was so, s. */
class Span {
  #sum = 0;
  #since: number | undefined;

  constructor(private world: World) {}

  set(on: boolean): void {
    if (on === (this.#since !== undefined)) return;
    if (this.#since !== undefined) this.#sum += this.world.now - this.#since;
    this.#since = on ? this.world.now : undefined;
  }

  get seconds(): number {
    return (this.#sum + (this.#since === undefined ? 0 : this.world.now - this.#since)) / SECOND;
  }
}

/** A year with power cuts, and all counters that were reported. */
class Year {
  readonly world = new World();
  readonly pole: Controller;
  last!: Moment;
  reports = 0;
  /** Counters that were less than before, in words. */
  readonly decreases: string[] = [];
  /** Cuts that cost more than they may, in words. */
  readonly losses: string[] = [];
  #cuts = 0;
  #post: Post;
  #lit = new Span(this.world);
  #powered = new Span(this.world);
  #preset = new Set<number>();

  constructor(board: Board, lamp: LampOptions, holdUp: number, seed: number) {
    const { world } = this;
    const id = 'energy-1';
    const post = new Post(world, id);
    this.#post = post;
    post.now = () => BEGIN + world.now;
    post.onLetter = ({ at, leaf, body }) => {
      if (leaf === 'report') this.#hear((body as Record<string, unknown>)[ReportKey.Counters] as number[], at);
    };
    const mains = new Mains({ seed, swing: 0.03 });
    let lines: QuickLines;
    const site = { host: 'broker', port: 1883, key: siteKey(id) };
    const run: typeof start = (hal, ...rest) => {
      this.#look();
      return start(lines.in(hal as SimHal), ...rest);
    };
    const { dial } = post;
    const pole = openController({ world, id, board, site, seed, mains, lamp, dial, begin: BEGIN, holdUp, start: run });
    this.pole = pole;
    const read = () => measure(world, mains, pole.lamp);
    lines = new QuickLines(board, seeded(`energy ${seed}`), read, () => mains.factor > 0.37);
    lines.damage = 0.01;
    const { dim, relay } = board.lamp;
    for (const pin of [dim?.pin, relay?.pin]) if (pin !== undefined) pole.sim.pins.watch(pin, () => this.#look());
    mains.watch(() => {
      if (mains.factor === 0) this.#cuts++;
      this.#look();
    });
    this.#arrange(mains, seed);
  }

  run(ms: number): void {
    this.world.run(ms);
  }

  monitor(document: Document): void {
    this.#post.configure({ monitoring: documentBytes(document) });
  }

  /** Sets counters, as after the replacement of a lamp. */
  preset(counters: [Counter, number][]): void {
    for (const [counter] of counters) this.#preset.add(counter);
    this.#post.command(CommandKind.Counters, [[CommandKey.Counters, counters.flat()]]);
  }

  /** Interruptions of every length, at any time, one after the other; none while the gateway sets counters. */
  #arrange(mains: Mains, seed: number): void {
    const random = seeded(`cuts ${seed}`);
    const times = Array.from({ length: CUTS }, () => HOUR + random.next() * (YEAR - 8 * HOUR)).sort((a, b) => a - b);
    let free = 0;
    for (const time of times) {
      const kind = random.next();
      const length = kind < 0.6 ? MINUTE : kind < 0.9 ? 20 * MINUTE : 3 * HOUR;
      const duration = SECOND + random.next() * length;
      let at = Math.max(time, free);
      if (at + duration > YEAR / 2 && at < YEAR / 2 + HOUR) at = YEAR / 2 + HOUR;
      free = at + duration + REST;
      mains.disturb(this.world, 0, duration, at);
    }
  }

  #hear(counters: number[], at: number): void {
    this.reports++;
    counters.forEach((value, counter) => {
      const before = this.last?.counters[counter];
      if (this.#preset.delete(counter) || counter === Counter.Source) return;
      if (before !== undefined && !(value >= before)) {
        this.decreases.push(`counter ${counter} from ${before} to ${value} at ${new Date(BEGIN + at).toISOString()}`);
      }
    });
    const { wattHours } = this.pole.lamp.load;
    const moment = { counters, wattHours, lit: this.#lit.seconds, powered: this.#powered.seconds, cuts: this.#cuts };
    if (this.last) this.#lose(this.last, moment, at);
    this.last = moment;
  }

  /** What is told is itself up to a minute old. */
  #lose(before: Moment, moment: Moment, at: number): void {
    const most = LOSS * (moment.cuts - before.cuts + 1) + 3;
    const time = new Date(BEGIN + at).toISOString();
    for (const [counter, of] of [
      [Counter.LampTime, 'lit'],
      [Counter.ControllerTime, 'powered'],
    ] as const) {
      const lost = moment[of] - before[of] - (moment.counters[counter] - before.counters[counter]);
      if (lost > most) this.losses.push(`${lost} s ${of} at ${time}, in ${moment.cuts - before.cuts} cuts`);
    }
  }

  /** The lamp may have gone on or off, and so may the board. */
  #look(): void {
    const { lamp, sim } = this.pole;
    this.#lit.set(lamp.light > 0);
    this.#powered.set(sim.on);
  }
}

interface Product {
  name: string;
  change: Change;
  lamp: LampOptions;
  document: Document;
  /** ms */
  holdUp: number;
  source: EnergySource;
  /** Share of the energy. */
  tolerance: number;
}

const LAMP: LampOptions = { wattage: 100, standby: 0.4, drift: 0.03 };
const often: Change = (config) => {
  config.reportSeconds = 900;
  config.network.keepAliveSeconds = 3600;
};

const PRODUCTS: Product[] = [
  {
    name: 'the register of its meter, and a warning of 300 ms',
    change(config) {
      often(config);
      config.inputs = [{ pin: 'D10', signal: 'mains' }];
    },
    lamp: LAMP,
    document: { wattage: 100, standby: 0.4 },
    holdUp: 300,
    source: EnergySource.Register,
    tolerance: 0.001,
  },
  {
    name: 'the register of its meter, and no warning',
    change: often,
    lamp: LAMP,
    document: { wattage: 100, standby: 0.4 },
    holdUp: 0,
    source: EnergySource.Register,
    tolerance: 0.001,
  },
  {
    name: 'the type of its lamp, which draws 1 % more, and a warning of 300 ms',
    change(config) {
      often(config);
      config.lines = [];
      config.meters = [];
      config.inputs = [{ pin: 'D10', signal: 'mains' }];
    },
    lamp: { ...LAMP, wattage: 101 },
    document: { wattage: 100, standby: 0.4 },
    holdUp: 300,
    source: EnergySource.Computed,
    tolerance: 0.03,
  },
];

describe(`a year with ${CUTS} power cuts`, function () {
  this.timeout(600_000);

  for (const [index, { name, change, lamp, document, holdUp, source, tolerance }] of PRODUCTS.entries()) {
    it(`is billed within ${100 * tolerance} % by ${name}`, async () => {
      const year = new Year(await boardOf('linux', change), lamp, holdUp, index + 1);
      year.run(2 * MINUTE);
      year.monitor(document);
      const first = year.last;
      year.run(YEAR / 2 - year.world.now);
      const before = year.last;
      year.preset([
        [Counter.ActiveEnergy, ENERGY],
        [Counter.LampTime, LAMP_TIME],
      ]);
      year.run(20 * MINUTE);
      const between = year.last;
      year.run(YEAR - year.world.now);
      const end = year.last;
      const told = (counter: Counter) =>
        before.counters[counter] - first.counters[counter] + end.counters[counter] - between.counters[counter];
      const truth = (of: (moment: Moment) => number) => of(before) - of(first) + of(end) - of(between);

      const energy = [told(Counter.ActiveEnergy) / 10, truth(({ wattHours }) => wattHours)];
      const lit = [told(Counter.LampTime), truth((moment) => moment.lit)];
      const powered = [told(Counter.ControllerTime), truth((moment) => moment.powered)];
      const losses = end.counters[Counter.SupplyLosses] - first.counters[Counter.SupplyLosses];
      const off = (pair: number[]) => `${pair[0].toFixed(1)} told, ${pair[1].toFixed(1)} true`;
      console.log(
        `      energy ${off(energy)} Wh (${((100 * energy[0]) / energy[1] - 100).toFixed(4)} %), lit ${off(lit)} s, ` +
          `powered ${off(powered)} s, ${losses} losses counted, ${year.reports} reports`,
      );
      assert.deepEqual(year.decreases, []);
      assert.deepEqual(year.losses, []);
      assert.equal(end.counters[Counter.Source], source);
      assert.ok(Math.abs(energy[0] / energy[1] - 1) <= tolerance, `energy: ${off(energy)}`);
      for (const [what, pair] of Object.entries({ lit, powered })) {
        // Whole seconds, boot and report: 2 s a cut.
        assert.ok(pair[0] >= pair[1] - LOSS * CUTS && pair[0] <= pair[1] + 2 * CUTS, `${what}: ${off(pair)}`);
      }
      assert.ok(Math.abs(between.counters[Counter.ActiveEnergy] - ENERGY) < 500, `${between.counters}`);
      assert.ok(between.counters[Counter.LampTime] >= LAMP_TIME, `${between.counters}`);
      assert.ok(between.counters[Counter.LampTime] <= LAMP_TIME + 1200, `${between.counters}`);
      assert.equal(losses, CUTS);
      const levels = end.counters.slice(Counter.LevelTime, Counter.LevelTime + 10).reduce((sum, time) => sum + time, 0);
      assert.ok(Math.abs(levels - lit[0]) < LOSS * CUTS, `${levels} s by level, ${lit[0]} s lit`);
    });
  }
});
