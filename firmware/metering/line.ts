/** The master of one Modbus RTU line: one transaction at a time, framed by silence, deaf to nothing and to nobody. */
import type { Bytes, Clock, Hal, Serial } from '../../hal/hal.ts';
import type { LineConfig } from '../board.ts';
import { checkReply, EXCEPTION_LENGTH, Fault, replyLength } from '../protocols/modbus.ts';
import type { Schedule } from '../schedule.ts';

/** Bytes of the longest RTU frame. Source: MODBUS over Serial Line V1.02 §2.5.1. */
const LONGEST = 256;
/** ms without a byte that end a reply: more than t3.5 (32 ms at 1200 baud) and than the 50 ms of a host between two looks. */
const PAUSE = 60;
/** ms that a transmission may take beyond its bytes, until a driver has reported it done. */
const DRIVER = 1000;
/** ms a transaction waits for a line that is never silent. */
const PATIENCE = 10000;
/** Transactions waiting at most. */
const QUEUE = 8;

/** One request and what its sender wants of it. Belongs to the line from `submit` until `done`. */
export interface Transaction {
  /** The frame with its CRC. */
  readonly request: Bytes;
  /**
   * ms from the end of the request to the first byte of the reply. After a broadcast: the time for which
   * the units are left alone (100..200 ms; Source: MODBUS over Serial Line V1.02 §2.4.1).
   */
  readonly timeout: number;
  /** ms of silence that the unit wants after its reply. */
  readonly gap: number;
  /** Times that a silent or damaged attempt is repeated at once. Exceptions never are. */
  readonly retries: number;
  /**
   * Called once. `reply` is the line's buffer, valid during the call: when `fault` is `Fault.None`, the reply begins at
   * index 0. The same transaction may be submitted again from here.
   *
   * @param fault `Fault`, or the unit's exception code
   */
  done(fault: number, reply: Bytes): void;
}

/**
 * Answers that come late are never taken for the answer of another request: bytes count only while an answer is due,
 * unit, function, length and CRC must fit, and when an attempt went unanswered the same unit is left alone afterwards
 * for as long as the attempts took. So an answer may be late by as much as all attempts take, and 3 of them are made.
 */
export class ModbusLine {
  private _clock: Clock;
  private _serial: Serial;
  private _task!: number;
  private _sent!: () => void;
  private _queue: Transaction[] = [];
  private _reply = new Uint8Array(LONGEST);
  /** Bytes of the reply so far, and how many make the next look at it worthwhile. */
  private _length = 0;
  private _wanted = 0;
  /** Bytes of our own transmission still to be heard. */
  private _echo = 0;
  private _echoes: boolean;
  /** ms of one character and of the silence that separates frames. */
  private _character: number;
  private _silence: number;
  private _listening = 0;
  private _writing = 0;
  /** Attempts that the current transaction has behind it. */
  private _tries = 0;
  /** Uptimes: first attempt, since when it waits, last byte heard, earliest next request, end of listening, its limit. */
  private _begun = 0;
  private _since = 0;
  private _heard = 0;
  private _ready = 0;
  private _deadline = 0;
  private _limit = 0;
  /** Unit (0: any) that may still answer an earlier request, and the uptime until which it may. */
  private _owing = 0;
  private _until = 0;

  /** Opens the port; throws when the HAL does. */
  constructor(
    hal: Hal,
    private _schedule: Schedule,
    config: LineConfig,
  ) {
    this._clock = hal.clock;
    this._echoes = config.echo;
    // Source: MODBUS over Serial Line V1.02 §2.5.1.1: 11 bits a character, fixed times above 19200 baud.
    this._character = 11000 / config.baud;
    this._silence = config.baud > 19200 ? 1.75 : 3.5 * this._character;
    this._serial = hal.openSerial(Object.assign({ onData: this._callbacks() }, config));
  }

  /** Apart from the constructor, because a callback keeps every variable of the function that made it. */
  private _callbacks(): (data: Bytes) => void {
    this._task = this._schedule.add(this);
    this._sent = this._transmitted.bind(this);
    return this._hear.bind(this);
  }

  /**
   * Throws what the port throws; the transaction is taken all the same, and its unit counts as silent.
   * @returns false when the queue is full; the transaction is then not taken, and `done` is not called.
   */
  submit(transaction: Transaction): boolean {
    if (this._queue.length >= QUEUE) return false;
    if (this._queue.push(transaction) > 1) return true;
    this._tries = 0;
    this._since = this._clock.uptime();
    this._send(transaction, this._since);
    return true;
  }

  /** @internal */
  run(): void {
    const transaction = this._queue[0];
    if (!transaction) return;
    const now = this._clock.uptime();
    const fault = this._listening ? this._judge(transaction, now) : this._send(transaction, now);
    if (fault !== undefined) this._finish(transaction, fault, now);
  }

  /** Sends as soon as the line has been silent for long enough and nobody owes an answer that could be mistaken. */
  private _send(transaction: Transaction, now: number): number | undefined {
    const request = transaction.request;
    const max = Math.max;
    let from = max(this._ready, this._heard + this._silence);
    if (this._tries === 0 && (this._owing === 0 || this._owing === request[0])) from = max(from, this._until);
    if (this._writing) from = max(from, now + PAUSE);
    if (from > now) {
      if (now - max(this._since, this._until) > PATIENCE) {
        // A driver that lost its `done` is tried again.
        this._writing = 0;
        return Fault.Busy;
      }
      this._schedule.at(this._task, from - now);
      return undefined;
    }
    if (this._tries === 0) this._begun = now;
    this._length = 0;
    this._wanted = EXCEPTION_LENGTH;
    this._echo = this._echoes ? request.length : 0;
    this._limit = now + request.length * this._character + DRIVER + transaction.timeout;
    this._deadline = this._limit;
    this._listening = 1;
    this._writing = 1;
    // First of all, so that a port that throws is as good as a unit that is silent.
    this._schedule.at(this._task, this._deadline - now);
    this._serial.write(request, this._sent);
    return undefined;
  }

  /** The last bit is out. The answer may even be here already, on hosts that learn of both at the same time. */
  private _transmitted(): void {
    this._writing = 0;
    const transaction = this._queue[0];
    if (!this._listening || !transaction) return;
    const now = this._clock.uptime();
    // A UART may hand a reply over in one piece: the first byte is seen when the last one is in.
    const wait = transaction.timeout + replyLength(transaction.request) * this._character;
    this._deadline = now + wait;
    this._limit = this._deadline + DRIVER;
    this._schedule.at(this._task, this._length >= this._wanted ? 0 : wait);
  }

  private _hear(data: Bytes): void {
    this._heard = this._clock.uptime();
    if (!this._listening) return;
    let bytes = data;
    if (this._echo > 0) {
      const own = Math.min(this._echo, bytes.length);
      this._echo -= own;
      bytes = bytes.subarray(own);
    }
    // Never past the end: the interpreter's subarray does not stop there.
    bytes = bytes.subarray(0, Math.min(bytes.length, LONGEST - this._length));
    this._reply.set(bytes, this._length);
    this._length += bytes.length;
    if (this._length >= this._wanted) this._schedule.at(this._task, 0);
  }

  /** Looks at what has come: a whole frame ends the attempt, half a one may have its pause, nothing has its time-out. */
  private _judge(transaction: Transaction, now: number): number | undefined {
    const request = transaction.request;
    this._drop(request);
    const refused = this._length > 1 && this._reply[1] > 127;
    this._wanted = refused ? EXCEPTION_LENGTH : Math.max(replyLength(request), EXCEPTION_LENGTH);
    if (request[0] !== 0 && this._length >= this._wanted) return checkReply(request, this._reply, this._length);
    if (this._length > 0) this._deadline = Math.max(this._deadline, this._heard + PAUSE);
    const end = Math.min(this._deadline, this._limit);
    if (now < end) {
      this._schedule.at(this._task, end - now);
      return undefined;
    }
    if (request[0] === 0) return Fault.None;
    return this._length > 0 ? Fault.Corrupt : Fault.Silent;
  }

  /** Drops what stands before the reply: a glitch of the transceiver, or the late answer of another unit. */
  private _drop(request: Bytes): void {
    const reply = this._reply;
    const length = this._length;
    let noise = 0;
    while (noise < length) {
      if (reply[noise] === request[0] && (noise + 1 === length || (reply[noise + 1] & 127) === request[1])) break;
      noise++;
    }
    if (noise === 0) return;
    reply.set(reply.subarray(noise, length));
    this._length -= noise;
  }

  private _finish(transaction: Transaction, fault: number, now: number): void {
    const unit = transaction.request[0];
    this._listening = 0;
    this._ready = now + (fault < 0 ? 0 : transaction.gap);
    if (fault < 0 && fault !== Fault.Busy && this._tries < transaction.retries) {
      this._tries++;
      this._since = now;
      this._schedule.at(this._task, 0);
      return;
    }
    if (fault !== Fault.Busy && (fault < 0 || this._tries > 0)) {
      // An attempt that was not answered still may be, later than the last one by no more than all of them took.
      this._owing = now < this._until && this._owing !== unit ? 0 : unit;
      this._until = Math.max(this._until, 2 * now - this._begun + PAUSE);
    }
    this._queue.shift();
    this._tries = 0;
    this._since = now;
    if (this._queue.length > 0) this._schedule.at(this._task, 0);
    transaction.done(fault, this._reply);
  }
}
