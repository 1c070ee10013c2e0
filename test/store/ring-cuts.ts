/** Power cuts in a ring. */
import assert from 'node:assert/strict';
import { Ring } from '../../firmware/store/ring.ts';
import { PowerCut } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';

const LENGTH = 40;

export const record = (n: number) => Uint8Array.from({ length: LENGTH }, (_, i) => (n * 7 + i) & 255);

export function openRing(raw: Flash): Ring {
  const sim = openSim({ raw });
  return new Ring(sim, sim.openFlash({ size: raw.size }), LENGTH);
}

/**
 * Writes so many times to two pages, and cuts the power in every flash operation of each. The ring has the old record or the
 * new one, and takes the next.
 * @returns how many cuts that were
 */
export function sweepRing(writes: number): number {
  const raw = new Flash({ size: 8192 });
  let stored = 0;
  let cuts = 0;
  for (let n = 1; n <= writes; n++) {
    for (const part of [0, 0.5, 1]) {
      for (let operation = 0; ; operation++) {
        raw.cutAfter(operation, part);
        let cut = false;
        try {
          openRing(raw).write(record(n));
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
          cut = true;
        }
        raw.keepPower();
        const found = openRing(raw).read();
        const old = stored > 0 ? record(stored) : undefined;
        const isNew = found !== undefined && Buffer.from(found).equals(Buffer.from(record(n)));
        if (!isNew) assert.deepEqual(found, old, `write ${n}, cut at operation ${operation}, part ${part}`);
        if (isNew) stored = n;
        if (!cut) break;
        cuts++;
      }
    }
    assert.equal(stored, n);
  }
  return cuts;
}
