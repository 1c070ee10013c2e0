/** The conformance suite as a program for the interpreter: prints a line a case, then a line that counts them. */
import { openHal } from '../../hal/espruino/index.ts';
import { cases } from './cases.ts';
import { openFixture } from './espruino-fixture.ts';
import { runCases } from './runner.ts';

const abort = runCases(
  cases,
  openFixture(openHal),
  (name, failure) => print(failure ? `FAILED ${name}: ${failure}` : `passed ${name}`),
  (failures) => print(`conformance: ${cases.length} cases on the interpreter, ${failures} failed`),
);
process.on('uncaughtException', (error) => abort(`threw ${error}`));
