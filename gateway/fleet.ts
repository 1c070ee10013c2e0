/** The controllers in the field: who is there, what they last said, and the commands on their way. */

import { randomInt } from 'node:crypto';
import {
  AckCode,
  COMMAND_GROUP_ROOT,
  CommandKind,
  Counter,
  EventCode,
  Leaf,
  Phase,
  type Reason,
  RecordKind,
  TOPIC_ROOT,
} from '../firmware/link/messages.ts';
import type { Clock } from './clock.ts';
import { type Condition, Conditions } from './conditions.ts';
import { ID } from './keys/controller-keys.ts';
import { numbersIn } from './keys/group-keys.ts';
import { complainer, type Log } from './log.ts';
import { Once, type Seen } from './once.ts';
import { decodeSamples } from './samples.ts';
import type { Content, Wrap } from './seal.ts';
import type { Arrival } from './store/store.ts';
import {
  type Ack,
  type Birth,
  decodeAck,
  decodeAsk,
  decodeBatch,
  decodeBirth,
  decodeEvents,
  decodeLink,
  decodeReport,
  encodeCommand,
  encodeTime,
  type FieldCommand,
  type FieldEvent,
  type Records,
  type Report,
  splitBatch,
  splitEvents,
} from './wire.ts';

/** Topics the fleet listens to. */
export const SUBSCRIPTIONS = [Leaf.Birth, Leaf.Link, Leaf.Report, Leaf.Ack, Leaf.Event, Leaf.Log, Leaf.Ask].map(
  (leaf) => `${TOPIC_ROOT}/+/${leaf}`,
);

export const MOST_CONTROLLERS = 10000;
/** ms between the first and the second sending of a command; doubled each time up to the longest. */
const FIRST_WAIT = 5000;
const LONGEST_WAIT = 300000;
/** ms after which a command is repeated that needs the time: the controller asks for it by itself. */
const AFTER_TIME = 1000;
/** ms that an unacknowledged override without an expiration is kept, and a sensor's pulse; settings are kept for ever. */
const LIFETIME = 86400000;
const PULSE_LIFETIME = 10000;
/** ms from a command for a group to the instant at which its lamps change together: time for slow ways. */
const TOGETHER = 2000;
/** ms after which nobody waits any more for values that were to be read. */
const READ_LIFETIME = 5000;
/** ms for which missing records may stay away before somebody is told; they count when they come later. */
const GAP_TIME = 86400000;
/** ms between two looks for them. */
const GAP_PERIOD = 3600000;
/** Boots of a controller whose beginning is remembered. */
const MOST_ORIGINS = 4;
/** Complaints per minute about messages that cannot be understood. */
const MOST_COMPLAINTS = 20;

/** One value of a unit, in steps of the wire's resolution. */
export interface Reading {
  value: number;
  /** ms UTC of the measurement */
  time: number;
}

/** What the lamp does, as last reported. */
export interface State extends Omit<Report, 'units' | 'since' | 'time' | 'counters' | 'active'> {
  /** ms UTC of the snapshot: the controller's clock, or of the arrival while it has none. */
  time: number;
  /** The controller knew the time. */
  timed: boolean;
  /** ms UTC at which the command in action took effect. */
  since: number;
}

export interface Controller {
  readonly id: string;
  birth: Birth;
  /** ms UTC at which the birth first said what it says now. */
  bornAt: number;
  online: boolean;
  /** ms UTC at which `online` changed. */
  linkedAt: number;
  state: State | undefined;
  /** Unit by unit in the birth's order; a value that was never read is undefined. */
  readings: (Reading | undefined)[][];
  /** The command in action, by its level in % and its reason, once it had obeyed the last command that it acknowledged. */
  applied: { number: number; level: number; reason: Reason; time: number } | undefined;
  /** Groups whose commands it listens to, as it last said; undefined: it knows no groups. */
  groups: readonly number[] | undefined;
  /** As last reported, by `Counter`, in steps of the wire; null: nobody counts. `time`: ms UTC. */
  counters: { values: readonly (number | null)[]; time: number } | undefined;
  /** What holds, by event code. */
  readonly conditions: Conditions;
  /** Which events and batches of samples have come. */
  readonly events: Once;
  readonly batches: Once;
  /** By `RecordKind`. */
  readonly gaps: [Gap, Gap];
}

/** What is missing of a controller's records. */
export interface Gap {
  /** Records that the controller has dropped, or whose absence has been told of. */
  told: number;
  /** How many the controller says it has dropped, in the last epoch of which it says so. */
  dropped?: { epoch: number; count: number };
  /** Records that were missing when that number last changed, and when, ms UTC. */
  missing: number;
  since: number;
}

/** What is known of a controller's past, for storing. */
export interface Memory {
  conditions: Condition[];
  events: Seen[];
  batches: Seen[];
  gaps?: [Gap, Gap];
}

/** What happened at a controller, told once. Evidence is in steps of the wire, absent where nothing was known. */
export interface ControllerEvent extends Omit<FieldEvent, 'phase' | 'time' | 'ofBoot'> {
  /** With the number it names the event for ever. */
  epoch: number;
  phase: 'start' | 'end' | 'instant';
  /** ms UTC */
  time: number;
  /** The controller knew the time; else it is computed from the uptime and the latest instant that is possible. */
  timed: boolean;
}

/** Recorded samples, told once. */
export interface Samples {
  /** ms UTC of the first instant, and from one to the next. */
  start: number;
  period: number;
  /** As in `LogKey.Columns`; `columnOf` says what each is. */
  columns: readonly number[];
  /** Instant by instant, in steps of the wire; null: missing. */
  instants: readonly (readonly (number | null)[])[];
}

/**
 * How a command ended. 'superseded': a later command made it pointless; 'tooLarge': more than the controller holds; 'drift': the
 * controller has another configuration than the one that was to be changed.
 */
export type Outcome = 'done' | 'refused' | 'tooLarge' | 'expired' | 'superseded' | 'drift';
/** 'conditions': other conditions hold, or since another time. */
export type Change = 'birth' | 'link' | 'report' | 'conditions';

/** When a boot began, ms UTC. */
interface Origin {
  time: number;
  /** By the controller's own clock. */
  exact: boolean;
}

interface Pending {
  number: number;
  command: FieldCommand;
  givenAt: number;
  wait: number;
  cancel: () => void;
  settle: (outcome: Outcome) => void;
}

export class Fleet {
  readonly controllers = new Map<string, Controller>();
  /** Messages dropped because they could not be understood. */
  dropped = 0;
  /** Commands that have ended, by how. */
  readonly outcomes: Record<Outcome, number> = {
    done: 0,
    refused: 0,
    tooLarge: 0,
    expired: 0,
    superseded: 0,
    drift: 0,
  };
  /** Keeps records until they are taken; without anybody who does, they are taken as they come. */
  keep: (arrivals: Arrival[]) => void = (arrivals) => this.takeRecords(arrivals);
  private readonly pending = new Map<string, Pending[]>();
  private readonly links = new Map<string, boolean>();
  private readonly removed = new Set<string>();
  private readonly rosters: (() => void)[] = [];
  private readonly listeners = new Set<(controller: Controller, change: Change) => void>();
  private readonly eventListeners = new Set<(controller: Controller, events: ControllerEvent[]) => void>();
  private readonly sampleListeners = new Set<(controller: Controller, samples: Samples) => void>();
  private readonly gapListeners = new Set<(controller: Controller, kind: RecordKind, count: number) => void>();
  /** ms UTC at which boots began, by controller and boot, as well as it is known. */
  private readonly origins = new Map<string, Map<number, Origin>>();
  /** Counters that were set since the last report: those may be lower than before. */
  private readonly presets = new Map<string, Set<number>>();
  /**
   * Of the last command. By chance at first: a controller answers a number that it has answered lately again, and obeys it
   * not, and what it acknowledges may come when another gateway has begun, whose clock goes as it likes.
   */
  private number = randomInt(2 ** 32);
  private readonly grumble: Log;

  /** @param publish sends one message; never throws, and may lose it */
  constructor(
    private readonly clock: Clock,
    private readonly publish: (topic: string, content: Content, qos: 0 | 1, retain?: boolean) => void,
    private readonly log: Log,
  ) {
    this.grumble = complainer(log, MOST_COMPLAINTS, () => clock.now());
    this.keepGaps();
  }

  /** Commands that are on their way, or wait for their controller. */
  get waiting(): number {
    let count = 0;
    for (const queue of this.pending.values()) count += queue.length;
    return count;
  }

  /** Calls `listener` after every change. @returns a function that ends it */
  onChange(listener: (controller: Controller, change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls `listener` with events that are new, in the order in which they came. @returns a function that ends it */
  onEvents(listener: (controller: Controller, events: ControllerEvent[]) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  /** Calls `listener` with every batch of samples that is new. @returns a function that ends it */
  onSamples(listener: (controller: Controller, samples: Samples) => void): () => void {
    this.sampleListeners.add(listener);
    return () => this.sampleListeners.delete(listener);
  }

  /** Calls `listener` when records stay away, and how many. @returns a function that ends it */
  onGap(listener: (controller: Controller, kind: RecordKind, count: number) => void): () => void {
    this.gapListeners.add(listener);
    return () => this.gapListeners.delete(listener);
  }

  /** @returns records that controllers have numbered and that have not come, of one kind */
  missing(kind: RecordKind): number {
    return [...this.controllers.values()].reduce((sum, controller) => sum + onceOf(controller, kind).missing, 0);
  }

  /** Calls `listener` after devices were created or deleted without a word from the field. */
  onRoster(listener: () => void): void {
    this.rosters.push(listener);
  }

  /** Devices were created or deleted. */
  tellRoster(): void {
    for (const listener of this.rosters) listener();
  }

  /** Brings back a controller known from before a restart; it is offline until it says otherwise. */
  restore(id: string, birth: Birth, bornAt: number, memory?: Memory): void {
    this.controllers.set(id, this.create(id, birth, bornAt, memory));
  }

  /**
   * Forgets a controller, and what the broker keeps of it. One that is still there is found again when it next connects.
   */
  remove(id: string): void {
    for (const pending of [...(this.pending.get(id) ?? [])]) this.settle(id, pending, 'superseded');
    this.controllers.delete(id);
    this.presets.delete(id);
    this.origins.delete(id);
    this.removed.add(id);
    for (const leaf of [Leaf.Birth, Leaf.Link]) this.publish(`${TOPIC_ROOT}/${id}/${leaf}`, Buffer.alloc(0), 1, true);
  }

  /** Takes one message from the broker, well-formed or not. */
  receive(topic: string, payload: Uint8Array, retained: boolean): void {
    const [root, id, leaf] = topic.split('/');
    if (root !== TOPIC_ROOT || !ID.test(id ?? '')) {
      this.complain(topic, 'no controller id');
      return;
    }
    if (payload.length === 0 && (leaf === Leaf.Birth || leaf === Leaf.Link)) return; // a retained message was cleared
    if (leaf === Leaf.Birth) this.take(topic, decodeBirth(payload), (birth) => this.birth(id, birth, retained));
    else if (leaf === Leaf.Link) this.take(topic, decodeLink(payload), (online) => this.link(id, online === 1));
    else if (leaf === Leaf.Report) this.take(topic, decodeReport(payload), (report) => this.report(topic, id, report));
    else if (leaf === Leaf.Event) this.arrive(topic, id, RecordKind.Event, splitEvents(payload));
    else if (leaf === Leaf.Log) this.arrive(topic, id, RecordKind.Samples, splitBatch(payload));
    else if (leaf === Leaf.Ack) this.take(topic, decodeAck(payload), (ack) => this.ack(id, ack));
    else if (leaf === Leaf.Ask) this.take(topic, decodeAsk(payload), (uptime) => this.sendTime(id, uptime));
  }

  /** The broker is gone: nobody can be reached. */
  lose(): void {
    for (const id of this.links.keys()) this.link(id, false);
    this.links.clear();
  }

  /**
   * Sends a command until the controller acknowledges it, it expires, or a later one replaces it: an override that acts
   * at once replaces all before it, one with a later start only others like it, and a setting the same setting.
   */
  submit(id: string, command: FieldCommand): Promise<Outcome> {
    return this.enqueue(id, this.nextNumber(), command, false);
  }

  /**
   * Submits one command for many controllers. Those that listen to one of the groups hear it there, all by one message a
   * group; the others, and whoever does not acknowledge it in time, get it as if it was for them alone.
   * What has no start of its own is obeyed by all at one instant; by whom it reaches late, at once.
   * @param groups numbers that nobody listens to but `ids`
   */
  submitGroup(groups: readonly number[], ids: readonly string[], command: FieldCommand): Promise<Outcome>[] {
    const number = this.nextNumber();
    const told = new Set<string>();
    const topics: string[] = [];
    for (const group of groups) {
      const more = ids.filter((id) => !told.has(id) && this.listens(id, group));
      if (more.length < 2) continue;
      for (const id of more) told.add(id);
      topics.push(`${COMMAND_GROUP_ROOT}/${group}`);
    }
    const at = ids.length > 1 && command.start === undefined ? this.clock.now() + TOGETHER : undefined;
    const timed = { ...command, at };
    const outcomes = ids.map((id) => this.enqueue(id, number, timed, told.has(id)));
    for (const topic of topics) this.publish(topic, encodeCommand(number, timed), 1);
    return outcomes;
  }

  private listens(id: string, group: number): boolean {
    const controller = this.controllers.get(id);
    return controller?.online === true && controller.groups?.includes(group) === true;
  }

  private nextNumber(): number {
    this.number = (this.number + 1) % 4294967296;
    return this.number;
  }

  /** @param told the controller hears of it another way, the first time */
  private enqueue(id: string, number: number, command: FieldCommand, told: boolean): Promise<Outcome> {
    const queue = this.pending.get(id) ?? [];
    for (const other of [...queue]) {
      if (replaces(command, other.command)) this.settle(id, other, 'superseded');
    }
    return new Promise((settle) => {
      const pending: Pending = {
        number,
        command,
        givenAt: this.clock.now(),
        wait: FIRST_WAIT,
        cancel: () => {},
        settle,
      };
      this.pending.set(id, [...(this.pending.get(id) ?? []), pending]);
      this.send(id, pending, told);
    });
  }

  private take<T>(topic: string, message: T | Error, use: (message: T) => void): void {
    if (message instanceof Error) this.complain(topic, message.message);
    else use(message);
  }

  private complain(topic: string, reason: string): void {
    this.dropped++;
    this.grumble(`dropped a message on ${JSON.stringify(topic)}: ${reason}`);
  }

  /** Of a controller that is not known; that one that was forgotten goes on talking is no riddle. */
  private strange(topic: string, id: string, what: string): void {
    if (!this.removed.has(id)) this.complain(topic, `${what} before the birth`);
  }

  private create(id: string, birth: Birth, bornAt: number, memory?: Memory): Controller {
    return {
      id,
      birth,
      bornAt,
      online: false,
      linkedAt: this.clock.now(),
      state: undefined,
      readings: unread(birth),
      applied: undefined,
      groups: birth.groups,
      counters: undefined,
      conditions: new Conditions(memory?.conditions),
      events: new Once(memory?.events),
      batches: new Once(memory?.batches),
      gaps: memory?.gaps ?? [noGap(), noGap()],
    };
  }

  private birth(id: string, birth: Birth, retained: boolean): void {
    const known = this.controllers.get(id);
    if (!known && this.controllers.size >= MOST_CONTROLLERS) {
      this.complain(id, 'too many controllers');
      return;
    }
    const controller = known ?? this.create(id, birth, this.clock.now());
    if (known && JSON.stringify(known.birth.units) !== JSON.stringify(birth.units)) {
      known.readings = unread(birth);
    }
    // Report numbers may start again with another boot; a retained birth says nothing new about them.
    const again = known?.birth.session !== undefined && known.birth.session === birth.session;
    if (!retained && !again && controller.state) controller.state.number = undefined;
    if (productOf(controller.birth) !== productOf(birth)) controller.bornAt = this.clock.now();
    // Boots only count up: another board has taken the place of this one, or this one cannot count them.
    const { boot } = controller.birth;
    if (birth.boot < boot || (birth.boot === boot && known && !again)) this.forget(controller);
    controller.birth = birth;
    controller.groups = birth.groups;
    this.controllers.set(id, controller);
    this.removed.delete(id);
    const linked = this.links.get(id) === true && !controller.online;
    if (linked) this.setLink(controller, true);
    this.tell(controller, 'birth');
    if (linked) this.tell(controller, 'link');
    this.sendAll(id);
  }

  private link(id: string, online: boolean): void {
    // The order of retained messages is the broker's choice: a link may come before its birth.
    if (this.links.size < MOST_CONTROLLERS || this.links.has(id)) this.links.set(id, online);
    const controller = this.controllers.get(id);
    if (!controller || controller.online === online) return;
    this.setLink(controller, online);
    this.tell(controller, 'link');
    if (online) this.sendAll(id);
    else this.settleReads(id);
  }

  /** Who waits for fresh values waits for somebody who is there. */
  private settleReads(id: string): void {
    for (const pending of this.pending.get(id) ?? [])
      if (pending.command.kind === CommandKind.Read) this.settle(id, pending, 'expired');
  }

  private setLink(controller: Controller, online: boolean): void {
    controller.online = online;
    controller.linkedAt = this.clock.now();
  }

  private report(topic: string, id: string, report: Report): void {
    const controller = this.controllers.get(id);
    if (!controller) {
      this.strange(topic, id, 'a report');
      return;
    }
    const { birth, state } = controller;
    // What is left from an earlier boot is history, and so is what was overtaken.
    if (report.boot !== undefined && report.boot !== birth.boot) return;
    if (report.number !== undefined && state?.number !== undefined && report.number <= state.number) return;
    const { units = [], since, time: seconds, counters, active, ...rest } = report;
    const misfit = units.some(
      (unit, i) => i >= birth.units.length || (unit && unit.length !== birth.units[i][2].length + 1),
    );
    if (misfit) {
      this.complain(topic, 'units that the birth did not announce');
      return;
    }
    const time = seconds === undefined ? this.clock.now() : seconds * 1000;
    units.forEach((unit, i) => {
      const age = unit?.[0];
      if (!unit || age === null || age === undefined || age < 0) return;
      unit.slice(1).forEach((value, j) => {
        if (value !== null) controller.readings[i][j] = { value, time: time - age * 1000 };
      });
    });
    if (rest.uptime !== undefined) this.bound(id, birth.boot, time - rest.uptime * 1000, seconds !== undefined);
    if (counters) this.count(controller, counters, time);
    const changed = birth.events !== undefined && controller.conditions.hold(active ?? [], time);
    const same =
      state !== undefined &&
      (['command', 'reason', 'reference', 'program', 'sensor'] as const).every((key) => state[key] === rest[key]);
    const held = same ? state.since : time;
    controller.state = {
      ...rest,
      time,
      timed: seconds !== undefined,
      since: since === undefined ? held : since * 1000,
    };
    this.tell(controller, 'report');
    if (changed) this.tell(controller, 'conditions');
  }

  /** Takes counters as they are told: one that goes back without having been set is worth a line in the log. */
  private count(controller: Controller, values: readonly (number | null)[], time: number): void {
    const { id, counters } = controller;
    const set = this.presets.get(id);
    values.forEach((value, counter) => {
      const before = counters?.values[counter] ?? null;
      if (value === null || before === null || value >= before || counter === Counter.Source || set?.has(counter))
        return;
      this.log(`${id} has counter ${counter} at ${value}, after ${before}, and nobody has set it`, 'warning');
    });
    this.presets.delete(id);
    controller.counters = { values, time };
  }

  /** A controller has taken these counters; its next report tells no others. */
  private setCounters(id: string, { counters = [] }: FieldCommand): void {
    const controller = this.controllers.get(id);
    const values = [...(controller?.counters?.values ?? [])];
    for (let i = 0; i + 1 < counters.length; i += 2)
      if (counters[i] < values.length) values[counters[i]] = counters[i + 1];
    if (controller?.counters) controller.counters = { values, time: this.clock.now() };
  }

  private preset(id: string, counters: readonly number[]): void {
    const set = this.presets.get(id) ?? new Set();
    for (const counter of counters) set.add(counter);
    this.presets.set(id, set);
  }

  /** Takes records that were kept, in the order in which they came. */
  takeRecords(arrivals: readonly Arrival[]): void {
    for (let at = 0; at < arrivals.length; ) {
      const { controller: id, kind, epoch, time } = arrivals[at];
      let end = at + 1;
      const next = (): Arrival | undefined => arrivals[end];
      // What came together is understood together.
      while (next()?.controller === id && next()?.kind === kind && next()?.epoch === epoch && next()?.time === time)
        end++;
      const some = arrivals.slice(at, end);
      at = end;
      const controller = this.controllers.get(id);
      const topic = `${TOPIC_ROOT}/${id}/${kind === RecordKind.Event ? Leaf.Event : Leaf.Log}`;
      try {
        // It was known when they came.
        if (!controller) this.strange(topic, id, 'records');
        else if (kind === RecordKind.Event) this.happen(topic, controller, epoch, time, some);
        else for (const { content } of some) this.record(topic, controller, content);
      } catch (error) {
        // They will not get better, and behind them others wait.
        this.log(
          `a fault of this program with records of ${id}, which are passed over: ${(error as Error).stack}`,
          'error',
        );
      }
    }
  }

  private arrive(topic: string, id: string, kind: RecordKind, message: Records | Error): void {
    if (message instanceof Error) this.complain(topic, message.message);
    else if (!this.controllers.has(id)) this.strange(topic, id, kind === RecordKind.Event ? 'events' : 'samples');
    else {
      const { epoch, records } = message;
      const time = this.clock.now();
      this.keep(records.map(({ number, content }) => ({ controller: id, kind, epoch, number, time, content })));
    }
  }

  /** @param time ms UTC at which they came */
  private happen(
    topic: string,
    controller: Controller,
    epoch: number,
    time: number,
    arrivals: readonly Arrival[],
  ): void {
    const { id, birth } = controller;
    const events: FieldEvent[] = [];
    for (const { number, content } of arrivals) {
      if (!controller.events.take(epoch, number)) continue;
      const said = decodeEvents(content);
      const fault = said instanceof Error ? said.message : faultOf(birth, said.events[0]);
      if (fault !== undefined) this.complain(topic, fault);
      else if (!(said instanceof Error)) events.push(said.events[0]);
    }
    this.noteGap(controller, RecordKind.Event);
    if (events.length === 0) return;
    this.boundBy(controller, time, events);
    const told = events.map(({ ofBoot = 0, ...event }): ControllerEvent => {
      const began = this.origins.get(id)?.get(ofBoot)?.time ?? 0;
      const at = event.time === undefined ? began + event.uptime * 1000 : event.time * 1000;
      return { ...event, epoch, phase: PHASES[event.phase], time: at, timed: event.time !== undefined };
    });
    let changed = false;
    for (const { code, unit = null, phase, time: at, first, second } of told) {
      if (controller.conditions.happened(code, unit, phase, at)) changed = true;
      if (code === EventCode.CounterPreset && first !== undefined) this.preset(id, [first]);
      if (code === EventCode.Dropped) this.explain(controller, epoch, first ?? 0, second ?? RecordKind.Event);
    }
    for (const listener of [...this.eventListeners]) listener(controller, told);
    if (changed) this.tell(controller, 'conditions');
  }

  /** Learns when boots began at the latest, from events of them that came at `time` and do not know when they happened. */
  private boundBy(controller: Controller, time: number, events: readonly FieldEvent[]): void {
    const undated = events.filter((event) => event.time === undefined);
    for (const { uptime, ofBoot = 0 } of [...undated].sort((a, b) => b.uptime - a.uptime)) {
      this.bound(controller.id, ofBoot, this.endOf(controller, ofBoot, time) - uptime * 1000, false);
    }
  }

  private record(topic: string, controller: Controller, content: Uint8Array): void {
    const batch = decodeBatch(content);
    const instants = batch instanceof Error ? batch : decodeSamples(batch.columns, batch.count, batch.samples);
    if (batch instanceof Error || instants instanceof Error) {
      this.complain(topic, (instants as Error).message);
      return;
    }
    const { boot, number, columns, start, period } = batch;
    if (!controller.batches.take(boot, number)) return;
    this.noteGap(controller, RecordKind.Samples);
    const told = { start: start * 1000, period: period * 1000, columns, instants };
    for (const listener of [...this.sampleListeners]) listener(controller, told);
  }

  private noteGap(controller: Controller, kind: RecordKind): void {
    const gap = controller.gaps[kind];
    const { missing } = onceOf(controller, kind);
    if (missing === gap.missing) return;
    gap.missing = missing;
    gap.since = this.clock.now();
  }

  /** The controller says how many records of an epoch it has dropped so far because it had no room for them any more. */
  private explain({ id, gaps, events }: Controller, epoch: number, count: number, kind: RecordKind): void {
    const gap = gaps[kind === RecordKind.Samples ? RecordKind.Samples : RecordKind.Event];
    const { dropped } = gap;
    // What it says may come late and out of order.
    const before = dropped?.epoch === epoch ? dropped.count : 0;
    if (count <= before || (dropped && events.placeOf(dropped.epoch) > events.placeOf(epoch))) return;
    const more = count - before;
    gap.dropped = { epoch, count };
    gap.told += more;
    this.log(`${id} has dropped ${more} ${nameOf(kind)} for want of room, before the gateway had them`, 'warning');
  }

  private keepGaps(): void {
    this.clock.after(GAP_PERIOD, () => {
      for (const controller of this.controllers.values()) {
        for (const kind of [RecordKind.Event, RecordKind.Samples]) this.lookForGap(controller, kind);
      }
      this.keepGaps();
    });
  }

  private lookForGap(controller: Controller, kind: RecordKind): void {
    const gap = controller.gaps[kind];
    const count = gap.missing - gap.told;
    if (count <= 0 || this.clock.now() - gap.since < GAP_TIME) return;
    gap.told = gap.missing;
    this.log(
      `${controller.id} has told later ${nameOf(kind)}, and ${count} before them have not come for a day`,
      'warning',
    );
    for (const listener of [...this.gapListeners]) listener(controller, kind, count);
  }

  /** @returns ms UTC by which a boot was over at the latest */
  private endOf({ id, birth }: Controller, boot: number, arrived: number): number {
    const next = boot === birth.boot ? undefined : this.origins.get(id)?.get(birth.boot)?.time;
    return next ?? arrived;
  }

  /** Learns when a boot began: the controller's own clock knows, without it the earliest that was possible counts. */
  private bound(id: string, boot: number, time: number, exact: boolean): void {
    const boots = this.origins.get(id) ?? new Map<number, Origin>();
    const known = boots.get(boot);
    if (exact || !known || (!known.exact && time < known.time)) boots.set(boot, { time, exact });
    while (boots.size > MOST_ORIGINS) boots.delete(boots.keys().next().value as number);
    this.origins.set(id, boots);
  }

  /** What boots and counters say begins anew. */
  private forget(controller: Controller): void {
    this.origins.delete(controller.id);
    controller.counters = undefined;
  }

  private ack(id: string, { number, code, level, reason }: Ack): void {
    const pending = this.pending.get(id)?.find((entry) => entry.number === number);
    if (!pending) return;
    if (code === AckCode.NoClock) {
      pending.cancel();
      pending.cancel = this.clock.after(AFTER_TIME, () => this.send(id, pending));
    } else if (code === AckCode.Done) {
      const { command } = pending;
      this.setCounters(id, command);
      const controller = this.controllers.get(id);
      if (controller?.groups && command.groups !== undefined)
        controller.groups = numbersIn(command.groups ?? NO_GROUPS);
      if (controller && level !== undefined && reason !== undefined) {
        controller.applied = { number, level, reason, time: this.clock.now() };
      }
      this.settle(id, pending, 'done');
    } else this.settle(id, pending, FAILURES[code] ?? 'refused');
  }

  private sendAll(id: string): void {
    if (!this.controllers.get(id)?.online) return;
    for (const pending of [...(this.pending.get(id) ?? [])]) {
      pending.wait = FIRST_WAIT;
      this.send(id, pending);
    }
  }

  private send(id: string, pending: Pending, told = false): void {
    pending.cancel();
    const end = endOf(pending.command, pending.givenAt);
    const now = this.clock.now();
    if (now >= end) {
      this.settle(id, pending, 'expired');
      return;
    }
    if (this.controllers.get(id)?.online && !told) {
      const { number, command } = pending;
      // An instant that has passed would be taken for one of another minute.
      const order = command.at !== undefined && command.at <= now ? { ...command, at: undefined } : command;
      const content = command.groups
        ? (wrap: Wrap) => encodeCommand(number, command, wrap)
        : encodeCommand(number, order);
      this.publish(`${TOPIC_ROOT}/${id}/${Leaf.Command}`, content, 1);
    }
    pending.cancel = this.clock.after(Math.min(pending.wait, end - now), () => this.send(id, pending));
    pending.wait = Math.min(2 * pending.wait, LONGEST_WAIT);
  }

  private settle(id: string, pending: Pending, outcome: Outcome): void {
    pending.cancel();
    const rest = (this.pending.get(id) ?? []).filter((entry) => entry !== pending);
    if (rest.length > 0) this.pending.set(id, rest);
    else this.pending.delete(id);
    this.outcomes[outcome]++;
    pending.settle(outcome);
  }

  /** At once: half of what passes from question to answer is taken for the way of the answer. */
  private sendTime(id: string, uptime: number): void {
    this.publish(`${TOPIC_ROOT}/${id}/${Leaf.Time}`, encodeTime(this.clock.now(), uptime), 0);
  }

  private tell(controller: Controller, change: Change): void {
    for (const listener of [...this.listeners]) listener(controller, change);
  }
}

/** @returns the readings of units that have said nothing yet. */
function unread({ units }: Birth): Controller['readings'] {
  return units.map(([, , quantities]) => quantities.map(() => undefined));
}

/** @returns what a birth says of the product, apart from how often it was started and what it was told to keep. */
export function productOf(birth: Birth): string {
  return JSON.stringify({
    ...birth,
    boot: 0,
    reset: 0,
    configuration: 0,
    groups: 0,
    session: 0,
    fault: 0,
  });
}

const PHASES: Record<number, ControllerEvent['phase']> = {
  [Phase.End]: 'end',
  [Phase.Start]: 'start',
  [Phase.Instant]: 'instant',
};

const NO_GROUPS = new Uint8Array(0);

const FAILURES: { [code: number]: Outcome } = {
  [AckCode.Expired]: 'expired',
  [AckCode.TooLarge]: 'tooLarge',
  [AckCode.Drift]: 'drift',
};

function replaces(command: FieldCommand, other: FieldCommand): boolean {
  const commands = [CommandKind.Override, CommandKind.Resume];
  if (commands.includes(command.kind) && commands.includes(other.kind)) {
    return command.start === undefined || other.start !== undefined;
  }
  if (command.kind === CommandKind.Counters) return sets(other).every((counter) => sets(command).includes(counter));
  return command.kind === other.kind && command.sensor === other.sensor;
}

/** @returns the counters that a command sets */
const sets = ({ counters = [] }: FieldCommand): number[] => counters.filter((_, i) => i % 2 === 0);

/** Settings: they are sent until the controller has them. */
const LASTING = [CommandKind.Configuration, CommandKind.Counters];

const LIFETIMES: { [kind: number]: number } = {
  [CommandKind.Sensor]: PULSE_LIFETIME,
  [CommandKind.Read]: READ_LIFETIME,
};

/** @returns ms UTC after which the command is no longer sent. */
function endOf({ kind, expiration }: FieldCommand, givenAt: number): number {
  if (LASTING.includes(kind)) return Number.POSITIVE_INFINITY;
  if (expiration !== undefined) return expiration * 1000;
  return givenAt + (LIFETIMES[kind] ?? LIFETIME);
}

/** @returns what has to be remembered of a controller over a restart */
export function memoryOf({ conditions, events, batches, gaps }: Controller): Memory {
  return { conditions: conditions.all(), events: events.seen, batches: batches.seen, gaps };
}

const noGap = (): Gap => ({ told: 0, missing: 0, since: 0 });
const onceOf = ({ events, batches }: Controller, kind: RecordKind): Once =>
  kind === RecordKind.Event ? events : batches;
const nameOf = (kind: RecordKind): string => (kind === RecordKind.Event ? 'events' : 'batches of samples');

/** @returns what is wrong with an event */
function faultOf({ units }: Birth, { unit, time, ofBoot }: FieldEvent): string | undefined {
  if (unit !== undefined && unit >= units.length) return 'an event of a unit that the birth did not announce';
  return time === undefined && ofBoot === undefined
    ? 'an event with neither a time nor the boot that it is of'
    : undefined;
}

/** Takes every command back: the lamp returns to its program or default level. */
export const RESUME: FieldCommand = { kind: CommandKind.Resume };
