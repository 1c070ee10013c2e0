/** Many controllers at one broker: none of them knows of the others, and yet they do not come all at once. */
import assert from 'node:assert/strict';
import { fnv1a } from '../../firmware/protocols/fnv.ts';
import { windowFor } from '../../scripts/provision/window.mjs';
import { seeded } from '../../sim/random.ts';
import { Crowd } from './crowd.ts';

const FLEET = 1500;
const RATE = 40;
const WINDOW = windowFor(FLEET, RATE);

describe('window of a fleet', () => {
  /** @returns share of 1,000 fleets of which some second has more than the rate */
  const wildness = (fleet: number, rate: number, window: number): number => {
    const random = seeded(`${fleet} ${rate}`);
    let wild = 0;
    for (let round = 0; round < 1000; round++) {
      const seconds = new Uint16Array(Math.ceil(window));
      for (let index = 0; index < fleet; index++) seconds[Math.floor(random.next() * window)]++;
      if (seconds.some((count) => count > rate)) wild++;
    }
    return wild / 1000;
  };

  it('is so long that one fleet in a hundred at most passes its rate in a second, and no longer than it takes', () => {
    for (const [fleet, rate] of [
      [2000, 40],
      [1000, 100],
      [1500, 15],
    ]) {
      const window = windowFor(fleet, rate);
      const found = [wildness(fleet, rate, window), wildness(fleet, rate, 0.8 * window)];
      assert.ok(found[0] < 0.02, `${fleet} at ${rate}/s in ${window} s: ${found}`);
      assert.ok(found[1] > 0.03, `${fleet} at ${rate}/s in ${0.8 * window} s: ${found}`);
    }
  });

  it('grows with the fleet and shrinks with the rate, and lies above their quotient', () => {
    for (const fleet of [1, 100, 10_000, 1_000_000]) {
      for (const rate of [0.1, 1, 10, 200]) {
        const window = windowFor(fleet, rate);
        assert.ok(window > fleet / rate, `${fleet} at ${rate}/s: ${window} s`);
        assert.ok(windowFor(2 * fleet, rate) > window || window === 1);
        assert.ok(windowFor(fleet, 2 * rate) < window || window === 1);
      }
    }
  });
});

describe('a fleet of uplinks', function () {
  this.timeout(30_000);
  const isCalm = (crowd: Crowd, what: string): void => {
    const { peak } = crowd.load();
    assert.ok(peak <= RATE, `${what}: ${peak} attempts in a second`);
  };

  it('comes back from a blackout in one window and never passes its rate', () => {
    const crowd = new Crowd({ fleet: FLEET, window: WINDOW, seed: 1 });
    crowd.world.run(WINDOW * 1000 + 1000);
    assert.equal(crowd.online, FLEET);
    isCalm(crowd, 'blackout');
    assert.equal(crowd.load().mean * crowd.attempts.length, FLEET, 'one attempt each');
  });

  it('keeps below it when the broker is down, hangs, refuses, crashes in the middle, and the mains flicker', () => {
    const crowd = new Crowd({ fleet: FLEET, window: WINDOW, seed: 2 });
    const wait = (windows: number) => crowd.world.run(windows * WINDOW * 1000);
    crowd.mood = 'down';
    wait(1.6);
    crowd.mood = 'hanging';
    wait(0.7);
    crowd.mood = 'serving';
    crowd.refusing = 0.2;
    wait(0.5);
    crowd.crash();
    wait(0.3);
    crowd.mood = 'serving';
    wait(0.4);
    crowd.crash();
    crowd.mood = 'serving';
    wait(0.6);
    crowd.blackout((index) => index % 3 === 0);
    wait(0.1);
    crowd.blackout((index) => index % 3 === 0);
    crowd.refusing = 0;
    wait(1.1);
    assert.ok(crowd.online > FLEET / 2);
    // Who has failed often waits long before it takes its next instant, an hour at most.
    crowd.world.run(2 * 3_600_000);
    assert.equal(crowd.online, FLEET);
    isCalm(crowd, 'troubles');
  });

  it('spreads its reports over the period by the ids alone: no second of 900 has more than chance gives', () => {
    const seconds = new Array<number>(900).fill(0);
    for (let index = 0; index < 90_000; index++) seconds[fnv1a(`node-${String(index).padStart(6, '0')}`) % 900]++;
    // 100 a second on average; 160 is six standard deviations of a fair draw.
    assert.ok(Math.max(...seconds) < 160, `${Math.max(...seconds)}`);
    assert.ok(Math.min(...seconds) > 40, `${Math.min(...seconds)}`);
  });
});
