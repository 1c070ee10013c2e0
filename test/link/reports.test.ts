import assert from 'node:assert/strict';
import { Decoder } from 'cbor-x';
import { Reason } from '../../firmware/link/messages.ts';
import { birth, birthHead, report } from '../../firmware/link/reports.ts';
import { CborWriter } from '../../firmware/protocols/cbor.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { openSim } from '../../sim/index.ts';

const codec = new Decoder({ useRecords: false, mapsAsObjects: false, int64AsNumber: true } as never);
const read = (bytes: Uint8Array | undefined) => [...(codec.decode(bytes as Uint8Array) as Map<number, unknown>)];
const writer = new CborWriter(1024);

describe('a birth message', () => {
  it('says what the linux board is and measures, after 3 boots, the last one by power', async () => {
    const board = await loadBoard('linux');
    const session = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const head = birthHead(writer, openSim(), board, 3) as Uint8Array;
    const kept = {
      defaultLevel: () => 80,
      edition: 0,
      checkWith: () => 0,
      groupRecord: () => new Uint8Array(0),
    };
    const items = read(birth(writer, head, kept, undefined, session, undefined));
    const { version } = await import('../../package.json', { with: { type: 'json' } }).then((file) => file.default);
    assert.deepEqual(items, [
      [0, 1],
      [1, 'linux'],
      [2, version],
      [3, 3],
      [4, 1],
      [5, 1],
      [6, 10],
      [7, [[1, 'sdm120', [0, 1, 2, 4, 3, 5, 6, 7, 8, 9]]]],
      [8, [2560, 32, 16, 48]],
      [12, [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 19, 20, 21, 23, 24]],
      [9, 80],
      [14, []],
      [15, session],
    ]);
    const key = new Uint8Array(32).fill(0xaa);
    const given = {
      defaultLevel: () => 80,
      edition: 4_294_967_295,
      checkWith: () => 0xfedcba98,
      // Numbers 7 and 300 with generations 9 and 255 of their keys.
      groupRecord: () => Uint8Array.of(0, 7, 9, ...key, 1, 44, 255, ...key),
    };
    assert.deepEqual(read(birth(writer, head, given, 0, session, [2, 5, 'latest', 'first'])).slice(11), [
      [10, [4_294_967_295, 0xfedcba98]],
      [11, 1],
      [14, [7, 300]],
      [15, session],
      [17, [2, 5, 'latest']],
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
    assert.deepEqual(
      read(report(writer, sim, 3, 17, { level: 100, cap: 100 }, decision, units, undefined, undefined, 0, 0)),
      [
        [0, 17],
        [2, 12],
        [3, 100],
        [4, 100],
        [5, 0],
        [7, 3],
        [10, [[10, 2304, null, -74], null]],
      ],
    );
  });

  it('tells an override of 40 % with its reference, since when and until when, in s UTC', () => {
    const sim = openSim();
    sim.clock.setTime(1_795_644_000_000);
    sim.clock.run(60_000);
    const command = { level: 40, reason: Reason.Override, reference: 'op-77', expiration: 1_795_647_600_000 };
    assert.deepEqual(
      read(
        report(
          writer,
          sim,
          3,
          18,
          { level: 55, cap: 100 },
          { command, since: 50_000 },
          units,
          undefined,
          undefined,
          0,
          7999,
        ),
      ),
      [
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
        [19, 7],
      ],
    );
  });

  it('says why: program 2, its control 3, raised by sensor 7, half of the light allowed, somebody near; 3 messages refused', () => {
    const sim = openSim();
    const command = { level: 60, reason: Reason.Sensor, program: 2, control: 3, sensor: 7 };
    const why = read(
      report(writer, sim, 3, 19, { level: 50, cap: 50 }, { command, since: 0 }, units, 1, undefined, 3, 0),
    ).slice(-6);
    assert.deepEqual(why, [
      [11, 2],
      [12, 3],
      [13, 7],
      [14, 50],
      [15, 1],
      [18, 3],
    ]);
  });

  it('leaves out program, control and sensor when there is none', () => {
    const command = { level: 0, reason: Reason.Program, program: 0, control: 255, sensor: 0 };
    const items = read(
      report(
        writer,
        openSim(),
        3,
        20,
        { level: 0, cap: 100 },
        { command, since: 0 },
        units,
        0,
        undefined,
        undefined,
        0,
      ),
    );
    assert.deepEqual(items.slice(-2), [
      [11, 0],
      [15, 0],
    ]);
  });
});
