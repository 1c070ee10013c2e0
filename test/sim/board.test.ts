import assert from 'node:assert/strict';
import { PowerCut, World } from '../../sim/clock.ts';
import { openSim } from '../../sim/index.ts';

describe('sim board', () => {
  it('drives a digital pin to its initial value in one step, inverted when active low', () => {
    const sim = openSim();
    const relay = sim.openDigital({ pin: 'D2', activeLow: true, initialValue: 0 });
    assert.deepEqual(sim.pins.history('D2'), [{ time: 0, state: 1 }]);
    relay.write(1);
    assert.equal(sim.pins.state('D2'), 0);
    relay.close();
    relay.close();
    assert.equal(sim.pins.state('D2'), undefined);
  });

  it('shows an analogue output as a share and refuses shares outside 0..1', () => {
    const sim = openSim();
    const dim = sim.openAnalog({ pin: 'D1', hz: 1000 });
    dim.write(0.55);
    assert.equal(sim.pins.state('D1'), 0.55);
    for (const share of [-0.01, 1.01, Number.NaN]) assert.throws(() => dim.write(share), RangeError);
    assert.equal(sim.pins.state('D1'), 0.55);
  });

  it('refuses pins that are in use or none, values that are neither 0 nor 1, and 0 Hz', () => {
    const sim = openSim();
    sim.openDigital({ pin: 'D2', initialValue: 0 });
    assert.throws(() => sim.openAnalog({ pin: 'D2' }), /in use/);
    assert.throws(() => sim.openDigital({ pin: '', initialValue: 0 }), RangeError);
    assert.throws(() => sim.openDigital({ pin: 'D3', initialValue: 2 as 1 }), RangeError);
    assert.throws(() => sim.openAnalog({ pin: 'D3', hz: 0 }), RangeError);
    sim.openAnalog({ pin: 'D3' });
  });

  it('tells an input of a change outside from the queue of time, at the moment of the change', () => {
    const sim = openSim();
    const told: string[] = [];
    const input = sim.openInput({
      pin: 'D4',
      pull: 'up',
      onChange: (value) => told.push(`${sim.world.now}: ${value}`),
    });
    assert.equal(input.read(), 1);
    sim.clock.run(5);
    sim.pins.set('D4', 0);
    assert.deepEqual([input.read(), told], [0, []]);
    sim.clock.run(10);
    sim.pins.set('D4', undefined);
    sim.clock.run(0);
    assert.deepEqual(told, ['5: 0', '15: 1']);
    assert.throws(() => sim.openDigital({ pin: 'D4', initialValue: 0 }), /in use/);
    input.close();
    assert.throws(() => input.read(), /closed/);
    sim.openDigital({ pin: 'D4', initialValue: 0 });
  });

  it('tells nothing of a change that a power cut overtakes; what drives the pin still does in the next boot', () => {
    const sim = openSim();
    const told: number[] = [];
    const before = sim.openInput({ pin: 'D4', onChange: (value) => told.push(value) });
    sim.pins.set('D4', 1);
    sim.cutPower();
    assert.throws(() => before.read(), PowerCut);
    sim.restorePower();
    const after = sim.openInput({ pin: 'D4', onChange: (value) => told.push(10 + value) });
    assert.equal(after.read(), 1);
    sim.clock.run(10);
    assert.deepEqual(told, []);
    before.close();
    sim.pins.set('D4', 0);
    sim.clock.run(10);
    assert.deepEqual(told, [10]);
  });

  it('tells watchers of every change with its time', () => {
    const sim = openSim();
    const seen: unknown[] = [];
    sim.pins.watch('D1', (state, time) => seen.push([state, time]));
    const output = sim.openDigital({ pin: 'D1', initialValue: 1 });
    sim.clock.run(30);
    output.write(0);
    output.write(0);
    assert.deepEqual(seen, [
      [1, 0],
      [0, 30],
    ]);
  });

  it('is reset by a watchdog of 8 s that is fed until 20 s, at 28 s, and boots again', () => {
    const sim = openSim({ bootTime: 300 });
    const boots: [number, string][] = [];
    sim.onBoot((hal) => boots.push([sim.world.now, hal.system.resetReason]));
    sim.start();
    sim.clock.run(1000);
    sim.watchdog.enable(8000);
    for (let second = 1; second < 20; second++) {
      sim.clock.run(1000);
      sim.watchdog.feed();
    }
    sim.clock.run(7999);
    assert.equal(sim.resets.length, 1);
    sim.clock.run(2000);
    assert.deepEqual(boots, [
      [300, 'power'],
      [28_300, 'watchdog'],
    ]);
    assert.equal(sim.clock.uptime(), 1999);
    assert.equal(sim.clock.time(), undefined);
  });

  it('refuses a watchdog of 0 ms and is not reset by one that was only fed', () => {
    const sim = openSim();
    assert.throws(() => sim.watchdog.enable(0), RangeError);
    sim.watchdog.feed();
    sim.clock.run(1e6);
    assert.equal(sim.resets.length, 1);
  });

  it('forgets everything but the flash at a reboot, and nothing of the old boot acts any more', () => {
    const sim = openSim();
    const { clock, storage } = sim;
    const relay = sim.openDigital({ pin: 'D2', initialValue: 1 });
    let ran = 0;
    clock.after(10, () => ran++);
    clock.setTime(1_750_000_000_000);
    storage.write('a', Uint8Array.of(5));
    sim.system.reboot();
    clock.after(10, () => ran++);
    sim.clock.run(100);
    assert.equal(ran, 0);
    assert.equal(sim.pins.state('D2'), undefined);
    assert.throws(() => relay.write(0), PowerCut);
    assert.throws(() => storage.read('a'), PowerCut);
    assert.equal(sim.system.resetReason, 'software');
    assert.equal(sim.clock.time(), undefined);
    assert.deepEqual([...(sim.storage.read('a') ?? [])], [5]);
    sim.openDigital({ pin: 'D2', initialValue: 0 });
  });

  it('stays dead after a power cut until the power is back', () => {
    const sim = openSim();
    let boots = 0;
    sim.onBoot(() => boots++);
    sim.start();
    sim.clock.run(10);
    sim.cutPower();
    sim.clock.run(60_000);
    assert.equal(sim.on, false);
    assert.throws(() => sim.openDigital({ pin: 'D1', initialValue: 0 }), PowerCut);
    sim.restorePower('brownout');
    sim.clock.run(10);
    assert.equal(boots, 2);
    assert.equal(sim.system.resetReason, 'brownout');
    assert.equal(sim.clock.uptime(), 10);
  });

  it('draws other random numbers on another board and in another boot, the same ones in another run', () => {
    const draw = (id: string, boots: number) => {
      const sim = openSim({ id });
      for (let boot = 1; boot < boots; boot++) sim.reset('power');
      return [sim.random(), sim.random(), sim.random()].join();
    };
    const all = [draw('a', 1), draw('a', 2), draw('b', 1), draw('b', 2)];
    assert.equal(new Set(all).size, 4);
    assert.equal(draw('a', 2), all[1]);
    for (const text of all) for (const value of text.split(',')) assert.ok(Number(value) >= 0 && Number(value) < 1);
  });

  it('hands what firmware throws to the one who asked for it', () => {
    const errors: unknown[] = [];
    const sim = openSim({ world: new World(), onUncaught: (error) => errors.push(error) });
    sim.clock.after(5, () => {
      throw new Error('bug');
    });
    sim.clock.run(10);
    assert.equal(String(errors[0]), 'Error: bug');
  });

  it('refuses an id that is longer than 32 characters or has a space', () => {
    for (const id of ['', 'a b', 'a'.repeat(33)]) assert.throws(() => openSim({ id }), RangeError);
    assert.equal(openSim({ id: 'Pole-7' }).system.id, 'Pole-7');
  });
});
