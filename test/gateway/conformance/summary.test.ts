import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHECKLIST } from './checklist.ts';
import { idsOf, report, summarize, type Test } from './summary.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

describe('the summary of the checklist', () => {
  const chapter = (...items: { id: number; inapplicable?: string }[]) => [
    { name: 'A', source: 'B', items: items.map((item) => ({ text: 'given → when → then', ...item })) },
  ];

  it('has every number from one to a hundred and forty-seven once, in order', () => {
    const ids = CHECKLIST.flatMap(({ items }) => items.map(({ id }) => id));
    assert.deepEqual(
      ids,
      Array.from({ length: 147 }, (_, i) => i + 1),
    );
  });

  it('reads numbers, lists and ranges at the beginning of a title, and nowhere else', () => {
    const cases: [string, number[]][] = [
      ['8 takes a body', [8]],
      ['8 and 19 takes a body', [8, 19]],
      ['40 41 announces', [40, 41]],
      ['20-23 introduces', [20, 21, 22, 23]],
      ['62, 63 and 64 keeps', [62, 63, 64]],
      ['1-3, 7 and 9-10 keeps', [1, 2, 3, 7, 9, 10]],
      ['brings 300,000 bytes', []],
      ['takes 8 bodies', []],
      ['12', []],
    ];
    for (const [title, ids] of cases) assert.deepEqual(idsOf(title), ids, title);
  });

  it('passes an item only when all its tests have passed', () => {
    const tests = (...states: Test['state'][]): Test[] => states.map((state) => ({ title: '1 does', state }));
    const stateOf = (...states: Test['state'][]) => summarize(tests(...states), chapter({ id: 1 }))[0].state;
    assert.equal(stateOf('passed', 'passed'), 'passed');
    for (const bad of ['failed', 'pending', undefined] as const) assert.equal(stateOf('passed', bad), 'failed', bad);
    assert.equal(stateOf(), 'failed', 'an item without a test is never passed in silence');
  });

  it('takes an item for inapplicable with its reason, unless a test says otherwise', () => {
    const items = chapter({ id: 1, inapplicable: 'no such thing here' }, { id: 2 });
    const test: Test = { title: '2 does', state: 'passed' };
    assert.deepEqual(report(summarize([test], items)), [
      'TALQ conformance: 1 passed, 0 failed, 1 not applicable, of 2',
      '  1 not applicable: no such thing here',
    ]);
    assert.deepEqual(report(summarize([{ title: '1 does', state: 'passed' }], items)), [
      'TALQ conformance: 0 passed, 2 failed, 0 not applicable, of 2',
      '  1 failed: does not apply, and yet there is a test: 1 does',
      '  2 failed: no test',
    ]);
  });
});

// The last word of a run that has all tests of the gateway in it; a run of a few files has nothing to say of all items.
after(function summary() {
  let root = this.test?.parent;
  while (root?.parent) root = root.parent;
  const tests: (Test & { file?: string })[] = [];
  root?.eachTest((test) => tests.push({ title: test.title, state: stateOf(test), file: test.file }));
  const ran = new Set(tests.map(({ file }) => file));
  const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(ROOT, file));
  if (files.some((file) => !ran.has(file))) return;
  const results = summarize(tests.filter(({ file }) => file?.startsWith(ROOT)));
  for (const line of report(results)) console.log(line);
  assert.deepEqual(
    results.filter(({ state }) => state === 'failed').map(({ id }) => id),
    [],
    'items of the checklist that are not shown',
  );
});

function stateOf(test: Mocha.Runnable): Test['state'] {
  if (test.isPending()) return 'pending';
  return test.state === 'passed' || test.state === 'failed' ? test.state : undefined;
}
