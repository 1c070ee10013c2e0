import assert from 'node:assert/strict';
import { Flash } from '../../sim/flash.ts';
import { openRing as open, record, sweepRing } from './ring-cuts.ts';

/** A place: 4 + 40 + 4 bytes; 85 in a page of 4096. */
const PLACES = 85;

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

  it('holds the old record or the new one, whenever the power goes in 30 writes, and goes on', () => {
    const cuts = sweepRing(30);
    assert.ok(cuts > 250, `${cuts} cuts`);
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
