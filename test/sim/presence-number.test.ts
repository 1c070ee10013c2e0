import assert from 'node:assert/strict';
import { AckCode } from '../../firmware/link/messages.ts';
import { compileTimetable } from '../../gateway/talq/timetable.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { openController } from '../../sim/controller.ts';
import { Configuration } from '../configuration.ts';
import { command, program } from '../gateway/control-rig.ts';

const NIGHT = Date.UTC(2026, 4, 4, 22);

/** 30 % all day, 100 % while somebody is near and 20 s longer; the lamp's own input has this number. */
const timetable = (presence: number) =>
  compileTimetable(
    { id: 'c', ownerCMS: 'cms', defaultProgram: 'p' },
    new Map([
      [
        'p',
        program('p', [['12:00', 30]], {
          dynamicControls: [
            {
              effect: { type: 'FixedControlEffect', source: {}, operation: 'Max', holdTime: 20, command: command(100) },
            },
          ],
        }),
      ],
    ]) as never,
    { dayOffset: 0, zone: 'UTC0', assigned: 0, presence, sensor: () => undefined },
  );

describe('the number of a presence input', () => {
  const open = async () => {
    const world = new World();
    const board = { ...(await loadBoard('linux')), presence: { pin: 'D3' } };
    const pole = openController({ world, id: 'pole-1', board, begin: NIGHT });
    world.run(2000);
    const configuration = new Configuration();
    const set = (bytes: Uint8Array) => {
      const { version, check } = configuration.change({ timetable: bytes });
      assert.equal(pole.firmware?.setConfiguration(version, check, undefined, [bytes]), AckCode.Done);
      pole.firmware?.arbiter.wake();
      world.run(2000);
      return Math.round(pole.lamp.light);
    };
    const walk = (there: 0 | 1, wait: number) => {
      pole.sim.pins.set('D3', there);
      world.run(wait);
      return Math.round(pole.lamp.light);
    };
    return { set, walk };
  };

  it('may change while somebody stands there: the lamp stays lit for him, and not for ever', async () => {
    const { set, walk } = await open();
    assert.equal(set(timetable(5)), 30);
    assert.equal(walk(1, 2000), 100);
    assert.equal(set(timetable(9)), 100);
    assert.equal(walk(0, 15_000), 100);
    assert.equal(walk(0, 10_000), 30);
  });

  it('may be taken away and given back while somebody stands there and leaves', async () => {
    const { set, walk } = await open();
    set(timetable(5));
    assert.equal(walk(1, 2000), 100);
    set(new Uint8Array(0));
    walk(0, 60_000);
    assert.equal(set(timetable(5)), 30);
  });
});
