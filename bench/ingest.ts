/** What controllers tell, on its way into the database: one message a transaction, and many. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Encoder } from 'cbor-x';
import { EventCode, Leaf, Phase, TOPIC_ROOT } from '../firmware/link/messages.ts';
import { startGateway } from '../gateway/main.ts';
import { openPostgresStore } from '../gateway/store/postgres.ts';
import { openSqliteStore } from '../gateway/store/sqlite.ts';
import type { Arrival, Store } from '../gateway/store/store.ts';
import { PostgresServer } from '../test/gateway/store/postgres-server.ts';
import { BIRTH, idOf } from './field.ts';
import type { Part } from './part.ts';

const CONTROLLERS = 1000;
/** Messages that wait for a transaction each, and such that share them. */
const SINGLE = 300;
const TOGETHER = 20000;
/** Messages that come before anything else is done. */
const BURST = 100;
/** Events that a gateway has to take in a second. */
const WANTED = 1000;

type Say = (fact: string, value: string) => void;

export const ingest: Part = {
  name: 'ingest',
  about: 'events on their way into the database, each in a transaction of its own and many in one',
  async run(say) {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-bench-'));
    try {
      await measureStore('SQLite', await openSqliteStore(join(directory, 'store')), say);
      const server = PostgresServer.shared('PostgreSQL was not measured');
      if (server) await measureStore('PostgreSQL', await openPostgresStore(await server.create(), () => {}), say);
      await measureGateway(join(directory, 'gateway'), say);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

async function measureStore(name: string, store: Store, say: Say): Promise<void> {
  const content = new Encoder({ useRecords: false }).encode([7, sag(1)]);
  let count = 0;
  const next = (): Arrival => {
    const number = Math.floor(count / CONTROLLERS) + 1;
    return { controller: idOf(count++ % CONTROLLERS), kind: 0, epoch: 7, number, time: Date.now(), content };
  };
  const single = await rate(SINGLE, async () => {
    for (let i = 0; i < SINGLE; i++) await store.arrivals.add([next()]);
  });
  const together = await rate(TOGETHER, async () => {
    const all: Promise<void>[] = [];
    for (let i = 0; i < TOGETHER; i++) {
      all.push(store.arrivals.add([next()]));
      if (i % BURST === BURST - 1) await turn();
      // As the broker does: so many are under way at once.
      if (all.length === 20 * BURST) await Promise.all(all.splice(0));
    }
    await Promise.all(all);
  });
  assert.equal((await store.arrivals.after(0, count + 1)).length, count);
  await store.close();
  say(`${name}, a transaction for each message`, perSecond(single));
  say(`${name}, in one with what waits`, `${perSecond(together)}, ${Math.round(together / single)} times as many`);
}

/** Through the whole gateway: kept, acknowledged, taken, and in a logger. */
async function measureGateway(dataDirectory: string, say: Say): Promise<void> {
  const running = await startGateway({ port: 0, dataDirectory, now: Date.now, log: () => {} });
  try {
    const { fleet, url } = running;
    for (let i = 0; i < CONTROLLERS; i++) fleet.receive(`${TOPIC_ROOT}/${idOf(i)}/${Leaf.Birth}`, BIRTH, false);
    const client = '0a6f1f0e-53a5-4b52-9d0e-3a3c2b1d4e5f';
    const address = `${url}/logger-configs?clientAddress=${client}&talqRequestId=${crypto.randomUUID()}`;
    const made = await fetch(address, {
      method: 'POST',
      headers: { 'talq-api-version': '2.7.1', 'content-type': 'application/json' },
      body: JSON.stringify({
        address: 'events',
        ownerCMS: client,
        sourceAddresses: { blackList: [] },
        recordingMode: { type: 'EventRecordingMode', sourceEvents: { blackList: [] } },
        reportingMode: { type: 'ScheduledReportingMode', times: ['00:00:00Z'] },
      }),
    });
    assert.equal(made.status, 201);
    let taken = 0;
    fleet.onEvents((_controller, events) => {
      taken += events.length;
    });
    const encoder = new Encoder({ useRecords: false });
    const events = await rate(TOGETHER, async () => {
      for (let i = 0; i < TOGETHER; i++) {
        const number = Math.floor(i / CONTROLLERS) + 1;
        fleet.receive(`${TOPIC_ROOT}/${idOf(i % CONTROLLERS)}/${Leaf.Event}`, encoder.encode([7, sag(number)]), false);
        if (i % BURST === BURST - 1) await turn();
        while (i - taken > 20 * BURST) await turn();
      }
      while (taken < TOGETHER) await turn();
    });
    const verdict = events >= WANTED ? '' : `, and should be ${WANTED}`;
    say('through a gateway into a logger, SQLite', `${perSecond(events)}${verdict}`);
  } finally {
    await running.close();
  }
}

const sag = (number: number): unknown[] => [
  number,
  EventCode.Sag,
  Phase.Instant,
  3600 + number,
  Math.floor(Date.now() / 1000),
  null,
  70,
  1710,
  400,
  690,
  950,
  215,
  3,
  1710,
];

/** @returns how many a second */
async function rate(count: number, work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return count / ((performance.now() - begin) / 1000);
}

const perSecond = (count: number): string => `${Math.round(count)} a second`;
