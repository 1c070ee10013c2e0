import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boardNames } from '../../scripts/board-config.mjs';
import { compare, staticCount } from '../../scripts/size.mjs';

const size = { board: 'x', bytes: 1000, jsvars: 500, how: 'measured' };

describe('sizes', () => {
  it('are within a budget of 1000 bytes and 500 jsvars, and over one of 999 or 499', () => {
    assert.equal(compare([size], { x: { bytes: 1000, jsvars: 500 } }).over, false);
    assert.equal(compare([size], { x: { bytes: 999, jsvars: 500 } }).over, true);
    const { over, lines } = compare([size], { x: { bytes: 1000, jsvars: 499 } });
    assert.equal(over, true);
    assert.match(lines[0], /^x +1000 of +1000 bytes +500 of +499 jsvars OVER +measured$/);
  });

  it('say so when a board has no budget', () => {
    const { over, lines } = compare([size], {});
    assert.equal(over, false);
    assert.match(lines[0], /500 jsvars \(no budget\)/);
  });

  // Source: process.memory().usage of Espruino 2v29 (Linux build) after an empty .bootcde and after each of these.
  it('count what 11 scripts leave behind as the interpreter does', () => {
    const rows: [code: string, jsvars: number][] = [
      ['function f(){return 1}', 4],
      ['function f(){}', 2],
      ['function f(a,b){return a}', 6],
      ['const f=()=>1', 4],
      ['class A{m(){return 1}}', 11],
      ['class A{m(){return 1} n(a){return a}}', 16],
      ['class A{constructor(a){this.a=a} m(){return 1}}', 14],
      ['const n=5', 1],
      ['const n="ab"', 2],
      ['const a=[1,2,3]', 5],
      ['const o={a:1,b:2}', 4],
    ];
    for (const [code, jsvars] of rows) assert.equal(staticCount(code) - staticCount(''), jsvars, code);
  });

  it('end the command with 1 when they are over budget, with 0 when they are not', () => {
    const directory = mkdtempSync(join(tmpdir(), 'size-'));
    const budget = join(directory, 'budget.json');
    for (const name of boardNames()) writeFileSync(join(directory, `${name}.js`), 'function f(a){return a}\n');
    const run = (bytes: number) => {
      writeFileSync(budget, JSON.stringify({ runtime: 0, boards: { linux: { bytes, jsvars: 1600 } } }));
      const options = ['--budget', budget, '--dist', directory, '--estimate'];
      return spawnSync(process.execPath, ['scripts/size.mjs', ...options], { encoding: 'utf8' });
    };
    const [over, within] = [run(23), run(24)];
    rmSync(directory, { recursive: true });
    assert.equal(over.status, 1, over.stdout + over.stderr);
    assert.match(over.stdout, /linux +24 of +23 bytes OVER/);
    assert.match(over.stderr, /over budget/);
    assert.equal(within.status, 0, within.stdout + within.stderr);
  });
});
