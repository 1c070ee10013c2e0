import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { cases } from '../conformance/cases.ts';

const NUMBERS = /conformance: (\d+) cases on the interpreter, (\d+) failed/;

/** @returns a TCP port at which nobody listens */
const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe('conformance on the interpreter', () => {
  let directory: string;
  let wire: ChildProcess;

  before(async function () {
    if (!interpreter()) {
      console.log('    SKIPPED: conformance on the interpreter needs ESPRUINO');
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), 'conformance-'));
    const ends = ['near', 'far'].map((name) => join(directory, name));
    wire = spawn(
      'socat',
      ends.map((link) => `pty,raw,echo=0,link=${link}`),
      { stdio: 'ignore' },
    );
    for (let tries = 0; tries < 100 && !ends.every(existsSync); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  after(() => {
    wire?.kill('SIGKILL');
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  /** @returns what the console said */
  async function run(code: string): Promise<string> {
    const site = {
      near: join(directory, 'near'),
      far: join(directory, 'far'),
      echoPort: await freePort(),
      refusedPort: await freePort(),
    };
    const board = boot({ files: { '.bootcde': code, 'fixture.json': JSON.stringify(site) } });
    try {
      await Promise.race([board.expect(NUMBERS, { timeout: 100_000 }), board.exited]);
      return board.output();
    } finally {
      await board.stop();
    }
  }

  it(`passes the same ${cases.length} cases as the simulator`, async function () {
    this.timeout(300_000);
    const { code } = await bundle({ input: 'test/conformance/entry.ts' });
    let output = await run(code);
    // Linux builds fill and empty their input queue from two threads without a lock.
    // Source: Espruino targets/linux/jshardware.c jshInputThread, src/jsdevices.c jshPopIOEvent.
    if (/ASSERT\(len <= 64\)/.test(output)) {
      console.log('    the interpreter lost its own input queue (ASSERT in jsdevices.c): once more');
      output = await run(code);
    }
    const [line, count, failed] = output.match(NUMBERS) ?? assert.fail(`no result:\n${output.slice(0, 8000)}`);
    console.log(`    ${line}`);
    assert.deepEqual(output.match(/FAILED .*/g) ?? [], []);
    assert.equal(Number(failed), 0);
    assert.equal(Number(count), cases.length);
  });
});
