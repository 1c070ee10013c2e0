/**
 * The controller's conversation with the gateway: birth after every connection, a report when something changed and
 * every now and then, commands and time as they come. Without a link nothing here matters to the lamp.
 */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Board, Site } from '../board.ts';
import { CborWriter, decode } from '../protocols/cbor.ts';
import { fnv1a } from '../protocols/fnv.ts';
import { Care, type Schedule } from '../schedule.ts';
import { LATER, type Orders, obey } from './commands.ts';
import {
  AckCode,
  AckKey,
  COMMAND_GROUP_ROOT,
  CommandKey,
  CommandKind,
  GROUP,
  GROUP_ROOT,
  Leaf,
  Quantity,
  TOPIC_ROOT,
} from './messages.ts';
import {
  birth,
  birthHead,
  type Decision,
  type Instrument,
  type Light,
  type Readings,
  type Remembered,
  report,
} from './reports.ts';
import { Seal } from './seal.ts';
import type { Teller } from './teller.ts';
import { Timekeeper } from './timekeeper.ts';
import { Uplink } from './uplink.ts';

/** ms between the first change and the report that tells it: a ramp's end and a reading travel together. */
const SOON = 500;
/** 0.1 W */
const DEAD_BAND = 20;
/** Messages that wait to be taken, and their bytes in all. */
const INBOX = 8;
const INBOX_BYTES = 4096;
/** Bytes of the longest message: sealed, the uplink takes no more, and 14 units with 10 values each stay below. */
const LONGEST = 1000;
/** ms until the uplink is asked again when it has no room. */
const PATIENCE = 1000;

/** ms between two looks whether all units have been read that somebody asks for, and until nobody waits for the rest. */
const LOOK = 100;
const LONGEST_READ = 4000;
/** Commands at most that wait for one reading of the units. */
const READS = 4;

/** Commands whose answers are remembered. */
const NUMBERS = 8;
/** ms that a command may wait for its instant, which is told within a minute. */
const AHEAD = 5000;
const MINUTE = 60000;

/** s for which a neighbour's presence is believed without being repeated. */
const LONGEST_PRESENCE = 3600;

/** Whom a session reports of, and whom it tells what has come. */
export interface Controller extends Orders {
  readonly lamp: Light;
  readonly arbiter: Orders['arbiter'] & Decision & { wake(): void };
  readonly meters: Readings & { hurry(delay: number): void; busy(uptime: number): boolean };
  readonly settings: Remembered;
  /** 0 or 1 of the presence input, undefined without one. */
  readonly presence: number | undefined;
  /** What went wrong, see `Supervisor.faults`. */
  readonly faults: readonly (number | string)[] | undefined;
  /** Undefined: this product does not count or judge. */
  readonly instrument: (Instrument & NonNullable<Orders['instrument']>) | undefined;
  /** It is this time, ms UTC. @param jump it is not what the clock was expected to say */
  setTime(time: number, jump: boolean): void;
  /** Somebody is near a pole of the group, for `duration` ms from now unless it is said again; 0: nobody any more. */
  neighbour(sensor: number, duration: number): void;
}

export class Session {
  /** The connection. */
  readonly uplink: Uplink;
  /** What makes its messages, and those from the gateway, believable. */
  readonly seal: Seal;
  /** Messages that were refused since boot. */
  refused = 0;
  readonly keeper: Timekeeper;
  /** Of all messages, one after the other. */
  readonly _writer = new CborWriter(LONGEST);
  private _root: string;
  private _number = 0;
  private _changed = 0;
  /** Uptime in ms of the next report. */
  private _due = 0;
  private _inbox: { _topic: string; _payload: Bytes; _at: number }[] = [];
  /** Active power of each unit when it was last worth a report, in steps of the wire. */
  private _powers: number[] = [];
  /** Which of a unit's values is its active power; -1 none. */
  private _powerAt: number[] = [];
  /** What stays the same in birth messages. */
  private _head: Bytes;
  /** The link came up, and the birth is still to be told. */
  _unborn = 1;
  /** Topic of the neighbours' presence; empty without a group. */
  private _group: string;
  /** ms between reports without changes, and where in the period they come: each controller has its own place. */
  private _period: number;
  private _phase: number;
  private _task: number;
  /** Numbers of the latest commands, and their codes + 1; 0: none yet. */
  private _numbers = new Uint32Array(NUMBERS);
  private _codes = new Uint8Array(NUMBERS);
  private _oldest = 0;
  /** [number, code, …] of commands that were obeyed, told once the arbiter has decided. */
  private _answers: number[] = [];
  /** A command that waits for its instant, and the uptime of that. */
  private _held: Record<number, unknown> | undefined = undefined;
  private _at = 0;
  /** What brings events and samples to the gateway; undefined: this product has none. */
  teller: Teller | undefined;
  /** Numbers of the commands that are acknowledged when the units have been read, and the uptime until which that may take. */
  private _reads: number[] = [];
  private _until = 0;

  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    board: Board,
    site: Site,
    key: Bytes,
    private _boot: number,
    private _owner: Controller,
  ) {
    const id = site.id || _hal.system.id;
    this._period = board.reportPeriod;
    this._phase = fnv1a(id) % this._period;
    for (const meter of board.meters) this._powerAt.push(meter.quantities.indexOf(Quantity.ActivePower));
    this._head = birthHead(this._writer, _hal, board, _boot) as Bytes;
    this._root = `${TOPIC_ROOT}/${id}/`;
    this.seal = new Seal(_hal, key, this._root, _boot);
    this._group = site.group === undefined ? '' : `${GROUP_ROOT}/${site.group}`;
    this._task = _schedule.add(this, Care.Vital);
    this.keeper = new Timekeeper(_hal, _schedule, this, _owner);
    this.uplink = new Uplink(_hal, _schedule, {
      host: site.host,
      port: site.port,
      tls: board.network.tls,
      clientId: id,
      username: site.username,
      password: site.password,
      keepAlive: board.network.keepAlive,
      window: site.window,
      willTopic: this._root + Leaf.Link,
      willPayload: new Uint8Array([0]),
      subscriptions: this._filters(),
      owner: this,
    });
  }

  /** @returns topics that are listened to, with those of its groups' commands */
  private _filters(): string[] {
    const filters = [this._root + Leaf.Command, this._root + Leaf.Time, this._root + Leaf.Got];
    if (this._group) filters.push(this._group);
    const groups = this._owner.settings.groupRecord();
    for (let at = 0; at < groups.length; at += GROUP) {
      filters.push(`${COMMAND_GROUP_ROOT}/${groups[at] * 256 + groups[at + 1]}`);
    }
    return filters;
  }

  /** Obeys the commands of the groups that are stored from now on. */
  listen(): void {
    this.uplink.subscribe(this._filters());
  }

  /** Something worth reporting has changed. */
  touch(): void {
    if (this._changed || !this.uplink.online) return;
    this._changed = 1;
    this._due = this._hal.clock.uptime() + SOON;
    this._plan();
  }

  /** The next appointment. */
  private _plan(): void {
    const urgent = this._inbox.length > 0;
    const due = this._held ? Math.min(this._due, this._at) : this._due;
    let delay = Math.max(0, due - this._hal.clock.uptime());
    // The uplink had no room.
    if (this._answers.length > 0) delay = Math.min(delay, PATIENCE);
    this._schedule.at(this._task, urgent ? 0 : this._reads.length > 0 ? Math.min(delay, LOOK) : delay);
  }

  /** A unit was read. Its report is worth sending when the power moved by more than 2 W and 5 %, and the first time. */
  reading(unit: number): void {
    const power = this._owner.meters.values(unit)[this._powerAt[unit]] || 0;
    const before = this._powers[unit];
    if (before !== undefined && Math.abs(power - before) <= Math.max(DEAD_BAND, before / 20)) return;
    this._powers[unit] = power;
    this.touch();
  }

  /** Tells the group that somebody is near, for so many s unless it is told again; 0: nobody any more. */
  tell(sensor: number, seconds: number): void {
    if (!this._group) return;
    this._writer.array(2);
    this._writer.number(sensor);
    this._writer.number(seconds);
    this.uplink.publish(this._group, this._writer.finish() as Bytes, 0, false);
  }

  /** The link is up, or the birth has changed. */
  greet(): void {
    this._unborn = 1;
    this._due = 0;
    this._schedule.at(this._task, 0);
  }

  /** A message has come; from here the way to storage would be too deep. @internal */
  receive(topic: string, payload: Bytes): void {
    // What finds no place is lost: commands are said again until they are answered, and so is presence.
    const inbox = this._inbox;
    let bytes = payload.length;
    for (const message of inbox) bytes += message._payload.length;
    if (inbox.length >= INBOX || bytes > INBOX_BYTES) return;
    inbox.push({ _topic: topic, _payload: payload, _at: this._hal.clock.uptime() });
    this._schedule.at(this._task, 0);
  }

  /** Takes a message, or reports. @internal */
  run(): void {
    const now = this._hal.clock.uptime();
    const owner = this._owner;
    const answers = this._answers;
    while (answers.length > 0) {
      const number = answers[0];
      const code = answers[1];
      // That one may be given again, when the time is known.
      if (code !== AckCode.NoClock && this._numbers.indexOf(number) < 0) {
        this._numbers[this._oldest] = number;
        this._codes[this._oldest] = code + 1;
        this._oldest = (this._oldest + 1) % NUMBERS;
      }
      // The arbiter has decided since they were given.
      const decided = owner.arbiter.command;
      this._writer.map(4);
      this._writer.pairs(AckKey.Number, [number, code, decided.level, decided.reason]);
      if (!this.post(Leaf.Ack, this._writer.finish(), false)) break;
      answers.splice(0, 2);
    }
    let command = this._held;
    if (command && this._at - now < 1) {
      this._held = undefined;
      this._plan();
    } else {
      const message = this._inbox.shift();
      this._plan();
      if (!message) {
        if (this._reads.length > 0 && (now >= this._until || !owner.meters.busy(now))) {
          const reads = this._reads;
          this._reads = [];
          this._report(now);
          for (const number of reads) this._answers.push(number, AckCode.Done);
          this._schedule.at(this._task, 0);
          return;
        }
        // A clock of fractions may be an instant early: an appointment that is not kept then would be made again and again.
        if (this._due - now < 1) this._report(now);
        return;
      }
      const topic = message._topic;
      const shared = topic.startsWith(COMMAND_GROUP_ROOT);
      const name = topic.substring((shared ? `${COMMAND_GROUP_ROOT}/` : this._root).length);
      let payload: Bytes | undefined = message._payload;
      if (topic !== this._group) {
        payload = this.seal.open(name, payload, shared ? owner.settings.groupRecord() : undefined);
        if (!payload) {
          this.refused++;
          return;
        }
      }
      const content = decode(payload) as Record<number, unknown> | undefined;
      if (!content) return;
      if (topic === this._group) {
        const sensor = Number(content[0]);
        const seconds = Number(content[1]);
        // What it changes is reported when the lamp follows: a street that talks shall not make the gateway listen.
        if (sensor > 0 && seconds >= 0 && seconds <= LONGEST_PRESENCE) owner.neighbour(sensor, seconds * 1000);
        return;
      }
      if (name === Leaf.Got) {
        if (this.teller) this.teller.got(content);
        return;
      }
      // Many have the key of a group: what comes under it is an override, or the end of one.
      if (shared && !((content[CommandKey.Kind] as number) <= CommandKind.Resume)) {
        this.refused++;
        return;
      }
      if (!shared && name !== Leaf.Command) {
        this.keeper.take(content, message._at);
        return;
      }
      const number = content[CommandKey.Number] as number;
      const known = this._numbers.indexOf(number);
      const code = known < 0 ? 0 : this._codes[known];
      if (code) {
        // It was obeyed, and the answer was lost or is on its way.
        this._answers.push(number, code - 1);
        this._schedule.at(this._task, 0);
        return;
      }
      if (command && command[CommandKey.Number] === number) return;
      const time = this._hal.clock.time() as number;
      const delay = ((content[CommandKey.At] as number) * 100 - (time % MINUTE) + MINUTE) % MINUTE;
      const waits = delay > 0 && delay <= AHEAD;
      if (waits || command) {
        // The one that waits does so no longer: commands are obeyed in the order in which they have come.
        this._held = content;
        this._at = now + (waits ? delay : 0);
        this._plan();
        if (!command) return;
      } else command = content;
    }
    const answer = obey(command, owner);
    const number = answer.number;
    if (number === undefined) return;
    if (answer.code === LATER) {
      this._read(number, now);
      return;
    }
    if (answer.code === AckCode.NoClock) this.keeper.begin();
    // The birth tells which configuration it has, and so what the gateway has to send.
    if (answer.code === AckCode.Drift) this.greet();
    this._answers.push(number, answer.code);
    owner.arbiter.wake();
    this.touch();
    this._schedule.at(this._task, 0);
  }

  /** Reads all units now, unless that is being done. */
  private _read(number: number, now: number): void {
    const reads = this._reads;
    if (reads.length >= READS || reads.indexOf(number) >= 0) return;
    if (reads.length === 0) {
      this._until = now + LONGEST_READ;
      this._owner.meters.hurry(0);
    }
    reads.push(number);
    this._plan();
  }

  private _report(now: number): void {
    const hal = this._hal;
    const period = this._period;
    const time = hal.clock.time();
    const rest = period - (((time === undefined ? now : time) + period - this._phase) % period);
    // Up to 2 % early or late; the place that is near has been kept by this report.
    this._due = now + rest + ((rest < period / 25 ? 1 : 0) + hal.random() / 25 - 0.02) * period;
    this._changed = 0;
    this._plan();
    if (!this.uplink.online) return;
    const writer = this._writer;
    const owner = this._owner;
    if (this._unborn) {
      this._unborn = 0;
      this.post(
        Leaf.Birth,
        birth(writer, this._head, owner.settings, owner.presence, this.seal.session, owner.faults),
        true,
      );
      this.post(Leaf.Link, new Uint8Array([1]), true);
      this.keeper.begin();
      if (this.teller) this.teller.greet();
    }
    this._number++;
    const payload = report(
      writer,
      this._hal,
      this._boot,
      this._number,
      owner.lamp,
      owner.arbiter,
      owner.meters,
      owner.presence,
      owner.instrument,
      this.refused,
      now - this.keeper.confirmed,
    );
    this.post(Leaf.Report, payload, false);
  }

  /** What time is it? @internal */
  ask(uptime: number): boolean {
    this._writer.number(uptime);
    const payload = this.seal.seal(Leaf.Ask, this._writer.finish() as Bytes);
    return this.uplink.publish(this._root + Leaf.Ask, payload, 0, false);
  }

  /** @returns false: the uplink has no room @internal */
  post(leaf: string, payload: Bytes | undefined, retain: boolean): boolean {
    if (payload === undefined) throw new Error(`${leaf} message is longer than ${LONGEST} bytes`);
    // The last will, which has nobody to seal it, shares its topic.
    const sealed = leaf === Leaf.Link ? payload : this.seal.seal(leaf, payload);
    return this.uplink.publish(this._root + leaf, sealed, 1, retain);
  }
}
