/**
 * The block diagram: opens the parts and hands each the functions it calls.
 *
 *     lamp level  link/commands, control/timetable (calendar, sun, sensors), control/photocell, control/installer-test
 *                 → control/arbiter (which command rules now) → control/lamp (ramp, factors, limits)
 *                 → drivers (light to volts and relay) → Hal → pin
 *     reading     Hal serial → metering/line (Modbus) → metering/meter (a profile is data) → link/reports
 *                 → link/session → gateway → TALQ
 *     judgement   a reading, an input, a level → instrument → monitor (limits, expected power, debounce) → an event
 *                 → link/session → gateway
 *     counters    a reading, a level → instrument → metering/counters → store/ring (raw flash) and link/reports
 *     presence    Hal input → control/presence → control/sensors, and link/session → the neighbours' control/sensors
 */
import type { Clock, Hal, Storage } from '../hal/hal.ts';
import type { Board, Site } from './board.ts';
import { Arbiter } from './control/arbiter.ts';
import { InstallerTest } from './control/installer-test.ts';
import { Lamp } from './control/lamp.ts';
import { Light } from './control/light.ts';
import { Night } from './control/night.ts';
import { Photocell } from './control/photocell.ts';
import { Presence } from './control/presence.ts';
import { Protection } from './control/protection.ts';
import { RAISED, Sensors } from './control/sensors.ts';
import { sunEvent } from './control/sun.ts';
import { Timetable } from './control/timetable.ts';
import { checkTimetable } from './control/timetable-check.ts';
import { AnalogDriver } from './drivers/analog.ts';
import { type FaultRecord, ROW, type Supervised, Supervisor } from './health/supervisor.ts';
import { Instrument, type Measured } from './instrument.ts';
import type { Part } from './link/commands.ts';
import { AckCode, ConfigurationPart, EventCode, FaultKind, Phase, Quantity, Reason } from './link/messages.ts';
import { readKey } from './link/seal.ts';
import { type Controller, Session } from './link/session.ts';
import { Teller } from './link/teller.ts';
import { NO_SENSOR, NONE } from './link/timetable.ts';
import { type Meters, openMeters } from './metering/meter.ts';
import { Schedule } from './schedule.ts';
import { FlashJournal, MemoryJournal } from './store/journal.ts';
import { Settings } from './store/settings.ts';
import { Vault } from './store/vault.ts';

/** s for which the neighbours believe in presence that is told every 10 s. */
const PRESENCE = 30;

/** What a controller has not opened yet. */
interface Rest {
  readonly _hal: Hal;
  readonly _schedule: Schedule;
  readonly _board: Board;
  readonly _site: Site | undefined;
  readonly _driver: AnalogDriver;
  readonly _storage: Storage;
}

/**
 * A running controller: what its console can ask, and what its parts call back. The parts are given objects, not
 * closures: on the interpreter a closure keeps the whole scope that it was made in, and the scope of the constructor holds the
 * board's configuration, which nobody needs once the parts stand; a bound function still costs half a dozen variables.
 */
export class Firmware implements Controller, Measured, Supervised {
  readonly version: string;
  /** Name of the board configuration. */
  readonly board: string;
  lamp!: Lamp;
  arbiter!: Arbiter;
  meters!: Meters;
  settings!: Settings;
  /** @see Supervised */
  faults: FaultRecord | undefined;
  private _supervisor: Supervisor;
  private _clock: Clock;
  private _limits: readonly number[];
  private _sensors = new Sensors();
  private _timetable!: Timetable;
  /** The unit that measures light, -1 without one, and which of its values that is. */
  private _light = -1;
  private _luxAt = 0;
  private _photocell: Photocell | undefined;
  private _presence: Presence | undefined;
  /** Counts, judges and records; undefined on products that do not. */
  instrument: Instrument | undefined;
  private _session: Session | undefined;
  /** What is said of a site that is not enough to talk to anybody. */
  private _keyless = '';
  /** What is still to be opened, after boots that failed. */
  private _rest: Rest | undefined;

  /**
   * Opens the parts; after boots that failed one after the other the driver alone, at the default level: the supervisor then
   * asks for the others one by one.
   */
  constructor(hal: Hal, board: Board, site: Site | undefined) {
    this.version = board.version;
    this.board = board.name;
    this._clock = hal.clock;
    this._limits = board.limits;
    const schedule = new Schedule(hal.clock, this);
    const storage = board.store ? new Vault(hal, board.store) : hal.storage;
    const supervisor = new Supervisor(hal, schedule, storage, board.watchdog, this);
    this._supervisor = supervisor;
    const driver = new AnalogDriver(hal, schedule, board.lamp, this);
    this._rest = { _hal: hal, _schedule: schedule, _board: board, _site: site, _driver: driver, _storage: storage };
    if (supervisor.failures >= ROW) driver.write(board.lamp.defaultLevel);
    else this.open();
  }

  /**
   * Opens everything or, after boots that failed, first what the light needs and the link, then what measures. The arbiter
   * comes first: its appointment with the lamp stands before anything that can fail is opened.
   * @see Supervised
   */
  open(): boolean {
    const rest = this._rest as Rest;
    const careful = this._supervisor.failures >= ROW;
    const hal = rest._hal;
    const schedule = rest._schedule;
    const board = rest._board;
    const site = rest._site;
    const first = !this.arbiter;
    if (!first || !careful) this._rest = undefined;
    if (first) {
      const settings = new Settings(rest._storage, hal, new Uint8Array(board.timetable), board.lamp.defaultLevel);
      this.settings = settings;
      const light = board.lamp.light && new Light(hal.clock, rest._storage, board.lamp.light);
      const driver = rest._driver;
      const lamp = new Lamp(hal.clock, schedule, driver, board.lamp.minimumLevel, this, board.lamp.softStart, light);
      this.lamp = lamp;
      this._timetable = new Timetable(settings, this._sensors, sunEvent);
      if (board.photocell) this._photocell = new Photocell(board.photocell.on, board.photocell.off, new Night());
      const arbiter = new Arbiter(
        hal.clock,
        schedule,
        this._timetable,
        settings,
        settings.defaultLevel(),
        lamp,
        this._photocell,
      );
      this.arbiter = arbiter;
      if (board.lamp.protection) {
        new Protection(hal.system, schedule, lamp, board.lamp.protection.reduce, board.lamp.protection.minimum);
      }
      const reset = hal.system.resetReason;
      const fresh = board.testAlways || settings.edition === 0;
      if (board.test && fresh && !careful && (reset === 'power' || reset === 'unknown')) {
        new InstallerTest(schedule, board.test, arbiter);
      }
      board.meters.forEach((meter, unit) => {
        const at = meter.quantities.indexOf(Quantity.Illuminance);
        if (at < 0) return;
        this._light = unit;
        this._luxAt = at;
      });
    }
    // Units that nobody polls yet are told of all the same.
    this.meters = openMeters(hal, schedule, careful && first ? [] : board.lines, board.meters, this);
    if (first && site && board.network.kind !== 'none') {
      const key = readKey(site.key);
      // Without a key anybody could command it.
      if (key) this._session = new Session(hal, schedule, board, site, key, this._supervisor.boot, this);
      else this._keyless = ', the site has no key';
    }
    if (first && board.presence) this._presence = new Presence(hal, schedule, board.presence, this);
    if (first && careful) return true;
    if (board.monitoring) {
      const session = this._session;
      const boot = this._supervisor.boot;
      let teller: Teller | undefined;
      if (session) {
        // By chance, so that another board in this one's place does not use its names again; and by the boot, since a journal
        // in memory begins with each.
        const random = Math.floor(hal.random() * 2147483648);
        const epoch = boot ? random - (random % 1024) + (boot % 1024) : random;
        const journal = board.journal
          ? new FlashJournal(hal, hal.openFlash(board.journal), epoch)
          : new MemoryJournal(epoch);
        session.teller = teller = new Teller(hal, schedule, journal, session, session._writer, boot);
      }
      this.instrument = new Instrument(hal, schedule, board, this.settings, this, teller);
    }
    return false;
  }

  /** @see Supervised */
  tell(code: number, first: number, second?: number): void {
    const session = this._session;
    const instrument = this.instrument;
    if (code === EventCode.MemoryLow) {
      if (instrument) instrument.faults.judge(code, first);
      // The connection has buffers that nobody bounds; what waits to be sent is kept for the next one.
      if (first && session) session.uplink.onError();
      return;
    }
    // The birth comes before the event: it has the text.
    if (session) session.greet();
    if (instrument) instrument.happened(code, Phase.Instant, undefined, first, second);
  }

  /** 0 or 1 of the presence input, undefined without one. */
  get presence(): 0 | 1 | undefined {
    return this._presence && this._presence.level;
  }

  /** @returns one line: why the lamp gives what it gives, and whether the link is up. */
  status(): string {
    const faults = this.faults;
    const fault = faults ? `, ${faults[1]} faults in boot ${faults[0]}: ${faults[2]}` : '';
    if (!this.arbiter) return `default level alone, ${this._supervisor.failures} boots have failed${fault}`;
    const command = this.arbiter.command;
    const reason = ['default', 'override', 'sensor', 'program', 'photocell', 'learned night', 'test'][command.reason];
    let source = '';
    if (command.reference !== undefined) source = ` "${command.reference}"`;
    else if (command.reason === Reason.Sensor) source = ` ${command.sensor}`;
    if (command.program !== undefined && command.program !== NONE) {
      source += `${source ? ' of program' : ''} ${command.program}`;
      if (command.control !== NONE) source += ` point ${command.control}`;
    }
    const cap = this.lamp.cap < 100 ? `, protection allows ${this.lamp.cap} %` : '';
    const link = this._session && this._session.uplink.online ? 'up' : 'down';
    return `${this.lamp.level} %, ${reason}${source} ${command.level} %${cap}, link ${link}${this._keyless}${fault}`;
  }

  /** @see Orders */
  setConfiguration(version: number, check: number, level: number | undefined, parts: Part[]): AckCode {
    const settings = this.settings;
    const session = this._session;
    const instrument = this.instrument;
    const timetable = parts[ConfigurationPart.Timetable];
    const document = parts[ConfigurationPart.Monitoring];
    const groups = parts[ConfigurationPart.Groups];
    let code = timetable && timetable.length > 0 ? checkTimetable(timetable, this._limits) : AckCode.Done;
    // What is still to be opened looks at it then.
    if (code === AckCode.Done && document && !this._rest) {
      code = instrument ? instrument.look(document) : AckCode.Malformed;
    }
    if (code !== AckCode.Done) return code;
    if (groups) {
      if (!session) return AckCode.Malformed;
      parts[ConfigurationPart.Groups] = session.seal.unwrap(groups);
    }
    if (version < settings.edition || settings.checkWith(version, level, parts) !== check) return AckCode.Drift;
    const before = this._timetable.own();
    try {
      settings.setParts(version, level, parts);
    } catch (_full) {
      return AckCode.TooLarge;
    }
    this.arbiter.setDefaultLevel(settings.defaultLevel());
    const news = parts[ConfigurationPart.Monitoring];
    if (news !== undefined && instrument) {
      // From here to its events the calls are as deep as they may be.
      instrument._apply(news, true);
      instrument.changed();
    }
    if (parts[ConfigurationPart.Groups] !== undefined && session) session.listen();
    if (parts[ConfigurationPart.Timetable] === undefined) return code;
    this._timetable.reload();
    // Who stands here stands here under the input's new number, and no longer under the old one.
    if (this.presence) {
      const now = this._clock.time() || 0;
      this._sensors.hear(before, now, now);
      this.sensed(1, true);
    }
    return code;
  }

  command(sensor: number, level: number, until: number | undefined): AckCode {
    const now = this._clock.time();
    if (now === undefined) return AckCode.NoClock;
    this._sensors.set(-sensor, level, until === undefined ? now : until);
    return AckCode.Done;
  }

  setTime(time: number, jump?: boolean): void {
    const before = this._clock.time();
    this._clock.setTime(time);
    if (before !== undefined) this._sensors.shift(time - before, before);
    this.arbiter.wake();
    if (jump && this._session) this._session.touch();
  }

  neighbour(sensor: number, duration: number): void {
    const now = this._clock.time();
    if (now === undefined || sensor === this._timetable.own()) return;
    this._sensors.hear(sensor, now + duration, now);
    this.arbiter.wake();
  }

  /** Somebody came near, is still there, or has gone. @param changed it is news to the gateway, not only to neighbours */
  sensed(level: 0 | 1, changed: boolean): void {
    const own = this._timetable.own();
    if (own === NO_SENSOR) return;
    const now = this._clock.time() || 0;
    this._sensors.hear(own, level ? RAISED : now, now);
    this.arbiter.wake();
    const session = this._session;
    if (!session) return;
    session.tell(own, level ? PRESENCE : 0);
    if (changed) session.touch();
  }

  /** The lamp has begun a ramp, or reached another level. */
  changed(): void {
    if (this._photocell) this._photocell.changedLight(this._clock.uptime());
    // The first level is set before the meters are there.
    if (this.meters) this.meters.hurry();
    if (this._session) this._session.touch();
    if (!this.instrument) return;
    // Nothing that measures may come between a command and its lamp.
    try {
      this.instrument.changed();
    } catch (error) {
      this.failed(error);
    }
  }

  /** A unit was read, or is lost. */
  reading(unit: number): void {
    const instrument = this.instrument;
    if (this._session) this._session.reading(unit);
    try {
      if (instrument) instrument.reading(unit);
    } catch (error) {
      this.failed(error);
    }
    if (unit !== this._light) return;
    const value = this.meters.failures(unit) > 0 ? undefined : this.meters.values(unit)[this._luxAt];
    const lux = value === undefined ? undefined : value / 10;
    const light = this._timetable.see(lux);
    if (light !== NO_SENSOR) this._sensors.set(light, lux, 0);
    const photocell = this._photocell;
    const uptime = this._clock.uptime();
    const changed = photocell && photocell.sample(lux, uptime);
    const dark = photocell && photocell.dark(uptime);
    if (instrument && dark !== undefined) instrument.faults.judge(EventCode.PhotocellOutputOn, dark ? 1 : 0);
    if (changed || light !== NO_SENSOR) this.arbiter.wake();
  }

  /** A task threw. */
  failed(error: unknown): void {
    this._supervisor.failed(error, FaultKind.Task);
  }
}

/**
 * Starts the firmware on a board.
 * @param site absent: this controller has not been told where its broker is; it runs its program alone
 */
export function start(hal: Hal, board: Board, site: Site | undefined): Firmware {
  return new Firmware(hal, board, site);
}
