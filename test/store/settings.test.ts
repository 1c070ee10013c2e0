import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LampCommand } from '../../firmware/control/command.ts';
import type { Part } from '../../firmware/link/commands.ts';
import { ConfigurationPart, OWN_LEVEL, Reason } from '../../firmware/link/messages.ts';
import { Settings } from '../../firmware/store/settings.ts';
import { openSim } from '../../sim/index.ts';
import { Configuration } from '../configuration.ts';

const OWN = Uint8Array.of(1, 0, 255);

function open() {
  const sim = openSim();
  const { storage } = sim;
  return { storage, again: () => new Settings(storage, sim, OWN, 90) };
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
    assert.deepEqual([settings.edition, settings.defaultLevel(), settings.overrides()], [0, 90, []]);
    assert.deepEqual([settings.groupRecord().length, settings.partOf(ConfigurationPart.Monitoring)], [0, undefined]);
  });

  /** What the settings hold, as a boot finds it. */
  const held = (settings: Settings) => [
    settings.edition,
    settings.defaultLevel(),
    [...(settings.timetable() ?? [])],
    settings.partOf(ConfigurationPart.Monitoring) && [...(settings.partOf(ConfigurationPart.Monitoring) as Uint8Array)],
    [...settings.groupRecord()],
  ];

  it('remember a configuration part by part: what is null is the board’s own, what is undefined stays', () => {
    const { again, storage } = open();
    again().setParts(5, 40, [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5)]);
    assert.deepEqual(held(again()), [5, 40, [1, 2], [3], [4, 5]]);
    again().setParts(6, undefined, [Uint8Array.of(7), undefined, undefined]);
    assert.deepEqual(held(again()), [6, 40, [7], [3], [4, 5]]);
    // None is something else than the board's own.
    again().setParts(7, 0, [new Uint8Array(0), new Uint8Array(0), undefined]);
    assert.deepEqual(held(again()), [7, 0, [], [], [4, 5]]);
    again().setParts(4_294_967_295, OWN_LEVEL, [null, null, null]);
    assert.deepEqual(held(again()), [4_294_967_295, 90, [...OWN], undefined, []]);
    assert.deepEqual(storage.keys(), ['now'], 'nothing is left of what does not count any more');
  });

  it('have the check value of PROTOCOL.md, and know what would stay as it is (300 changes, seed 1)', () => {
    const { again } = open();
    const model = new Configuration();
    const level = fc.option(fc.integer({ min: 0, max: 100 }), { nil: null });
    const part = fc.option(fc.uint8Array({ maxLength: 6, max: 2 }), { nil: null });
    const change = fc.record({ level, timetable: part, monitoring: part, groups: part }, { requiredKeys: [] });
    fc.assert(
      fc.property(change, (next) => {
        const before = { ...model.content };
        const { version } = model.change(next);
        const settings = again();
        const percent = next.level === null ? OWN_LEVEL : next.level;
        const parts = [next.timetable, next.monitoring, next.groups] as Part[];
        assert.equal(settings.checkWith(version, percent, parts), model.check);
        const same = (name: 'timetable' | 'monitoring' | 'groups') =>
          String(before[name] ?? null) === String(next[name] ?? null) && !before[name] === !next[name];
        for (const [i, name] of (['timetable', 'monitoring', 'groups'] as const).entries()) {
          assert.equal(parts[i] === undefined, next[name] === undefined || same(name), name);
        }
        settings.setParts(version, percent, parts);
        assert.equal(again().checkWith(version, undefined, []), model.check);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('take the board’s own for a record that makes no sense, and for a part that is damaged', () => {
    const { again, storage } = open();
    again().setParts(5, 40, [Uint8Array.of(1, 2), undefined, undefined]);
    const check = again().checkWith(5, undefined, []);
    const [part] = storage.keys().filter((key) => key !== 'now');
    storage.delete(part);
    assert.deepEqual(again().timetable(), OWN);
    assert.notEqual(again().checkWith(5, undefined, []), check, 'and tell so');
    storage.write('now', Uint8Array.of(0, 0, 0, 5, 101, 0));
    assert.equal(again().defaultLevel(), 90);
    for (const damaged of [[], [1], [0, 0, 0, 5, 40, 0, 0]]) {
      storage.write('now', Uint8Array.from(damaged));
      assert.deepEqual([again().edition, again().defaultLevel()], [0, 90]);
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
