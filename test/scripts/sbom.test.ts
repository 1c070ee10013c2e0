import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

describe('scripts/sbom', () => {
  it('lists what is installed without tools for development, with versions and hashes, as CycloneDX', function () {
    this.timeout(30000); // a process of its own, on a busy machine
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/sbom.mjs'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const bill = JSON.parse(stdout);
    assert.deepEqual([bill.bomFormat, bill.metadata.component.name], ['CycloneDX', 'reverbere']);
    const versions = new Map<string, string>(
      bill.components.map(({ name, version }: Record<string, string>) => [name, version]),
    );
    const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    const plain = (name: string) => name.replace(/^@[^/]*\//, '');
    for (const [name, version] of Object.entries(dependencies)) {
      assert.equal(versions.get(name) ?? versions.get(plain(name)), version, name);
    }
    for (const name of ['mocha', 'sinon', 'rollup']) assert.ok(name in devDependencies && !versions.has(name), name);
    for (const { name, hashes } of bill.components) assert.ok(hashes?.length > 0, name);
  });
});
