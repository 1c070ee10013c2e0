/** Proof that the dialect check's list is right: what it forbids fails on the interpreter, what it advises does not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { interpreter } from '../../scripts/interpreter.mjs';
import { CASES } from '../build/dialect-cases.ts';

/** What a script leaves in `R` on a desktop, as JSON. */
function onNode(code: string): string {
  const timers: (() => void)[] = [];
  const context = createContext({
    setTimeout: (run: () => void) => timers.push(run),
    clearTimeout: (timer: number) => timers.splice(timer - 1, timer ? 1 : 0),
    __spreadArray: () => [1],
  });
  runInContext(code, context, { timeout: 1000 });
  for (const run of timers) run();
  return JSON.stringify(context.R);
}

describe('the dialect list on the real interpreter', () => {
  let directory: string;
  before(function () {
    if (!interpreter()) {
      console.log('SKIPPED: ESPRUINO is not set, the dialect list is not proven');
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), 'dialect-'));
  });
  after(() => directory && rmSync(directory, { recursive: true }));

  /** What a script leaves in `R` on the interpreter, as JSON; 'fails' when it does not run to its end. */
  function onEspruino(code: string): string {
    const script = join(directory, 'script.js');
    const print = 'print("<"+JSON.stringify(R)+">")';
    // A script that sets timers is asked after they have run.
    const end = code.includes('setTimeout(') ? `setTimeout(function(){${print}},5)` : print;
    writeFileSync(script, `var R;\n${code}\n${end};\n`);
    const run = spawnSync(interpreter() as string, [script], {
      cwd: directory,
      encoding: 'latin1',
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 3000,
      killSignal: 'SIGKILL',
    });
    if (/Uncaught|ERROR|Interrupted/.test(run.stdout)) return 'fails';
    return /<(.*)>/.exec(run.stdout)?.[1] ?? 'fails';
  }

  for (const { what, bad, good, unseen } of CASES) {
    it(`${unseen ? 'cannot show' : 'differs in'} ${what}: ${bad.replaceAll('\n', '⏎')}`, () => {
      assert.equal(onEspruino(good), onNode(good), `the way out differs: ${good}`);
      if (unseen === undefined) assert.notEqual(onEspruino(bad), onNodeOrFails(bad));
    });
  }

  /** `with` and names reserved in strict code run on Node as they are. */
  function onNodeOrFails(code: string): string {
    try {
      return onNode(code);
    } catch (error) {
      return `throws ${error}`;
    }
  }
});
