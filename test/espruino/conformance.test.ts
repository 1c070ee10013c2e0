import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'crc';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, flashImage, interpreter } from '../../scripts/interpreter.mjs';
import { cases } from '../conformance/cases.ts';
import { freePort } from '../free-port.ts';

const NUMBERS = /conformance: (\d+) cases on the interpreter, (\d+) failed/;

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

  const header = (size: number, name: string, length: number) => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE(size, 0);
    bytes.write(name, 4);
    return bytes.subarray(0, length);
  };
  const torn: { what: string; bytes: Buffer }[] = [
    { what: 'a size word of which 9 bits are programmed', bytes: Buffer.from([0xff, 0xff, 0x7f, 0x00]) },
    { what: 'a size word of which 1 bit is programmed', bytes: Buffer.from([0xff, 0xff, 0xff, 0x7f]) },
    { what: 'a size that is too large, and no name', bytes: Buffer.from([0x3f, 0, 0, 0]) },
    { what: 'a size and 2 characters of the name', bytes: header(20, 'a~', 6) },
    { what: 'a header without data', bytes: header(20, 'a~0', 32) },
  ];
  /** A file of the HAL's storage: padding and sequence, padding, value, CRC-32 of all that and of the name. */
  const slot = (name: string, value: string) => {
    const padding = (8 - value.length - 5) & 15;
    const bytes = Buffer.alloc(value.length + padding + 5);
    bytes[0] = 16 * padding + Number(name.at(-1));
    bytes.write(value, 1 + padding);
    const end = bytes.length - 4;
    bytes.writeInt32LE(crc32(bytes.subarray(0, end)) ^ crc32(name), end);
    return bytes;
  };

  for (const { what, bytes } of torn) {
    it(`keeps values and takes new ones behind ${what}`, async () => {
      const source = `import { openHal } from 'hal/espruino/index.ts'; global.h = openHal(); setInterval('0', 1e6);`;
      const { code } = await bundle({ source });
      const files = {
        '.bootcde': code,
        'a~0': slot('a~0', 'old'),
        'a~1': slot('a~1', 'new'),
        'b~0': slot('b~0', 'other'),
      };
      const image = flashImage(files);
      const end = Object.values(files).reduce((sum, data) => sum + 32 + Math.ceil(data.length / 4) * 4, 0);
      bytes.copy(image, end);
      writeFileSync(join(directory, 'espruino.flash'), image);
      const board = boot({ directory });
      const read = (key: string) => board.evaluate(`E.toString(h.storage.read('${key}'))`);
      const write = (key: string, value: string) =>
        board.evaluate(`h.storage.write('${key}', E.toUint8Array('${value}')) || 0`);
      try {
        assert.deepEqual([await read('a'), await read('b')], ['new', 'other']);
        await write('a', 'newer');
        await write('b', 'another');
        await write('c', 'first');
        assert.deepEqual([await read('a'), await read('b'), await read('c')], ['newer', 'another', 'first']);
      } finally {
        await board.stop({ keep: true });
      }
    });
  }
});
