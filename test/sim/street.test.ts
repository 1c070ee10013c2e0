import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { Reason } from '../../firmware/link/messages.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { Street } from '../../sim/street.ts';
import { T0 } from '../gateway/rig.ts';
import { Bench, near, toLevel } from './bench.ts';

// The board's program has 100 % from 17:00 to 22:00; the bench begins at 21:00 of its local time.
describe('a simulated street behind the TALQ API', () => {
  let bench: Bench;
  // Slope 1.1 is that of a driver with losses of its own; see the lamp model.
  beforeEach(async () => {
    const gradients = [1, 1, 1.1, 1, 1, 1];
    const board: Board = await loadBoard('linux');
    bench = await Bench.open({
      boards: gradients.map(() => board),
      lamps: gradients.map((gradient) => ({ wattage: 60, gradient })),
    });
    const { fleet } = bench.rig.gateway;
    const lives = ({ online, state, readings }: NonNullable<ReturnType<typeof fleet.controllers.get>>) =>
      online && state?.reason === 3 && readings[0][2] !== undefined;
    await bench.until(() => fleet.controllers.size === 6 && [...fleet.controllers.values()].every(lives), 30_000);
    // The first reading falls into the soft start; the next poll does not.
    await bench.until(() => bench.poles.every((_, index) => bench.watts(index + 1) > 50), 12_000);
  });
  afterEach(() => bench.close());

  it('shows 6 lamps at 100 % and 60.0 W that came through Modbus frames, MQTT and CBOR', async () => {
    const devices = (await bench.rig.call('GET', '/devices')).body;
    const lamps = devices.filter(({ functions }: { functions: { id: string }[] }) =>
      functions.some(({ id }) => id === 'lampActuator1'),
    );
    assert.equal(lamps.length, 6);
    for (const { functions } of lamps) {
      const of = (id: string) => functions.find((entry: { id: string }) => entry.id === id);
      assert.deepEqual(of('lampActuator1').actualLightState.value, { name: 'LevelState', value: 100 });
      assert.equal(of('lampMonitor1').activePower.value, 60);
      near(of('lampMonitor1').supplyVoltage.value, 230, 230 * 0.1);
    }
    for (const { meters } of bench.poles) {
      assert.ok(meters[0].requests >= 2);
      assert.equal(meters[0].answers, meters[0].requests);
    }
  });

  it('dims one lamp to 40 % within 2 s of an override; its meter then shows 24.0 W of 60, 27.3 at a gradient of 1.1', async () => {
    const { lamp, meters } = bench.poles[2];
    const start = bench.world.now;
    await bench.override(3, toLevel(40, { reason: 'override', cmsRefId: 'op-3' }));
    await bench.until(() => Math.abs(lamp.light - 40) < 0.01, 2000 - (bench.world.now - start));
    await bench.override(1, toLevel(40, { reason: 'override', cmsRefId: 'op-1' }));
    // The next poll of the meter, and its report.
    const asked = meters[0].requests;
    await bench.until(() => bench.watts(1) < 60 && bench.watts(3) < 60, 12_000);
    assert.ok(meters[0].requests > asked);
    // Source: TALQ 2.7.1 LampType.powerLightGradient: 100 - (100 - 40) / g % of 60 W.
    assert.equal((await bench.read(3, 'lampMonitor1/activePower')).value, 27.3);
    assert.equal((await bench.read(1, 'lampMonitor1/activePower')).value, 24);
    assert.equal((await bench.read(1, 'electricalMeter1/totalPower')).value, 0.024);
    for (const [pole, cmsRefId] of [[1, 'op-1'] as const, [3, 'op-3'] as const]) {
      const { start: from, ...rest } = (await bench.read(pole, 'lampActuator1/feedbackLightCommand')).value as {
        start: string;
      };
      assert.deepEqual(rest, toLevel(40, { reason: 'override', cmsRefId }));
      near(Date.parse(from), T0 + start, 2000);
      assert.deepEqual((await bench.read(pole, 'lampActuator1/actualLightState')).value, toLevel(40).state);
    }
    for (const other of [1, 3, 4, 5]) assert.equal(bench.poles[other].lamp.light, 100);
    assert.equal((await bench.read(2, 'lampMonitor1/activePower')).value, 60);
  });

  it('takes 20 s back to its program when the override expires: 70 % after 10 s, and the meter follows', async () => {
    const [{ lamp }] = bench.poles;
    const end = Math.ceil(bench.now / 1000 + 60) * 1000;
    const expiration = new Date(end).toISOString();
    await bench.override(1, toLevel(40, { cmsRefId: 'op-1', expiration, rampFromLevelTime: 20 }));
    await bench.run(end - bench.now - 2000);
    near(lamp.light, 40, 0.01);
    const feedback = () => bench.read(1, 'lampActuator1/feedbackLightCommand');
    assert.deepEqual((await feedback()).value, {
      ...toLevel(40, { reason: 'override', cmsRefId: 'op-1', expiration }),
      start: ((await feedback()).value as { start: string }).start,
    });
    await bench.run(end - bench.now + 2000);
    // 10 % of the way; who commands now is known before the lamp has arrived.
    near(lamp.light, 46, 1);
    assert.deepEqual((await feedback()).value, toLevel(100, { reason: 'program' }));
    near(Date.parse((await feedback()).timestamp), end, 1000);
    await bench.run(end - bench.now + 10_000);
    near(lamp.light, 70, 1);
    near(lamp.load.watts, 42, 0.6);
    await bench.run(9000);
    near(lamp.light, 97, 1);
    await bench.run(1200);
    near(lamp.light, 100, 0.01);
    // The last poll on the ramp may be so near that the last watt or two wait for the report of every minute.
    await bench.until(() => bench.watts(1) === 60, 62_000);
    assert.equal((await bench.read(1, 'lampMonitor1/activePower')).value, 60);
    assert.deepEqual((await bench.read(1, 'lampActuator1/actualLightState')).value, toLevel(100).state);
  });

  it('ends an override at its expiration when the broker has gone meanwhile, and keeps every lamp lit', async () => {
    const [{ lamp }] = bench.poles;
    const end = Math.ceil(bench.now / 1000 + 60) * 1000;
    await bench.override(1, toLevel(40, { expiration: new Date(end).toISOString() }));
    await bench.rig.gateway.close();
    await bench.run(30_000);
    near(lamp.light, 40, 0.01);
    await bench.run(end - bench.now + 200);
    for (const pole of bench.poles) near(pole.lamp.light, 100, 0.01);
  });
});

describe('rows of the street', () => {
  it('say who commands and from where, whatever commas and links the reference of the CMS has', async () => {
    const board: Board = await loadBoard('linux');
    const world = new World();
    const site = { host: '127.0.0.1', port: 1 };
    const street = new Street({ board, lamps: 1, site, seed: 1, world, begin: T0, log: () => {} });
    street.poles[0].sim.network.refuse = true;
    assert.deepEqual(street.rows()[0].command, 'starting');
    world.run(5000);
    assert.deepEqual(street.rows(), [{ id: 'lamp-01', level: 100, power: 60, link: 'down', command: 'default 100 %' }]);
    const { firmware } = street.poles[0];
    assert.ok(firmware);
    firmware.setTime(T0);
    firmware.arbiter.wake();
    world.run(5000);
    // 21:00 in the board's zone, an hour from UTC: between its switch points of 17:00 and 22:00.
    assert.match(street.rows()[0].command, /^program 0 point 3 100 %$/);
    const reference = 'a 7 %, link up, last fault x';
    firmware.arbiter.override({ level: 40, reason: Reason.Override, reference });
    firmware.arbiter.wake();
    world.run(5000);
    assert.deepEqual(street.rows()[0], {
      id: 'lamp-01',
      level: 40,
      power: 24,
      link: 'down',
      command: `override "${reference}" 40 %`,
    });
  });
});
