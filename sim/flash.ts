/**
 * NOR flash: erased bytes are 0xFF, programming clears bits, only a whole page can be erased. Every programming unit and
 * every page erase is one operation, and the power can be cut before, inside or after any of them.
 */
import type { FlashOptions as AreaOptions, Bytes, FlashArea } from '../hal/hal.ts';
import { type Owner, PowerCut } from './clock.ts';

/** Flash is written by words. */
const WORD = 4;

export interface FlashOptions {
  /** bytes, a multiple of two pages */
  size?: number;
  /** bytes */
  page?: number;
  /** Contents to start from, `size` bytes; absent: erased. */
  image?: Uint8Array;
}

/** bytes programmed by one operation. Source: nRF52, STM32F4 and SPI NOR parts program 4 to 256 bytes at a time. */
const UNIT = 16;

export class Flash {
  readonly size: number;
  readonly page: number;
  /** Times that each page has been erased. */
  readonly erases: Uint32Array;
  /** Units programmed and pages erased so far. */
  operations = 0;
  /** Called when a planned cut happens, before `PowerCut` is thrown. */
  onCut: () => void = () => {};
  /** Called after every operation, whole or torn, with the bytes that it may have changed. */
  onChange: (address: number, length: number) => void = () => {};
  #memory: Uint8Array;
  #cutAt = Number.POSITIVE_INFINITY;
  #part = 0;

  constructor(options: FlashOptions = {}) {
    this.page = options.page ?? 4096;
    this.size = options.size ?? options.image?.length ?? 32 * this.page;
    if (this.size % (2 * this.page) !== 0) throw new RangeError(`${this.size} bytes are not pairs of pages`);
    if (options.image && options.image.length !== this.size) {
      throw new RangeError(`an image of ${options.image.length} bytes does not fit flash of ${this.size}`);
    }
    this.#memory = options.image ? Uint8Array.from(options.image) : new Uint8Array(this.size).fill(0xff);
    this.erases = new Uint32Array(this.size / this.page);
  }

  /** @returns a view, valid until the next operation */
  read(address: number, length: number): Uint8Array {
    return this.#memory.subarray(address, address + length);
  }

  /** @returns a copy of everything */
  image(): Uint8Array {
    return this.#memory.slice();
  }

  /** Clears bits. Throws when a bit would have to be set: the page was not erased. */
  program(address: number, data: Uint8Array): void {
    for (let from = 0; from < data.length; ) {
      const end = Math.min(data.length, from + UNIT - ((address + from) % UNIT));
      const done = this.#operation();
      const stop = from + Math.floor((end - from) * done);
      for (let at = from; at < stop; at++) {
        if ((this.#memory[address + at] & data[at]) !== data[at]) {
          throw new Error(`flash byte ${address + at} is programmed twice`);
        }
        this.#memory[address + at] = data[at];
      }
      this.onChange(address + from, stop - from);
      if (done < 1 || this.#due()) this.#cut();
      from = end;
    }
  }

  /** Sets a page to 0xFF. */
  erase(page: number): void {
    const done = this.#operation();
    const start = page * this.page;
    this.#memory.fill(0xff, start, start + Math.floor(this.page * done));
    this.erases[page]++;
    this.onChange(start, this.page);
    if (done < 1 || this.#due()) this.#cut();
  }

  /**
   * Cuts the power in the coming operation number `count` (0 is the next one) when the share `part` of it is done:
   * 0 nothing of it happens, 0.5 half of its bytes, 1 it completes and then the power goes.
   */
  cutAfter(count: number, part: number): void {
    this.#cutAt = this.operations + count;
    this.#part = part;
  }

  /** Forgets a planned cut. */
  keepPower(): void {
    this.#cutAt = Number.POSITIVE_INFINITY;
  }

  /** Flips bits as ageing does: no operation, no wear. */
  damage(address: number, mask = 0xff): void {
    this.#memory[address] ^= mask;
  }

  #due(): boolean {
    return this.operations > this.#cutAt;
  }

  #operation(): number {
    return this.operations++ === this.#cutAt ? this.#part : 1;
  }

  #cut(): never {
    this.keepPower();
    this.onCut();
    throw new PowerCut();
  }
}

/**
 * @see Hal.openFlash. Where a board's flash begins is of no matter here: it is seen again and again through all addresses,
 * so that areas lie apart as they do on the board.
 */
export function openFlash(flash: Flash, power: Owner, { address: given = 0, size }: AreaOptions): FlashArea {
  const { page } = flash;
  const begin = given % flash.size;
  if (!(size >= 2 * page && size % page === 0 && begin + size <= flash.size)) {
    throw new RangeError(`${size} bytes from ${given} are not 2 to ${flash.size / page} pages of ${page}`);
  }
  if (begin % page) throw new RangeError(`${given} is not the begin of a page`);
  const check = (address: number, length: number): void => {
    if (!power.on) throw new PowerCut();
    if (!(address >= 0 && length >= 0 && address + length <= size)) {
      throw new RangeError(`${length} bytes from ${address} are outside ${size} bytes of flash`);
    }
  };
  return {
    size,
    page,
    read: (address, length) => {
      check(address, length);
      return flash.read(begin + address, length).slice();
    },
    write: (address, data: Bytes) => {
      check(address, data.length);
      if (address % WORD || data.length % WORD) throw new RangeError('flash is written by 4 bytes');
      flash.program(begin + address, data);
    },
    erase: (address) => {
      check(address, page);
      if (address % page) throw new RangeError(`${address} is not the begin of a page`);
      flash.erase((begin + address) / page);
    },
  };
}
