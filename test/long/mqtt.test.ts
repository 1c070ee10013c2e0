import assert from 'node:assert/strict';
import { hostile } from '../link/hostile.ts';
import { generator } from '../protocols/mutate.ts';

describe('Uplink', () => {
  it('survives 100,000 mutated conversations: bounded memory, and afterwards a sound exchange', () => {
    const before = process.memoryUsage().heapUsed;
    hostile(100_000, generator(1));
    assert.ok(process.memoryUsage().heapUsed - before < 200e6);
  });
});
