import assert from 'node:assert/strict';
import { Decoder } from 'cbor-x';
import { asBatch, asSenml, fromBatch, liveDay, MOST } from '../../bench/samples.ts';

describe('a day of samples', () => {
  it('of 8 quantities in 96 quarters of an hour takes at most 600 bytes, and the gateway reads it as it was', async () => {
    const day = await liveDay();
    const levels = new Set(day.instants.map((values) => values[7]));
    assert.equal(day.instants.length, 96);
    for (const level of [0, 60, 80, 100]) assert.ok(levels.has(level), `${level} % of the night's program`);
    assert.ok(new Set(day.instants.map((values) => values[6])).size > 40, 'and so did the day');
    const batch = asBatch(day);
    assert.ok(batch.length <= MOST, `${batch.length} bytes`);
    assert.deepEqual(fromBatch(batch), day);
    // The other side of the comparison holds the same values.
    const records = new Decoder({ mapsAsObjects: false } as object).decode(asSenml(day)) as Map<number, number>[];
    assert.equal(records.length, 768);
    assert.equal(records[95].get(6), 95 * 900);
    assert.equal(Math.round((records[95].get(2) as number) * 10), day.instants[95][0]);
  });
});
