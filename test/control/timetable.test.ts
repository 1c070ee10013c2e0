import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RAISED, Sensors } from '../../firmware/control/sensors.ts';
import { sunEvent } from '../../firmware/control/sun.ts';
import { Timetable } from '../../firmware/control/timetable.ts';
import { type Case, cases } from '../reference/cases.ts';
import { numberOf, timetableOf } from '../reference/firmware.ts';

/** Repeats a failure; the message of a mismatch names the seed and the path. */
const SEED = 20261125;

/** A timetable that has just been stored, with sensors as the case's history leaves them at its end. */
function open({ config, history }: Case): Timetable {
  const bytes = timetableOf(config);
  const sensors = new Sensors();
  const timetable = new Timetable({ timetable: () => bytes }, sensors, sunEvent);
  timetable.decide(config.assigned ?? 0, 100);
  for (const happening of history) {
    if (happening.type === 'sensor') {
      sensors.hear(numberOf(happening.address) as number, happening.raised ? RAISED : happening.at, happening.at);
    } else if (happening.type === 'reading') {
      const number = numberOf(happening.address) as number;
      sensors.set(number, happening.value, 0);
      if (happening.value !== undefined) timetable.reading(number, happening.value, happening.value);
    }
  }
  return timetable;
}

function verdict(timetable: Timetable, now: number) {
  timetable.decide(now, 100);
  const { level, reason, program, control, sensor, rampTo, rampFrom, next } = timetable;
  return { level, reason, program, control, sensor, rampTo, rampFrom, next };
}

describe('a timetable', () => {
  it(`decides as a fresh one does after 12 other instants, forward and back (500 cases, seed ${SEED})`, () => {
    const steps = fc.array(
      fc.oneof(
        fc.constantFrom(0, 1, -1, 60, 3600, -3600, 7200, 43_200, 86_400, -86_400, 172_800),
        fc.integer({ min: -400_000, max: 400_000 }),
      ),
      { minLength: 12, maxLength: 12 },
    );
    fc.assert(
      fc.property(cases(), steps, (given, moves) => {
        const used = open(given);
        let now = given.instant;
        for (const move of moves) {
          now += move * 1000;
          assert.deepEqual(verdict(used, now), verdict(open(given), now));
        }
      }),
      { numRuns: 500, seed: SEED },
    );
  }).timeout(30_000);

  it('cannot change its answer before `next` (500 cases)', () => {
    fc.assert(
      fc.property(cases(), fc.double({ min: 0, max: 1, noNaN: true }), (given, part) => {
        const { instant } = given;
        const timetable = open(given);
        const { next, ...first } = verdict(timetable, instant);
        if (next > instant + 2 * 86_400_000) return;
        assert.ok(next > instant);
        for (const time of [instant + (next - 1 - instant) * part, next - 1]) {
          const { next: _, ...later } = verdict(timetable, time);
          assert.deepEqual(later, first);
        }
      }),
      { numRuns: 500, seed: SEED },
    );
  }).timeout(30_000);
});
