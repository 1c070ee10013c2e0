/** Finds what the build made for a board. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc } from './console.mjs';
import { FlashError } from './fault.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** @returns {string[]} names of all board configurations */
export const boards = () =>
  readdirSync(join(ROOT, 'board-configs'))
    .filter((name) => name.endsWith('.json') && name !== 'schema.json' && name !== 'interpreters.json')
    .map((name) => name.slice(0, -'.json'.length))
    .sort();

/**
 * Reads a board's bundle and its manifest, and holds them against each other.
 *
 * @param {string} board
 * @param {string} [directory] where they are; absent: `dist`, built first when they are not there
 * @returns {{ bundle: Buffer, manifest: import('./install.mjs').Manifest }}
 */
export function readBundle(board, directory) {
  const dist = directory ?? join(ROOT, 'dist');
  const script = join(dist, `${board}.js`);
  const description = join(dist, `${board}.json`);
  const found = () => existsSync(script) && existsSync(description);
  if (!found() && directory === undefined) {
    if (!boards().includes(board))
      throw new FlashError(`There is no board "${board}"; there are ${boards().join(', ')}.`, 2);
    process.stderr.write(`dist/${board}.js is not there yet: npm run build\n`);
    const env = { ...process.env, BOARD: board };
    const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, env, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new FlashError('The build failed, see above.');
  }
  if (!found()) throw new FlashError(`${script} or its manifest ${description} is missing: run "npm run build".`);
  const bundle = readFileSync(script);
  const manifest = JSON.parse(readFileSync(description, 'utf8'));
  const sums = [
    [manifest.bytes, bundle.length],
    [typeof manifest.crc32 === 'string' ? Number.parseInt(manifest.crc32, 16) : manifest.crc32, crc(bundle)],
    [manifest.sha256, createHash('sha256').update(bundle).digest('hex')],
  ];
  if (manifest.board !== board || sums.some(([said, is]) => said !== undefined && said !== is)) {
    throw new FlashError(`${script} is not what ${description} describes: run "npm run build".`);
  }
  return { bundle, manifest };
}
