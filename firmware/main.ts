/**
 * The block diagram: opens the parts and hands each the functions it calls.
 *
 *     lamp level  link/commands, control/program → control/arbiter (which command rules now)
 *                 → control/lamp (ramp, limits) → drivers (level to volts and relay) → Hal → pin
 *     reading     Hal serial → metering/line (Modbus) → metering/meter (a profile is data) → link/reports
 *                 → link/session → gateway → TALQ
 */
import type { Hal } from '../hal/hal.ts';
import type { Board, Site } from './board.ts';
import { Arbiter } from './control/arbiter.ts';
import { Lamp } from './control/lamp.ts';
import { Program } from './control/program.ts';
import { openDriver } from './drivers/driver.ts';
import { supervise } from './health/supervisor.ts';
import { Session } from './link/session.ts';
import { openMeters } from './metering/meter.ts';
import { Schedule } from './schedule.ts';
import { countBoot } from './store/boots.ts';

/** What the console of a running controller can ask. */
export interface Firmware {
  readonly version: string;
  readonly board: string;
  /** @returns one line: level, command in action and who gave it, link. */
  status(): string;
}

const REASONS = ['default', 'override', 'sensor', 'program'];

/**
 * Starts the firmware on a board. The lamp comes first: it is lit before anything that can fail is opened.
 * @param site absent: this controller has not been told where its broker is; it runs its program alone
 */
export function start(hal: Hal, board: Board, site: Site | undefined): Firmware {
  let session: Session | undefined;
  let fault = '';
  const changed = () => session && session.touch();
  const schedule = new Schedule(hal.clock, (error) => {
    fault = String(error);
  });
  const driver = openDriver(hal, schedule, board.lamp, changed);
  const lamp = new Lamp(hal.clock, schedule, driver, board.lamp.minimumLevel, changed);
  const program = new Program(board.program, board.utcOffset);
  const arbiter = new Arbiter(hal.clock, schedule, program, board.lamp.defaultLevel, (command, ramp) =>
    lamp.apply(command.level, ramp),
  );
  const boot = countBoot(hal.storage);
  const lines = board.lines.map((line, i) =>
    site && site.paths ? Object.assign({}, line, { port: site.paths[i] }) : line,
  );
  const meters = openMeters(hal, schedule, lines, board.meters, (unit) => session && session.reading(unit));
  if (site && board.network.kind !== 'none') {
    const state = {
      level: () => lamp.level,
      command: () => arbiter.command,
      since: () => arbiter.since,
    };
    session = new Session(hal, schedule, board, site, boot, state, arbiter, meters);
  }
  supervise(hal, schedule, board.watchdog, []);
  const version = board.version;
  const name = board.name;
  return {
    version,
    board: name,
    status: () =>
      `${lamp.level} %, ${REASONS[arbiter.command.reason]} ${arbiter.command.level} %, ` +
      `link ${session && session.online ? 'up' : 'down'}${fault && `, last fault ${fault}`}`,
  };
}
