import assert from 'node:assert/strict';
import { judged, polled } from '../metering/storm.ts';

// A message of noise has a right CRC once in 65,536, and most kinds of damage are caught with certainty.
const MOST = 8;

describe('Damaged Modbus replies', () => {
  it('never pass as true ones: 100,000 judged, at most 8 CRC collisions', () => {
    const collisions = judged(100_000, 2);
    console.log(`      ${collisions} CRC collisions in 100,000 judged replies`);
    assert.ok(collisions <= MOST);
  });

  it('leave readings true and meters working: 100,000 replies of an SDM120, at most 8 CRC collisions', () => {
    const { readings, collisions } = polled(100_000, 2);
    console.log(`      ${collisions} CRC collisions in 100,000 replies, ${readings} readings taken`);
    assert.ok(readings > 100);
    assert.ok(collisions <= MOST);
  });
});
