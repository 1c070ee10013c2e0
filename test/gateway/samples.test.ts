import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { accumulates, columnOf, decodeSamples } from '../../gateway/samples.ts';
import { PERIOD, record } from './recorder.ts';
import { encodeSamples } from './samples-encoder.ts';

/** Rows of the table in PROTOCOL.md: column, values, bytes. */
function published(): [number, (number | null)[], string][] {
  const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
  const section = text.slice(text.indexOf('## Samples'), text.indexOf('## Timetable'));
  const rows = [...section.matchAll(/^\| (\d+) \| ([^|]+) \| [^|]+ \| `([0-9A-F]+)` \|$/gm)];
  return rows.map(([, column, values, hex]) => [
    Number(column),
    values.split(',').map((value) => (value.trim() === 'missing' ? null : Number(value))),
    hex,
  ]);
}

const column = fc.oneof(fc.integer({ min: 0, max: 33 }), fc.integer({ min: 64, max: 1087 }));
/** Values that hardly move, that jump, and that no difference of 32 bits reaches. */
const series = (length: number) =>
  fc.oneof(
    fc.array(fc.option(fc.integer({ min: -3, max: 3 }), { freq: 9 }), { minLength: length, maxLength: length }),
    fc.array(fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), { minLength: length, maxLength: length }),
    fc.array(fc.option(fc.integer({ min: 0, max: 2 ** 45 })), { minLength: length, maxLength: length }),
  );
const batch = fc
  .tuple(fc.uniqueArray(column, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 40 }))
  .chain(([columns, count]) =>
    fc.record({ columns: fc.constant(columns), rows: fc.tuple(...columns.map(() => series(count))) }),
  )
  .map(({ columns, rows }) => ({ columns, instants: rows[0].map((_, i) => rows.map((row) => row[i])) }));

describe('recorded samples', () => {
  it('are packed as the 6 examples of PROTOCOL.md say, worked out by hand', () => {
    const examples = published();
    assert.equal(examples.length, 6);
    for (const [column, values, hex] of examples) {
      const instants = values.map((value) => [value]);
      assert.deepEqual(decodeSamples([column], values.length, Buffer.from(hex, 'hex')), instants, hex);
      assert.equal(encodeSamples([column], instants).toString('hex').toUpperCase(), hex);
    }
  });

  it('come out as they went in, for 1,000 batches of any columns and values; what does not fit into 32 bits is missing', () => {
    let missing = 0;
    fc.assert(
      fc.property(batch, ({ columns, instants }) => {
        const bytes = encodeSamples(columns, instants);
        const found = decodeSamples(columns, instants.length, bytes);
        assert.ok(Array.isArray(found), String(found));
        for (const [i, values] of instants.entries()) {
          for (const [j, value] of values.entries()) {
            if (found[i][j] === null && value !== null) missing++;
            else assert.equal(found[i][j], value);
          }
        }
      }),
      { numRuns: 1000, seed: 20260504 },
    );
    assert.ok(missing > 100, 'values beyond 32 bits were tried');
  });

  it('are packed by the firmware as the reference encoder packs them, and read by the gateway, for 500 batches', () => {
    fc.assert(
      fc.property(batch, ({ columns, instants }) => {
        const start = 1_777_924_800;
        let at = 0;
        for (const made of record(start, columns, instants)) {
          const own = instants.slice(at, at + made.count);
          assert.equal(made.start, (start + at * PERIOD) * 1000);
          assert.equal(Buffer.compare(made.samples, encodeSamples(columns, own)), 0);
          const found = decodeSamples(columns, made.count, made.samples);
          assert.ok(Array.isArray(found), String(found));
          at += made.count;
        }
        assert.equal(at, instants.length);
      }),
      { numRuns: 500, seed: 20260504 },
    );
  });

  it('lose a value only when its difference takes more than 32 bits', () => {
    const values = [0, 2 ** 31 - 1, -1, 2 ** 31, 5];
    const found = decodeSamples(
      [32],
      5,
      encodeSamples(
        [32],
        values.map((value) => [value]),
      ),
    );
    assert.deepEqual(found, [[0], [2 ** 31 - 1], [-1], [null], [5]]);
  });

  it('of a counter at a steady pace take half of what values that move as fast take', () => {
    const instants = Array.from({ length: 97 }, (_, i) => [1000 * i]);
    const steady = encodeSamples([3], instants).length;
    assert.ok(steady < encodeSamples([32], instants).length / 2, `${steady} bytes`);
    assert.deepEqual(decodeSamples([3], 97, encodeSamples([3], instants)), instants);
  });

  it('are an Error when bytes are cut off, left over or made up, and never more work than 8 values a byte', () => {
    const bytes = encodeSamples(
      [32, 64],
      [
        [50, 2300],
        [50, 2301],
      ],
    );
    assert.ok(decodeSamples([32, 64], 2, bytes.subarray(0, -1)) instanceof Error);
    assert.ok(decodeSamples([32, 64], 2, Buffer.concat([bytes, Buffer.from([0])])) instanceof Error);
    const filled = Buffer.from(bytes);
    filled[filled.length - 1] |= 1;
    assert.ok(decodeSamples([32, 64], 2, filled) instanceof Error, 'a one among the zeros that fill up');
    assert.ok(decodeSamples([32], 4096, Buffer.alloc(8)) instanceof Error);
    assert.ok(decodeSamples([32], 1, Buffer.alloc(0)) instanceof Error);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.array(column, { minLength: 1, maxLength: 8 }),
        fc.nat(80),
        (noise, columns, count) => {
          const found = decodeSamples(columns, count, noise);
          if (found instanceof Error) return;
          assert.equal(found.length, count);
          for (const value of found.flat()) assert.ok(value === null || Number.isSafeInteger(value));
        },
      ),
      { numRuns: 2000, seed: 20260504 },
    );
  });

  it('tell what their columns are', () => {
    assert.deepEqual(columnOf(3), { counter: 3 });
    assert.deepEqual(columnOf(32), {});
    assert.deepEqual(columnOf(64 + 2), { unit: 0, quantity: 2 });
    assert.deepEqual(columnOf(64 * 3 + 29), { unit: 2, quantity: 29 });
    assert.equal(columnOf(64 + 30), undefined);
    assert.deepEqual([3, 17, 32, 33, 64 + 7, 64 + 6, 128 + 9].map(accumulates), [
      true,
      true,
      false,
      false,
      true,
      false,
      true,
    ]);
  });
});
