import assert from 'node:assert/strict';
import { World } from '../../../sim/clock.ts';
import { Lamp, type LampOptions, lightOf, lightOfArc, powerOf } from '../../../sim/plant/lamp.ts';
import { Mains } from '../../../sim/plant/mains.ts';

const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

function lit(options: LampOptions, volts: number | undefined) {
  const world = new World();
  const lamp = new Lamp(world, new Mains(), options);
  lamp.control(volts);
  lamp.relay(true);
  return { world, lamp };
}

describe('lamp model', () => {
  it('gives the light of six driver types at their control voltage (IEC 60929 Annex E)', () => {
    // [Vmin, Vmax, Lmin, L, V]
    const rows = [
      [1, 10, 10, 10, 1],
      [1, 10, 10, 55, 5.5],
      [1, 10, 10, 100, 10],
      [1, 10, 0, 50, 5.5],
      [0, 10, 0, 50, 5],
      [1, 8, 5, 30, 2.842],
    ];
    for (const [minimum, maximum, minimumLight, light, volts] of rows) {
      near(lightOf(volts, minimumLight, minimum, maximum), light, 0.005);
    }
  });

  it('gives the light of arc levels 1, 85, 126, 170, 229, 250 and 254 (IEC 62386-102)', () => {
    const rows = [
      [1, 0.1],
      [85, 0.991],
      [126, 3.035],
      [170, 10.091],
      [229, 50.531],
      [250, 89.654],
      [254, 100],
    ];
    for (const [level, light] of rows) near(lightOfArc(level), light, 0.0006);
  });

  it('gives 50.531 % at 7.321 V of logarithmic gear from arc level 170 at 1 V to 254 at 10 V', () => {
    near(lightOf(1 + (9 * (229 - 170)) / 84, 10.091, 1, 10, 'logarithmic'), 50.531, 0.003);
    near(lightOf(0, 10.091, 1, 10, 'logarithmic'), 10.091, 1e-9);
    near(lightOf(12, 10.091, 1, 10, 'logarithmic'), 100, 1e-9);
    assert.equal(lightOf(undefined, 10.091, 1, 10, 'logarithmic'), 100);
  });

  it('gives 35 % at 4.5 V of gear that has 20 % at 3 V and 50 % at 6 V, and its ends outside', () => {
    const curve = [
      { volts: 1.5, light: 10 },
      { volts: 3, light: 20 },
      { volts: 6, light: 50 },
      { volts: 9.5, light: 100 },
    ];
    const lights = [0, 1.5, 3, 4.5, 9.5, 12].map((volts) => lightOf(volts, 10, 1, 10, curve));
    assert.deepEqual(lights, [10, 10, 20, 35, 100, 100]);
  });

  it('stays at minimum light below the minimum voltage, at full above the maximum and on an open wire', () => {
    assert.equal(lightOf(0, 10, 1, 10), 10);
    assert.equal(lightOf(12, 10, 1, 10), 100);
    assert.equal(lightOf(undefined, 10, 1, 10), 100);
  });

  it('draws 50, 72 and 74.5 W of 100 W at 50 %, 72 %, and 72 % with a gradient of 1.1; 6 of 60 W at 10 %', () => {
    near(powerOf(72, 1.1), 74.545, 0.001);
    near(lit({ wattage: 100 }, 5).lamp.load.watts, 50, 1e-9);
    near(lit({ wattage: 100 }, 7.2).lamp.load.watts, 72, 1e-9);
    near(lit({ wattage: 100, gradient: 1.1 }, 7.2).lamp.load.watts, 74.5, 0.05);
    near(lit({ wattage: 60 }, 1).lamp.load.watts, 6, 1e-9);
  });

  it('draws its standby power and gives no light with the relay open', () => {
    const { lamp } = lit({ wattage: 60, standby: 0.4 }, 10);
    assert.equal(lamp.light, 100);
    lamp.relay(false);
    assert.equal(lamp.light, 0);
    assert.equal(lamp.load.watts, 0.4);
  });

  it('has a leading power factor above 0.95 at 100 %, 0.90 at 80, 0.85 at 50, 0.80 at 40, 0.60 at 10 and near 0.3 when off', () => {
    const factor = (watts: number, vars: number) => watts / Math.hypot(watts, vars);
    const limits = [
      [10, 0.98],
      [8, 0.9],
      [5, 0.85],
      [4, 0.8],
      [1, 0.6],
    ];
    for (const [volts, limit] of limits) {
      const { watts, vars } = lit({}, volts).lamp.load;
      assert.ok(vars < 0);
      assert.ok(factor(watts, vars) > limit, `${factor(watts, vars)} at ${volts} V`);
    }
    const { lamp } = lit({}, 10);
    lamp.relay(false);
    near(factor(lamp.load.watts, lamp.load.vars), 0.3, 1e-9);
  });

  it('adds up 60 Wh in an hour at 60 W, 24 in one at 24 W and 0.4 in one switched off', () => {
    const { world, lamp } = lit({ wattage: 60 }, 10);
    world.run(3_600_000);
    near(lamp.load.wattHours, 60, 1e-9);
    lamp.control(4);
    world.run(3_600_000);
    lamp.relay(false);
    world.run(3_600_000);
    near(lamp.load.wattHours, 84.4, 1e-9);
    assert.ok(lamp.load.varHours < 0);
  });

  it('warms up in a straight line: 30 % after 1.5 of 5 s, and 0.0417 Wh of 60 W in those 5 s', () => {
    const { world, lamp } = lit({ wattage: 60, warmUp: 5000, minimumLight: 0, standby: 0 }, 10);
    world.run(1500);
    near(lamp.light, 30, 1e-9);
    world.run(3500);
    assert.equal(lamp.light, 100);
    near(lamp.load.wattHours, (60 * 2.5) / 3600, 1e-9);
    world.run(5000);
    near(lamp.load.wattHours, (60 * 7.5) / 3600, 1e-9);
  });

  it('counts how often the relay closed', () => {
    const { lamp } = lit({}, 10);
    lamp.relay(true);
    lamp.relay(false);
    lamp.relay(true);
    assert.equal(lamp.switchings, 2);
  });
});

describe('mains', () => {
  it('stays within 230 V ± 3 % and 50 Hz ± 0.1 over a week, and moves', () => {
    const mains = new Mains({ seed: 3 });
    const volts: number[] = [];
    for (let minute = 0; minute < 7 * 1440; minute += 7) {
      volts.push(mains.voltage(minute * 60_000));
      near(mains.frequency(minute * 60_000), 50, 0.1);
    }
    assert.ok(Math.min(...volts) > 223 && Math.max(...volts) < 237);
    assert.ok(Math.max(...volts) - Math.min(...volts) > 5);
  });

  it('is the same with the same seed and another with another', () => {
    const at = (seed: number) => new Mains({ seed }).voltage(12_345_678);
    assert.equal(at(1), at(1));
    assert.notEqual(at(1), at(2));
  });
});
