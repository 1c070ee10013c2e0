import assert from 'node:assert/strict';
import { Night } from '../../firmware/control/night.ts';
import { Photocell } from '../../firmware/control/photocell.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** ms between two readings. */
const POLL = 10 * SECOND;

/** A photocell that is read every 10 s. */
class Bench {
  now = 0;
  readonly night = new Night();
  readonly photocell: Photocell;
  /** When it changed its mind, in ms, and what it said. */
  readonly edges: [number, boolean | undefined][] = [];

  constructor(onLux: number, offLux: number) {
    this.photocell = new Photocell(onLux, offLux, this.night);
  }

  get dark() {
    return this.photocell.dark(this.now);
  }

  /** @param lux reading at a share 0..1 of the time */
  run(duration: number, lux: number | ((share: number) => number | undefined)): this {
    const from = this.now;
    while (this.now < from + duration) {
      this.now += POLL;
      const reading = typeof lux === 'number' ? lux : lux((this.now - from) / duration);
      if (this.photocell.sample(reading, this.now)) this.edges.push([this.now, this.dark]);
    }
    return this;
  }

  /** Light that grows or fades by equal factors, as at dusk and dawn. */
  fade(duration: number, from: number, to: number): this {
    return this.run(duration, (share) => from * (to / from) ** share);
  }
}

/** [on, off] in lx: hysteresis of 1:2, none, and the negative one of electronic photocells. */
const PAIRS = [
  [35, 70],
  [35, 35],
  [35, 18],
] as const;

describe('photocell', () => {
  it('knows nothing before its first reading, and decides from the levels with that one', () => {
    const first = (on: number, off: number, lux: number) => new Bench(on, off).run(POLL, lux).dark;
    assert.equal(new Bench(35, 70).dark, undefined);
    assert.deepEqual(
      [34, 50, 71].map((lux) => first(35, 70, lux)),
      [true, true, false],
    );
    assert.deepEqual(
      [17, 25, 36].map((lux) => first(35, 18, lux)),
      [true, true, false],
    );
    assert.deepEqual(
      [34.9, 35, 35.1].map((lux) => first(35, 35, lux)),
      [true, true, false],
    );
  });

  for (const [on, off] of PAIRS) {
    describe(`with on ${on} lx and off ${off} lx`, () => {
      /** Day, a dusk from 400 to 0.2 lx in 50 min, night and the same dawn. */
      const day = () => new Bench(on, off).run(HOUR, 5000).fade(20 * MINUTE, 5000, 400);
      const dusk = (bench: Bench) => bench.fade(50 * MINUTE, 400, 0.2);
      const at = (lux: number) => (50 * MINUTE * Math.log(400 / lux)) / Math.log(400 / 0.2);

      it('switches once at each level, at most 41 s and 71 s late', () => {
        const bench = day();
        const evening = bench.now + at(on);
        dusk(bench).run(6 * HOUR, 0.2);
        const morning = bench.now + 50 * MINUTE - at(off);
        bench.fade(50 * MINUTE, 0.2, 400).run(HOUR, 5000);
        assert.deepEqual(
          bench.edges.slice(1).map(([, dark]) => dark),
          [true, false],
        );
        const [, [on1], [off1]] = bench.edges;
        assert.ok(on1 - evening >= 30 * SECOND && on1 - evening <= 41 * SECOND, `${on1 - evening} ms`);
        assert.ok(off1 - morning >= 60 * SECOND && off1 - morning <= 71 * SECOND, `${off1 - morning} ms`);
      });

      it('ignores 30 s of headlights at night and 20 s of a hand at noon', () => {
        const bench = dusk(day()).run(HOUR, 0.2);
        const before = bench.edges.length;
        bench.run(30 * SECOND, 300).run(HOUR, 0.2);
        assert.equal(bench.edges.length, before);
        const noon = day();
        noon.run(20 * SECOND, 1).run(HOUR, 5000);
        assert.equal(noon.edges.length, 1);
      });

      it('is bright 60 s after a black cloud of 20 min at noon, not before 15 min have passed', () => {
        const bench = day().run(20 * MINUTE, 10);
        const [, [fell]] = bench.edges;
        bench.run(10 * MINUTE, 5000);
        assert.deepEqual([bench.edges[2][0] - bench.now + 10 * MINUTE, bench.edges[2][1]], [70 * SECOND, false]);
        const short = day().run(2 * MINUTE, 10);
        assert.equal(short.dark, true);
        short.run(20 * MINUTE, 5000);
        assert.equal(short.edges[2][0] - short.edges[1][0], 15 * MINUTE);
        assert.equal(fell, short.edges[1][0]);
      });

      it('never switches in a storm whose light wanders from 31 to 39 lx for 6 h', () => {
        const bench = day().run(20 * MINUTE, 34);
        const before = bench.edges.length;
        assert.equal(bench.dark, true);
        bench.run(6 * HOUR, (share) => 35 + 4 * Math.sin(share * 200));
        assert.equal(bench.edges.length, before);
      });

      it('takes the 100 lx of its own lamp for no day, at boot and after 3 min without the sensor at night', () => {
        const boot = new Bench(on, off);
        boot.photocell.changedLight(boot.now);
        boot.run(2 * MINUTE, 100);
        assert.equal(boot.dark, true);
        boot.run(3 * MINUTE, () => undefined).run(10 * MINUTE, 100);
        assert.equal(boot.dark, true);
      });

      it('stays dark all night beside a lamp that throws 100 lx on its sensor, and goes off at dawn', () => {
        const bench = day();
        const lit = () => (bench.dark ? 100 : 0);
        const follow = (duration: number, from: number, to: number) => {
          let was = bench.dark;
          bench.run(duration, (share) => {
            // The lamp has changed since the last reading, so this one sees its light.
            if (bench.dark !== was) bench.photocell.changedLight(bench.now - 5 * SECOND);
            was = bench.dark;
            return lit() + from * (to / from) ** share;
          });
        };
        follow(50 * MINUTE, 400, 0.2);
        follow(6 * HOUR, 0.2, 0.2);
        assert.deepEqual(
          bench.edges.slice(1).map(([, dark]) => dark),
          [true],
        );
        follow(50 * MINUTE, 0.2, 400);
        follow(HOUR, 400, 5000);
        assert.deepEqual(
          bench.edges.slice(1).map(([, dark]) => dark),
          [true, false],
        );
      });
    });
  }

  it('does not follow its own lamp: 60 s blind after a change of level, but never to 400 lx of daylight', () => {
    const bench = new Bench(35, 70).run(HOUR, 0.2);
    // A lamp that is raised again every 50 s: nothing below 400 lx counts.
    const busy = (duration: number, lux: number) => {
      for (let passed = 0; passed < duration; passed += 50 * SECOND) {
        bench.photocell.changedLight(bench.now);
        bench.run(50 * SECOND, lux);
      }
    };
    busy(30 * MINUTE, 390);
    assert.equal(bench.dark, true);
    busy(50 * SECOND, 410);
    assert.equal(bench.dark, true, 'a delay that is not over yet');
    busy(50 * SECOND, 410);
    assert.equal(bench.dark, false);
  });

  it('takes 100 lx that its lamp adds along a ramp of 50 s for no dawn, and 60 lx of dawn on top of them for one', () => {
    const bench = new Bench(35, 70).run(6 * HOUR, 0.2);
    bench.photocell.changedLight(bench.now);
    bench.run(50 * SECOND, (share) => 0.2 + 100 * share).run(2 * HOUR, 100.2);
    assert.equal(bench.dark, true);
    bench.run(10 * MINUTE, (share) => 100.2 + 60 * share);
    assert.equal(bench.dark, false);
  });

  it('does not count headlights before the 60 s of a level change together with others after it', () => {
    const bench = new Bench(35, 70).run(6 * HOUR, 0.2).run(POLL, 300);
    bench.photocell.changedLight(bench.now);
    bench.run(50 * SECOND, 0.2).run(20 * SECOND, 300);
    assert.equal(bench.dark, true);
    bench.run(MINUTE, 300);
    assert.equal(bench.dark, false);
  });

  it('stays bright from 18 to 35 lx of a dawn of 4 h, as in the far north', () => {
    const bench = new Bench(35, 18).run(6 * HOUR, 0.2).fade(4 * HOUR, 0.2, 400);
    assert.deepEqual(
      bench.edges.map(([, dark]) => dark),
      [true, false],
    );
  });

  it('is lost after 60 s of silence, and decides again at the next reading', () => {
    const bench = new Bench(35, 70).run(HOUR, 5000);
    const heard = bench.now;
    assert.equal(bench.photocell.dark(heard + 59_999), false);
    assert.equal(bench.photocell.dark(heard + 60_000), undefined);
    bench.run(10 * MINUTE, () => undefined);
    assert.equal(bench.dark, undefined);
    assert.equal(bench.photocell.sample(1, bench.now), true);
    assert.equal(bench.dark, true);
  });

  it('stays bright between 35 and 70 lx over a silence of 2 min, and its 15 min do not begin anew', () => {
    const bench = new Bench(35, 70).run(HOUR, 90).run(2 * MINUTE, () => undefined);
    bench.run(MINUTE, 50);
    assert.equal(bench.dark, false);
    bench.run(MINUTE, 20);
    assert.equal(bench.dark, true);
  });

  it('takes a reading that has not changed for 24 h as a dead sensor: 0 lx, and 1234 lx', () => {
    for (const lux of [0, 1234]) {
      const bench = new Bench(35, 70).run(POLL, lux);
      bench.run(24 * HOUR - POLL, lux);
      assert.equal(bench.dark, lux === 0);
      bench.run(POLL, lux);
      assert.equal(bench.dark, undefined);
      bench.run(HOUR, lux);
      assert.equal(bench.dark, undefined);
      bench.run(POLL, 0.1);
      assert.equal(bench.dark, true);
    }
  });

  it('answers by the learned nights while its sensor is lost, and not at all without them', () => {
    const bench = new Bench(35, 70);
    const day = () => bench.run(12 * HOUR, (share) => 5000 + share).run(12 * HOUR, (share) => share);
    day();
    bench.now += HOUR;
    assert.equal(bench.photocell.isNight(bench.now), undefined);
    bench.now -= HOUR;
    day();
    day();
    bench.run(HOUR, (share) => 5000 + share);
    assert.equal(bench.photocell.isNight(bench.now), false);
    // Lost one hour after dawn; the next dusk, 30 s after 12 h of light, is expected 30 min early.
    const dusk = bench.now + 11 * HOUR + 40 * SECOND;
    bench.now += 2 * MINUTE;
    assert.equal(bench.dark, undefined);
    assert.equal(bench.photocell.isNight(bench.now), false);
    assert.equal(bench.photocell.isNight(dusk - 30 * MINUTE - 1), false);
    assert.equal(bench.photocell.isNight(dusk - 30 * MINUTE), true);
  });
});
