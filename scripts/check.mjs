/**
 * `npm run check`: the whole gate. Lint, types, tests, bundles with their dialect check, sizes. Two lanes side by side, a
 * line per step; what a failing step printed follows at the end, and the exit code is 1.
 */
import { spawn } from 'node:child_process';
import { delimiter, resolve } from 'node:path';

/** The compiler keeps what it knows of unchanged files from one run to the next. */
const remembering = (name) => ['--incremental', '--tsBuildInfoFile', `node_modules/.cache/${name}.tsbuildinfo`];

/** Only the files named, not those of .mocharc.json. */
const ALONE = ['--no-config', '--require', 'tsx', '--reporter', './test/reporter.cjs', '--timeout', '10000'];

/** Steps of a lane run one after the other; the lanes share two cores evenly. */
const LANES = [
  [
    ['lint', 'biome', ['check', '.']],
    ['types (desktop)', 'tsc', ['-p', 'tsconfig.json', ...remembering('desktop')]],
    ['types (interpreter)', 'tsc', ['-p', 'tsconfig.firmware.json', ...remembering('interpreter')]],
    ['bundles and dialect', 'rollup', ['-c', '--silent']],
    ['size', process.execPath, ['scripts/size.mjs', '--dist', 'dist']],
    ['tests (gateway)', 'mocha', [...ALONE, 'test/gateway/**/*.test.ts']],
  ],
  [['tests (all others)', 'mocha', ['--ignore', 'test/gateway/**']]],
];

const PATH = [resolve('node_modules/.bin'), process.env.PATH].join(delimiter);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
const failures = [];

/** ms after which a step counts as hanging. */
const PATIENCE = 300_000;

/** @returns {Promise<void>} when the step has ended, well or badly */
function run([name, command, args]) {
  return new Promise((done) => {
    const start = Date.now();
    let output = '';
    const child = spawn(command, args, {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE,
    });
    const take = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', take);
    child.on('close', (code) => {
      const passed = code === 0;
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${name.padEnd(20)} ${seconds(start).padStart(7)}`);
      if (!passed) failures.push(`---- ${name}\n${output.trimEnd()}`);
      else if (name === 'size') console.log(output.trimEnd());
      done();
    });
  });
}

const start = Date.now();
await Promise.all(
  LANES.map(async (lane) => {
    for (const step of lane) await run(step);
  }),
);
for (const failure of failures) console.error(`\n${failure}`);
console.log(`${failures.length === 0 ? 'all passed' : `${failures.length} failed`} in ${seconds(start)}`);
process.exit(failures.length === 0 ? 0 : 1);
