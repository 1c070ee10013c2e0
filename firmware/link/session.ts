/**
 * The controller's conversation with the gateway: birth after every connection, a report when something changed and
 * every now and then, commands and time as they come. Without a link nothing here matters to the lamp.
 */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Board, Site } from '../board.ts';
import { CborWriter, decode } from '../protocols/cbor.ts';
import type { Schedule } from '../schedule.ts';
import { type Orders, obey } from './commands.ts';
import { AckKey, Leaf, Quantity, TimeKey, TOPIC_ROOT } from './messages.ts';
import { birth, type Decision, type Light, type Readings, report } from './reports.ts';
import { Uplink } from './uplink.ts';

/** ms between the first change and the report that tells it: a ramp's end and a reading travel together. */
const SOON = 500;
/** 0.1 W */
const DEAD_BAND = 20;
/** Bytes of the longest message: the uplink takes no more, and 16 units with 10 values each stay below. */
const LONGEST = 1024;

/** ms UTC: 2024 and 2106, outside which no gateway's clock can be right. */
const EARLIEST = 1704067200000;
const LATEST = 4294967295000;

/** Who decides anew when something has changed. */
export interface Waker {
  wake(): void;
}

export class Session {
  /** The connection. */
  readonly uplink: Uplink;
  private _writer = new CborWriter(LONGEST);
  private _root: string;
  private _number = 0;
  private _changed = 0;
  /** Active power of each unit when it was last worth a report, in steps of the wire. */
  private _powers: number[] = [];
  /** Which of a unit's values is its active power; -1 none. */
  private _powerAt: number[] = [];
  /** The birth message; it stays the same until the next boot. */
  private _birth: Bytes;
  /** ms between reports without changes. */
  private _period: number;
  private _task: number;

  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    board: Board,
    site: Site,
    private _boot: number,
    private _light: Light,
    private _orders: Orders & Decision & Waker,
    private _units: Readings,
  ) {
    const id = site.id || _hal.system.id;
    this._period = board.reportPeriod;
    for (const meter of board.meters) this._powerAt.push(meter.quantities.indexOf(Quantity.ActivePower));
    const message = birth(this._writer, _hal, board, _boot);
    if (!message) throw new Error(`birth message is longer than ${LONGEST} bytes`);
    this._birth = message;
    this._root = `${TOPIC_ROOT}/${id}/`;
    this._task = _schedule.add(this);
    this.uplink = new Uplink(_hal, _schedule, {
      host: site.host,
      port: site.port,
      tls: board.network.tls,
      clientId: id,
      username: site.username,
      password: site.password,
      keepAlive: board.network.keepAlive,
      willTopic: this._root + Leaf.Link,
      willPayload: new Uint8Array([0]),
      subscriptions: [this._root + Leaf.Command, this._root + Leaf.Time],
      owner: this,
    });
  }

  /** Something worth reporting has changed. */
  touch(): void {
    if (this._changed || !this.uplink.online) return;
    this._changed = 1;
    this._schedule.at(this._task, SOON);
  }

  /** A unit was read. Its report is worth sending when the power moved by more than 2 W and 5 %, and the first time. */
  reading(unit: number): void {
    const power = this._units.values(unit)[this._powerAt[unit]] || 0;
    const before = this._powers[unit];
    if (before !== undefined && Math.abs(power - before) <= Math.max(DEAD_BAND, before / 20)) return;
    this._powers[unit] = power;
    this.touch();
  }

  /** The link is up. @internal */
  greet(): void {
    this._send(Leaf.Birth, this._birth, true);
    this._send(Leaf.Link, new Uint8Array([1]), true);
    this._schedule.at(this._task, 0);
  }

  /** Reports. @internal */
  run(): void {
    this._schedule.at(this._task, this._period);
    this._changed = 0;
    if (!this.uplink.online) return;
    this._number++;
    const payload = report(this._writer, this._hal, this._boot, this._number, this._light, this._orders, this._units);
    this._send(Leaf.Report, payload, false);
  }

  private _send(leaf: string, payload: Bytes | undefined, retain: boolean): void {
    if (payload === undefined) throw new Error(`${leaf} message is longer than ${LONGEST} bytes`);
    this.uplink.publish(this._root + leaf, payload, 1, retain);
  }

  /** A message has come. @internal */
  receive(topic: string, payload: Bytes): void {
    if (topic === this._root + Leaf.Time) {
      const message = decode(payload) as Record<number, unknown> | undefined;
      const time = message ? Number(message[TimeKey.Seconds]) * 1000 + Number(message[TimeKey.Milliseconds]) : 0;
      if (!(time >= EARLIEST && time <= LATEST)) return;
      this._hal.clock.setTime(time);
    } else {
      const answer = obey(payload, this._orders);
      if (answer.number === undefined) return;
      this._writer.map(2);
      this._writer.pairs(AckKey.Number, [answer.number, answer.code]);
      // Not through `_send`: from the socket to the packet's text it is 10 calls already.
      this.uplink.publish(this._root + Leaf.Ack, this._writer.finish() as Bytes, 1, false);
    }
    this._orders.wake();
    this.touch();
  }
}
