/** Nothing is lost and nothing comes twice, whatever breaks in a night: controllers, network, broker and gateway are real. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoreOptions } from '../../gateway/store/open.ts';
import { PostgresServer } from '../gateway/store/postgres-server.ts';
import { HOUR, Night, type Sum } from './chaos/night.ts';

const SEED = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 1e6));
const CONTROLLERS = Number(process.env.CONTROLLERS ?? 200);
const LENGTH = Number(process.env.HOURS ?? 3) * HOUR;
const KILLS = Number(process.env.KILLS ?? 20);
const NEAR = { truncate: 0.001, duplicate: 0.02, delay: 0.02, longest: 30 };
const FAR = { ...NEAR, truncate: 0.0002 };

const say = (what: string, { produced, stored, lost, doubled, wrong }: Sum): void =>
  console.log(
    `      ${what}: ${produced} produced, ${stored} stored, ${lost} lost, ${doubled} doubled, ${wrong} wrong`,
  );

async function chaos(store: StoreOptions): Promise<void> {
  const began = performance.now();
  const night = await Night.open({
    seed: SEED,
    controllers: CONTROLLERS,
    metered: Math.min(4, CONTROLLERS),
    length: LENGTH,
    kills: KILLS,
    badness: { near: NEAR, far: FAR },
    store,
  });
  try {
    await night.run();
    const { near, far, commands } = night;
    const networks = [near, far];
    const of = (what: 'packets' | 'truncated' | 'duplicated' | 'delayed' | 'cut') =>
      networks.reduce((sum, network) => sum + network[what], 0);
    const { events, samples, inputs, doors } = await night.compare();
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `      seed ${SEED}: ${CONTROLLERS} controllers, ${LENGTH / HOUR} h in ${seconds.toFixed(0)} s; gateway killed ${night.gatewayKills} times,`,
      `broker ${night.brokerKills}; of ${of('packets')} packets ${of('duplicated')} came twice, ${of('delayed')} late,`,
      `${of('truncated')} cut in the middle; ${of('cut')} links cut`,
    );
    say('events', events);
    say('batches of samples', samples);
    say('doors and leakages, from what the test did to what is stored', inputs);
    say('doors, from what the test did to the log of a TALQ logger', doors);
    const fates = (fate: string) => commands.filter((command) => command.fate === fate);
    const accepted = [...fates('accepted'), ...fates('promised')];
    const disobeyed = accepted.filter(({ obeyed }) => !obeyed);
    console.log(
      `      commands: ${accepted.length} accepted (${fates('promised').length} of them for later), ${accepted.length - disobeyed.length} obeyed, ${disobeyed.length} not;`,
      `${fates('refused').length} refused, ${fates('unanswered').length} without an answer`,
    );
    if (process.env.VERBOSE) console.log(night.log.join('\n'));
    for (const { lost, doubled, wrong } of [events, samples, inputs, doors])
      assert.deepEqual([lost, doubled, wrong], [0, 0, 0]);
    assert.deepEqual(disobeyed, []);
    assert.deepEqual(night.astray(), []);
  } finally {
    await night.close();
  }
}

describe('a night in which everything breaks', function () {
  this.timeout(600_000);
  let directory: string;
  before(function () {
    if (spawnSync('mosquitto', ['-h']).error) {
      console.log('SKIPPED: mosquitto is not installed (Debian package mosquitto)');
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), 'reverbere-'));
  });
  after(() => directory && rmSync(directory, { recursive: true, force: true }));

  it('leaves every event and sample in SQLite once, and every command obeyed', () =>
    chaos({ dataDirectory: join(directory, 'data') }));

  it('leaves every event and sample in PostgreSQL once, and every command obeyed', async function () {
    const server = PostgresServer.shared('a night of accidents');
    if (!server) this.skip();
    await chaos({ database: await server.create() });
  });
});
