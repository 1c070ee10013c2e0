import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const BIOME = join('node_modules', '.bin', 'biome');

/** What the linter says about files planted in an otherwise empty tree: `path: message` for each error. */
function lint(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'lint-'));
  try {
    for (const name of ['biome.json', 'lint', '.gitignore']) cpSync(name, join(root, name), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    const run = spawnSync(join(process.cwd(), BIOME), ['lint', '--reporter=json', '--max-diagnostics=200', '.'], {
      cwd: root,
      encoding: 'utf8',
    });
    const { diagnostics } = JSON.parse(run.stdout);
    return diagnostics
      .filter((entry: { severity: string }) => entry.severity === 'error')
      .map((entry: { location: { path: string | { file: string } }; message: string; advices: unknown }) => {
        const path = typeof entry.location.path === 'string' ? entry.location.path : entry.location.path.file;
        return `${path}: ${entry.message} ${JSON.stringify(entry.advices)}`;
      });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A file that imports `names` and uses them. */
const importing = (...names: string[]) =>
  `${names.map((name, index) => `import { a${index} } from '${name}';`).join('\n')}\nexport const all = [${names.map(
    (_, index) => `a${index}`,
  )}];\n`;

describe('the linter', () => {
  it('holds the layers: 17 planted imports are found, 11 legal ones are not', () => {
    const bad: Record<string, string[]> = {
      'firmware/main.ts': ['../hal/espruino/index.ts', '../sim/index.ts', '../gateway/main.ts', 'node:fs', 'mqtt'],
      'firmware/control/program.ts': ['../link/session.ts', '../metering/meter.ts'],
      'firmware/metering/meter.ts': ['../link/reports.ts', '../control/arbiter.ts'],
      'firmware/drivers/analog.ts': ['../control/command.ts'],
      'firmware/protocols/cbor.ts': ['../link/messages.ts'],
      'hal/espruino/serial.ts': ['../../firmware/board.ts', '../../sim/clock.ts'],
      'sim/clock.ts': ['../firmware/schedule.ts'],
      'sim/plant/lamp.ts': ['../../firmware/protocols/modbus.ts'],
      'gateway/fleet.ts': ['../firmware/protocols/cbor.ts', '../sim/index.ts'],
    };
    const good: Record<string, string[]> = {
      'firmware/entry.ts': ['../hal/espruino/index.ts', './main.ts', 'virtual:board'],
      'firmware/control/lamp.ts': ['../link/messages.ts', '../drivers/driver.ts', '../schedule.ts'],
      'sim/controller.ts': ['../firmware/main.ts'],
      'gateway/mapping.ts': ['../firmware/link/messages.ts', 'fastify'],
      'sim/main.ts': ['../gateway/main.ts', '../firmware/main.ts'],
    };
    const files: Record<string, string> = {};
    for (const [name, imports] of Object.entries({ ...bad, ...good })) files[name] = importing(...imports);
    const found = lint(files).map((line) => line.slice(0, line.indexOf(':')));
    const expected = Object.entries(bad).flatMap(([name, imports]) => imports.map(() => name));
    assert.deepEqual(found.sort(), expected.sort());
  });

  it('shows the dialect while typing: 12 planted constructs are found in firmware, none in the gateway', () => {
    const planted: Record<string, string> = {
      spread: 'export const a = (x: number[]) => [...x];\n',
      rest: 'export function a(...x: number[]) {\n  return x;\n}\n',
      destructuring: 'export function a(x: number[]) {\n  const [y] = x;\n  return y;\n}\n',
      'default parameters': 'export function a(x = 1) {\n  return x;\n}\n',
      'computed keys': 'export const a = (x: string) => ({ [x]: 1 });\n',
      labels: 'export function a() {\n  here: for (;;) {\n    for (;;) break here;\n  }\n}\n',
      generators: 'export function* a() {\n  yield 1;\n}\n',
      async: 'export async function a(x: Promise<void>) {\n  await x;\n}\n',
      '#private': 'export class A {\n  #a = 1;\n  get() {\n    return this.#a;\n  }\n}\n',
      Map: 'export const a = new Map();\n',
      'Math.trunc': 'export const a = (x: number) => Math.trunc(x);\n',
      'assign length': 'export function a(x: number[]) {\n  x.length = 0;\n}\n',
    };
    const files: Record<string, string> = {};
    let index = 0;
    for (const text of Object.values(planted)) {
      files[`firmware/planted${index}.ts`] = text;
      files[`gateway/planted${index}.ts`] = text;
      index++;
    }
    const found = lint(files);
    index = 0;
    for (const construct of Object.keys(planted)) {
      const name = `firmware/planted${index++}.ts`;
      assert.ok(
        found.some((line) => line.startsWith(name) && line.includes(construct)),
        `${construct} in ${name} not found in:\n${found.join('\n')}`,
      );
    }
    assert.deepEqual(
      found.filter((line) => line.startsWith('gateway/')),
      [],
    );
  });
});
