import type { Case, Fixture } from './fixture.ts';

/** ms on the fixture's clock after which a case has failed. */
const TIMEOUT = 5000;

/** Fails the case that runs now: for what its callbacks throw. Nothing happens between cases. */
export type Abort = (reason: string) => void;

/**
 * Runs one case on a freshly booted board.
 *
 * @param finished called once, with the first failure or ''
 * @returns a function that fails it from outside
 */
export function runCase(test: Case, fixture: Fixture, finished: (failure: string) => void): Abort {
  let over = false;
  const end = (failure: string) => {
    if (over) return;
    over = true;
    // Out of the stack of whoever called, which may be a port of the board that is about to be reset.
    fixture.later(0, () => finished(failure));
  };
  fixture.later(TIMEOUT, () => end(`not done within ${TIMEOUT} ms`));
  const check = (condition: boolean, message: string) => {
    if (!condition) end(message);
  };
  try {
    test.run(fixture.boot(), fixture, check, () => end(''));
  } catch (error) {
    end(`threw ${error}`);
  }
  return end;
}

/**
 * Runs all cases one after another.
 *
 * @param report called for each case with its failure or ''
 * @param done called at the end with the number of failures
 * @returns a function that fails the case that runs now
 */
export function runCases(
  cases: readonly Case[],
  fixture: Fixture,
  report: (name: string, failure: string) => void,
  done: (failures: number) => void,
): Abort {
  let at = 0;
  let failures = 0;
  let abort: Abort = () => {};
  const next = () => {
    if (at === cases.length) {
      done(failures);
      return;
    }
    const test = cases[at];
    at++;
    abort = runCase(test, fixture, (failure) => {
      if (failure) failures++;
      report(test.name, failure);
      next();
    });
  };
  next();
  return (reason) => abort(reason);
}
