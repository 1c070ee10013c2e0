/**
 * The block diagram: opens the parts and hands each the functions it calls.
 *
 *     lamp level  link/commands, control/program → control/arbiter (which command rules now)
 *                 → control/lamp (ramp, limits) → drivers (level to volts and relay) → Hal → pin
 *     reading     Hal serial → metering/line (Modbus) → metering/meter (a profile is data) → link/reports
 *                 → link/session → gateway → TALQ
 */
import type { Hal } from '../hal/hal.ts';
import type { Board, LineConfig, Site } from './board.ts';
import { Arbiter } from './control/arbiter.ts';
import type { LampCommand } from './control/command.ts';
import { Lamp } from './control/lamp.ts';
import { Program } from './control/program.ts';
import { openDriver } from './drivers/driver.ts';
import { supervise } from './health/supervisor.ts';
import { Session } from './link/session.ts';
import { openMeters } from './metering/meter.ts';
import { Schedule } from './schedule.ts';
import { countBoot } from './store/boots.ts';

const REASONS = ['default', 'override', 'sensor', 'program'];

/** A running controller: what its console can ask, and what its parts call back. */
export class Firmware {
  /** @internal Set by `start` and its callbacks only. */
  _session: Session | undefined;
  _lamp: Lamp | undefined;
  _arbiter: Arbiter | undefined;
  _fault = '';

  constructor(
    readonly version: string,
    /** Name of the board configuration. */
    readonly board: string,
  ) {}

  /** @returns one line: level, command in action and who gave it, link. */
  status(): string {
    const lamp = this._lamp as Lamp;
    const command = (this._arbiter as Arbiter).command;
    const link = this._session && this._session.online ? 'up' : 'down';
    const fault = this._fault && `, last fault ${this._fault}`;
    return `${lamp.level} %, ${REASONS[command.reason]} ${command.level} %, link ${link}${fault}`;
  }
}

/**
 * Starts the firmware on a board. The lamp comes first: it is lit before anything that can fail is opened.
 * @param site absent: this controller has not been told where its broker is; it runs its program alone
 */
export function start(hal: Hal, board: Board, site: Site | undefined): Firmware {
  const firmware = new Firmware(board.version, board.name);
  const changed = changing(firmware);
  const schedule = new Schedule(hal.clock, failing(firmware));
  const driver = openDriver(hal, schedule, board.lamp, changed);
  const lamp = new Lamp(hal.clock, schedule, driver, board.lamp.minimumLevel, changed);
  const program = new Program(board.program, board.utcOffset);
  const arbiter = new Arbiter(hal.clock, schedule, program, board.lamp.defaultLevel, applying(lamp));
  const boot = countBoot(hal.storage);
  const meters = openMeters(hal, schedule, linesOf(board, site), board.meters, reading(firmware));
  if (site && board.network.kind !== 'none') {
    firmware._session = new Session(hal, schedule, board, site, boot, lamp, arbiter, meters);
  }
  supervise(hal, schedule, board.watchdog, []);
  firmware._lamp = lamp;
  firmware._arbiter = arbiter;
  return firmware;
}

// Callbacks are made out here: on the interpreter a closure keeps the whole scope that it was made in, and the scope of
// `start` holds the board's configuration, which nobody needs once the parts stand.

function changing(firmware: Firmware): () => void {
  return () => {
    if (firmware._session) firmware._session.touch();
  };
}

function failing(firmware: Firmware): (error: unknown) => void {
  return (error) => {
    firmware._fault = String(error);
  };
}

function reading(firmware: Firmware): (unit: number) => void {
  return (unit) => {
    if (firmware._session) firmware._session.reading(unit);
  };
}

function applying(lamp: Lamp): (command: LampCommand, ramp: number) => void {
  return (command, ramp) => lamp.apply(command.level, ramp);
}

/** Hosts name their serial ports by path, which differs from site to site. */
function linesOf(board: Board, site: Site | undefined): readonly LineConfig[] {
  const paths = site && site.paths;
  if (!paths) return board.lines;
  return board.lines.map((line, i) => Object.assign({}, line, { port: paths[i] || line.port }));
}
