import assert from 'node:assert/strict';
import { Ring } from '../../firmware/store/ring.ts';
import { PowerCut } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';

const LENGTH = 40;
/** A place: 4 + 40 + 4 bytes; 85 in a page of 4096. */
const PLACES = 85;

const record = (n: number) => Uint8Array.from({ length: LENGTH }, (_, i) => (n * 7 + i) & 255);

function open(raw: Flash) {
  const sim = openSim({ raw });
  return new Ring(sim, sim.openFlash({ size: raw.size }), LENGTH);
}

describe('a ring', () => {
  it('is empty on erased flash, and gives the latest of 1000 records after every restart', () => {
    const raw = new Flash({ size: 8192 });
    assert.equal(open(raw).read(), undefined);
    for (let n = 1; n <= 1000; n++) {
      const ring = open(raw);
      if (n > 1) assert.deepEqual(ring.read(), record(n - 1));
      assert.equal(ring.write(record(n)), true);
    }
    assert.deepEqual(open(raw).read(), record(1000));
  });

  it('wears its pages alike: an erasure a page for each round of 2 * 85 records', () => {
    const raw = new Flash({ size: 8192 });
    const ring = open(raw);
    for (let n = 0; n < 10 * 2 * PLACES; n++) ring.write(record(n));
    assert.deepEqual([...raw.erases], [10, 10]);
  });

  it('holds the old record or the new one, whenever the power goes in 180 writes, and goes on', () => {
    const raw = new Flash({ size: 8192 });
    let stored = 0;
    let cuts = 0;
    for (let n = 1; n <= 180; n++) {
      for (const part of [0, 0.5, 1]) {
        for (let operation = 0; ; operation++) {
          const sim = openSim({ raw });
          raw.cutAfter(operation, part);
          let cut = false;
          try {
            new Ring(sim, sim.openFlash({ size: raw.size }), LENGTH).write(record(n));
          } catch (error) {
            if (!(error instanceof PowerCut)) throw error;
            cut = true;
          }
          raw.keepPower();
          const found = open(raw).read();
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
    assert.ok(cuts > 1500, `${cuts} cuts`);
  });

  it('passes over a place that flash has spoilt', () => {
    const raw = new Flash({ size: 8192 });
    const ring = open(raw);
    ring.write(record(1));
    raw.damage(60, 0x01);
    assert.equal(ring.write(record(2)), true);
    assert.deepEqual(open(raw).read(), record(2));
    raw.damage(2 * 48 + 10, 0x40);
    assert.deepEqual(open(raw).read(), record(1));
  });
});
