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

const say = (what: string, { produced, stored, lost, doubled, wrong, gone }: Sum): void =>
  console.log(
    `      ${what}: ${produced} produced, ${stored} stored, ${lost} lost, ${doubled} doubled, ${wrong} wrong`,
    gone > 0 ? `; ${gone} went with boards that were replaced` : '',
  );

async function chaos(store: StoreOptions, members = 1): Promise<void> {
  const began = performance.now();
  const night = await Night.open({
    seed: SEED,
    controllers: CONTROLLERS,
    metered: Math.min(4, CONTROLLERS),
    length: LENGTH,
    members,
    kills: KILLS,
    powerCuts: Math.ceil(CONTROLLERS / 2),
    replacements: Math.ceil(CONTROLLERS / 20),
    badness: { near: NEAR, far: FAR },
    store,
  });
  try {
    await night.run();
    const { near, far, cms, poles } = night;
    const networks = [near, far];
    const of = (what: 'packets' | 'truncated' | 'duplicated' | 'delayed' | 'cut') =>
      networks.reduce((sum, network) => sum + network[what], 0);
    const all = (what: 'cuts' | 'torn' | 'boards' | 'unrecorded' | 'dropped') =>
      poles.reduce((sum, pole) => sum + pole[what], 0);
    const { obeyed, superseded, expired, disobeyed } = cms.obedience();
    const ordered = cms.astray(true);
    await night.orderAll('override');
    const calendars = cms.astray(false);
    await night.orderAll('calendar');
    const levels = cms.astray(false);
    const { events, samples, inputs, doors } = await night.compare();
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `      seed ${SEED}: ${CONTROLLERS} controllers, ${LENGTH / HOUR} h in ${seconds.toFixed(0)} s; gateways killed ${night.gatewayKills} times,`,
      `${night.orphans} of them right after a 202${members > 1 ? `, one of ${members} led ${night.successions} times` : ''}, broker ${night.brokerKills}; power cut ${all('cuts')} times, ${all('torn')} of them in a write to the journal,`,
      `${all('boards') - poles.length} boards replaced; of ${of('packets')} packets ${of('duplicated')} came twice, ${of('delayed')} late,`,
      `${of('truncated')} cut in the middle; ${of('cut')} links cut`,
    );
    say('events in journals', events);
    say('batches of samples in journals', samples);
    say('doors and leakages of steady poles, from what the test did to what is stored', inputs);
    say('doors of steady poles, from what the test did to the log of a TALQ logger', doors);
    console.log(
      `      in no journal: ${all('unrecorded')} records that the power went before, or in the middle of;`,
      `${night.unseen} doors and leakages of poles without power`,
    );
    const fates = (what: string, fate: string) =>
      cms.orders.filter((order) => order.what === what && order.fate === fate).length;
    for (const what of ['override', 'calendar', 'level']) {
      console.log(
        `      ${what}s: ${fates(what, 'accepted')} accepted, ${fates(what, 'promised')} for later,`,
        `${fates(what, 'refused')} refused, ${fates(what, 'unanswered')} without an answer`,
      );
    }
    console.log(
      `      overrides, lamp by lamp: ${obeyed} obeyed, ${superseded} replaced by a later one, ${expired.length} expired, ${disobeyed.length} not obeyed; ${night.failures.length} told as failed`,
    );
    if (process.env.VERBOSE) console.log(night.log.join('\n'));
    for (const { lost, doubled, wrong, examples } of [events, samples, inputs, doors])
      assert.deepEqual([lost, doubled, wrong], [0, 0, 0], examples.slice(0, 5).join('\n'));
    assert.equal(all('dropped'), 0);
    assert.deepEqual(disobeyed, []);
    assert.deepEqual(
      expired.filter((one) => !night.failures.includes(one)),
      [],
      'told as failures',
    );
    assert.equal(new Set(night.failures).size, night.failures.length, 'once each');
    assert.deepEqual({ ordered, calendars, levels }, { ordered: [], calendars: [], levels: [] });
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

  it('leaves every event and sample in SQLite once, and every lamp as it was ordered', () =>
    chaos({ dataDirectory: join(directory, 'data') }));

  it('leaves every event and sample in PostgreSQL once, and every lamp as it was ordered', async function () {
    const server = PostgresServer.shared('a night of accidents');
    if (!server) this.skip();
    await chaos({ database: await server.create() });
  });

  it('does so too with two gateways on one PostgreSQL, of which one or the other is killed', async function () {
    const server = PostgresServer.shared('a night of accidents with two gateways');
    if (!server) this.skip();
    await chaos({ database: await server.create() }, 2);
  });
});
