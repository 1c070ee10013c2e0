import assert from 'node:assert/strict';
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

  it('polls its meter every 10 s of an hour through the simulated line', async () => {
    const { world, meters } = await pole();
    world.run(3_600_000);
    const [meter] = meters;
    assert.ok(meter.requests >= 360, `${meter.requests} requests`);
    assert.equal(meter.answers, meter.requests);
  });

  it('goes dark when its power goes, and comes back with what its flash and its meter held', async () => {
    const { world, lamp, sim, saved } = await pole();
    world.run(3_600_000);
    sim.cutPower();
    assert.equal(lamp.light, 0);
    const { flash, wattHours } = saved();
    assert.ok(Math.abs(wattHours - 60) < 0.1, `${wattHours} Wh`);
    const keys = (await pole({ saved: saved() })).sim.storage.keys();
    assert.ok(keys.length > 0);
    assert.equal(flash.length, sim.flash.size);
    sim.restorePower();
    world.run(60_000);
    assert.equal(lamp.light, 100);
  });

  it('lives the same two hours twice with one seed on a noisy line, and others with another seed', async () => {
    const live = async (seed: number) => {
      const { world, sim, board, meters, saved } = await pole({ seed });
      const line = sim.line(board.lines[0].port);
      line.noise = 0.002;
      line.loss = 0.002;
      world.run(7_200_000);
      const pins = ['D1', 'D2'].map((pin) => JSON.stringify(sim.pins.history(pin)));
      return JSON.stringify([pins, meters[0].requests, meters[0].answers, Buffer.from(saved().flash).toString('hex')]);
    };
    const first = await live(4);
    assert.equal(await live(4), first);
    assert.notEqual(await live(5), first);
  });
});
