import assert from 'node:assert/strict';
import { EventCode } from '../../../firmware/link/messages.ts';
import { loadBoard } from '../../../scripts/board-config.mjs';
import { World } from '../../../sim/clock.ts';
import { openController } from '../../../sim/controller.ts';

const SIGNALS = ['mains', 'door', 'tilt', 'leakage', 'contactor'] as const;
const CODES = [
  EventCode.SupplyLoss,
  EventCode.DoorOpen,
  EventCode.Tilted,
  EventCode.LeakageDetected,
  EventCode.ContactorError,
];

async function pole(activeLow = false) {
  const world = new World();
  const contacts = CODES.map((code, i) => ({ code, input: { pin: `D${i + 10}`, activeLow } }));
  const board = { ...(await loadBoard('linux')), contacts };
  const controller = openController({ world, id: 'pole-1', board });
  const seen = () => {
    const levels = contacts.map(({ input }) => controller.sim.pins.outside(input.pin) === (activeLow ? 0 : 1));
    return SIGNALS.filter((_, i) => levels[i]);
  };
  return { world, seen, ...controller };
}

describe('pole on its mains', () => {
  it('lives through 300 ms without mains, and not through 301', async () => {
    const { world, sim, mains } = await pole();
    world.run(60_000);
    mains.disturb(world, 0, 299);
    world.run(60_000);
    assert.equal(sim.resets.length, 1);
    mains.disturb(world, 0, 301);
    world.run(60_000);
    assert.deepEqual(
      sim.resets.map(({ time }) => time),
      [0, 120_301],
    );
  });

  it('has meters that are silent without mains and answer with them', async () => {
    const { world, sim, mains, meters } = await pole();
    world.run(10_000);
    const { answers } = meters[0];
    assert.ok(answers > 0);
    mains.factor = 0;
    world.run(60_000);
    assert.equal(sim.on, false);
    assert.equal(meters[0].answers, answers);
    mains.factor = 1;
    world.run(60_000);
    assert.ok(sim.on && meters[0].answers > answers);
  });

  for (const activeLow of [false, true]) {
    it(`shows the supply, its contacts and its alarms at inputs that are active ${activeLow ? 'low' : 'high'}`, async () => {
      const { world, seen, inputs, mains, lamp } = await pole(activeLow);
      assert.deepEqual(seen(), ['mains']);
      world.run(60_000);
      assert.deepEqual(seen(), ['mains', 'contactor']);
      inputs.set('door', true);
      inputs.set('tilt', true);
      inputs.set('leakage', true);
      assert.deepEqual(seen(), SIGNALS);
      inputs.set('contactor', false);
      inputs.set('door', undefined);
      assert.deepEqual(seen(), ['mains', 'tilt', 'leakage']);
      inputs.set('contactor', undefined);
      mains.factor = 0.45;
      assert.deepEqual(seen(), ['tilt', 'leakage', 'contactor']);
      mains.factor = 1;
      lamp.fail({ contacts: 'open' });
      inputs.follow();
      assert.deepEqual(seen(), ['mains', 'tilt', 'leakage']);
    });
  }
});
