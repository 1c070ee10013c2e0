/**
 * The gateway as a client of its CMS: attaches itself, announces classes and devices, and tells what was finished late.
 * Source: TALQ 2.7.1 §5.1 (bootstrap, resynchronisation), §3.4-3.5.
 */

import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet.ts';
import type { Level, Log } from '../log.ts';
import { Drawer } from '../store/drawer.ts';
import type { Store } from '../store/store.ts';
import { type ClientCertificate, isCertificate } from '../tls/client-certificate.ts';
import { Answers } from './answers.ts';
import { Budget } from './budget.ts';
import { type CmsClient, CmsError } from './cms-client.ts';
import { GATEWAY_CLASS } from './functions.ts';
import { type DeviceView, type Model, NIL, type Seat } from './model.ts';
import type { Peer } from './peers.ts';
import { MINOR } from './protocol.ts';
import type { Device, DeviceClass, Service } from './schemas.ts';
import type { ControllerType } from './types.ts';
import { adaptedTo, TYPES_SINCE } from './versions.ts';

/** ms between two attempts to attach. */
const ATTACH_PERIOD = 30000;
/** ms that the CMS has to configure the gateway's device before the gateway goes on. */
const CONFIGURATION_TIME = 60000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Answers 403 in a row after which the CMS has plainly forgotten this gateway. */
const MOST_FORBIDDEN = 3;
/** Completions waiting to be told. */
const MOST_COMPLETIONS = 1000;
/** ms of real time between two looks for news: thousands of births may come at once. */
const BETWEEN_LOOKS = 200;
/** Devices announced in one request. */
const MOST_DEVICES = 500;

interface CmsRecord {
  cmsUri: string;
  cmsAddress: string;
  gatewayAddress: string;
  attached: boolean;
  classes: string[];
  /** Address of each announced device to the class it was announced with. */
  devices: Record<string, string>;
  /** The services as they were announced, as JSON. */
  services?: string;
  /** Attributes of its GatewayFunction that the CMS wrote. */
  values: Seat['values'];
  /** ms UTC at which another CMS was attached after this one. */
  newCmsAt?: number;
  /** The gateway's own controller types by their address, as they were announced, as JSON. */
  types?: Record<string, string>;
  /** Subject of the client certificate that the CMS came with first. */
  certificate?: string;
  /** MINOR of the version in which it was told everything. */
  minor?: number;
}

export interface ConnectionOptions {
  cmsUri: string;
  /** The client certificate that the operator expects; absent: the one that comes first. */
  certificate?: string;
  /** Begins with a resynchronisation. */
  resync?: boolean;
  model: Model;
  fleet: Fleet;
  store: Store;
  clock: Clock;
  client: CmsClient;
  /** @param minor of the version that the CMS speaks */
  services(minor: number): Service[];
  /** Forgets everything of the CMS with this cmsAddress but the connection. */
  forget(cmsAddress: string): Promise<void>;
  /** The bootstrap has ended well. */
  attached(): void;
  /** Another CMS was attached after this one. */
  newCmsAttached(): void;
  /** The CMS has set or cleared the URI of its revocation list. */
  crlUrn(uri: string): void;
  log: Log;
}

export class CmsConnection implements Peer, Seat {
  /** The devices as this CMS sees them. */
  readonly model: Model;
  readonly answers: Answers;
  readonly budget = new Budget();
  private record: CmsRecord;
  private running = false;
  private leaving: boolean;
  private stopped = false;
  private generation = 0;
  private forbidden = 0;
  private wake: () => void = () => {};
  private onConfigured: () => void = () => {};
  private configuredAlready = false;
  private completions: { devices: DeviceView[]; origin: string; told(): void }[] = [];
  private finished: Promise<void> = Promise.resolve();
  /** The classes of announced devices; one of thousands changes at a time. */
  private readonly announced: Drawer;
  private due = false;
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ConnectionOptions) {
    this.record = this.fresh();
    this.leaving = options.resync ?? false;
    this.model = options.model.seenBy(this);
    this.answers = new Answers(options.clock);
    options.model.seats.push(this);
    this.announced = new Drawer(options.store, `announced/${options.cmsUri} `);
  }

  /** Takes up what was stored; needs to be done before anybody asks. */
  async load(): Promise<void> {
    const { cmsUri, store, log } = this.options;
    const records = await store.load();
    const earlier = records.get('cms') as unknown as CmsRecord | undefined;
    const single = earlier?.cmsUri === cmsUri ? earlier : undefined;
    const stored = (records.get(this.key) as unknown as CmsRecord | undefined) ?? single;
    if (stored) this.record = { ...this.fresh(), ...stored };
    const { minor = MINOR } = this.record;
    if (minor < MINOR) this.options.client.version = `2.${minor}.0`;
    const announced = (await this.announced.load()) as Map<string, unknown> as Map<string, string>;
    this.record.devices = { ...stored?.devices, ...Object.fromEntries(announced) };
    if (!single) return;
    // Gateways for one CMS kept it under a shorter key.
    await this.save();
    await store
      .save('cms', undefined)
      .catch((error) => log(`cannot store the CMS connection: ${error.message}`, 'error'));
  }

  /** Starts to attach or to announce; needs the HTTP server to be listening. */
  start(): void {
    this.options.fleet.onChange((_controller, change) => {
      if (change === 'birth') this.lookSoon();
    });
    this.options.fleet.onRoster(() => this.lookSoon());
    this.running = true;
    this.options.crlUrn(this.crlUrn);
    this.finished = this.run();
  }

  /** Looks for news once for all births that come together. */
  private lookSoon(): void {
    if (this.due) return;
    this.due = true;
    const look = (): void => {
      this.due = false;
      this.lookedAt = performance.now();
      this.wake();
    };
    setTimeout(look, Math.max(this.lookedAt + BETWEEN_LOOKS - performance.now(), 0)).unref();
  }

  get cmsUri(): string {
    return this.options.cmsUri;
  }

  get cmsAddress(): string {
    return this.record.cmsAddress;
  }

  set cmsAddress(address: string) {
    this.record.cmsAddress = address;
  }

  get gatewayAddress(): string {
    return this.record.gatewayAddress;
  }

  get values(): Seat['values'] {
    return this.record.values;
  }

  get newCmsAt(): number | undefined {
    return this.record.newCmsAt;
  }

  knows(clientAddress: string): boolean {
    return this.record.cmsAddress !== NIL && clientAddress.toLowerCase() === this.record.cmsAddress;
  }

  /** Source: TALQ 2.7.1 §3.6; that a certificate and a clientAddress belong together is this gateway's rule. */
  admits(certificate: ClientCertificate): boolean {
    const { subject } = certificate;
    const { certificate: expected, model } = this.options;
    if (expected !== undefined) return isCertificate(certificate, expected);
    if (this.record.certificate !== undefined) return this.record.certificate === subject;
    const connections = model.seats.filter((seat) => seat instanceof CmsConnection);
    if (connections.some((one) => one.record.certificate === subject)) return false;
    this.record.certificate = subject;
    this.log(`its certificate is from now on that of ${subject}`);
    void this.save();
    return true;
  }

  private get crlUrn(): string {
    return String(this.record.values['gateway/crlUrn']?.value ?? '');
  }

  get attaching(): boolean {
    return !this.record.attached;
  }

  configured(): void {
    this.configuredAlready = true;
    this.onConfigured();
    this.options.crlUrn(this.crlUrn);
  }

  joined(): void {
    this.record.newCmsAt = this.options.clock.now();
    void this.save();
    this.options.newCmsAttached();
  }

  /** Sends one log report, once. @returns the status of the answer; undefined: none, or the gateway is not attached */
  async report(report: unknown, requestId: string): Promise<number | undefined> {
    if (this.stopped || this.attaching) return undefined;
    const { gatewayAddress } = this.record;
    const base = this.options.cmsUri.replace(/\/+$/, '');
    const url = `${base}/log-reports?clientAddress=${gatewayAddress}&talqRequestId=${requestId}`;
    const generation = this.generation;
    let status: number | undefined = 200;
    try {
      await this.options.client.ask('POST', url, report);
    } catch (error) {
      status = (error as CmsError).status;
      if (!this.stopped) this.log((error as Error).message);
    }
    if (generation !== this.generation) return undefined;
    this.forbidden = status === 403 ? this.forbidden + 1 : 0;
    if (this.forbidden >= MOST_FORBIDDEN) await this.erase();
    return status;
  }

  completed(devices: DeviceView[], origin: string): Promise<void> {
    if (this.completions.length >= MOST_COMPLETIONS) this.completions.shift();
    return new Promise((told) => {
      this.completions.push({ devices, origin, told });
      this.wake();
    });
  }

  async erase(why = 'the CMS removed this gateway'): Promise<void> {
    this.log(`${why}: everything of that CMS is forgotten, attaching anew`, 'warning');
    const { cmsAddress } = this.record;
    this.generation++;
    this.completions = [];
    this.record = this.fresh();
    this.options.crlUrn('');
    await this.options.forget(cmsAddress);
    await this.save();
    this.wake();
  }

  async close(): Promise<void> {
    this.stopped = true;
    this.options.client.close();
    this.wake();
    this.onConfigured();
    if (this.running) await this.finished;
  }

  private fresh(): CmsRecord {
    const { cmsUri } = this.options;
    return { cmsUri, cmsAddress: NIL, gatewayAddress: NIL, attached: false, classes: [], devices: {}, values: {} };
  }

  private get key(): string {
    return `cms/${this.options.cmsUri}`;
  }

  private log(line: string, level?: Level): void {
    this.options.log(`CMS ${this.options.cmsUri}: ${line}`, level);
  }

  async save(): Promise<void> {
    try {
      const { devices, ...record } = this.record;
      const announced = new Map(Object.entries(devices));
      await Promise.all([this.options.store.save(this.key, record), this.announced.keep(announced)]);
    } catch (error) {
      this.log(`cannot store the connection: ${(error as Error).message}`, 'error');
    }
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const generation = this.generation;
      try {
        if (this.leaving) await this.leave();
        if (!this.record.attached) await this.attach();
        await this.announce();
        await this.complete();
        await this.pause(undefined, () => !this.record.attached || this.completions.length > 0 || this.news());
      } catch (error) {
        if (this.stopped) return;
        if (generation !== this.generation) continue;
        const { message, status } = error as CmsError;
        this.log(`${message}; next attempt in ${ATTACH_PERIOD / 1000} s`, 'warning');
        this.forbidden = status === 403 ? this.forbidden + 1 : 0;
        if (this.record.attached && this.forbidden >= MOST_FORBIDDEN) await this.erase();
        else if (!this.record.attached) this.record = this.fresh();
        await this.pause(ATTACH_PERIOD, () => generation !== this.generation);
      }
    }
  }

  /** The operator wants a new beginning: the CMS forgets the gateway, then the gateway the CMS. Source: TALQ 2.7.1 §5.1. */
  private async leave(): Promise<void> {
    if (this.record.attached) {
      try {
        await this.request('DELETE', `devices/${this.record.gatewayAddress}`, undefined);
      } catch (error) {
        const { final, message } = error as CmsError;
        if (!final) throw error;
        this.log(`${message}; it does not know this gateway any more`, 'warning');
      }
    }
    this.leaving = false;
    if (this.record.attached) await this.erase('the operator asked for it');
  }

  /** Steps 1 to 3 of the bootstrap. Throws a CmsError when one fails for good. */
  private async attach(): Promise<void> {
    const { model } = this;
    const generation = this.generation;
    this.configuredAlready = false;
    const created = await this.request('POST', 'devices', [this.introduction()], 1);
    const { gatewayAddress, cmsAddress } = readAddresses(created);
    this.checkFree(gatewayAddress, cmsAddress);
    this.record.gatewayAddress = gatewayAddress;
    this.record.cmsAddress = cmsAddress;
    const own = this.classes().filter((entry) => entry.name === GATEWAY_CLASS);
    await this.post('device-classes', own);
    this.record.classes = [GATEWAY_CLASS];
    await this.request('PATCH', `devices/${gatewayAddress}`, this.toDevice(model.gatewayDevice()));
    await this.pause(CONFIGURATION_TIME, () => this.configuredAlready || generation !== this.generation, true);
    const services = this.options.services(this.minor);
    await this.request('POST', 'services', services);
    this.record.services = JSON.stringify(services);
    await this.announceClasses(true);
    if (generation !== this.generation) throw new CmsError('removed while it was being attached', undefined);
    this.record.attached = true;
    this.record.devices = { [gatewayAddress]: GATEWAY_CLASS };
    await this.save();
    this.log(`attached to CMS ${this.record.cmsAddress} as gateway ${gatewayAddress}`);
    this.options.attached();
  }

  /** Who calls, and whom a call means, must be told apart. */
  private checkFree(gatewayAddress: string, cmsAddress: string): void {
    const { model } = this;
    const others = model.seats.filter((seat) => seat !== this);
    if (others.some((seat) => seat.cmsAddress === cmsAddress)) {
      throw new CmsError(`it calls itself ${cmsAddress}, which is another CMS of this gateway`, 200);
    }
    if (others.some((seat) => seat.gatewayAddress === gatewayAddress) || model.find(gatewayAddress)) {
      throw new CmsError(`it calls this gateway ${gatewayAddress}, which is something else already`, 200);
    }
  }

  private get minor(): number {
    return this.options.client.minor;
  }

  private classes(): DeviceClass[] {
    return this.model.classes().map((one) => adaptedTo(this.minor, one));
  }

  private toDevice(view: DeviceView): Device {
    return adaptedTo(this.minor, this.model.toDevice(view));
  }

  /** A CMS that speaks another version than before is told everything as that version has it. */
  private adapt(): void {
    const { record, minor } = this;
    if (record.minor !== undefined && record.minor !== minor) {
      this.log(`it speaks 2.${minor} now, 2.${record.minor} before`);
      record.classes = [];
      for (const address of Object.keys(record.devices)) record.devices[address] = '';
    }
    record.minor = minor;
  }

  private introduction() {
    const { model } = this;
    const uri = (value: string) => ({ type: 'AttributeUri', value });
    const nobody = { type: 'AttributeString', value: NIL };
    return {
      address: NIL,
      name: model.nameOf(model.gatewayDevice()),
      class: GATEWAY_CLASS,
      functions: [
        {
          id: 'gateway',
          type: 'GatewayFunction',
          cmsUri: uri(this.options.cmsUri),
          cmsAddress: nobody,
          gatewayUri: uri(model.info.gatewayUri),
          gatewayAddress: nobody,
        },
      ],
    };
  }

  private news(): boolean {
    if (this.record.services !== JSON.stringify(this.options.services(this.minor))) return true;
    if (this.changedTypes().length > 0 || this.gone().length > 0) return true;
    return this.model.devices().some((view) => this.record.devices[view.address] !== view.className);
  }

  /** Classes and types before the first device that uses them, then new devices, then those whose class has changed. */
  private async announce(): Promise<void> {
    const { model } = this;
    this.adapt();
    await this.announceServices();
    await this.announceTypes();
    await this.withdraw();
    const changed = model.devices().filter((view) => this.record.devices[view.address] !== view.className);
    if (changed.length === 0) return;
    await this.announceClasses(false);
    const fresh = changed.filter((view) => this.record.devices[view.address] === undefined);
    const known = changed.filter((view) => this.record.devices[view.address] !== undefined);
    for (let i = 0; i < fresh.length; i += MOST_DEVICES) {
      const some = fresh.slice(i, i + MOST_DEVICES);
      await this.post(
        'devices',
        some.map((view) => this.toDevice(view)),
      );
      await this.note(some);
    }
    for (let i = 0; i < known.length; i += MOST_DEVICES) {
      const some = known.slice(i, i + MOST_DEVICES);
      await this.request(
        'PATCH',
        'devices',
        some.map((view) => this.toDevice(view)),
      );
      await this.note(some);
    }
  }

  /** @returns the addresses of devices that the CMS knows, and that are no more. */
  private gone(): string[] {
    return Object.keys(this.record.devices).filter((address) => !this.model.find(address));
  }

  private async withdraw(): Promise<void> {
    for (const address of this.gone()) {
      try {
        await this.request('DELETE', `devices/${address}`, undefined);
      } catch (error) {
        // The CMS may keep its own picture of a device that it needs; it was told.
        if (!(error as CmsError).final || (error as CmsError).status === 403) throw error;
        if ((error as CmsError).status !== 404) this.log((error as Error).message);
      }
      await this.deleted(address);
    }
  }

  async offered(packageId: string): Promise<unknown> {
    const base = this.options.cmsUri.replace(/\/+$/, '');
    const url = `${base}/data-packages/${encodeURIComponent(packageId)}?clientAddress=${this.record.gatewayAddress}`;
    try {
      return await this.options.client.ask('GET', url, undefined);
    } catch (error) {
      // Packages are optional for a CMS: one that has no such list says so in its own way.
      if ((error as CmsError).final) return undefined;
      throw error;
    }
  }

  async created(devices: DeviceView[]): Promise<void> {
    await this.note(devices);
  }

  async deleted(address: string): Promise<void> {
    delete this.record.devices[address];
    await this.save();
  }

  /** These devices are known to the CMS. */
  private async note(views: DeviceView[]): Promise<void> {
    for (const view of views) this.record.devices[view.address] = view.className;
    await this.save();
  }

  /** Limits follow from the controllers in the field, and change with them. */
  private async announceServices(): Promise<void> {
    const services = this.options.services(this.minor);
    const text = JSON.stringify(services);
    if (this.record.services === text) return;
    try {
      await this.request('POST', 'services', services);
    } catch (error) {
      // TALQ does not say that a CMS takes services twice; it can still ask for them.
      if (!(error as CmsError).final || (error as CmsError).status === 403) throw error;
      this.log(`${(error as Error).message}; it does not know the new limits`, 'warning');
    }
    this.record.services = text;
    await this.save();
  }

  private changedTypes(): ControllerType[] {
    if (this.minor < TYPES_SINCE) return [];
    return this.model.ownTypes.list().filter((type) => this.record.types?.[type.address] !== JSON.stringify(type));
  }

  /** The gateway's own types: new ones, and those whose controllers say something else now. */
  private async announceTypes(): Promise<void> {
    const changed = this.changedTypes();
    const known = changed.filter(({ address }) => this.record.types?.[address] !== undefined);
    const fresh = changed.filter((type) => !known.includes(type));
    try {
      if (fresh.length > 0) await this.post('controller-types', fresh);
      if (known.length > 0) await this.request('PUT', 'controller-types', known);
    } catch (error) {
      // Types are optional for a CMS: one that has none takes the devices all the same.
      if (!(error as CmsError).final || (error as CmsError).status === 403) throw error;
      this.options.log(`CMS: ${(error as Error).message}; it does not know the controller types`, 'warning');
    }
    if (changed.length === 0) return;
    this.record.types = { ...this.record.types };
    for (const type of changed) this.record.types[type.address] = JSON.stringify(type);
    await this.save();
  }

  private async announceClasses(always: boolean): Promise<void> {
    const classes = this.classes().filter((entry) => !this.record.classes.includes(entry.name));
    if (classes.length === 0 && !always) return;
    await this.post('device-classes', classes);
    this.record.classes.push(...classes.map((entry) => entry.name));
  }

  /**
   * Announces a list. What the CMS has already, from before a restart that came too early to note it, is replaced; the
   * CMS refuses a list as a whole, so then its items go one by one.
   */
  private async post(path: string, items: unknown[]): Promise<void> {
    try {
      await this.request('POST', path, items);
    } catch (error) {
      if ((error as CmsError).status !== 409) throw error;
      if (items.length === 1) await this.request('PUT', path, items);
      else for (const item of items) await this.post(path, [item]);
    }
  }

  private async complete(): Promise<void> {
    const { model } = this;
    for (;;) {
      const next = this.completions[0];
      if (!next) return;
      const devices = next.devices.map((view) => ({
        address: view.address,
        name: model.nameOf(view),
        class: view.className,
        functions: view.functions
          .filter((spec) => spec.type === 'LampActuatorFunction')
          .map((spec) => model.toFunction(view, spec)),
      }));
      try {
        await this.request('PATCH', 'devices', devices, undefined, next.origin);
      } catch (error) {
        // What the CMS refuses for good would keep all others from being told.
        if (!(error as CmsError).final || (error as CmsError).status === 403) throw error;
        this.log(`${(error as Error).message}; it does not hear that ${next.origin} is done`, 'warning');
      }
      this.completions = this.completions.filter((entry) => entry !== next);
      next.told();
    }
  }

  /**
   * Asks the CMS and repeats under the same id while it does not answer or is in trouble. A refusal as already existing,
   * given to a repetition, means that the first one had arrived.
   * @param attempts how often at most; the gateway's own setting when absent
   */
  private async request(
    method: string,
    path: string,
    body: unknown,
    attempts?: number,
    origin?: string,
  ): Promise<unknown> {
    const { model } = this;
    const { clock, client, store } = this.options;
    const own = model.gatewayDevice();
    const setting = (name: string): number => Number(model.read(own, 'gateway', name).value);
    const most = attempts ?? setting('gatewayNumberOfRetries') + 1;
    const generation = this.generation;
    const base = this.options.cmsUri.replace(/\/+$/, '');
    const id = randomUUID();
    const caller = this.record.gatewayAddress;
    const cause = origin ? `&talqOriginRequestId=${origin}` : '';
    const url = `${base}/${path}?clientAddress=${caller}&talqRequestId=${id}${cause}`;
    for (let attempt = 1; ; attempt++) {
      try {
        // What the CMS is told of must be there after a restart too: addresses above all.
        await store.flush();
        const answer = await client.ask(method, url, body);
        if (generation !== this.generation) throw new CmsError('the gateway was removed meanwhile', undefined);
        return answer;
      } catch (error) {
        const failure = error as CmsError;
        if (this.stopped || generation !== this.generation) throw failure;
        if (failure.status === 409 && attempt > 1) return undefined;
        if (failure.final || attempt >= most) throw failure;
        const wait = setting('gatewayRetryPeriod') * 1000;
        this.log(`${failure.message}; again in ${wait / 1000} s`, 'warning');
        const due = clock.now() + wait;
        await this.pause(wait, () => clock.now() >= due || generation !== this.generation);
      }
    }
  }

  /** Waits until `due` ms have passed (undefined: for ever), `until` holds, or the connection closes. */
  private pause(due: number | undefined, until: () => boolean, configuration = false): Promise<void> {
    if (this.stopped || until()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        cancel?.();
        this.wake = () => {};
        if (configuration) this.onConfigured = () => {};
        resolve();
      };
      const cancel = due === undefined ? undefined : this.options.clock.after(due, done);
      const look = (): void => {
        if (this.stopped || until()) done();
      };
      this.wake = look;
      if (configuration) this.onConfigured = look;
    });
  }
}

/** @returns the two addresses in the CMS's answer to the introduction. Throws a CmsError when they are not there. */
function readAddresses(created: unknown): { gatewayAddress: string; cmsAddress: string } {
  const device = Array.isArray(created) ? created[0] : undefined;
  const functions: unknown[] = Array.isArray(device?.functions) ? device.functions : [];
  const own = functions.find((entry) => (entry as { type?: string })?.type === 'GatewayFunction') as
    | Record<string, { value?: unknown } | undefined>
    | undefined;
  const gatewayAddress = String(own?.gatewayAddress?.value ?? device?.address ?? '').toLowerCase();
  const cmsAddress = String(own?.cmsAddress?.value ?? '').toLowerCase();
  for (const address of [gatewayAddress, cmsAddress]) {
    if (!UUID.test(address) || address === NIL) throw new CmsError('the CMS gave no addresses', 200);
  }
  return { gatewayAddress, cmsAddress };
}
