import assert from 'node:assert/strict';
import { Encoder } from 'cbor-x';
import sinon from 'sinon';
import { LATER, type Override, obey, type Part } from '../../firmware/link/commands.ts';
import { AckCode, OWN_LEVEL, Reason } from '../../firmware/link/messages.ts';
import { decode } from '../../firmware/protocols/cbor.ts';

const codec = new Encoder({ useRecords: false, mapsAsObjects: false, tagUint8Array: false });
const message = (...pairs: [number, unknown][]) => new Uint8Array(codec.encode(new Map(pairs)));

const run = (payload: Uint8Array, lamp: Parameters<typeof obey>[1]) => obey(decode(payload), lamp);

/** s UTC, 2026-11-25T22:00:00Z */
const TEN = 1795644000;

function orders(code = AckCode.Done) {
  const arbiter = { override: sinon.spy((_command: Override) => code), resume: sinon.spy(() => code) };
  return {
    arbiter,
    command: sinon.spy((_sensor: number, _level: number, _until: number | undefined) => code),
    setConfiguration: sinon.spy(
      (_version: number, _check: number, _level: number | undefined, _parts: readonly Part[]) => code,
    ),
    instrument: {
      setCounters: sinon.spy((_counters: readonly unknown[]) => code),
    },
  };
}

describe('a command from the gateway', () => {
  it('becomes an override in % and ms: 40 % from 22:00 to 23:00, ramps of 1.5 and 20 s, with its reference', () => {
    const lamp = orders();
    const payload = message([0, 7], [1, 0], [2, 40], [3, TEN], [4, TEN + 3600], [5, 15], [6, 200], [7, 'op-77']);
    assert.deepEqual(run(payload, lamp), { number: 7, code: AckCode.Done });
    assert.deepEqual(lamp.arbiter.override.args, [
      [
        {
          level: 40,
          reason: Reason.Override,
          start: TEN * 1000,
          expiration: (TEN + 3600) * 1000,
          rampTo: 1500,
          rampFrom: 20000,
          reference: 'op-77',
        },
      ],
    ]);
  });

  it('hands back what the arbiter says of it, and resumes with kind 1', () => {
    assert.deepEqual(run(message([0, 8], [1, 0], [2, 0], [4, TEN]), orders(AckCode.Expired)), {
      number: 8,
      code: AckCode.Expired,
    });
    const lamp = orders();
    assert.deepEqual(run(message([0, 9], [1, 1]), lamp), { number: 9, code: AckCode.Done });
    assert.equal(lamp.arbiter.resume.callCount, 1);
  });

  const refused: [string, [number, unknown][]][] = [
    ['101 %', [[2, 101]]],
    ['-1 %', [[2, -1]]],
    ['40.5 %', [[2, 40.5]]],
    ['no level', []],
    ['a level in words', [[2, 'full']]],
    [
      'a start before 1970',
      [
        [2, 40],
        [3, -1],
      ],
    ],
    [
      'an expiration after 2106',
      [
        [2, 40],
        [4, 2 ** 32],
      ],
    ],
    [
      'a ramp of 28 h',
      [
        [2, 40],
        [5, 1_000_001],
      ],
    ],
    [
      'a reference of 65 bytes',
      [
        [2, 40],
        [7, 'x'.repeat(65)],
      ],
    ],
    [
      'a reference that is a number',
      [
        [2, 40],
        [7, 5],
      ],
    ],
  ];
  for (const [what, pairs] of refused) {
    it(`is refused whole with ${what}`, () => {
      const lamp = orders();
      assert.deepEqual(run(message([0, 1], [1, 0], ...pairs), lamp), { number: 1, code: AckCode.Malformed });
      assert.equal(lamp.arbiter.override.callCount, 0);
    });
  }

  it("sets 40 % in the name of sensor 9 until 22:00, or for an instant; sensors 0 and 65536 don't exist", () => {
    const lamp = orders();
    assert.equal(run(message([0, 1], [1, 3], [2, 40], [4, TEN], [9, 9]), lamp).code, AckCode.Done);
    assert.equal(run(message([0, 1], [1, 3], [2, 0], [9, 65535]), lamp).code, AckCode.Done);
    assert.deepEqual(lamp.command.args, [
      [9, 40, TEN * 1000],
      [65535, 0, undefined],
    ]);
    for (const sensor of [0, 65536, 1.5, 'S1', undefined]) {
      assert.equal(run(message([0, 1], [1, 3], [2, 40], [9, sensor]), lamp).code, AckCode.Malformed);
    }
    assert.equal(lamp.command.callCount, 2);
  });

  const KEY = Buffer.alloc(32, 5);
  const record = (...numbers: number[]) =>
    Buffer.concat(numbers.map((number) => Buffer.concat([Buffer.of(number >> 8, number & 255, 255), KEY])));
  const configuration = (...pairs: [number, unknown][]) => message([0, 1], [1, 2], ...pairs, [14, 9], [15, 77]);
  /** What the controller was told, as arrays. */
  const told = ({ setConfiguration }: ReturnType<typeof orders>) =>
    setConfiguration.args.map(([version, check, level, parts]) => [
      version,
      check,
      level,
      ...parts.map((part) => part && [...part]),
    ]);

  it('hands over the parts of a configuration that it carries, null for the product’s own', () => {
    const lamp = orders();
    const list = record(7, 300);
    assert.deepEqual(run(configuration([8, Uint8Array.of(1, 2, 3)]), lamp), { number: 1, code: AckCode.Done });
    run(configuration([2, 40], [8, new Uint8Array(0)], [10, Uint8Array.of(0xa0)], [12, list]), lamp);
    run(configuration([2, null], [8, null], [10, null], [12, null]), lamp);
    run(configuration(), lamp);
    assert.deepEqual(told(lamp), [
      [9, 77, undefined, [1, 2, 3], undefined, undefined],
      [9, 77, 40, [], [0xa0], [...list]],
      [9, 77, OWN_LEVEL, null, null, null],
      [9, 77, undefined, undefined, undefined, undefined],
    ]);
    for (const code of [AckCode.TooLarge, AckCode.Drift]) assert.equal(run(configuration(), orders(code)).code, code);
  });

  it('is refused whole with one part of a configuration that makes no sense', () => {
    const lamp = orders();
    const good: [number, unknown][] = [
      [2, 40],
      [8, Uint8Array.of(1)],
      [10, Uint8Array.of(0xa0)],
      [12, record(1)],
    ];
    const wrong: [number, unknown][] = [
      ...[-1, 101, 40.5, 'full', [40]].map((level): [number, unknown] => [2, level]),
      ...['text', 7, true, [1, 2]].flatMap((part): [number, unknown][] => [
        [8, part],
        [10, part],
        [12, part],
      ]),
      ...[record(0), record(2, 2), record(3, 2), record(1).subarray(1)].map((list): [number, unknown] => [12, list]),
    ];
    for (const [key, value] of wrong) {
      const pairs = good.map((pair): [number, unknown] => (pair[0] === key ? [key, value] : pair));
      assert.equal(run(configuration(...pairs), lamp).code, AckCode.Malformed, `${key}: ${value}`);
    }
    const nine = record(1, 2, 3, 4, 5, 6, 7, 8, 9);
    assert.equal(run(configuration([2, 40], [12, nine]), lamp).code, AckCode.TooLarge);
    for (const ends of [
      [[14, 9]],
      [[15, 77]],
      [
        [14, 0],
        [15, 77],
      ],
      [
        [14, 2 ** 32],
        [15, 77],
      ],
      [
        [14, 9],
        [15, -1],
      ],
    ] as [number, unknown][][]) {
      assert.equal(run(message([0, 1], [1, 2], [2, 40], ...ends), lamp).code, AckCode.Malformed);
    }
    assert.equal(lamp.setConfiguration.callCount, 0);
    assert.equal(run(configuration([12, record(1, 2, 3, 4, 5, 6, 7, 65535)]), lamp).code, AckCode.Done);
  });

  it('hands counters to the instrument, and refuses them without one', () => {
    const lamp = orders();
    const counters = message([0, 2], [1, 4], [11, [3, 7200]]);
    assert.equal(run(counters, lamp).code, AckCode.Done);
    assert.deepEqual(lamp.instrument.setCounters.args, [[[3, 7200]]]);
    assert.equal(run(counters, { ...orders(), instrument: undefined }).code, AckCode.Malformed);
    // What belongs to another kind is no substitute.
    assert.equal(run(message([0, 5], [1, 4], [10, Uint8Array.of(0xa0)]), lamp).code, AckCode.Malformed);
    assert.equal(lamp.instrument.setCounters.callCount, 1);
  });

  it('to read all units is acknowledged later, by whoever reads them', () => {
    assert.deepEqual(run(message([0, 41], [1, 5]), orders()), { number: 41, code: LATER });
  });

  it('of kind 6 is refused', () => {
    const lamp = orders();
    assert.equal(run(message([0, 1], [1, 6], [2, 40]), lamp).code, AckCode.Malformed);
    assert.equal(lamp.arbiter.override.callCount + lamp.arbiter.resume.callCount, 0);
  });

  it('without a number, as an array or as noise gets no answer', () => {
    const payloads = [message([1, 1]), new Uint8Array(codec.encode([5, 1])), Uint8Array.of(0xff), new Uint8Array(0)];
    for (const payload of payloads) {
      const lamp = orders();
      assert.equal(run(payload, lamp).number, undefined);
      assert.equal(lamp.arbiter.override.callCount + lamp.arbiter.resume.callCount, 0);
    }
  });
});
