import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CommandKind, Counter, EventCode, LogKey, Phase, Quantity } from '../../firmware/link/messages.ts';
import { decodeBatch, decodeBirth, decodeEvents, decodeReport, encodeCommand } from '../../gateway/wire.ts';
import { batch, birth, encode, event, report, T0 } from './rig.ts';
import { encodeSamples } from './samples-encoder.ts';

describe('events, samples and counters on the wire', () => {
  it('gives a lamp failure its names, and leaves out what was null', () => {
    const full = event({ 4: T0 / 1000, 5: 0, 6: 70, 7: 2315, 8: 12, 9: 8, 10: 300, 11: 415, 12: 1, 13: 2 });
    assert.deepEqual(decodeEvents(encode([7, full])), {
      boot: 7,
      events: [
        {
          number: 1,
          code: EventCode.LampFailure,
          phase: Phase.Start,
          uptime: 3000,
          time: T0 / 1000,
          unit: 0,
          level: 70,
          voltage: 2315,
          current: 12,
          power: 8,
          powerFactor: 300,
          temperature: 415,
          first: 1,
          second: 2,
        },
      ],
    });
    const bare = [1, 0, 1, 3000, null, null, null, null, null, null, null, null];
    assert.deepEqual(decodeEvents(encode([7, bare])), {
      boot: 7,
      events: [{ number: 1, code: 0, phase: 1, uptime: 3000 }],
    });
    assert.ok(!(decodeEvents(encode([7, [...full, 3, 'new']])) instanceof Error), 'newer firmware may say more');
    assert.ok(!(decodeEvents(encode([7, event({ 1: 900 })])) instanceof Error), 'and know more codes');
  });

  it('refuses events with one value out of its range, without events, or that are none', () => {
    for (const [place, value] of Object.entries({
      0: -1,
      1: 1024,
      2: 3,
      3: 1.5,
      4: 1e10,
      5: 16,
      6: 101,
      7: '230',
      12: 0.5,
    })) {
      assert.ok(decodeEvents(encode([7, event({ [place]: value })])) instanceof Error, `place ${place}`);
    }
    for (const place of [0, 1, 2, 3]) {
      assert.ok(decodeEvents(encode([7, event({ [place]: null })])) instanceof Error, `without ${place}`);
    }
    for (const wrong of [[], [7], [null, event()], [7, 8], [7, event(), null], 7, null, new Map([[0, 7]])]) {
      assert.ok(decodeEvents(encode(wrong)) instanceof Error, JSON.stringify(wrong));
    }
    assert.ok(decodeEvents(encode([7, ...Array(65).fill(event())])) instanceof Error, '65 events');
  });

  it('takes a batch of samples with its bytes as they are, and refuses it with one value out of its range', () => {
    const samples = encodeSamples([32], [[50], [60]]);
    const good = batch({}, [32], [[50], [60]]);
    assert.deepEqual(decodeBatch(encode(good)), {
      number: 1,
      boot: 7,
      start: T0 / 1000,
      period: 900,
      columns: [32],
      count: 2,
      samples,
    });
    const wrong = { 0: -1, 1: 'x', 2: 1e10, 3: 0, 4: [], 5: 0, 6: [1, 2] };
    for (const [key, value] of Object.entries(wrong)) {
      assert.ok(decodeBatch(encode(batch({ [key]: value }, [32], [[50], [60]]))) instanceof Error, `key ${key}`);
      assert.ok(decodeBatch(encode(batch({ [key]: undefined }, [32], [[50], [60]]))) instanceof Error, `no ${key}`);
    }
    const long = { [LogKey.Count]: 4097, [LogKey.Period]: 86401, [LogKey.Columns]: [32, 32] };
    for (const [key, value] of Object.entries(long)) {
      assert.ok(decodeBatch(encode(batch({ [key]: value }, [32], [[50], [60]]))) instanceof Error, `key ${key}`);
    }
  });

  it('takes what a birth can tell and what a report counts, and refuses wrong ones', () => {
    const born = decodeBirth(encode(birth({ 12: [0, 8, 15], 10: [1, 4_294_967_295] })));
    assert.ok(!(born instanceof Error));
    assert.deepEqual(
      [born.events, born.configuration],
      [
        [0, 8, 15],
        [1, 4_294_967_295],
      ],
    );
    const units = [[1, 'sdm630', [Quantity.NeutralCurrent, Quantity.Phase3PowerFactor]]];
    assert.ok(!(decodeBirth(encode(birth({ 7: units }))) instanceof Error));
    for (const wrong of [
      { 12: 'x' },
      { 12: [0, 0] },
      { 10: -1 },
      { 10: [0, 1] },
      { 10: [1, -1] },
      { 10: [1] },
      { 7: [[1, 'x', [30]]] },
    ]) {
      assert.ok(decodeBirth(encode(birth(wrong))) instanceof Error, JSON.stringify(wrong));
    }
    const counters = [2 ** 40, null, 0, ...Array(15).fill(1)];
    const said = decodeReport(encode(report({ 16: counters, 17: [0, null, 64, 3] })));
    assert.ok(!(said instanceof Error));
    assert.deepEqual(said.counters, counters);
    assert.deepEqual(said.active, [
      [0, null],
      [64, 3],
    ]);
    for (const wrong of [
      { 16: [-1] },
      { 16: [1.5] },
      { 16: Array(19).fill(1) },
      { 17: [0] },
      { 17: [null, 0] },
      { 17: [0, 16] },
    ]) {
      assert.ok(decodeReport(encode(report(wrong))) instanceof Error, JSON.stringify(wrong));
    }
  });

  it('says what changes of a configuration, null for the product’s own, and counters to be set', () => {
    const monitoring = Buffer.from('a0', 'hex');
    const change = { timetable: null, monitoring, groups: Buffer.alloc(0), version: 9, check: 4_294_967_295 };
    assert.equal(
      encodeCommand(5, { kind: CommandKind.Configuration, ...change }).toString('hex'),
      'a70005010208f60a41a00c400e090f1affffffff',
    );
    const counters = [Counter.LampTime, 3600];
    assert.equal(encodeCommand(5, { kind: CommandKind.Counters, counters }).toString('hex'), 'a3000501040b8203190e10');
  });

  it('makes an Error of 5,000 mutated messages or takes them, and never throws', () => {
    const golden = [encode([7, event(), event({ 0: 2 })]), encode(batch({}, [32, 64], [[1, 2]]))];
    let taken = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...golden),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        (bytes, changes, cut) => {
          const mutant = Buffer.from(bytes);
          for (const [at, value] of changes) mutant[at % mutant.length] = value;
          const piece = cut === 0 ? mutant.subarray(0, changes[0][0] % mutant.length) : mutant;
          for (const decode of [decodeEvents, decodeBatch]) if (!(decode(piece) instanceof Error)) taken++;
        },
      ),
      { numRuns: 5000, seed: 20260504 },
    );
    assert.ok(taken > 0 && taken < 5000);
  });
});
