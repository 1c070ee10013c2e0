import assert from 'node:assert/strict';
import { fnv1a } from '../../firmware/protocols/fnv.ts';

describe('FNV-1a, 32 bits', () => {
  it('gives the published values of "", "a" and "foobar"', () => {
    assert.deepEqual(['', 'a', 'foobar'].map(fnv1a), [0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  });

  it('is multiplication by 16777619 modulo 2^32 after each byte, reckoned with whole numbers of any length', () => {
    for (const text of ['node-000001', 'node-099999', 'PAR-0042', 'ÿ\u0000~', 'x'.repeat(32)]) {
      let hash = 0x811c9dc5n;
      for (const letter of text) hash = ((hash ^ BigInt(letter.charCodeAt(0))) * 16777619n) & 0xffffffffn;
      assert.equal(fnv1a(text), Number(hash), text);
    }
  });

  it('puts node-000001 at 743 s of 900', () => {
    assert.deepEqual([fnv1a('node-000001'), fnv1a('node-000001') % 900], [0x940d3c93, 743]);
  });
});
