/** The gateway and its controllers as TALQ devices: stable addresses, classes, and every attribute's value and time. */

import { createHash, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { type Controller, type Fleet, type Memory, memoryOf } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Json, Store } from '../store/store.ts';
import type { Birth } from '../wire.ts';
import type { AttributeSpec } from './attributes.ts';
import {
  describeClass,
  type FunctionSpec,
  GATEWAY_CLASS,
  GATEWAY_FUNCTIONS,
  kindOf,
  LAMP,
  LOCATION,
  SENSORS,
} from './functions.ts';
import { toTimestamp } from './mapping.ts';
import { OwnTypes } from './own-types.ts';
import { distanceOf, type Place } from './place.ts';
import {
  type Assignment,
  type ControllerRecord,
  type DeviceRecord,
  type InForce,
  type Invalid,
  readController,
  type Valued,
} from './readings.ts';
import type { Attribute, Command, Device, DeviceClass, TalqFunction } from './schemas.ts';
import { SensorNumbers } from './sensors.ts';
import { Zones } from './zones.ts';

export const NIL = '00000000-0000-0000-0000-000000000000';
/** Bytes of a reference that a controller keeps. */
const LONGEST_REFERENCE = 64;
/** Long references remembered for each controller: the one in action, the one waiting, and those they replaced. */
const MOST_REFERENCES = 4;

/** One device; `controller` is absent on the gateway's own. */
export interface DeviceView {
  address: string;
  className: string;
  functions: FunctionSpec[];
  /** Every function of its class, those included that a CMS took out of its view. */
  all: FunctionSpec[];
  controller?: Controller;
  /** A CMS created it, and its controller has not come yet. */
  planned?: true;
}

/** The place of one CMS at this gateway: how the two call each other, and what the CMS wrote about that. */
export interface Seat {
  /** Absent in open test mode. */
  readonly cmsUri?: string;
  /** NIL until it is known. */
  cmsAddress: string;
  readonly gatewayAddress: string;
  /** Attributes of its own GatewayFunction that the CMS wrote, by `function/attribute`. */
  readonly values: DeviceRecord['values'];
  /** ms UTC at which another CMS was attached after this one. */
  readonly newCmsAt?: number;
  /** Resolves when `values` are durable. */
  save(): Promise<void>;
}

export class Model {
  /** Who looks. Without a CMS the gateway's device answers under an address of its own. */
  seat: Seat;
  /** Every place that is taken, whoever looks. */
  readonly seats: Seat[] = [];
  private gateway!: DeviceRecord;
  private readonly records = new Map<string, ControllerRecord>();
  private readonly byAddress = new Map<string, string>();
  private readonly views = new Map<string, { birth: Birth; view: DeviceView }>();
  /** Controllers in the order of their sequence, undefined after a change; in objects that the views of all CMSs share. */
  private readonly roster: { ids?: string[]; views?: DeviceView[] } = {};
  private readonly last = { sequence: 0 };
  /** ms UTC at which the gateway started. */
  private readonly started: number;
  private readonly listeners = new Set<(device: DeviceView, names: string[]) => void>();
  /** Whether the event of a device last began or ended, and when; for events that the field does not repeat. */
  statusOf: (id: string, functionId: string, name: string) => Valued = () => ({});
  readonly sensors: SensorNumbers;
  readonly zones: Zones;
  readonly ownTypes: OwnTypes;

  /** @param info what the gateway says of itself, and where devices are until the CMS says otherwise */
  constructor(
    private readonly fleet: Fleet,
    private readonly store: Store,
    private readonly clock: Clock,
    readonly info: { gatewayUri: string; version: string; timeZone: string; location?: Place },
    private readonly log: Log,
  ) {
    this.started = clock.now();
    this.sensors = new SensorNumbers(store);
    this.zones = new Zones(clock);
    this.ownTypes = new OwnTypes(fleet, store, log);
    this.seat = { cmsAddress: NIL, gatewayAddress: NIL, values: {}, save: () => this.save(undefined) };
  }

  /**
   * @returns the same devices as one CMS sees them: the gateway's own has the address and the GatewayFunction of that CMS,
   * and those of the others do not exist
   */
  seenBy(seat: Seat): Model {
    const view: Model = Object.create(this);
    view.seat = seat;
    return view;
  }

  /** Takes up what was stored, and from then on stores each new controller and each changed birth. */
  async load(): Promise<void> {
    const stored = await this.store.load();
    this.sensors.load(stored);
    this.ownTypes.load(stored);
    for (const [key, json] of stored) {
      if (!key.startsWith('devices/')) continue;
      const record = json as unknown as ControllerRecord;
      const id = key.slice('devices/'.length);
      this.add(id, record);
      this.fleet.restore(id, record.birth, record.bornAt, stored.get(`past/${id}`) as Memory | undefined);
    }
    const gateway = stored.get('gateway') as unknown as DeviceRecord | undefined;
    this.gateway = gateway ?? { address: randomUUID(), created: this.clock.now(), values: {} };
    if (!gateway) await this.store.save('gateway', this.gateway);
    this.seat = { ...this.seat, values: this.gateway.values };
    this.fleet.onChange((controller, change) => {
      if (change === 'birth') this.register(controller);
      else if (change === 'conditions') this.remember(controller);
    });
    this.fleet.onEvents((controller) => this.remember(controller));
    this.fleet.onSamples((controller) => this.remember(controller));
    this.fleet.onGap((controller) => this.remember(controller));
  }

  /**
   * Calls `listener` after every write that the field does not tell of, with the attributes as `function/attribute`.
   * @returns a function that ends it
   */
  onWrite(listener: (device: DeviceView, names: string[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** @returns the gateway first, then the controllers in the order in which they appeared. */
  devices(): DeviceView[] {
    const { roster } = this;
    roster.ids ??= [...this.records].sort((a, b) => a[1].sequence - b[1].sequence).map(([id]) => id);
    roster.views ??= roster.ids.map((id) => this.view(id));
    return [this.gatewayDevice(), ...roster.views];
  }

  /** @param address in any case */
  find(address: string): DeviceView | undefined {
    const lower = address.toLowerCase();
    if (lower === this.gatewayAddress()) return this.gatewayDevice();
    const id = this.byAddress.get(lower);
    return id === undefined ? undefined : this.view(id);
  }

  gatewayDevice(): DeviceView {
    return {
      address: this.gatewayAddress(),
      className: GATEWAY_CLASS,
      functions: GATEWAY_FUNCTIONS,
      all: GATEWAY_FUNCTIONS,
    };
  }

  classes(): DeviceClass[] {
    const classes = new Map<string, DeviceClass>();
    for (const { className, all } of this.devices()) {
      if (!classes.has(className)) classes.set(className, describeClass(className, all));
    }
    return [...classes.values()];
  }

  nameOf(device: DeviceView): string {
    return String(this.read(device, 'basic', 'displayName').value);
  }

  toDevice(device: DeviceView): Device {
    return {
      address: device.address,
      name: this.nameOf(device),
      class: device.className,
      functions: device.functions.map((spec) => this.toFunction(device, spec)),
    };
  }

  /** @param scope only attributes of this scope, in any case. Attributes that were never measured are left out. */
  toFunction(device: DeviceView, spec: FunctionSpec, scope?: string): TalqFunction {
    const result: TalqFunction = { id: spec.id, type: spec.type };
    for (const attribute of spec.attributes) {
      if (scope !== undefined && attribute.scope !== scope.toLowerCase()) continue;
      const value = this.toAttribute(device, spec, attribute);
      if (value.timestamp !== undefined) result[attribute.name] = value;
    }
    return result;
  }

  toAttribute(device: DeviceView, spec: FunctionSpec, attribute: AttributeSpec): Attribute {
    const { value, time } = this.read(device, spec.id, attribute.name);
    const result: Attribute = { type: attribute.type };
    if (value !== undefined) result.value = value;
    if (time !== undefined) result.timestamp = toTimestamp(time);
    return result;
  }

  /** @returns an attribute's value now; neither value nor time when it was never measured. */
  read(device: DeviceView, functionId: string, name: string): Valued {
    if (functionId === LOCATION && name === 'location') return this.read(device, 'basic', name);
    if (functionId === LOCATION && name === 'locationChanged') return this.displacement(device);
    const kept = this.valuesOf(device, functionId)[`${functionId}/${name}`];
    if (kept) return kept;
    if (!device.controller) return this.readGateway(functionId, name);
    if (name === 'timeZone' || name === 'location') return this.read(this.gatewayDevice(), functionId, name);
    const record = this.records.get(device.controller.id);
    if (!record) return {};
    if (name === 'controllerTypeAddress') {
      return { value: this.ownTypes.addressOf(device.controller.birth.board), time: record.created };
    }
    const { value, time } = readController(device.controller, record, this.sensors, functionId, name);
    if (time === undefined && isEvent(device, functionId, name))
      return this.statusOf(device.controller.id, functionId, name);
    if (name !== 'currentTime' || time === undefined) return { value, time };
    return { value: this.zones.toLocal(time, this.zoneOf(device)), time };
  }

  /** Whether the device is farther from where it should be than it may; unknown until a CMS has said both. */
  private displacement(device: DeviceView): Valued {
    const read = (functionId: string, name: string) => this.read(device, functionId, name);
    const [is, should, most] = [
      read('basic', 'location'),
      read(LOCATION, 'expectedLocation'),
      read(LOCATION, 'locationChangedThreshold'),
    ];
    if (is.value === undefined || should.value === undefined || most.value === undefined) return {};
    const distance = distanceOf(is.value as Place, should.value as Place);
    const time = Math.max(is.time ?? 0, should.time ?? 0, most.time ?? 0);
    return { value: distance > Number(most.value), time };
  }

  /** @returns the name or the rule of the time zone that governs the device. */
  zoneOf(device: DeviceView): string {
    return String(this.read(device, 'time', 'timeZone').value);
  }

  /** @returns where the device is, undefined when nobody knows. */
  placeOf(device: DeviceView): Place | undefined {
    return this.read(device, 'basic', 'location').value as Place | undefined;
  }

  /**
   * @param address of a device's function or attribute, in any case of the UUID; or of something beyond this gateway
   * @returns the one form under which a sensor is known. `own`: it belongs to a device here; `fits`: and is a sensor
   */
  sensorAddress(address: string): { address: string; own: boolean; fits: boolean } {
    const [deviceAddress, functionId = '', attribute, ...more] = address.split('/');
    const device = this.find(deviceAddress);
    if (!device) return { address, own: false, fits: false };
    const measured = Object.hasOwn(SENSORS, functionId) ? SENSORS[functionId] : undefined;
    const has = device.all.some((spec) => spec.id === functionId);
    const fits = has && measured !== undefined && (attribute ?? measured) === measured && more.length === 0;
    return { address: `${device.address}/${functionId}`, own: true, fits };
  }

  /** @returns the number of one of the device's own sensors, undefined when it has none. */
  sensorOf(device: DeviceView, functionId: string): number | undefined {
    if (!device.all.some((spec) => spec.id === functionId)) return undefined;
    return this.sensors.numberOf(`${device.address}/${functionId}`);
  }

  /** @returns the calendar that rules a lamp, undefined without one. */
  assignment(id: string): Assignment | undefined {
    const calendar = this.records.get(id)?.calendar;
    return calendar?.id ? calendar : undefined;
  }

  /** @returns the devices that follow one of these calendars of a CMS. */
  followers(owner: string, calendars: ReadonlySet<string>): (DeviceView & { controller: Controller })[] {
    return this.devices().filter((device): device is DeviceView & { controller: Controller } => {
      const assigned = device.controller && this.assignment(device.controller.id);
      return assigned?.owner === owner && calendars.has(assigned.id);
    });
  }

  /** @returns the % that a lamp has without calendar. */
  defaultLevel(device: DeviceView): number | undefined {
    return (this.read(device, LAMP, 'defaultLightState').value as { value?: number } | undefined)?.value;
  }

  /** @returns the last assignment, also one to no calendar any more. */
  assigned(id: string): Assignment | undefined {
    return this.records.get(id)?.calendar;
  }

  /** @returns whether a CMS has ever assigned a calendar to the lamp, or taken it away. */
  wasAssigned(id: string): boolean {
    return this.records.get(id)?.calendar !== undefined;
  }

  /** @param id of a controller */
  byId(id: string): DeviceView | undefined {
    return this.records.has(id) ? this.view(id) : undefined;
  }

  /** Assigns a calendar, none with an empty id; the same one again changes nothing. */
  async assign(id: string, owner: string, calendar: string, cmsRefId?: string): Promise<void> {
    const record = this.records.get(id);
    if (!record || (record.calendar?.id === calendar && record.calendar.owner === owner)) return;
    record.calendar = { owner, id: calendar, time: this.clock.now(), ...(cmsRefId === undefined ? {} : { cmsRefId }) };
    this.tell(this.view(id), [`${LAMP}/calendarID`]);
    await this.save(id);
  }

  inForce(id: string): InForce {
    return this.records.get(id)?.timetable ?? { programs: [] };
  }

  async setInForce(id: string, timetable: InForce): Promise<void> {
    const record = this.records.get(id);
    if (!record || isDeepStrictEqual(record.timetable ?? { programs: [] }, timetable)) return;
    record.timetable = timetable;
    await this.save(id);
  }

  invalid(id: string): Invalid | undefined {
    return this.records.get(id)?.invalid;
  }

  async setInvalid(id: string, invalid: Invalid | undefined): Promise<void> {
    const record = this.records.get(id);
    if (!record || (record.invalid === undefined && invalid === undefined)) return;
    record.invalid = invalid;
    this.tell(this.view(id), []);
    await this.save(id);
  }

  /** Stores values that a CMS wrote, all or none. Resolves when they are durable. */
  async keep(
    device: DeviceView,
    owner: string,
    values: { functionId: string; name: string; value: Json; time: number }[],
  ): Promise<void> {
    for (const { functionId, name, value, time } of values) {
      // Who the CMS is belongs to the connection, which stores it.
      if (name === 'cmsAddress') this.seat.cmsAddress = String(value).toLowerCase();
      else this.valuesOf(device, functionId)[`${functionId}/${name}`] = { value, time, owner };
    }
    const names = values.map(({ functionId, name }) => `${functionId}/${name}`);
    this.tell(device, names);
    await Promise.all([this.save(device.controller?.id), device.controller ? undefined : this.seat.save()]);
  }

  /** A controller took a command of a CMS; undefined: it took everything back. */
  async commanded(id: string, owner: string, command: Command | undefined): Promise<void> {
    const record = this.records.get(id);
    if (!record) return;
    record.target = command && { command, time: this.clock.now(), owner };
    this.tell(this.view(id), [`${LAMP}/targetLightCommand`]);
    await this.save(id);
  }

  /** @returns what stands for a cmsRefId on the wire: itself, or a short name when it is too long for controllers. */
  shorten(id: string, reference: string): string {
    const record = this.records.get(id);
    if (!record || (Buffer.byteLength(reference) <= LONGEST_REFERENCE && !reference.startsWith('~'))) return reference;
    const short = `~${createHash('sha256').update(reference).digest('base64url').slice(0, 20)}`;
    const others = record.references.filter(([name]) => name !== short);
    record.references = [...others, [short, reference] as [string, string]].slice(-MOST_REFERENCES);
    this.save(id);
    return short;
  }

  /**
   * A CMS is gone: forgets its values, commands and assignments. Controllers, addresses and what other CMSs wrote stay.
   * @param owner cmsAddress; undefined: whoever wrote
   */
  async forgetCms(owner: string | undefined): Promise<void> {
    const written = (by: string | undefined): boolean => owner === undefined || by === undefined || by === owner;
    const forget = ({ values }: DeviceRecord): void => {
      for (const [name, { owner: by }] of Object.entries(values)) if (written(by)) delete values[name];
    };
    forget(this.gateway);
    await this.save(undefined);
    for (const [id, record] of this.records) {
      forget(record);
      if (record.target && written(record.target.owner)) record.target = undefined;
      if (record.calendar && written(record.calendar.owner)) {
        record.calendar = undefined;
        record.invalid = undefined;
        this.tell(this.view(id), [`${LAMP}/calendarID`]);
      }
      await this.save(id);
    }
  }

  /** @returns the birth of a controller of that class; undefined when there never was one. */
  exampleOf(className: string): Birth | undefined {
    const birth = this.devices().find((device) => device.className === className)?.controller?.birth;
    // What that controller was told is not what this one knows.
    return birth && { ...birth, configuration: undefined };
  }

  /** Creates a device before its controller comes. @param id of the controller, or a nameless one */
  async create(id: string, address: string, birth: Birth): Promise<DeviceView> {
    const now = this.clock.now();
    const sequence = this.last.sequence + 1;
    const record = { address, created: now, sequence, birth, bornAt: now, planned: true as const };
    this.add(id, { ...record, values: {}, references: [] });
    this.fleet.restore(id, birth, now);
    await this.save(id);
    return this.view(id);
  }

  /** A planned device is told which controller it is. */
  async identify(device: DeviceView, id: string): Promise<void> {
    const record = device.controller && this.records.get(device.controller.id);
    if (!record?.planned || !device.controller || device.controller.id === id) return;
    await this.remove(device);
    this.add(id, record);
    this.fleet.restore(id, record.birth, record.bornAt);
    await this.save(id);
  }

  /** Forgets a device and all that was written about it. */
  async remove(device: DeviceView): Promise<void> {
    const id = device.controller?.id;
    if (id === undefined) return;
    this.records.delete(id);
    this.roster.ids = undefined;
    this.outdate(id);
    this.byAddress.delete(device.address);
    this.fleet.remove(id);
    await this.save(id);
  }

  /** @param hidden functions that disappear from the view; all others are there. */
  async hide(device: DeviceView, hidden: string[]): Promise<void> {
    const id = device.controller?.id;
    const record = id === undefined ? undefined : this.records.get(id);
    if (id === undefined || !record || isDeepStrictEqual(record.hidden ?? [], hidden)) return;
    record.hidden = hidden.length > 0 ? hidden : undefined;
    this.outdate(id);
    await this.save(id);
  }

  /** Takes written values back, to what they are without a CMS. */
  async drop(device: DeviceView, values: { functionId: string; name: string }[]): Promise<void> {
    for (const { functionId, name } of values) delete this.valuesOf(device, functionId)[`${functionId}/${name}`];
    await Promise.all([this.save(device.controller?.id), device.controller ? undefined : this.seat.save()]);
    this.tell(
      device,
      values.map(({ functionId, name }) => `${functionId}/${name}`),
    );
  }

  /** @returns whether a CMS wrote the value that an attribute has. */
  isWritten(device: DeviceView, functionId: string, name: string): boolean {
    return Object.hasOwn(this.valuesOf(device, functionId), `${functionId}/${name}`);
  }

  private tell(device: DeviceView, names: string[]): void {
    for (const listener of [...this.listeners]) listener(device, names);
  }

  private gatewayAddress(): string {
    const { gatewayAddress } = this.seat;
    return gatewayAddress === NIL ? this.gateway.address : gatewayAddress;
  }

  private valuesOf(device: DeviceView, functionId: string): DeviceRecord['values'] {
    return !device.controller && functionId === 'gateway' ? this.seat.values : this.recordOf(device).values;
  }

  private register(controller: Controller): void {
    this.roster.views = undefined;
    const known = this.records.get(controller.id);
    if (known && !known.planned && known.bornAt === controller.bornAt) return;
    const record: ControllerRecord = {
      ...(known ?? {
        address: randomUUID(),
        created: this.clock.now(),
        sequence: this.last.sequence + 1,
        values: {},
        references: [],
      }),
      birth: controller.birth,
      bornAt: controller.bornAt,
      // What it could not take before, other firmware may.
      invalid: undefined,
      planned: undefined,
    };
    this.outdate(controller.id);
    this.add(controller.id, record);
    const own = this.view(controller.id).all.filter(({ id }) => Object.hasOwn(SENSORS, id));
    this.sensors.learn(own.map(({ id }) => `${record.address}/${id}`));
    this.save(controller.id);
  }

  /** What happened counts once, after a restart too. */
  private async remember(controller: Controller): Promise<void> {
    try {
      await this.store.save(`past/${controller.id}`, memoryOf(controller));
    } catch (error) {
      this.log(`cannot store what happened at ${controller.id}: ${(error as Error).message}`, 'error');
    }
  }

  private add(id: string, record: ControllerRecord): void {
    if (!this.records.has(id)) this.roster.ids = undefined;
    this.outdate(id);
    this.records.set(id, record);
    this.byAddress.set(record.address, id);
    this.last.sequence = Math.max(this.last.sequence, record.sequence);
  }

  /** Something that a view is made of has changed. */
  private outdate(id: string): void {
    this.views.delete(id);
    this.roster.views = undefined;
  }

  private recordOf(device: DeviceView): DeviceRecord {
    return (device.controller && this.records.get(device.controller.id)) ?? this.gateway;
  }

  private async save(id: string | undefined): Promise<void> {
    const record: DeviceRecord | undefined = id === undefined ? this.gateway : this.records.get(id);
    try {
      const key = id === undefined ? 'gateway' : `devices/${id}`;
      await Promise.all([this.sensors.save(), this.store.save(key, record)]);
    } catch (error) {
      this.log(`cannot store ${id ?? 'the gateway'}: ${(error as Error).message}`, 'error');
    }
  }

  private view(id: string): DeviceView {
    const controller = this.fleet.controllers.get(id) as Controller;
    const { address, hidden = [], planned } = this.records.get(id) as ControllerRecord;
    const cached = this.views.get(id);
    if (cached?.birth === controller.birth) return cached.view;
    const { functions: all, className } = kindOf(controller.birth);
    const functions = hidden.length === 0 ? all : all.filter((spec) => !hidden.includes(spec.id));
    const view = { address, className, functions, all, controller, planned };
    this.views.set(id, { birth: controller.birth, view });
    return view;
  }

  private readGateway(functionId: string, name: string): Valued {
    const now = this.clock.now();
    const since = (value?: unknown): Valued => ({ value, time: this.gateway.created });
    if (name === 'currentTime') return { value: this.zones.toLocal(now, this.zoneOf(this.gatewayDevice())), time: now };
    if (name === 'timeZone') return since(this.info.timeZone);
    if (name === 'location') return this.info.location ? since(this.info.location) : {};
    if (name === 'deviceReset') return { value: true, time: this.started };
    if (name === 'newCmsAttached')
      return this.seat.newCmsAt === undefined ? {} : { value: true, time: this.seat.newCmsAt };
    const values: Record<string, Valued> =
      functionId === 'basic'
        ? { displayName: since('Réverbère gateway'), assetId: since(''), swVersion: since(this.info.version) }
        : {
            cmsUri: since(this.seat.cmsUri),
            cmsAddress: since(this.seat.cmsAddress),
            gatewayUri: since(this.info.gatewayUri),
            gatewayAddress: since(this.gatewayAddress()),
            retryPeriod: since(30),
            gatewayRetryPeriod: since(30),
            cmsRetryPeriod: since(30),
            gatewayNumberOfRetries: since(3),
            cmsNumberOfRetries: since(3),
            crlUrn: since(),
            vendor: since('Réverbère'),
          };
    return values[name] ?? {};
  }
}

function isEvent(device: DeviceView, functionId: string, name: string): boolean {
  const spec = device.functions.find(({ id }) => id === functionId);
  return spec?.attributes.find((entry) => entry.name === name)?.scope === 'event';
}
