/**
 * The gateway as a client of its CMS: attaches itself, announces classes and devices, and tells what was finished late.
 * Source: TALQ 2.7.1 §5.1 (bootstrap, resynchronisation), §3.4-3.5.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet.ts';
import type { Json, Store } from '../store/store.ts';
import type { Peer } from './api.ts';
import { GATEWAY_CLASS } from './functions.ts';
import { type DeviceView, type Model, NIL } from './model.ts';
import { VERSION } from './protocol.ts';
import type { Service } from './schemas.ts';

/** ms between two attempts to attach. */
const ATTACH_PERIOD = 30000;
/** ms that the CMS has to configure the gateway's device before the gateway goes on. */
const CONFIGURATION_TIME = 60000;
/** ms of real time that one request may take. */
const REQUEST_TIME = 10000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const MOST_REDIRECTS = 3;
/** Answers 403 in a row after which the CMS has plainly forgotten this gateway. */
const MOST_FORBIDDEN = 3;
/** Completions waiting to be told. */
const MOST_COMPLETIONS = 1000;

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
}

/** The CMS did not do what was asked; `final`: asking again would not help. */
class CmsError extends Error {
  constructor(
    message: string,
    readonly status: number | undefined,
  ) {
    super(message);
  }
  get final(): boolean {
    return this.status !== undefined && this.status !== 429 && this.status < 500;
  }
}

export class CmsConnection implements Peer {
  private record: CmsRecord;
  private running = false;
  private stopped = false;
  private generation = 0;
  private forbidden = 0;
  private wake: () => void = () => {};
  private onConfigured: () => void = () => {};
  private configuredAlready = false;
  private completions: { devices: DeviceView[]; origin: string }[] = [];
  private readonly stopping = new AbortController();
  private finished: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: {
      cmsUri: string;
      model: Model;
      fleet: Fleet;
      store: Store;
      clock: Clock;
      services(): Service[];
      /** Forgets everything of the CMS but the connection. */
      forget(): Promise<void>;
      log(line: string): void;
    },
  ) {
    this.record = this.fresh();
  }

  /** Takes up what was stored and starts to attach or to announce; needs the HTTP server to be listening. */
  async start(): Promise<void> {
    const stored = (await this.options.store.load()).get('cms') as unknown as CmsRecord | undefined;
    if (stored?.cmsUri === this.options.cmsUri) this.record = stored;
    this.publishAddresses();
    this.options.fleet.onChange((_controller, change) => {
      if (change === 'birth') this.wake();
    });
    this.running = true;
    this.finished = this.run();
  }

  knows(clientAddress: string): boolean {
    return this.record.cmsAddress !== NIL && clientAddress.toLowerCase() === this.record.cmsAddress;
  }

  get attaching(): boolean {
    return !this.record.attached;
  }

  configured(): void {
    this.configuredAlready = true;
    this.onConfigured();
    this.record.cmsAddress = this.options.model.addresses.cmsAddress;
    this.save();
  }

  completed(devices: DeviceView[], origin: string): void {
    if (this.completions.length >= MOST_COMPLETIONS) this.completions.shift();
    this.completions.push({ devices, origin });
    this.wake();
  }

  async erase(): Promise<void> {
    this.options.log('the CMS removed this gateway: everything of that CMS is forgotten, attaching anew');
    this.generation++;
    this.completions = [];
    this.record = this.fresh();
    await this.options.forget();
    this.publishAddresses();
    await this.save();
    this.wake();
  }

  async close(): Promise<void> {
    this.stopped = true;
    this.stopping.abort();
    this.wake();
    this.onConfigured();
    if (this.running) await this.finished;
  }

  private fresh(): CmsRecord {
    const { cmsUri } = this.options;
    return { cmsUri, cmsAddress: NIL, gatewayAddress: NIL, attached: false, classes: [], devices: {} };
  }

  private publishAddresses(): void {
    const { cmsUri, cmsAddress, gatewayAddress } = this.record;
    this.options.model.addresses = { cmsUri, cmsAddress, gatewayAddress };
  }

  private async save(): Promise<void> {
    try {
      await this.options.store.save('cms', structuredClone(this.record) as unknown as Json);
    } catch (error) {
      this.options.log(`cannot store the CMS connection: ${(error as Error).message}`);
    }
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const generation = this.generation;
      try {
        if (!this.record.attached) await this.attach();
        await this.announce();
        await this.complete();
        await this.pause(undefined, () => !this.record.attached || this.completions.length > 0 || this.news());
      } catch (error) {
        if (this.stopped) return;
        if (generation !== this.generation) continue;
        const { message, status } = error as CmsError;
        this.options.log(`CMS: ${message}; next attempt in ${ATTACH_PERIOD / 1000} s`);
        this.forbidden = status === 403 ? this.forbidden + 1 : 0;
        if (this.record.attached && this.forbidden >= MOST_FORBIDDEN) await this.erase();
        else if (!this.record.attached) this.record = this.fresh();
        this.publishAddresses();
        await this.pause(ATTACH_PERIOD, () => generation !== this.generation);
      }
    }
  }

  /** Steps 1 to 3 of the bootstrap. Throws a CmsError when one fails for good. */
  private async attach(): Promise<void> {
    const { model, log } = this.options;
    const generation = this.generation;
    this.configuredAlready = false;
    const created = await this.request('POST', 'devices', [this.introduction()], 1);
    const { gatewayAddress, cmsAddress } = readAddresses(created);
    this.record.gatewayAddress = gatewayAddress;
    this.record.cmsAddress = cmsAddress;
    this.publishAddresses();
    const own = model.classes().filter((entry) => entry.name === GATEWAY_CLASS);
    await this.post('device-classes', own);
    this.record.classes = [GATEWAY_CLASS];
    await this.request('PATCH', `devices/${gatewayAddress}`, model.toDevice(model.gatewayDevice()));
    await this.pause(CONFIGURATION_TIME, () => this.configuredAlready || generation !== this.generation, true);
    const services = this.options.services();
    await this.request('POST', 'services', services);
    this.record.services = JSON.stringify(services);
    await this.announceClasses(true);
    if (generation !== this.generation) throw new CmsError('removed while it was being attached', undefined);
    this.record.attached = true;
    this.record.devices = { [gatewayAddress]: GATEWAY_CLASS };
    await this.save();
    log(`attached to CMS ${cmsAddress} as gateway ${gatewayAddress}`);
  }

  private introduction() {
    const { model } = this.options;
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
    if (this.record.services !== JSON.stringify(this.options.services())) return true;
    return this.options.model.devices().some((view) => this.record.devices[view.address] !== view.className);
  }

  /** Classes before the first device that uses them, then new devices, then those whose class has changed. */
  private async announce(): Promise<void> {
    const { model } = this.options;
    await this.announceServices();
    const changed = model.devices().filter((view) => this.record.devices[view.address] !== view.className);
    if (changed.length === 0) return;
    await this.announceClasses(false);
    const fresh = changed.filter((view) => this.record.devices[view.address] === undefined);
    const known = changed.filter((view) => this.record.devices[view.address] !== undefined);
    if (fresh.length > 0) {
      await this.post(
        'devices',
        fresh.map((view) => model.toDevice(view)),
      );
    }
    if (known.length > 0)
      await this.request(
        'PATCH',
        'devices',
        known.map((view) => model.toDevice(view)),
      );
    for (const view of changed) this.record.devices[view.address] = view.className;
    await this.save();
  }

  /** Limits follow from the controllers in the field, and change with them. */
  private async announceServices(): Promise<void> {
    const services = this.options.services();
    const text = JSON.stringify(services);
    if (this.record.services === text) return;
    try {
      await this.request('POST', 'services', services);
    } catch (error) {
      // TALQ does not say that a CMS takes services twice; it can still ask for them.
      if (!(error as CmsError).final || (error as CmsError).status === 403) throw error;
      this.options.log(`CMS: ${(error as Error).message}; it does not know the new limits`);
    }
    this.record.services = text;
    await this.save();
  }

  private async announceClasses(always: boolean): Promise<void> {
    const classes = this.options.model.classes().filter((entry) => !this.record.classes.includes(entry.name));
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
    const { model } = this.options;
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
      await this.request('PATCH', 'devices', devices, undefined, next.origin);
      this.completions = this.completions.filter((entry) => entry !== next);
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
    const { model, clock } = this.options;
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
        const answer = await this.once(method, url, JSON.stringify(body));
        if (generation !== this.generation) throw new CmsError('the gateway was removed meanwhile', undefined);
        return answer;
      } catch (error) {
        const failure = error as CmsError;
        if (this.stopped || generation !== this.generation) throw failure;
        if (failure.status === 409 && attempt > 1) return undefined;
        if (failure.final || attempt >= most) throw failure;
        const wait = setting('gatewayRetryPeriod') * 1000;
        this.options.log(`CMS: ${failure.message}; again in ${wait / 1000} s`);
        const due = clock.now() + wait;
        await this.pause(wait, () => clock.now() >= due || generation !== this.generation);
      }
    }
  }

  private async once(method: string, url: string, body: string): Promise<unknown> {
    let target = url;
    for (let redirects = 0; ; redirects++) {
      const name = `${method} ${new URL(target).pathname}`;
      let response: Response;
      let text: string;
      try {
        response = await fetch(target, {
          method,
          body,
          redirect: 'manual',
          headers: { 'content-type': 'application/json', 'talq-api-version': VERSION, 'cache-control': 'no-transform' },
          signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(REQUEST_TIME)]),
        });
        text = await response.text();
      } catch (error) {
        const { message, cause } = error as Error & { cause?: { code?: string } };
        throw new CmsError(`${name}: ${cause?.code ?? message}`, undefined);
      }
      const location = response.headers.get('location');
      if ([301, 307, 308].includes(response.status) && location && redirects < MOST_REDIRECTS) {
        target = new URL(location, target).href;
        continue;
      }
      if (!response.ok)
        throw new CmsError(`${name} was answered with ${response.status} ${text.slice(0, 200)}`, response.status);
      try {
        return text === '' ? undefined : JSON.parse(text);
      } catch {
        throw new CmsError(`${name} was answered with something that is no JSON`, response.status);
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
