import assert from 'node:assert/strict';
import { sweep } from '../store/journal-model.ts';
import { sweepRing } from '../store/ring-cuts.ts';
import { sweepSettings } from '../store/settings-cuts.ts';
import { sweepVault } from '../store/vault-cuts.ts';
import { told, wear } from '../store/wear.ts';

const ENDURANCE = 100_000;

describe('what is kept in raw flash, at length', () => {
  it('loses no record that is not counted, whenever the power goes in 400 appends and acknowledgements', () => {
    const { cuts, dropped } = sweep(400);
    console.log(`      ${cuts} cuts, ${dropped} records dropped for want of room`);
    assert.ok(cuts > 5000 && dropped > 20, `${cuts} cuts, ${dropped} dropped`);
  });

  it('holds the old counters or the new ones, whenever the power goes in 180 writes', () => {
    const cuts = sweepRing(180);
    console.log(`      ${cuts} cuts`);
    assert.ok(cuts > 1500, `${cuts} cuts`);
  });

  it('holds old or new settings, never a mix, whenever the power goes in 200 writes and deletions', () => {
    const cuts = sweepVault(200, 512);
    console.log(`      ${cuts} cuts`);
    assert.ok(cuts > 5000, `${cuts} cuts`);
  });

  it('holds the old configuration or the new one, whole, whenever the power goes in 60 changes of any parts', () => {
    const cuts = sweepSettings(60, 512);
    console.log(`      ${cuts} cuts`);
    assert.ok(cuts > 4000, `${cuts} cuts`);
  });

  it('outlives 15 years by a month of the most that can happen', async () => {
    // Samples every minute, an event every 5 minutes, an override every 20, a boot every hour, a timetable 4 times a day.
    const worn = await wear(30, { events: 288, batches: 15, overrides: 72, timetables: 4, boots: 24 });
    console.log(`      ${told(worn)}`);
    for (const [area, pages] of Object.entries(worn)) {
      assert.ok(Math.max(...pages) <= ENDURANCE, `${area}: ${pages}`);
      assert.ok(Math.max(...pages) <= 1.5 * Math.min(...pages), `${area}: ${pages}`);
    }
  });
});
