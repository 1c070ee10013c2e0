import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { openMeters } from '../../firmware/metering/meter.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { disturbance, endure, late } from './noise.ts';
import { MUTANTS, mutant } from './noise-mutants.ts';

const SEED = 20260504;
const some = fc.array(fc.oneof({ weight: 3, arbitrary: disturbance }, late), { minLength: 50, maxLength: 50 });

/** Late answers meet the next poll soonest on a line with one meter. */
const lates = fc.array(late, { minLength: 50, maxLength: 50 });

describe('A noisy Modbus line', () => {
  it('never gives a wrong value: 1,000 answers of three meters, no CRC right by accident', () => {
    let disturbed = 0;
    let values = 0;
    fc.assert(
      fc.property(some, (disturbances) => {
        const outcome = endure({ openMeters, Schedule }, disturbances);
        assert.equal(outcome.wrong, undefined);
        assert.deepEqual([outcome.foreign, outcome.collisions], [0, 0]);
        disturbed += outcome.disturbed;
        values += outcome.values;
      }),
      { numRuns: 20, seed: SEED },
    );
    assert.ok(disturbed > 700 && values > 2000, `${disturbed} disturbances, ${values} values`);
  });

  it('never takes a late answer for the next one: 1,000 answers of one meter', () => {
    fc.assert(
      fc.property(lates, (disturbances) => {
        const { wrong, foreign, collisions } = endure({ openMeters, Schedule }, disturbances, ['sdm120']);
        assert.deepEqual([wrong, foreign, collisions], [undefined, 0, 0]);
      }),
      { numRuns: 20, seed: SEED },
    );
  });

  for (const [what, changes] of Object.entries(MUTANTS)) {
    it(`gives wrong values without ${what}, and few disturbances show it`, async () => {
      const { code, directory } = await mutant(changes);
      const aboutLate = what.includes('late');
      try {
        const result = fc.check(
          fc.property(aboutLate ? lates : some, (disturbances) => {
            const { wrong, foreign, collisions } = endure(code, disturbances, aboutLate ? ['sdm120'] : undefined);
            return wrong === undefined && foreign === 0 && collisions === 0;
          }),
          { numRuns: 200, seed: SEED, endOnFailure: true },
        );
        assert.ok(result.failed, `not found in ${result.numRuns} runs`);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }
});
