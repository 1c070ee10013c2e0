import assert from 'node:assert/strict';
import { Encoder } from 'cbor-x';
import sinon from 'sinon';
import { type Override, obey } from '../../firmware/link/commands.ts';
import { AckCode, Reason } from '../../firmware/link/messages.ts';

const codec = new Encoder({ useRecords: false, mapsAsObjects: false, tagUint8Array: false });
const message = (...pairs: [number, unknown][]) => new Uint8Array(codec.encode(new Map(pairs)));

/** s UTC, 2026-11-25T22:00:00Z */
const TEN = 1795644000;

function orders(code = AckCode.Done) {
  return { override: sinon.spy((_command: Override) => code), resume: sinon.spy() };
}

describe('a command from the gateway', () => {
  it('becomes an override in % and ms: 40 % from 22:00 to 23:00, ramps of 1.5 and 20 s, with its reference', () => {
    const lamp = orders();
    const payload = message([0, 7], [1, 0], [2, 40], [3, TEN], [4, TEN + 3600], [5, 15], [6, 200], [7, 'op-77']);
    assert.deepEqual(obey(payload, lamp), { number: 7, code: AckCode.Done });
    assert.deepEqual(lamp.override.args, [
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
    assert.deepEqual(obey(message([0, 8], [1, 0], [2, 0], [4, TEN]), orders(AckCode.Expired)), {
      number: 8,
      code: AckCode.Expired,
    });
    const lamp = orders();
    assert.deepEqual(obey(message([0, 9], [1, 1]), lamp), { number: 9, code: AckCode.Done });
    assert.equal(lamp.resume.callCount, 1);
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
      assert.deepEqual(obey(message([0, 1], [1, 0], ...pairs), lamp), { number: 1, code: AckCode.Malformed });
      assert.equal(lamp.override.callCount, 0);
    });
  }

  it('of kinds 2 to 5 is refused: this firmware holds no timetable', () => {
    for (const kind of [2, 3, 4, 5]) {
      const lamp = orders();
      assert.equal(obey(message([0, 1], [1, kind], [2, 40]), lamp).code, AckCode.Malformed);
      assert.equal(lamp.override.callCount + lamp.resume.callCount, 0);
    }
  });

  it('without a number, as an array or as noise gets no answer', () => {
    const payloads = [message([1, 1]), new Uint8Array(codec.encode([5, 1])), Uint8Array.of(0xff), new Uint8Array(0)];
    for (const payload of payloads) {
      const lamp = orders();
      assert.equal(obey(payload, lamp).number, undefined);
      assert.equal(lamp.override.callCount + lamp.resume.callCount, 0);
    }
  });
});
