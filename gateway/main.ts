/**
 * The gateway: controllers on MQTT on one side, the TALQ 2.7.1 API on the other. `startGateway` wires the parts; run
 * directly, this file is the command line.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type BrokerClient, connectBroker, openBroker } from './broker.ts';
import { Clock } from './clock.ts';
import { Fleet, SUBSCRIPTIONS } from './fleet.ts';
import { openStore, type StoreOptions } from './store/open.ts';
import { BASE, buildApi } from './talq/api.ts';
import { CmsConnection } from './talq/cms.ts';
import { CmsClient } from './talq/cms-client.ts';
import { Groups } from './talq/groups.ts';
import { Library } from './talq/library.ts';
import { Model } from './talq/model.ts';
import { anyone, Peers } from './talq/peers.ts';
import { onEarth, type Place } from './talq/place.ts';
import { describeServices, limitsOf } from './talq/services.ts';
import { posixZone } from './talq/time-zones.ts';
import { Timetables } from './talq/timetables.ts';
import { TypeLibrary } from './talq/type-library.ts';

export interface GatewayOptions extends StoreOptions {
  /** Address to listen on; also of the embedded broker. Absent: 127.0.0.1 */
  host?: string;
  /** TCP port of the TALQ API; 0: any free one. */
  port: number;
  /** An external broker, e.g. mqtt://127.0.0.1:1883. Absent: the gateway brings its own. */
  brokerUrl?: string;
  /** TCP port of the gateway's own broker; absent or 0: any free one. */
  brokerPort?: number;
  /** Who commands. Absent or empty: open test mode. */
  cms?: CmsOptions[];
  /** Accepts what an operator must want on purpose: HTTP without TLS beyond this machine, or to a CMS. */
  insecureHttp?: boolean;
  /** Time zone of devices until a CMS says otherwise: an IANA name or a POSIX TZ string. Absent: UTC */
  timeZone?: string;
  /** Where devices are until a CMS says otherwise; absent: nobody knows, and lamps do without the sun. */
  location?: Place;
  /**
   * Local hour at which a program day starts. Absent: 12, so that a night is one program day and an exception in the
   * calendar holds from dusk to dawn.
   */
  dayOffset?: 0 | 12;
  /** ms UTC; a bench passes its simulated time. */
  now(): number;
  log(line: string): void;
}

/** One CMS that this gateway attaches itself to. */
export interface CmsOptions {
  /** Base URI of its TALQ API. */
  uri: string;
}

export interface Gateway {
  /** Base of the TALQ API, without a slash at the end. */
  readonly url: string;
  /** TCP port of the gateway's own broker; 0 with an external one. */
  readonly brokerPort: number;
  readonly fleet: Fleet;
  /** Looks at the time at once instead of within 100 ms; for whoever moves `now` by hand. */
  tick(): void;
  close(): Promise<void>;
}

/** Starts a gateway. Rejects with a message for the operator: an occupied port, an unsafe address, damaged data. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { host = '127.0.0.1', port, timeZone = 'Etc/UTC', location, dayOffset = 12, log } = options;
  checkSafety(host, options);
  const zone = posixZone(timeZone);
  if ('error' in zone) throw new Error(zone.error);
  if (location && !onEarth(location))
    throw new Error(`${location.latitude}, ${location.longitude} is not on the globe`);
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer; closer = closers.pop()) await closer();
  };
  try {
    const store = await openStore(options, log);
    closers.push(() => store.close());
    const clock = new Clock(options.now);
    closers.push(() => clock.close());
    const broker = options.brokerUrl ? undefined : await openBroker({ host, port: options.brokerPort ?? 0, log });
    if (broker) closers.push(() => broker.close());

    let client: BrokerClient | undefined;
    const fleet = new Fleet(clock, (topic, payload, qos) => client?.publish(topic, payload, qos), log);
    const info = { gatewayUri: '', version: version(), timeZone, location };
    const model = new Model(fleet, store, clock, info, log);
    await model.load();
    const library = new Library(model, store, () => limitsOf(fleet), log);
    await library.load();
    const groups = new Groups(store, log);
    await groups.load();
    const types = new TypeLibrary(model, store, () => model.ownTypes.list(), log);
    await types.load();
    const timetables = new Timetables(model, library, fleet, clock, dayOffset, log);
    library.lamps = timetables;
    const forget = async (owner?: string): Promise<void> => {
      await library.forget(owner);
      await groups.forget(owner);
      await model.forgetCms(owner);
      await types.forget(owner);
      timetables.bringAll();
    };
    const services = () => describeServices(limitsOf(fleet), dayOffset);
    const peers = new Peers<CmsConnection>();
    for (const { uri } of options.cms ?? []) {
      const cms: CmsConnection = new CmsConnection({
        cmsUri: uri,
        model,
        fleet,
        store,
        clock,
        client: new CmsClient(),
        services,
        forget,
        attached: () => peers.attached(cms),
        newCmsAttached: () => {},
        log,
      });
      await cms.load();
      peers.connections.push(cms);
    }
    const open = peers.connections.length === 0;
    const callers = open ? anyone(model, forget) : peers;
    const saved = () => store.flush();
    const api = buildApi({ library, groups, types, timetables, fleet, clock, callers, dayOffset, saved, log });
    closers.push(() => api.close());
    await api.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EADDRINUSE' ? new Error(`port ${port} (TALQ API) is occupied`) : error;
    });
    const address = api.server.address();
    const listening = address && typeof address === 'object' ? address.port : port;
    info.gatewayUri = `http://${reachable(host)}:${listening}${BASE}`;

    client = connectBroker({
      url: options.brokerUrl ?? `mqtt://${reachable(host)}:${broker?.port}`,
      subscriptions: SUBSCRIPTIONS,
      onMessage: (topic, payload, retained) => fleet.receive(topic, payload, retained),
      onLost: () => fleet.lose(),
      log,
    });
    closers.push(() => client?.close());
    if (broker) await client.ready;
    for (const cms of peers.connections) {
      closers.push(() => cms.close());
      cms.start();
    }
    log(`TALQ 2.7.1 at ${info.gatewayUri} over plain HTTP: TLS is not part of this version`);
    if (open) log('open test mode: no CMS, no bootstrap; any well-formed clientAddress counts as the one local CMS');
    return { url: info.gatewayUri, brokerPort: broker?.port ?? 0, fleet, tick: () => clock.tick(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function checkSafety(host: string, { cms = [], insecureHttp }: GatewayOptions): void {
  for (const { uri } of cms) {
    if (!/^https?:\/\//.test(URL.canParse(uri) ? uri : ''))
      throw new Error(`a CMS needs an http or https URI, not ${uri}`);
    if (cms.filter((other) => other.uri === uri).length > 1) throw new Error(`the CMS ${uri} is there twice`);
  }
  if (insecureHttp) return;
  if (cms.length > 0) {
    throw new Error('a CMS must reach the gateway over TLS, which is not part of this version: allow --insecure-http');
  }
  if (!['127.0.0.1', '::1', 'localhost'].includes(host)) {
    throw new Error(`open test mode stays on this machine: ${host} needs --insecure-http, and then anyone may command`);
  }
}

/** @returns the address that others use for a host that means all interfaces. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}

const HELP = `Usage: tsx gateway/main.ts [options]

Serves streetlight controllers on MQTT as TALQ 2.7.1 devices over HTTP.

  --port N           port of the TALQ API (8090)
  --host ADDRESS     address to listen on (127.0.0.1)
  --broker URL       external MQTT broker, e.g. mqtt://127.0.0.1:1883
  --broker-port N    port of the gateway's own broker (1883)
  --cms URI          CMS to attach to; may come several times; without it: open test mode, on this machine only
  --insecure-http    allow plain HTTP to a CMS or beyond this machine (TLS is not part of this version)
  --time-zone NAME   time zone of devices: IANA name or POSIX TZ string (UTC)
  --location LAT,LON where devices are, in degrees, e.g. 50.8503,4.3517
  --data DIRECTORY   where addresses, calendars and logs are kept, in a SQLite file; without it they are new at each start
  --database URL     PostgreSQL to keep them in instead, e.g. postgres://user:password@host/reverbere
  --help             this text
`;

/** @returns the options, or undefined for --help. Throws on a wrong flag. */
export function readFlags(flags: string[]): GatewayOptions | undefined {
  const { values } = parseArgs({
    args: flags,
    options: {
      port: { type: 'string', default: '8090' },
      host: { type: 'string', default: '127.0.0.1' },
      broker: { type: 'string' },
      'broker-port': { type: 'string', default: '1883' },
      cms: { type: 'string', multiple: true },
      'insecure-http': { type: 'boolean', default: false },
      'time-zone': { type: 'string' },
      location: { type: 'string' },
      data: { type: 'string' },
      database: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const toPort = (flag: string, text: string): number => {
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65535)
      throw new Error(`${flag} wants a port of 0..65535, not ${text}`);
    return Number(text);
  };
  const toPlace = (text: string): Place => {
    const place = /^(-?\d{1,3}(?:\.\d+)?),\s*(-?\d{1,3}(?:\.\d+)?)$/.exec(text);
    if (!place) throw new Error(`--location wants degrees as LAT,LON, not ${text}`);
    return { latitude: Number(place[1]), longitude: Number(place[2]) };
  };
  if (values.broker !== undefined && !/^mqtts?:\/\/./.test(values.broker)) {
    throw new Error(`--broker wants mqtt://host:port, not ${values.broker}`);
  }
  for (const uri of values.cms ?? []) {
    if (!/^https?:\/\/./.test(uri)) throw new Error(`--cms wants an http or https URI, not ${uri}`);
  }
  if (values.database !== undefined && !/^postgres(ql)?:\/\/./.test(values.database)) {
    throw new Error('--database wants postgres://user:password@host/database');
  }
  return {
    timeZone: values['time-zone'],
    location: values.location === undefined ? undefined : toPlace(values.location),
    port: toPort('--port', values.port),
    host: values.host,
    brokerUrl: values.broker,
    brokerPort: toPort('--broker-port', values['broker-port']),
    cms: values.cms?.map((uri) => ({ uri })),
    insecureHttp: values['insecure-http'],
    dataDirectory: values.data,
    database: values.database,
    now: Date.now,
    log: (line) => console.log(line),
  };
}

/** The command line. Exit code 2: a wrong flag; 1: it cannot start. */
async function run(flags: string[]): Promise<void> {
  let options: GatewayOptions | undefined;
  try {
    options = readFlags(flags);
  } catch (error) {
    console.error(`${(error as Error).message.split('. To specify')[0]} (see --help)`);
    process.exitCode = 2;
    return;
  }
  if (!options) {
    console.log(HELP);
    return;
  }
  try {
    const gateway = await startGateway(options);
    const stop = (): void => {
      gateway.close().then(() => process.exit(0));
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) void run(process.argv.slice(2));
