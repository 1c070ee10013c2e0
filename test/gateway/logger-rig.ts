/** Loggers for tests of the gateway: configurations, a CMS that is attached, and what has come back. */
import assert from 'node:assert/strict';
import type { GatewayOptions } from '../../gateway/main.ts';
import { type Call, CMS, type Reply, Rig, T0 } from './rig.ts';
import { TestCms } from './test-cms.ts';

export const EVENTS = { type: 'EventRecordingMode', sourceEvents: { blackList: [] } };
export const AT_ONCE = { type: 'ImmediateReportingMode', delay: 0 };
/** @returns a logger of everything that is not said otherwise: all sources, all events, reported at once. */
export const logger = (address: string, more: object = {}, ownerCMS = CMS) => ({
  address,
  ownerCMS,
  sourceAddresses: { blackList: [] },
  recordingMode: EVENTS,
  reportingMode: AT_ONCE,
  ...more,
});

// biome-ignore lint/suspicious/noExplicitAny: entries of every kind
export type Data = any;
export interface Entry {
  cmsRefId?: string;
  data: Data;
}

export const dataOf = (entries: Entry[]): Data[] => entries.map(({ data }) => data);
/** @returns event types, with + and - for start and end. */
export const eventsOf = (entries: Entry[]): string[] =>
  dataOf(entries).map(({ eventType, startEndFlag }) =>
    startEndFlag === undefined ? eventType : `${startEndFlag ? '+' : '-'}${eventType}`,
  );

/** Lets the gateway's time go on, with time for its sockets. */
export async function pass(rig: Rig, ms: number, step = 1000): Promise<void> {
  for (const end = rig.now + ms; rig.now < end; ) {
    rig.now = Math.min(rig.now + step, end);
    rig.gateway.tick();
    await turns(2);
  }
  await turns(20);
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/** A gateway in open test mode, whose one CMS asks for what there is. */
export async function pulled(rig: Rig, address: string): Promise<Entry[]> {
  await turns(2);
  const reply = await rig.call('GET', `/log-reports/${encodeURIComponent(address)}`);
  assert.equal(reply.status, 200);
  assert.equal(reply.body.address, address);
  return reply.body.entries;
}

export async function create(rig: Rig, config: object, call: Call = {}): Promise<void> {
  const reply = await rig.call('POST', '/logger-configs', { ...call, body: config });
  assert.equal(reply.status, 201, reply.text);
  assert.equal(reply.text, '');
}

/** A gateway that has gone through the bootstrap with a CMS. */
export class Attached {
  rig!: Rig;
  private port = 0;

  private constructor(
    readonly cms: TestCms,
    private readonly options: Partial<GatewayOptions>,
  ) {}

  /** @param others CMSs that the gateway attaches itself to as well; they listen already */
  static async open(options: Partial<GatewayOptions> = {}, others: TestCms[] = []): Promise<Attached> {
    const cms = new TestCms();
    await cms.listen();
    const all = [cms, ...others].map(({ uri }) => ({ uri }));
    const attached = new Attached(cms, { cms: all, insecureHttp: true, ...options });
    await attached.start();
    await cms.until(3);
    const cmsAddress = { type: 'AttributeString', value: cms.cmsAddress };
    const functions = [{ id: 'gateway', type: 'GatewayFunction', cmsAddress }];
    const path = `/devices/${cms.gatewayAddress}`;
    // Without the other attributes of the function, which TALQ's text allows and its schema does not.
    assert.equal((await attached.call('PATCH', path, { body: { functions }, bad: true })).status, 200);
    await cms.until(5);
    return attached;
  }

  /** Another gateway on the same data, as after a restart. */
  async start(more: Partial<GatewayOptions> = {}): Promise<void> {
    const time = this.rig?.now ?? T0;
    let started: Rig | undefined;
    const rig = await Rig.start({ ...this.options, ...more, now: () => started?.now ?? time });
    rig.now = time;
    started = rig;
    this.rig = rig;
  }

  /** The CMS is away: nobody listens. */
  async down(): Promise<void> {
    this.port = Number(new URL(this.cms.uri).port);
    await this.cms.close();
  }

  async up(): Promise<void> {
    await this.cms.listen(this.port);
  }

  /** Joins a controller that the CMS gets to know. @returns its address */
  async join(id: string, born?: Map<number, unknown>, first?: Map<number, unknown>): Promise<string> {
    await this.rig.join(id, born, first);
    const known = () =>
      this.cms.received.some(({ method, path, body }) => {
        return method === 'POST' && path === '/devices' && body.some((one: { name: string }) => one.name === id);
      });
    while (!known()) await turns(1);
    return this.rig.address(id, this.cms.cmsAddress);
  }

  call(method: string, path: string, options: Call = {}): Promise<Reply> {
    return this.rig.call(method, path, { ...options, query: { clientAddress: this.cms.cmsAddress, ...options.query } });
  }

  logger(address: string, more: object = {}): object {
    return logger(address, more, this.cms.cmsAddress);
  }

  async create(address: string, more: object = {}): Promise<void> {
    assert.equal((await this.call('POST', '/logger-configs', { body: this.logger(address, more) })).status, 201);
  }

  /** @returns the reports of a logger that the CMS has acknowledged, in order. */
  reports(address?: string): Entry[][] {
    return this.cms.reports
      .filter(({ status, body }) => status === 201 && (!address || body.address === address))
      .map(({ body }) => body.entries);
  }

  entries(address?: string): Entry[] {
    return this.reports(address).flat();
  }

  /** Waits with the time standing still. */
  async until(condition: () => boolean, what = 'what was waited for'): Promise<void> {
    for (const end = Date.now() + 5000; !condition(); ) {
      if (Date.now() > end) assert.fail(`${what} does not come: ${this.rig.log.slice(-5).join('; ')}`);
      await turns(1);
    }
  }

  async close(): Promise<void> {
    await this.rig.close();
    await this.cms.close();
    assert.deepEqual(this.cms.violations, []);
  }
}
