/** The fixture of the conformance cases on the simulator: everything, TCP included, inside simulated time. */
import type { Bytes, Hal } from '../../hal/hal.ts';
import { PowerCut, World } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim, type SimHal } from '../../sim/index.ts';
import { dialPipe, type FarEnd } from '../../sim/network.ts';
import type { Format, Station } from '../../sim/serial-line.ts';
import type { Fixture } from '../conformance/fixture.ts';

const ECHO_PORT = 7;
const REFUSED_PORT = 1;
const FORMAT: Format = { baud: 9600, data: 8, parity: 'none', stop: 1 };

export class SimFixture implements Fixture {
  readonly world = new World();
  readonly slack = 0;
  readonly late = 0;
  readonly pins = ['D1', 'D2'];
  readonly area = { size: 16384 };
  readonly port = 'Serial2';
  readonly host = 'echo.test';
  readonly echoPort = ECHO_PORT;
  readonly refusedPort = REFUSED_PORT;
  onFar: ((data: Bytes) => void) | undefined;
  /** Told what callbacks of the board throw. */
  onUncaught: (error: unknown) => void = () => {};
  #boards = new Map<string, SimHal>();
  #ends: FarEnd[] = [];
  #far: Station = { format: FORMAT, echo: false, receive: (data) => this.onFar?.(data) };
  #resetsBefore = 0;
  #changesBefore = new Map<string, number>();

  get board(): SimHal {
    return this.#board('sim-1');
  }

  boot(id?: string): Hal {
    const board = this.#board(id ?? 'sim-1');
    this.onFar = undefined;
    this.#ends = [];
    board.flash.keepPower();
    board.reset('power');
    if (id === undefined) {
      this.#resetsBefore = board.resets.length;
      for (const pin of this.pins) {
        board.pins.set(pin, undefined);
        this.#changesBefore.set(pin, board.pins.history(pin).length);
      }
    }
    // The simulator's members belong to the boot that runs now; a HAL of the interpreter is one object a boot.
    return {
      clock: board.clock,
      storage: board.storage,
      watchdog: board.watchdog,
      system: board.system,
      openDigital: (options) => board.openDigital(options),
      openAnalog: (options) => board.openAnalog(options),
      openInput: (options) => board.openInput(options),
      openSerial: (options) => board.openSerial(options),
      openFlash: (options) => board.openFlash(options),
      connect: (options) => board.connect(options),
      crc32: (data) => board.crc32(data),
      mac: (key, parts) => board.mac(key, parts),
      random: () => board.random(),
    };
  }

  later(delay: number, run: () => void): void {
    this.world.after(delay, run);
  }

  now(): number {
    return this.world.now;
  }

  levels(pin: string): readonly number[] {
    const changes = this.board.pins.history(pin).slice(this.#changesBefore.get(pin) ?? 0);
    return changes.map((change) => change.state).filter((state) => state !== undefined);
  }

  drive(pin: string, level: 0 | 1 | undefined): void {
    this.board.pins.set(pin, level);
  }

  farWrite(data: Bytes): void {
    this.board.line(this.port).transmit(this.#far, data, () => {});
  }

  endConnections(): void {
    for (const end of this.#ends) end.end();
    this.#ends = [];
  }

  cutPower(moment: number): void {
    this.board.flash.cutAfter(Math.floor(moment / 3), (moment % 3) / 2);
  }

  damage(key: string): void {
    this.board.storage.damage(key);
  }

  resets(): number {
    return this.board.resets.length - this.#resetsBefore;
  }

  #board(id: string): SimHal {
    let board = this.#boards.get(id);
    if (!board) {
      const dial = dialPipe(this.world, (end, target) => {
        if (target.port !== ECHO_PORT) throw new Error('connection refused');
        this.#ends.push(end);
        end.onData = (data) => end.write(data);
      });
      const { world } = this;
      board = openSim({ world, id, dial, flash: new Flash(), onUncaught: (error) => this.onUncaught(error) });
      board.line(this.port).attach(this.#far);
      this.#boards.set(id, board);
    }
    return board;
  }
}

/** Runs simulated time until `over`, at most `limit` ms. What tests and fixture throw goes to `failed`. */
export function runUntil(world: World, over: () => boolean, limit: number, failed: (error: unknown) => void): void {
  const end = world.now + limit;
  while (!over() && world.now < end) {
    try {
      world.run(1);
    } catch (error) {
      if (!(error instanceof PowerCut)) failed(error);
    }
  }
}
