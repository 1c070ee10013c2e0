import assert from 'node:assert/strict';
import { judged, polled } from './storm.ts';

describe('Damaged Modbus replies', () => {
  it('never pass as true ones: 2,000 judged, at most 1 CRC collision', () => {
    assert.ok(judged(2000, 1) <= 1);
  });

  it('leave readings true and meters working: 2,000 replies of an SDM120, at most 1 CRC collision', () => {
    const { readings, collisions } = polled(2000, 1);
    assert.ok(readings > 0);
    assert.ok(collisions <= 1);
  });
});
