import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Owner, PowerCut, SimClock, World } from '../../sim/clock.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';

describe('sim clock', () => {
  it('runs events in the order of time, and of their making at one instant', () => {
    const world = new World();
    const seen: string[] = [];
    world.after(20, () => seen.push('b'));
    world.after(10, () => seen.push('a'));
    world.after(20, () => seen.push('c'));
    world.run(19.999);
    assert.deepEqual(seen, ['a']);
    world.run(0.001);
    assert.deepEqual(seen, ['a', 'b', 'c']);
    assert.equal(world.now, 20);
  });

  it('agrees with a sorted list over 2000 random schedules and cancellations', () => {
    const operations = fc.array(fc.record({ delay: fc.nat(50), cancel: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(operations, (list) => {
        const world = new World();
        const seen: number[] = [];
        const expected: { due: number; index: number }[] = [];
        list.forEach(({ delay, cancel }, index) => {
          const timer = world.after(delay, () => seen.push(index));
          if (cancel) world.cancel(timer);
          else expected.push({ due: delay, index });
        });
        world.run(50);
        expected.sort((a, b) => a.due - b.due || a.index - b.index);
        assert.deepEqual(
          seen,
          expected.map(({ index }) => index),
        );
        assert.equal(world.pending, 0);
      }),
      { numRuns: 2000, seed: 7 },
    );
  });

  it('keeps the queue small when a timer is moved 100,000 times', () => {
    const world = new World();
    let timer = 0;
    for (let count = 0; count < 100_000; count++) {
      world.cancel(timer);
      timer = world.after(1e9, () => {});
    }
    assert.equal(world.pending, 1);
  });

  it('gives two controllers on one world their own uptime and UTC', () => {
    const world = new World();
    const first = new SimClock(world, { on: true });
    world.run(5000);
    const second = new SimClock(world, { on: true });
    first.setTime(1_750_000_000_000);
    world.run(250);
    assert.equal(first.uptime(), 5250);
    assert.equal(second.uptime(), 250);
    assert.equal(first.time(), 1_750_000_000_250);
    assert.equal(second.time(), undefined);
  });

  it('keeps the remaining time of timers when UTC steps back by a day', () => {
    const world = new World();
    const clock = new SimClock(world, { on: true });
    let fired = -1;
    clock.setTime(1_750_000_000_000);
    clock.after(1000, () => {
      fired = clock.uptime();
    });
    clock.run(400);
    clock.setTime(1_749_913_600_000);
    clock.run(600);
    assert.equal(fired, 1000);
  });

  it('lets 2000 waits end that leave a fraction of a nanosecond, a day after a boot between two milliseconds', () => {
    const world = new World();
    world.run(43_000_000.071237192);
    const clock = new SimClock(world, { on: true });
    world.run(40_000_000);
    const random = seeded('waits');
    let ended = 0;
    const wait = (): void => {
      const due = clock.uptime() + 5000 * random.next();
      const look = (): number => (clock.uptime() < due ? clock.after(due - clock.uptime(), look) : ++ended);
      clock.after(0, look);
    };
    for (let i = 0; i < 2000; i++) wait();
    world.run(6000);
    assert.equal(ended, 2000);
  });

  it('throws when a timer asks for the same instant for ever', () => {
    const world = new World();
    const again = (): number => world.after(0, again);
    again();
    assert.throws(() => world.run(1), /time stands still at 0 ms/);
  });

  it('refuses delays below 0, of 2^31 and that are not numbers, and times that are not finite', () => {
    const clock = new SimClock(new World(), { on: true });
    for (const delay of [-1, 2 ** 31, Number.NaN]) assert.throws(() => clock.after(delay, () => {}), RangeError);
    assert.throws(() => clock.setTime(Number.NaN), RangeError);
    assert.throws(() => clock.setTime(Number.POSITIVE_INFINITY), RangeError);
  });

  it('drops the events of an owner whose power has gone', () => {
    const world = new World();
    const power: Owner = { on: true };
    let ran = 0;
    world.after(10, () => ran++, power);
    world.after(20, () => ran++, power);
    world.after(15, () => {
      power.on = false;
    });
    world.run(100);
    assert.equal(ran, 1);
  });

  it('hands errors to the owner, lets others out of run, and goes on afterwards', () => {
    const world = new World();
    const errors: unknown[] = [];
    let ran = 0;
    world.after(
      1,
      () => {
        throw new Error('owned');
      },
      { on: true, failed: (error) => errors.push(error) },
    );
    world.after(2, () => {
      throw new PowerCut();
    });
    world.after(3, () => {
      throw new Error('loose');
    });
    world.after(4, () => ran++);
    assert.throws(() => world.run(10), /loose/);
    assert.equal(world.now, 3);
    world.run(7);
    assert.equal(ran, 1);
    assert.equal((errors[0] as Error).message, 'owned');
  });

  it('runs a million timer events within two seconds', () => {
    const world = new World();
    let count = 0;
    const tick = () => {
      if (++count < 1_000_000) world.after(1000, tick);
    };
    world.after(1000, tick);
    const start = performance.now();
    world.run(1e9);
    assert.equal(count, 1_000_000);
    assert.ok(performance.now() - start < 2000);
  });

  it('lets promises and sockets have their turn while it advances', async () => {
    const world = new World();
    let turns = 0;
    const timer = setImmediate(function again() {
      turns++;
      if (turns < 1000) setImmediate(again);
    });
    await world.advance(1000);
    clearImmediate(timer);
    assert.equal(world.now, 1000);
    assert.ok(turns >= 100, `${turns} turns`);
  });
});

describe('a simulated board whose clock has a battery', () => {
  it('knows the time at its first boot and after an outage of an hour; another one does not', () => {
    const begin = Date.UTC(2026, 9, 25, 1);
    const world = new World();
    const sim = openSim({ world, begin });
    world.run(1000);
    assert.equal(sim.clock.time(), begin + 1000);
    sim.cutPower();
    world.run(3_600_000);
    sim.restorePower();
    assert.equal(sim.clock.time(), begin + 3_601_000);
    assert.equal(sim.clock.uptime(), 0);
    assert.equal(openSim({ world }).clock.time(), undefined);
  });
});
