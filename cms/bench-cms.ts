/**
 * A CMS for the bench: takes every gateway that comes, remembers what it was told, and can be asked to command the lamps.
 * Source: TALQ 2.7.1 §5.1 (bootstrap), §5.5-5.8.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { CmsClient, CmsError } from '../gateway/talq/cms-client.ts';
import { type Answered, CmsServer, content, introduced, NIL, type Received, type ServerTls } from './server.ts';

// biome-ignore lint/suspicious/noExplicitAny: what gateways say, as it came
type Json = any;

export const BASE = '/talq/cms';
/** Bytes of the longest answer of a gateway. */
const LONGEST_ANSWER = 67108864;

export interface Lamp {
  name: string;
  address: string;
  gateway: BenchGateway;
}

/** A gateway as this CMS knows it. */
export interface BenchGateway {
  /** What the CMS calls it. */
  address: string;
  /** Where it answers; empty until it has said so. */
  uri: string;
  attached: boolean;
  services: Json[];
  classes: Map<string, Json>;
  devices: Map<string, Json>;
}

export interface BenchOptions {
  tls?: ServerTls;
  /** A file that keeps addresses over a restart. */
  file?: string;
  /** Something worth telling happened. */
  tell(line: string): void;
  /** A log report came, entry by entry. */
  report?(logger: string, entry: Json): void;
}

export class BenchCms {
  cmsAddress: string = randomUUID();
  readonly gateways = new Map<string, BenchGateway>();
  readonly server: CmsServer;
  private readonly client: CmsClient;
  private waiting: (() => void)[] = [];

  /** Throws when the file is damaged. */
  constructor(private readonly options: BenchOptions) {
    this.server = new CmsServer(BASE, async (received) => this.answer(received), options.tls);
    this.client = new CmsClient(options.tls, LONGEST_ANSWER);
    this.load();
  }

  /** Every lamp of every gateway, by name. */
  lamps(): Lamp[] {
    const all = [...this.gateways.values()].flatMap((gateway) =>
      [...gateway.devices.values()]
        .filter(({ functions }) => functions.some(({ type }: Json) => type === 'LampActuatorFunction'))
        .map(({ name, address }) => ({ name, address, gateway })),
    );
    return all.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  /** Resolves when `condition` holds, looked at after every request of a gateway. Rejects after `patience` ms. */
  async until(condition: () => boolean, patience: number): Promise<void> {
    const end = performance.now() + patience;
    while (!condition()) {
      const left = end - performance.now();
      if (left <= 0) throw new Error(`not within ${patience / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Asks a gateway. @returns what it answers. Throws a CmsError when it refuses or is not there. */
  ask(gateway: BenchGateway, method: string, path: string, body?: unknown): Promise<Json> {
    if (gateway.uri === '') throw new CmsError('the gateway has not said where it is', undefined);
    const mark = path.includes('?') ? '&' : '?';
    const id = method === 'GET' ? '' : `&talqRequestId=${randomUUID()}`;
    const url = `${gateway.uri.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}${mark}clientAddress=${this.cmsAddress}${id}`;
    return this.client.ask(method, url, body);
  }

  /** The devices as the gateway has them now. */
  async refresh(gateway: BenchGateway): Promise<void> {
    const devices: Json[] = await this.ask(gateway, 'GET', 'devices');
    gateway.devices = new Map(devices.map((device) => [device.address, device]));
  }

  async close(): Promise<void> {
    this.client.close();
    await this.server.close();
  }

  private async answer(received: Received): Promise<Answered> {
    const { method, path, query, body } = received;
    if (query.clientAddress === NIL) {
      if (method === 'POST' && path === '/devices') return this.welcome(received);
      return refused(403, 'A gateway without address introduces itself first.');
    }
    const gateway = this.gateways.get(String(query.clientAddress).toLowerCase());
    // A gateway that meets this three times introduces itself again.
    if (!gateway) return refused(403, 'This gateway is not known here; it may introduce itself.');
    this.learn(gateway, method, path, body);
    setImmediate(() => {
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    return content(received);
  }

  private welcome({ body }: Received): Answered {
    const uri = body?.[0]?.functions?.[0]?.gatewayUri?.value;
    if (typeof uri !== 'string') return refused(400, 'The gateway does not say where it is.');
    for (const [address, other] of this.gateways) if (other.uri === uri) this.gateways.delete(address);
    const gateway = empty(randomUUID(), uri);
    this.gateways.set(gateway.address, gateway);
    this.save();
    this.options.tell(`gateway ${uri} introduces itself and is called ${gateway.address}`);
    return introduced(body, this.cmsAddress, gateway.address);
  }

  private learn(gateway: BenchGateway, method: string, path: string, body: Json): void {
    const { tell } = this.options;
    const [, resource, address] = path.split('/');
    if (resource === 'services') gateway.services = body;
    if (resource === 'device-classes' && Array.isArray(body)) {
      for (const one of body) gateway.classes.set(one.name, one);
      // The second list of classes ends the bootstrap; an empty one too.
      if (gateway.services.length > 0 && !gateway.attached) {
        gateway.attached = true;
        tell(`gateway ${gateway.uri} is attached: ${gateway.services.map(({ name }) => name).join(', ')}`);
      }
    }
    if (resource === 'log-reports') {
      for (const { entries = [], address: logger } of [body].flat()) {
        for (const entry of entries) this.options.report?.(logger, entry);
      }
    }
    if (resource !== 'devices') return;
    const sent: Json[] = [body ?? []].flat().map((one: Json) => ({ ...(address ? { address } : {}), ...one }));
    if (method === 'DELETE') {
      gateway.devices.delete(address);
      if (address === gateway.address) this.gateways.delete(address);
      return;
    }
    for (const device of sent) this.merge(gateway, device);
    if (method === 'POST') tell(`gateway ${gateway.uri} announces ${sent.map(({ name }) => name).join(', ')}`);
    // The gateway's own device with all attributes is step 1c; the CMS configures it, which is 1d.
    if (method === 'PATCH' && address === gateway.address && !gateway.attached)
      setImmediate(() => this.configure(gateway));
  }

  private merge(gateway: BenchGateway, device: Json): void {
    const known = gateway.devices.get(device.address);
    const functions = new Map((known?.functions ?? []).map((one: Json) => [one.id, one]));
    for (const one of device.functions ?? []) functions.set(one.id, { ...(functions.get(one.id) as Json), ...one });
    gateway.devices.set(device.address, { ...known, ...device, functions: [...functions.values()] });
  }

  private async configure(gateway: BenchGateway): Promise<void> {
    const own = gateway.devices.get(gateway.address);
    const given = own?.functions.find(({ type }: Json) => type === 'GatewayFunction');
    const cmsAddress = { type: 'AttributeString', value: this.cmsAddress };
    const body = { ...own, functions: [{ ...given, cmsAddress }] };
    try {
      await this.ask(gateway, 'PATCH', `devices/${gateway.address}`, body);
    } catch (error) {
      this.options.tell(`gateway ${gateway.uri} cannot be configured: ${(error as Error).message}`);
    }
  }

  private load(): void {
    const { file } = this.options;
    if (file === undefined) return;
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    try {
      const { cmsAddress, gateways } = JSON.parse(text);
      this.cmsAddress = cmsAddress;
      for (const { address, uri } of gateways) this.gateways.set(address, { ...empty(address, uri), attached: true });
    } catch (error) {
      throw new Error(`${file} is damaged: ${(error as Error).message}`);
    }
  }

  private save(): void {
    const { file } = this.options;
    if (file === undefined) return;
    const gateways = [...this.gateways.values()].map(({ address, uri }) => ({ address, uri }));
    writeFileSync(`${file}.new`, JSON.stringify({ cmsAddress: this.cmsAddress, gateways }));
    renameSync(`${file}.new`, file);
  }
}

function empty(address: string, uri: string): BenchGateway {
  return { address, uri, attached: false, services: [], classes: new Map(), devices: new Map() };
}

function refused(status: number, description: string): Answered {
  return [status, [{ key: 'genericError', description }]];
}
