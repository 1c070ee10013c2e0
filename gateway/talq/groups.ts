/**
 * Groups: what one CMS addresses many devices with at once. They are its own, and nothing follows them: overrides ask who
 * is in a group when they come, assignments and loggers when they are made. Source: TALQ 2.7.1 §5.4, Group.
 */

import Type, { type Static } from 'typebox';
import type { Log } from '../log.ts';
import { Drawer } from '../store/drawer.ts';
import type { Store } from '../store/store.ts';
import { refusal } from './errors.ts';
import type { Model } from './model.ts';
import { Reference } from './schemas.ts';

/** Groups that the gateway keeps, and members of one. */
export const MOST_GROUPS = 500;
export const MOST_MEMBERS = 10000;
/** A record is a group; its key ends with owner and address. */
const PREFIX = 'group/';
/** One record of all groups, as they were kept before. */
const OLD_KEY = 'groups';

const choice = <T extends string[]>(...values: [...T]) => Type.Union(values.map((value) => Type.Literal(value)));

export type Group = Static<typeof Group>;
export const Group = Type.Object({
  address: Type.String({ minLength: 1, maxLength: 256 }),
  ownerCMS: Type.String(),
  members: Type.Array(Reference),
  purpose: Type.Optional(choice('unknown', 'override', 'calendar', 'loggerConfig', 'lampType', 'attributes')),
});

/** The CMS that asks, and the devices as it sees them. */
export interface Keeper {
  owner: string;
  model: Model;
}

export const groupReference = (address: string): Reference => ({ resource: 'groups', address });

export class Groups {
  /** Who else may refer to a group of an owner; a group that is referred to stays. */
  readonly users: ((owner: string, address: string) => Reference[])[] = [];
  /** Called after every change. */
  readonly listeners: (() => void)[] = [];
  private readonly shelves = new Map<string, Map<string, Group>>();
  private readonly drawer: Drawer;

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {
    this.drawer = new Drawer(store, PREFIX);
  }

  async load(): Promise<void> {
    const old = ((await this.store.load(OLD_KEY)).get(OLD_KEY) ?? {}) as unknown as Record<string, Group[]>;
    const stored = [...(await this.drawer.load()).values()] as unknown as Group[];
    for (const group of [...Object.values(old).flat(), ...stored]) {
      const owner = group.ownerCMS.toLowerCase();
      this.shelves.set(owner, (this.shelves.get(owner) ?? new Map()).set(group.address, group));
    }
    if (Object.keys(old).length > 0) await Promise.all([this.save(), this.store.save(OLD_KEY, undefined)]);
  }

  owners(): Iterable<string> {
    return this.shelves.keys();
  }

  of(owner: string): ReadonlyMap<string, Group> {
    return this.shelves.get(owner) ?? new Map();
  }

  /** @returns the group. Throws a Refusal: 404 */
  find(owner: string, address: string): Group {
    const found = this.of(owner).get(address);
    if (found) return found;
    throw refusal(404, 'resourceNotFound', 'There is no such group.', groupReference(address));
  }

  /** Throws a Refusal, and then nothing has changed. */
  async create(keeper: Keeper, groups: Group[]): Promise<void> {
    const known = new Set(this.of(keeper.owner).keys());
    for (const { address } of groups) {
      if (known.has(address)) {
        throw refusal(409, 'resourceConflict', `${address} exists already.`, groupReference(address));
      }
      known.add(address);
    }
    const all = [...this.shelves.values()].reduce((sum, shelf) => sum + shelf.size, 0);
    if (all + groups.length > MOST_GROUPS) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway keeps ${MOST_GROUPS} groups.`);
    }
    await this.put(keeper, groups);
  }

  /** Throws a Refusal, and then nothing has changed. */
  async replace(keeper: Keeper, groups: Group[]): Promise<void> {
    const seen = new Set<string>();
    for (const { address } of groups) {
      this.find(keeper.owner, address);
      if (seen.has(address)) {
        throw refusal(422, 'resourceConflict', `${address} comes twice.`, groupReference(address));
      }
      seen.add(address);
    }
    await this.put(keeper, groups);
  }

  /** Those that are members already stay once. @returns all members. Throws a Refusal, and then nothing has changed. */
  async addMembers(keeper: Keeper, address: string, members: Reference[]): Promise<Reference[]> {
    const group = this.find(keeper.owner, address);
    const known = new Set(group.members.map(keyOf));
    const fresh = members.filter((member) => !known.has(keyOf(member)));
    await this.put(keeper, [{ ...group, members: [...group.members, ...fresh] }], fresh);
    return this.find(keeper.owner, address).members;
  }

  /** @returns the member. Throws a Refusal: 404 */
  async removeMember(keeper: Keeper, address: string, member: Reference): Promise<Reference> {
    const group = this.find(keeper.owner, address);
    const found = group.members.find((one) => keyOf(one) === keyOf(member));
    if (!found) throw refusal(404, 'resourceNotFound', 'The group has no such member.', member);
    await this.put(keeper, [{ ...group, members: group.members.filter((one) => one !== found) }], []);
    return found;
  }

  /** @returns what was removed. Throws a Refusal while something refers to it. */
  async remove(owner: string, address: string): Promise<Group> {
    const found = this.find(owner, address);
    const users = [
      ...this.containing(owner, groupReference(address)),
      ...this.users.flatMap((user) => user(owner, address)),
    ];
    if (users.length > 0) {
      throw refusal(422, 'deletingResourceIsReferred', `${address} is in use.`, groupReference(address), ...users);
    }
    this.shelves.get(owner)?.delete(address);
    await this.save();
    return found;
  }

  /** @returns the groups of an owner that have this very member. */
  containing(owner: string, member: Reference): Reference[] {
    const key = keyOf(member);
    const groups = [...this.of(owner).values()].filter(({ members }) => members.some((one) => keyOf(one) === key));
    return groups.map(({ address }) => groupReference(address));
  }

  /** @returns the groups of an owner that have the device, or something of it. @param device address in lower case */
  mentioning(owner: string, device: string): Reference[] {
    const mentions = ({ resource, address }: Reference): boolean =>
      resource === 'devices' && address.split('/')[0].toLowerCase() === device;
    const groups = [...this.of(owner).values()].filter(({ members }) => members.some(mentions));
    return groups.map(({ address }) => groupReference(address));
  }

  /**
   * @returns what the reference means in the end: itself, or all that is in the group and in the groups in it, each once.
   * Throws a Refusal when there is no such group.
   */
  expand(owner: string, reference: Reference): Reference[] {
    if (reference.resource !== 'groups') return [reference];
    if (!this.of(owner).has(reference.address)) {
      throw refusal(422, 'relatedResourceNotFound', 'There is no such group.', reference);
    }
    const found = new Map<string, Reference>();
    const seen = new Set<string>();
    const walk = (address: string): void => {
      if (seen.has(address)) return;
      seen.add(address);
      for (const member of this.of(owner).get(address)?.members ?? []) {
        if (member.resource === 'groups') walk(member.address);
        else found.set(keyOf(member), member);
      }
    };
    walk(reference.address);
    return [...found.values()];
  }

  /** @param owner whose groups are forgotten; undefined: everybody's */
  async forget(owner: string | undefined): Promise<void> {
    if (owner === undefined) this.shelves.clear();
    else this.shelves.delete(owner);
    await this.save();
  }

  /** @param fresh the members that must exist; absent: all of them. One that has gone since does no harm. */
  private async put(keeper: Keeper, groups: Group[], fresh?: Reference[]): Promise<void> {
    const shelf = new Map(this.of(keeper.owner));
    for (const group of groups) {
      if (group.ownerCMS.toLowerCase() !== keeper.owner) {
        const message = `group ${group.address}: ownerCMS is not the clientAddress of this request.`;
        throw refusal(422, 'resourceConflict', message, groupReference(group.address));
      }
      const members = [...new Map(group.members.map((member) => [keyOf(member), member])).values()];
      if (members.length > MOST_MEMBERS) {
        const message = `group ${group.address}: ${members.length} members, this gateway takes ${MOST_MEMBERS}.`;
        throw refusal(422, 'serviceConstraintExceeded', message, groupReference(group.address));
      }
      shelf.set(group.address, { ...group, members });
    }
    for (const { address, members } of groups) checkMembers(keeper.model, shelf, address, fresh ?? members);
    checkCycles(shelf, groups);
    this.shelves.set(keeper.owner, shelf);
    await this.save();
  }

  private async save(): Promise<void> {
    for (const listener of this.listeners) listener();
    const all = [...this.shelves].flatMap(([owner, shelf]) =>
      [...shelf.values()].map((group): [string, Group] => [`${owner} ${group.address}`, group]),
    );
    try {
      await this.drawer.keep(new Map(all));
    } catch (error) {
      this.log(`cannot store groups: ${(error as Error).message}`, 'error');
    }
  }
}

/** Devices are compared by their UUIDs, in any case; ids of groups and functions are compared as they are. */
function keyOf({ resource, address }: Reference): string {
  if (resource !== 'devices') return `${resource} ${address}`;
  const [device, ...rest] = address.split('/');
  return `devices ${[device.toLowerCase(), ...rest].join('/')}`;
}

function checkMembers(
  model: Model,
  shelf: ReadonlyMap<string, Group>,
  address: string,
  members: readonly Reference[],
): void {
  for (const member of members) {
    const known = member.resource === 'groups' ? shelf.has(member.address) : exists(model, member);
    if (known) continue;
    throw refusal(422, 'relatedResourceNotFound', `group ${address}: there is no such member.`, member);
  }
}

/** @returns whether the reference is a device of the gateway, one of its functions or one of their attributes. */
export function exists(model: Model, { resource, address }: Reference): boolean {
  if (resource !== 'devices') return false;
  const [deviceAddress, functionId, attribute, ...more] = address.split('/');
  const device = model.find(deviceAddress);
  if (!device || functionId === undefined) return device !== undefined;
  const spec = device.functions.find(({ id }) => id === functionId);
  if (!spec || attribute === undefined) return spec !== undefined;
  return more.length === 0 && spec.attributes.some(({ name }) => name === attribute);
}

/** Throws a Refusal when one of the groups contains itself. */
function checkCycles(shelf: ReadonlyMap<string, Group>, groups: Group[]): void {
  const sound = new Set<string>();
  const open = new Set<string>();
  const walk = (address: string): void => {
    if (sound.has(address)) return;
    if (open.has(address)) {
      const path = [...open, address].slice([...open].indexOf(address)).join(' > ');
      throw refusal(422, 'resourceConflict', `A group cannot contain itself: ${path}.`, groupReference(address));
    }
    open.add(address);
    for (const member of shelf.get(address)?.members ?? []) if (member.resource === 'groups') walk(member.address);
    open.delete(address);
    sound.add(address);
  };
  for (const { address } of groups) walk(address);
}
