import assert from 'node:assert/strict';
import { readArguments } from '../../bench/main.ts';

describe('arguments of npm run bench', () => {
  const names = (words: string[]) => (readArguments(words) as { name: string }[]).map(({ name }) => name);

  it('are all parts when none is named, else those that are', () => {
    assert.ok(names([]).includes('gateway'));
    assert.deepEqual(names(['gateway']), ['gateway']);
    assert.equal(readArguments(['--help']), 'help');
  });

  it('are refused with one line that names the word', () => {
    assert.throws(() => readArguments(['gateways']), { message: /^there is no part "gateways", only .*gateway/ });
    assert.throws(() => readArguments(['--parts']), { message: /Unknown option '--parts'/ });
  });
});
