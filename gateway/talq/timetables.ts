/**
 * Says which timetable and which default level each controller should have: compiles its calendar, and looks again whenever
 * something that the timetable depends on has changed.
 */

import type { Clock } from '../clock.ts';
import type { Configurations } from '../configurations.ts';
import type { Controller, Fleet, Outcome } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Calendar, ControlProgram } from './control-objects.ts';
import { deviceReference, refusal } from './errors.ts';
import { LAMP, LIGHT, PRESENCE } from './functions.ts';
import type { Lamps, Library } from './library.ts';
import { referenceTo, sensorsIn, toRefusal } from './library.ts';
import type { DeviceView, Model } from './model.ts';
import { compileTimetable, NotExecutable, programsOf, type Situation } from './timetable.ts';

/** ms between two looks at all controllers: time zones change by law. */
const LOOK = 86400000;
const NOTHING = new Uint8Array(0);

/** What a controller should run. */
interface Wanted {
  /** Empty: no timetable. */
  bytes: Uint8Array;
  /** The timetable's check value, 0 when it is empty. */
  crc: number;
  programs: string[];
  /** How it ends when this is what the controller runs: there is a calendar that it cannot follow, or all is well. */
  outcome: Outcome;
}

export class Timetables implements Lamps {
  private readonly sending = new Map<string, { wanted: Wanted; outcome: Promise<Outcome> }>();
  private readonly levels = new Map<string, { level: number; outcome: Promise<Outcome> }>();
  private readonly births = new Set<string>();

  constructor(
    private readonly model: Model,
    private readonly library: Library,
    private readonly fleet: Fleet,
    private readonly configurations: Configurations,
    private readonly clock: Clock,
    private readonly dayOffset: number,
    private readonly log: Log,
  ) {
    fleet.onChange((controller, change) => {
      if (change === 'birth') this.born(controller);
    });
    configurations.lost = (id) => void model.setInForce(id, { programs: [] });
    this.look();
  }

  /**
   * Brings a controller up to date; the promise may take as long as the controller is away.
   * @returns 'done' when it runs what it should; 'tooLarge' or 'refused' when it cannot follow its calendar
   */
  bring(id: string): Promise<Outcome> {
    this.bringLevel(id);
    const wanted = this.wanted(id);
    const sending = this.sending.get(id);
    if (sending && Buffer.compare(sending.wanted.bytes, wanted.bytes) === 0) return sending.outcome;
    const entry = { wanted, outcome: Promise.resolve<Outcome>('done') };
    this.sending.set(id, entry);
    entry.outcome = this.send(id, wanted, () => {
      if (this.sending.get(id) === entry) this.sending.delete(id);
    });
    return entry.outcome;
  }

  /** Sets the level without calendar, in %; the promise may take as long as the controller is away. */
  setLevel(id: string, level: number): Promise<Outcome> {
    const sending = this.levels.get(id);
    if (sending?.level === level) return sending.outcome;
    const outcome = this.configurations.want(id, 'level', level, true);
    const entry = { level, outcome };
    this.levels.set(id, entry);
    void outcome.then((end) => {
      if (this.levels.get(id) === entry) this.levels.delete(id);
      if (end === 'done' || end === 'superseded') return;
      this.log(`${id} did not take its default level: ${end}`, 'warning');
      this.bringLevel(id);
    });
    return outcome;
  }

  /** What a CMS has written, or is writing; else the product's own. */
  private bringLevel(id: string): void {
    if (this.levels.has(id)) return;
    const device = this.model.byId(id);
    const written = device && this.model.isWritten(device, LAMP, 'defaultLightState');
    void this.configurations.want(id, 'level', written ? this.model.defaultLevel(device) : undefined);
  }

  bringAll(): void {
    for (const id of this.fleet.controllers.keys()) void this.bring(id);
  }

  changed(owner: string, calendars: ReadonlySet<string>): void {
    for (const { controller } of this.model.followers(owner, calendars)) void this.bring(controller.id);
  }

  check(owner: string, calendar: Calendar, programs: ReadonlyMap<string, ControlProgram>): void {
    this.checkFor(this.model.followers(owner, new Set([calendar.id])), calendar, programs);
  }

  /** Throws a Refusal when one of these lamps could not hold the calendar. */
  checkFor(devices: DeviceView[], calendar: Calendar, programs: ReadonlyMap<string, ControlProgram>): void {
    const sizes = new Map<string, number>();
    for (const device of devices) {
      const reference = deviceReference(device.address);
      const limits = device.controller?.birth.limits;
      if (!limits) continue;
      const zone = this.model.zones.posix(this.model.zoneOf(device));
      try {
        // Apart from the zone's text, the size does not depend on where the lamp stands.
        const situation = { dayOffset: this.dayOffset, zone, assigned: 0, sensor: () => 1 };
        const size = sizes.get(zone) ?? compileTimetable(calendar, programs, situation).length;
        sizes.set(zone, size);
        const excess = tooMuch(limits, size, calendar, programs);
        if (excess === undefined) continue;
        throw refusal(422, 'serviceConstraintExceeded', `The lamp cannot hold ${excess}.`, reference);
      } catch (error) {
        throw toRefusal(error, referenceTo('calendars', calendar.id), reference);
      }
    }
  }

  /** @returns the controllers whose programs take commands in the name of this sensor. */
  listeners(number: number): DeviceView[] {
    return this.model.devices().filter((device) => {
      const found = device.controller && this.calendarOf(device.controller.id);
      if (!found) return false;
      return programsOf(found.calendar).some((id) => {
        const program = found.programs.get(id);
        return program !== undefined && this.listens(program, device, number);
      });
    });
  }

  private listens(program: ControlProgram, device: DeviceView, number: number): boolean {
    const named = sensorsIn(program).filter(({ external }) => external);
    if (named.some(({ address }) => this.sensor(address) === number)) return true;
    // An effect that names no sensor listens to the controller's own.
    return (program.dynamicControls ?? []).some(
      ({ effect }) =>
        effect.type === 'ExternalControlEffect' &&
        !effect.source.sensor?.sensorAddresses?.length &&
        this.model.sensorOf(device, PRESENCE) === number,
    );
  }

  private sensor(address: string): number | undefined {
    return this.model.sensors.numberOf(this.model.sensorAddress(address).address);
  }

  private calendarOf(id: string) {
    const assigned = this.model.assignment(id);
    const calendar = assigned && this.library.of(assigned.owner, 'calendars').get(assigned.id);
    if (!calendar) return undefined;
    return { assigned, calendar, programs: this.library.of(assigned.owner, 'programs') };
  }

  /** A birth: it may be another product. Looked at after the fleet has dealt with it. */
  private born({ id }: Controller): void {
    if (this.births.has(id)) return;
    this.births.add(id);
    queueMicrotask(() => {
      this.births.delete(id);
      void this.bring(id);
    });
  }

  private look(): void {
    this.clock.after(LOOK, () => {
      this.bringAll();
      this.look();
    });
  }

  private wanted(id: string): Wanted {
    const found = this.calendarOf(id);
    const none = (outcome: Outcome): Wanted => ({ bytes: NOTHING, crc: 0, programs: [], outcome });
    const device = this.model.byId(id);
    if (!found || !device) {
      void this.model.setInvalid(id, undefined);
      return none('done');
    }
    const { calendar, programs, assigned } = found;
    const invalid = this.model.invalid(id);
    try {
      const bytes = compileTimetable(calendar, programs, this.situation(device, assigned.time));
      const limits = device.controller?.birth.limits;
      const excess = limits && tooMuch(limits, bytes.length, calendar, programs);
      if (excess !== undefined) throw new NotExecutable('serviceConstraintExceeded', `the lamp cannot hold ${excess}`);
      const crc = checkValue(bytes);
      if (invalid?.crc === crc) return none('tooLarge');
      void this.model.setInvalid(id, undefined);
      return { bytes, crc, programs: programsOf(calendar), outcome: 'done' };
    } catch (error) {
      // Whatever is wrong with one calendar, the other lamps get theirs.
      const program = error instanceof NotExecutable ? error.program : undefined;
      if (!invalid || invalid.crc !== undefined || invalid.program !== program) {
        this.log(`${id} cannot follow calendar ${calendar.id}: ${(error as Error).message}`, 'error');
        const blame = program === undefined ? {} : { program };
        void this.model.setInvalid(id, { time: this.clock.now(), ...blame });
      }
      return none('tooLarge');
    }
  }

  private situation(device: DeviceView, assigned: number): Situation {
    return {
      dayOffset: this.dayOffset,
      zone: this.model.zones.posix(this.model.zoneOf(device)),
      location: this.model.placeOf(device),
      assigned,
      presence: this.model.sensorOf(device, PRESENCE),
      light: this.model.sensorOf(device, LIGHT),
      sensor: (address) => this.sensor(address),
    };
  }

  private async send(id: string, wanted: Wanted, ended: () => void): Promise<Outcome> {
    // A controller that was never told anything is left to its own board's timetable.
    const own = wanted.crc === 0 && this.model.inForce(id).crc === undefined && !this.model.wasAssigned(id);
    const outcome = await this.configurations.want(id, 'timetable', own ? undefined : wanted.bytes);
    ended();
    if (outcome === 'done') {
      await this.model.setInForce(id, { ...(own ? {} : { crc: wanted.crc }), programs: wanted.programs });
      return wanted.outcome;
    }
    if (outcome === 'superseded') return outcome;
    this.log(`${id} did not take its timetable of ${wanted.bytes.length} bytes: ${outcome}`, 'warning');
    if (wanted.crc === 0) return outcome;
    await this.model.setInvalid(id, { crc: wanted.crc, time: this.clock.now() });
    // Its old timetable belongs to another calendar: without one that it can follow, a lamp has its default level.
    void this.bring(id);
    return outcome;
  }
}

/** @returns the check value at a timetable's end. */
export function checkValue(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0);
}

/** @returns in words what a controller cannot hold, undefined when all fits. */
function tooMuch(
  [most, mostRules, mostPrograms, mostPoints]: [number, number, number, number],
  size: number,
  calendar: Calendar,
  programs: ReadonlyMap<string, ControlProgram>,
): string | undefined {
  const used = programsOf(calendar);
  const rules = calendar.rules?.length ?? 0;
  if (rules > mostRules) return `${rules} rules, only ${mostRules}`;
  if (used.length > mostPrograms) return `${used.length} programs, only ${mostPrograms}`;
  for (const id of used) {
    const program = programs.get(id);
    const points = (program?.fixedTimeControls.length ?? 0) + (program?.astroClockTimeControls?.length ?? 0);
    if (points > mostPoints) return `${points} switch points of program ${id}, only ${mostPoints}`;
  }
  return size > most ? `a timetable of ${size} bytes, only ${most}` : undefined;
}
