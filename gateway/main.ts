/**
 * The gateway: controllers on MQTT on one side, the TALQ 2.7.1 API on the other. `startGateway` wires the parts; run
 * directly, this file is the command line.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { globalAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { join } from 'node:path';
import { type DetailedPeerCertificate, type PeerCertificate, checkServerIdentity as tlsCheck } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { type BrokerClient, connectBroker, openBroker } from './broker.ts';
import { Clock } from './clock.ts';
import { Configurations } from './configurations.ts';
import { Fleet, SUBSCRIPTIONS } from './fleet.ts';
import { Inbox } from './inbox.ts';
import { SHARED } from './intake.ts';
import { GATEWAY_USER } from './keys/access.ts';
import type { ControllerKeys } from './keys/controller-keys.ts';
import { GroupKeys } from './keys/group-keys.ts';
import { Guard } from './keys/guard.ts';
import { KeyFile } from './keys/key-file.ts';
import { type Log, openLog, safeLog } from './log.ts';
import { type Place, startMember } from './member.ts';
import { runBackup } from './operate/backup.ts';
import type { Subject } from './operate/metrics.ts';
import { Operation } from './operate/operation.ts';
import { type GatewayOptions, HELP, readOptions, type TlsFiles } from './options.ts';
import { listenFault } from './ports.ts';
import { type KeyStore, Seals } from './seal.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { BASE, buildApi } from './talq/api.ts';
import { CmsConnection } from './talq/cms.ts';
import { CmsClient } from './talq/cms-client.ts';
import { EventFeed } from './talq/feed.ts';
import { tellFieldEvents } from './talq/field-events.ts';
import { Groups } from './talq/groups.ts';
import { LampFits, watchedLamp } from './talq/lamp-types.ts';
import { Library } from './talq/library.ts';
import { Loggers } from './talq/loggers.ts';
import { Model } from './talq/model.ts';
import { Monitors } from './talq/monitors.ts';
import { Packages, type Supplier } from './talq/packages.ts';
import { anyone, Peers } from './talq/peers.ts';
import { onEarth } from './talq/place.ts';
import { Promises } from './talq/promised.ts';
import { Reach } from './talq/reach.ts';
import type { Post } from './talq/reporter.ts';
import { describeServices, limitsOf } from './talq/services.ts';
import { posixZone } from './talq/time-zones.ts';
import { Timetables } from './talq/timetables.ts';
import { TypeLibrary } from './talq/type-library.ts';
import { Watch } from './talq/watch.ts';
import { Keys } from './tls/keys.ts';
import { Revocations } from './tls/revocations.ts';

/** ms of real time: for requests in hand when the gateway ends, and for its end as a whole. */
const REQUEST_TIME = 6000;
const LONGEST_STOP = 10000;

export type { GatewayOptions } from './options.ts';

export interface Gateway {
  /** Base of the TALQ API, without a slash at the end. */
  readonly url: string;
  /** TCP port of the gateway's own broker; 0 with an external one. */
  readonly brokerPort: number;
  /** TCP port of health and metrics; absent: there is none. */
  readonly managementPort?: number;
  readonly fleet: Fleet;
  /** What stands between the broker and the fleet. */
  readonly seals: Seals;
  /** Looks at the time at once instead of within 100 ms; for whoever moves `now` by hand. */
  tick(): void;
  close(): Promise<void>;
}

/** Starts a gateway. Rejects with a message for the operator: an occupied port, an unsafe address, damaged data. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { managementPort, managementHost = '127.0.0.1' } = options;
  if (managementPort === undefined) return start(options);
  const operation = await Operation.open(version(), managementHost, managementPort);
  try {
    const gateway = await start(options, operation);
    safeLog(options.log)(`health and metrics at http://${reachable(managementHost)}:${operation.port}`);
    const close = async (): Promise<void> => {
      operation.stopping();
      await gateway.close().finally(() => operation.close());
    };
    return Object.create(gateway, { close: { value: close }, managementPort: { value: operation.port } });
  } catch (error) {
    await operation.close();
    throw error;
  }
}

async function start(options: GatewayOptions, operation?: Operation): Promise<Gateway> {
  const { database, store } = options;
  const log = safeLog(options.log);
  if (database === undefined || store) return lead({ ...options, log }, undefined, operation);
  checkSafety(options.host ?? '127.0.0.1', options);
  const account = accountOf(options);
  const begin = (place: Place) => lead({ ...options, log }, place, operation);
  return startMember({ ...options, log, database }, account, begin, operation);
}

/** @param place where it leads; absent: it is the only one on its store */
async function lead(options: GatewayOptions, place?: Place, operation?: Operation): Promise<Gateway> {
  const { host = '127.0.0.1', brokerHost = '127.0.0.1', timeZone = 'Etc/UTC', location, dayOffset = 12, log } = options;
  checkSafety(host, options);
  const zone = posixZone(timeZone);
  if ('error' in zone) throw new Error(zone.error);
  if (location && !onEarth(location))
    throw new Error(`${location.latitude}, ${location.longitude} is not on the globe`);
  const port = place?.port ?? options.port;
  const leads = place?.leads ?? (() => true);
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer; closer = closers.pop()) await closer();
  };
  try {
    const store = place?.store ?? (await openStore(options, log));
    closers.push(() => store.close());
    operation?.use(store);
    const clock = new Clock(options.now);
    closers.push(() => clock.close());
    const keyFile = options.keysFile === undefined ? undefined : new KeyFile(options.keysFile, log);
    closers.push(() => keyFile?.close());
    if (!keyFile && !options.keys) log('no keys of controllers (--keys): none of them is believed', 'warning');
    const account = accountOf(options);
    const guard = guardOf(brokerHost, options, keyFile?.keys ?? options.keys, account.password);
    const broker = options.brokerUrl
      ? undefined
      : await openBroker({ host: brokerHost, port: options.brokerPort ?? 0, guard, log });
    if (broker) closers.push(() => broker.close());
    if (broker && guard) {
      log(
        `MQTT broker at ${brokerHost}:${broker.port} asks for passwords, which travel in clear over plain MQTT`,
        'warning',
      );
    }

    let client: BrokerClient | undefined;
    const groupKeys = new GroupKeys(store, log);
    await groupKeys.load();
    const seals: Seals = new Seals({
      keys: keyFile?.keys ?? options.keys ?? NO_KEYS,
      groups: groupKeys,
      store,
      now: () => clock.now(),
      publish: (topic, payload, qos, retain) => {
        if (leads()) client?.publish(topic, payload, qos, retain);
      },
      deliver: (topic, payload, retained) => fleet.receive(topic, payload, retained),
      log,
    });
    await seals.load();
    const fleet = new Fleet(clock, (topic, content, qos, retain) => seals.publish(topic, content, qos, retain), log);
    const info = { gatewayUri: '', version: version(), timeZone, location };
    const model = new Model(fleet, store, clock, info, log);
    await model.load();
    const library = new Library(model, store, () => limitsOf(fleet), log);
    await library.load();
    const groups = new Groups(store, log);
    await groups.load();
    const configurations = new Configurations(fleet, clock, log);
    const reach = new Reach(model, groups, fleet, configurations, groupKeys, store, log);
    await reach.load();
    (keyFile?.keys ?? options.keys)?.onChange((ids) => reach.distrust(ids));
    const types = new TypeLibrary(model, store, () => model.ownTypes.list(), log);
    await types.load();
    const timetables = new Timetables(model, library, fleet, configurations, clock, dayOffset, log);
    library.lamps = timetables;
    const peers = new Peers<CmsConnection>();
    const modelOf = (owner: string): Model => peers.find(owner)?.model ?? model;
    const feed = new EventFeed();
    const tls = options.tls && openTls(options.tls, store, clock, log);
    if (tls) closers.push(() => tls.close());
    const packages =
      options.dataDirectory === undefined
        ? undefined
        : new Packages({
            directory: join(options.dataDirectory, 'packages'),
            store,
            clock,
            agents: () => ({ plain: globalAgent, secure: new TlsAgent({ ...tls?.client(), minVersion: 'TLSv1.2' }) }),
            supplier: (owner) => supplierOf(peers.find(owner), model),
            tell: (owner, eventType, info) => {
              log(`${eventType}: ${info}`);
              feed.emit({ functionId: 'gateway', eventType, phase: 'instant', time: clock.now(), info, owner });
            },
            log,
          });
    const post = postOf(peers, modelOf);
    const loggers = new Loggers({
      fleet,
      feed,
      clock,
      store,
      model,
      modelOf,
      groups,
      post,
      most: options.logEntries,
      log,
    });
    const monitors = new Monitors(model, fleet, configurations, log);
    monitors.lampOf = (device) => watchedLamp(types, device);
    const promises = new Promises(store, feed, log);
    const fits = new LampFits(model, types, feed, clock);
    types.changed = () => {
      monitors.bringAll();
      fits.lookAll();
    };
    const forget = async (owner?: string): Promise<void> => {
      await loggers.forget(owner);
      await packages?.forget(owner);
      await library.forget(owner);
      await groups.forget(owner);
      await promises.forget(owner);
      await model.forgetCms(owner);
      await types.forget(owner);
      timetables.bringAll();
      monitors.bringAll();
      fits.lookAll();
    };
    const services = (minor: number) => describeServices(limitsOf(fleet), dayOffset, packages !== undefined, minor);
    for (const { uri, certificate } of options.cms ?? []) {
      const connection = new CmsClient(tls?.client());
      connection.allowed = leads;
      tls?.keys.onRenewal(() => connection.useTls(tls.client()));
      const cms: CmsConnection = new CmsConnection({
        cmsUri: uri,
        certificate,
        resync: options.resync,
        model,
        fleet,
        store,
        clock,
        client: connection,
        services,
        forget,
        attached: () => peers.attached(cms),
        newCmsAttached: () => {
          const event = { functionId: 'gateway', eventType: 'newCmsAttached', phase: 'instant' } as const;
          feed.emit({ ...event, time: clock.now(), owner: cms.cmsAddress });
        },
        crlUrn: (list) => void tls?.revocations.use(uri, list),
        log,
      });
      await cms.load();
      peers.connections.push(cms);
    }
    const open = peers.connections.length === 0;
    const callers = open ? anyone(model, clock, forget) : peers;
    const saved = () => store.flush();
    const { longestBody, insecureHttp } = options;
    const server = insecureHttp ? undefined : tls;
    const api = buildApi({
      library,
      groups,
      reach,
      promises,
      types,
      loggers,
      feed,
      packages,
      timetables,
      monitors,
      fleet,
      clock,
      callers,
      dayOffset,
      saved,
      longestBody,
      observe: (...request) => operation?.metrics.request(...request),
      tls: server,
      leads,
      log,
    });
    // Before anybody can ask for more: what was promised later replaces what was promised before.
    await promises.start({ model, fleet, clock, timetables }, (owner) => callers.find(owner));
    await packages?.start();
    closers.push(() => packages?.close());
    closers.push(() => api.close());
    await api.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
      throw listenFault(error, port, 'TALQ API');
    });
    const address = api.server.address();
    const listening = address && typeof address === 'object' ? address.port : port;
    const url = `${server ? 'https' : 'http'}://${reachable(host)}:${listening}${BASE}`;
    info.gatewayUri = options.publicUri ?? url;

    await loggers.start();
    promises.tellFailures();
    const watch = new Watch(model, fleet, feed, store, clock, log);
    await watch.start();
    const telling = await tellFieldEvents(fleet, model, feed, clock, store);
    const inbox = new Inbox({
      store,
      fleet,
      clock,
      publish: (topic, payload, qos) => seals.publish(topic, payload, qos),
      days: options.recordDays,
      most: options.records,
      shared: place?.lease !== undefined,
      log,
    });
    await inbox.start();
    if (place?.lease) place.lease.heard = (notice) => inbox.heard(notice);
    client = connectBroker({
      url: options.brokerUrl ?? `mqtt://${reachable(brokerHost)}:${broker?.port}`,
      ...account,
      // What is shared by several gateways comes to all of them, and from there through the database.
      subscriptions: place?.lease
        ? SUBSCRIPTIONS.filter((topic) => !SHARED.some((one) => one.endsWith(topic)))
        : SUBSCRIPTIONS,
      onMessage: (topic, payload, retained) => {
        operation?.metrics.message(topic);
        seals.receive(topic, payload, retained);
      },
      onLost: () => fleet.lose(),
      log,
    });
    closers.push(() => client?.close());
    closers.push(() => loggers.close());
    closers.push(() => watch.close());
    closers.push(telling);
    closers.push(() => inbox.close());
    if (broker) await client.ready;
    for (const cms of peers.connections) {
      closers.push(() => cms.close());
      cms.start();
    }
    const subject: Subject = {
      fleet,
      refused: seals.refused,
      connected: () => client?.connected ?? false,
      cms: () => peers.connections.map(({ cmsUri, attaching }) => ({ uri: cmsUri, attached: !attaching })),
      waiting: async () => {
        const found = await loggers.waitingFor();
        return new Map([...found].map(([owner, count]) => [peers.find(owner)?.cmsUri ?? 'none', count]));
      },
    };
    if (operation) closers.push(operation.lead(subject));
    // First of all: requests in hand are still answered, with everything that they need at work.
    closers.push(() => finish(api, leads()));
    log(`TALQ 2.7.1 at ${url}${server ? '' : ' over plain HTTP, for a bench: nobody proves who they are'}`);
    if (open)
      log('open test mode: no CMS, no bootstrap; any well-formed clientAddress counts as the one local CMS', 'warning');
    return { url, brokerPort: broker?.port ?? 0, fleet, seals, tick: () => clock.tick(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Nobody is believed. */
const NO_KEYS: KeyStore = { find: () => undefined };

/** Lets the API answer what it was asked, if it still can, and takes no more connections. */
async function finish(api: ReturnType<typeof buildApi>, patient: boolean): Promise<void> {
  const { server } = api;
  if (!patient) server.closeAllConnections();
  // A connection that is kept alive would be waited for.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const limit = setTimeout(() => server.closeAllConnections(), REQUEST_TIME);
  await api.close();
  clearInterval(sweep);
  clearTimeout(limit);
}

const LOCAL = ['127.0.0.1', '::1', 'localhost'];

function checkSafety(host: string, { cms = [], insecureHttp, tls }: GatewayOptions): void {
  for (const { uri } of cms) {
    if (!/^https?:\/\//.test(URL.canParse(uri) ? uri : '')) {
      throw new Error(`a CMS needs an http or https URI, not ${uri}`);
    }
    if (cms.filter((other) => other.uri === uri).length > 1) throw new Error(`the CMS ${uri} is there twice`);
    if (insecureHttp) continue;
    if (!tls) throw new Error(`${uri} is reached over TLS, which needs a certificate; a bench may use --insecure-http`);
    if (!uri.startsWith('https:')) throw new Error(`${uri} is plain HTTP, which is for a bench: --insecure-http`);
  }
  if (insecureHttp || tls || LOCAL.includes(host)) return;
  throw new Error(`open test mode stays on this machine: ${host} needs --insecure-http, and then anyone may command`);
}

/** @returns who the gateway is at the broker, its own or an external one, and which authorities it trusts there */
function accountOf({ brokerUrl, brokerPassword, brokerCa }: GatewayOptions) {
  if (brokerUrl === undefined) return { username: GATEWAY_USER, password: randomBytes(24).toString('base64url') };
  const ca = brokerCa === undefined ? undefined : readFileSync(brokerCa, 'utf8');
  if (brokerPassword === undefined) return { ca };
  const username = new URL(brokerUrl).username || GATEWAY_USER;
  return { username: decodeURIComponent(username), password: readFileSync(brokerPassword, 'utf8').trim(), ca };
}

/** @returns who keeps the door of the gateway's own broker; on this machine nobody does */
function guardOf(
  host: string,
  { brokerUrl }: GatewayOptions,
  keys: ControllerKeys | undefined,
  password: string | undefined,
): Guard | undefined {
  if (brokerUrl !== undefined || LOCAL.includes(host)) return undefined;
  if (!keys) throw new Error(`a broker that listens on ${host} asks for passwords, which are in --keys`);
  return new Guard(keys, password ?? '');
}

/** Keys and revoked certificates of both directions. */
function openTls(files: TlsFiles, store: Store, clock: Clock, log: Log) {
  const revocations = new Revocations(store, clock, () => keys.authorities, log);
  const keys: Keys = new Keys(files, revocations, log);
  const checkServerIdentity = (host: string, certificate: PeerCertificate): Error | undefined => {
    const fault = tlsCheck(host, certificate);
    if (fault || !revocations.hasRevoked(certificate as DetailedPeerCertificate)) return fault;
    return new Error('the certificate of the CMS is revoked');
  };
  return {
    keys,
    revocations,
    anyClient: files.anyClient ?? false,
    client: () => ({ ...keys.context, checkServerIdentity }),
    close: () => {
      keys.close();
      revocations.close();
    },
  };
}

/** How log reports reach the CMSs. */
function postOf(peers: Peers<CmsConnection>, modelOf: (owner: string) => Model): Post {
  return {
    send: async (owner, report, requestId) => peers.find(owner)?.report(report, requestId),
    retryPeriod: (owner) => {
      const model = modelOf(owner);
      return Number(model.read(model.gatewayDevice(), 'gateway', 'gatewayRetryPeriod').value);
    },
    zone: (owner) => {
      const model = modelOf(owner);
      return model.zones.posix(model.zoneOf(model.gatewayDevice()));
    },
    reaches: (owner) => peers.find(owner) !== undefined,
  };
}

/** @returns how a CMS supplies packages, whose connection is absent in open test mode. */
function supplierOf(peer: CmsConnection | undefined, root: Model): Supplier {
  const model = peer?.model ?? root;
  const setting = (name: string) => model.read(model.gatewayDevice(), 'gateway', name).value;
  return {
    cmsUri: peer?.cmsUri,
    pkgUrl: (setting('pkgUrl') as string | undefined) || undefined,
    retryPeriod: Number(setting('gatewayRetryPeriod')),
    retries: Number(setting('gatewayNumberOfRetries')),
    offered: async (packageId) => peer?.offered(packageId),
  };
}

/** @returns the address that others use for a host that means all interfaces. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}

/**
 * The command line. Exit code 2: a wrong flag; 1: it cannot start, or could not end in order; 0: it ended in order, at
 * SIGTERM or SIGINT. A second signal ends it at once.
 */
async function run(words: string[]): Promise<void> {
  let options: ReturnType<typeof readOptions>;
  try {
    const done = runBackup(words);
    if (done) {
      await done.then(console.log, ({ message }) => {
        console.error(message);
        process.exitCode = 1;
      });
      return;
    }
    options = readOptions(words);
  } catch (error) {
    console.error(`${(error as Error).message.split('. To specify')[0]} (see --help)`);
    process.exitCode = 2;
    return;
  }
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const { logging, ...settings } = options;
  const log = openLog(logging, console.log);
  const complain = openLog(logging, console.error);
  process.on('uncaughtException', ({ stack, message }) => {
    complain(`a fault of this program: ${stack ?? message}`, 'error');
    process.exit(1);
  });
  try {
    const gateway = await startGateway({ ...settings, now: Date.now, log });
    const fail = (reason: string): void => {
      complain(reason, 'error');
      process.exit(1);
    };
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      // The same listener as before: one that takes its place could miss a signal in between.
      if (stopping) process.exit(1);
      stopping = true;
      log(`${signal}: ends when requests in hand are answered`);
      setTimeout(() => fail(`could not end within ${LONGEST_STOP / 1000} s`), LONGEST_STOP).unref();
      gateway.close().then(
        () => {
          log('ended');
          process.exit(0);
        },
        ({ message }) => fail(`ended, but ${message}`),
      );
    };
    for (const name of SIGNALS) process.on(name, stop);
  } catch (error) {
    complain((error as Error).message, 'error');
    process.exitCode = 1;
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) void run(process.argv.slice(2));
