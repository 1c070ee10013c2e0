import { assertAgrees } from '../reference/cases.ts';
import { firmwareDecision } from '../reference/firmware.ts';

/** Repeats a failure; the message of a mismatch names the seed and the path. */
const SEED = 20261125;

describe('the firmware and the reference model of TALQ arbitration', () => {
  it(`agree on 500 random cases (seed ${SEED})`, () => {
    assertAgrees(({ config, history, instant }) => firmwareDecision(config, history, instant), 500, SEED);
  }).timeout(60_000);
});
