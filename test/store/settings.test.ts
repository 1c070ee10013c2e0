import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LampCommand } from '../../firmware/control/command.ts';
import { Reason } from '../../firmware/link/messages.ts';
import { Settings } from '../../firmware/store/settings.ts';
import { openSim } from '../../sim/index.ts';

const OWN = Uint8Array.of(1, 0, 255);

function open() {
  const { storage } = openSim();
  return { storage, again: () => new Settings(storage, OWN, 90) };
}

const instant = fc.option(fc.integer({ min: 1_704_067_200_000, max: 4_294_967_295_000 }), { nil: undefined });
const ramp = fc.option(fc.integer({ min: 0, max: 100_000_000 }), { nil: undefined });
/** As firmware sees text: one character a byte. */
const bytes = fc.uint8Array({ maxLength: 64 }).map((codes) => String.fromCharCode(...codes));
const override = fc.record(
  {
    level: fc.integer({ min: 0, max: 100 }),
    reason: fc.constant(Reason.Override),
    start: instant,
    expiration: instant,
    rampTo: ramp,
    rampFrom: ramp,
    reference: fc.option(bytes, { nil: undefined }),
  },
  { noNullPrototype: true },
) as fc.Arbitrary<LampCommand>;
/** Members that say nothing are left out. */
const known = (command: LampCommand | undefined) =>
  command && Object.fromEntries(Object.entries(command).filter(([, value]) => value !== undefined));
const slot = fc.option(override, { nil: undefined });

describe('settings', () => {
  it('are those of the board until somebody sets others', () => {
    const settings = open().again();
    assert.deepEqual(settings.timetable(), OWN);
    assert.deepEqual([settings.check(), settings.defaultLevel(), settings.overrides()], [undefined, 90, []]);
  });

  it('remember a timetable and its check value, its last four bytes, and that there shall be none', () => {
    const { again } = open();
    again().setTimetable(Uint8Array.of(1, 2, 3, 0xfe, 0xdc, 0xba, 0x98));
    assert.deepEqual([...(again().timetable() ?? [])], [1, 2, 3, 0xfe, 0xdc, 0xba, 0x98]);
    assert.equal(again().check(), 0xfedcba98);
    again().setTimetable(new Uint8Array(0));
    assert.deepEqual([again().timetable(), again().check()], [undefined, 0]);
  });

  it("remember a default level of 0..100 %, and take the board's for anything else", () => {
    const { again, storage } = open();
    for (const level of [0, 100, 55]) {
      again().setDefaultLevel(level);
      assert.equal(again().defaultLevel(), level);
    }
    for (const damaged of [[101], [], [1, 2]]) {
      storage.write('level', Uint8Array.from(damaged));
      assert.equal(again().defaultLevel(), 90);
    }
  });

  it('remember both overrides with all they have (300 pairs, seed 1)', () => {
    const { again } = open();
    fc.assert(
      fc.property(slot, slot, (running, pending) => {
        again().setOverrides(running, pending);
        assert.deepEqual(again().overrides(), [running, pending].map(known));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('have no overrides when what is stored is none', () => {
    const { again, storage } = open();
    for (const text of ['', '[', '[0,0]', 'null', '0', '{}', '[{"level":', '\xff']) {
      storage.write('overrides', Buffer.from(text, 'latin1'));
      assert.deepEqual(again().overrides().filter(Boolean), []);
    }
  });
});
