/** The command line of the bench. */
import { parseArgs } from 'node:util';

export interface Arguments {
  lamps: number;
  /** TCP port of the TALQ API; 0: any free one. */
  port: number;
  /** An external broker; absent: the gateway brings its own. */
  broker?: string;
  /** Base URIs; empty: open test mode. */
  cms: string[];
  insecureHttp: boolean;
  /** Directory that keeps the controllers' flash and the gateway's data. */
  data?: string;
  /** Simulated seconds per second. */
  speed: number;
  /** ms UTC at which simulated time begins; absent: now. */
  at?: number;
  seed: number;
}

export const HELP = `Usage: npm start -- [options]

Runs a street of simulated lamps with their controllers, an MQTT broker and a TALQ gateway in one process.

  --lamps N          lamps in the street (6)
  --port N           port of the TALQ API on 127.0.0.1 (8090; 0: any free one)
  --broker URL       external MQTT broker, e.g. mqtt://127.0.0.1:1883 (absent: one of its own)
  --cms URL          CMS to attach to; may come several times (absent: open test mode)
  --insecure-http    allow plain HTTP to the CMS
  --data DIR         keep the controllers' flash and the gateway's data in DIR
  --speed X          simulated time runs X times as fast (1)
  --at ISO-TIME      simulated time begins here, e.g. 2025-12-21T15:00:00Z (now)
  --seed N           repeatable noise, jitter and mains (1)
  --help             this text

Ctrl-C stops.
`;

/** ms UTC */
const EARLIEST = Date.UTC(2024, 0);
/** Most lamps that one process is meant to carry. */
const MOST_LAMPS = 10_000;
/** A day in less than a minute and a half; beyond that, sockets cannot follow. */
const FASTEST = 1000;

function whole(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new Error(`${flag} wants a whole number from ${least} to ${most}, not "${text}"`);
  }
  return value;
}

function url(flag: string, text: string, schemes: string[]): string {
  const fits = URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)) && new URL(text).hostname;
  if (!fits) throw new Error(`${flag} wants a URL such as ${schemes[0]}://host, not "${text}"`);
  return text;
}

function speed(text: string): number {
  const value = Number(text);
  if (!(text.trim() !== '' && value > 0 && value <= FASTEST)) {
    throw new Error(`--speed wants a number above 0 and up to ${FASTEST}, not "${text}"`);
  }
  return value;
}

/** With a zone, so that a bench starts at the same instant everywhere. */
function instant(text: string): number {
  const value = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(value)) throw new Error(`--at wants a time such as 2025-12-21T15:00:00Z, not "${text}"`);
  // Controllers take what lies before for a clock that was never set.
  if (value < EARLIEST) throw new Error(`--at wants a time from 2024 on, not "${text}"`);
  return value;
}

/** @returns the options, or 'help'. Throws with one line for the operator at a wrong flag or value. */
export function readArguments(flags: string[]): Arguments | 'help' {
  const string = { type: 'string' } as const;
  const switched = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args: flags,
    options: {
      lamps: string,
      port: string,
      broker: string,
      cms: { type: 'string', multiple: true },
      'insecure-http': switched,
      data: string,
      speed: string,
      at: string,
      seed: string,
      help: switched,
    },
  });
  if (values.help) return 'help';
  if (values.data === '') throw new Error('--data wants a directory');
  return {
    lamps: whole('--lamps', values.lamps ?? '6', 1, MOST_LAMPS),
    port: whole('--port', values.port ?? '8090', 0, 65535),
    broker: values.broker === undefined ? undefined : url('--broker', values.broker, ['mqtt', 'mqtts']),
    cms: (values.cms ?? []).map((text) => url('--cms', text, ['https', 'http'])),
    insecureHttp: values['insecure-http'] ?? false,
    data: values.data,
    speed: speed(values.speed ?? '1'),
    at: values.at === undefined ? undefined : instant(values.at),
    seed: whole('--seed', values.seed ?? '1', 0, 0xffffffff),
  };
}
