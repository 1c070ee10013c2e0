import assert from 'node:assert/strict';
import { Counter, EventCode, LogColumn, Quantity } from '../../firmware/link/messages.ts';
import type { ControllerEvent, Samples } from '../../gateway/fleet.ts';
import { CONTROLLER, compileMonitoring, type Limit, limitCode } from '../../gateway/monitoring.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { Configuration } from '../configuration.ts';
import { create, logger, pulled } from '../gateway/logger-rig.ts';
import { Bench, near } from './bench.ts';

const MINUTE = 60_000;

describe('a controller as an instrument, from its plant to the TALQ API', function () {
  this.timeout(60_000);
  let bench: Bench;
  const events: ControllerEvent[] = [];
  const samples: Samples[] = [];
  before(async () => {
    // T0 is 21:00 there: 100 % until 22:00, by the board's own program.
    bench = await Bench.open({ boards: [await loadBoard('linux')] });
    const { fleet } = bench.rig.gateway;
    fleet.onEvents((_controller, told) => events.push(...told));
    fleet.onSamples((_controller, told) => samples.push(told));
    await bench.ready();
    await create(bench.rig, logger('all'));
  });
  after(() => bench.close());
  /** Sends a document past what the gateway wants. */
  const monitor = (monitoring: Uint8Array) => {
    const configuration = new Configuration();
    configuration.version = bench.poles[0].firmware?.settings.edition ?? 0;
    return bench.during(bench.rig.gateway.fleet.submit('pole-1', configuration.change({ monitoring })));
  };
  const dropped = () => bench.rig.gateway.fleet.dropped;

  it('tells nothing that the gateway cannot read, and counts nothing lost', async () => {
    await bench.run(5 * MINUTE, 500);
    assert.equal(dropped(), 0);
    assert.equal(bench.rig.gateway.fleet.controllers.get('pole-1')?.events.missing, 0);
    assert.deepEqual(await bench.read(1, 'lampMonitor1/lampFailure').then(({ value }) => value), false);
  });

  it('counts energy, hours and switchings as the plant has them', async () => {
    const [pole] = bench.poles;
    const hours = (await bench.read(1, 'lampMonitor1/operatingHours')).value as number;
    near(hours, 5 / 60, 1.5 / 60, 'h');
    assert.equal((await bench.read(1, 'lampMonitor1/switchOnCounter')).value, 1);
    near(
      (await bench.read(1, 'lampMonitor1/activeEnergy')).value as number,
      pole.lamp.load.wattHours / 1000,
      0.0025,
      'kWh',
    );
  });

  it('tells of a lamp that fails within 5 minutes, with its evidence, and of its repair', async () => {
    const [pole] = bench.poles;
    // The new lamp has to be known first.
    const document = compileMonitoring({ lamp: { wattage: 60, tolerance: 3, warmUp: 0, standby: 1 } });
    assert.equal(await monitor(document), 'done');
    await bench.run(3 * MINUTE, 500);
    const broken = bench.now;
    pole.lamp.fail({ leds: 0 });
    await bench.until(
      () => events.some(({ code, phase }) => code === EventCode.LampFailure && phase === 'start'),
      5 * MINUTE,
      500,
    );
    const failure = events.find(({ code }) => code === EventCode.LampFailure) as ControllerEvent;
    assert.ok(failure.time >= broken - 1000 && failure.time <= bench.now, new Date(failure.time).toISOString());
    assert.ok(failure.timed && (failure.level ?? 0) > 0 && (failure.power ?? 1000) < 100);
    assert.equal((await bench.read(1, 'lampMonitor1/lampFailure')).value, true);
    pole.lamp.repair();
    await bench.until(
      () => events.some(({ code, phase }) => code === EventCode.LampFailure && phase === 'end'),
      5 * MINUTE,
      500,
    );
    assert.equal((await bench.read(1, 'lampMonitor1/lampFailure')).value, false);
    const entries = (await pulled(bench.rig, 'all')).filter(({ data }) => data.eventType === 'lampFailure');
    assert.deepEqual(
      entries.map(({ data }) => data.startEndFlag),
      [true, false],
    );
  });

  it('watches a threshold that a CMS writes, and sets the hours that it writes', async () => {
    const path = `/devices/${await bench.address(1)}`;
    const value = (number: number) => ({ type: 'AttributeFloat', value: number });
    await bench.write('PATCH', `${path}/lampMonitor1/highSupplyVoltageThreshold`, value(200));
    const high = async () => (await bench.read(1, 'lampMonitor1/supplyVoltageTooHigh')).value;
    await bench.run(3 * MINUTE, 500);
    assert.equal(await high(), true);
    await bench.write('PATCH', `${path}/lampMonitor1/highSupplyVoltageThreshold`, value(300));
    await bench.run(3 * MINUTE, 500);
    assert.equal(await high(), false);
    await bench.write('PATCH', `${path}/lampMonitor1/operatingHours`, value(1000));
    await bench.run(2 * MINUTE, 500);
    near((await bench.read(1, 'lampMonitor1/operatingHours')).value as number, 1000, 0.1, 'h');
    assert.deepEqual(
      bench.rig.log.filter((line) => /counter|monitoring/.test(line)),
      [],
    );
    assert.ok(events.some(({ code, first }) => code === EventCode.CounterPreset && first === Counter.LampTime));
  });

  it('takes 32 limits, thresholds below zero among them and no 33rd', async () => {
    const cold = { code: limitCode(Quantity.Temperature, 'low', true), unit: CONTROLLER, threshold: -250 };
    const others = Array.from({ length: 31 }, (_, i) => ({ code: 64 + i, unit: 0, threshold: 2 ** 31 - 1 - i }));
    const submit = (limits: Limit[]) => monitor(compileMonitoring({ limits }));
    assert.equal(await submit([cold, ...others]), 'done');
    assert.throws(() => compileMonitoring({ limits: [cold, cold, ...others] }), /33 limits, only 32/);
  });

  it('records samples that the gateway reads', async () => {
    const columns = [LogColumn.Level, 64 + Quantity.SupplyVoltage, 64 + Quantity.ActivePower, Counter.LampTime];
    const record = (recorder: { period: number; columns: number[] }) => monitor(compileMonitoring({ recorder }));
    assert.equal(await record({ period: 60, columns }), 'done');
    await bench.run(5 * MINUTE, 500);
    assert.equal(await record({ period: 0, columns: [] }), 'done');
    await bench.until(() => samples.length > 0, MINUTE, 500);
    const [{ start, period, instants, ...told }] = samples.slice(-1);
    assert.deepEqual([told.columns, period, start % period], [columns, 60_000, 0]);
    assert.ok(instants.length >= 4, `${instants.length} instants`);
    for (const [level, voltage, power, lit] of instants) {
      assert.equal(level, 100);
      near((voltage as number) / 10, 230, 10, 'V');
      near((power as number) / 10, 60, 3, 'W');
      assert.ok((lit as number) > 3_600_000);
    }
    assert.equal(dropped(), 0);
  });
});
