import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readArguments } from '../../bench/year.ts';

describe('arguments of npm run year', () => {
  it('are all four places, 2026 and seed 1 when nothing is said', () => {
    const { places, year, seed } = readArguments([]) as Exclude<ReturnType<typeof readArguments>, 'help'>;
    assert.deepEqual(
      places.map(({ name }) => name),
      ['Brussels', 'Tromsø', 'Quito', 'Auckland'],
    );
    assert.deepEqual([year, seed], [2026, 1]);
    assert.equal(readArguments(['--help']), 'help');
  });

  it('are refused with one line that names the flag', () => {
    const wrong: [string[], RegExp][] = [
      [['--place', 'paris'], /^--place wants one of brussels, tromso, quito, auckland, not "paris"$/],
      [['--place', 'toString'], /^--place/],
      [['--year', '2019'], /^--year wants a whole number from 2020 to 2035, not "2019"$/],
      [['--year', '2036'], /^--year/],
      [['--seed', '-1'], /--seed/],
      [['--seed', '1.5'], /^--seed/],
      [['--places', 'quito'], /Unknown option '--places'/],
      [['quito'], /Unexpected argument 'quito'/],
    ];
    for (const [flags, message] of wrong) assert.throws(() => readArguments(flags), { message });
  });

  it('end with one line and exit code 2 when one is wrong', () => {
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const command = ['--import', 'tsx', 'bench/year.ts', '--place', 'paris'];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd, encoding: 'utf8' });
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^--place wants one of [^\n]*, not "paris" \(see --help\)\n$/);
  }).timeout(30_000);
});
