/**
 * What an operator says: in a file, in environment variables, in flags. Later ones win, value by value; all three go
 * through one table and one schema, and every fault names where it was found.
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Ajv, type ErrorObject } from 'ajv';
import Type, { type Static } from 'typebox';
import { KEPT_DAYS, MOST_KEPT } from './inbox.ts';
import { GATEWAY_USER } from './keys/access.ts';
import type { ControllerKeys } from './keys/controller-keys.ts';
import { LEVELS, type Log, type LogOptions } from './log.ts';
import type { StoreOptions } from './store/open.ts';
import type { Place } from './talq/place.ts';
import { LONGEST_BODY } from './talq/protocol.ts';

export interface GatewayOptions extends StoreOptions {
  /** Address to listen on. Absent: 127.0.0.1 */
  host?: string;
  /** TCP port of the TALQ API; 0: any free one. */
  port: number;
  /** Base URI under which CMSs reach the gateway, where that is not the address it listens on. */
  publicUri?: string;
  /** An external broker, e.g. mqtt://127.0.0.1:1883. Absent: the gateway brings its own. */
  brokerUrl?: string;
  /** Path of a file with the password of the gateway's account at the external broker, where `brokerUrl` has none. */
  brokerPassword?: string;
  /** Path of a PEM file: authorities of the external broker. Absent: those that this computer trusts. */
  brokerCa?: string;
  /** Keys of the controllers; whoever has none is not believed. Absent: those of `keysFile`. */
  keys?: ControllerKeys;
  /** Path of the file with them, as provisioning writes it. */
  keysFile?: string;
  /** TCP port of the gateway's own broker; absent or 0: any free one. */
  brokerPort?: number;
  /** Address on which the gateway's own broker listens; elsewhere than on this machine it asks for passwords. Absent: here only. */
  brokerHost?: string;
  /** Who commands. Absent or empty: open test mode. */
  cms?: CmsOptions[];
  /** Has every CMS forget the gateway first, and forgets what it had from them. */
  resync?: boolean;
  /** Keys and authorities; absent: no TLS. */
  tls?: TlsFiles;
  /** Accepts what an operator must want on purpose: HTTP without TLS beyond this machine, or to a CMS. */
  insecureHttp?: boolean;
  /** Bytes of the longest body of a request, also after decompression. Absent: 1 MiB */
  longestBody?: number;
  /** Time zone of devices until a CMS says otherwise: an IANA name or a POSIX TZ string. Absent: UTC */
  timeZone?: string;
  /** Where devices are until a CMS says otherwise; absent: nobody knows, and lamps do without the sun. */
  location?: Place;
  /**
   * Local hour at which a program day starts. Absent: 12, so that a night is one program day and an exception in the
   * calendar holds from dusk to dawn.
   */
  dayOffset?: 0 | 12;
  /** Entries that each logger keeps while its CMS is away, the oldest go first. Absent: 100000 */
  logEntries?: number;
  /** Days for which what controllers told is kept, and how much of it at most. Absent: 90, 1,000,000 */
  recordDays?: number;
  records?: number;
  /** TCP port for health and metrics; 0: any free one. Absent: none. */
  managementPort?: number;
  /** Address it listens on. Absent: 127.0.0.1 */
  managementHost?: string;
  /** ms UTC; a bench passes its simulated time. */
  now(): number;
  log: Log;
}

/** One CMS that this gateway attaches itself to. */
export interface CmsOptions {
  /** Base URI of its TALQ API. */
  uri: string;
  /** Its client certificate: a name in it, or `sha256:` and its fingerprint. Absent: the one it comes with first. */
  certificate?: string;
}

/** Paths of PEM files. */
export interface TlsFiles {
  /** The gateway's certificate, with the intermediate ones behind it; as a server and as a client. */
  certificate: string;
  key: string;
  /** Authorities whose certificates CMSs have; a self-signed certificate is its own. */
  ca: string;
  /** Certificates that no longer count, beside those that CMSs name in crlUrn. */
  crl?: string;
  /** Takes CMSs that show no certificate. */
  anyClient?: boolean;
}

const closed = { additionalProperties: false } as const;
const text = (description: string) => Type.String({ minLength: 1, description });
const Cms = Type.Object({ uri: text('base URI'), certificate: Type.Optional(text('name or fingerprint')) }, closed);

/** The configuration file, and what environment and flags amount to. */
const Settings = Type.Partial(
  Type.Object({
    host: text('address to listen on'),
    port: Type.Integer({ minimum: 0, maximum: 65535 }),
    publicUri: text('base URI for CMSs'),
    broker: text('external MQTT broker'),
    brokerPassword: text('file with a password'),
    brokerCa: text('PEM file'),
    keys: text('file with keys of controllers'),
    brokerPort: Type.Integer({ minimum: 0, maximum: 65535 }),
    brokerHost: text('address on which the own broker listens'),
    cms: Type.Array(Type.Union([text('base URI'), Cms])),
    tls: Type.Partial(
      Type.Object(
        { certificate: text(''), key: text(''), ca: text(''), crl: text(''), anyClient: Type.Boolean() },
        closed,
      ),
    ),
    insecureHttp: Type.Boolean(),
    longestBody: Type.Integer({ minimum: 65536, maximum: 67108864 }),
    data: text('directory'),
    database: text('PostgreSQL'),
    logEntries: Type.Integer({ minimum: 1, maximum: 99999999 }),
    recordDays: Type.Integer({ minimum: 1, maximum: 9999 }),
    records: Type.Integer({ minimum: 1000, maximum: 999999999 }),
    managementPort: Type.Integer({ minimum: 0, maximum: 65535 }),
    managementHost: text('address on which health and metrics are'),
    log: Type.Enum(['text', 'json']),
    logLevel: Type.Enum(LEVELS),
    timeZone: text('IANA name or POSIX TZ string'),
    location: Type.Object(
      {
        latitude: Type.Number({ minimum: -90, maximum: 90 }),
        longitude: Type.Number({ minimum: -180, maximum: 180 }),
        altitude: Type.Optional(Type.Number()),
      },
      closed,
    ),
  }),
  closed,
);
/** `resync` is for one start, and so in no file. */
type Settings = Static<typeof Settings> & { resync?: boolean };

/** One thing that can be said in a flag and in the environment, as text. */
interface Option {
  flag: string;
  /** What the flag takes; absent: nothing. */
  value?: string;
  help: string;
  /** Puts the text where the configuration file has it; `name`: how the operator said it. */
  set(settings: Settings, text: string, name: string): void;
}

const plain =
  (
    key:
      | 'host'
      | 'managementHost'
      | 'brokerHost'
      | 'brokerPassword'
      | 'brokerCa'
      | 'keys'
      | 'publicUri'
      | 'broker'
      | 'data'
      | 'database'
      | 'timeZone',
  ) =>
  (settings: Settings, given: string) => {
    settings[key] = given;
  };
const tls = (key: 'certificate' | 'key' | 'ca' | 'crl') => (settings: Settings, given: string) => {
  settings.tls = { ...settings.tls, [key]: given };
};
const port = (key: 'port' | 'brokerPort' | 'managementPort') => (settings: Settings, given: string, name: string) => {
  if (!/^\d{1,5}$/.test(given) || Number(given) > 65535)
    throw new Error(`${name} wants a port of 0..65535, not ${given}`);
  settings[key] = Number(given);
};
const truth = (given: string, name: string): boolean => {
  if (!/^(true|false|1|0)$/.test(given)) throw new Error(`${name} wants true or false, not ${given}`);
  return given === 'true' || given === '1';
};

/** @returns the one of some words that was given */
function choice<T extends string>(words: readonly T[], given: string, name: string): T {
  const found = words.find((word) => word === given);
  if (found === undefined) throw new Error(`${name} wants ${words.join(' or ')}, not ${given}`);
  return found;
}

const OPTIONS: Option[] = [
  { flag: 'port', value: 'N', help: 'port of the TALQ API (8090)', set: port('port') },
  { flag: 'host', value: 'ADDRESS', help: 'address to listen on (127.0.0.1)', set: plain('host') },
  {
    flag: 'public-uri',
    value: 'URI',
    help: 'base URI for CMSs, where that is not the address above',
    set: plain('publicUri'),
  },
  { flag: 'broker', value: 'URL', help: 'external MQTT broker, e.g. mqtt://127.0.0.1:1883', set: plain('broker') },
  {
    flag: 'broker-password',
    value: 'FILE',
    help: `password of its account there, ${GATEWAY_USER} unless the URL names another`,
    set: plain('brokerPassword'),
  },
  {
    flag: 'broker-ca',
    value: 'FILE',
    help: "authorities of that broker's certificate (those that this computer trusts)",
    set: plain('brokerCa'),
  },
  {
    flag: 'keys',
    value: 'FILE',
    help: 'keys of the controllers, made by "npm run provision"; whoever has none is not believed',
    set: plain('keys'),
  },
  { flag: 'broker-port', value: 'N', help: "port of the gateway's own broker (1883)", set: port('brokerPort') },
  {
    flag: 'broker-host',
    value: 'ADDRESS',
    help: 'address it listens on (127.0.0.1); elsewhere it wants --keys and asks for passwords',
    set: plain('brokerHost'),
  },
  {
    flag: 'cms',
    value: 'URI',
    help: 'CMS to attach to; may come several times; without it: open test mode, on this machine only',
    set: (settings, given) => {
      settings.cms = [...(settings.cms ?? []), ...given.split(/\s+/).filter(Boolean)];
    },
  },
  {
    flag: 'tls-certificate',
    value: 'FILE',
    help: "the gateway's certificate in PEM, as server and as client; renewed files are taken up",
    set: tls('certificate'),
  },
  { flag: 'tls-key', value: 'FILE', help: 'its key', set: tls('key') },
  { flag: 'tls-ca', value: 'FILE', help: 'authorities whose certificates CMSs have', set: tls('ca') },
  {
    flag: 'tls-crl',
    value: 'FILE',
    help: 'revoked certificates, beside those that CMSs name in crlUrn',
    set: tls('crl'),
  },
  {
    flag: 'tls-any-client',
    help: 'take CMSs that show no certificate',
    set: (settings, given, name) => {
      settings.tls = { ...settings.tls, anyClient: truth(given, name) };
    },
  },
  {
    flag: 'insecure-http',
    help: 'plain HTTP, to CMSs and beyond this machine: for a bench',
    set: (settings, given, name) => {
      settings.insecureHttp = truth(given, name);
    },
  },
  {
    flag: 'resync',
    help: 'once: have every CMS forget this gateway, forget what it had from them, and attach anew',
    set: (settings, given, name) => {
      settings.resync = truth(given, name);
    },
  },
  {
    flag: 'longest-body',
    value: 'BYTES',
    help: `longest body of a request, 64 KiB to 64 MiB (${LONGEST_BODY})`,
    set: (settings, given, name) => {
      const bytes = Number(given);
      if (!/^\d+$/.test(given) || bytes < 65536 || bytes > 67108864) {
        throw new Error(`${name} wants 65536..67108864 bytes, not ${given}`);
      }
      settings.longestBody = bytes;
    },
  },
  {
    flag: 'log-entries',
    value: 'N',
    help: 'entries that each logger keeps while its CMS is away (100000)',
    set: (settings, given, name) => {
      if (!/^[1-9]\d{0,7}$/.test(given)) throw new Error(`${name} wants a number of 1..99999999, not ${given}`);
      settings.logEntries = Number(given);
    },
  },
  {
    flag: 'record-days',
    value: 'N',
    help: `days for which the events and samples of controllers stay in the database (${KEPT_DAYS})`,
    set: (settings, given, name) => {
      if (!/^[1-9]\d{0,3}$/.test(given)) throw new Error(`${name} wants days of 1..9999, not ${given}`);
      settings.recordDays = Number(given);
    },
  },
  {
    flag: 'records',
    value: 'N',
    help: `how many of them at most (${MOST_KEPT})`,
    set: (settings, given, name) => {
      if (!/^[1-9]\d{3,8}$/.test(given)) throw new Error(`${name} wants a number of 1000..999999999, not ${given}`);
      settings.records = Number(given);
    },
  },
  {
    flag: 'time-zone',
    value: 'NAME',
    help: 'time zone of devices: IANA name or POSIX TZ string (UTC)',
    set: plain('timeZone'),
  },
  {
    flag: 'location',
    value: 'LAT,LON',
    help: 'where devices are, in degrees, e.g. 50.8503,4.3517',
    set: (settings, given, name) => {
      const place = /^(-?\d{1,3}(?:\.\d+)?),\s*(-?\d{1,3}(?:\.\d+)?)$/.exec(given);
      if (!place) throw new Error(`${name} wants degrees as LAT,LON, not ${given}`);
      settings.location = { latitude: Number(place[1]), longitude: Number(place[2]) };
    },
  },
  {
    flag: 'management-port',
    value: 'N',
    help: 'port for /health and, for Prometheus, /metrics (none)',
    set: port('managementPort'),
  },
  {
    flag: 'management-host',
    value: 'ADDRESS',
    help: 'address it listens on (127.0.0.1); nobody proves there who he is',
    set: plain('managementHost'),
  },
  {
    flag: 'log',
    value: 'FORMAT',
    help: 'text or json, one object a line (text)',
    set: (settings, given, name) => {
      settings.log = choice(['text', 'json'] as const, given, name);
    },
  },
  {
    flag: 'log-level',
    value: 'LEVEL',
    help: `least of ${LEVELS.join(', ')} that is written (info)`,
    set: (settings, given, name) => {
      settings.logLevel = choice(LEVELS, given, name);
    },
  },
  {
    flag: 'data',
    value: 'DIRECTORY',
    help: 'where addresses, calendars and logs are kept, in a SQLite file; without it they are new at each start',
    set: plain('data'),
  },
  {
    flag: 'database',
    value: 'URL',
    help: 'PostgreSQL to keep them in instead, e.g. postgres://host/reverbere',
    set: plain('database'),
  },
];

/** Who is told what, of the command line alone. */
export type CommandOptions = Omit<GatewayOptions, 'now' | 'log'> & { logging: LogOptions };

const variableOf = (flag: string): string => `REVERBERE_${flag.toUpperCase().replaceAll('-', '_')}`;
const COLUMN = 25;

export const HELP = `Usage: npm run gateway -- [options]
       npm run gateway -- backup|restore --help

Serves streetlight controllers on MQTT as TALQ 2.7.1 devices to CMSs over HTTPS, both sides with certificates.

${[...OPTIONS, { flag: 'config', value: 'FILE', help: 'JSON with the same settings; see gateway/deploy/gateway.json' }]
  .map(({ flag, value, help }) => `  ${`--${flag}${value ? ` ${value}` : ''}`.padEnd(COLUMN)} ${help}`)
  .join('\n')}
  ${'--help'.padEnd(COLUMN)} this text

Every flag is an environment variable too: --broker-port is REVERBERE_BROKER_PORT. Flags win over the environment, and
that over the file. Passwords belong into the file or the environment: anybody on the machine can read flags.
Time-outs and limits against peers that misbehave: gateway/deploy/README.md.
`;

/**
 * @param environment where variables are looked up
 * @returns the options, or 'help'. Throws with one line for the operator
 */
export function readOptions(
  flags: string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): CommandOptions | 'help' {
  const { values } = parseArgs({
    args: flags,
    options: {
      ...Object.fromEntries(
        OPTIONS.map(({ flag, value }) => [
          flag,
          value ? ({ type: 'string', multiple: true } as const) : ({ type: 'boolean' } as const),
        ]),
      ),
      config: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return 'help';
  const file = (values.config as string | undefined) ?? environment[variableOf('config')];
  const settings = file ? readSettings(file) : {};
  for (const { flag, set } of OPTIONS) {
    const variable = variableOf(flag);
    const fromFlag = [(values as Record<string, string[] | boolean | undefined>)[flag] ?? []].flat().map(String);
    const fromEnvironment = environment[variable];
    if (fromFlag.length === 0 && !fromEnvironment) continue;
    // Lists grow while they are read, and a later source does not add to an earlier one.
    if (flag === 'cms') delete settings.cms;
    for (const given of fromFlag) set(settings, given, `--${flag}`);
    if (fromFlag.length === 0) set(settings, String(fromEnvironment), variable);
  }
  return toOptions(settings);
}

function readSettings(path: string): Settings {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile<Settings>(Settings);
  if (validate(content)) return content;
  // Of a choice that fits nowhere, the longest way into it says most, and there what is missing or too much.
  const rank = ({ keyword }: ErrorObject): number => Number(keyword === 'type');
  const faults = (validate.errors ?? []).filter(({ keyword }) => keyword !== 'anyOf');
  const [fault] = faults.sort((a, b) => b.instancePath.length - a.instancePath.length || rank(a) - rank(b));
  const extra = fault.keyword === 'additionalProperties' ? `: ${fault.params.additionalProperty}` : '';
  throw new Error(`${path}: ${fault.instancePath || '/'} ${fault.message}${extra}`);
}

function toOptions({ log = 'text', logLevel = 'info', ...settings }: Settings): CommandOptions {
  const { broker, keys, data, cms = [], tls: files, port: number = 8090, brokerPort = 1883, ...rest } = settings;
  if (broker !== undefined && !/^mqtts?:\/\/./.test(broker)) {
    throw new Error(`--broker wants mqtt://host:port, not ${broker.replace(/\/\/[^@/]*@/, '//')}`);
  }
  if (rest.database !== undefined && !/^postgres(ql)?:\/\/./.test(rest.database)) {
    throw new Error('--database wants postgres://user:password@host/database');
  }
  for (const name of ['brokerPassword', 'brokerCa'] as const) {
    if (rest[name] !== undefined && broker === undefined) {
      throw new Error(`--${name === 'brokerCa' ? 'broker-ca' : 'broker-password'} is for an external broker: --broker`);
    }
  }
  const list = cms.map((entry) => (typeof entry === 'string' ? { uri: entry } : entry));
  for (const { uri } of list) checkUri('--cms', uri);
  if (rest.publicUri !== undefined) checkUri('--public-uri', rest.publicUri);
  return {
    ...rest,
    logging: { format: log, level: logLevel },
    host: rest.host ?? '127.0.0.1',
    port: number,
    brokerPort,
    brokerUrl: broker,
    keysFile: keys,
    dataDirectory: data,
    cms: list,
    tls: files && complete(files),
  };
}

function checkUri(name: string, uri: string): void {
  const { protocol, username, password } = URL.canParse(uri) ? new URL(uri) : ({} as Partial<URL>);
  if (!/^https?:$/.test(protocol ?? '')) throw new Error(`${name} wants an http or https URI, not ${uri}`);
  if (username || password)
    throw new Error(`${name} takes no password: CMSs and gateways know each other by certificates`);
}

function complete({ certificate, key, ca, ...rest }: NonNullable<Settings['tls']>): TlsFiles {
  if (certificate && key && ca) return { certificate, key, ca, ...rest };
  const missing = Object.entries({ 'tls-certificate': certificate, 'tls-key': key, 'tls-ca': ca })
    .filter(([, path]) => !path)
    .map(([flag]) => `--${flag}`);
  throw new Error(`TLS needs ${missing.join(' and ')} too`);
}
