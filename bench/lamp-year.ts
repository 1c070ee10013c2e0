/**
 * One year of one lamp: the real firmware on a simulated board without link and meters, one calendar, a clock on a
 * battery. The light that the pins give is held against the reference model (luxon, astronomy-engine; none of our code).
 *
 * The model is asked at three kinds of instants, because asking it at every second takes an hour:
 * - at every instant at which its answer can change (`edges`): between two of them it is constant;
 * - at every change of the plant: the relay's, and the first of each run of steps;
 * - at 5000 seeded instants. Those of the last two kinds must agree with the edge before them, so that an edge that the
 *   list lacks is found out.
 * From these the model's level is known at every millisecond, and so is the plant's from its own changes: durations of
 * disagreement are integrals over the whole year, not samples.
 *
 * Legal are only: the relay's delay (it stays open for the board's minimum off time, and opens after the discharge time),
 * ramps, and `SUN` around an edge that follows the sun and that the day's program minds, because two ephemerides differ.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Board } from '../firmware/board.ts';
import { NONE } from '../firmware/link/timetable.ts';
import type { Firmware } from '../firmware/main.ts';
import { programsOf } from '../gateway/talq/timetable.ts';
import { World } from '../sim/clock.ts';
import { openController } from '../sim/controller.ts';
import { seeded } from '../sim/random.ts';
import { decisionOf, timetableOf } from '../test/reference/firmware.ts';
import { type Config, type Decision, decide, type Happening } from '../test/reference/model.ts';
import { DAY } from '../test/reference/sun.ts';
import { instantOf, wall } from '../test/reference/zone.ts';
import { type Edges, edgesOf, historyOf, type Visit, visitsOf } from './edges.ts';
import { configOf, type Place } from './places.ts';

/** ms around an edge that follows the sun in which the firmware's sun and the model's may disagree. */
export const SUN = 60_000;
/** ms for which the lamp runs before the year is counted. */
const BEFORE = 3_600_000;
/** Seeded instants at which the model is asked besides the edges. */
const SAMPLES = 5000;
/** ms without a step after which a change of light is a new one. */
const REST = 1500;
/** ms: the longest ramp of the calendar's controls. */
const RAMP = 30_000;
/** ms of past that a decision can depend on: no visit and no hold is longer. */
const PAST = 3_600_000;
const PIN = 'D9';
const WATTAGE = 60;
const STANDBY = 0.4;

export interface YearOptions {
  place: Place;
  year: number;
  seed: number;
  /** From `loadBoard`; its lines, meters and network are left out. */
  board: Board;
  /** What the firmware is given instead of the place's calendar; a test shows with it that a fault is seen. */
  timetable?: Uint8Array;
  /** Told the time reached, ms UTC, about once a month. */
  onMonth?(time: number): void;
}

/** One program day, noon to noon. */
export interface Night {
  /** Local date on which it begins, yyyy-mm-dd. */
  date: string;
  /** ms lit */
  lit: number;
  /** The program was active all of the time. */
  active: boolean;
}

/** ms of the year in which plant and model disagreed, by why. */
export interface Disagreement {
  /** Dark while the program says lit: waiting for the relay to be allowed to close. */
  closing: number;
  /** The longest of those. */
  longestClosing: number;
  /** Dark or lit within `SUN` of an edge that follows the sun. */
  sun: number;
  /** Lit while the program says dark: the gear discharges. */
  discharge: number;
  /** Dark while the program says lit, with no excuse. */
  dark: number;
  /** Lit while the program says dark, with no excuse. */
  lit: number;
  /** Lit at another level than the program's, with no excuse. */
  level: number;
}

export interface Year {
  /** ms UTC: noon of 31 December of the year before, and of the year. */
  from: number;
  to: number;
  /** ms */
  lit: number;
  /** Times that the relay closed, and opened. */
  switchOns: number;
  switchOffs: number;
  /** Times that the firmware commanded another level than before. */
  levelChanges: number;
  wattHours: number;
  /** ms lit by program id. */
  programs: Map<string, number>;
  nights: Night[];
  off: Disagreement;
  /** Times that the model was asked, and the firmware's decision was compared with it. */
  asked: number;
  /** Of those: within `SUN` of the sun's edges, where they differed. */
  nearSun: number;
  /** Where they differed with no excuse, ms UTC. */
  wrong: number[];
  visits: Visit[];
}

/** @returns noon of 31 December of the year before `year` and of `year`, local time, ms UTC */
export function spanOf({ timeZone }: Config, year: number): { from: number; to: number } {
  const noon = (of: number) => instantOf(timeZone, Date.UTC(of, 11, 31, 12));
  return { from: noon(year - 1), to: noon(year) };
}

/** @returns who comes by the lamp in a year that `liveYear` lives with the same seed */
export function visitsIn(config: Config, year: number, seed: number): Visit[] {
  const { from, to } = spanOf(config, year);
  return visitsOf(config.timeZone, from - BEFORE, to, `${seed} ${config.timeZone}`);
}

/** The board as it stands in this bench: a lamp, a presence input and a timetable. */
function boardOf(board: Board, timetable: Uint8Array): Board {
  const alone = {
    lines: [],
    meters: [],
    monitoring: undefined,
    network: { ...board.network, kind: 'none' as const },
    watchdog: undefined,
  };
  return { ...board, ...alone, timetable: [...timetable], presence: { pin: PIN, pull: 'down' } };
}

/** Lives the year. Throws when the model's answer changes where no edge is. */
export function liveYear(options: YearOptions): Year {
  return new LampYear(options).live();
}

class LampYear {
  #config: Config;
  #span: { from: number; to: number };
  #visits: Visit[];
  #history: Happening[];
  #controller;
  #world = new World();
  #begin: number;
  #seed: number;
  #offTime: number;
  #discharge: number;
  #onMonth: (time: number) => void;
  /** What the pins did since they were looked at: ms UTC and % of light. */
  #changes: { time: number; light: number }[] = [];
  #light = 0;
  #changedAt = 0;
  /** The model's decision since the last edge, since when it is lit or dark, and its level the same. */
  #decision!: Decision;
  #switchedAt = 0;
  #levelAt = 0;
  /** When the relay opened last, by the plant. */
  #openedAt = Number.NEGATIVE_INFINITY;
  /** How far the integrals have come, ms UTC. */
  #at = 0;
  #sun: number[] = [];
  #nextSun = 0;
  #firstPast = 0;
  /** Ids in the order of the timetable, and the one that rules by the firmware. */
  #programs: string[];
  #program: string | undefined;
  #closing = 0;
  #year: Year;

  constructor({ place, year, seed, board, timetable, onMonth }: YearOptions) {
    this.#config = configOf(place);
    this.#programs = programsOf(this.#config.calendars[0]);
    this.#span = spanOf(this.#config, year);
    this.#begin = this.#span.from - BEFORE;
    this.#seed = seed;
    this.#visits = visitsIn(this.#config, year, seed);
    this.#history = historyOf(this.#visits);
    this.#offTime = board.lamp.minimumOffTime;
    this.#discharge = board.lamp.dischargeTime;
    this.#onMonth = onMonth ?? (() => {});
    const controller = openController({
      world: this.#world,
      id: 'year-1',
      board: boardOf(board, timetable ?? (timetableOf(this.#config) as Uint8Array)),
      seed,
      begin: this.#begin,
      lamp: { wattage: WATTAGE, standby: STANDBY },
    });
    this.#controller = controller;
    const { relay, dim } = board.lamp;
    for (const pin of [relay?.pin, dim?.pin]) {
      if (pin !== undefined) controller.sim.pins.watch(pin, () => this.#changed(controller.lamp.light));
    }
    const off = { closing: 0, longestClosing: 0, sun: 0, discharge: 0, dark: 0, lit: 0, level: 0 };
    this.#year = {
      ...this.#span,
      lit: 0,
      switchOns: 0,
      switchOffs: 0,
      levelChanges: 0,
      wattHours: 0,
      programs: new Map(),
      nights: [],
      off,
      asked: 0,
      nearSun: 0,
      wrong: [],
      visits: this.#visits,
    };
  }

  live(): Year {
    const { from, to } = this.#span;
    const { lamp } = this.#controller;
    this.#arrange();
    this.#world.run(BEFORE);
    this.#countLevels();
    this.#changes = [];
    this.#light = lamp.light;
    this.#at = this.#switchedAt = this.#levelAt = from;
    const edges = edgesOf(this.#config, this.#history, from, to);
    this.#sun = this.#following(edges);
    this.#decision = this.#ask(from);
    const before = lamp.load.wattHours;
    for (const [instant, isEdge] of this.#stops(edges.all)) this.#stop(instant, isEdge);
    this.#stop(to, true);
    this.#year.wattHours = lamp.load.wattHours - before;
    this.#year.nights.pop();
    return this.#year;
  }

  /** People come by. */
  #arrange(): void {
    const { pins } = this.#controller.sim;
    for (const { up, down } of this.#visits) {
      this.#world.after(up - this.#begin, () => pins.set(PIN, 1));
      this.#world.after(down - this.#begin, () => pins.set(PIN, 0));
    }
  }

  /** Commands that reach the lamp with another level than the one before. */
  #countLevels(): void {
    const { lamp, arbiter } = this.#controller.firmware as Firmware;
    const apply = lamp.apply.bind(lamp);
    let level = arbiter.command.level;
    lamp.apply = (next, ramp) => {
      if (next !== level) this.#year.levelChanges++;
      level = next;
      apply(next, ramp);
    };
  }

  /** Edges and seeded samples in order of time; `true`: an edge. */
  #stops(edges: number[]): [number, boolean][] {
    const random = seeded(`${this.#seed} samples`);
    const { from, to } = this.#span;
    const samples = Array.from({ length: SAMPLES }, () => from + random.below(to - from));
    const stops = new Map([...samples.map((at) => [at, false] as const), ...edges.map((at) => [at, true] as const)]);
    return [...stops].sort(([a], [b]) => a - b);
  }

  #changed(light: number): void {
    const time = this.#begin + this.#world.now;
    const last = this.#changes.at(-1);
    if (last?.time === time) last.light = light;
    else this.#changes.push({ time, light });
  }

  /** Runs the lamp up to an instant, and compares. */
  #stop(instant: number, isEdge: boolean): void {
    this.#world.run(instant - this.#begin - this.#world.now);
    for (const { time, light } of this.#changes) this.#follow(time, light, instant);
    this.#changes = [];
    this.#integrate(instant);
    const decision = this.#ask(instant);
    const before = this.#decision;
    if (isEdge) this.#decision = decision;
    else this.#unchanged(decision, instant);
    if (decision.level > 0 !== before.level > 0) this.#switchedAt = instant;
    if (decision.level !== before.level) this.#levelAt = instant;
    this.#look(instant, decision);
  }

  /** The light has changed. @param next the stop that follows, where the model is asked anyway */
  #follow(time: number, light: number, next: number): void {
    this.#integrate(time);
    if (light === this.#light) return;
    const switched = light > 0 !== this.#light > 0;
    if (switched && light > 0) this.#year.switchOns++;
    if (switched && light === 0) {
      this.#year.switchOffs++;
      this.#openedAt = time;
    }
    this.#light = light;
    if (time < next && (switched || time - this.#changedAt > REST)) this.#unchanged(this.#ask(time), time);
    this.#changedAt = time;
  }

  #ask(instant: number): Decision {
    this.#year.asked++;
    return decide(this.#config, this.#past(instant), instant);
  }

  /** @returns what can matter at an instant; cheapest in ascending order. */
  #past(instant: number): Happening[] {
    const history = this.#history;
    while (this.#firstPast > 0 && history[this.#firstPast - 1].at >= instant - PAST) this.#firstPast--;
    while (this.#firstPast < history.length && history[this.#firstPast].at < instant - PAST) this.#firstPast++;
    let end = this.#firstPast;
    while (end < history.length && history[end].at <= instant) end++;
    return history.slice(this.#firstPast, end);
  }

  /**
   * The edges that the day's program minds: with another sun within `SUN` the model would decide otherwise there, or at
   * another edge so close (where the program day begins after the event that has moved out of it).
   */
  #following({ sun, all }: Edges): number[] {
    let first = 0;
    return sun.filter((edge) => {
      while (all[first] <= edge - SUN) first++;
      for (let i = first; i < all.length && all[i] < edge + SUN; i++) if (this.#depends(all[i])) return true;
      return false;
    });
  }

  /** Two events may be closer than `SUN`, so the two ends alone do not tell. */
  #depends(instant: number): boolean {
    const ask = (sunShift: number) => decide(this.#config, this.#past(instant), instant, { sunShift });
    const first = ask(-SUN);
    return [-SUN / 2, 0, SUN / 2, SUN].some((shift) => !isDeepStrictEqual(first, ask(shift)));
  }

  #unchanged(decision: Decision, instant: number): void {
    assert.deepEqual(decision, this.#decision, `the model changed its mind before ${new Date(instant).toISOString()}`);
  }

  /** @returns ms UTC at which the tolerance of the nearest sun edge ends if `time` lies in it, else where the next begins. */
  #tolerance(time: number): { inside: boolean; until: number } {
    const sun = this.#sun;
    while (this.#nextSun < sun.length && sun[this.#nextSun] + SUN <= time) this.#nextSun++;
    const next = sun[this.#nextSun] ?? Number.POSITIVE_INFINITY;
    return next - SUN <= time ? { inside: true, until: next + SUN } : { inside: false, until: next - SUN };
  }

  /** Light, program and model's decision stand from `#at` to `end`. */
  #integrate(end: number): void {
    const night = this.#year.nights.at(-1);
    const length = end - this.#at;
    if (this.#light > 0 && length > 0) {
      this.#year.lit += length;
      if (night) night.lit += length;
      const program = this.#program ?? 'default';
      this.#year.programs.set(program, (this.#year.programs.get(program) ?? 0) + length);
    }
    while (this.#at < end) {
      const { inside, until } = this.#tolerance(this.#at);
      const next = Math.min(end, until);
      this.#judge(this.#at, next, inside);
      this.#at = next;
    }
  }

  /** A piece of time in which nothing changes, all of it inside or outside the sun's tolerance. */
  #judge(from: number, to: number, nearSun: boolean): void {
    const off = this.#year.off;
    const wanted = this.#decision.level;
    const light = this.#light;
    if (light > 0 === wanted > 0) {
      this.#closing = 0;
      if (wanted === 0 || light === wanted || nearSun) return;
      // Ramps begin at the command, or when the relay has closed.
      const settled = this.#levelAt + this.#offTime + RAMP + this.#discharge;
      if (to > settled && Math.abs(light - wanted) > 0.01) off.level += to - Math.max(from, settled);
      return;
    }
    const dark = light === 0;
    const excuse = dark ? this.#closes() : this.#switchedAt + this.#discharge;
    const legal = Math.max(0, Math.min(to, excuse) - from);
    if (dark) {
      off.closing += legal;
      this.#closing += legal;
      off.longestClosing = Math.max(off.longestClosing, this.#closing);
    } else {
      off.discharge += legal;
    }
    const rest = to - from - legal;
    if (nearSun) off.sun += rest;
    else if (dark) off.dark += rest;
    else off.lit += rest;
  }

  /**
   * When the relay has to be closed, ms UTC. It may wait only if the program was dark when it began to open: a lamp that
   * opens it while the program says lit has no excuse.
   */
  #closes(): number {
    const ordered = this.#switchedAt >= this.#openedAt - this.#discharge;
    return ordered ? Math.max(this.#switchedAt, this.#openedAt + this.#offTime) : this.#at;
  }

  /** The firmware's decision at a stop. */
  #look(instant: number, expected: Decision): void {
    const { command } = (this.#controller.firmware as Firmware).arbiter;
    const year = this.#year;
    const date = new Date(wall(this.#config.timeZone, instant) - DAY / 2).toISOString().slice(0, 10);
    if (year.nights.at(-1)?.date !== date) {
      year.nights.push({ date, lit: 0, active: true });
      if (date.endsWith('-01')) this.#onMonth(instant);
    }
    const night = year.nights.at(-1) as Night;
    night.active &&= command.control !== NONE;
    this.#program = command.program === undefined ? undefined : this.#programs[command.program];
    if (isDeepStrictEqual(decisionOf(this.#config, command), expected)) return;
    if (this.#tolerance(instant).inside) year.nearSun++;
    else year.wrong.push(instant);
  }
}
