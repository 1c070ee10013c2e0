/**
 * The types of each CMS and those of the gateway itself. A type stays while an attribute refers to it; every change is
 * checked as a whole and only then made. Source: TALQ 2.7.1 §4.5, gateway API.
 */
import type { Log } from '../log.ts';
import type { Json, Store } from '../store/store.ts';
import { deviceReference, refusal } from './errors.ts';
import { misfitOf } from './mapping.ts';
import type { DeviceView, Model } from './model.ts';
import { MOST_CURVE_POINTS } from './services.ts';
import { isTypeResource, type TypeItem, type TypeResource } from './types.ts';

const KEY = 'types/';
/** Types of one kind that are kept, those of all CMSs together. */
const MOST = 1000;
/** There is one CMS; in open test mode whoever calls is one. */
const MOST_OWNERS = 100;

type Shelf = Map<TypeResource, Map<string, TypeItem>>;

/** An attribute of a device that holds the address of a type. */
interface Referrer {
  device: DeviceView;
  /** function/attribute */
  path: string;
  /** clientAddress of the CMS that wrote it; undefined: the gateway did. */
  owner: string | undefined;
  address: string;
}

export class TypeLibrary {
  /** Told after types have changed, so that lamps get what follows from theirs. */
  changed: (resource: TypeResource, addresses: ReadonlySet<string>) => void = () => {};
  private readonly shelves = new Map<string, Shelf>();

  /** @param own what the gateway itself announces: of each board one controller type */
  constructor(
    private readonly model: Model,
    private readonly store: Store,
    private readonly own: () => TypeItem[],
    private readonly log: Log,
  ) {}

  async load(): Promise<void> {
    for (const [key, json] of await this.store.load()) {
      if (!key.startsWith(KEY)) continue;
      const shelf: Shelf = new Map();
      for (const [resource, items] of Object.entries(json as unknown as Record<string, TypeItem[]>)) {
        if (isTypeResource(resource)) shelf.set(resource, new Map(items.map((item) => [item.address, item])));
      }
      this.shelves.set(key.slice(KEY.length), shelf);
    }
  }

  /** @returns the types of a kind that a CMS sees: the gateway's and its own. */
  all(owner: string, resource: TypeResource): TypeItem[] {
    return [...this.ofGateway(resource), ...(this.shelves.get(owner)?.get(resource)?.values() ?? [])];
  }

  /** @param owner undefined: only the gateway's own */
  get(owner: string | undefined, resource: TypeResource, address: string): TypeItem | undefined {
    const own = owner === undefined ? undefined : this.shelves.get(owner)?.get(resource)?.get(address);
    return own ?? this.ofGateway(resource).find((item) => item.address === address);
  }

  /** Throws a Refusal: 404 */
  find(owner: string, resource: TypeResource, address: string): TypeItem {
    const found = this.get(owner, resource, address);
    if (found) return found;
    throw refusal(404, 'resourceNotFound', 'There is no such type.', { resource, address });
  }

  /** Throws a Refusal, and then nothing has changed. */
  async create(owner: string, resource: TypeResource, items: TypeItem[]): Promise<void> {
    const seen = new Set<string>();
    for (const { address } of items) {
      if (this.get(owner, resource, address) || seen.has(address)) {
        throw refusal(409, 'resourceConflict', `${address} exists already.`, { resource, address });
      }
      seen.add(address);
    }
    const kept = [...this.shelves.values()].reduce((sum, shelf) => sum + (shelf.get(resource)?.size ?? 0), 0);
    if (kept + items.length > MOST) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway keeps ${MOST} ${resource}.`);
    }
    await this.put(owner, resource, items);
  }

  /** Throws a Refusal, and then nothing has changed. */
  async replace(owner: string, resource: TypeResource, items: TypeItem[]): Promise<void> {
    const seen = new Set<string>();
    for (const { address } of items) {
      this.find(owner, resource, address);
      if (this.shelves.get(owner)?.get(resource)?.has(address) !== true) {
        const message = `${address} is the gateway's own: it follows from the hardware.`;
        throw refusal(422, 'resourceConflict', message, { resource, address });
      }
      if (seen.has(address)) {
        throw refusal(422, 'resourceConflict', `${address} comes twice.`, { resource, address });
      }
      seen.add(address);
    }
    await this.put(owner, resource, items);
    this.changed(resource, seen);
  }

  /** @returns what was removed. Throws a Refusal while something refers to it. */
  async remove(owner: string, resource: TypeResource, address: string): Promise<TypeItem> {
    const found = this.find(owner, resource, address);
    const shelf = this.shelves.get(owner)?.get(resource);
    const users = this.referrers(resource).filter((one) => one.address === address && one.owner === owner);
    if (users.length > 0 || !shelf?.has(address)) {
      const message = users.length > 0 ? `${address} is in use.` : `${address} is the gateway's own.`;
      const references = users.map(({ device, path }) => deviceReference(device.address, path));
      throw refusal(422, 'deletingResourceIsReferred', message, { resource, address }, ...references);
    }
    shelf.delete(address);
    await this.save(owner);
    return found;
  }

  /** Throws a Refusal when a CMS may not assign the type to the device; an empty address takes the type away. */
  check(owner: string, device: DeviceView, resource: TypeResource, address: string): void {
    if (address === '') return;
    const reference = { resource, address };
    const type = this.get(owner, resource, address);
    if (!type) throw refusal(422, 'relatedResourceNotFound', 'There is no such type.', reference);
    checkFit(device, resource, type);
  }

  /** @returns the type that a lamp's reference means, undefined when it is empty or gone. */
  referred(device: DeviceView, functionId: string, attribute: string, resource: TypeResource): TypeItem | undefined {
    const { value, owner } = this.model.read(device, functionId, attribute);
    return typeof value === 'string' && value !== '' ? this.get(owner, resource, value) : undefined;
  }

  /** The CMS is gone, and its types with it. */
  async forget(owner?: string): Promise<void> {
    for (const known of owner === undefined ? [...this.shelves.keys()] : [owner]) {
      this.shelves.delete(known);
      await this.save(known);
    }
  }

  private ofGateway(resource: TypeResource): TypeItem[] {
    return resource === 'controller-types' ? this.own() : [];
  }

  private referrers(resource: TypeResource): Referrer[] {
    return this.model.devices().flatMap((device) =>
      device.all.flatMap((spec) =>
        spec.attributes.flatMap(({ name, refers }) => {
          if (refers !== resource) return [];
          const { value, owner } = this.model.read(device, spec.id, name);
          return value ? [{ device, path: `${spec.id}/${name}`, owner, address: String(value) }] : [];
        }),
      ),
    );
  }

  private async put(owner: string, resource: TypeResource, items: TypeItem[]): Promise<void> {
    if (!this.shelves.has(owner) && this.shelves.size >= MOST_OWNERS) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway serves ${MOST_OWNERS} clients.`);
    }
    for (const item of items) checkCurves(resource, item);
    const replaced = new Map(items.map((item) => [item.address, item]));
    for (const { device, address, owner: writer } of this.referrers(resource)) {
      const item = writer === owner ? replaced.get(address) : undefined;
      if (item) checkFit(device, resource, item);
    }
    const shelf: Shelf = this.shelves.get(owner) ?? new Map();
    const kind = shelf.get(resource) ?? new Map<string, TypeItem>();
    for (const item of items) kind.set(item.address, item);
    shelf.set(resource, kind);
    this.shelves.set(owner, shelf);
    await this.save(owner);
  }

  /** One record a CMS, so that a bulk request is stored whole or not at all. */
  private async save(owner: string): Promise<void> {
    const shelf = this.shelves.get(owner);
    const record = shelf && Object.fromEntries([...shelf].map(([resource, items]) => [resource, [...items.values()]]));
    try {
      await this.store.save(`${KEY}${owner}`, record as unknown as Json | undefined);
    } catch (error) {
      this.log(`cannot store types: ${(error as Error).message}`, 'error');
    }
  }
}

/** A lamp type says how its gear is dimmed, and the controller has only the output that it has. Throws a Refusal */
function checkFit(device: DeviceView, resource: TypeResource, type: TypeItem): void {
  if (resource !== 'lamp-types' || !device.controller) return;
  const fault = misfitOf(device.controller.birth, String(type.controlType));
  if (fault === undefined) return;
  const reference = { resource, address: type.address };
  throw refusal(422, 'assignmentEntityNotValid', fault, reference, deviceReference(device.address));
}

/** Curves are read point by point: they rise, and fit into a controller. Throws a Refusal */
function checkCurves(resource: TypeResource, item: TypeItem): void {
  const curves = { lumenDepreciationCurve: 'operatingHours', powerFactorThresholdDimmingCurve: 'dimLevel' };
  for (const [name, axis] of Object.entries(curves)) {
    const entries = (item[name] as { entries?: Record<string, number>[] } | undefined)?.entries;
    if (!entries) continue;
    const reference = { resource, address: item.address };
    if (entries.length > MOST_CURVE_POINTS) {
      const message = `${name} has ${entries.length} points; ${MOST_CURVE_POINTS} are taken.`;
      throw refusal(422, 'serviceConstraintExceeded', message, reference);
    }
    const falls = entries.findIndex((entry, i) => i > 0 && entry[axis] <= entries[i - 1][axis]);
    if (falls > 0) throw refusal(422, 'payloadError', `${name}.entries[${falls}] does not rise in ${axis}.`, reference);
  }
}
