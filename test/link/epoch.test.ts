/** The names of records are never used twice in one place, whichever board stands there. */
import assert from 'node:assert/strict';
import { World } from '../../sim/clock.ts';
import { type Controller, openController, type SavedController } from '../../sim/controller.ts';
import { boardOf } from '../monitor/pole.ts';
import { siteKey } from '../sealed.ts';

const SITE = { host: 'broker', port: 1883, key: siteKey('pole-1') };
const SECOND = 1000;

// biome-ignore lint/suspicious/noExplicitAny: parts that nobody else reaches into
const epochOf = ({ firmware }: Controller): number => (firmware as any)._session.teller._journal.epoch;

describe('the epoch of a journal', () => {
  const open = async (seed: number, change?: Parameters<typeof boardOf>[1], saved?: SavedController) => {
    const board = await boardOf('linux', change);
    const controller = openController({ world: new World(), id: 'pole-1', board, site: SITE, seed, saved });
    controller.sim.world.run(2 * SECOND);
    return controller;
  };
  const inMemory = (config: { journal?: object }) => {
    delete config.journal;
  };
  const reboot = (controller: Controller) => {
    controller.sim.reset('power');
    controller.sim.world.run(2 * SECOND);
  };

  it('is another one on every board that takes the place, though each begins with boot 1', async () => {
    for (const change of [undefined, inMemory]) {
      const epochs = new Set<number>();
      for (let seed = 0; seed < 30; seed++) epochs.add(epochOf(await open(seed, change)));
      assert.equal(epochs.size, 30);
      assert.ok([...epochs].every((epoch) => Number.isInteger(epoch) && epoch >= 0 && epoch < 2 ** 31));
    }
  });

  it('stays the same in flash for as long as the board has its flash', async () => {
    const controller = await open(1);
    const epoch = epochOf(controller);
    for (let boot = 2; boot < 10; boot++) {
      reboot(controller);
      assert.equal(epochOf(controller), epoch);
    }
    assert.equal(
      epochOf(await open(2, undefined, controller.saved())),
      epoch,
      'the chip with the flash on another board',
    );
  });

  it('is another one at every boot of a board without raw flash', async () => {
    const controller = await open(1, inMemory);
    const epochs = new Set([epochOf(controller)]);
    for (let boot = 2; boot <= 40; boot++) {
      reboot(controller);
      epochs.add(epochOf(controller));
    }
    assert.equal(epochs.size, 40);
  });
});
