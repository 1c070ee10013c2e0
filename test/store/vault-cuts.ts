/** Power cuts in a vault. */
import assert from 'node:assert/strict';
import { Vault } from '../../firmware/store/vault.ts';
import { PowerCut } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';

/** Longest values by key, for pages of 512 bytes: in such proportion as a controller's to pages of 4 KiB. */
const LONGEST: Record<string, number> = { timetable: 300, monitoring: 110, overrides: 60, level: 1, boot: 4 };

/**
 * Writes and deletes so many times on 4 pages, and cuts the power in every flash operation of each. The key that is written
 * has its old value or its new one, every other key its own.
 * @returns how many cuts that were
 */
export function sweepVault(steps: number, page: number): number {
  const raw = new Flash({ size: 4 * page, page });
  const random = seeded('vault cuts');
  const truth = new Map<string, Uint8Array>();
  let cuts = 0;
  for (let step = 0; step < steps; step++) {
    const key = Object.keys(LONGEST)[random.below(5)];
    const value = Uint8Array.from({ length: LONGEST[key] - random.below(2) }, (_, i) => (step * 11 + i) & 255);
    const deletes = random.below(10) === 0;
    for (const part of [0, 0.5, 1]) {
      for (let operation = 0; ; operation++) {
        const sim = openSim({ raw });
        const vault = new Vault(sim, { size: raw.size });
        raw.cutAfter(operation, part);
        let cut = false;
        try {
          if (deletes) vault.delete(key);
          else vault.write(key, value);
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
          cut = true;
        }
        raw.keepPower();
        const at = `step ${step}, ${key}, cut at operation ${operation}, part ${part}`;
        const again = new Vault(openSim({ raw }), { size: raw.size });
        const found = again.read(key);
        const isNew = deletes ? found === undefined : found !== undefined && Buffer.from(found).equals(value);
        assert.ok(isNew || cut, at);
        if (!isNew) assert.deepEqual(found, truth.get(key), at);
        else if (deletes) truth.delete(key);
        else truth.set(key, value);
        assert.deepEqual(again.keys().sort(), [...truth.keys()].sort(), at);
        for (const [name, bytes] of truth) assert.deepEqual(again.read(name), bytes, `${at}: ${name}`);
        if (!cut) break;
        cuts++;
      }
    }
  }
  return cuts;
}
