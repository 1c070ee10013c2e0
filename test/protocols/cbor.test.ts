import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CborWriter, decode } from '../../firmware/protocols/cbor.ts';
import { MALFORMED, NUMBERS, OTHER_NUMBERS, OTHERS, REFUSED, SIMPLES, TEXTS } from '../golden/cbor.ts';
import { decodeByPeer, hostile, peer, plain, plainPeer } from './cbor-peer.ts';
import { generator } from './mutate.ts';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (data: Uint8Array | undefined) => data && Buffer.from(data).toString('hex');
const writer = new CborWriter(512);
const written = (write: (to: CborWriter) => void) => {
  write(writer);
  return hex(writer.finish());
};

/** Heads of a message's maps: their keys as encoded bytes, in order. */
function assertAscending(data: Uint8Array): void {
  const value = decode(data);
  assert.ok(typeof value === 'object' && value !== null);
  const keys = [...(peer.decode(data) as Map<number, unknown>).keys()];
  const encodings = keys.map((key) => written((to) => to.number(key)) as string);
  assert.deepEqual(encodings, [...encodings].sort(), 'keys ascend bytewise (RFC 8949 §4.2.1)');
}

/** TALQ report of one lamp and its meter: 12 fields. */
const REPORT: [number, number][] = [
  [0, 1234],
  [1, 1764080000],
  [2, 86400],
  [3, 60],
  [4, 60],
  [5, 3],
  [7, 17],
  [8, 1764079000],
  [9, 2304],
  [10, 182],
  [11, 399],
  [12, 951],
];

describe('CBOR writer', () => {
  for (const [value, code] of NUMBERS) {
    it(`writes ${value} as RFC 8949 Appendix A does, ${code}`, () => {
      assert.equal(
        written((to) => to.number(value)),
        code,
      );
      assert.equal(
        written((to) => to.pairs(5, [value])),
        `05${code}`,
      );
    });
  }

  for (const [value, code] of SIMPLES) {
    it(`writes ${value} as ${code}`, () =>
      assert.equal(
        written((to) => to.simple(value)),
        code,
      ));
  }

  it('writes text byte by byte, 128 to 255 included', () => {
    for (const [value, code] of TEXTS)
      assert.equal(
        written((to) => to.text(value)),
        code,
      );
    assert.equal(
      written((to) => to.text('\x80\xff\0')),
      '6380ff00',
    );
    assert.equal(written((to) => to.text('x'.repeat(300)))?.slice(0, 8), '79012c78');
  });

  it('writes heads of 23, 24, 255, 256 and 65,536 pairs and items at their shortest', () => {
    const heads: [number, string, string][] = [
      [0, 'a0', '80'],
      [23, 'b7', '97'],
      [24, 'b818', '9818'],
      [255, 'b8ff', '98ff'],
      [256, 'b90100', '990100'],
      [65536, 'ba00010000', '9a00010000'],
    ];
    for (const [count, map, array] of heads) {
      assert.equal(
        written((to) => to.map(count)),
        map,
      );
      assert.equal(
        written((to) => to.array(count)),
        array,
      );
    }
  });

  it('writes integers at the borders of each length, to 2^53 - 1 and its negative', () => {
    const borders: [number, string][] = [
      [255, '18ff'],
      [256, '190100'],
      [65535, '19ffff'],
      [65536, '1a00010000'],
      [2147483648, '1a80000000'],
      [4294967295, '1affffffff'],
      [4294967296, '1b0000000100000000'],
      [9007199254740991, '1b001fffffffffffff'],
      [-24, '37'],
      [-25, '3818'],
      [-256, '38ff'],
      [-257, '390100'],
      [-4294967296, '3affffffff'],
      [-4294967297, '3b0000000100000000'],
      [-9007199254740991, '3b001ffffffffffffe'],
    ];
    for (const [value, code] of borders) {
      assert.equal(
        written((to) => to.number(value)),
        code,
      );
      assert.equal(
        written((to) => to.pairs(0, [value])),
        `00${code}`,
      );
    }
  });

  it('writes a report of 12 fields in 51 bytes, at most 84, keys ascending, as cbor-x does', () => {
    writer.map(12);
    writer.pairs(0, [1234, 1764080000, 86400, 60, 60, 3, undefined, 17, 1764079000, 2304, 182, 399, 951]);
    const report = writer.finish() as Uint8Array;
    assert.equal(hex(report), hex(peer.encode(new Map(REPORT))));
    assert.ok(report.length <= 84);
    assertAscending(report);
  });

  it('leaves out the pairs of undefined values, and writes null and negative ones', () => {
    assert.equal(
      written((to) => to.pairs(3, [undefined, null, -5, undefined, 1.5])),
      '04f6052407f93e00',
    );
  });

  it('gives undefined for a message of 17 bytes in 16, and writes the next one', () => {
    const narrow = new CborWriter(16);
    narrow.text('x'.repeat(15));
    assert.equal(narrow.finish()?.length, 16);
    narrow.text('x'.repeat(16));
    assert.equal(narrow.finish(), undefined);
    narrow.pairs(0, [1764080000, 1764080000, 1764080000]);
    assert.equal(narrow.finish(), undefined);
    narrow.number(1);
    assert.equal(hex(narrow.finish()), '01');
  });

  it('takes fractions in rows for what they are: 23.5, 255.5 and 65,535.5', () => {
    const floats = ['f94de0', 'f95bfc', 'fa477fff80'];
    assert.equal(
      written((to) => to.pairs(0, [23.5, 255.5, 65535.5])),
      `00${floats[0]}01${floats[1]}02${floats[2]}`,
    );
  });

  it('is read by cbor-x as meant: 1,000 random arrays of numbers', () => {
    const number = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.nat(70000), fc.double(), fc.float());
    fc.assert(
      fc.property(fc.array(number, { maxLength: 20 }), (values) => {
        writer.array(values.length);
        for (const value of values) writer.number(value);
        const data = writer.finish() as Uint8Array;
        assert.deepEqual(plainPeer(peer.decode(data)), plain(values));
        assert.deepEqual(plain(decode(data)), plain(values));
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  it('writes floats no longer than needed: half a million of 1 to 12 bits, around the borders of 16-bit floats', () => {
    const halves = new Set<number>();
    for (let bits = 0; bits < 65536; bits++) halves.add(peer.decode(Uint8Array.of(0xf9, bits >> 8, bits & 255)));
    let short = 0;
    for (let exponent = -40; exponent <= 20; exponent++) {
      for (let mantissa = -4096; mantissa < 4096; mantissa++) {
        const value = mantissa * 2 ** exponent;
        if (Number.isInteger(value)) continue;
        writer.number(value);
        const data = writer.finish() as Uint8Array;
        if (halves.has(value)) short++;
        if (data.length !== (halves.has(value) ? 3 : 5) || peer.decode(data) !== value || decode(data) !== value) {
          assert.fail(`${value} as ${hex(data)}`);
        }
      }
    }
    assert.ok(short > 50_000);
    for (const value of [1.1, Math.PI, 5e-324, 1.0000001]) assert.equal(written((to) => to.number(value))?.length, 18);
  });
});

describe('CBOR decoder', () => {
  for (const [value, code] of [...NUMBERS, ...OTHER_NUMBERS, ...SIMPLES, ...TEXTS, ...OTHERS]) {
    it(`reads ${code} as RFC 8949 Appendix A says`, () => assert.deepEqual(decode(bytes(code)), value));
  }

  it(`refuses the ${REFUSED.length} examples of Appendix A that it does not need`, () => {
    for (const code of REFUSED) assert.equal(decode(bytes(code)), undefined, code);
  });

  it(`refuses the ${MALFORMED.length} malformed examples of RFC 8949 Appendix F`, () => {
    for (const code of MALFORMED) assert.equal(decode(bytes(code)), undefined, code);
  });

  it('reads every message cut short, and followed by a byte, as nothing', () => {
    for (const message of [
      new Map<number, unknown>([
        [0, 1],
        [7, 'ref'],
        [9, [1.1, null]],
      ]),
      [1, [2, [3, [4]]]],
    ]) {
      const data = new Uint8Array(peer.encode(message));
      assert.deepEqual(plain(decode(data)), plainPeer(message));
      for (let length = 0; length < data.length; length++) assert.equal(decode(data.subarray(0, length)), undefined);
      assert.equal(decode(Uint8Array.of(...data, 0)), undefined);
    }
  });

  it('reads integers to 2^53 - 1 and its negative, and refuses the next', () => {
    assert.equal(decode(bytes('1b001fffffffffffff')), 9007199254740991);
    assert.equal(decode(bytes('1b0020000000000000')), undefined);
    assert.equal(decode(bytes('3b001ffffffffffffe')), -9007199254740991);
    assert.equal(decode(bytes('3b001fffffffffffff')), undefined);
  });

  it('reads 4 containers in each other and refuses 5', () => {
    assert.deepEqual(decode(bytes('81a1008101')), [{ 0: [1] }]);
    assert.deepEqual(decode(bytes('8181818107')), [[[[7]]]]);
    assert.deepEqual(decode(bytes('81818180')), [[[[]]]]);
    assert.equal(decode(bytes('818181818107')), undefined);
    assert.equal(decode(bytes('8181818180')), undefined);
  });

  it('reads 64 items and refuses 65, unless more are allowed', () => {
    const array = (length: number) => new Uint8Array(peer.encode(new Array(length).fill(0)));
    assert.equal((decode(array(63)) as number[]).length, 63);
    assert.equal(decode(array(64)), undefined);
    assert.equal((decode(array(64), 65) as number[]).length, 64);
    assert.equal(decode(array(1), 1), undefined);
  });

  it('refuses lengths beyond the message before it stores anything', () => {
    for (const code of ['9affffffff', 'baffffffff', '5affffffff', '7affffffff', '9b001fffffffffffff', '8501', 'a201']) {
      assert.equal(decode(bytes(code)), undefined, code);
    }
  });

  it('refuses keys that repeat, also when one is longer than needed or its value undefined', () => {
    for (const code of ['a201000102', 'a20100180102', 'a201f701f7', 'a22000390000f5']) {
      assert.equal(decode(bytes(code)), undefined, code);
    }
  });

  it('refuses keys that are no integers, __proto__ among them', () => {
    for (const key of ['61 61', '69 5f5f70726f746f5f5f', 'f93c00', 'f6', 'f4', '80', 'a0', '41 01', '81 01']) {
      assert.equal(decode(bytes(`a1${key.replace(' ', '')}01`)), undefined, key);
    }
    assert.equal(({} as Record<string, unknown>)['1'], undefined);
  });

  it('reads negative keys', () => {
    assert.deepEqual(decode(bytes('a220013863f5')), { '-1': 1, '-100': true });
  });

  it('reads heads that are longer than needed', () => {
    for (const code of ['1807', '190007', '1a00000007', '1b0000000000000007']) assert.equal(decode(bytes(code)), 7);
  });

  it('gives byte strings as views', () => {
    const data = bytes('824101420203');
    const value = decode(data) as Uint8Array[];
    data[5] = 9;
    assert.deepEqual([...value[1]], [2, 9]);
  });

  it('reads a message that lies inside a larger buffer', () => {
    const buffer = bytes('ffff83fb3ff199999999999afa47c35000f93e00ff');
    assert.deepEqual(decode(buffer.subarray(2, 20)), [1.1, 100000, 1.5]);
  });

  it('agrees with cbor-x on 1,000 random messages', () => {
    const scalar = fc.oneof(
      fc.maxSafeInteger(),
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.constantFrom(null, undefined),
      fc.uint8Array({ maxLength: 20 }),
    );
    const { item } = fc.letrec<{ item: unknown }>((tie) => ({
      item: fc.oneof(
        { depthSize: 'small', maxDepth: 3 },
        scalar,
        fc.array(tie('item'), { maxLength: 5 }),
        fc.array(fc.tuple(fc.integer(), tie('item')), { maxLength: 5 }).map((pairs) => new Map(pairs)),
      ),
    }));
    fc.assert(
      fc.property(item, (value) => {
        const data = new Uint8Array(peer.encode(value));
        assert.deepEqual(plain(decode(data, 1000)), plainPeer(decodeByPeer(data)?.value));
      }),
      { numRuns: 1000, seed: 3 },
    );
  });

  it('survives 2,000 mutated messages and agrees with cbor-x on those it takes', () => {
    assert.ok(hostile(2000, generator(4711)) > 100);
  });
});
