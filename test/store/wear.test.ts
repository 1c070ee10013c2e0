import assert from 'node:assert/strict';
import { told, wear } from './wear.ts';

/** Erasures that SPI flash endures. Source: Winbond W25Q32JV data sheet, "more than 100,000 erase/program cycles". */
const ENDURANCE = 100_000;

describe('raw flash of an ESP32', () => {
  it('outlives 15 years at the default rate, all pages of an area worn alike', async () => {
    const days = 4;
    const worn = await wear(days, { events: 40, batches: 8, overrides: 6, timetables: 1, boots: 2 });
    console.log(`      ${told(worn)}`);
    for (const [area, pages] of Object.entries(worn)) {
      assert.ok(Math.max(...pages) <= ENDURANCE, `${area}: ${pages}`);
      // One erasure is 15 years / 4 days: what lies between two pages in the middle of a round.
      assert.ok(Math.max(...pages) - Math.min(...pages) <= (15 * 366) / days + 1, `${area}: ${pages}`);
    }
  });
});
