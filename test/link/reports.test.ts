import assert from 'node:assert/strict';
import { Decoder } from 'cbor-x';
import { Reason } from '../../firmware/link/messages.ts';
import { birth, report } from '../../firmware/link/reports.ts';
import { CborWriter } from '../../firmware/protocols/cbor.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { openSim } from '../../sim/index.ts';

const codec = new Decoder({ useRecords: false, mapsAsObjects: false, int64AsNumber: true } as never);
const read = (bytes: Uint8Array | undefined) => [...(codec.decode(bytes as Uint8Array) as Map<number, unknown>)];
const writer = new CborWriter(1024);

describe('a birth message', () => {
  it('says what the linux board is and measures, after 3 boots, the last one by power', async () => {
    const items = read(birth(writer, openSim(), await loadBoard('linux'), 3));
    const { version } = await import('../../package.json', { with: { type: 'json' } }).then((file) => file.default);
    assert.deepEqual(items, [
      [0, 1],
      [1, 'linux'],
      [2, version],
      [3, 3],
      [4, 1],
      [5, 1],
      [6, 10],
      [7, 100],
      [8, [[1, 'sdm120', [0, 1, 2, 4, 3, 5, 6, 7, 8, 9]]]],
      [9, [0, 0, 0, 0]],
    ]);
  });
});

describe('a report', () => {
  const units = {
    count: 2,
    time: (unit: number) => (unit === 0 ? 2_000 : undefined),
    values: () => [2304, undefined, -74],
  };

  it('leaves out what is unknown: no clock, no override, a unit that was never read', () => {
    const sim = openSim();
    sim.clock.run(12_345);
    const decision = { command: { level: 100, reason: Reason.Default }, since: 0 };
    assert.deepEqual(read(report(writer, sim, 3, 17, { level: 100 }, decision, units)), [
      [0, 17],
      [2, 12],
      [3, 100],
      [4, 100],
      [5, 0],
      [7, 3],
      [10, [[10, 2304, null, -74], null]],
    ]);
  });

  it('tells an override of 40 % with its reference, since when and until when, in s UTC', () => {
    const sim = openSim();
    sim.clock.setTime(1_795_644_000_000);
    sim.clock.run(60_000);
    const command = { level: 40, reason: Reason.Override, reference: 'op-77', expiration: 1_795_647_600_000 };
    assert.deepEqual(read(report(writer, sim, 3, 18, { level: 55 }, { command, since: 50_000 }, units)), [
      [0, 18],
      [1, 1_795_644_060],
      [2, 60],
      [3, 55],
      [4, 40],
      [5, 1],
      [6, 'op-77'],
      [7, 3],
      [8, 1_795_644_050],
      [9, 1_795_647_600],
      [10, [[58, 2304, null, -74], null]],
    ]);
  });
});
