/**
 * The control programs and calendars of each CMS, as they came. Every change is checked as a whole, against the objects
 * that it refers to and against the lamps that it reaches, and only then made.
 */
import type { Log } from '../log.ts';
import { Drawer } from '../store/drawer.ts';
import type { Store } from '../store/store.ts';
import type { Calendar, ControlProgram } from './control-objects.ts';
import { type Refusal, refusal } from './errors.ts';
import { LAMP } from './functions.ts';
import type { Model } from './model.ts';
import type { AssignCommand, Reference } from './schemas.ts';
import { MOST_CALENDARS, MOST_PROGRAMS } from './services.ts';
import { checkCalendar, checkProgram, type Limits, NotExecutable, programsOf } from './timetable.ts';

/** A record is an object; its key ends with owner, kind and id. */
const PREFIX = 'control/';
/** One record of all objects, as version 0.1 had it. */
const OLD_KEY = 'control';
/** Assign commands remembered for each CMS. */
const MOST_ASSIGNS = 100;
/** In open test mode whoever calls is a CMS. */
const MOST_OWNERS = 100;

/** What one CMS has here. */
interface Shelf {
  programs: Map<string, ControlProgram>;
  calendars: Map<string, Calendar>;
  /** Oldest first, by a number that grows. */
  assigns: Map<number, AssignCommand>;
}

interface OldShelf {
  programs: ControlProgram[];
  calendars: Calendar[];
  assigns: AssignCommand[];
}

/** What a record's key says. Ids are any text. */
const NAME = /^(\S+) (\S+) (.*)$/s;

/** What a CMS creates, replaces and removes. */
export type Item = ControlProgram | Calendar;
export type Kind = 'programs' | 'calendars';
export const RESOURCES = { programs: 'control-programs', calendars: 'calendars' } as const;
const MOST = { programs: MOST_PROGRAMS, calendars: MOST_CALENDARS };

/** How calendars reach lamps. */
export interface Lamps {
  /** Throws a Refusal when a lamp that follows the calendar could not hold it. */
  check(owner: string, calendar: Calendar, programs: ReadonlyMap<string, ControlProgram>): void;
  /** Calendars of that CMS have changed. */
  changed(owner: string, calendars: ReadonlySet<string>): void;
}

export class Library {
  /** Set when it is wired. */
  lamps!: Lamps;
  private readonly shelves = new Map<string, Shelf>();
  private readonly drawer: Drawer;

  /** @param limits what may be refused as too much */
  constructor(
    private readonly model: Model,
    private readonly store: Store,
    private readonly limits: () => Limits,
    private readonly log: Log,
  ) {
    this.drawer = new Drawer(store, PREFIX);
  }

  async load(): Promise<void> {
    const old = ((await this.store.load(OLD_KEY)).get(OLD_KEY) ?? {}) as unknown as Record<string, OldShelf>;
    for (const [owner, { programs, calendars, assigns }] of Object.entries(old)) {
      const byId = <T extends Item>(items: T[]) => new Map(items.map((item) => [item.id, item]));
      this.shelves.set(owner, {
        programs: byId(programs),
        calendars: byId(calendars),
        assigns: new Map(assigns.map((command, i) => [i + 1, command])),
      });
    }
    for (const [key, object] of await this.drawer.load()) {
      const [, owner, kind, id] = NAME.exec(key) as RegExpExecArray;
      const shelf = this.shelf(owner);
      this.shelves.set(owner, shelf);
      if (kind === 'assigns') shelf.assigns.set(Number(id), object as unknown as AssignCommand);
      else (shelf[kind as Kind] as Map<string, unknown>).set(id, object);
    }
    if (Object.keys(old).length > 0) await Promise.all([this.save(), this.store.save(OLD_KEY, undefined)]);
  }

  /** @returns what a CMS has of a kind, by id. */
  of<K extends Kind>(owner: string, kind: K): Shelf[K] {
    return this.shelf(owner)[kind];
  }

  assigns(owner: string): readonly AssignCommand[] {
    return [...this.shelf(owner).assigns.values()];
  }

  /** Throws a Refusal, and then nothing has changed. */
  async create(owner: string, kind: Kind, items: Item[]): Promise<void> {
    const known = this.of(owner, kind);
    const before = new Set(known.keys());
    for (const { id } of items) {
      if (before.has(id)) throw refusal(409, 'resourceConflict', `${id} exists already.`, referenceTo(kind, id));
      before.add(id);
    }
    const all = [...this.shelves.values()].reduce((sum, shelf) => sum + shelf[kind].size, 0);
    if (all + items.length > MOST[kind]) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway keeps ${MOST[kind]} ${RESOURCES[kind]}.`);
    }
    await this.put(owner, kind, items);
  }

  /** Throws a Refusal, and then nothing has changed. */
  async replace(owner: string, kind: Kind, items: Item[]): Promise<void> {
    const seen = new Set<string>();
    for (const { id } of items) {
      this.find(owner, kind, id);
      if (seen.has(id)) throw refusal(422, 'resourceConflict', `${id} comes twice.`, referenceTo(kind, id));
      seen.add(id);
    }
    await this.put(owner, kind, items);
  }

  /** @returns the object. Throws a Refusal: 404 */
  find(owner: string, kind: Kind, id: string): Item {
    const found = this.of(owner, kind).get(id);
    if (found) return found;
    throw refusal(404, 'resourceNotFound', `There is no such ${kind.slice(0, -1)}.`, referenceTo(kind, id));
  }

  /** @returns what was removed. Throws a Refusal while something refers to it. */
  async remove(owner: string, kind: Kind, id: string): Promise<Item> {
    const found = this.find(owner, kind, id);
    const users: Reference[] = kind === 'programs' ? this.calendarsWith(owner, id) : this.lampsWith(owner, id);
    if (users.length > 0) {
      throw refusal(422, 'deletingResourceIsReferred', `${id} is in use.`, referenceTo(kind, id), ...users);
    }
    this.of(owner, kind).delete(id);
    await this.save();
    return found;
  }

  async noteAssign(owner: string, command: AssignCommand): Promise<void> {
    const shelf = this.shelf(owner);
    if (!this.shelves.has(owner) && this.shelves.size >= MOST_OWNERS) return;
    const last = [...shelf.assigns.keys()].at(-1) ?? 0;
    const assigns = [...shelf.assigns, [last + 1, command] as const].slice(-MOST_ASSIGNS);
    this.shelves.set(owner, { ...shelf, assigns: new Map(assigns) });
    await this.save();
  }

  /** A CMS is gone, and what it had here with it. @param owner undefined: all of them */
  async forget(owner: string | undefined): Promise<void> {
    if (owner === undefined) this.shelves.clear();
    else this.shelves.delete(owner);
    await this.save();
  }

  private shelf(owner: string): Shelf {
    // Asking alone leaves no trace: in open test mode anyone may ask.
    return this.shelves.get(owner) ?? { programs: new Map(), calendars: new Map(), assigns: new Map() };
  }

  private async put(owner: string, kind: Kind, items: Item[]): Promise<void> {
    for (const item of items) {
      if (item.ownerCMS.toLowerCase() === owner) continue;
      const message = `${RESOURCES[kind]} ${item.id}: ownerCMS is not the clientAddress of this request.`;
      throw refusal(422, 'resourceConflict', message, referenceTo(kind, item.id));
    }
    if (!this.shelves.has(owner) && this.shelves.size >= MOST_OWNERS) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway serves ${MOST_OWNERS} clients.`);
    }
    const shelf = this.shelf(owner);
    const programs = new Map(shelf.programs);
    const calendars = new Map(shelf.calendars);
    const target: Map<string, Item> = kind === 'programs' ? programs : calendars;
    for (const item of items) target.set(item.id, item);
    for (const item of items) this.check(kind, item, programs);
    const ids = new Set(items.map(({ id }) => id));
    const reached = [...calendars.values()].filter((calendar) =>
      kind === 'calendars' ? ids.has(calendar.id) : programsOf(calendar).some((program) => ids.has(program)),
    );
    for (const calendar of reached) this.lamps.check(owner, calendar, programs);
    if (kind === 'programs') this.learnSensors(owner, programs);
    this.shelves.set(owner, { programs, calendars, assigns: shelf.assigns });
    await this.save();
    this.lamps.changed(owner, new Set(reached.map(({ id }) => id)));
  }

  private check(kind: Kind, item: Item, programs: ReadonlyMap<string, ControlProgram>): void {
    try {
      if (kind === 'calendars') checkCalendar(item as Calendar, programs, this.limits());
      else {
        checkProgram(item as ControlProgram, this.limits());
        this.checkSensors(item as ControlProgram);
      }
    } catch (error) {
      throw toRefusal(error, referenceTo(kind, item.id));
    }
  }

  /** A sensor is known here, unless a CMS speaks for it: then it may be anywhere. */
  private checkSensors(program: ControlProgram): void {
    for (const { address, external, where } of sensorsIn(program)) {
      const found = this.model.sensorAddress(address);
      if (found.fits || (external && !found.own && address !== '')) continue;
      const message = `program ${program.id}: ${where}: ${address} is no sensor that is known here`;
      throw new NotExecutable('relatedResourceNotFound', message);
    }
  }

  private learnSensors(owner: string, programs: ReadonlyMap<string, ControlProgram>): void {
    const known = (address: string): string => this.model.sensorAddress(address).address;
    const addresses = [...programs.values()].flatMap(sensorsIn).map(({ address }) => known(address));
    const mentioned = (): Set<string> => {
      const others = [...this.shelves].filter(([other]) => other !== owner);
      const used = others.flatMap(([, shelf]) => [...shelf.programs.values()].flatMap(sensorsIn));
      const own = this.model.devices().flatMap((view) => view.functions.map(({ id }) => `${view.address}/${id}`));
      return new Set([...addresses, ...used.map(({ address }) => known(address)), ...own]);
    };
    if (this.model.sensors.learn(addresses, mentioned)) return;
    throw refusal(422, 'serviceConstraintExceeded', 'There are more sensors than this gateway can count.');
  }

  private calendarsWith(owner: string, program: string): Reference[] {
    const calendars = [...this.of(owner, 'calendars').values()];
    return calendars
      .filter((calendar) => programsOf(calendar).includes(program))
      .map(({ id }) => referenceTo('calendars', id));
  }

  private lampsWith(owner: string, calendar: string): Reference[] {
    return this.model
      .followers(owner, new Set([calendar]))
      .map(({ address }) => ({ resource: 'devices', address: `${address}/${LAMP}/calendarID` }));
  }

  private async save(): Promise<void> {
    const all = new Map<string, unknown>();
    for (const [owner, shelf] of this.shelves) {
      for (const kind of ['programs', 'calendars', 'assigns'] as const) {
        for (const [id, object] of shelf[kind]) all.set(`${owner} ${kind} ${id}`, object);
      }
    }
    try {
      await Promise.all([this.model.sensors.save(), this.drawer.keep(all)]);
    } catch (error) {
      this.log(`cannot store calendars and programs: ${(error as Error).message}`, 'error');
    }
  }
}

export const referenceTo = (kind: Kind, id: string): Reference => ({ resource: RESOURCES[kind], address: id });

/** @returns the refusal for an object that cannot be executed; other errors as they are. */
export function toRefusal(error: unknown, ...references: Reference[]): Refusal | unknown {
  return error instanceof NotExecutable ? refusal(422, error.key, `${error.message}.`, ...references) : error;
}

interface Mention {
  address: string;
  /** A CMS gives the command in the sensor's name. */
  external: boolean;
  where: string;
}

/** @returns every sensor that a program names. */
export function sensorsIn(program: ControlProgram): Mention[] {
  const periods = program.activePeriods.flatMap((period, i) => {
    const where = `activePeriods[${i}]`;
    if (period.name === 'ValueActivePeriod') return [{ address: period.reference.address, external: false, where }];
    if (!('sensor' in period)) return [];
    return (period.sensor.sensorAddresses ?? []).map((address) => ({ address, external: false, where }));
  });
  const effects = (program.dynamicControls ?? []).flatMap(({ effect }, i) => {
    const external = effect.type === 'ExternalControlEffect';
    const where = `dynamicControls[${i}].effect.source`;
    return (effect.source.sensor?.sensorAddresses ?? []).map((address) => ({ address, external, where }));
  });
  return [...periods, ...effects];
}
