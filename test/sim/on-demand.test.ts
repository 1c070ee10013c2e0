import assert from 'node:assert/strict';
import { Encoder } from 'cbor-x';
import { connectAsync } from 'mqtt';
import { loadBoard } from '../../scripts/board-config.mjs';
import { GatewayEnd } from '../sealed.ts';
import { Bench, near } from './bench.ts';

const VOLTAGE = 'electricalMeter1/supplyVoltage';

/** Poles whose meter is read once a minute; the real firmware between the TALQ API and the meter on its line. */
describe('an on-demand read of a simulated pole', function () {
  this.timeout(30_000);
  let bench: Bench;
  beforeEach(async () => {
    const linux = await loadBoard('linux');
    const meters = linux.meters.map((meter) => ({ ...meter, period: 60_000 }));
    bench = await Bench.open({ boards: [{ ...linux, meters }] });
    const [pole] = bench.poles;
    pole.readings.SupplyVoltage = 231;
    await bench.ready();
    // The readings that follow a change of level are behind.
    await bench.run(20_000);
  });
  afterEach(() => bench.close());

  it('gives the 224.0 V that the meter has shown for 1 s, with the time of now', async () => {
    const [pole] = bench.poles;
    const asked = pole.meters[0].requests;
    pole.readings.SupplyVoltage = 224;
    await bench.run(1000);
    assert.equal(pole.meters[0].requests, asked, 'nothing was due');
    const before = bench.now;
    const { value, timestamp } = await bench.read(1, VOLTAGE);
    assert.equal(value, 224);
    near(Date.parse(timestamp), before, 2000);
    assert.ok(bench.now - before < 3000, `${bench.now - before} ms`);
  });

  it('gives the last value with its own time while the meter is unplugged, and the present one when it is back', async () => {
    const [pole] = bench.poles;
    const { meters } = pole.firmware ?? assert.fail();
    const measured = bench.now - (pole.sim.clock.uptime() - (meters.time(0) ?? Number.NaN));
    assert.ok(bench.now - measured > 10_000);
    pole.readings.SupplyVoltage = 224;
    pole.meters[0].connected = false;
    const before = bench.now;
    const old = await bench.read(1, VOLTAGE);
    assert.equal(old.value, 231);
    near(Date.parse(old.timestamp), measured, 1000);
    assert.ok(bench.now - before < 5000, `${bench.now - before} ms`);
    // By now the unit counts as absent, and is asked once a minute on its own.
    await bench.run(310_000);
    pole.meters[0].connected = true;
    assert.ok(meters.failures(0) >= 5);
    assert.equal((await bench.read(1, VOLTAGE)).value, 224);
  });

  it('of a pole without current gives the last value at once', async () => {
    bench.poles[0].sim.cutPower();
    const { fleet } = bench.rig.gateway;
    await bench.until(() => fleet.controllers.get('pole-1')?.online === false, 120_000);
    const measured = fleet.controllers.get('pole-1')?.readings[0][0]?.time ?? Number.NaN;
    const { body } = await bench.rig.call('GET', `/devices/${await bench.address(1)}/${VOLTAGE}`);
    assert.deepEqual([body.value, Date.parse(body.timestamp)], [231, measured]);
  });

  it('answers each of three commands that come together, after one reading and one report', async () => {
    const [pole] = bench.poles;
    const client = await connectAsync(`mqtt://127.0.0.1:${bench.rig.gateway.brokerPort}`);
    const end = new GatewayEnd('pole-1');
    const born = new Promise<void>((resolve) => {
      client.on('message', (topic, payload) => {
        if (!topic.endsWith('birth')) return;
        end.open(topic, payload);
        resolve();
      });
    });
    await client.subscribeAsync(['rvb1/pole-1/birth', 'rvb1/pole-1/ack', 'rvb1/pole-1/report'], { qos: 1 });
    await born;
    const codec = new Encoder({ useRecords: false, mapsAsObjects: false } as never);
    const said: unknown[] = [];
    client.on('message', (topic, payload) => {
      if (topic.endsWith('report')) said.push('report');
      else
        said.push(
          [...(codec.decode(end.open(topic, payload)) as Map<number, number>)].slice(0, 2).map(([, value]) => value),
        );
    });
    const asked = pole.meters[0].requests;
    for (const number of [71, 72, 72, 73]) {
      const command = codec.encode(
        new Map([
          [0, number],
          [1, 5],
        ]),
      );
      await client.publishAsync('rvb1/pole-1/cmd', end.seal('cmd', command, bench.now), { qos: 1 });
    }
    await bench.until(() => said.length >= 4, 5000);
    await bench.run(2000);
    assert.deepEqual(said, ['report', [71, 0], [72, 0], [73, 0]]);
    const reading = bench.poles[0].meters[0].requests - asked;
    assert.ok(reading > 0 && reading <= 6, `${reading} requests`);
    await client.endAsync(true);
  });
});
