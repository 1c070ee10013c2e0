import assert from 'node:assert/strict';
import type { FunctionSpec } from '../../gateway/talq/functions.ts';
import { choose, exceeds, Sources, selects } from '../../gateway/talq/selection.ts';
import { isDue, SLOT } from '../../gateway/talq/vendor-strategy.ts';

const A = 'aaaaaaaa-0000-4000-8000-000000000001';
const B = 'aaaaaaaa-0000-4000-8000-000000000002';

// TALQ 2.7.1 data model, LoggerConfig and EventRecordingMode: "possible combinations and their consequence".
const TABLE: [string, { whiteList?: string[]; blackList?: string[] }, boolean, boolean][] = [
  ['no list at all: nothing', {}, false, false],
  ['an empty black list alone: everything', { blackList: [] }, true, true],
  ['a black list alone: everything less the list', { blackList: [A] }, false, true],
  ['an empty white list: nothing', { whiteList: [] }, false, false],
  ['both empty: nothing', { whiteList: [], blackList: [] }, false, false],
  ['an empty white list with a black one: nothing', { whiteList: [], blackList: [B] }, false, false],
  ['a white list alone: the list', { whiteList: [A] }, true, false],
  ['a white list with an empty black one: the white list', { whiteList: [A], blackList: [] }, true, false],
  ['both: white less black', { whiteList: [A, B], blackList: [A] }, false, true],
];

describe('white and black lists of loggers', () => {
  for (const [name, lists, a, b] of TABLE) {
    it(`117 ${name}`, () => {
      const sources = new Sources(lists);
      assert.deepEqual([sources.has(A), sources.has(B)], [a, b]);
      assert.deepEqual([sources.has(A, 'f', 'x'), sources.has(B, 'f', 'x')], [a, b]);
      assert.deepEqual([sources.excludes(A), sources.excludes(B)], [!a, !b]);
      const event = (one: string) => selects(lists, (entry) => entry === one);
      assert.deepEqual([event(A), event(B)], [a, b]);
    });
  }

  it('117 take functions and attributes out of a device, and know a device by one of its functions', () => {
    const but = new Sources({ whiteList: [A], blackList: [`${A}/lamp`, `${A}/meter/power`] });
    assert.deepEqual(
      [
        but.has(A),
        but.has(A, 'basic'),
        but.has(A, 'lamp', 'x'),
        but.has(A, 'meter', 'power'),
        but.has(A, 'meter', 'x'),
      ],
      [true, true, false, false, true],
    );
    const one = new Sources({ whiteList: [`${A}/lamp`] });
    assert.deepEqual([one.has(A), one.has(A, 'lamp', 'x'), one.has(A, 'lamp2', 'x')], [false, true, false]);
    assert.deepEqual([one.excludes(A), one.excludes(B)], [false, true]);
  });
});

const FUNCTIONS: FunctionSpec[] = [
  {
    id: 'lamp1',
    type: 'LampMonitorFunction',
    attributes: [
      { name: 'activePower', type: 'AttributeFloat', scope: 'measurement' },
      { name: 'wattage', type: 'AttributeFloat', scope: 'configuration' },
    ],
  },
  {
    id: 'lamp2',
    type: 'LampMonitorFunction',
    attributes: [{ name: 'activePower', type: 'AttributeFloat', scope: 'measurement' }],
  },
];

describe('content of loggers', () => {
  const names = (...content: Parameters<typeof choose>[1][number][]) =>
    choose(FUNCTIONS, content).map(({ spec, attribute }) => `${spec.id}/${attribute.name}`);

  it('121 means all functions of a type, one by its id, all attributes or those named, and only of the scope', () => {
    const functionType = 'LampMonitorFunction';
    assert.deepEqual(names({ function: { functionType } }), [
      'lamp1/activePower',
      'lamp1/wattage',
      'lamp2/activePower',
    ]);
    assert.deepEqual(names({ function: { functionId: 'lamp2' } }), ['lamp2/activePower']);
    assert.deepEqual(names({ function: { functionType, attributes: [{ name: 'wattage' }] } }), ['lamp1/wattage']);
    assert.deepEqual(names({ attributeScope: 'Measurement', function: { functionType } }), [
      'lamp1/activePower',
      'lamp2/activePower',
    ]);
    assert.deepEqual(names(), []);
  });

  it('121 passes over what a device does not have, and takes each attribute once', () => {
    const twice = { function: { functionId: 'lamp2' } };
    assert.deepEqual(names(twice, twice), ['lamp2/activePower']);
    assert.deepEqual(names({ function: { functionId: 'lamp3' } }), []);
    assert.deepEqual(names({ function: { functionId: 'lamp1', attributes: [{ name: 'none' }] } }), []);
  });
});

describe('changes worth an entry', () => {
  it('122 exceed the threshold in percent of the value logged last, downwards too; from zero any change does', () => {
    const cases: [unknown, unknown, number, boolean][] = [
      [100, 110, 10, false],
      [100, 110.1, 10, true],
      [100, 89.9, 10, true],
      [-100, -111, 10, true],
      [0, 0.001, 50, true],
      [0, 0, 0, false],
      [50, 50, 0, false],
      [50, 50.5, 0, true],
      [{ name: 'LevelState', value: 70 }, { name: 'LevelState', value: 72 }, 5, false],
      [{ name: 'LevelState', value: 70 }, { name: 'LevelState', value: 74 }, 5, true],
      ['lag', 'lag', 10, false],
      ['lag', 'lead', 100, true],
      [true, false, 100, true],
    ];
    for (const [before, after, threshold, expected] of cases) {
      assert.equal(exceeds(before, after, threshold), expected, JSON.stringify([before, after, threshold]));
    }
  });

  it('come once in each quarter of an hour, or when they exceed the threshold, and never twice for one measurement', () => {
    const last = { value: 100, time: 10 * SLOT + 1000 };
    const due = (time: number, value: number, strategy = { slot: SLOT, threshold: 5 }) =>
      isDue(strategy, last, { value, time });
    assert.equal(isDue({ slot: SLOT }, undefined, last), true);
    assert.equal(due(11 * SLOT - 1, 104), false);
    assert.equal(due(11 * SLOT - 1, 106), true);
    assert.equal(due(11 * SLOT, 100), true);
    assert.equal(due(last.time, 200), false);
    assert.equal(due(last.time - 5000, 200), false);
  });
});
