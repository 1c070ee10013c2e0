/** One gateway with 10,000 controllers: how long it takes to start, and what the CMS's requests cost. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Encoder } from 'cbor-x';
import { BirthKey, ControlType, Leaf, Quantity, ResetCode, TOPIC_ROOT } from '../firmware/link/messages.ts';
import { type Gateway, startGateway } from '../gateway/main.ts';
import { type Part, quantile } from './part.ts';

const CONTROLLERS = 10000;
const PAGE = 1000;
const ROUNDS = 5;

const codec = new Encoder({ useRecords: false, variableMapSize: true, mapsAsObjects: false });

const idOf = (index: number): string => `pole-${String(index).padStart(5, '0')}`;

const BIRTH: Buffer = codec.encode(
  new Map<number, unknown>([
    [BirthKey.Protocol, 1],
    [BirthKey.Board, 'espruino-wifi'],
    [BirthKey.Version, '1.0.0'],
    [BirthKey.Boot, 1],
    [BirthKey.Reset, ResetCode.Power],
    [BirthKey.Control, ControlType.Analog],
    [BirthKey.MinimumLevel, 10],
    [BirthKey.Units, [[1, 'sdm120', [Quantity.SupplyVoltage, Quantity.SupplyCurrent, Quantity.ActivePower]]]],
    [BirthKey.Limits, [2560, 32, 16, 48]],
    [BirthKey.DefaultLevel, 100],
  ]),
);

export const gateway: Part = {
  name: 'gateway',
  about: `${CONTROLLERS} controllers in one gateway: start, pages of devices`,
  async run(say) {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-bench-'));
    try {
      await measure(directory, say);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

const open = (dataDirectory: string): Promise<Gateway> =>
  startGateway({ port: 0, dataDirectory, now: Date.now, log: () => {} });

async function measure(directory: string, say: (fact: string, value: string) => void): Promise<void> {
  const first = await open(directory);
  const births = await timed(async () => {
    for (let i = 0; i < CONTROLLERS; i++) first.fleet.receive(`${TOPIC_ROOT}/${idOf(i)}/${Leaf.Birth}`, BIRTH, false);
    await first.close();
  });
  say('first births, stored', seconds(births));
  let opened: Gateway | undefined;
  const start = await timed(async () => {
    opened = await open(directory);
  });
  const running = opened as Gateway;
  try {
    say('start with known devices', seconds(start));
    const pages: number[] = [];
    for (let i = 0; i < (ROUNDS * CONTROLLERS) / PAGE; i++) {
      const offset = (i * PAGE) % CONTROLLERS;
      pages.push(await timed(() => ask(running, 'GET', `/devices?offset=${offset}&limit=${PAGE}`)));
    }
    say(`GET /devices, page of ${PAGE}`, latencies(pages));
    say('memory', `${Math.round(process.memoryUsage.rss() / 1048576)} MB RSS`);
  } finally {
    await running.close();
  }
}

async function ask(running: Gateway, method: string, path: string, body?: unknown): Promise<unknown> {
  const url = new URL(`${running.url}${path}`);
  url.searchParams.set('clientAddress', '0a6f1f0e-53a5-4b52-9d0e-3a3c2b1d4e5f');
  if (method !== 'GET') url.searchParams.set('talqRequestId', randomUUID());
  const reply = await fetch(url, {
    method,
    headers: { 'talq-api-version': '2.7.1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text.slice(0, 500)}`);
  return text === '' ? undefined : JSON.parse(text);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const latencies = (all: number[]): string =>
  `p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms`;
