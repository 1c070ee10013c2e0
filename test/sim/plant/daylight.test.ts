import assert from 'node:assert/strict';
import { World } from '../../../sim/clock.ts';
import { clearSky, Daylight, LightSensor } from '../../../sim/plant/daylight.ts';
import { Lamp } from '../../../sim/plant/lamp.ts';
import { Mains } from '../../../sim/plant/mains.ts';

const near = (actual: number, expected: number, share: number) =>
  assert.ok(Math.abs(actual / expected - 1) <= share, `${actual} is not ${expected} ± ${100 * share} %`);

describe('daylight model', () => {
  it('gives the published 0.008, 3.4 and 400 lx at -12, -6 and 0 degrees, and about 100 klx from a high sun', () => {
    for (const [elevation, lux] of [
      [-12, 0.008],
      [-6, 3.4],
      [0, 400],
    ])
      near(clearSky(elevation), lux, 1e-9);
    near(clearSky(60), 100_000, 0.05);
    // AMS Glossary, "civil twilight": 3.5-2 lx and 585-410 lx on a clear evening
    assert.ok(clearSky(-6) < 3.5 && clearSky(0) > 390);
  });

  it('rises with every tenth of a degree from -18 to 90, never by more than 13 %', () => {
    for (let tenth = -180; tenth < 900; tenth++) {
      const growth = clearSky((tenth + 1) / 10) / clearSky(tenth / 10);
      assert.ok(growth > 1 && growth < 1.13, `${tenth / 10}: ${growth}`);
    }
    assert.equal(clearSky(-90), clearSky(-18));
  });

  it('follows the sun over Brussels: -0.833 degrees at the almanac times of 2025-06-21, 62.6 at noon', () => {
    const begin = Date.UTC(2025, 5, 21);
    const sky = new Daylight({ begin });
    // Sunrise 03:29 and sunset 20:00 UTC; culmination at 90 - 50.85 + 23.44 degrees.
    for (const [hour, minute] of [
      [3, 29],
      [20, 0],
    ])
      assert.ok(Math.abs(sky.elevation((hour * 60 + minute) * 60_000) + 0.833) < 0.15);
    near(Math.max(...[11.6, 11.7, 11.75, 11.8].map((hour) => sky.elevation(hour * 3_600_000))), 62.59, 1e-3);
    near(sky.illuminance(0), 0.1, 0.1);
  });

  it('adds clouds, lightning, glare and 2 of 2 lx of the lamp, unless it is stuck', () => {
    const world = new World();
    const lamp = new Lamp(world, new Mains());
    const sky = new Daylight({ begin: Date.UTC(2025, 5, 21, 12) });
    const sensor = new LightSensor(world, sky, lamp);
    const clear = sensor.illuminance;
    sky.clouds = 0.25;
    near(sensor.illuminance, clear / 4, 1e-4);
    sky.flash = 500;
    sensor.glare = 50;
    near(sensor.illuminance, clear / 4 + 550, 1e-4);
    const before = sensor.illuminance;
    lamp.relay(true);
    assert.ok(Math.abs(sensor.illuminance - before - 2) < 1e-6);
    sensor.fixed = 0;
    assert.equal(sensor.illuminance, 0);
  });
});
