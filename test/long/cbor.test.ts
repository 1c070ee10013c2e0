import assert from 'node:assert/strict';
import { hostile } from '../protocols/cbor-peer.ts';
import { generator } from '../protocols/mutate.ts';

describe('CBOR decoder', () => {
  it('survives 100,000 mutated messages and agrees with cbor-x on those it takes', () => {
    const before = process.memoryUsage().heapUsed;
    assert.ok(hostile(100_000, generator(1)) > 5000);
    assert.ok(process.memoryUsage().heapUsed - before < 200e6);
  });
});
