import type { Hal } from '../../hal/hal.ts';
import type { Case } from './fixture.ts';
import { throws } from './helpers.ts';

const REASONS = ['power', 'watchdog', 'software', 'brownout', 'unknown'];

function draw(hal: Hal): string {
  return `${hal.random()} ${hal.random()} ${hal.random()}`;
}

export const systemCases: Case[] = [
  {
    name: 'watchdog: resets a board that does not feed it in time',
    run(hal, fixture, check, done) {
      hal.watchdog.enable(80);
      fixture.later(40, () => check(fixture.resets() === 0, 'reset too early'));
      fixture.later(130 + fixture.slack, () => {
        check(fixture.resets() > 0, 'no reset');
        done();
      });
    },
  },
  {
    name: 'watchdog: leaves a board alone that feeds it in time',
    run(hal, fixture, check, done) {
      hal.watchdog.enable(60 + 4 * fixture.slack);
      let feeds = 0;
      const feed = () => {
        check(fixture.resets() === 0, `reset after ${feeds} feeds`);
        hal.watchdog.feed();
        feeds++;
        if (feeds < 12 + fixture.slack / 2) fixture.later(20, feed);
        else done();
      };
      feed();
    },
  },
  {
    name: 'watchdog: takes no time-out that is not positive',
    run(hal, _fixture, check, done) {
      for (const timeout of [0, -1, 0 / 0]) {
        const bad = timeout;
        check(
          throws(() => hal.watchdog.enable(bad)),
          `${bad} was taken`,
        );
      }
      done();
    },
  },
  {
    name: 'system: the id is [A-Za-z0-9-]{1,32}, and the same after every boot',
    run(hal, fixture, check, done) {
      const id = hal.system.id;
      check(/^[A-Za-z0-9-]+$/.test(id) && id.length <= 32, `id is ${id}`);
      check(fixture.boot().system.id === id, 'another id after a reset');
      done();
    },
  },
  {
    name: 'system: another board has another id',
    run(hal, fixture, check, done) {
      const id = hal.system.id;
      check(fixture.boot('other').system.id !== id, `both are ${id}`);
      done();
    },
  },
  {
    name: 'system: the reset reason is one of the five',
    run(hal, _fixture, check, done) {
      check(REASONS.indexOf(hal.system.resetReason) >= 0, `${hal.system.resetReason}`);
      done();
    },
  },
  {
    name: 'system: reboot resets the board',
    run(hal, fixture, check, done) {
      hal.system.reboot();
      fixture.later(20, () => {
        check(fixture.resets() > 0, 'no reset');
        done();
      });
    },
  },
  {
    name: 'system: the temperature is undefined or one that a chip can have',
    run(hal, _fixture, check, done) {
      const degrees = hal.system.temperature();
      check(degrees === undefined || (degrees > -60 && degrees < 150), `${degrees} degrees`);
      done();
    },
  },
  {
    name: 'system: memory is used within its total',
    run(hal, _fixture, check, done) {
      const memory = hal.system.memory();
      check(memory.total > 0 && memory.used >= 0 && memory.used <= memory.total, `${memory.used} of ${memory.total}`);
      done();
    },
  },
  {
    name: 'random: 0 <= x < 1, and spread over that range',
    run(hal, _fixture, check, done) {
      let sum = 0;
      let low = 0;
      let outside = 0;
      for (let i = 0; i < 200; i++) {
        const value = hal.random();
        if (!(value >= 0 && value < 1)) outside++;
        sum += value;
        if (value < 0.25) low++;
      }
      check(outside === 0, `${outside} values outside`);
      // 5 standard deviations of a mean of 200, and of a count of 200 with p = 1/4
      check(sum > 200 * 0.398 && sum < 200 * 0.602, `the mean is ${sum / 200}`);
      check(low > 19 && low < 81, `${low} of 200 are below 0.25`);
      done();
    },
  },
  {
    name: 'random: differs between two boots',
    run(hal, fixture, check, done) {
      const first = draw(hal);
      check(draw(fixture.boot()) !== first, 'the sequence is the same');
      done();
    },
  },
  {
    name: 'random: differs between two boards',
    run(hal, fixture, check, done) {
      const first = draw(hal);
      check(draw(fixture.boot('other')) !== first, 'the sequence is the same');
      done();
    },
  },
];
