/**
 * The hardware abstraction layer: what firmware may ask of a board. Types only; `hal/espruino` implements them on the
 * interpreter, `sim` on a desktop. Names and manners follow ECMA-419 where that costs no memory; PORTING.md lists the
 * deviations.
 *
 * Manners of every port: options are checked before hardware is touched (a bad option throws and nothing is opened),
 * no callback runs inside the call that installed it, none runs after `close`, and `close` may be repeated.
 */

/** Binary data, always. Text never stands in for bytes. */
export type Bytes = Uint8Array;

/** Of what is joined in native code only, where text need not become an array first: its characters are bytes, 0..255. */
export type Part = Bytes | string | readonly number[];

/** A pin as the board configuration names it; opaque to firmware. */
export type Pin = string | number;

/** Called exactly once, and never before the call that took it has returned. */
export type Done = (error: Error | null) => void;

export interface Port {
  close(): void;
}

/** One board: its clock, storage and watchdog, and the ports that can be opened on it. */
export interface Hal {
  readonly clock: Clock;
  readonly storage: Storage;
  readonly watchdog: Watchdog;
  readonly system: System;
  openDigital(options: DigitalOptions): DigitalOutput;
  openAnalog(options: AnalogOptions): AnalogOutput;
  openInput(options: InputOptions): DigitalInput;
  openSerial(options: SerialOptions): Serial;
  connect(options: StreamOptions): Stream;
  /** Opens raw flash. An area that is not whole pages, two at least, or not free for this throws. */
  openFlash(options: FlashOptions): FlashArea;
  /** @returns the CRC-32 of IEEE 802.3, 0..2^32 - 1; boards have it in native code. */
  crc32(data: Bytes): number;
  /**
   * @param key 1 byte or more
   * @param parts one behind the other
   * @returns 32 new bytes: PBKDF2 with HMAC-SHA-256, one iteration, which is HMAC-SHA-256(key, parts || 00000001). The only
   *   authentication that interpreters have in native code. Boards without a network need not have it. Source: RFC 8018 §5.2.
   */
  mac(key: Bytes, parts: readonly Part[]): Bytes;
  /**
   * @returns 0 <= x < 1. For spreading load, never for keys: it differs between boards and between boots of one board
   * (also where the interpreter's own generator repeats), but is not unpredictable.
   */
  random(): number;
}

export interface Clock {
  /** @returns ms since boot, fractions allowed; never steps and never goes back. */
  uptime(): number;
  /** @returns ms UTC since 1970, or undefined until somebody has set it. */
  time(): number | undefined;
  /** Sets UTC in ms. Running timers keep their remaining time. Throws when `time` is not a finite number. */
  setTime(time: number): void;
  /** Runs `run` once, `delay` ms from now (0 or more, below 2^31). @returns a handle for `cancel`. */
  after(delay: number, run: () => void): number;
  /** Ends a timer. Handles that are unknown or already done are ignored. */
  cancel(timer: number): void;
}

export interface DigitalOptions {
  pin: Pin;
  /** Inverts the pin: `write(1)` drives it low. */
  activeLow?: boolean;
  /** Driven before the pin becomes an output, so that a relay never clicks at boot. */
  initialValue: 0 | 1;
}

export interface DigitalOutput extends Port {
  write(value: 0 | 1): void;
}

export interface AnalogOptions {
  pin: Pin;
  /** PWM frequency; without it the pin's DAC is used. */
  hz?: number;
}

export interface AnalogOutput extends Port {
  /** @param fraction of full scale, 0..1; outside it throws. */
  write(fraction: number): void;
}

/** A pin that the board does not know, or that is in use, throws. */
export interface InputOptions {
  pin: Pin;
  /** Inverts the pin: a low pin is 1, for `read` and for `onChange`. */
  activeLow?: boolean;
  /** Resistor inside the chip, which gives a pin that nothing drives its level; absent: none, the pin floats. */
  pull?: 'up' | 'down';
  /**
   * The level after a change of it; never the same one twice in a row, starting from the level at opening. Contacts
   * bounce and every edge counts: who minds has to wait for the level to settle. Changes that follow each other within
   * a few ms may be told as one or, when they cancel out, not at all; the last call always tells the level that stays.
   */
  onChange(value: 0 | 1): void;
}

export interface DigitalInput extends Port {
  /** @returns the level now, which `onChange` may not have told yet. */
  read(): 0 | 1;
}

export interface SerialOptions {
  /** The UART's name on the board ("Serial2"); a device path on hosts that have those. */
  port: string;
  baud: number;
  receive?: Pin;
  transmit?: Pin;
  data?: 7 | 8;
  parity?: 'none' | 'even' | 'odd';
  stop?: 1 | 2;
  /** RS-485 driver: high from the first start bit to the end of the last stop bit. */
  driverEnable?: Pin;
  /** Any chunking; `data` is valid during the call only. */
  onData(data: Bytes): void;
}

export interface Serial extends Port {
  /** @param done the line is idle again. One write at a time: a second one before `done` throws. */
  write(data: Bytes, done?: Done): void;
}

/** Named values that survive power loss. After a power cut a key holds its old or its new value, never a mix. */
export interface Storage {
  /** @returns a read-only view, valid until the next write or delete; undefined when the key is absent or damaged. */
  read(key: string): Bytes | undefined;
  /** Throws when storage is full (the old value is kept) or when `key` is not `[a-z0-9.-]{1,24}`. Zero length is legal. */
  write(key: string, value: Bytes): void;
  /** Absent keys are ignored. */
  delete(key: string): void;
  keys(): string[];
}

/** An area that neither the interpreter nor `Storage` uses. */
export interface FlashOptions {
  /** Address of its first byte, as the board counts; in a file from its begin. Absent: 0. */
  address?: number;
  /** Hosts without flash: the file that stands for it, which several areas may share. */
  file?: string;
  /** bytes */
  size: number;
}

/**
 * NOR flash as it is: erased bytes are 0xFF, a write clears bits, only whole pages are erased. A power cut may leave any
 * part of a write or of an erasure. Addresses count from the area's begin; outside it everything throws.
 */
export interface FlashArea {
  readonly size: number;
  /** bytes that are erased together */
  readonly page: number;
  /** @returns a copy */
  read(address: number, length: number): Bytes;
  /** @param address and the length of `data`: multiples of 4. What was written before must not be written again. */
  write(address: number, data: Bytes): void;
  /** @param address of the page's first byte */
  erase(address: number): void;
}

export interface StreamOptions {
  host: string;
  /** 1..65535 */
  port: number;
  tls?: boolean;
  /** First call: connected. Later: there is room again after `write` answered false. */
  onWritable(): void;
  /** `data` is valid during the call only. */
  onData(data: Bytes): void;
  /** Once: failed, refused, reset, or ended in good order by the peer. Only `close` is left to do. */
  onError(error: Error): void;
}

export interface Stream extends Port {
  /** Queues `data` whole, copying it. @returns false: wait for `onWritable` before writing more. Throws before the first `onWritable` and after `onError`. */
  write(data: Bytes): boolean;
}

export interface Watchdog {
  /** @param timeout ms. Resets the board unless fed in time; cannot be undone. Throws when `timeout` is not positive. */
  enable(timeout: number): void;
  feed(): void;
}

export type ResetReason = 'power' | 'watchdog' | 'software' | 'brownout' | 'unknown';

/** Who is told of faults that went past everybody. */
export interface Watcher {
  /** @param error what was thrown, or the names of the interpreter's flags as an array */
  failed(error: unknown): void;
}

export interface System {
  /** Unique per board, `[A-Za-z0-9-]{1,32}`, the same after every boot. */
  readonly id: string;
  readonly resetReason: ResetReason;
  reboot(): void;
  /** @returns °C of the controller, undefined when it cannot be measured. */
  temperature(): number | undefined;
  /**
   * In the interpreter's own units (jsvars). A full measurement: do not call it often. On hosts, whose memory grows, `total`
   * is what the largest board has.
   */
  memory(): { used: number; total: number };
  /** From now on `watcher` is told what no code caught, and what the interpreter itself complains of. */
  watch(watcher: Watcher): void;
}
