import assert from 'node:assert/strict';
import { cases } from '../conformance/cases.ts';
import type { Case } from '../conformance/fixture.ts';
import { runCase } from '../conformance/runner.ts';
import { mutate, mutations } from './mutations.ts';
import { runUntil, SimFixture } from './sim-fixture.ts';

/** ms of simulated time, above the runner's own time-out */
const LIMIT = 6000;

/** @returns the failure, or '' */
function run(test: Case, fixture: SimFixture): string {
  let failure: string | undefined;
  const abort = runCase(test, fixture, (reason) => {
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
  for (const test of cases) it(test.name, () => assert.equal(run(test, new SimFixture()), ''));

  after(() => console.log(`    conformance: ${cases.length} cases on the simulator`));
});

describe('conformance of a deliberately broken HAL', () => {
  let caught = 0;

  it('every case has a mutation that breaks its promise, and every mutation a case', () => {
    const names = cases.map((test) => test.name);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(
      names.filter((name) => !mutations.some((mutation) => mutation.case === name)),
      [],
    );
    assert.deepEqual(
      mutations.filter((mutation) => !names.includes(mutation.case)),
      [],
    );
  });

  for (const mutation of mutations) {
    it(`'${mutation.name}' fails '${mutation.case}'`, () => {
      const test = cases.find(({ name }) => name === mutation.case);
      assert.ok(test);
      const failure = run(test, mutate(new SimFixture(), mutation));
      assert.notEqual(failure, '');
      if (process.env.MUTATIONS) console.log(`        ${failure}`);
      caught++;
    });
  }

  after(() => console.log(`    conformance: ${caught} of ${mutations.length} mutations caught`));
});
