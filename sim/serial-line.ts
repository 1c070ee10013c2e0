/**
 * A wire that several stations share, as RS-485 does: bytes take their time, everybody hears everybody, and two who talk
 * at once destroy both messages. Faults are drawn from a seeded generator.
 */
import type { Done, Pin, Serial, SerialOptions } from '../hal/hal.ts';
import { type Owner, PowerCut, type World } from './clock.ts';
import type { Pins } from './pins.ts';
import type { Random } from './random.ts';

export interface Format {
  baud: number;
  data: 7 | 8;
  parity: 'none' | 'even' | 'odd';
  stop: 1 | 2;
}

/** Something attached to a line. */
export interface Station {
  readonly format: Format;
  /** Its transceiver hears what it sends itself. */
  readonly echo: boolean;
  /** The last stop bit of `data` has just ended. `data` is valid during the call only. */
  receive(data: Uint8Array): void;
}

/** A message on its way. */
export interface Transmission {
  /** The sender falls silent at once; `done` is not called. */
  abort(): void;
}

/** @returns ms that one character takes: start bit, data, parity, stop bits */
export function byteTime(format: Format): number {
  return ((1 + format.data + (format.parity === 'none' ? 0 : 1) + format.stop) * 1000) / format.baud;
}

/** @returns ms of silence that end a frame. Source: MODBUS over Serial Line V1.02 §2.5.1.1 (t3.5; 1.750 ms above 19200). */
export function frameSilence(format: Format): number {
  return format.baud > 19200 ? 1.75 : (3.5 * 11 * 1000) / format.baud;
}

/** A receiver that samples in the middle of a bit survives about this much deviation over a character. */
const BAUD_TOLERANCE = 0.04;
/** Fills received data after the call, so that a reader who keeps the buffer is found out. */
const STALE = 0xdb;

interface Sending extends Transmission {
  data: Uint8Array;
  delivered: number;
  start: number;
  end: number;
  each: number;
  timer: number;
}

export class SerialLine {
  /** Bytes handed over at a time; the whole message when larger. 1 is what a slow, attentive UART does. */
  chunk = 16;
  /** Probability that a byte is lost. */
  loss = 0;
  /** Probability that a bit of a byte is flipped. */
  noise = 0;
  /** Probability that one bit of a message is flipped. */
  damage = 0;
  /** Stations attached through the HAL hear themselves. */
  echo = false;
  #world: World;
  #random: Random;
  #stations: Station[] = [];
  #sending: Sending[] = [];
  #idleSince = 0;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** Somebody is sending. */
  get busy(): boolean {
    return this.#sending.length > 0;
  }

  /** ms of the world at which the last message ended. */
  get idleSince(): number {
    return this.#idleSince;
  }

  /** @returns a function that detaches the station again */
  attach(station: Station): () => void {
    this.#stations.push(station);
    return () => {
      this.#stations = this.#stations.filter((other) => other !== station);
    };
  }

  /** Sends a copy of `data`, which is not empty. @param sender hears it only when it has an echo @param done the last stop bit has ended */
  transmit(sender: Station, data: Uint8Array, done: () => void): Transmission {
    const each = byteTime(sender.format);
    const start = this.#world.now;
    const copy = new Uint8Array(data);
    if (this.#random.chance(this.damage)) copy[this.#random.below(copy.length)] ^= 1 << this.#random.below(8);
    const sending: Sending = {
      data: copy,
      delivered: 0,
      start,
      end: start + copy.length * each,
      each,
      timer: 0,
      abort: () => {
        this.#world.cancel(sending.timer);
        this.#finish(sending);
      },
    };
    for (const other of this.#sending) this.#collide(sending, other);
    this.#sending.push(sending);
    this.#next(sender, sending, done);
    return sending;
  }

  /** Puts bytes on the wire that nobody sent. @param format as which they are heard; absent: the first station's */
  disturb(bytes: Uint8Array, format?: Format): void {
    const heardAs = format ?? this.#stations[0]?.format;
    if (heardAs) this.transmit({ format: heardAs, echo: false, receive: () => {} }, bytes, () => {});
  }

  #next(sender: Station, sending: Sending, done: () => void): void {
    const upTo = Math.min(sending.data.length, sending.delivered + Math.max(1, Math.floor(this.chunk)));
    // Times are counted from the start, so that rounding does not add up over a message.
    const due = sending.start + upTo * sending.each;
    sending.timer = this.#world.after(Math.max(0, due - this.#world.now), () => {
      const last = upTo === sending.data.length;
      if (last) this.#finish(sending);
      const from = sending.delivered;
      sending.delivered = upTo;
      this.#deliver(sender, sending.data.subarray(from, upTo));
      if (last) done();
      else if (this.#sending.includes(sending)) this.#next(sender, sending, done);
    });
  }

  #finish(sending: Sending): void {
    this.#sending = this.#sending.filter((other) => other !== sending);
    this.#idleSince = this.#world.now;
  }

  #deliver(sender: Station, bytes: Uint8Array): void {
    const heard = this.loss > 0 || this.noise > 0 ? this.#disturbed(bytes) : bytes;
    if (heard.length === 0) return;
    for (const station of this.#stations) {
      if (station === sender && !station.echo) continue;
      const data = understands(station.format, sender.format) ? new Uint8Array(heard) : this.#garbled(heard);
      station.receive(data);
      data.fill(STALE);
    }
  }

  #disturbed(bytes: Uint8Array): Uint8Array {
    const heard: number[] = [];
    for (const byte of bytes) {
      if (this.#random.chance(this.loss)) continue;
      heard.push(this.#random.chance(this.noise) ? byte ^ (1 << this.#random.below(8)) : byte);
    }
    return Uint8Array.from(heard);
  }

  #garbled(bytes: Uint8Array): Uint8Array {
    return bytes.map(() => this.#random.below(256));
  }

  /** The bytes during which both were on the wire are lost to noise, in both messages. */
  #collide(a: Sending, b: Sending): void {
    const from = Math.max(a.start, b.start);
    const end = Math.min(a.end, b.end);
    for (const one of [a, b]) {
      const first = Math.max(one.delivered, Math.floor((from - one.start) / one.each));
      const last = Math.min(one.data.length, Math.ceil((end - one.start) / one.each));
      for (let index = first; index < last; index++) one.data[index] ^= 1 + this.#random.below(255);
    }
  }
}

/** Stop bits do not matter to a receiver; everything else does. */
function understands(receiver: Format, sender: Format): boolean {
  if (receiver === sender) return true;
  const deviation = Math.abs(receiver.baud - sender.baud) / sender.baud;
  return deviation <= BAUD_TOLERANCE && receiver.data === sender.data && receiver.parity === sender.parity;
}

class SimSerial implements Serial, Station {
  readonly format: Format;
  readonly echo: boolean;
  #open = true;
  #sending: Transmission | undefined;
  #busy = false;
  #detach: () => void;

  constructor(
    private line: SerialLine,
    private world: World,
    private power: Owner,
    private pins: Pins,
    private options: SerialOptions,
    private closed: () => void,
    format: Format,
  ) {
    this.format = format;
    this.echo = line.echo;
    this.#detach = line.attach(this);
  }

  write(data: Uint8Array, done?: Done): void {
    if (!this.power.on) throw new PowerCut();
    if (!this.#open) throw new Error(`${this.options.port} is closed`);
    if (!(data instanceof Uint8Array)) throw new TypeError('a serial port takes bytes');
    if (this.#busy) throw new Error(`${this.options.port} is still writing`);
    this.#busy = true;
    const finished = () => {
      this.#busy = false;
      this.#sending = undefined;
      this.#driver(0);
      if (done && this.#open) this.#guard(() => done(null));
    };
    if (data.length === 0) {
      this.world.after(0, finished, this.power);
      return;
    }
    const mask = this.format.data === 7 ? 0x7f : 0xff;
    this.#driver(1);
    this.#sending = this.line.transmit(this, mask === 0xff ? data : data.map((byte) => byte & mask), finished);
  }

  receive(data: Uint8Array): void {
    if (!this.#open || !this.power.on) return;
    if (this.format.data === 7) for (let index = 0; index < data.length; index++) data[index] &= 0x7f;
    this.#guard(() => this.options.onData(data));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#sending?.abort();
    this.#detach();
    this.closed();
  }

  #driver(state: 0 | 1): void {
    if (this.options.driverEnable !== undefined && this.#open) this.pins.drive(this.options.driverEnable, state);
  }

  /** The line belongs to nobody, so what this board's firmware throws is handed to this board. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof PowerCut) return;
      if (!this.power.failed) throw error;
      this.power.failed(error);
    }
  }
}

function checkFormat(options: SerialOptions): Format {
  const { baud, data = 8, parity = 'none', stop = 1 } = options;
  if (typeof options.port !== 'string' || options.port === '') throw new RangeError('a serial port needs a name');
  if (!Number.isInteger(baud) || baud <= 0) throw new RangeError(`${baud} is not a baud rate`);
  if (data !== 7 && data !== 8) throw new RangeError(`${data} data bits`);
  if (parity !== 'none' && parity !== 'even' && parity !== 'odd') throw new RangeError(`parity ${parity}`);
  if (stop !== 1 && stop !== 2) throw new RangeError(`${stop} stop bits`);
  if (typeof options.onData !== 'function') throw new TypeError('a serial port needs onData');
  return { baud, data, parity, stop };
}

/** The serial ports of one boot. */
export class SerialPorts {
  #open = new Map<string, SimSerial>();

  constructor(
    private world: World,
    private power: Owner,
    private pins: Pins,
    private line: (port: string) => SerialLine,
  ) {}

  /** @see Hal.openSerial */
  open(options: SerialOptions): Serial {
    const format = checkFormat(options);
    if (this.#open.has(options.port)) throw new Error(`${options.port} is in use`);
    const taken = [options.receive, options.transmit, options.driverEnable].filter(
      (pin): pin is Pin => pin !== undefined,
    );
    for (const pin of taken) this.pins.check(pin);
    if (new Set(taken).size < taken.length) throw new RangeError(`${options.port} uses a pin twice`);
    for (const pin of taken) this.pins.take(pin);
    if (options.driverEnable !== undefined) this.pins.drive(options.driverEnable, 0);
    const closed = () => {
      this.#open.delete(options.port);
      for (const pin of taken) this.pins.release(pin);
    };
    const serial = new SimSerial(this.line(options.port), this.world, this.power, this.pins, options, closed, format);
    this.#open.set(options.port, serial);
    return serial;
  }

  /** The board lost its power: messages break off. */
  reset(): void {
    for (const serial of [...this.#open.values()]) serial.close();
  }
}
