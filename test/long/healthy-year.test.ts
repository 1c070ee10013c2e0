import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { EventCode } from '../../firmware/link/messages.ts';
import type { Life } from './healthy.ts';

/** Lamps that live a year, unless `HEALTHY_LAMPS` says how many. */
const LAMPS = Number(process.env.HEALTHY_LAMPS ?? 100);
const DAYS = 365;

function lived(lamps: number[]): Promise<Life[]> {
  return new Promise((resolve, reject) => {
    const lives: Life[] = [];
    const file = fileURLToPath(new URL('./healthy-worker.ts', import.meta.url));
    const process = fork(file, [DAYS, ...lamps].map(String), { execArgv: ['--import', 'tsx'] });
    process.on('message', (life: Life) => lives.push(life));
    process.on('error', reject);
    process.on('exit', (code) => (code === 0 ? resolve(lives) : reject(new Error(`a worker ended with ${code}`))));
  });
}

describe(`a year of ${LAMPS} healthy lamps`, function () {
  this.timeout(3_600_000);
  let lives: Life[];

  before(async () => {
    const cores = Math.max(1, Math.min(LAMPS, availableParallelism()));
    const shares = Array.from({ length: cores }, (_, core) =>
      Array.from({ length: Math.ceil((LAMPS - core) / cores) }, (_, i) => core + i * cores),
    );
    lives = (await Promise.all(shares.map(lived))).flat();
  });

  after(() => {
    const sum = (of: (life: Life) => number) => lives.reduce((total, life) => total + of(life), 0);
    const count = (code: EventCode) => sum(({ others }) => others[code] ?? 0);
    console.log(
      `      ${lives.length} lamp-years, ${sum(({ boots }) => boots)} boots, ${sum(({ requests }) => requests)} requests ` +
        `(${sum(({ damaged }) => damaged)} without a sound answer), ${count(EventCode.Sag)} sags, ` +
        `${count(EventCode.Swell)} swells, ${count(EventCode.SupplyLoss)} supply losses, ` +
        `${count(EventCode.UnitSilent)} silent meters, ${sum(({ alarms }) => alarms.length)} lamp alarms`,
    );
  });

  it('raises no lamp alarm', () => {
    assert.equal(lives.length, LAMPS);
    const alarms = lives.flatMap(({ lamp, what, alarms }) =>
      alarms.map(
        ([code, time, items]) => `lamp ${lamp} (${what}): ${code} at ${new Date(time).toISOString()} ${items}`,
      ),
    );
    assert.deepEqual(alarms, []);
  });

  it('has seen sags, interruptions and damaged messages', () => {
    for (const { lamp, others, requests, damaged, boots } of lives) {
      assert.ok(boots > 3, `lamp ${lamp}: ${boots} boots`);
      assert.ok(damaged > requests / 100, `lamp ${lamp}: ${damaged} of ${requests} messages damaged`);
      assert.ok((others[EventCode.Sag] ?? 0) > 3, `lamp ${lamp}: ${others[EventCode.Sag]} sags`);
    }
  });

  it('tells of each lamp when half of its LEDs are gone', () => {
    const blind = lives.filter(({ found }) => !found.includes(EventCode.LampPowerTooLow));
    assert.deepEqual(
      blind.map(({ lamp, what }) => `lamp ${lamp}: ${what}`),
      [],
    );
  });
});
