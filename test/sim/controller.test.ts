import assert from 'node:assert/strict';
import type { DimConfig } from '../../firmware/board.ts';
import { Vault } from '../../firmware/store/vault.ts';
import type { FlashOptions } from '../../hal/hal.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { type ControllerOptions, openController } from '../../sim/controller.ts';

async function pole(options: Partial<ControllerOptions> = {}) {
  const board = await loadBoard('linux');
  const world = options.world ?? new World();
  return { world, board, ...openController({ world, id: 'pole-1', board, ...options }) };
}

describe('simulated pole', () => {
  it('lights its default level of 100 % without clock, link or site, 500 ms after power-up', async () => {
    const { world, lamp, sim } = await pole();
    world.run(499);
    assert.equal(lamp.light, 0);
    world.run(60_000);
    assert.equal(lamp.light, 100);
    assert.equal(sim.pins.state('D1'), 1);
    assert.equal(sim.pins.state('D2'), 1);
  });

  it('reads its meter with 2 requests every minute of an hour, and 3 s after the soft start', async () => {
    const { world, meters } = await pole();
    world.run(3_600_000);
    const [meter] = meters;
    assert.equal(meter.requests, 2 * 61);
    assert.equal(meter.answers, meter.requests);
  });

  it('goes dark when its power goes, and comes back with what its flash and its meter held', async () => {
    const { world, lamp, sim, saved } = await pole();
    world.run(3_600_000);
    sim.cutPower();
    assert.equal(lamp.light, 0);
    const { flash, wattHours } = saved();
    assert.ok(Math.abs(wattHours - 60) < 0.1, `${wattHours} Wh`);
    const again = await pole({ saved: saved() });
    const keys = new Vault(again.sim, again.board.store as FlashOptions).keys();
    assert.ok(keys.includes('boot'), `${keys}`);
    assert.equal(flash.length, sim.flash.size);
    sim.restorePower();
    world.run(60_000);
    assert.equal(lamp.light, 100);
  });

  it('lives the same two hours twice with one seed on a noisy line, and others with another seed', async () => {
    const live = async (seed: number) => {
      const { world, sim, board, meters, saved } = await pole({ seed });
      const line = sim.line(board.lines[0].port);
      line.noise = 0.01;
      line.loss = 0.01;
      world.run(7_200_000);
      const pins = ['D1', 'D2'].map((pin) => JSON.stringify(sim.pins.history(pin)));
      return JSON.stringify([pins, meters[0].requests, meters[0].answers, Buffer.from(saved().flash).toString('hex')]);
    };
    const first = await live(4);
    assert.equal(await live(4), first);
    assert.notEqual(await live(5), first);
  });

  const curves: [string, DimConfig['curve']][] = [
    ['linear gear', undefined],
    ['logarithmic gear', 'logarithmic'],
    ['gear of five points', [10, 1.5, 20, 3, 50, 6, 80, 8, 100, 9.5]],
  ];
  for (const [gear, curve] of curves) {
    it(`gives 10, 37.5, 72 and 100 % of light for those commands on ${gear}`, async () => {
      const { lamp: config, ...rest } = await loadBoard('linux');
      const dim = { ...(config.dim as DimConfig), curve };
      for (const level of [10, 37.5, 72, 100]) {
        const board = { ...rest, lamp: { ...config, dim, defaultLevel: level } };
        const { world, lamp } = await pole({ board });
        world.run(10_000);
        assert.ok(Math.abs(lamp.light - level) < 1e-9, `${lamp.light} %`);
      }
    });
  }

  // Source: TALQ 2.7.1, LampType: virtual light output before CLO; powerLightGradient.
  for (const [gradient, watts] of [
    [1, 72],
    [1.1, 74.5],
  ]) {
    it(`draws ${watts} of 100 W at 100 % with 90 % output, 80 % CLO and a gradient of ${gradient}, and says 100 %`, async () => {
      const { lamp: config, ...rest } = await loadBoard('linux');
      const board = { ...rest, lamp: { ...config, light: { virtualOutput: 90, clo: [0, 80, 1e6, 100] } } };
      const world = new World();
      const controller = openController({ world, id: 'pole-1', board, lamp: { wattage: 100, gradient } });
      world.run(10_000);
      const { watts: drawn } = controller.lamp.load;
      assert.ok(Math.abs(drawn - watts) < 0.05, `${drawn} W`);
      assert.match(controller.firmware?.status() ?? '', /^100 %, default 100 %/);
    });
  }

  it('gives 95 % at 80 °C, its minimum of 10 % at 86 °C and 100 % at 69 °C, each within 30 s, and says so', async () => {
    const { lamp: config, ...rest } = await loadBoard('linux');
    const board = { ...rest, lamp: { ...config, protection: { reduce: 75, minimum: 85 } } };
    const world = new World();
    const controller = openController({ world, id: 'pole-1', board, temperature: 80 });
    const expected = [
      [80, 95],
      [86, 10],
      [69, 100],
    ];
    for (const [temperature, light] of expected) {
      controller.sim.temperature = temperature;
      world.run(31_500);
      assert.ok(Math.abs(controller.lamp.light - light) < 1e-9, `${controller.lamp.light} % at ${temperature} °C`);
      assert.match(controller.firmware?.status() ?? '', new RegExp(`^${light} %, default 100 %`));
    }
    assert.equal(controller.lamp.switchings, 1);
  });

  it('remembers 24 h of CLO across a power cut', async () => {
    const { lamp: config, ...rest } = await loadBoard('linux');
    const board = { ...rest, lamp: { ...config, light: { virtualOutput: 100, clo: [0, 50, 100, 100] } } };
    const { world, lamp, sim } = await pole({ board });
    world.run(24.5 * 3_600_000);
    sim.cutPower();
    world.run(3_600_000);
    sim.restorePower();
    world.run(10_000);
    assert.ok(Math.abs(lamp.light - 62) < 0.1, `${lamp.light} %`);
  });
});
