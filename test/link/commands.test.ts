import assert from 'node:assert/strict';
import { Encoder } from 'cbor-x';
import sinon from 'sinon';
import { LATER, type Override, obey } from '../../firmware/link/commands.ts';
import { AckCode, Reason } from '../../firmware/link/messages.ts';
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
    setTimetable: sinon.spy((_bytes: Uint8Array) => code),
    command: sinon.spy((_sensor: number, _level: number, _until: number | undefined) => code),
    setDefaultLevel: sinon.spy((_level: number) => code),
    setGroups: sinon.spy((_groups: readonly (number | Uint8Array)[]) => code),
    instrument: {
      setMonitoring: sinon.spy((_bytes: Uint8Array) => code),
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

  it('hands over a timetable as it came, also an empty one; anything but a byte string is refused', () => {
    const lamp = orders();
    for (const bytes of [Uint8Array.of(1, 2, 3), new Uint8Array(0)]) {
      assert.deepEqual(run(message([0, 1], [1, 2], [8, bytes]), lamp), { number: 1, code: AckCode.Done });
      assert.deepEqual([...(lamp.setTimetable.lastCall.args[0] ?? [])], [...bytes]);
    }
    for (const other of [[], ['text'], [7], [[1, 2]]]) {
      const refused = run(message([0, 1], [1, 2], ...other.map((value): [number, unknown] => [8, value])), lamp);
      assert.equal(refused.code, AckCode.Malformed);
    }
    assert.equal(lamp.setTimetable.callCount, 2);
    assert.equal(run(message([0, 1], [1, 2], [8, Uint8Array.of(1)]), orders(AckCode.TooLarge)).code, AckCode.TooLarge);
  });

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

  it('sets the default level to 0..100 %', () => {
    const lamp = orders();
    for (const level of [0, 100]) assert.equal(run(message([0, 1], [1, 4], [2, level]), lamp).code, AckCode.Done);
    for (const level of [-1, 101, undefined]) {
      assert.equal(run(message([0, 1], [1, 4], [2, level]), lamp).code, AckCode.Malformed);
    }
    assert.deepEqual(lamp.setDefaultLevel.args, [[0], [100]]);
  });

  it('hands a monitoring document and counters to the instrument, and refuses them without one', () => {
    const lamp = orders();
    const document = message([0, 1], [1, 5], [10, Uint8Array.of(0xa0)]);
    const counters = message([0, 2], [1, 6], [11, [3, 7200]]);
    assert.equal(run(document, lamp).code, AckCode.Done);
    assert.deepEqual([...lamp.instrument.setMonitoring.args[0][0]], [0xa0]);
    assert.equal(run(counters, lamp).code, AckCode.Done);
    assert.deepEqual(lamp.instrument.setCounters.args, [[[3, 7200]]]);
    for (const payload of [document, counters]) {
      assert.equal(run(payload, { ...orders(), instrument: undefined }).code, AckCode.Malformed);
    }
    assert.equal(run(message([0, 3], [1, 5], [10, 'text']), lamp).code, AckCode.Malformed);
    // What belongs to the other kind is no substitute.
    assert.equal(run(message([0, 4], [1, 5], [11, [3, 7200]]), lamp).code, AckCode.Malformed);
    assert.equal(run(message([0, 5], [1, 6], [10, Uint8Array.of(0xa0)]), lamp).code, AckCode.Malformed);
    assert.deepEqual([lamp.instrument.setMonitoring.callCount, lamp.instrument.setCounters.callCount], [1, 1]);
  });

  it('takes up to 8 group numbers of 1..65535 that ascend, none too', () => {
    const lamp = orders();
    const key = Buffer.alloc(32, 5);
    const keyed = (numbers: unknown[]) => numbers.flatMap((number) => [number, 255, key]);
    const lists = [[], keyed([7]), keyed([1, 2, 3, 4, 5, 6, 7, 65535])];
    for (const list of lists) assert.equal(run(message([0, 1], [1, 7], [12, list]), lamp).code, AckCode.Done);
    assert.deepEqual(
      lamp.setGroups.args.map(([list]) => list.map((item) => (typeof item === 'number' ? item : Buffer.from(item)))),
      lists,
    );
    const numbers = [[0], [65536], [2, 2], [3, 2], [1.5], ['1']].map(keyed);
    const keys = [
      [1],
      [1, 0],
      [1, 256, key],
      [1, -1, key],
      [1, 0.5, key],
      [1, 0, key.subarray(1)],
      [1, 0, 'x'.repeat(32)],
    ];
    for (const list of [...numbers, ...keys, [...keyed([1]), 2], 7, undefined]) {
      assert.equal(run(message([0, 1], [1, 7], [12, list]), lamp).code, AckCode.Malformed, JSON.stringify(list));
    }
    const nine = keyed([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(run(message([0, 1], [1, 7], [12, nine]), lamp).code, AckCode.TooLarge);
    assert.equal(lamp.setGroups.callCount, 3);
  });

  it('to read all units is acknowledged later, by whoever reads them', () => {
    assert.deepEqual(run(message([0, 41], [1, 8]), orders()), { number: 41, code: LATER });
  });

  it('of kind 9 is refused', () => {
    const lamp = orders();
    assert.equal(run(message([0, 1], [1, 9], [2, 40]), lamp).code, AckCode.Malformed);
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
