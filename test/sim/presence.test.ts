import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { assignment, calendar, command, program } from '../gateway/control-rig.ts';
import { Bench, toLevel } from './bench.ts';

const ZONE = 'Europe/Brussels';
/** s that the light stays after the walker. */
const HOLD = 20;

/** 30 % all day, 100 % by presence: of anybody in the group, or of named sensors. */
const walk = (id: string, addresses?: string[]) =>
  program(id, [['12:00', 30]], {
    dynamicControls: [
      {
        effect: {
          type: 'FixedControlEffect',
          source: addresses ? { sensor: { sensorAddresses: addresses } } : {},
          operation: 'Max',
          holdTime: HOLD,
          command: command(100),
        },
      },
    ],
  });

/** Poles 1 and 2 have an input; poles 3 and 4 none; pole 4 names the sensor of pole 2. */
describe('presence from pole to pole', function () {
  this.timeout(30_000);
  let bench: Bench;
  before(async () => {
    const linux: Board = await loadBoard('linux');
    const sensing = { ...linux, presence: { pin: 'D3' } };
    bench = await Bench.open({
      boards: [sensing, sensing, linux, linux],
      group: 'rue-haute',
      apart: true,
      gateway: { timeZone: ZONE },
    });
    await bench.ready();
    const addresses = await Promise.all([1, 2, 3, 4].map((pole) => bench.address(pole)));
    await bench.write('POST', '/control-programs', [
      walk('anybody'),
      walk('second', [`${addresses[1]}/presence1/presenceStatus`]),
    ]);
    await bench.write('POST', '/calendars', [calendar('anybody', [], 'anybody'), calendar('second', [], 'second')]);
    await bench.write('POST', '/assign-commands', assignment('anybody', ...addresses.slice(0, 3)));
    await bench.write('POST', '/assign-commands', assignment('second', addresses[3]));
    await bench.run(2000);
    assert.deepEqual(lights(), [30, 30, 30, 30]);
  });
  after(() => bench.close());

  const lights = () => bench.poles.map(({ lamp }) => Math.round(lamp.light));
  const walker = (pole: number, there: 0 | 1) => bench.poles[pole - 1].sim.pins.set('D3', there);
  const at = (pole: number, path: string) => bench.read(pole, path).then(({ value }) => value);

  it('lights poles 1, 2 and 3 within 1 s of a walker at pole 1, whose sensor the API names at each of them', async () => {
    walker(1, 1);
    await bench.run(1000);
    assert.deepEqual(lights(), [100, 100, 100, 30]);
    await bench.run(1500);
    assert.deepEqual([await at(1, 'presence1/presenceStatus'), await at(2, 'presence1/presenceStatus')], [true, false]);
    const refAddress = `${await bench.address(1)}/presence1`;
    for (const pole of [1, 2, 3]) {
      const expected = { ...toLevel(100), reason: 'sensor', refAddress };
      assert.deepEqual(await at(pole, 'lampActuator1/feedbackLightCommand'), expected);
    }
  });

  it('holds the light while the walker stands there for 2 minutes and for 20 s after, at each pole', async () => {
    await bench.run(120_000);
    assert.deepEqual(lights(), [100, 100, 100, 30]);
    walker(1, 0);
    await bench.run(HOLD * 1000 - 500);
    assert.deepEqual(lights(), [100, 100, 100, 30]);
    await bench.run(1500);
    assert.deepEqual(lights(), [30, 30, 30, 30]);
    await bench.run(1500);
    assert.equal(await at(1, 'presence1/presenceStatus'), false);
    const expected = { ...toLevel(30), reason: 'program', refAddress: 'anybody' };
    assert.deepEqual(await at(3, 'lampActuator1/feedbackLightCommand'), expected);
  });

  it('needs no gateway: the next walker lights poles 1, 2 and 3 within 1 s, then pole 4 with them at pole 2', async () => {
    await bench.rig.close();
    walker(1, 1);
    await bench.run(1000);
    assert.deepEqual(lights(), [100, 100, 100, 30]);
    walker(1, 0);
    await bench.run(5000);
    walker(2, 1);
    await bench.run(1000);
    assert.deepEqual(lights(), [100, 100, 100, 100]);
    walker(2, 0);
    await bench.run(HOLD * 1000 + 1000);
    assert.deepEqual(lights(), [30, 30, 30, 30]);
  });

  it('ends 30 s after the last word of a pole that has lost its link, and the hold time after that', async () => {
    const [{ sim }] = bench.poles;
    walker(1, 1);
    await bench.run(1000);
    sim.network.refuse = true;
    sim.network.cut();
    await bench.run(1000);
    walker(1, 0);
    // It knows by itself; the others believe its last word.
    await bench.run(HOLD * 1000 + 1000);
    assert.deepEqual(lights(), [30, 100, 100, 30]);
    await bench.run(29_000 - 2000);
    assert.deepEqual(lights(), [30, 100, 100, 30]);
    await bench.run(3000);
    assert.deepEqual(lights(), [30, 30, 30, 30]);
    sim.network.refuse = false;
  });

  it('lights the pole itself without any link', async () => {
    for (const { sim } of bench.poles) {
      sim.network.refuse = true;
      sim.network.cut();
    }
    await bench.run(1000);
    walker(2, 1);
    await bench.run(1000);
    assert.deepEqual(lights(), [30, 100, 30, 30]);
    walker(2, 0);
    await bench.run(HOLD * 1000 + 1000);
    assert.deepEqual(lights(), [30, 30, 30, 30]);
  });
});
