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

  // Active power is the level's share of the wattage, the filter's reactive power 0.28 of it at nominal voltage.
  it('has a leading power factor of 0.963 at 100 %, 0.944 at 80, 0.873 at 50, 0.581 at 20, 0.336 at 10 and 0.3 when off', () => {
    const mains = new Mains({ swing: 0 });
    const lamp = new Lamp(new World(), mains);
    const factor = () => {
      const { watts, vars } = lamp.load;
      assert.ok(vars < 0);
      return watts / Math.hypot(watts, vars);
    };
    near(factor(), 0.3, 1e-9);
    lamp.relay(true);
    const expected = [
      [10, 0.963],
      [8, 0.944],
      [5, 0.873],
      [2, 0.581],
      [1, 0.336],
    ];
    for (const [volts, limit] of expected) {
      lamp.control(volts);
      near(factor(), limit, 0.001);
    }
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

/** A lamp at full light that does not stand on a slowly moving supply. */
function broken(options: LampOptions = {}) {
  const world = new World();
  const mains = new Mains({ swing: 0 });
  const lamp = new Lamp(world, mains, { wattage: 60, ...options });
  lamp.control(10);
  lamp.relay(true);
  return { world, mains, lamp };
}

describe('broken lamp', () => {
  it('draws 0.4 W and 16.8 var of its filter when the LEDs are open or the gear is dead, with 195 V at the LEDs or none', () => {
    const { lamp } = broken();
    near(lamp.lampVolts, 150, 1e-9);
    for (const [gear, volts] of [
      ['open', 195],
      ['dead', 0],
    ] as const) {
      lamp.fail({ gear });
      const { watts, vars } = lamp.load;
      near(watts, 0.4, 1e-9);
      near(vars, -16.8, 1e-9);
      assert.equal(lamp.light, 0);
      near(lamp.lampVolts, volts, 1e-9);
    }
  });

  it('burns with the relay welded, stays dark with it open, and follows again when it is mended', () => {
    const { lamp } = broken();
    lamp.fail({ contacts: 'welded' });
    lamp.relay(false);
    assert.equal(lamp.light, 100);
    lamp.fail({ contacts: 'open' });
    lamp.relay(true);
    assert.equal(lamp.light, 0);
    near(lamp.load.watts, 0.4, 1e-9);
    lamp.repair();
    assert.equal(lamp.light, 100);
  });

  it('draws 30 of 60 W and 15 of 30 W with half the LEDs gone', () => {
    const { lamp } = broken();
    lamp.fail({ leds: 0.5 });
    near(lamp.load.watts, 30, 1e-9);
    lamp.control(5);
    near(lamp.load.watts, 15, 1e-9);
    near(lamp.light, 25, 1e-9);
  });

  it('stays at full light when its dimming input is dead', () => {
    const { lamp } = broken();
    lamp.fail({ deaf: true });
    lamp.control(2);
    near(lamp.load.watts, 60, 1e-9);
  });

  it('draws 50.4 var instead of 16.8 when its filter has three times the reactance', () => {
    const { lamp } = broken();
    lamp.fail({ reactance: 3 });
    near(lamp.load.vars, -50.4, 1e-9);
    near(lamp.load.watts, 60, 1e-9);
  });

  it('goes out for 4 of every 14 minutes, and draws 10/14 of 60 Wh plus 4/14 of 0.4 in an hour of that', () => {
    const { world, lamp } = broken();
    lamp.fail({ cycle: { lit: 600_000, dark: 240_000 } });
    world.run(599_999);
    assert.equal(lamp.light, 100);
    world.run(2);
    assert.equal(lamp.light, 0);
    world.run(14 * 240_000 - 600_001 + 14 * 600_000);
    near(lamp.load.wattHours, (60 * 140 + 0.4 * 56) / 60, 1e-6);
    lamp.repair();
    world.run(3_600_000);
    assert.equal(lamp.light, 100);
  });

  it('trembles by 8.7 % of its power (deviation of an even spread of 15 %), and its energy does not', () => {
    const { world, lamp } = broken();
    lamp.fail({ flicker: 0.15 });
    const powers = Array.from({ length: 3600 }, () => {
      world.run(1000);
      return lamp.load.watts;
    });
    const mean = powers.reduce((sum, power) => sum + power) / 3600;
    const deviation = Math.sqrt(powers.reduce((sum, power) => sum + (power - mean) ** 2, 0) / 3600);
    near(mean, 60, 0.5);
    near(deviation / 60, 0.15 / Math.sqrt(3), 0.003);
    near(lamp.load.wattHours, 60, 1e-9);
  });

  it('draws 4 % more when it is cold, 1.47 % more after 20 min, and 0.8 Wh more in all', () => {
    const { world, lamp } = broken({ drift: 0.04 });
    near(lamp.load.watts, 62.4, 1e-9);
    world.run(20 * 60_000);
    near(lamp.load.watts, 60 * (1 + 0.04 / Math.E), 1e-9);
    world.run(100 * 3_600_000);
    // 60 W * 4 % * 20 min
    near(lamp.load.wattHours - 60 * (100 + 1 / 3), 0.8, 1e-6);
  });
});

describe('mains', () => {
  it('leave gear lit at 0.5 of the nominal voltage, dark at 0.4, and cold again afterwards', () => {
    const { world, mains, lamp } = broken({ drift: 0.04 });
    world.run(3_600_000 * 5);
    mains.factor = 0.5;
    near(lamp.load.watts, 60, 0.001);
    mains.factor = 0.4;
    assert.equal(lamp.light, 0);
    mains.factor = 1;
    near(lamp.load.watts, 62.4, 1e-9);
  });

  it('draw energy up to the interruption and none in it, whenever somebody looks', () => {
    const { world, mains, lamp } = broken();
    mains.disturb(world, 0, 1_800_000, 3_600_000);
    world.run(9_000_000);
    near(lamp.load.wattHours, 120, 1e-9);
  });

  it('dip to 161 V for 300 ms and swell to 264.5 V, at the time they were told to', () => {
    const world = new World();
    const mains = new Mains({ swing: 0 });
    mains.disturb(world, 0.7, 300, 1000);
    mains.disturb(world, 1.15, 100, 2000);
    const at = [999, 1001, 1299, 1301, 2001, 2101].map((time) => {
      world.run(time - world.now);
      return Math.round(mains.voltage(time) * 10) / 10;
    });
    assert.deepEqual(at, [230, 161, 161, 230, 264.5, 230]);
  });

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
