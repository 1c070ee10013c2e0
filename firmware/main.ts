/**
 * The block diagram: opens the parts and hands each the functions it calls.
 *
 *     lamp level  link/commands, control/program → control/arbiter (which command rules now)
 *                 → control/lamp (ramp, factors, limits) → drivers (light to volts and relay) → Hal → pin
 *     reading     Hal serial → metering/line (Modbus) → metering/meter (a profile is data) → link/reports
 *                 → link/session → gateway → TALQ
 */
import type { Hal } from '../hal/hal.ts';
import type { Board, Site } from './board.ts';
import { Arbiter } from './control/arbiter.ts';
import { Lamp } from './control/lamp.ts';
import { Light } from './control/light.ts';
import { Program } from './control/program.ts';
import { Protection } from './control/protection.ts';
import { AnalogDriver } from './drivers/analog.ts';
import { Supervisor } from './health/supervisor.ts';
import { Session } from './link/session.ts';
import { openMeters } from './metering/meter.ts';
import { Schedule } from './schedule.ts';
import { countBoot } from './store/boots.ts';

/**
 * A running controller: what its console can ask, and what its parts call back. The parts are given objects, not
 * closures: on the interpreter a closure keeps the whole scope that it was made in, and the scope of the constructor holds the
 * board's configuration, which nobody needs once the parts stand; a bound function still costs half a dozen variables.
 */
export class Firmware {
  readonly version: string;
  /** Name of the board configuration. */
  readonly board: string;
  private _fault: unknown;
  private _lamp: Lamp;
  private _arbiter: Arbiter;
  private _session: Session | undefined;

  /** Opens the parts. The lamp comes first: it is lit before anything that can fail is opened. */
  constructor(hal: Hal, board: Board, site: Site | undefined) {
    this.version = board.version;
    this.board = board.name;
    const schedule = new Schedule(hal.clock, this);
    const config = board.lamp;
    const driver = new AnalogDriver(hal, schedule, config, this);
    const light = config.light && new Light(hal, config.light);
    const lamp = new Lamp(hal.clock, schedule, driver, config.minimumLevel, this, config.softStart, light);
    const hot = config.protection;
    if (hot) new Protection(hal.system, schedule, lamp, hot.reduce, hot.minimum);
    this._lamp = lamp;
    const program = new Program(board.program, board.utcOffset);
    const arbiter = new Arbiter(hal.clock, schedule, program, board.lamp.defaultLevel, lamp);
    this._arbiter = arbiter;
    const boot = countBoot(hal.storage);
    const meters = openMeters(hal, schedule, board.lines, board.meters, this);
    if (site && board.network.kind !== 'none') {
      this._session = new Session(hal, schedule, board, site, boot, lamp, arbiter, meters);
    }
    if (board.watchdog !== undefined) new Supervisor(hal, schedule, board.watchdog);
  }

  /** @returns one line: level, command in action and who gave it, link. */
  status(): string {
    const command = this._arbiter.command;
    const link = this._session && this._session.uplink.online ? 'up' : 'down';
    const fault = this._fault === undefined ? '' : `, last fault ${this._fault}`;
    const reason = ['default', 'override', 'sensor', 'program'][command.reason];
    return `${this._lamp.level} %, ${reason} ${command.level} %, link ${link}${fault}`;
  }

  /** The lamp has reached another level. */
  changed(): void {
    if (this._session) this._session.touch();
  }

  /** A unit was read. */
  reading(unit: number): void {
    if (this._session) this._session.reading(unit);
  }

  /** A task threw. */
  failed(error: unknown): void {
    this._fault = String(error);
  }
}

/**
 * Starts the firmware on a board.
 * @param site absent: this controller has not been told where its broker is; it runs its program alone
 */
export function start(hal: Hal, board: Board, site: Site | undefined): Firmware {
  return new Firmware(hal, board, site);
}
