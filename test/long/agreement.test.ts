import { assertAgrees } from '../reference/cases.ts';
import { firmwareDecision } from '../reference/firmware.ts';

const RUNS = 5000;
const BATCHES = 20;

describe('the firmware and the reference model of TALQ arbitration', () => {
  const seed = Date.now() % 1_000_000;
  for (let batch = 0; batch < BATCHES; batch++) {
    it(`agree on random cases ${batch * RUNS + 1} to ${(batch + 1) * RUNS} (seed ${seed + batch})`, () => {
      assertAgrees(({ config, history, instant }) => firmwareDecision(config, history, instant), RUNS, seed + batch);
    });
  }
});
