import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Board } from '../../firmware/board.ts';
import { AckCode, Reason } from '../../firmware/link/messages.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { openController } from '../../sim/controller.ts';
import { Daylight } from '../../sim/plant/daylight.ts';
import { Configuration } from '../configuration.ts';
import { crossing } from '../reference/sun.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A pole that nobody has told anything: no site, no link, no time. */
async function open(changes: Partial<Board>, begin = 0) {
  const linux: Board = await loadBoard('linux');
  const world = new World();
  const daylight = new Daylight({ begin });
  return { world, pole: openController({ world, id: 'pole-1', board: { ...linux, ...changes }, daylight }) };
}

describe("the installer's test", () => {
  const test = [100, 5000, 50, 5000, 0, 15_000, 20, 5000];
  const shown = (one: Awaited<ReturnType<typeof open>>) => {
    const { firmware, lamp, sim } = one.pole;
    assert.ok(firmware);
    const reason = firmware.arbiter.command.reason;
    return [Math.round(lamp.light), sim.pins.state('D2'), reason === Reason.Test ? 'test' : 'over'];
  };
  /** Light, relay and who commands, 4 s into each step of 5, 5, 15 and 5 s and after them. */
  const watch = (one: Awaited<ReturnType<typeof open>>) =>
    [4500, 5000, 5000, 15_000, 6000].map((ms) => {
      one.world.run(ms);
      return shown(one);
    });
  const STEPS = [
    [100, 1, 'test'],
    [50, 1, 'test'],
    [0, 0, 'test'],
    [20, 1, 'test'],
    [100, 1, 'over'],
  ];
  const NOTHING = STEPS.map(() => [100, 1, 'over']);

  it('shows 100, 50, 0 and 20 % at lamp and relay after power-up, without site and link, then the default level', async () => {
    const one = await open({ test });
    assert.deepEqual(watch(one), STEPS);
    assert.match(one.pole.firmware?.status() ?? '', /^100 %, default 100 %, link down$/);
  });

  it('comes again at the next power-up, not after a watchdog, software or brownout reset', async () => {
    const one = await open({ test });
    one.world.run(60_000);
    for (const reason of ['watchdog', 'software', 'brownout', 'power'] as const) {
      one.pole.sim.cutPower();
      one.world.run(20_000);
      one.pole.sim.restorePower(reason);
      assert.deepEqual(watch(one), reason === 'power' ? STEPS : NOTHING, reason);
    }
  });

  for (const testAlways of [false, true]) {
    it(`comes ${testAlways ? 'also' : 'no more'} once a timetable was given, if only an empty one${testAlways ? ', on products that want it' : ''}`, async () => {
      const one = await open({ test, testAlways });
      one.world.run(60_000);
      const timetable = new Uint8Array(0);
      const { version, check } = new Configuration().change({ timetable });
      assert.equal(one.pole.firmware?.setConfiguration(version, check, undefined, [timetable]), AckCode.Done);
      one.pole.sim.cutPower();
      one.world.run(20_000);
      one.pole.sim.restorePower();
      assert.deepEqual(watch(one), testAlways ? STEPS : NOTHING);
    });
  }

  it('is not interrupted by an override, which rules after it', async () => {
    const one = await open({ test });
    one.world.run(1000);
    one.pole.firmware?.arbiter.override({ level: 70, reason: Reason.Override });
    one.pole.firmware?.arbiter.wake();
    one.world.run(3500);
    assert.deepEqual(shown(one), [100, 1, 'test']);
    one.world.run(5000);
    assert.deepEqual(shown(one), [50, 1, 'test']);
    one.world.run(26_000);
    assert.deepEqual(shown(one), [70, 1, 'over']);
  });
});

/** Noon of a spring day at the simulated sky over Brussels. */
describe('a pole with a light sensor and nothing else', function () {
  this.timeout(30_000);
  const BEGIN = Date.parse('2026-04-10T10:00:00Z');

  /** The same product with a SEN0644 instead of its meter. */
  async function sensing(): Promise<Board> {
    const directory = await mkdtemp(join(tmpdir(), 'boards-'));
    const config = JSON.parse(await readFile(new URL('../../board-configs/linux.json', import.meta.url), 'utf8'));
    config.meters = [{ line: 0, unit: 1, profile: 'sen0644', periodSeconds: 10 }];
    config.photocell = { onLux: 35, offLux: 70 };
    await writeFile(join(directory, 'pole.json'), JSON.stringify(config));
    const board = await loadBoard('pole', { directory });
    await rm(directory, { recursive: true });
    return board;
  }
  const sun = (day: number, rising: boolean) => {
    const found = crossing(Math.floor(BEGIN / DAY) + day, 50.8503, 4.3517, rising);
    return found.kind === 'event' ? found.time - BEGIN : assert.fail(found.kind);
  };

  it('is dark by day and lit by night for 2 days by its photocell, then by what it has learned, then by its program', async () => {
    const { world, pole } = await open(await sensing(), BEGIN);
    const { lamp, meters } = pole;
    const status = () => pole.firmware?.status() ?? '';
    // Sunset has some 400 lx, 35 lx come a quarter of an hour later: half an hour of doubt at both ends.
    world.run(10 * MINUTE);
    assert.equal(lamp.light, 0);
    assert.match(status(), /^0 %, photocell 0 %, link down$/);
    for (const day of [0, 1]) {
      world.run(sun(day, false) - world.now);
      assert.equal(lamp.light, 0, `sunset ${day}`);
      world.run(40 * MINUTE);
      assert.equal(lamp.light, 100, `dusk ${day}`);
      assert.match(status(), /^100 %, photocell 100 %/);
      world.run(sun(day + 1, true) - 40 * MINUTE - world.now);
      assert.equal(lamp.light, 100, `dawn ${day}`);
      world.run(70 * MINUTE);
      assert.equal(lamp.light, 0, `morning ${day}`);
    }
    meters[0].connected = false;
    world.run(4 * HOUR);
    assert.equal(lamp.light, 0);
    assert.match(status(), /^0 %, learned night 0 %/);
    world.run(sun(2, false) + 40 * MINUTE - world.now);
    assert.equal(lamp.light, 100);
    assert.match(status(), /^100 %, learned night 100 %/);
    pole.firmware?.setTime(BEGIN + world.now);
    world.run(2 * MINUTE);
    assert.match(status(), /^100 %, program 0 point \d 100 %/);
  });

  it('has its default level without a sensor from the beginning', async () => {
    const { world, pole } = await open(await sensing(), BEGIN);
    pole.meters[0].connected = false;
    world.run(HOUR);
    assert.equal(pole.lamp.light, 100);
    assert.match(pole.firmware?.status() ?? '', /^100 %, default 100 %/);
  });
});
