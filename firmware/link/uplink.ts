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
  encodeText,
  Found,
  Packet,
  PacketReader,
  PublishFlag,
} from '../protocols/mqtt.ts';
import { readText } from '../protocols/text.ts';
import type { Schedule } from '../schedule.ts';

export interface UplinkOptions extends Connect {
  host: string;
  /** 1..65535 */
  port: number;
  tls: boolean;
  /** s, 1..65535 */
  keepAlive: number;
  /** Topic filters, asked for with QoS 1 after every connection. */
  subscriptions: readonly string[];
  /** Connected and subscribed; messages that had waited have been written. */
  onOnline(): void;
  /** @param payload valid during the call */
  onMessage(topic: string, payload: Bytes): void;
}

/** ms for each step of connecting: the stream, then CONNACK and SUBACK. */
const PATIENCE = 15000;
/** ms: the random wait before the first attempt is below `FIRST`, and doubles with each failure up to `LONGEST`. */
const FIRST = 5000;
const LONGEST = 3600000;
/** ms online after which failures are forgotten. */
const GOOD = 600000;
/** Share of the keep-alive time between looks: three of them stay below the 1.5 that MQTT 3.1.1 §3.1.2.10 allows. */
const LOOK = 450;
/** Messages of QoS 1 that wait or are unacknowledged. */
const QUEUE = 8;
/** Bytes of a payload sent, and of a packet's body received. */
const LARGEST = 1024;
/** Topics whose bytes are kept. */
const TOPICS = 8;
/** Acknowledgements that wait for room; a peer that sends more without reading is not served. */
const ACKS = 20;
/** Packet identifier of SUBSCRIBE; PUBLISH has the others. */
const SUBSCRIBE = 1;
export const LAST_ID = 65535;

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

/** A message of QoS 1, on its way. */
interface Message {
  _topic: string;
  /** Where the payload begins in the packet, and how long it is. */
  _start: number;
  _length: number;
  _packet: Bytes;
  _id: number;
  _done: (() => void) | undefined;
  _next: Message | undefined;
}

export class Uplink {
  /** Connected and subscribed. */
  online = false;
  private _writable = false;
  private _ready = false;
  private _first: Message | undefined;
  private _last: Message | undefined;
  private _unsent: Message | undefined;
  private _spare: Message | undefined;
  private _count = 0;
  private _id = SUBSCRIBE;
  private _topics: { [topic: string]: Bytes } = {};
  private _spoken = false;
  private _stream: Stream | undefined;
  private _reading = false;
  private _heard = false;
  private _reader = new PacketReader(LARGEST);
  private _state = State.Waiting;
  /** Messages received that were longer than 1 kB; they are acknowledged and dropped. */
  oversize = 0;
  private _connect: Bytes;
  private _subscribe: Bytes | undefined;
  private _streamOptions: StreamOptions;
  private _task: number;
  /** ms between looks at the connection. */
  private _look: number;
  private _topicCount = 0;
  private _acks: number[] = [];
  /** Looks in a row that found the connection dead. */
  private _silence = 0;
  /** Identifier of the oldest unacknowledged message at the last look. */
  private _oldest = 0;
  /** ms: the next wait is random below it. */
  private _wait = FIRST;
  /** Uptime of the last going online. */
  private _since = 0;
  private _onOnline: () => void;
  private _onMessage: (topic: string, payload: Bytes) => void;

  /** The first attempt comes within 5 s, at random: after a mains failure a whole street starts at once. */
  constructor(
    private _hal: Pick<Hal, 'clock' | 'connect' | 'random'>,
    private _schedule: Schedule,
    options: UplinkOptions,
  ) {
    const keepAlive = options.keepAlive;
    if (!(keepAlive >= 1 && keepAlive <= 65535)) throw new Error('uplink: keepAlive out of range');
    this._look = keepAlive * LOOK;
    this._connect = encodeConnect(options);
    if (options.subscriptions.length > 0) this._subscribe = encodeSubscribe(SUBSCRIBE, options.subscriptions);
    this._onOnline = options.onOnline;
    this._onMessage = options.onMessage;
    this._streamOptions = {
      host: options.host,
      port: options.port,
      tls: options.tls,
      onWritable: () => this._onWritable(),
      onData: this._onData.bind(this),
      onError: () => this._fail(),
    };
    this._task = _schedule.add(() => this._wake());
    _schedule.at(this._task, _hal.random() * FIRST);
  }

  /**
   * Sends a message, or queues it (QoS 1): it is repeated after a reconnection until the broker has it.
   *
   * @param payload at most 1 kB, copied
   * @param done the broker has acknowledged it (QoS 1)
   * @returns false: refused. The queue is full (QoS 1), the link is down or busy (QoS 0), or the payload too long.
   */
  publish(topic: string, payload: Bytes, qos: 0 | 1, retain: boolean, done?: () => void): boolean {
    const length = payload.length;
    const ready = this._ready;
    if (length > LARGEST) return false;
    if (!qos) {
      if (ready) this._write(encodePublish(retain ? 49 : 48, this._topics[topic] || this._remember(topic), 0, payload));
      return ready;
    }
    const id = this._id === LAST_ID ? SUBSCRIBE + 1 : this._id + 1;
    if (this._count === QUEUE || (this._first && this._first._id === id)) return false;
    this._id = id;
    this._count++;
    const message = this._spare;
    if (message && message._topic === topic && message._length === length) {
      const packet = message._packet;
      packet.set(payload, message._start);
      packet.set([id >> 8, id], message._start - 2);
      packet[0] = retain ? 51 : 50;
      message._id = id;
      message._done = done;
      this._spare = undefined;
      if (this._first) (this._last as Message)._next = message;
      else this._first = message;
      this._last = message;
      if (!ready) {
        if (!this._unsent) this._unsent = message;
        return true;
      }
      this._spoken = true;
      if (!(this._stream as Stream).write(packet)) this._writable = this._ready = false;
    } else this._enqueue(topic, payload, id, retain, done);
    return true;
  }

  private _enqueue(topic: string, payload: Bytes, id: number, retain: boolean, done: any): void {
    const packet = encodePublish(retain ? 51 : 50, this._topics[topic] || this._remember(topic), id, payload);
    const message = {_topic: topic, _start: packet.length - payload.length, _length: payload.length, _packet: packet, _id: id, _done: done, _next: undefined};
    if (this._first) (this._last as Message)._next = message;
    else this._first = message;
    this._last = message;
    if (this._ready) this._write(packet);
    else if (!this._unsent) this._unsent = message;
  }

  /**
   * Ends the connection for good. There is no DISCONNECT, so that the broker publishes the will (MQTT 3.1.1 §3.1.2.5).
   * Messages that wait are lost.
   */
  close(): void {
    this._drop();
    this._state = State.Closed;
    this._schedule.cancel(this._task);
  }

  private _remember(topic: string): Bytes {
    if (this._topicCount === TOPICS) {
      this._topics = {};
      this._topicCount = 0;
    }
    this._topicCount++;
    const bytes = encodeText(topic);
    this._topics[topic] = bytes;
    return bytes;
  }

  private _wake(): void {
    if (this._state === State.Waiting) this._open();
    else if (this._state === State.Online) this._check();
    else this._fail();
  }

  private _open(): void {
    this._schedule.at(this._task, PATIENCE);
    this._state = State.Opening;
    this._stream = this._hal.connect(this._streamOptions);
  }

  private _onWritable(): void {
    this._writable = true;
    if (this._state === State.Opening) {
      this._state = State.Greeting;
      this._schedule.at(this._task, PATIENCE);
      this._write(this._connect);
    } else {
      this._flush();
    }
  }

  /** An interrupt (out of memory) may have ended the last call midway: then the place in the stream is lost. */
  private _onData(data: Bytes): void {
    const first = this._first;
    if (first && data[0] === Packet.PublishAck && data[3] + (data[2] << 8) === first._id && data[4] === undefined && !this._reading && first !== this._unsent) {
      this._heard = true;
      this._count--;
      this._first = first._next;
      first._next = undefined;
      this._spare = first;
      const done = first._done;
      if (done) done();
      return;
    }
    const reader = this._reader;
    if (this._reading) return this._fail();
    this._reading = this._heard = true;
    reader.at = 0;
    while (reader.at < data.length) {
      const found = reader.next(data);
      if (found === Found.Nothing) break;
      if (found === Found.Error || !this._take(reader)) {
        if (this._stream) this._fail();
        return;
      }
    }
    reader.data = undefined;
    this._reading = false;
  }

  /** @returns false: the peer broke the protocol or refused, or the uplink was closed meanwhile. */
  private _take(packet: PacketReader): boolean {
    const head = packet.head;
    const data = packet.data as Bytes;
    const from = packet.from;
    const state = this._state;
    if (head === Packet.PublishAck) {
      if (state !== State.Online) return false;
      this._acknowledged((data[from] << 8) | data[from + 1]);
    } else if (head === Packet.ConnectAck) {
      if (state !== State.Greeting || data[from] || data[from + 1]) return false;
      this._state = State.Accepted;
      if (this._subscribe) this._flush();
      else this._start();
    } else if (state < State.Accepted) {
      return false;
    } else if (head === Packet.SubscribeAck) {
      if (state !== State.Subscribing || !isGranted(data, from, packet.to)) return false;
      this._start();
    } else if (head !== Packet.PingResponse) {
      return this._deliver(packet, data, head & PublishFlag.AtLeastOnce);
    }
    return this._stream !== undefined;
  }

  /** Source: MQTT 3.1.1 §3.3.2, §4.3.2. @returns as `_take` */
  private _deliver(packet: PacketReader, data: Bytes, acknowledge: number): boolean {
    const topic = packet.from + 2;
    const id = topic + ((data[topic - 2] << 8) | data[topic - 1]);
    const payload = id + acknowledge;
    if (id === topic || payload > packet.to) return false;
    const number = acknowledge ? (data[id] << 8) | data[id + 1] : 0;
    if (acknowledge && number === 0) return false;
    if (packet.cut) this.oversize++;
    else this._onMessage(readText(data, topic, id), data.subarray(payload, packet.to));
    if (!this._stream) return false;
    if (number > 0) {
      if (this._acks.length === ACKS) return false;
      this._acks.push(number);
      this._flush();
    }
    return true;
  }

  private _acknowledged(id: number): void {
    void id;
  }

  private _start(): void {
    this._state = State.Online;
    this.online = true;this._ready=this._writable;
    this._since = this._hal.clock.uptime();
    this._schedule.at(this._task, this._look);
    this._flush();
    this._onOnline();
  }

  /** Writes what has waited for room. */
  private _flush(): void {
    if (this._state === State.Accepted && this._writable) {
      this._state = State.Subscribing;
      this._write(this._subscribe as Bytes);
    }
    while (this._writable && this._acks.length > 0) this._write(encodeAck(this._acks.shift() as number));
    if (this._state !== State.Online) return;
  }

  private _write(packet: Bytes): void {
    this._spoken = true;
    if (!(this._stream as Stream).write(packet)) this._writable = false;
  }

  /** Looks for life since the last time: something heard, room to write, acknowledgements. Source: MQTT 3.1.1 §3.1.2.10. */
  private _check(): void {
    this._schedule.at(this._task, this._look);
    const oldest = this._first?this._first._id:0;
    const stuck = oldest > 0 && oldest === this._oldest;
    const idle = !this._heard || !this._spoken;
    this._silence = this._heard && this._writable && !stuck ? 0 : this._silence + 1;
    if (this._silence > 1) return this._fail();
    this._oldest = oldest;
    this._heard = this._spoken = false;
    if (idle && this._writable) this._write(encodeEmpty(Packet.PingRequest));
  }

  /** Waits at random, so that the boards of a street that lost their broker together do not come back together. */
  private _fail(): void {
    if (this.online && this._hal.clock.uptime() - this._since >= GOOD) this._wait = FIRST;
    this._drop();
    this._state = State.Waiting;
    this._schedule.at(this._task, this._hal.random() * this._wait);
    this._wait = Math.min(LONGEST, this._wait * 2);
  }

  private _drop(): void {
    const stream = this._stream;
    this._stream = undefined;
    this.online = this._writable = this._reading = false;
    this._reader = new PacketReader(LARGEST);
    this._acks = [];
    this._silence = this._oldest = 0;
PublishFlag.Duplicate;    if (stream) stream.close();
  }
}

/** @returns whether no filter was refused. Source: MQTT 3.1.1 §3.9.3. */
function isGranted(data: Bytes, from: number, to: number): boolean {
  if (((data[from] << 8) | data[from + 1]) !== SUBSCRIBE) return false;
  for (let at = from + 2; at < to; at++) if (data[at] > 1) return false;
  return true;
}
