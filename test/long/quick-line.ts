/**
 * Meters without a wire, for years that have to pass in seconds: the whole answer comes in one event, after the time that
 * request, silence, meter and answer take on a real line. Registers are written as those of the plant's own meters.
 */
import crc16modbus from 'crc/calculators/crc16modbus';
import type { Board } from '../../firmware/board.ts';
import type { Hal, Serial, SerialOptions } from '../../hal/hal.ts';
import { SimHal } from '../../sim/index.ts';
import { type MeterProfile, type Readings, readProfile, writeRegister } from '../../sim/plant/modbus-meter.ts';
import type { Random } from '../../sim/random.ts';
import { byteTime, type Format, frameSilence } from '../../sim/serial-line.ts';

/** ms that a meter thinks. */
const DELAY = 20;
const REQUEST = 8;
/** ms within which the requests of one poll follow each other. */
const POLL = 1000;

const wordOf = (high: number, low: number) => 256 * high + low;

/** The lines of one pole. */
export class QuickLines {
  /** Probability that one bit of a message is flipped. */
  damage = 0;
  /** Requests, and those that were answered without damage. */
  requests = 0;
  answers = 0;
  #frame = Buffer.alloc(256);
  #frames: Buffer[] = [];
  #readings: Partial<Readings> | undefined;
  #readAt = 0;
  #units = new Map<number, { profile: MeterProfile; registers: Buffer }>();

  /**
   * @param read what the meters see
   * @param powered whether they have power
   */
  constructor(
    board: Board,
    private random: Random,
    private read: () => Partial<Readings>,
    private powered: () => boolean,
  ) {
    for (const { unit, profile: name } of board.meters) {
      const profile = readProfile(name);
      const size = Math.max(...profile.registers.map(({ address }) => address)) + 2;
      this.#units.set(unit, { profile, registers: Buffer.alloc(2 * size) });
    }
  }

  /** @returns the HAL with these lines in place of its own */
  in(hal: SimHal): Hal {
    const members: Record<string, unknown> = {};
    for (const name of Object.getOwnPropertyNames(SimHal.prototype)) {
      const value = hal[name as keyof SimHal] as unknown;
      members[name] = typeof value === 'function' ? value.bind(hal) : value;
    }
    members.openSerial = (options: SerialOptions) => this.#open(hal.clock, options);
    return members as unknown as Hal;
  }

  /** @returns the first bytes of the buffer for answers */
  #frameOf(length: number): Buffer {
    this.#frames[length] ??= this.#frame.subarray(0, length);
    return this.#frames[length];
  }

  #open(clock: SimHal['clock'], options: SerialOptions): Serial {
    const { baud, data = 8, parity = 'none', stop = 1 } = options;
    const format: Format = { baud, data, parity, stop };
    const each = byteTime(format);
    const wait = 2 * frameSilence(format) + DELAY;
    return {
      write: (request, done) => {
        const answer = this.#answer(request, clock.uptime());
        const delay = request.length * each + (answer ? wait + answer.length * each : 0);
        clock.after(delay, () => {
          done?.(null);
          if (answer) options.onData(answer);
        });
      },
      close: () => {},
    };
  }

  /** @returns the answer, valid until the next one; undefined when there is none */
  #answer(request: Uint8Array, now: number): Buffer | undefined {
    const { random, damage } = this;
    this.requests++;
    // A damaged request does not find its unit.
    if (!this.powered() || random.chance(damage)) return undefined;
    const check = crc16modbus(request.subarray(0, REQUEST - 2));
    if (request.length !== REQUEST || check !== wordOf(request[7], request[6])) return undefined;
    const unit = this.#units.get(request[0]);
    if (!unit || unit.profile.function !== request[1]) return undefined;
    const { profile, registers } = unit;
    const start = wordOf(request[2], request[3]);
    const end = start + wordOf(request[4], request[5]);
    // What is asked for together was measured together.
    if (this.#readings === undefined || Math.abs(now - this.#readAt) > POLL) {
      this.#readings = this.read();
      this.#readAt = now;
    }
    const readings = this.#readings;
    for (const register of profile.registers) {
      const value = readings[register.quantity];
      if (register.address < start || register.address >= end || value === undefined) continue;
      writeRegister(registers, register, value, profile.wordOrder === 'CDAB');
    }
    const length = 2 * (end - start);
    const answer = this.#frameOf(length + 5);
    answer[0] = request[0];
    answer[1] = request[1];
    answer[2] = length;
    registers.copy(answer, 3, 2 * start, 2 * end);
    answer.writeUInt16LE(crc16modbus(this.#frameOf(length + 3)), length + 3);
    if (random.chance(damage)) answer[random.below(answer.length)] ^= 1 << random.below(8);
    else this.answers++;
    return answer;
  }
}
