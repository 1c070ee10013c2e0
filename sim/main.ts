/**
 * `npm start`: a street of simulated lamps on their real firmware, talking MQTT over TCP on loopback to a broker and a
 * TALQ gateway, all in this process. Exit codes: 0 stopped, 1 it cannot start, 2 a wrong flag.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Board, Site } from '../firmware/board.ts';
import { ControllerKeys, KEY_LENGTH } from '../gateway/keys/controller-keys.ts';
import { type Gateway, startGateway } from '../gateway/main.ts';
import { loadBoard } from '../scripts/board-config.mjs';
import { type Arguments, HELP, readArguments } from './arguments.ts';
import { World } from './clock.ts';
import { fromCommandLine } from './command-line.ts';
import { Keep } from './keep.ts';
import { openScreen } from './screen.ts';
import { idsOf, Street } from './street.ts';

/** The product that stands in the street. */
const BOARD = 'street';
/** Its poles tell each other of presence. */
const GROUP = 'street';
/** ms of real time between two tables. */
const REDRAW = 500;
const REPRINT = 5000;
/** ms of real time between two savings of the meters, at least and for each lamp; between two looks for the lamps, and for which all of them are waited for. */
const SAVE = 1000;
const SAVE_EACH = 10;
const LOOK = 500;
const PATIENCE = 5000;

/** @returns where the controllers find their broker: the external one, or the gateway's on loopback */
function siteOf(broker: string | undefined, brokerPort: number): Site {
  if (broker === undefined) return { host: '127.0.0.1', port: brokerPort, group: GROUP };
  const { hostname, port, protocol, username, password } = new URL(broker);
  const site: Site = { host: hostname, port: Number(port) || (protocol === 'mqtts:' ? 8883 : 1883), group: GROUP };
  if (username) site.username = decodeURIComponent(username);
  if (password) site.password = decodeURIComponent(password);
  return site;
}

/** What an installer would write into controllers and gateway: a key for each lamp, kept when there is a place. */
function keysOf(lamps: number, path: string | undefined): ControllerKeys {
  const keys = path !== undefined && existsSync(path) ? ControllerKeys.load(path) : new ControllerKeys();
  const fresh = idsOf(lamps).filter((id) => !keys.find(id));
  for (const id of fresh) keys.add(id, { key: randomBytes(KEY_LENGTH) });
  if (path !== undefined && fresh.length > 0) {
    mkdirSync(dirname(path), { recursive: true });
    keys.save(path);
  }
  return keys;
}

interface ListedDevice {
  address: string;
  name: string;
  functions?: { type?: string }[];
}

/** The address that the printed commands speak for, the same after every start: programs and calendars belong to it. */
const CLIENT = '5e0b1e8c-3a52-4a0e-9c4b-7d1f6b0a2e11';

/** @returns the lamps that the gateway lists, by name */
async function listedLamps(url: string, clientAddress: string): Promise<ListedDevice[]> {
  const answer = await fetch(`${url}/devices?clientAddress=${clientAddress}`, {
    headers: { 'talq-api-version': '2.7.1' },
  });
  if (!answer.ok) return [];
  const devices = (await answer.json()) as ListedDevice[];
  const lamps = devices.filter(({ functions }) => functions?.some(({ type }) => type === 'LampActuatorFunction'));
  return lamps.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * A command to copy, as often as wanted (each request has an id of its own): an override of one lamp to 40 %.
 * Source: TALQ 2.7.1 §5.8, `OverrideCommand`.
 */
function invitation(url: string, clientAddress: string, lamp: ListedDevice): string[] {
  const query = `clientAddress=${clientAddress}&talqRequestId=$(node -p 'crypto.randomUUID()')`;
  const body = {
    addresses: [{ resource: 'devices', address: lamp.address }],
    targetCommand: { state: { name: 'LevelState', value: 40 }, reason: 'override', cmsRefId: 'try-1' },
  };
  return [
    `List the devices, and dim ${lamp.name} to 40 %:`,
    '',
    `curl '${url}/devices?clientAddress=${clientAddress}' -H 'talq-api-version: 2.7.1'`,
    '',
    `curl -i "${url}/override-commands?${query}" \\`,
    `  -H 'content-type: application/json' -H 'talq-api-version: 2.7.1' \\`,
    `  -d '${JSON.stringify(body)}'`,
  ];
}

async function bench(options: Arguments, stopped: AbortSignal): Promise<void> {
  const { lamps, port, broker, cms, insecureHttp, data, speed, seed } = options;
  const world = new World();
  const begin = options.at ?? Date.now();
  const now = () => begin + world.now;
  const keep = data === undefined ? undefined : new Keep(join(data, 'controllers'));
  const configured: Board = await loadBoard(BOARD);
  const tls = broker?.startsWith('mqtts:') ?? false;
  // What a CMS meets is a street from the factory: without a calendar of its own, at the default level.
  const timetable = cms.length > 0 ? [] : configured.timetable;
  const board: Board = { ...configured, timetable, network: { ...configured.network, tls } };
  const early: string[] = [];
  let log = (line: string): void => {
    early.push(line);
  };
  const dataDirectory = data === undefined ? undefined : join(data, 'gateway');
  const keys = keysOf(lamps, dataDirectory && join(dataDirectory, 'keys.json'));
  const gateway = await startGateway({
    host: '127.0.0.1',
    port,
    brokerUrl: broker,
    brokerPort: 0,
    cms: cms.map((uri) => ({ uri })),
    insecureHttp,
    timeZone: 'Europe/Brussels',
    location: { latitude: 50.8503, longitude: 4.3517 },
    dataDirectory,
    keys,
    now,
    log: (line) => log(line),
  });
  let street: Street;
  try {
    const site = siteOf(broker, gateway.brokerPort);
    const keyOf = (id: string) => Buffer.from(keys.find(id) ?? []).toString('base64url');
    street = new Street({ board, lamps, site, keyOf, seed, keep, world, begin, log: (line) => log(line) });
  } catch (error) {
    await gateway.close();
    throw error;
  }
  const screen = openScreen(process.stdout, speed);
  log = (line) => screen.log(line);
  const reach = broker?.replace(/\/\/[^@/]*@/, '//') ?? `mqtt://127.0.0.1:${gateway.brokerPort}`;
  screen.notice([`${lamps} lamps in Brussels (50.8503, 4.3517), API on loopback, MQTT broker ${reach}`, ...early]);
  street.start(speed);
  const show = () => screen.show(now(), street.rows());
  const timers = [setInterval(show, process.stdout.isTTY ? REDRAW : REPRINT)];
  if (keep) timers.push(setInterval(() => street.save(), Math.max(SAVE, lamps * SAVE_EACH)));
  await invite(gateway, lamps, stopped, (lines) => screen.notice(['', ...lines]));
  if (!stopped.aborted) {
    show();
    await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }));
  }
  for (const timer of timers) clearInterval(timer);
  await street.stop();
  await gateway.close();
  screen.close();
}

/** Waits until the lamps are behind the API, for as long as `PATIENCE` when only some are, and shows how to command one. */
async function invite(
  gateway: Gateway,
  lamps: number,
  stopped: AbortSignal,
  print: (lines: string[]) => void,
): Promise<void> {
  const client = CLIENT;
  const patience = performance.now() + PATIENCE;
  while (!stopped.aborted) {
    const listed = await listedLamps(gateway.url, client).catch(() => []);
    if (listed.length >= lamps || (listed.length > 0 && performance.now() > patience)) {
      print(invitation(gateway.url, client, listed[0]));
      return;
    }
    await sleep(LOOK, undefined, { signal: stopped }).catch(() => {});
  }
}

async function main(): Promise<void> {
  const options = fromCommandLine(readArguments, HELP);
  if (!options) return;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    await bench(options, stop.signal);
    process.exit(0);
  } catch (error) {
    console.error((error as Error).message.split('\n')[0]);
    process.exit(1);
  }
}

await main();
