/**
 * Power cuts in a night of commands. The night is lived once, on flash that is copied whenever it changes; a cut at any
 * second is then a fresh controller on the copy of that second. Commands go the way of the wire: CBOR by cbor-x, decoded
 * and obeyed by the firmware.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Board } from '../../firmware/board.ts';
import { obey } from '../../firmware/link/commands.ts';
import { AckCode, ConfigurationPart } from '../../firmware/link/messages.ts';
import type { Firmware } from '../../firmware/main.ts';
import { decode } from '../../firmware/protocols/cbor.ts';
import { Settings } from '../../firmware/store/settings.ts';
import { Vault } from '../../firmware/store/vault.ts';
import { encodeCommand } from '../../gateway/wire.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { PowerCut, World } from '../../sim/clock.ts';
import { type Controller, openController } from '../../sim/controller.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';
import { decisionOf } from '../reference/firmware.ts';
import { acceptable, type Decision, decide } from '../reference/model.ts';
import { DAWN, DUSK, type Order, obeyed, ordersOf, restarted, type State, TIMETABLES, UNTOLD } from './night.ts';

const SECOND = 1000;
/** ms after which the level has to be right. */
const SOON = 5000;
/** ms after which a controller without a battery is told the time. */
const TOLD = 2000;
/** ms of ramp that are over when the level has to be right, even if the time was told late. */
const SHORT = 2000;
/** bytes: what the vault gets of raw flash, so that it goes round in a night. */
const FLASH = 16384;
/** The HAL's storage, which nobody uses. */
const NOTHING = new Uint8Array(8192).fill(255);
/** Shares of a flash operation that are done when the power goes. */
const PARTS = [0, 0.5, 1];
/** The timetable of a product that has none of its own, and its level. */
const OWN = new Uint8Array(0);
const OWN_LEVEL = 90;

/** What the flash holds, and what was acknowledged until then. */
interface Moment {
  image: Uint8Array;
  state: State;
}

export interface Counts {
  cuts: number;
  boots: number;
  /** Checks in which the sun's tolerance was needed. */
  nearSun: number;
  /** Checks of the plant that were not made, because the program changed during a long ramp. */
  unsettled: number;
  /** Checks by the reason that ruled. */
  reasons: Record<string, number>;
}

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined) =>
  a === undefined || b === undefined ? a === b : Buffer.from(a).equals(b);

export class Night {
  readonly counts: Counts = { cuts: 0, boots: 0, nearSun: 0, unsettled: 0, reasons: {} };
  readonly orders: Order[];
  /** One a second from dusk to dawn; neighbours share images and states. */
  readonly seconds: Moment[] = [];
  /** Before and after each order, and the board it was given to. */
  readonly #around: { before: Moment; after: State }[] = [];
  #board: Board;
  #seed: number;

  private constructor(board: Board, count: number, seed: number, look: number) {
    const monitoring = board.monitoring && { ...board.monitoring, unit: -1, limits: [] };
    const network = { ...board.network, kind: 'none' as const };
    const store = { address: 0, size: FLASH };
    const alone = { lines: [], meters: [], monitoring, network, timetable: [], counters: undefined, store };
    this.#board = { ...board, ...alone };
    this.#seed = seed;
    this.orders = ordersOf(count, seed);
    this.#live(look);
  }

  /** Lives a night with `count` orders. The live controller, too, has to agree with the model, every `look` seconds. */
  static async live(count: number, seed: number, look = 1): Promise<Night> {
    return new Night(await loadBoard('linux'), count, seed, look);
  }

  #live(look: number): void {
    const controller = this.#boot(new Flash({ size: FLASH }).image(), DUSK);
    const { world } = this.#worldOf(controller);
    const firmware = () => controller.firmware as Firmware;
    let moment: Moment = { image: controller.sim.raw.image(), state: UNTOLD };
    let operations = -1;
    let next = 0;
    const keep = (state: State) => {
      const changed = controller.sim.raw.operations !== operations;
      operations = controller.sim.raw.operations;
      if (changed || state !== moment.state)
        moment = { image: changed ? controller.sim.raw.image() : moment.image, state };
    };
    for (let time = DUSK; time < DAWN; time += SECOND) {
      world.run(time - DUSK - world.now);
      keep(moment.state);
      for (; this.orders[next]?.at === time; next++) {
        const order = this.orders[next];
        const state = obeyed(moment.state, order);
        this.#around.push({ before: moment, after: state });
        const { code } = obey(decode(new Uint8Array(encodeCommand(next, order.command))), firmware());
        assert.equal(code, order.code, `order ${next}`);
        firmware().arbiter.wake();
        world.run(0);
        keep(state);
      }
      // At the very first instant it is still deciding.
      if (this.seconds.push(moment) % look !== 0 || time === DUSK) continue;
      const { config } = moment.state;
      const decision = decisionOf(config, firmware().arbiter.command);
      assert.ok(this.#right(decision, moment.state, time), `${iso(time)}: ${JSON.stringify(decision)} without any cut`);
    }
  }

  /** Cuts the power at second `index` of the night; the power is back `outage` ms later. @param known the boot knows the time */
  cutAt(index: number, known: boolean, outage: number): void {
    const { image, state } = this.seconds[index];
    this.counts.cuts++;
    this.#restart(image, DUSK + index * SECOND + outage, known, [this.#afterBoot(state)]);
  }

  /** Cuts the power in each flash operation that order `index` causes, until it completes. */
  cutInOrder(index: number): void {
    const order = this.orders[index];
    const { before, after } = this.#around[index];
    const start = order.at - SECOND;
    const values = (image: Uint8Array) => this.#stored(image);
    const whole = this.#deliver(before.image, start, index, undefined);
    const old = values(whole.before);
    const fresh = values(whole.image);
    for (const part of PARTS) {
      for (let count = 0; ; count++) {
        const { image, cut, acknowledged } = this.#deliver(before.image, start, index, { count, part });
        if (!cut) break;
        this.counts.cuts++;
        const found = values(image);
        const isOld = found.every((value, i) => same(value, old[i]));
        const isNew = found.every((value, i) => same(value, fresh[i]));
        assert.equal(order.code === AckCode.Malformed, false, `order ${index} makes no sense, and something is stored`);
        assert.ok(isNew || (isOld && !acknowledged), `order ${index} is half stored after operation ${count}, ${part}`);
        const states = acknowledged ? [after] : [before.state, after];
        for (const known of [true, false])
          this.#restart(
            image,
            order.at,
            known,
            states.map((one) => this.#afterBoot(one)),
          );
      }
    }
  }

  /** Cuts the power in each flash operation of the 5 s after a boot at second `index`, then boots again. */
  cutInBoot(index: number): void {
    const { image, state } = this.seconds[index];
    const begin = DUSK + index * SECOND;
    for (const part of PARTS) {
      for (let count = 0; ; count++) {
        const controller = this.#boot(image, begin);
        controller.sim.raw.cutAfter(count, part);
        this.#worldOf(controller).world.run(SOON);
        if (controller.sim.on) break;
        this.counts.cuts++;
        this.#restart(controller.sim.raw.image(), begin + SOON, true, [this.#afterBoot(state)]);
      }
    }
  }

  /** Seconds at which the flash or what was acknowledged is about to change. */
  lastSeconds(): number[] {
    return this.seconds.flatMap((moment, i) => (moment === this.seconds[i + 1] ? [] : [i]));
  }

  /** @returns ms of a seeded outage: none, short or long */
  outage(index: number): number {
    return [0, 0, 1000, 45_000, 600_000][seeded(`${this.#seed} ${index} outage`).below(5)];
  }

  #worlds = new WeakMap<Controller, World>();
  #worldOf(controller: Controller): { world: World } {
    return { world: this.#worlds.get(controller) as World };
  }

  #boot(image: Uint8Array, begin: number | undefined): Controller {
    const world = new World();
    this.counts.boots++;
    const saved = { flash: NOTHING, raw: image, wattHours: 0, varHours: 0 };
    const options = { world, id: 'cut-1', board: this.#board, saved, begin, bootTime: 0 };
    const controller = openController(options);
    this.#worlds.set(controller, world);
    return controller;
  }

  /** Boots a second before the order and gives it. @returns the flash before it and at the end. */
  #deliver(image: Uint8Array, begin: number, index: number, cut: { count: number; part: number } | undefined) {
    const controller = this.#boot(image, begin);
    const { sim } = controller;
    const { world } = this.#worldOf(controller);
    world.run(SECOND);
    const before = sim.raw.image();
    if (cut) sim.raw.cutAfter(cut.count, cut.part);
    let acknowledged = false;
    try {
      obey(decode(new Uint8Array(encodeCommand(index, this.orders[index].command))), controller.firmware as Firmware);
      acknowledged = sim.on;
      if (sim.on) (controller.firmware as Firmware).arbiter.wake();
    } catch (error) {
      assert.ok(error instanceof PowerCut);
    }
    world.run(0);
    return { before, image: sim.raw.image(), cut: !sim.on, acknowledged };
  }

  #stored(image: Uint8Array): (Uint8Array | undefined)[] {
    const sim = openSim({ raw: new Flash({ image }) });
    const vault = new Vault(sim, { size: FLASH });
    const settings = new Settings(vault, sim, OWN, OWN_LEVEL);
    const numbers = Buffer.from(`${settings.edition} ${settings.defaultLevel()}`);
    return [numbers, settings.timetable(), settings.partOf(ConfigurationPart.Monitoring), vault.read('overrides')];
  }

  /** Boots on `image`, and looks 5 s later. @param states each may be what is in force; nothing else may */
  #restart(image: Uint8Array, begin: number, known: boolean, states: State[]): void {
    const controller = this.#boot(image, known ? begin : undefined);
    const { world } = this.#worldOf(controller);
    world.run(0);
    // An override that ended in the dark ends when the time is known, with its own ramp.
    const kept = (controller.firmware as Firmware).settings.overrides().map((override) => override?.rampFrom ?? 0);
    if (!known) {
      world.run(TOLD);
      const firmware = controller.firmware as Firmware;
      firmware.setTime(begin + TOLD);
      firmware.arbiter.wake();
    }
    world.run(SOON - world.now);
    const { settings, arbiter } = controller.firmware as Firmware;
    const time = begin + SOON;
    const timetable = settings.timetable() ?? new Uint8Array(0);
    const matches = states.filter(
      (candidate) =>
        same(timetable, TIMETABLES[candidate.timetable]) &&
        settings.defaultLevel() === candidate.config.defaultLevel &&
        settings.edition === candidate.version &&
        same(settings.partOf(ConfigurationPart.Monitoring), candidate.monitoring ?? undefined) &&
        this.#right(decisionOf(candidate.config, arbiter.command), candidate, time),
    );
    const what = () =>
      `${iso(begin)}, clock ${known ? 'known' : 'told later'}: ${JSON.stringify(arbiter.command)}, the model says ` +
      states.map(({ config, history }) => JSON.stringify(decide(config, [...history], time))).join(' or ');
    if (matches.length === 0) assert.fail(what());
    const { reason } = decisionOf(matches[0].config, arbiter.command);
    this.counts.reasons[reason] = (this.counts.reasons[reason] ?? 0) + 1;
    const quiet = matches.every((one) => this.#steady(one, begin, time));
    const ramp = Math.max(quiet ? 0 : SHORT + 1, arbiter.command.rampTo ?? 0, ...kept);
    const rest = ramp <= SHORT ? 0 : Math.ceil(ramp / SECOND) * SECOND + SOON;
    world.run(rest);
    this.#lights(controller.lamp.light, matches, time, time + rest, what);
  }

  /** The plant is at the level of one of the states, unless they change on the way. */
  #lights(light: number, states: State[], from: number, to: number, what: () => string): void {
    const given = (state: State) => {
      const { level } = this.#model(state, to);
      return level > 0 ? Math.max(level, this.#board.lamp.minimumLevel) : 0;
    };
    if (states.some((state) => Math.abs(light - given(state)) < 0.01)) return;
    if (!states.every((state) => this.#steady(state, from, to))) this.counts.unsettled++;
    else if (states.some(({ config, history }) => acceptable(config, [...history], to).length > 1))
      this.counts.nearSun++;
    else assert.fail(`the lamp gives ${light} % after ${what()}`);
  }

  #asked = new Map<State, Map<number, Decision>>();

  #model(state: State, time: number): Decision {
    const known = this.#asked.get(state) ?? new Map<number, Decision>();
    const decision = known.get(time) ?? decide(state.config, [...state.history], time);
    this.#asked.set(state, known.set(time, decision));
    return decision;
  }

  /** Whether nothing changes from one instant to another; commands and programs act at whole seconds. */
  #steady(state: State, from: number, to: number): boolean {
    const first = this.#model(state, from);
    for (let time = from + SECOND; time <= to; time += SECOND) {
      if (!isDeepStrictEqual(this.#model(state, time), first)) return false;
    }
    return true;
  }

  #restarted = new WeakMap<State, State>();

  /** The same object for the same state, for what is known of its decisions. */
  #afterBoot(state: State): State {
    const known = this.#restarted.get(state) ?? restarted(state);
    this.#restarted.set(state, known);
    return known;
  }

  #right(decision: Decision, state: State, time: number): boolean {
    if (isDeepStrictEqual(decision, this.#model(state, time))) return true;
    const near = acceptable(state.config, [...state.history], time).some((one) => isDeepStrictEqual(decision, one));
    if (near) this.counts.nearSun++;
    return near;
  }
}

const iso = (time: number) => new Date(time).toISOString();

/** @returns one line for the reader of a test's output */
export function told({ counts, orders }: Night, seed: number): string {
  const { cuts, boots, nearSun, unsettled, reasons } = counts;
  const by = Object.entries(reasons).map(([reason, count]) => `${count} ${reason}`);
  return `seed ${seed}, ${orders.length} commands: ${cuts} cuts, ${boots} boots (${by.join(', ')}), ${nearSun} near the sun, ${unsettled} unsettled`;
}
