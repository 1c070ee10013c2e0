import assert from 'node:assert/strict';
import fc from 'fast-check';
import { timetable } from '../../bench/decision.ts';
import { Sensors } from '../../firmware/control/sensors.ts';
import { sunEvent } from '../../firmware/control/sun.ts';
import { Timetable } from '../../firmware/control/timetable.ts';
import { checkTimetable } from '../../firmware/control/timetable-check.ts';
import { AckCode } from '../../firmware/link/messages.ts';
import { Head, Part, Size } from '../../firmware/link/timetable.ts';

const SEED = 20261125;
/** 20 rules, 10 programs of 12 switch points. */
const sound = timetable(2);
const LIMITS = [sound.length, 20, 10, 10];

describe('a timetable that has come', () => {
  it('is taken when it fits exactly, and refused by one byte, rule, program or switch point less', () => {
    assert.equal(checkTimetable(sound, LIMITS), AckCode.Done);
    for (const i of LIMITS.keys()) {
      const less = LIMITS.map((limit, j) => (i === j ? limit - 1 : limit));
      assert.equal(checkTimetable(sound, less), AckCode.TooLarge, `limit ${i}`);
    }
  });

  it('is malformed when it is cut at any byte, or has one more', () => {
    for (let length = 0; length < sound.length; length++) {
      assert.equal(checkTimetable(sound.subarray(0, length), LIMITS), AckCode.Malformed, `${length} bytes`);
    }
    const longer = Buffer.concat([sound, Buffer.of(0)]);
    assert.equal(checkTimetable(longer, [5000, 20, 10, 10]), AckCode.Malformed);
  });

  it('is malformed with another version, or a program that it does not have', () => {
    const first = Head.Size + 2 * sound[Head.Programs];
    for (const [at, value] of [
      [Head.Version, 2],
      [Head.DefaultProgram, 10],
      [first, 10],
      [first, 255],
    ]) {
      const broken = Uint8Array.from(sound);
      broken[at] = value;
      assert.equal(checkTimetable(broken, LIMITS), AckCode.Malformed, `${value} at ${at}`);
    }
  });

  it('never makes the decision throw, however it was damaged, when it is taken (20,000 cases)', () => {
    const damage = fc.array(fc.tuple(fc.integer({ min: 0, max: sound.length - 1 }), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    });
    const instant = fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2060, 0) });
    let taken = 0;
    fc.assert(
      fc.property(damage, instant, (changes, now) => {
        const bytes = Uint8Array.from(sound);
        for (const [at, value] of changes) bytes[at] = value;
        if (checkTimetable(bytes, LIMITS) !== AckCode.Done) return;
        taken++;
        const plan = new Timetable({ timetable: () => bytes }, new Sensors(), sunEvent);
        plan.decide(now, 100);
        assert.ok(plan.level >= 0 && plan.level <= 100 && plan.next > now, `${plan.level} % until ${plan.next}`);
      }),
      { numRuns: 20_000, seed: SEED },
    );
    assert.ok(taken > 5000, `${taken} taken`);
  }).timeout(60_000);

  it('never asks for more than 100 %, whatever its controls say', () => {
    const bytes = Uint8Array.from(sound);
    const view = new DataView(bytes.buffer);
    for (let program = 0; program < bytes[Head.Programs]; program++) {
      const at = view.getUint16(Head.Size + 2 * program);
      const first = at + Part.Size + bytes[at] * Size.Period;
      for (let point = 0; point < bytes[at + Part.Fixed]; point++) bytes[first + point * Size.Point] = 200;
    }
    const plan = new Timetable({ timetable: () => bytes }, new Sensors(), sunEvent);
    const levels = new Set<number>();
    for (let hour = 0; hour < 24; hour++) {
      plan.decide(Date.UTC(2026, 4, 6, hour), 100);
      levels.add(plan.level);
    }
    assert.deepEqual([...levels].sort(), [0, 100]);
  });
});
