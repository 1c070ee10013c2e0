/**
 * One message for all lamps of a group. A group that overrides may address has a number, controllers are told the numbers
 * of their groups, and a command for the group is published once. But only to a number that nobody outside the group may
 * still listen to: who has left a group goes on listening until it acknowledges its new numbers, and the group gets
 * another one at once.
 */

import type { Configurations } from '../configurations.ts';
import type { Controller, Fleet } from '../fleet.ts';
import type { GroupKeys } from '../keys/group-keys.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { lampsIn } from './addresses.ts';
import { type Groups, groupReference } from './groups.ts';
import type { DeviceView, Model } from './model.ts';
import type { Reference } from './schemas.ts';

/** u16 on the wire */
const HIGHEST = 65535;
/** Groups of one controller. */
const MOST = 8;
/** The record of all groups' numbers, and those of what each controller may listen to. */
const NUMBERS = 'reach/numbers';
const HELD = 'reach/held/';
/** Groups for calendars, loggers, types and attributes are not for overrides. */
const PURPOSES: readonly (string | undefined)[] = [undefined, 'unknown', 'override'];

export class Reach {
  /** By owner and address. */
  private numbers = new Map<string, Map<string, number>>();
  /** Every number that a controller may listen to, by its id. */
  private readonly held = new Map<string, readonly number[]>();
  /** What each controller should listen to. */
  private wanted = new Map<string, number[]>();
  /** What each controller is being told. */
  private readonly sending = new Map<string, Uint8Array>();
  private due = false;
  // Not from 1: a controller that comes from another gateway may still listen to that one's numbers.
  private last = Math.floor(Math.random() * HIGHEST);

  constructor(
    private readonly model: Model,
    private readonly groups: Groups,
    private readonly fleet: Fleet,
    private readonly configurations: Configurations,
    private readonly keys: GroupKeys,
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  async load(): Promise<void> {
    const stored = await this.store.load('reach/');
    for (const [key, numbers] of stored)
      if (key.startsWith(HELD)) this.hold(key.slice(HELD.length), numbers as number[]);
    const numbers = (stored.get(NUMBERS) ?? {}) as Record<string, Record<string, number>>;
    this.numbers = new Map(Object.entries(numbers).map(([owner, one]) => [owner, new Map(Object.entries(one))]));
    this.plan();
    this.groups.listeners.push(() => this.soon());
    this.fleet.onRoster(() => this.soon());
    this.fleet.onChange((controller, change) => {
      if (change === 'birth') this.born(controller);
      if (change === 'birth') this.bring(controller);
    });
  }

  /**
   * @param references what an override addresses; @param orders what became of them, one and the same order for each lamp
   * @returns the numbers of groups among the references in which nobody is but the lamps that the orders are for
   */
  numbersOf(owner: string, references: readonly Reference[], orders: readonly { device: DeviceView }[]): number[] {
    const own = this.numbers.get(owner);
    const found = references.flatMap(({ resource, address }) => {
      const number = resource === 'groups' ? own?.get(address) : undefined;
      return number === undefined ? [] : [number];
    });
    const ids = new Set(orders.map(({ device }) => device.controller?.id));
    const strange = new Set([...this.held].flatMap(([id, numbers]) => (ids.has(id) ? [] : numbers)));
    return found.filter((number) => !strange.has(number));
  }

  /** Somebody else may know what these controllers know: their groups get other keys. */
  distrust(ids: readonly string[]): void {
    const numbers = new Set(ids.flatMap((id) => [...(this.held.get(id) ?? []), ...(this.wanted.get(id) ?? [])]));
    for (const number of numbers) this.keys.renew(number);
    if (numbers.size > 0) this.soon();
  }

  /** It says what it listens to; others may have told it. */
  private born({ id, birth }: Controller): void {
    const strange = birth.groups?.filter((number) => !this.held.get(id)?.includes(number)) ?? [];
    if (strange.length === 0) return;
    this.hold(id, [...(this.held.get(id) ?? []), ...strange]);
    this.saveHeld(id);
    this.soon();
  }

  private soon(): void {
    if (this.due) return;
    this.due = true;
    setImmediate(() => {
      this.due = false;
      this.plan();
      for (const controller of this.fleet.controllers.values()) this.bring(controller);
    });
  }

  /** Gives numbers to groups, and decides what each controller should listen to. */
  private plan(): void {
    const holders = new Map<number, string[]>();
    for (const [id, numbers] of this.held) {
      for (const number of numbers) holders.set(number, [...(holders.get(number) ?? []), id]);
    }
    const before = JSON.stringify(toRecord(this.numbers));
    const numbers: Reach['numbers'] = new Map();
    const taken = new Set([...holders.keys(), ...[...this.numbers.values()].flatMap((own) => [...own.values()])]);
    this.wanted = new Map();
    for (const owner of this.groups.owners()) {
      const own = new Map<string, number>();
      for (const { address, purpose } of this.groups.of(owner).values()) {
        if (!PURPOSES.includes(purpose)) continue;
        const ids = this.members(owner, address);
        const known = this.numbers.get(owner)?.get(address);
        const clean = known !== undefined && (holders.get(known) ?? []).every((id) => ids.has(id));
        const number = clean ? known : this.free(taken);
        // Who has left keeps the key of the number that the group had.
        if (!clean) this.keys.renew(number);
        own.set(address, number);
        for (const id of ids) this.wanted.set(id, [...(this.wanted.get(id) ?? []), number].slice(0, MOST));
      }
      numbers.set(owner, own);
    }
    for (const list of this.wanted.values()) list.sort((a, b) => a - b);
    this.numbers = numbers;
    const record = toRecord(numbers);
    if (JSON.stringify(record) !== before) void this.save(NUMBERS, record);
  }

  private members(owner: string, address: string): Set<string> {
    const context = { model: this.model, groups: this.groups, owner };
    const lamps = lampsIn(context, groupReference(address), 'targetLightCommand');
    return new Set(lamps.flatMap(({ controller }) => (controller ? [controller.id] : [])));
  }

  private free(taken: Set<number>): number {
    do this.last = (this.last % HIGHEST) + 1;
    while (taken.has(this.last));
    taken.add(this.last);
    return this.last;
  }

  /** Says which groups a controller should listen to, and with which keys. */
  private bring({ id, groups }: Controller): void {
    if (!groups) {
      void this.configurations.want(id, 'groups', undefined);
      return;
    }
    const wanted = this.wanted.get(id) ?? [];
    const record = this.keys.record(wanted);
    const sending = this.sending.get(id);
    if (sending && Buffer.compare(sending, record) === 0) return;
    if (!same(groups, wanted)) {
      this.hold(id, [...(this.held.get(id) ?? []), ...groups, ...wanted]);
      this.saveHeld(id);
    }
    this.sending.set(id, record);
    void this.configurations.want(id, 'groups', wanted.length > 0 ? record : undefined).then((outcome) => {
      if (this.sending.get(id) === record) this.sending.delete(id);
      if (outcome === 'superseded') return;
      if (outcome !== 'done') {
        this.log(`${id} did not take its ${wanted.length} groups: ${outcome}`, 'warning');
        return;
      }
      if (same(this.held.get(id) ?? [], wanted)) return;
      this.hold(id, wanted);
      this.saveHeld(id);
    });
  }

  private hold(id: string, numbers: readonly number[]): void {
    if (numbers.length === 0) this.held.delete(id);
    else this.held.set(id, [...new Set(numbers)]);
  }

  private saveHeld(id: string): void {
    void this.save(HELD + id, this.held.get(id));
  }

  private async save(key: string, record: unknown): Promise<void> {
    try {
      await this.store.save(key, record);
    } catch (error) {
      this.log(`cannot store the numbers of groups: ${(error as Error).message}`, 'error');
    }
  }
}

const toRecord = (numbers: Map<string, Map<string, number>>) =>
  Object.fromEntries([...numbers].map(([owner, own]) => [owner, Object.fromEntries(own)]));

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i]);
