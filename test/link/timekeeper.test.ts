import assert from 'node:assert/strict';
import { TimeKey } from '../../firmware/link/messages.ts';
import { Timekeeper } from '../../firmware/link/timekeeper.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Clock } from '../../hal/hal.ts';
import { World } from '../../sim/clock.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';

/** ms UTC at which the world begins. */
const BEGIN = Date.UTC(2026, 0, 15, 20);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A board's clock whose crystal is wrong by a share `drift`. */
class Crystal implements Clock {
  #offset: number | undefined;
  constructor(
    private clock: Clock,
    private drift: number,
  ) {}
  uptime(): number {
    return this.clock.uptime() * (1 + this.drift);
  }
  time(): number | undefined {
    return this.#offset === undefined ? undefined : this.uptime() + this.#offset;
  }
  setTime(time: number): void {
    this.#offset = time - this.uptime();
  }
  after(delay: number, run: () => void): number {
    return this.clock.after(delay / (1 + this.drift), run);
  }
  cancel(timer: number): void {
    this.clock.cancel(timer);
  }
}

interface Way {
  /** ms that the question and the answer take. */
  there: number;
  back: number;
}

/** A keeper, its board's clock, and a gateway at the other end of a slow way. */
class Pole {
  readonly clock: Crystal;
  readonly keeper: Timekeeper;
  /** Uptimes that were asked with, and ms of the world at which. */
  readonly asked: { echo: number; at: number }[] = [];
  /** By how much the clock was set, ms. */
  readonly moves: { by: number; jump: boolean; at: number }[] = [];
  online = true;
  /** Undefined: the answer is lost. */
  way: () => Way | undefined = () => ({ there: 40, back: 40 });
  /** ms by which the gateway's clock is wrong. */
  lie = 0;

  constructor(
    readonly world: World,
    { drift = 0, seed = 'pole' }: { drift?: number; seed?: string } = {},
  ) {
    const random = seeded(seed);
    const sim = openSim({ world });
    this.clock = new Crystal(sim.clock, drift);
    const schedule = new Schedule(this.clock, {
      failed: (error) => {
        throw error;
      },
    });
    this.keeper = new Timekeeper(
      { clock: this.clock, random: () => random.next() },
      schedule,
      {
        ask: (echo) => this.#ask(echo),
      },
      {
        setTime: (time, jump) => {
          const before = this.clock.time();
          this.moves.push({ by: before === undefined ? 0 : time - before, jump, at: world.now });
          this.clock.setTime(time);
        },
      },
    );
  }

  /** ms by which the clock is wrong. */
  get error(): number {
    return (this.clock.time() ?? Number.NaN) - BEGIN - this.world.now;
  }

  #ask(echo: number): boolean {
    if (!this.online) return false;
    this.asked.push({ echo, at: this.world.now });
    const way = this.way();
    if (way) this.world.after(way.there, () => this.answer(echo, way.back));
    return true;
  }

  answer(echo: number, back: number): void {
    const now = BEGIN + this.world.now + this.lie;
    const content = {
      [TimeKey.Seconds]: Math.floor(now / 1000),
      [TimeKey.Milliseconds]: Math.floor(now % 1000),
      [TimeKey.Echo]: echo,
    };
    this.world.after(back, () => this.keeper.take(content, this.clock.uptime()));
  }
}

describe('the timekeeper', () => {
  it('is right to half of the round trip, whatever part of up to 5 s each way takes (300 poles)', () => {
    const random = seeded('asymmetry');
    for (let i = 0; i < 300; i++) {
      const world = new World();
      const pole = new Pole(world);
      const way = { there: 5000 * random.next(), back: 5000 * random.next() };
      pole.way = () => way;
      world.run(10_000 * random.next());
      pole.keeper.begin();
      world.run(12_000);
      const half = (way.there + way.back) / 2;
      assert.ok(Math.abs(pole.error) <= half + 1.5, `${pole.error} ms after ${JSON.stringify(way)}`);
      // It is the way's asymmetry that it cannot know, and nothing else.
      assert.ok(Math.abs(pole.error - (way.back - way.there) / -2) <= 1.5, `${pole.error} ms`);
    }
  });

  it('keeps a street of 20 poles with crystals of ±50 ppm together to 100 ms for a day', () => {
    const world = new World();
    const random = seeded('street');
    const poles = Array.from({ length: 20 }, (_, i) => {
      const pole = new Pole(world, { drift: (100 * random.next() - 50) / 1e6, seed: `pole ${i}` });
      // Now and then a message is held up for seconds.
      const wait = () => 10 + 40 * random.next() + (random.next() < 0.05 ? 4000 * random.next() : 0);
      pole.way = () => ({ there: wait(), back: wait() });
      return pole;
    });
    for (const pole of poles) pole.keeper.begin();
    // Whose first answer was held up asks until one was not.
    world.run(10 * MINUTE);
    let worst = 0;
    for (let minute = 0; minute < 24 * 60; minute++) {
      world.run(MINUTE);
      const errors = poles.map(({ error }) => error);
      worst = Math.max(worst, Math.max(...errors) - Math.min(...errors));
    }
    console.log(`      at most ${worst.toFixed(1)} ms between two poles`);
    assert.ok(worst < 100, `${worst} ms`);
    for (const { asked } of poles) assert.ok(asked.length >= 24 && asked.length <= 60, `${asked.length} questions`);
  });

  it('makes up for 30 s by half a second a minute, and never goes back by more than a tenth', () => {
    for (const wrong of [30_000, -30_000]) {
      const world = new World();
      const pole = new Pole(world);
      pole.clock.setTime(BEGIN + wrong);
      pole.keeper.begin();
      for (let minute = 1; minute <= 60; minute++) {
        world.run(MINUTE);
        const moved = Math.abs(pole.error - wrong);
        assert.ok(moved <= 500 * minute + 1 && moved > 500 * (minute - 1), `${moved} ms in ${minute} minutes`);
      }
      assert.ok(pole.moves.every(({ by, jump }) => !jump && Math.abs(by) <= 100));
      world.run(5 * MINUTE);
      assert.ok(Math.abs(pole.error) <= 1.5, `${pole.error} ms`);
    }
  });

  it('sets a clock that is wrong by a minute or more at once', () => {
    for (const wrong of [60_001, -60_001, 7 * 24 * HOUR]) {
      const world = new World();
      const pole = new Pole(world);
      pole.clock.setTime(BEGIN + wrong);
      pole.keeper.begin();
      world.run(1000);
      assert.deepEqual(
        pole.moves.map(({ jump }) => jump),
        [true],
      );
      assert.ok(Math.abs(pole.error) <= 1.5, `${pole.error} ms`);
    }
  });

  it('does not let a slow answer spoil a clock that knows better, but believes it against a clock that cannot be right', () => {
    const world = new World();
    const pole = new Pole(world);
    pole.keeper.begin();
    world.run(1000);
    pole.way = () => ({ there: 3000, back: 0 });
    pole.keeper.begin();
    world.run(20_000);
    assert.ok(Math.abs(pole.error) <= 1.5, `${pole.error} ms`);
    const confirmed = pole.keeper.confirmed;
    assert.ok(confirmed > 3000, `confirmed at ${confirmed}`);
    pole.lie = 10_000;
    pole.keeper.begin();
    world.run(HOUR);
    assert.ok(pole.error > 8000 && pole.error < 12_000, `${pole.error} ms`);
  });

  it('takes one answer to its latest question, within 10 s, of 2024 to 2106, and nothing that it has not asked for', () => {
    const world = new World();
    const pole = new Pole(world);
    const time = () => pole.clock.time();
    const take = (echo: number | undefined, seconds: number | string = BEGIN / 1000) =>
      pole.keeper.take(
        {
          [TimeKey.Seconds]: seconds,
          [TimeKey.Milliseconds]: 0,
          ...(echo === undefined ? {} : { [TimeKey.Echo]: echo }),
        },
        pole.clock.uptime(),
      );
    pole.way = () => undefined;
    take(undefined);
    take(0);
    take(-1);
    world.run(500);
    pole.keeper.begin();
    world.run(0);
    const [first] = pole.asked;
    take(first.echo + 1);
    take(undefined);
    pole.keeper.begin();
    world.run(10);
    assert.equal(time(), undefined);
    world.run(10_000);
    const ask = () => {
      pole.keeper.begin();
      world.run(1);
      return (pole.asked.at(-1) as { echo: number }).echo;
    };
    for (const bad of [1_704_067_199, 4_294_967_296, 'now', -1, Number.NaN]) take(ask(), bad);
    const slow = ask();
    world.run(10_001);
    take(slow);
    const older = ask();
    const latest = ask();
    take(older);
    assert.equal(time(), undefined);
    take(latest);
    const told = time();
    assert.ok(told !== undefined && Math.abs(told - BEGIN) < 10);
    world.run(5000);
    take(latest);
    assert.equal(time(), told + 5000);
  });

  /** Pauses between questions that nobody answers, each shorter than its limit by up to a fifth. */
  const pauses = (known: boolean, minutes: readonly number[]) => {
    const world = new World();
    const pole = new Pole(world);
    pole.keeper.begin();
    if (known) world.run(1000);
    pole.way = () => undefined;
    pole.keeper.begin();
    const begin = pole.asked.length;
    world.run(6 * HOUR);
    const asked = pole.asked.slice(begin);
    const gaps = asked.slice(1).map(({ at }, i) => at - asked[i].at);
    assert.ok(gaps.length >= minutes.length, `${gaps.length} pauses`);
    minutes.forEach((limit, i) => {
      const [least, most] = [0.8 * limit * MINUTE - 1, limit * MINUTE + 1];
      assert.ok(gaps[i] <= most && gaps[i] >= least, `pause ${i + 1}: ${gaps[i]} ms`);
    });
  };

  it('asks again after 30 s, 1, 2, 4 … minutes while nobody answers, then every hour, less up to a fifth', () => {
    pauses(true, [0.5, 1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('asks every minute while it does not know the time', () => {
    pauses(false, [0.5, ...new Array(300).fill(1)]);
  });

  it('asks at once when the link comes up, and nobody before', () => {
    const world = new World();
    const pole = new Pole(world);
    pole.online = false;
    pole.keeper.begin();
    world.run(3 * HOUR);
    assert.deepEqual(pole.asked, []);
    pole.online = true;
    pole.keeper.begin();
    world.run(1000);
    assert.equal(pole.asked.length, 1);
    assert.ok(Math.abs(pole.error) <= 1.5, `${pole.error} ms`);
  });

  it('asks with 32 bits after 60 days', () => {
    const world = new World();
    const pole = new Pole(world);
    world.run(60 * 24 * HOUR);
    pole.keeper.begin();
    world.run(1000);
    assert.equal(pole.asked[0].echo, (60 * 24 * HOUR) % 2 ** 32);
    assert.ok(Math.abs(pole.error) <= 1.5, `${pole.error} ms`);
  });
});
