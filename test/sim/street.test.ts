import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { Board } from '../../firmware/board.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { type Controller, openController } from '../../sim/controller.ts';
import { Mains } from '../../sim/plant/mains.ts';
import { Rig, T0 } from '../gateway/rig.ts';

/** ms of simulated time between two looks at the sockets. */
const SLICE = 20;

/** Simulated poles with the real firmware, and a real gateway and broker on loopback that live in the same time. */
class Bench {
  readonly world = new World();
  readonly poles: Controller[] = [];
  rig!: Rig;

  /** @param gradients TALQ powerLightGradient of each pole's lamp of 60 W */
  static async open(gradients: number[]): Promise<Bench> {
    const bench = new Bench();
    const { world } = bench;
    bench.rig = await Rig.start({ now: () => T0 + world.now });
    const board: Board = await loadBoard('linux');
    const site = { host: '127.0.0.1', port: bench.rig.gateway.brokerPort };
    const mains = new Mains();
    gradients.forEach((gradient, index) => {
      const id = `pole-${index + 1}`;
      const lamp = { wattage: 60, gradient };
      bench.poles.push(openController({ world, id, board, site, seed: index, mains, lamp }));
    });
    return bench;
  }

  get now(): number {
    return T0 + this.world.now;
  }

  async run(ms: number): Promise<void> {
    for (let end = this.world.now + ms; this.world.now < end; ) {
      await this.world.advance(Math.min(SLICE, end - this.world.now), SLICE);
      this.rig.gateway.tick();
    }
  }

  /** Lets time run until `condition` holds. @returns ms that it took */
  async until(condition: () => boolean, most: number): Promise<number> {
    const start = this.world.now;
    while (!condition()) {
      if (this.world.now - start >= most) assert.fail(`not within ${most} ms`);
      await this.run(SLICE);
    }
    return this.world.now - start;
  }

  /** Lets time run beside real time while the gateway answers: sockets have delays that simulated time knows nothing of. */
  async during<T>(work: Promise<T>): Promise<T> {
    let busy = true;
    const end = work.finally(() => {
      busy = false;
    });
    for (let last = performance.now(); busy; ) {
      await turn();
      const now = performance.now();
      await this.run(Math.min(SLICE, now - last));
      last = now;
    }
    return end;
  }

  /** @returns W that the gateway knows of a pole */
  watts(pole: number): number {
    return (this.rig.gateway.fleet.controllers.get(`pole-${pole}`)?.readings[0][2]?.value ?? Number.NaN) / 10;
  }

  /** @returns an attribute as the TALQ API shows it */
  async read(pole: number, path: string): Promise<{ value: unknown; timestamp: string }> {
    const address = await this.rig.address(`pole-${pole}`);
    return (await this.rig.call('GET', `/devices/${address}/${path}`)).body;
  }

  async override(pole: number, targetCommand?: object): Promise<void> {
    const addresses = [{ resource: 'devices', address: await this.rig.address(`pole-${pole}`) }];
    const reply = await this.during(
      this.rig.call('POST', '/override-commands', { body: { addresses, targetCommand } }),
    );
    assert.equal(reply.status, 201);
  }

  async close(): Promise<void> {
    for (const { sim } of this.poles) sim.cutPower();
    await this.rig.close();
  }
}

const toLevel = (value: number, more = {}) => ({ state: { name: 'LevelState', value }, ...more });
const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

// The board's program has 100 % from 17:00 to 22:00; the bench begins at 21:00 of its local time.
describe('a simulated street behind the TALQ API', () => {
  let bench: Bench;
  // Slope 1.1 is that of a driver with losses of its own; see the lamp model.
  beforeEach(async () => {
    bench = await Bench.open([1, 1, 1.1, 1, 1, 1]);
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
    await bench.run(end - bench.now - 300);
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
    await bench.run(8000);
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
