/**
 * The controller's one MQTT connection: kept up for ever, QoS 1 kept in order across connections, all waiting on the
 * schedule. Source: MQTT 3.1.1 (OASIS Standard).
 */
import type { Bytes, Hal, Stream, StreamOptions } from '../../hal/hal.ts';
import {
  type Connect,
  encodeAck,
  encodeConnect,
  encodeEmpty,
  encodePublish,
  encodeSubscribe,
  encodeTopic,
  Found,
  Packet,
  PacketReader,
  PublishFlag,
} from '../protocols/mqtt.ts';
import { readText } from '../protocols/text.ts';
import { Care, NEVER, type Schedule } from '../schedule.ts';

/** Who is told. */
export interface UplinkOwner {
  /** Connected and subscribed; messages that had waited have been written. */
  greet(): void;
  /** @param payload the owner's to keep */
  receive(topic: string, payload: Bytes): void;
}

/** Who is told that the broker has acknowledged a message. An object: a bound function costs half a dozen variables. */
export interface Sender {
  arrived(): void;
}

export interface UplinkOptions extends Connect {
  host: string;
  /** 1..65535 */
  port: number;
  tls: boolean;
  /** s, 1..65535 */
  keepAlive: number;
  /** s in which this controller tries once, at an instant that is its own; absent or no number above 0: 5. */
  window?: number;
  /** Topic filters, at least one, asked for with QoS 1 after every connection. */
  subscriptions: readonly string[];
  owner: UplinkOwner;
}

/** ms for each step of connecting: the stream, then CONNACK and SUBACK. */
const PATIENCE = 15000;
/** ms */
const WINDOW = 5000;
/** ms: after the second failure in a row the random wait is below `FIRST`, and doubles with each up to `LONGEST`. */
const FIRST = 5000;
const LONGEST = 3600000;
/** ms online after which failures are forgotten. */
const GOOD = 600000;
/** ms of a look for each s of keep-alive: three looks stay below the 1.5 that a server waits (MQTT 3.1.1 §3.1.2.10). */
const LOOK = 450;
/** Messages of QoS 1 that wait or are unacknowledged. */
const QUEUE = 8;
/** Acknowledgements that wait for room; a peer that sends more without reading is not served. */
const ACKS = 20;
/** Packet identifier of SUBSCRIBE; PUBLISH has the others. */
const SUBSCRIBE = 1;
const LAST = 65535;

const enum State {
  Closed = 0,
  /** Until the next attempt. */
  Waiting = 1,
  /** The stream is being opened. */
  Opening = 2,
  /** CONNECT is sent. */
  Greeting = 3,
  /** CONNACK has come, SUBSCRIBE waits for room. */
  Accepted = 4,
  /** SUBSCRIBE is sent. */
  Subscribing = 5,
  Online = 6,
}

/** What was heard since the last look. A message of QoS 0 does not count: it needs nobody who hears us. */
const enum Heard {
  Nothing = 0,
  Something = 1,
  Acknowledgement = 2,
}

/** Where the reader stands between two chunks. */
const enum Reading {
  Idle = 0,
  Packet = 1,
  Chunk = 2,
}

/** A message of QoS 1 on its way, or the spare one. */
interface Message {
  _topic: string;
  /** Where the payload starts in the packet, and its length. */
  _start: number;
  _length: number;
  _packet: Bytes;
  /** Fixed header: type and QoS. */
  _head: number;
  _id: number;
  _done: Sender | undefined;
  _next: Message | undefined;
}

export class Uplink implements StreamOptions {
  // What every message needs comes first: members are found in this order.
  /** Was sent and has arrived; its packet serves again: a report is mostly as long as the one before. */
  private _spare: Message | undefined = undefined;
  private _first: Message | undefined = undefined;
  private _last: Message | undefined = undefined;
  /** Oldest message that is not yet written on this connection. */
  private _unsent: Message | undefined = undefined;
  /** Online, and the stream has room. */
  private _ready = 0;
  private _stream: Stream | undefined = undefined;
  private _reading = Reading.Idle;
  private _heard = Heard.Nothing;
  /** Connected and subscribed. */
  online = false;
  /** Messages received that were longer than 3424 bytes, topic included: acknowledged and dropped. */
  oversize = 0;
  private _state = State.Waiting;
  private _writable = 0;
  private _reader = new PacketReader();
  private _acks: number[] = [];
  private _connect: Bytes;
  private _subscribe: Bytes;
  // It is what the HAL calls back: a bound function costs half a dozen variables on the interpreter.
  /** @internal */
  readonly host: string;
  /** @internal */
  readonly port: number;
  /** @internal */
  readonly tls: boolean;
  private _task: number;
  /** ms between looks at the connection. */
  private _look: number;
  /** Messages in being, the spare one included. */
  private _count = 0;
  private _id = SUBSCRIBE;
  /** Looks in a row that found the connection dead. */
  private _silence = 0;
  /** There were unacknowledged messages at the last look. */
  private _flying = 0;
  /** ms: the next wait is random below it, and ends at the next instant that is its own. */
  private _wait = 0;
  /** ms: attempts come at `_slot` and at whole windows from it, uptime. */
  private _window: number;
  private _slot: number;
  /** Uptime of the last going online. */
  private _since = 0;
  private _owner: UplinkOwner;
  /** Online, and the answer to another SUBSCRIBE has not come. */
  private _asked = 0;

  /**
   * The first attempt comes at random in the window: after a mains failure a whole town starts at once. All later ones come
   * whole windows from it. Who tries once in a window at most, at an instant drawn before anything failed, adds 1/window to
   * the attempts a second whatever the broker does: no outage, refusal or restart can gather a fleet.
   */
  constructor(
    private _hal: Pick<Hal, 'clock' | 'connect' | 'random'>,
    private _schedule: Schedule,
    options: UplinkOptions,
  ) {
    const keepAlive = options.keepAlive;
    if (!(keepAlive >= 1 && keepAlive <= 65535)) throw new Error('keepAlive out of range');
    this._look = keepAlive * LOOK;
    this._connect = encodeConnect(options);
    this._subscribe = encodeSubscribe(SUBSCRIBE, options.subscriptions);
    this._owner = options.owner;
    this.host = options.host;
    this.port = options.port;
    this.tls = options.tls;
    this._task = _schedule.add(this, Care.Awake);
    const window = options.window as number;
    this._window = window > 0 ? window * 1000 : WINDOW;
    const wait = _hal.random() * this._window;
    this._slot = _hal.clock.uptime() + wait;
    _schedule.at(this._task, wait);
  }

  /** Other topic filters from now on: at once if it is online, and after every connection. Those before end with this one. */
  subscribe(filters: readonly string[]): void {
    this._subscribe = encodeSubscribe(SUBSCRIBE, filters);
    if (this._ready) {
      this._asked = 1;
      this._write(this._subscribe);
    } else if (this.online) this.onError();
  }

  /** @internal */
  onWritable(): void {
    this._writable = 1;
    this._flush();
  }

  /**
   * Sends a message, or queues it (QoS 1): it is repeated after a reconnection until the broker has it.
   *
   * @param payload at most 1 kB, copied
   * @param done the broker has acknowledged it (QoS 1)
   * @returns false: refused. The queue is full (QoS 1), the link is down or busy (QoS 0), or the payload too long.
   */
  publish(topic: string, payload: Bytes, qos: 0 | 1, retain: boolean, done?: Sender): boolean {
    const head = qos ? Packet.Publish | PublishFlag.AtLeastOnce : Packet.Publish;
    let message = this._spare;
    if (!message || message._topic !== topic || message._head !== head || message._length !== payload.length) {
      message = this._prepare(topic, payload, head);
      if (!message) return false;
    }
    const packet = message._packet;
    packet.set(payload, message._start);
    packet[0] = retain ? head | PublishFlag.Retain : head;
    if (qos) {
      this._spare = undefined;
      message._done = done;
      if (this._first) (this._last as Message)._next = message;
      else this._first = message;
      this._last = message;
      if (!this._ready && !this._unsent) this._unsent = message;
    }
    if (!this._ready) return qos > 0;
    if (!(this._stream as Stream).write(packet)) this._writable = this._ready = 0;
    return true;
  }

  /**
   * Ends the connection for good. There is no DISCONNECT, so that the broker publishes the will (MQTT 3.1.1 §3.1.2.5).
   * Messages that wait are lost.
   */
  close(): void {
    this.onError();
    this._state = State.Closed;
    this._schedule.at(this._task, NEVER);
  }

  /** Makes a spare message that fits. @returns undefined: there is no place, or the payload is too long. */
  private _prepare(topic: string, payload: Bytes, head: number): Message | undefined {
    let id = 0;
    if (head !== Packet.Publish) {
      if (this._count - (this._spare ? 1 : 0) >= QUEUE) return undefined;
      do {
        this._id = this._id === LAST ? SUBSCRIBE + 1 : this._id + 1;
      } while (isTaken(this._id, this._first));
      id = this._id;
    }
    const packet = encodePublish(head, encodeTopic(topic), id, payload);
    if (!packet) return undefined;
    if (!this._spare) this._count++;
    const length = payload.length;
    const start = packet.length - length;
    this._spare = {
      _topic: topic,
      _start: start,
      _length: length,
      _packet: packet,
      _head: head,
      _id: id,
      _done: undefined,
      _next: undefined,
    };
    return this._spare;
  }

  private _write(packet: Bytes): void {
    if (!(this._stream as Stream).write(packet)) this._writable = this._ready = 0;
  }

  /** @internal */
  onData(data: Bytes): void {
    const first = this._first;
    // The frequent case, a PUBACK alone for the oldest message, costs a tenth of the way through the reader.
    if (
      first &&
      data[0] === Packet.PublishAck &&
      (data[2] << 8) + data[3] === first._id &&
      data[4] === undefined &&
      !this._reading &&
      first !== this._unsent
    ) {
      this._settle(first, undefined);
    } else {
      this._read(data);
    }
  }

  /** An interrupt (out of memory) may have ended the last call midway: then the place in the stream is lost. */
  private _read(data: Bytes): void {
    const reader = this._reader;
    if (this._reading === Reading.Chunk) {
      this.onError();
      return;
    }
    this._reading = Reading.Chunk;
    reader.at = 0;
    while (reader.at < data.length) {
      const found = reader.next(data);
      if (found === Found.Nothing) break;
      if (found === Found.Error || !this._take(reader)) {
        if (this._state !== State.Closed) this.onError();
        return;
      }
    }
    reader.data = undefined;
    this._reading = reader.open ? Reading.Packet : Reading.Idle;
  }

  /** @returns false: the peer broke the protocol or refused, or the owner has closed the uplink. */
  private _take(packet: PacketReader): boolean {
    const head = packet.head;
    const data = packet.data as Bytes;
    const from = packet.from;
    const state = this._state;
    if (head === Packet.ConnectAck) {
      if (state !== State.Greeting || data[from] || data[from + 1]) return false;
      this._state = State.Accepted;
      this._flush();
      return true;
    }
    if (state < State.Accepted) return false;
    if (head - (head & 15) === Packet.Publish) return this._deliver(packet, data, head & PublishFlag.AtLeastOnce);
    if (!this._heard) this._heard = Heard.Something;
    if (head === Packet.PublishAck) {
      // Any order will do, and an identifier that is not in flight is nothing to us.
      const id = (data[from] << 8) | data[from + 1];
      let before: Message | undefined;
      let message = this._first;
      while (message && message !== this._unsent && message._id !== id) {
        before = message;
        message = message._next;
      }
      if (message && message !== this._unsent) this._settle(message, before);
    } else if (head === Packet.SubscribeAck) {
      if ((state !== State.Subscribing && !this._asked) || !isGranted(data, from, packet.to)) return false;
      this._asked = 0;
      if (this.online) return true;
      this._state = State.Online;
      this.online = true;
      this._since = this._hal.clock.uptime();
      this._schedule.at(this._task, this._look);
      this._flush();
      this._owner.greet();
    }
    return true;
  }

  /** Source: MQTT 3.1.1 §3.3.2, §4.3.2. @param acknowledge 2 bytes of identifier with QoS 1. @returns as `_take` */
  private _deliver(packet: PacketReader, data: Bytes, acknowledge: number): boolean {
    const topic = packet.from + 2;
    const end = topic + ((data[topic - 2] << 8) | data[topic - 1]);
    const payload = end + acknowledge;
    if (end === topic || payload > packet.to) return false;
    const id = acknowledge ? (data[end] << 8) | data[end + 1] : 0;
    if (acknowledge && !id) return false;
    if (packet.cut) this.oversize++;
    else {
      const bytes = data.subarray(payload, packet.to);
      // What lies in a body of its own is handed on: a long message is there once.
      this._owner.receive(readText(data, topic, end), packet.from > 0 ? new Uint8Array(bytes) : bytes);
    }
    if (id) {
      if (!this._heard) this._heard = Heard.Something;
      if (this._acks.length === ACKS) return false;
      this._acks.push(id);
      this._flush();
    }
    return true;
  }

  /** The broker has the message. @param before the one in front of it */
  private _settle(message: Message, before: Message | undefined): void {
    const done = message._done;
    this._heard = Heard.Acknowledgement;
    if (before) {
      before._next = message._next;
      if (message === this._last) this._last = before;
    } else this._first = message._next;
    message._next = undefined;
    if (this._spare) this._count--;
    this._spare = message;
    if (done) done.arrived();
  }

  /** Writes what has waited for room. */
  private _flush(): void {
    if (!this._writable) return;
    if (this._state === State.Opening) {
      this._state = State.Greeting;
      this._schedule.at(this._task, PATIENCE);
      this._write(this._connect);
    } else if (this._state === State.Accepted) {
      this._state = State.Subscribing;
      this._write(this._subscribe);
    }
    while (this._writable && this._acks.length > 0) this._write(encodeAck(this._acks.shift() as number));
    this._ready = this.online ? this._writable : 0;
    while (this._ready && this._unsent) {
      const message: Message = this._unsent;
      this._unsent = message._next;
      this._write(message._packet);
    }
  }

  /** @internal */
  run(): void {
    if (this._state === State.Waiting) {
      this._schedule.at(this._task, PATIENCE);
      this._state = State.Opening;
      this._stream = this._hal.connect(this);
      return;
    }
    // Signs of life: something heard, room to write, messages acknowledged. Source: MQTT 3.1.1 §3.1.2.10, §3.12.
    this._schedule.at(this._task, this._look);
    const flying = this._first !== this._unsent;
    const stuck = flying && this._flying && this._heard !== Heard.Acknowledgement;
    const silent = !this._heard;
    this._silence = silent || stuck || !this._writable ? this._silence + 1 : 0;
    this._flying = flying ? 1 : 0;
    this._heard = Heard.Nothing;
    if (!this.online || this._silence > 1) this.onError();
    else if (silent && this._writable) this._write(encodeEmpty(Packet.PingRequest));
  }

  /** Waits for its own instant, so that boards that lost their broker together do not come back together. */
  /** @internal */
  onError(): void {
    const stream = this._stream;
    const now = this._hal.clock.uptime();
    if (this.online && now - this._since >= GOOD) this._wait = 0;
    this._state = State.Waiting;
    const wait = this._hal.random() * this._wait;
    this._schedule.at(this._task, wait + this._window - ((now + wait - this._slot) % this._window));
    this._wait = this._wait ? Math.min(LONGEST, this._wait * 2) : FIRST;
    this._stream = undefined;
    this.online = this._reader.open = false;
    this._ready = this._writable = this._flying = this._asked = 0;
    this._reading = Reading.Idle;
    this._heard = Heard.Nothing;
    this._silence = 0;
    this._acks = [];
    for (let message = this._first; message && message !== this._unsent; message = message._next) {
      message._packet[0] |= PublishFlag.Duplicate;
    }
    this._unsent = this._first;
    if (stream) stream.close();
  }
}

function isTaken(id: number, first: Message | undefined): boolean {
  let message = first;
  while (message && message._id !== id) message = message._next;
  return message !== undefined;
}

/** @returns whether no filter was refused. Source: MQTT 3.1.1 §3.9.3. */
function isGranted(data: Bytes, from: number, to: number): boolean {
  if (((data[from] << 8) | data[from + 1]) !== SUBSCRIBE) return false;
  for (let at = from + 2; at < to; at++) if (data[at] > 1) return false;
  return true;
}
