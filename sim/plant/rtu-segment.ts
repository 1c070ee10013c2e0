/**
 * The bus side of Modbus units: frames by silence in simulated time, checks the CRC, picks the unit and answers exceptions.
 * Valid requests go to a `jsmodbus` server, which by itself would answer every unit, keep silent for ever after a byte of
 * noise, and give a short answer instead of an exception past the end of its registers.
 */
import { EventEmitter } from 'node:events';
import { crc16modbus } from 'crc';
import { server } from 'jsmodbus';
import type { World } from '../clock.ts';
import { type Format, frameSilence, type SerialLine, type Station } from '../serial-line.ts';

/** Registers big-endian, two bytes each; coils and discrete inputs one bit each. Absent: none of them. */
export interface Registers {
  coils?: Buffer;
  discrete?: Buffer;
  holding?: Buffer;
  input?: Buffer;
}

/** Which registers exist, by the table's name: answers whether `count` from `start` do. Absent: all in the buffer. */
export type Exists = (table: keyof Registers, start: number, count: number) => boolean;

export interface UnitOptions {
  /** ms from recognising the request to the first start bit of the answer */
  delay?: number;
  /** Called before the registers are read. */
  refresh?(): void;
  exists?: Exists;
  /** Most registers in one answer, when the unit gives fewer than the specification allows. */
  largest?: number;
}

/** A unit on the segment. */
export interface Unit {
  /** False: the unit has no power or no wire. */
  connected: boolean;
  /** ms, see `UnitOptions.delay` */
  delay: number;
  /** Requests addressed to this unit, and answers it gave. */
  requests: number;
  answers: number;
}

interface Served extends Unit {
  port: EventEmitter;
  tables: Required<Registers>;
  refresh: () => void;
  exists: Exists;
  largest: number;
}

enum Exception {
  IllegalFunction = 1,
  IllegalAddress = 2,
  IllegalValue = 3,
}

/** Largest quantity of a request. Source: MODBUS Application V1.1b3 §6.1-6.4, §6.11, §6.12. */
const LARGEST = new Map([
  [1, 2000],
  [2, 2000],
  [3, 125],
  [4, 125],
  [15, 1968],
  [16, 123],
]);
const TABLES = new Map<number, keyof Registers>([
  [1, 'coils'],
  [2, 'discrete'],
  [3, 'holding'],
  [4, 'input'],
  [5, 'coils'],
  [6, 'holding'],
  [15, 'coils'],
  [16, 'holding'],
]);
/** bytes; source: MODBUS over Serial Line V1.02 §2.5.1. */
const LONGEST_FRAME = 256;
/** ms by which sums of character times may differ. */
const EPSILON = 1e-6;

/** @returns whether the last two bytes are the CRC-16 of the others, low byte first */
export function crcHolds(frame: Buffer): boolean {
  return frame.length >= 4 && crc16modbus(frame.subarray(0, -2)) === frame.readUInt16LE(frame.length - 2);
}

/** @returns `body` and its CRC */
export function withCrc(body: Buffer): Buffer {
  const crc = Buffer.alloc(2);
  crc.writeUInt16LE(crc16modbus(body));
  return Buffer.concat([body, crc]);
}

export class RtuSegment implements Station {
  readonly echo = false;
  /** Frames that were dropped: bad CRC, too short or too long. */
  damaged = 0;
  /** The units have power. */
  powered = true;
  #units = new Map<number, Served>();
  #frame = Buffer.alloc(LONGEST_FRAME);
  #length = 0;
  #silence: number;
  #waiting = false;
  #last = 0;
  #broadcast = false;

  constructor(
    private world: World,
    private line: SerialLine,
    readonly format: Format,
  ) {
    this.#silence = frameSilence(format);
    line.attach(this);
  }

  /** @param address 1..247 */
  addUnit(address: number, registers: Registers, options: UnitOptions = {}): Unit {
    if (!Number.isInteger(address) || address < 1 || address > 247) throw new RangeError(`unit ${address}`);
    if (this.#units.has(address)) throw new Error(`unit ${address} is on this segment already`);
    const none = Buffer.alloc(0);
    // Every table is passed: the server's own defaults are shared by all servers of the process.
    const tables = { coils: none, discrete: none, holding: none, input: none, ...registers };
    const port = Object.assign(new EventEmitter(), {
      write: (answer: Buffer, sent: () => void) => {
        if (!this.#broadcast) this.#answer(unit, answer);
        sent();
      },
    });
    const unit: Served = {
      connected: true,
      delay: options.delay ?? 20,
      requests: 0,
      answers: 0,
      port,
      tables,
      refresh: options.refresh ?? (() => {}),
      exists: options.exists ?? (() => true),
      largest: options.largest ?? 125,
    };
    new server.RTU(port as never, tables);
    this.#units.set(address, unit);
    return unit;
  }

  receive(data: Uint8Array): void {
    for (const byte of data) {
      if (this.#length < LONGEST_FRAME) this.#frame[this.#length] = byte;
      this.#length++;
    }
    this.#last = this.world.now;
    if (this.#waiting) return;
    this.#waiting = true;
    this.#wait(this.#silence);
  }

  #wait(delay: number): void {
    this.world.after(delay, () => {
      // Characters that are still on the wire have begun before the silence was over.
      if (this.line.busy) this.#wait(this.#silence);
      else {
        const left = Math.max(this.#last, this.line.idleSince) + this.#silence - this.world.now;
        if (left > EPSILON) this.#wait(left);
        else this.#ended();
      }
    });
  }

  #ended(): void {
    this.#waiting = false;
    const length = this.#length;
    this.#length = 0;
    // The server keeps views of what it is given.
    const frame = Buffer.from(this.#frame.subarray(0, Math.min(length, LONGEST_FRAME)));
    if (length > LONGEST_FRAME || !crcHolds(frame)) {
      this.damaged++;
      return;
    }
    const addressed = frame[0] === 0 ? [...this.#units.values()] : [this.#units.get(frame[0])];
    for (const unit of addressed) if (unit?.connected && this.powered) this.#serve(unit, frame);
  }

  #serve(unit: Served, frame: Buffer): void {
    unit.requests++;
    this.#broadcast = frame[0] === 0;
    const exception = this.#refusal(unit, frame);
    if (exception === undefined) {
      unit.refresh();
      unit.port.emit('data', frame);
    } else if (!this.#broadcast) this.#answer(unit, withCrc(Buffer.from([frame[0], frame[1] | 0x80, exception])));
    this.#broadcast = false;
  }

  /** Checks in the order of the specification's state diagrams: function, quantity, address. Source: MODBUS Application V1.1b3 §6. */
  #refusal(unit: Served, frame: Buffer): Exception | undefined {
    const code = frame[1];
    const table = TABLES.get(code);
    if (!table || unit.tables[table].length === 0) return Exception.IllegalFunction;
    if (frame.length < 8) return Exception.IllegalValue;
    const start = frame.readUInt16BE(2);
    const value = frame.readUInt16BE(4);
    const single = code === 5 || code === 6;
    const count = single ? 1 : value;
    if (code === 5 && value !== 0 && value !== 0xff00) return Exception.IllegalValue;
    if (count < 1 || count > (LARGEST.get(code) ?? 1)) return Exception.IllegalValue;
    if ((code === 3 || code === 4) && count > unit.largest) return Exception.IllegalValue;
    const payload = code === 15 ? Math.ceil(count / 8) : code === 16 ? 2 * count : 0;
    if (payload > 0 && (frame[6] !== payload || frame.length !== 9 + payload)) return Exception.IllegalValue;
    if (payload === 0 && frame.length !== 8) return Exception.IllegalValue;
    const bits = table === 'coils' || table === 'discrete';
    const size = bits ? unit.tables[table].length * 8 : unit.tables[table].length / 2;
    if (start + count > size || !unit.exists(table, start, count)) return Exception.IllegalAddress;
    return undefined;
  }

  #answer(unit: Served, answer: Buffer): void {
    this.world.after(unit.delay, () => {
      if (!unit.connected || !this.powered) return;
      unit.answers++;
      this.line.transmit(this, answer, () => {});
    });
  }
}
