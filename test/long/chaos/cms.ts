/** What the CMS orders in the night, asks again until it is answered, and holds against what the lamps do. */
import { randomUUID } from 'node:crypto';
import type { Random } from '../../../sim/random.ts';
import type { Pole } from './pole.ts';

export const CMS = '0a6f1f0e-53a5-4b52-9d0e-3a3c2b1d4e5f';
const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Attempts of the CMS to get an answer to one order. */
const ATTEMPTS = 40;

export interface Answered {
  status: number;
  body: unknown;
}
export type Ask = (method: string, path: string, body?: unknown, request?: string) => Promise<Answered>;

/** Each group of the CMS has so many lamps. */
export const GROUP = 20;

/** Something that the CMS wants of some lamps. */
export interface Order {
  what: 'override' | 'calendar' | 'level';
  /** How the lamp knows it. */
  reference: string;
  /** Places in `poles`. */
  poles: number[];
  group: boolean;
  /** %; of a calendar, which is named after it: all day; undefined: no calendar. */
  level: number | undefined;
  /** ms UTC */
  expiration: number | undefined;
  /** The gateway that answered was killed within a second. */
  orphan?: boolean;
  fate: 'asked' | 'accepted' | 'promised' | 'refused' | 'unanswered';
}

const taken = ({ fate }: Order): boolean => fate === 'accepted' || fate === 'promised';

/** What became of overrides, lamp by lamp. */
export interface Obedience {
  obeyed: number;
  superseded: number;
  /** Too late for a lamp that was away: where, and the token of the command. */
  expired: string[];
  disobeyed: string[];
}

export class NightCms {
  readonly orders: Order[] = [];
  readonly addresses = new Map<string, string>();
  #stopped = false;

  constructor(
    private readonly poles: readonly Pole[],
    private readonly random: Random,
    private readonly ask: Ask,
    private readonly now: () => number,
    private readonly after: (ms: number, run: () => void) => void,
    private readonly log: (line: string) => void,
  ) {}

  /** Makes what orders refer to: groups of lamps, programs and calendars, one for each level. */
  async prepare(): Promise<void> {
    const { body } = await this.ask('GET', '/devices');
    for (const { name, address } of body as { name: string; address: string }[]) this.addresses.set(name, address);
    for (const { id } of this.poles)
      if (!this.addresses.has(id)) throw new Error(`${id} is not among the gateway's devices`);
    const must = async (path: string, made: object[]) => {
      const { status, body: said } = await this.ask('POST', path, made);
      if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(said)}`);
    };
    const group = (_: unknown, i: number) => ({
      address: `group-${i}`,
      ownerCMS: CMS,
      members: this.members(i).map((pole) => this.device(pole)),
    });
    await must('/groups', Array.from({ length: this.groups }, group));
    const program = (level: number) => ({
      type: 'ControlProgramOne',
      id: `program-${level}`,
      ownerCMS: CMS,
      activePeriods: [],
      fixedTimeControls: [{ startTime: '00:00:00', command: { state: stateOf(level) } }],
    });
    await must('/control-programs', LEVELS.map(program));
    const calendar = (level: number) => ({
      id: `calendar-${level}`,
      ownerCMS: CMS,
      rules: [],
      defaultProgram: `program-${level}`,
    });
    await must('/calendars', LEVELS.map(calendar));
  }

  get groups(): number {
    return Math.ceil(this.poles.length / GROUP);
  }

  members(group: number): number[] {
    return this.poles.map((_, i) => i).slice(group * GROUP, (group + 1) * GROUP);
  }

  /** Orders something of one lamp or a group, unless one of them has an order without an answer. */
  order(what: Order['what'], group: boolean): void {
    const { random } = this;
    const one = random.below(this.poles.length);
    const poles = group ? this.members(random.below(this.groups)) : [one];
    if (this.orders.some(({ fate, poles: others }) => fate === 'asked' && poles.some((pole) => others.includes(pole))))
      return;
    const level = what === 'calendar' && random.chance(0.2) ? undefined : LEVELS[random.below(LEVELS.length)];
    const expires = what === 'override' && random.chance(0.2);
    const expiration = expires ? this.now() + (2 + random.below(20)) * MINUTE : undefined;
    this.put({ what, reference: `${this.orders.length + 1} ${what}`, poles, group, level, expiration, fate: 'asked' });
  }

  /** @returns when it is answered, or nobody answers */
  async put(order: Order): Promise<void> {
    this.orders.push(order);
    const request = randomUUID();
    let fault = '';
    for (let attempt = 1; ; attempt++) {
      try {
        const { status, body } = await this.send(order, request);
        if (status !== 503) {
          order.fate = status === 200 || status === 201 ? 'accepted' : status === 202 ? 'promised' : 'refused';
          if (order.fate === 'refused') this.log(`${order.reference}: ${status} ${JSON.stringify(body)}`);
          return;
        }
        fault = JSON.stringify(body);
      } catch (error) {
        // The gateway was killed, or is not there.
        fault = (error as Error).message;
      }
      if (attempt === ATTEMPTS || this.#stopped) break;
      await new Promise<void>((resolve) => this.after((5 + this.random.below(40)) * SECOND, resolve));
    }
    order.fate = 'unanswered';
    this.log(`${order.reference}: no answer: ${fault}`);
  }

  /** No order is asked again any more. */
  stop(): void {
    this.#stopped = true;
  }

  get asking(): boolean {
    return this.orders.some(({ fate }) => fate === 'asked');
  }

  /** Lamp by lamp: obeyed, or replaced by a later order, or too late for one who was away. */
  obedience(): Obedience {
    const sum: Obedience = { obeyed: 0, superseded: 0, expired: [], disobeyed: [] };
    const overrides = this.orders.filter(({ what }) => what === 'override');
    overrides.forEach((order, i) => {
      if (!taken(order)) return;
      for (const at of order.poles) {
        const { id, overrides: obeyed, former } = this.poles[at];
        const later = overrides.slice(i + 1).some((other) => taken(other) && other.poles.includes(at));
        if (obeyed.includes(order.reference) || former.includes(order.reference)) sum.obeyed++;
        else if (later) sum.superseded++;
        else if (order.expiration !== undefined && order.expiration < this.now()) {
          sum.expired.push(`${this.device(at).address}/basic ${order.reference}`);
        } else sum.disobeyed.push(`${id}: ${order.reference} ${order.fate}`);
      }
    });
    return sum;
  }

  /** @returns lamps that do not give what the CMS wants. @param overridden overrides count */
  astray(overridden: boolean): string[] {
    return this.poles.flatMap((pole, at) => {
      const light = Math.round(pole.controller.lamp.light);
      const ours = this.orders.filter((order) => order.poles.includes(at));
      const last = (what: Order['what']) => ours.findLast((order) => order.what === what && taken(order));
      // What a board has obeyed goes with it.
      const obeyed = pole.overrides.map((reference) => ours.findIndex((order) => order.reference === reference));
      const override = ours[obeyed.at(-1) ?? -1];
      if (overridden && obeyed.some((one) => one > Number(obeyed.at(-1)))) return [`${pole.id}: an older override`];
      const rules = overridden && (override?.expiration ?? Number.POSITIVE_INFINITY) > this.now();
      const wanted = (rules ? override?.level : undefined) ?? last('calendar')?.level ?? last('level')?.level ?? 100;
      if (light === wanted) return [];
      const orders = ours.slice(-4).map(({ reference, level, fate }) => `${reference} ${level} ${fate}`);
      return [`${pole.id}: ${light} % instead of ${wanted} %; ${orders}; obeyed ${pole.overrides.slice(-3)}`];
    });
  }

  device(pole: number): { resource: string; address: string } {
    return { resource: 'devices', address: this.addresses.get(this.poles[pole].id) ?? '' };
  }

  private send({ what, group, poles, level, reference, expiration }: Order, request: string): Promise<Answered> {
    const addresses = group
      ? [{ resource: 'groups', address: `group-${Math.floor(poles[0] / GROUP)}` }]
      : poles.map((pole) => this.device(pole));
    if (what === 'level') {
      const path = `/devices/${this.device(poles[0]).address}/lampActuator1/defaultLightState`;
      return this.ask('PATCH', path, { value: stateOf(level ?? 0) }, request);
    }
    if (what === 'calendar') {
      const entity = { resource: 'calendars', address: level === undefined ? '' : `calendar-${level}` };
      return this.ask('POST', '/assign-commands', { addresses, entity, cmsRefId: reference }, request);
    }
    const end = expiration === undefined ? {} : { expiration: new Date(expiration).toISOString() };
    const targetCommand = { state: stateOf(level ?? 0), cmsRefId: reference, ...end };
    return this.ask(
      'POST',
      '/override-commands',
      { addresses, ...(level === undefined ? {} : { targetCommand }) },
      request,
    );
  }
}

const stateOf = (value: number) => ({ name: 'LevelState', value });
const LEVELS = [20, 30, 40, 50, 60, 70, 80, 90];
