import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { MeterConfig } from '../../firmware/board.ts';
import { Quantity } from '../../firmware/link/messages.ts';
import { type Meters, openMeters, quantitiesOf } from '../../firmware/metering/meter.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { controllerFunctions } from '../../gateway/talq/functions.ts';
import { MEASURES, type Measure, toUnit } from '../../gateway/talq/mapping.ts';
import type { Birth } from '../../gateway/wire.ts';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { DUMPS, type Dump } from '../golden/profiles.ts';
import { FakeLine } from './fake-line.ts';
import { ServerUnit } from './units.ts';

const DIRECTORY = new URL('../../board-configs/profiles/', import.meta.url);
const profileOf = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, DIRECTORY), 'utf8'));
/** Registers of a unit that has any of these profiles. */
const ALL = 0x400c;

/** Units of these profiles on one line at addresses 1, 2, 3 …, served by jsmodbus; a unit without a dump is dead. */
async function lineOf(dumps: (Dump | undefined)[], period = 10_000) {
  const bus = new FakeLine();
  const servers = dumps.map((dump) => dump && new ServerUnit(ALL));
  for (const [i, server] of servers.entries()) {
    await server?.ready();
    for (const [address, hex] of Object.entries(dumps[i]?.registers ?? {})) {
      const table = profileOf((dumps[i] as Dump).profile).function === 3 ? server?.holding : server?.input;
      table?.write(hex, 2 * Number(address), 'hex');
    }
  }
  bus.answer = (request) => {
    const bytes = servers[request[0] - 1]?.answer(request);
    return bytes ? [{ at: 40 + bytes.length, bytes }] : [];
  };
  const configs: MeterConfig[] = dumps.map((dump, i) => {
    const profile = dump?.profile ?? 'sdm120';
    return { line: 0, unit: i + 1, profile, period, ...compileProfile(profileOf(profile)) };
  });
  const read: [number, number][] = [];
  const schedule = new Schedule(bus.clock, { failed: (error) => assert.fail(String(error)) });
  const lines = [{ port: 'A', baud: 9600, echo: false }];
  const meters = openMeters(bus.hal, schedule, lines, configs, { reading: (i) => void read.push([i, bus.clock.now]) });
  return { bus, meters, read };
}

/** @returns what TALQ calls the unit's values, in its units. */
function talq(meters: Meters, unit: number): Record<string, number | undefined> {
  const values = meters.values(unit);
  const entries = quantitiesOf(meters, unit).map((quantity, i) => {
    const { monitor: _, ...sides } = MEASURES[quantity] ?? {};
    const [measure] = Object.values<Measure | undefined>(sides);
    const value = values[i];
    if (quantity === Quantity.ExportedEnergy) return ['exported', value === undefined ? undefined : value / 1000];
    assert.ok(measure, `quantity ${quantity} has a name`);
    return [measure.name, value === undefined ? undefined : toUnit(quantity, measure, value)];
  });
  return Object.fromEntries(entries);
}

describe('Modbus units of the field', () => {
  it('are all of board-configs/profiles', () => {
    const files = readdirSync(DIRECTORY).filter((name) => name !== 'schema.json');
    const known = new Set(DUMPS.map(({ profile }) => `${profile}.json`));
    assert.deepEqual(files.sort(), [...known].sort());
  });

  for (const [i, dump] of DUMPS.entries()) {
    const { profile, expected } = dump;
    const [name, value] = Object.entries(expected)[0];
    it(`${i + 1}. ${profile}, served by jsmodbus, give ${name} ${value} and ${Object.keys(expected).length - 1} more`, async () => {
      const { bus, meters } = await lineOf([dump]);
      bus.clock.run(3000);
      assert.deepEqual(talq(meters, 0), expected);
    });
  }

  it('need as few requests as their gaps and largest replies allow', () => {
    const requests = (name: string) => {
      const { plan } = compileProfile(profileOf(name));
      const found: number[][] = [];
      for (let at = 1; at < plan.length; at += 4 + 3 * plan[at + 3]) found.push(plan.slice(at, at + 3));
      return found;
    };
    assert.deepEqual(requests('pzem-016'), [[4, 0, 9]]);
    assert.deepEqual(requests('sdm630'), [
      [4, 0, 78],
      [4, 224, 2],
    ]);
    assert.deepEqual(requests('em111'), [
      [4, 0, 20],
      [4, 32, 2],
    ]);
    assert.deepEqual(requests('ddsu666'), [
      [3, 0x2000, 16],
      [3, 0x4000, 2],
      [3, 0x400a, 2],
    ]);
    assert.deepEqual(requests('qsa2700d'), [[3, 256, 2]]);
  });

  it('of 13 kinds on one line each give their own values, every 10 s', async () => {
    const { bus, meters, read } = await lineOf(DUMPS);
    bus.clock.run(60_000);
    for (const [i, { expected }] of DUMPS.entries()) {
      assert.deepEqual(talq(meters, i), expected);
      const times = read.filter(([unit]) => unit === i).map(([, time]) => time);
      assert.equal(times.length, 6);
      for (let n = 1; n < times.length; n++) assert.ok(Math.abs(times[n] - times[n - 1] - 10_000) < 100);
    }
  });

  it('are read every 10 s beside a dead one: it delays them by 3.4 s at most, and after 5 polls by 0.7 s once a minute', async () => {
    const { bus, meters, read } = await lineOf([DUMPS[2], undefined, DUMPS[3], DUMPS[12]]);
    bus.clock.run(600_000);
    assert.equal(meters.time(1), undefined);
    for (const unit of [0, 2, 3]) {
      assert.deepEqual(talq(meters, unit), DUMPS[unit === 0 ? 2 : unit === 2 ? 3 : 12].expected);
      const times = read.filter(([index]) => index === unit).map(([, time]) => time);
      assert.ok(times.length >= 59, `${times.length} readings`);
      for (let n = 1; n < times.length; n++) {
        assert.ok(times[n] - times[n - 1] < 10_000 + (times[n] < 60_000 ? 3400 : 700), `${times[n] - times[n - 1]} ms`);
      }
    }
    const asked = bus.sent.filter(({ bytes, start }) => bytes[0] === 2 && start > 60_000);
    assert.ok(asked.length <= 10);
  });

  it('are refused what none of them measures: 1000.1 dB, 101 °C, 100.1 % and 0x7FFF or 0xFFFF for "unknown"', async () => {
    const broken = (profile: string, registers: Record<number, string>) =>
      lineOf([{ profile, registers, expected: {} }]);
    const noise = await broken('sm7901b', { 0: '2711' });
    const air = await broken('xy-md02', { 1: '03F2' + '03E9' });
    const cold = await broken('xy-md02', { 1: 'FC18' + '0000' });
    const unknown = await broken('xy-md02', { 1: '7FFF' + 'FFFF' });
    for (const { bus } of [noise, air, cold, unknown]) bus.clock.run(3000);
    assert.deepEqual(noise.meters.values(0), [undefined]);
    assert.deepEqual(air.meters.values(0), [undefined, undefined]);
    assert.deepEqual(cold.meters.values(0), [-1000, 0]);
    assert.deepEqual(unknown.meters.values(0), [undefined, undefined]);
  });

  it('become TALQ functions: three-phase meter, temperature, humidity, noise and particles, each once', () => {
    const units = ['sdm630', 'xy-md02', 'sm7901b', 'qsa2700d', 'xy-md02'].map((name, i) => {
      return [i + 1, name, compileProfile(profileOf(name)).quantities];
    });
    const birth = { board: 'b', control: 1, minimumLevel: 10, defaultLevel: 100, units } as unknown as Birth;
    const made = /^(electricalMeter|.*Sensor)\d$/;
    const functions = controllerFunctions(birth).filter(({ id }) => made.test(id));
    const measured = (attributes: { scope: string }[]) => attributes.filter(({ scope }) => scope === 'measurement');
    assert.deepEqual(
      functions.map(({ id, type, attributes }) => [id, type, measured(attributes).length]),
      [
        ['electricalMeter1', 'ElectricalMeterFunction', 23], // exported energy has no name, the sense of the shift has
        ['temperatureSensor1', 'TemperatureSensorFunction', 1],
        ['humiditySensor1', 'HumiditySensorFunction', 1],
        ['noiseSensor1', 'NoiseMonitoringSensorFunction', 1],
        ['particulateMatterSensor1', 'ParticulateMatterSensorFunction', 2],
      ],
    );
  });
});
