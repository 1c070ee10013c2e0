import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { parse } from 'acorn';
import { bundle } from '../../scripts/bundle.mjs';

describe('a bundle', function () {
  this.timeout(60_000);

  /** Bundles a TypeScript file that stands alone, with the interpreter's built-ins. */
  async function bundleText(text: string) {
    const directory = mkdtempSync(join(tmpdir(), 'bundle-'));
    try {
      writeFileSync(join(directory, 'entry.ts'), text);
      const project = {
        extends: resolve('tsconfig.firmware.json'),
        include: [join(directory, 'entry.ts'), resolve('hal/espruino/espruino.d.ts')],
      };
      writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(project));
      return await bundle({ input: join(directory, 'entry.ts'), tsconfig: join(directory, 'tsconfig.json') });
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** Uses firmware, the board and a defined constant. Compiled once, for all tests that take it. */
  const source = `import board from 'virtual:board';
    import { Sensors } from './firmware/control/sensors.ts';
    print(JSON.stringify(board)); print(ANSWER); print(typeof Sensors);`;

  it('is a plain ASCII script: no import, no export, no wrapper', async () => {
    const { code } = await bundle({ source, board: 'linux', define: { ANSWER: 42 } });
    assert.match(code, /^[\0-\x7f]+$/);
    assert.doesNotMatch(code, /\b(import|export)\b/);
    assert.doesNotMatch(code, /^\(/);
    assert.doesNotThrow(() => parse(code, { ecmaVersion: 2020, sourceType: 'script' }));
  });

  it('holds the compiled board, the defined constants and const enums as numbers', async () => {
    const { code, board } = await bundle({ source, board: 'esp32', define: { ANSWER: 42 } });
    const printed: unknown[] = [];
    runInNewContext(code, { print: (value: unknown) => printed.push(value) });
    assert.deepEqual(JSON.parse(printed[0] as string), board);
    assert.deepEqual(printed.slice(1), [42, 'function']);
    assert.doesNotMatch(code, /Reason/);
  });

  it('maps its code to the TypeScript source', async () => {
    const { map } = await bundle({ source, board: 'linux', define: { ANSWER: 42 } });
    assert.ok(
      (map as { sources: string[] }).sources.some((name) => name.endsWith('firmware/control/sensors.ts')),
      (map as { sources: string[] }).sources.join(),
    );
  });

  it('shortens _private names and moves functions above their first call', async () => {
    const text = `class A { constructor(private _value: number) {} get(): number { return twice(this._value); } }
      print(new A(21).get());
      function twice(x: number): number { const a = [x, x]; let s = 0; for (const y of a) s += y; return s; }
      print(twice(1) + twice(2));`;
    const { code } = await bundleText(text);
    assert.doesNotMatch(code, /_value/);
    const printed: number[] = [];
    runInNewContext(code, { print: (value: number) => printed.push(value) });
    assert.deepEqual(printed, [42, 6]);
    assert.ok(code.indexOf('function') < code.indexOf('new '), code);
  });

  it('refuses 3 constructs with file, line, column and the way out', async () => {
    const text = `export {};
const list: (() => number)[] = [];
for (const item of [1, 2]) list.push(() => item);
const bytes = new Uint8Array(4);
function tail(data: Uint8Array): unknown {
  return data.slice(1);
}
print([list.concat(), tail(bytes), 1 << list[0]()]);
`;
    await assert.rejects(bundleText(text), (error: { lines: string[] }) => {
      const lines = error.lines.map((line) => line.replace(/^.*entry\.ts/, 'entry.ts')).sort();
      assert.match(lines[0], /^entry\.ts:3:\d+: closure over the loop variable item: copy it to a const/);
      assert.match(lines[2], /^entry\.ts:6:\d+: TS2339: Property 'slice' does not exist/);
      assert.match(lines[1], /^entry\.ts:6:\d+: slice of a typed array: use subarray/);
      assert.match(lines[3], /^entry\.ts:8:\d+: shift count of <<: use a literal 0\.\.31/);
      assert.equal(lines.length, 4, lines.join('\n'));
      return true;
    });
  });

  it('finds recursion through objects of 2 classes by their types', async () => {
    const text = `class A { constructor(private _b: B) {} go(n: number): number { return this._b.back(n - 1); } }
      class B { a: A | undefined; back(n: number): number { return this.a ? this.a.go(n) : 0; } }
      const b = new B(); b.a = new A(b); print(b.a.go(3));`;
    await assert.rejects(bundleText(text), /entry\.ts:2:\d+: recursion A\.go → B\.back → A\.go/);
  });

  it('refuses a type error of its own files in one line', async () => {
    await assert.rejects(
      bundleText('const x: number = "1";\nexport {};\nx;\n'),
      /entry\.ts:1:7: TS2322: Type 'string'/,
    );
  });

  it("puts a product's own values where the parameter board is asked, and nowhere else", async () => {
    const source = `import board from 'virtual:board';
      function ask(board) {
        const lamp = { board: { name: 'other' } };
        for (const board of [{ presence: 1 }]) print(board.presence);
        later({ _board: board });
        print(board.presence === undefined ? 'none' : board.presence, 'see board.name here', lamp.board.name, board.name);
        if (board.network.kind === 'none') print('never');
      }
      function later(rest) {
        const board = rest._board;
        if (board.presence) print('never');
      }
      ask(board);`;
    const { code } = await bundle({ source, board: 'linux' });
    const printed: unknown[] = [];
    runInNewContext(code, { print: (...values: unknown[]) => printed.push(...values) });
    assert.deepEqual(printed, [1, 'none', 'see board.name here', 'other', 'linux']);
    assert.doesNotMatch(code, /never|\.kind/);
  });

  it('puts constants into the text: no name of a number or a text at the top is left, and shadows stay', async () => {
    const text = `export {};
      const LIMIT = 86400000;
      const COLD = -273;
      const KEY = 'overrides';
      const table: { [key: string]: number } = { LIMIT: 1 };
      table[KEY] = 2;
      function least(LIMIT: number): number { return Math.min(LIMIT, 5 - COLD); }
      print(LIMIT + 1, least(7), least(1000), table['LIMIT'], table[KEY], typeof KEY, KEY + LIMIT);`;
    const { code } = await bundleText(text);
    const printed: unknown[] = [];
    runInNewContext(code, { print: (...values: unknown[]) => printed.push(...values), Math });
    assert.deepEqual(printed, [86400001, 7, 278, 1, 2, 'string', 'overrides86400000']);
    assert.doesNotMatch(code, /(const|let|var) \w+=(-?\d|["'])/);
  });

  it('refuses an entry with exports', async () => {
    await assert.rejects(bundleText('export const x = 1;\n'), /the entry exports x/);
  });
});
