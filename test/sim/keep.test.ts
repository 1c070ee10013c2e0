import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { Keep } from '../../sim/keep.ts';

describe('kept controllers', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keep-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('give back flash and counters of the last save, and nothing for a new controller', () => {
    const keep = new Keep(join(directory, 'street'));
    const sim = openSim();
    sim.storage.write('boots', Uint8Array.of(3));
    keep.save('lamp-01', { flash: sim.flash.image(), wattHours: 12.5, varHours: -1 });
    sim.storage.write('boots', Uint8Array.of(4));
    keep.save('lamp-01', { flash: sim.flash.image(), wattHours: 13, varHours: -1.5 });
    const saved = keep.load('lamp-01');
    assert.ok(saved);
    const again = openSim({ flash: new Flash({ image: saved.flash }) });
    assert.deepEqual([...(again.storage.read('boots') ?? [])], [4]);
    assert.equal(saved.wattHours, 13);
    assert.equal(saved.varHours, -1.5);
    assert.equal(keep.load('lamp-02'), undefined);
  });

  it('lose nothing of what their flash had when nobody saves any more', () => {
    const keep = new Keep(directory);
    const sim = openSim({ flash: new Flash({ size: 2 * 4096 }) });
    keep.follow('lamp-01', sim);
    for (let i = 0; i < 600; i++) {
      sim.storage.write('boots', Uint8Array.of(i & 255, i >> 8));
      assert.deepEqual(keep.load('lamp-01')?.flash, Buffer.from(sim.flash.image()), `after write ${i}`);
    }
    assert.ok(
      sim.flash.erases.some((count) => count > 0),
      'pages were erased meanwhile',
    );
    keep.save('lamp-01', { flash: new Uint8Array(0), wattHours: 1, varHours: 2 });
    const [flash, raw] = [sim.flash, sim.raw].map((area) => Buffer.from(area.image()));
    assert.deepEqual(keep.load('lamp-01'), { flash, raw, wattHours: 1, varHours: 2 });
  });

  it('are refused when their counters are damaged', () => {
    const keep = new Keep(directory);
    keep.save('lamp-01', { flash: new Flash().image(), wattHours: 1, varHours: 1 });
    writeFileSync(join(directory, 'lamp-01.json'), '{"wattHours":"many"}');
    assert.throws(() => keep.load('lamp-01'), /damaged/);
  });
});
