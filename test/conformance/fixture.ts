/** What a conformance case may know of the world around the board: the far end of each port, and time. */
import type { Bytes, FlashOptions, Hal } from '../../hal/hal.ts';

export interface Fixture {
  /**
   * Resets the board. Ports and timers of the boot before are gone, storage stays, histories start anew.
   * @param id absent: the board under test; 'other': a second board of the same kind
   */
  boot(id?: string): Hal;
  /** Runs `run` once, `delay` ms from now, on a clock that is not the HAL's and that outlives `boot`. */
  later(delay: number, run: () => void): void;
  /** ms on that clock. */
  now(): number;
  /** ms to wait longer for what other processes do, and for a busy interpreter; 0 in simulated time. */
  readonly slack: number;
  /** ms by which a host may stall the whole board: added to every upper bound of a time; 0 in simulated time. */
  readonly late: number;

  /** Names of pins that nothing else uses. */
  readonly pins: readonly string[];
  /** Levels that a pin has had at its terminal since `boot`, oldest first, repetitions left out. */
  levels(pin: string): readonly number[];
  /** Drives a pin from outside; undefined lets go of it, as `boot` does. */
  drive(pin: string, level: 0 | 1 | undefined): void;

  /** Raw flash of 4 pages that nothing else uses. */
  readonly area: FlashOptions;

  /** `SerialOptions.port` of a port whose far end is held by the fixture, at 9600 baud 8N1. */
  readonly port: string;
  /** Sends from the far end. */
  farWrite(data: Bytes): void;
  /** Hears what arrives at the far end; `data` is valid during the call. Forgotten by `boot`. */
  onFar: ((data: Bytes) => void) | undefined;

  /** A server that sends back what it gets. */
  readonly host: string;
  readonly echoPort: number;
  /** A port at which nobody listens. */
  readonly refusedPort: number;
  /** The server ends its connections in good order. */
  endConnections(): void;

  /**
   * The power goes during a later write to flash. Counts from 0 through every moment at which it can happen: before,
   * within and after each step of the write. What the firmware called throws; `boot` brings the power back.
   */
  cutPower(moment: number): void;
  /** Flips a bit of the only value that was ever written under `key`. */
  damage(key: string): void;

  /** Resets since `boot` that the board made itself. */
  resets(): number;
}

/** Fails the case with `message` unless `condition` holds. */
export type Check = (condition: boolean, message: string) => void;

/** One promise of hal.ts. It ends with `done`, the first failed check, an exception or its time-out. */
export interface Case {
  readonly name: string;
  run(hal: Hal, fixture: Fixture, check: Check, done: () => void): void;
}
