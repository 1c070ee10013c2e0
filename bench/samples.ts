/** What recorded samples take on the wire: a day of a lamp in quarters of an hour, beside TALQ's JSON and SenML. */
import { Encoder, FLOAT32_OPTIONS } from 'cbor-x';
import { LogColumn, LogKey, Quantity } from '../firmware/link/messages.ts';
import { decodeSamples } from '../gateway/samples.ts';
import { decodeBatch } from '../gateway/wire.ts';
import { loadBoard } from '../scripts/board-config.mjs';
import { World } from '../sim/clock.ts';
import { openController } from '../sim/controller.ts';
import { Daylight } from '../sim/plant/daylight.ts';
import { measure, type Readings } from '../sim/plant/modbus-meter.ts';
import { PERIOD, record } from '../test/gateway/recorder.ts';
import type { Part } from './part.ts';

const HOUR = 3_600_000;
const COUNT = 96;
/** Bytes that such a day may take. */
export const MOST = 600;

interface Recorded {
  column: number;
  /** Of the simulator; absent: the lamp's level. */
  reading?: keyof Readings;
  /** of the wire in one `unit` */
  steps: number;
  /** Of TALQ 2.7.1. */
  functionId: string;
  attribute: string;
  /** Of the IANA's SenML registry; scale to it. */
  unit: string;
  scale: number;
}

const monitor = (
  quantity: Quantity,
  reading: keyof Readings,
  attribute: string,
  steps: number,
  unit: string,
): Recorded => ({
  column: 64 + quantity,
  reading,
  steps,
  functionId: 'lampMonitor1',
  attribute,
  unit,
  scale: 1,
});

/** As controllers write: no tags. `useTag259ForMaps` is missing in the package's types. */
const UNTAGGED = { useRecords: false, variableMapSize: true, tagUint8Array: false, useTag259ForMaps: false };

/** Two units, a meter and a light sensor, and the lamp's own level. */
const RECORDED: readonly Recorded[] = [
  monitor(Quantity.SupplyVoltage, 'SupplyVoltage', 'supplyVoltage', 10, 'V'),
  monitor(Quantity.SupplyCurrent, 'SupplyCurrent', 'supplyCurrent', 1000, 'A'),
  monitor(Quantity.ActivePower, 'ActivePower', 'activePower', 10, 'W'),
  monitor(Quantity.ReactivePower, 'ReactivePower', 'reactivePower', 10, 'var'),
  monitor(Quantity.PowerFactor, 'PowerFactor', 'powerFactor', 1000, '/'),
  // TALQ counts kWh, SenML joules.
  { ...monitor(Quantity.ActiveEnergy, 'ActiveEnergy', 'activeEnergy', 1, 'J'), scale: 3600 },
  {
    ...monitor(Quantity.Illuminance, 'Illuminance', 'lightLevel', 10, 'lx'),
    column: 128 + Quantity.Illuminance,
    functionId: 'lightSensor1',
  },
  {
    column: LogColumn.Level,
    steps: 1,
    functionId: 'lampActuator1',
    attribute: 'actualLightState',
    unit: '/',
    scale: 0.01,
  },
];

export interface Day {
  /** s UTC of the first instant */
  start: number;
  /** Integers in steps of the wire. */
  instants: number[][];
}

/** @returns a lamp's day from midnight to midnight, by its board's program, read from the plant every quarter of an hour */
export async function liveDay(): Promise<Day> {
  const board = await loadBoard('street');
  const network = { ...board.network, kind: 'none' as const };
  const alone = { ...board, lines: [], meters: [], monitoring: undefined, network, watchdog: undefined };
  const begin = Date.parse('2026-10-13T21:00:00Z');
  const world = new World();
  const daylight = new Daylight({ begin });
  const { lamp, mains, light } = openController({ world, id: 'lamp-01', board: alone, begin, daylight, seed: 1 });
  lamp.preset(1_234_567, 0);
  world.run(HOUR);
  const instants: number[][] = [];
  for (let i = 0; i < COUNT; i++) {
    const readings = measure(world, mains, lamp, light);
    instants.push(
      RECORDED.map(({ reading, steps }) => Math.round((reading ? (readings[reading] as number) : lamp.light) * steps)),
    );
    world.run(PERIOD * 1000);
  }
  return { start: (begin + HOUR) / 1000, instants };
}

/** @returns the day as the controller sends it, packed by the firmware's recorder. Throws when it takes more than one batch. */
export function asBatch({ start, instants }: Day): Buffer {
  const columns = RECORDED.map(({ column }) => column);
  const [batch, ...more] = record(start, columns, instants);
  if (more.length > 0) throw new Error(`the day takes ${1 + more.length} batches`);
  return new Encoder(UNTAGGED as object).encode(
    new Map<number, unknown>([
      [LogKey.Number, 1],
      [LogKey.Epoch, 7],
      [LogKey.Start, start],
      [LogKey.Period, PERIOD],
      [LogKey.Columns, columns],
      [LogKey.Count, batch.count],
      [LogKey.Samples, batch.samples],
    ]),
  );
}

/** @returns the day read back from what the controller sends, by the gateway */
export function fromBatch(bytes: Uint8Array): Day {
  const batch = decodeBatch(bytes);
  if (batch instanceof Error) throw batch;
  const instants = decodeSamples(batch.columns, batch.count, batch.samples);
  if (instants instanceof Error) throw instants;
  return { start: batch.start, instants: instants as number[][] };
}

/** @returns the day as a TALQ 2.7.1 LogReport of AttributeLogData */
function asTalq({ start, instants }: Day): string {
  const device = '5b0f7a52-3c1e-4d0a-9a54-0f6d2f0c1a11';
  const entries = instants.flatMap((values, i) =>
    RECORDED.map(({ functionId, attribute, steps }, j) => {
      const timestamp = new Date((start + i * PERIOD) * 1000).toISOString();
      const scaled = values[j] / (attribute === 'activeEnergy' ? 1000 : steps);
      const level = attribute === 'actualLightState';
      const value = level ? { name: 'LevelState', value: scaled } : scaled;
      const attributeValue = { type: level ? 'AttributeLevelState' : 'AttributeFloat', value, timestamp };
      const srcAddress = `${device}/${functionId}`;
      return { data: { type: 'AttributeLogData', srcAddress, timestamp, attributeName: attribute, attributeValue } };
    }),
  );
  return JSON.stringify({ address: 'log-1', entries });
}

/**
 * @returns the day as SenML-CBOR: name, time and unit once for each quantity, then values and seconds from the first.
 * Labels: bn -2, bt -3, bu -4, v 2, t 6. Source: RFC 8428 §4.1, §4.2, §6.
 */
export function asSenml({ start, instants }: Day): Buffer {
  const records = RECORDED.flatMap(({ attribute, unit, steps, scale }, j) =>
    instants.map((values, i) => {
      const value = (values[j] * scale) / steps;
      const base: [number, unknown][] = [
        [-2, `lamp-01:${attribute}`],
        [-3, start],
        [-4, unit],
        [2, value],
      ];
      return new Map<number, unknown>(
        i === 0
          ? base
          : [
              [6, i * PERIOD],
              [2, value],
            ],
      );
    }),
  );
  return new Encoder({ ...UNTAGGED, useFloat32: FLOAT32_OPTIONS.DECIMAL_FIT } as object).encode(records);
}

export const samples: Part = {
  name: 'samples',
  about: `${COUNT} quarters of an hour of ${RECORDED.length} quantities of a lamp, on the wire`,
  async run(say) {
    const day = await liveDay();
    const batch = asBatch(day);
    const values = COUNT * RECORDED.length;
    const talq = Buffer.byteLength(asTalq(day));
    const senml = asSenml(day).length;
    say(
      'CBOR of a batch',
      `${batch.length} bytes, ${((8 * batch.length) / values).toFixed(2)} bits a value, at most ${MOST}`,
    );
    say('the same as TALQ LogReport, JSON', `${talq} bytes, ${(talq / batch.length).toFixed(0)} times as much`);
    say('the same as SenML-CBOR', `${senml} bytes, ${(senml / batch.length).toFixed(1)} times as much`);
    if (JSON.stringify(fromBatch(batch)) !== JSON.stringify(day)) throw new Error('the batch does not hold the day');
    if (batch.length > MOST) throw new Error(`${batch.length} bytes are more than ${MOST}`);
  },
};
