/**
 * `npm run sbom`: a software bill of materials of what `npm install --omit dev` installs, as CycloneDX on the standard
 * output. npm's own command refuses a project whose overrides are folders (tools/left-out stands in for packages that
 * nobody needs), so it works on a copy without them.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const project = read('package.json');
const lock = read('package-lock.json');
const isLeftOut = (path) => path?.startsWith('tools/left-out');

for (const [name, replaced] of Object.entries(project.overrides)) {
  if (typeof replaced !== 'object') continue;
  const entry = lock.packages[`node_modules/${name}`];
  for (const left of Object.keys(replaced)) {
    delete entry.dependencies?.[left];
    delete entry.optionalDependencies?.[left];
  }
  delete project.overrides[name];
}
for (const [path, { resolved }] of Object.entries(lock.packages)) {
  if (isLeftOut(path) || isLeftOut(resolved)) delete lock.packages[path];
}

const temporary = mkdtempSync(join(tmpdir(), 'sbom-'));
// npm calls the whole by the name of its folder.
const directory = join(temporary, project.name);
try {
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), JSON.stringify(project));
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(lock));
  const words = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--omit', 'dev'];
  const { status, stdout, stderr } = spawnSync('npm', words, { cwd: directory, encoding: 'utf8', maxBuffer: 2 ** 26 });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = status ?? 1;
} finally {
  rmSync(temporary, { recursive: true });
}
