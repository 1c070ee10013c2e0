import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Batch, Recorder } from '../../firmware/monitor/recorder.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { decodeSamples } from '../../gateway/samples.ts';
import { openSim } from '../../sim/index.ts';

/** 2026-11-25T00:00:00Z */
const MIDNIGHT = Date.UTC(2026, 10, 25);
const QUARTER = 900_000;
/** ms that a bench begins before midnight. */
const BEFORE = 50_000;

/** A recorder on a simulated clock that begins at `begin` UTC, and its batches, each with a copy of its samples. */
function bench(sample: (column: number) => number | undefined, begin = MIDNIGHT - BEFORE) {
  const sim = openSim(Number.isNaN(begin) ? {} : { begin });
  const batches: Batch[] = [];
  const schedule = new Schedule(sim.clock, { failed: (error) => assert.fail(String(error)) });
  const taker = { recorded: (batch: Batch) => batches.push({ ...batch, samples: batch.samples.slice() }) };
  return { sim, batches, recorder: new Recorder(sim.clock, schedule, { sample }, taker) };
}

describe('a recorder', () => {
  it('samples at the quarters of the hour, and hands over 96 of them as one batch that begins at midnight', () => {
    let asked = 0;
    const { sim, batches, recorder } = bench((column) => {
      if (column === 66) asked++;
      // Minutes since midnight in one column, a constant in the other.
      return column === 66 ? Math.round((sim.world.now - BEFORE) / 60_000) : 2300;
    });
    recorder.set([900, 66, 64]);
    sim.world.run(BEFORE + 95 * QUARTER - 1);
    assert.equal(batches.length, 0);
    sim.world.run(1001);
    assert.equal(asked, 96);
    assert.equal(batches.length, 1);
    const [{ start, record, count, samples }] = batches;
    assert.deepEqual([start, record, count], [MIDNIGHT, [900, 66, 64], 96]);
    const expected = Array.from({ length: 96 }, (_, i) => [15 * i, 2300]);
    assert.deepEqual(decodeSamples([66, 64], 96, samples), expected);
  });

  it('packs single columns as PROTOCOL.md publishes them', () => {
    const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| (\d+) \| ([^|]+) \| [^|]+ \| `([0-9A-F]+)` \|$/gm)];
    assert.ok(rows.length >= 6);
    for (const [, column, list, hex] of rows) {
      const values = list.split(',').map((value) => (value.trim() === 'missing' ? undefined : Number(value)));
      let next = 0;
      const { sim, batches, recorder } = bench(() => values[next++]);
      recorder.set([60, Number(column)]);
      sim.world.run(BEFORE + 60_000 * (values.length - 1) + 1000);
      recorder.flush();
      assert.equal(Buffer.from(batches[0].samples).toString('hex').toUpperCase(), hex, `column ${column}: ${list}`);
    }
  });

  it('keeps values that leap, are negative, or miss, to the last digit', () => {
    const rows = [0, -1, undefined, 2 ** 31 - 2, 17, -(2 ** 30), 17, undefined, 123_456_789, 5, 5, 5].map((a, i) => [
      a,
      1e9 + i ** 5,
    ]);
    let row = -1;
    const { sim, batches, recorder } = bench((column) => {
      if (column === 33) row++;
      return rows[row]?.[column === 33 ? 0 : 1];
    });
    recorder.set([60, 33, 0]);
    sim.world.run(BEFORE + 60_000 * (rows.length - 1) + 1000);
    recorder.flush();
    const { count, samples } = batches[0];
    assert.equal(count, rows.length);
    assert.deepEqual(
      decodeSamples([33, 0], count, samples),
      rows.map((values) => values.map((value) => value ?? null)),
    );
  });

  it('ends a batch that cannot take the worst instant any more, and begins the next one with whole values', () => {
    let n = 0;
    const { sim, batches, recorder } = bench(() => (n++ * 2_654_435_761) % 2 ** 30);
    recorder.set([60, 64, 65, 66, 67, 68, 69, 70, 71]);
    sim.world.run(3_600_000 - 1000);
    recorder.flush();
    assert.ok(batches.length > 1);
    for (const { samples } of batches) assert.ok(samples.length <= 560, `${samples.length} bytes`);
    const total = batches.reduce((sum, { count }) => sum + count, 0);
    assert.equal(total, 60);
    for (const { record, count, samples } of batches) {
      assert.ok(!(decodeSamples([...record].slice(1), count, samples) instanceof Error));
    }
  });

  it('records nothing without a clock, and from the next instant on when it becomes known', () => {
    const { sim, batches, recorder } = bench(() => 7, Number.NaN);
    recorder.set([60, 64]);
    sim.world.run(600_000);
    recorder.flush();
    assert.equal(batches.length, 0);
    sim.clock.setTime(MIDNIGHT + 20_000);
    sim.world.run(180_000);
    recorder.flush();
    assert.equal(batches.length, 1);
    assert.equal(batches[0].start % 60_000, 0);
    assert.ok(batches[0].start >= MIDNIGHT + 60_000);
  });

  it('begins a new batch where the clock was set, so that no instant is dated wrongly', () => {
    const { sim, batches, recorder } = bench(() => 7);
    recorder.set([60, 64]);
    sim.world.run(BEFORE + 121_000);
    sim.clock.setTime((sim.clock.time() as number) + 3_600_000);
    sim.world.run(240_000);
    recorder.flush();
    assert.equal(batches.length, 2);
    assert.equal(batches[0].start, MIDNIGHT);
    assert.ok(batches[1].start >= MIDNIGHT + 3_600_000);
  });
});
