import assert from 'node:assert/strict';
import { Counter, EnergySource } from '../../firmware/link/messages.ts';
import { Counters, type Electricity, RECORD } from '../../firmware/metering/counters.ts';
import { Ring } from '../../firmware/store/ring.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';

const HOUR = 3_600_000;
const NOTHING: Electricity = { power: undefined, reactive: undefined, apparent: undefined, register: undefined };

/** Counters of a boot on this flash. */
function boot(source: EnergySource, raw = new Flash({ size: 8192 }), begin?: number) {
  const sim = openSim(begin === undefined ? { raw } : { raw, begin });
  const ring = new Ring(sim, sim.openFlash({ size: raw.size }), RECORD);
  const counters = new Counters(sim.clock, ring, source);
  return { raw, sim, counters, pass: (ms: number) => sim.world.run(ms) };
}

describe('counters', () => {
  it('add up power and time: 100 W, 20 var and 102 VA for 90 minutes are 150 Wh, 30 varh and 153 VAh', () => {
    const { counters, pass } = boot(EnergySource.Integrated);
    counters.count(100, undefined);
    counters.read({ power: 1000, reactive: -200, apparent: 1020, register: undefined });
    pass(1.5 * HOUR);
    counters.count(100, undefined);
    assert.deepEqual(counters.told(true).slice(0, 3), [1500, 300, 1530]);
  });

  it('take reactive power from the others where a meter has none: 60 W of 75 VA are 45 var', () => {
    const { counters, pass } = boot(EnergySource.Integrated);
    counters.read({ power: 600, reactive: undefined, apparent: 750, register: undefined });
    pass(HOUR);
    counters.count(0, undefined);
    assert.equal(counters.told(true)[Counter.ReactiveEnergy], 450);
  });

  it('count hours lit, powered and by level, and times switched on', () => {
    const { counters, pass } = boot(EnergySource.Integrated);
    for (const [light, hours] of [
      [0, 2],
      [100, 3],
      [55, 1],
      [0, 4],
      [10, 0.5],
      [0.5, 0.25],
    ]) {
      counters.count(light, undefined);
      pass(hours * HOUR);
    }
    counters.count(0, undefined);
    const told = counters.told(true);
    assert.equal(told[Counter.LampTime], 4.75 * 3600);
    assert.equal(told[Counter.ControllerTime], 10.75 * 3600);
    assert.equal(told[Counter.SwitchOns], 2);
    assert.deepEqual(told.slice(Counter.LevelTime), [2700, 0, 0, 0, 0, 3600, 0, 0, 0, 10800]);
  });

  it('follow the register of a meter: 1,234 Wh at first count as 0, 1,240 Wh as 6', () => {
    const { counters, pass } = boot(EnergySource.Register);
    for (const register of [1234, 1240]) {
      counters.count(100, undefined);
      counters.read({ power: 600, reactive: 0, apparent: 600, register });
      pass(6 * 60_000);
    }
    assert.equal(counters.told(true)[Counter.ActiveEnergy], 60);
    assert.equal(counters.told(true)[Counter.Source], EnergySource.Register);
  });

  it('lose nothing of the register over a power cut, however long ago the last record is', () => {
    const begin = Date.UTC(2026, 0, 1);
    const first = boot(EnergySource.Register, undefined, begin);
    first.counters.read({ power: 600, reactive: 0, apparent: 600, register: 1000 });
    first.counters.save();
    const second = boot(EnergySource.Register, first.raw, begin + 50 * HOUR);
    second.counters.read({ power: 600, reactive: 0, apparent: 600, register: 4000 });
    assert.equal(second.counters.told(true)[Counter.ActiveEnergy], 30_000);
  });

  it('do without the register for the reading at which it rolls over, or another meter takes its place', () => {
    const { counters, pass } = boot(EnergySource.Register);
    // A PZEM-016 counts to 9,999,990 Wh; a newer meter stands at 50 Wh, an older one at 7,000,000.
    let expected = 0;
    for (const register of [9_999_980, 9_999_990, 0, 10, 7_000_000, 7_000_010]) {
      counters.count(100, undefined);
      counters.read({ power: 600, reactive: 0, apparent: 600, register });
      pass(60_000);
      expected += 10;
    }
    counters.count(100, undefined);
    // 10 Wh by each of the 3 steps of a register, 1 Wh (a minute of 60 W) by each of the 2 others.
    assert.equal(counters.told(true)[Counter.ActiveEnergy], 320);
    assert.equal(expected, 60);
  });

  it('count what is expected where nothing measures, and leave the rest out', () => {
    const { counters, pass } = boot(EnergySource.Computed);
    counters.count(50, 420);
    pass(10 * HOUR);
    counters.count(0, 10);
    assert.deepEqual(counters.told(true).slice(0, 3), [4200, null, null]);
    const unknown = boot(EnergySource.Computed);
    unknown.counters.count(50, undefined);
    unknown.pass(HOUR);
    unknown.counters.count(0, undefined);
    assert.equal(unknown.counters.told(true)[Counter.ActiveEnergy], null);
  });

  it('count what is expected while a meter without a register is silent', () => {
    const { counters, pass } = boot(EnergySource.Integrated);
    counters.read({ power: 600, reactive: 0, apparent: 600, register: undefined });
    pass(HOUR);
    counters.count(100, 500);
    counters.read(NOTHING);
    counters.count(100, 500);
    pass(HOUR);
    counters.count(100, 500);
    assert.equal(counters.told(true)[Counter.ActiveEnergy], 1100);
  });

  it('survive 300 power cuts with at most what passed since the last record, and never decrease', () => {
    const raw = new Flash({ size: 8192 });
    let told: readonly (number | null)[] = [];
    let lived = 0;
    for (let cut = 0; cut < 300; cut++) {
      const { counters, pass } = boot(EnergySource.Integrated, raw);
      counters.read({ power: 1000, reactive: 0, apparent: 1000, register: undefined });
      counters.count(100, undefined);
      const now = counters.told(true);
      for (const [i, value] of told.entries()) assert.ok((now[i] as number) >= (value as number), `counter ${i}`);
      for (let minute = 0; minute < 1 + (cut % 3); minute++) {
        pass(60_000);
        lived += 60_000;
        counters.count(100, undefined);
        counters.save();
      }
      told = counters.told(true);
      pass(59_000);
    }
    assert.equal(told[Counter.ControllerTime], lived / 1000);
    assert.equal(told[Counter.ActiveEnergy], Math.floor((lived / HOUR) * 1000));
  });

  it('are set by the gateway, and go on from there after a restart', () => {
    const first = boot(EnergySource.Integrated);
    first.counters.count(100, undefined);
    first.pass(HOUR);
    first.counters.count(100, undefined);
    assert.equal(first.counters.preset(Counter.LampTime, 36_000), 3600);
    assert.equal(first.counters.preset(Counter.ActiveEnergy, 5_000_000), 0);
    first.counters.save();
    const { counters } = boot(EnergySource.Integrated, first.raw);
    assert.equal(counters.told(true)[Counter.LampTime], 36_000);
    assert.equal(counters.told(true)[Counter.ActiveEnergy], 5_000_000);
  });
});
