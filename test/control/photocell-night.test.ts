import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { Night } from '../../firmware/control/night.ts';
import { Photocell } from '../../firmware/control/photocell.ts';
import { Quantity } from '../../firmware/link/messages.ts';
import type { Firmware } from '../../firmware/main.ts';
import { type Meters, openMeters } from '../../firmware/metering/meter.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { DigitalOutput, Hal } from '../../hal/hal.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { World } from '../../sim/clock.ts';
import { openController } from '../../sim/controller.ts';
import { Daylight } from '../../sim/plant/daylight.ts';
import { readProfile } from '../../sim/plant/modbus-meter.ts';
import { latest } from '../metering/latest.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** ms UTC at which each test begins: noon in Brussels on the day before the shortest night. */
const NOON = Date.UTC(2025, 5, 20, 12);
/** [on, off] in lx */
const PAIRS = [
  [35, 70],
  [35, 35],
  [35, 18],
] as const;

/** ms after noon of an instant in UTC; hours before 12 belong to the next day. */
const at = (hour: number, minute: number, second = 0) => ((hour + 12) % 24) * HOUR + minute * MINUTE + second * SECOND;

/** A controller that has a relay, a photocell and no clock. */
class Pole {
  readonly meters: Meters;
  /** Uptime in ms at which the relay moved. */
  readonly moves: [number, 0 | 1][] = [];
  private lit: 0 | 1 = 1;
  private task: number;
  private relay: DigitalOutput;

  constructor(
    private hal: Hal,
    board: Board,
    private photocell: Photocell,
  ) {
    this.relay = hal.openDigital({ pin: board.lamp.relay?.pin ?? 0, initialValue: 1 });
    hal.openAnalog({ pin: board.lamp.dim?.pin ?? 0, hz: board.lamp.dim?.hz }).write(1);
    this.schedule = new Schedule(hal.clock, this);
    this.task = this.schedule.add(this);
    this.meters = openMeters(hal, this.schedule, board.lines, board.meters, this);
  }

  private schedule: Schedule;

  failed(error: unknown): void {
    throw error;
  }

  reading(index: number): void {
    if (index !== 1) return;
    const steps = latest(this.meters, 1, Quantity.Illuminance);
    this.photocell.sample(steps === undefined ? undefined : steps / 10, this.hal.clock.uptime());
    this.run();
  }

  run(): void {
    const now = this.hal.clock.uptime();
    const lit = this.photocell.isNight(now) === false ? 0 : 1;
    this.schedule.at(this.task, 60 * SECOND);
    if (lit === this.lit) return;
    this.lit = lit;
    this.relay.write(lit);
    this.photocell.changedLight(now);
    this.moves.push([now, lit]);
  }
}

async function pole(on: number, off: number) {
  const product: Board = await loadBoard('linux');
  const profile = compileProfile(readProfile('sen0644'));
  const sensor = { line: 0, unit: 2, profile: 'sen0644', period: 10_000, ...profile };
  const [meter] = product.meters;
  const [line] = product.lines;
  const board = { ...product, lines: [{ ...line, baud: 9600 }], meters: [meter, sensor] };
  const world = new World();
  const daylight = new Daylight({ begin: NOON });
  const photocell = new Photocell(on, off, new Night());
  const controller = openController({
    world,
    id: 'pole-1',
    board,
    daylight,
    bootTime: 0,
    start: (hal) => new Pole(hal, board, photocell) as unknown as Firmware,
  });
  /** Runs until an instant of the night. */
  const until = (time: number) => world.run(time - world.now);
  until(1);
  const { moves } = controller.firmware as unknown as Pole;
  return { world, daylight, photocell, until, moves, ...controller };
}

describe('a summer night in Brussels without a clock', function () {
  this.timeout(60_000);

  for (const [on, off] of PAIRS) {
    it(`switches on once and off once with ${on}/${off} lx, through clouds, lightning, headlights and a lost sensor`, async () => {
      const { daylight, light, meters, photocell, until, moves, lamp, world } = await pole(on, off);
      light.selfLight = 8;
      until(MINUTE);
      assert.deepEqual(
        moves.map(([, lit]) => lit),
        [0],
        'off a minute after its start at noon',
      );
      // A front from 20:05 to 20:25 UTC, five minutes after sunset, lets a quarter of the light through.
      until(at(20, 5));
      for (let step = 0; step <= 10; step++) {
        daylight.clouds = 1 - 0.075 * step;
        until(at(20, 5, 12 * step));
      }
      until(at(20, 25));
      daylight.clouds = 1;
      // Lightning: 20 flashes of 0.2 s in 10 min, seen or not.
      until(at(22, 30));
      for (let flash = 0; flash < 20; flash++) {
        daylight.flash = 20_000;
        world.run(200);
        daylight.flash = 0;
        world.run(29_800);
      }
      // Headlights: 5 s, and five cars in a row.
      until(at(23, 30));
      for (const cars of [1, 5]) {
        for (let car = 0; car < cars; car++) {
          light.glare = 300;
          world.run(5000);
          light.glare = 0;
          world.run(2000);
        }
        world.run(MINUTE);
      }
      // The sensor is unplugged for an hour: without two nights behind it the lamp burns.
      until(at(0, 30));
      meters[1].connected = false;
      world.run(2 * MINUTE);
      assert.equal(photocell.dark(world.now), undefined);
      assert.equal(lamp.light, 100);
      until(at(1, 30));
      meters[1].connected = true;
      world.run(2 * MINUTE);
      assert.equal(photocell.dark(world.now), true);
      until(24 * HOUR - 1);
      const [, evening, morning, ...more] = moves;
      assert.deepEqual([evening[1], morning[1], more.length], [1, 0, 0], JSON.stringify(moves));
      // Sunset 20:00, end of civil twilight 20:46; its beginning 02:43, sunrise 03:29.
      assert.ok(evening[0] > at(20, 5) && evening[0] < at(20, 46), `${evening[0]}`);
      assert.ok(morning[0] > at(2, 43) && morning[0] < at(3, 29), `${morning[0]}`);
    });
  }

  it('keeps the meter on the same line polled beside the sensor', async () => {
    const { until, meters, firmware } = await pole(35, 70);
    until(HOUR);
    const { meters: read } = firmware as unknown as Pole;
    assert.ok(meters[0].answers >= 120 && meters[1].answers >= 360, `${meters[0].answers}, ${meters[1].answers}`);
    assert.equal(latest(read, 0, Quantity.Illuminance), undefined);
    assert.ok((latest(read, 1, Quantity.Illuminance) as number) > 900_000);
    assert.ok((latest(read, 0, Quantity.SupplyVoltage) as number) > 2200);
    meters[1].connected = false;
    until(HOUR + 12 * SECOND);
    assert.equal(latest(read, 1, Quantity.Illuminance), undefined);
  });

  it('is lit on the fourth evening by three learned nights when the sensor dies at noon, and unlit by day', async () => {
    const { until, light, moves } = await pole(35, 70);
    until(72 * HOUR);
    assert.equal(moves.length, 7);
    const learned = moves.slice(1);
    light.fixed = 0;
    // Stuck at 0 lx it seems dark for a day, then dead; nights are learned no more.
    until(97 * HOUR);
    const last = moves[moves.length - 1];
    assert.equal(last[1], 0, JSON.stringify(moves));
    const before = moves.length;
    until(120 * HOUR);
    const [on, off, ...more] = moves.slice(before);
    assert.deepEqual([on[1], off[1], more.length], [1, 0, 0]);
    const [dusk] = learned[4];
    const [dawn] = learned[5];
    assert.ok(Math.abs(on[0] - dusk - 48 * HOUR + 30 * MINUTE) < MINUTE, `${on[0] - dusk}`);
    assert.ok(Math.abs(off[0] - dawn - 48 * HOUR - 30 * MINUTE) < 2 * MINUTE, `${off[0] - dawn}`);
  });

  it('switches once each way whatever front that lets a quarter or more through comes within an hour of sunset', () => {
    const sky = new Daylight({ begin: NOON });
    const clear: number[] = [];
    for (let time = at(18, 0); time < at(22, 0); time += 10 * SECOND) clear.push(sky.illuminance(time));
    let fronts = 0;
    for (const [on, off] of PAIRS) {
      for (const share of [0.25, 0.5]) {
        for (const length of [5, 10, 20, 30, 45]) {
          for (let minute = 60; minute <= 180; minute += 5) {
            const photocell = new Photocell(on, off, new Night());
            let edges = -1;
            let dark: boolean | undefined;
            clear.forEach((lux, i) => {
              const inside = Math.min(i - 6 * minute, 6 * (minute + length) - i) / 12;
              const clouds = 1 - (1 - share) * Math.max(0, Math.min(1, inside));
              if (!photocell.sample(lux * clouds + (dark ? 8 : 0), 10_000 * i)) return;
              dark = photocell.dark(10_000 * i);
              photocell.changedLight(10_000 * i);
              edges++;
            });
            assert.deepEqual([edges, dark], [1, true], `${on}/${off} lx, ${share} for ${length} min from ${minute}`);
            fronts++;
          }
        }
      }
    }
    assert.equal(fronts, 750);
  });
});
