/** A simulated board: implements `hal/hal.ts` inside simulated time, and gives tests the other side of every port. */

import { pbkdf2Sync } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type {
  AnalogOptions,
  AnalogOutput,
  DigitalInput,
  DigitalOptions,
  DigitalOutput,
  FlashArea,
  FlashOptions,
  Hal,
  InputOptions,
  Part,
  ResetReason,
  Serial,
  SerialOptions,
  Stream,
  StreamOptions,
  System,
  Watchdog,
  Watcher,
} from '../hal/hal.ts';
import { type Owner, PowerCut, SimClock, World } from './clock.ts';
import { Flash, openFlash } from './flash.ts';
import { type Dial, dialTcp, Network } from './network.ts';
import { openAnalog, openDigital, openInput, Pins } from './pins.ts';
import { type Random, seeded } from './random.ts';
import { SerialLine, SerialPorts } from './serial-line.ts';
import { SimStorage } from './storage.ts';

export interface SimOptions {
  /** Time to share with other boards; absent: a world of its own. */
  world?: World;
  /** `System.id`, `[A-Za-z0-9-]{1,32}` */
  id?: string;
  /** Makes noise and `random` repeatable; together with `id`. */
  seed?: string | number;
  /** Absent: new, erased flash of 128 KiB. */
  flash?: Flash;
  /** Raw flash beside storage, for `openFlash`; absent: new, erased, of 64 KiB. */
  raw?: Flash;
  /** Way out to the network; absent: the host's TCP/IP. */
  dial?: Dial;
  /** ms from a reset to the first instruction of the firmware. */
  bootTime?: number;
  /** ms UTC at which the world begins, as a clock on a battery keeps it: every boot knows the time. Absent: none does. */
  begin?: number;
  /** Told what firmware throws; absent: it leaves `clock.run` or `clock.advance`. */
  onUncaught?(error: unknown): void;
}

export interface Reset {
  /** ms of the world */
  time: number;
  reason: ResetReason;
}

/** jsvars of the memory class that a board of this kind has when it is not said otherwise. Source: ESP32 boards have up to 16383. */
const DEFAULT_MEMORY = { used: 0, total: 16383 };
/** bytes of raw flash. */
const RAW = 65536;

/**
 * One board through all of its boots. The members of `Hal` belong to the boot that runs now: what an earlier boot
 * still holds is dead, its callbacks never run and its calls throw.
 */
export class SimHal implements Hal {
  readonly world: World;
  readonly flash: Flash;
  readonly raw: Flash;
  readonly pins: Pins;
  readonly network: Network;
  /** Every reset of this board, the latest last. */
  readonly resets: Reset[] = [];
  /** °C; undefined: this board cannot measure it. */
  temperature: number | undefined;
  /** What `System.memory` answers: the simulator has no jsvars of its own. */
  memory = { ...DEFAULT_MEMORY };
  #options: SimOptions;
  #id: string;
  #lines = new Map<string, SerialLine>();
  #noise: Random;
  #boots = 0;
  #onBoot: (hal: SimHal) => void = () => {};
  #power!: Owner;
  #clock!: SimClock;
  #storage!: SimStorage;
  #watchdog!: SimWatchdog;
  #system!: System;
  #serial!: SerialPorts;
  #random!: Random;

  constructor(options: SimOptions = {}) {
    this.#options = options;
    this.#id = options.id ?? 'sim-1';
    if (!/^[A-Za-z0-9-]{1,32}$/.test(this.#id)) throw new RangeError(`${this.#id} is not a board's id`);
    this.world = options.world ?? new World();
    this.flash = options.flash ?? new Flash();
    this.raw = options.raw ?? new Flash({ size: RAW });
    this.pins = new Pins(this.world);
    this.network = new Network(this.world, options.dial ?? dialTcp);
    this.#noise = seeded(`${options.seed ?? 1} ${this.#id} noise`);
    this.flash.onCut = () => this.cutPower();
    this.raw.onCut = () => this.cutPower();
    this.#start('power');
  }

  get clock(): SimClock {
    return this.#clock;
  }

  get storage(): SimStorage {
    return this.#storage;
  }

  get watchdog(): Watchdog {
    return this.#watchdog;
  }

  get system(): System {
    return this.#system;
  }

  /** The board runs. */
  get on(): boolean {
    return this.#power.on;
  }

  openDigital(options: DigitalOptions): DigitalOutput {
    this.#alive();
    return openDigital(this.pins, this.#power, options);
  }

  openAnalog(options: AnalogOptions): AnalogOutput {
    this.#alive();
    return openAnalog(this.pins, this.#power, options);
  }

  openInput(options: InputOptions): DigitalInput {
    this.#alive();
    return openInput(this.pins, this.world, this.#power, options);
  }

  openSerial(options: SerialOptions): Serial {
    this.#alive();
    return this.#serial.open(options);
  }

  connect(options: StreamOptions): Stream {
    this.#alive();
    return this.network.connect(this.#power, options);
  }

  openFlash(options: FlashOptions): FlashArea {
    this.#alive();
    return openFlash(this.raw, this.#power, options);
  }

  crc32(data: Uint8Array): number {
    return crc32(data);
  }

  mac(key: Uint8Array, parts: readonly Part[]): Uint8Array {
    const data = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)));
    return new Uint8Array(pbkdf2Sync(key, Buffer.concat(data), 1, 32, 'sha256'));
  }

  random(): number {
    return this.#random.next();
  }

  /** @returns the wire at a serial port, made when it is first asked for */
  line(port: string): SerialLine {
    let line = this.#lines.get(port);
    if (!line) {
      line = new SerialLine(this.world, this.#noise);
      this.#lines.set(port, line);
    }
    return line;
  }

  /** Calls `run` at every later boot, the way a board starts its firmware. */
  onBoot(run: (hal: SimHal) => void): void {
    this.#onBoot = run;
  }

  /** Boots into the firmware for the first time: calls what `onBoot` installed, from the queue of time. */
  start(): void {
    this.world.after(this.#options.bootTime ?? 0, () => this.#onBoot(this), this.#power);
  }

  /** The power goes: pins let go, lines and connections break, what firmware planned is forgotten. Flash keeps its bytes. */
  cutPower(): void {
    if (!this.#power.on) return;
    this.#power.on = false;
    this.network.reset();
    this.#serial.reset();
    this.pins.reset();
  }

  /** The power is back: a new boot, without a clock unless a battery kept it (`SimOptions.begin`). */
  restorePower(reason: ResetReason = 'power'): void {
    if (this.#power.on) return;
    this.#start(reason);
    this.start();
  }

  /** A reset, with the power on. */
  reset(reason: ResetReason): void {
    this.cutPower();
    this.restorePower(reason);
  }

  #start(reason: ResetReason): void {
    const boot = ++this.#boots;
    const power: Owner = { on: true };
    const { onUncaught } = this.#options;
    let watching: Watcher | undefined;
    if (onUncaught) {
      power.failed = (error) => {
        onUncaught(error);
        watching?.failed(error);
      };
    }
    this.#power = power;
    this.resets.push({ time: this.world.now, reason });
    if (this.resets.length > 100) this.resets.shift();
    this.#clock = new SimClock(this.world, power);
    const { begin } = this.#options;
    if (begin !== undefined) this.#clock.setTime(begin + this.world.now);
    this.#storage = new SimStorage(this.flash, power);
    this.#watchdog = new SimWatchdog(this.world, power, () => this.reset('watchdog'));
    this.#serial = new SerialPorts(this.world, power, this.pins, (port) => this.line(port));
    this.#random = seeded(`${this.#options.seed ?? 1} ${this.#id} ${this.flash.operations} ${boot}`);
    this.#system = {
      id: this.#id,
      resetReason: reason,
      reboot: () => {
        if (power.on) this.reset('software');
      },
      temperature: () => this.temperature,
      memory: () => ({ ...this.memory }),
      watch: (watcher) => {
        watching = watcher;
      },
    };
  }

  #alive(): void {
    if (!this.#power.on) throw new PowerCut();
  }
}

class SimWatchdog implements Watchdog {
  #timeout = 0;
  #fed = 0;

  constructor(
    private world: World,
    private power: Owner,
    private bite: () => void,
  ) {}

  enable(timeout: number): void {
    if (!(timeout > 0 && Number.isFinite(timeout))) throw new RangeError(`a watchdog cannot wait ${timeout} ms`);
    const running = this.#timeout > 0;
    this.#timeout = timeout;
    this.feed();
    if (!running) this.#wait(timeout);
  }

  feed(): void {
    this.#fed = this.world.now;
  }

  /** One event per time-out, not one per feed. */
  #wait(delay: number): void {
    this.world.after(delay, () => this.#look(), this.power);
  }

  #look(): void {
    const left = this.#fed + this.#timeout - this.world.now;
    if (left > 0) this.#wait(left);
    else this.bite();
  }
}

/** @returns a board that is on and has never been set up; the firmware, if any, is started by `onBoot` and `start` */
export function openSim(options: SimOptions = {}): SimHal {
  return new SimHal(options);
}
