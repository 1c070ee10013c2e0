import assert from 'node:assert/strict';
import { cases } from '../conformance/cases.ts';
import type { Case, Fixture } from '../conformance/fixture.ts';
import { runCase } from '../conformance/runner.ts';
import { runUntil, SimFixture } from './sim-fixture.ts';

/** ms of simulated time, above the runner's own time-out */
const LIMIT = 6000;

/** @returns the failure, or '' */
function run(test: Case, change: (fixture: Fixture) => Fixture): string {
  const fixture = new SimFixture();
  let failure: string | undefined;
  const abort = runCase(test, change(fixture), (reason) => {
    failure = reason;
  });
  fixture.onUncaught = (error) => abort(`threw ${error}`);
  runUntil(
    fixture.world,
    () => failure !== undefined,
    LIMIT,
    (error) => abort(`threw ${error}`),
  );
  return failure ?? 'the runner never came back';
}

describe('conformance on the simulator', () => {
  for (const test of cases)
    it(test.name, () =>
      assert.equal(
        run(test, (fixture) => fixture),
        '',
      ),
    );

  after(() => console.log(`    conformance: ${cases.length} cases on the simulator`));
});
