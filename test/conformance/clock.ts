import type { Case } from './fixture.ts';
import { nothing, throws } from './helpers.ts';

const YEAR = 365 * 86400000;

export const clockCases: Case[] = [
  {
    name: 'clock: uptime starts near 0 at boot and follows time',
    run(hal, fixture, check, done) {
      const first = hal.clock.uptime();
      check(first >= 0 && first <= 50 + fixture.late, `uptime is ${first} at boot`);
      const start = fixture.now();
      fixture.later(40, () => {
        const error = hal.clock.uptime() - first - (fixture.now() - start);
        check(error > -2 && error < 2 + fixture.late, `uptime is off by ${error} ms after 40 ms`);
        done();
      });
    },
  },
  {
    name: 'clock: uptime never goes back',
    run(hal, fixture, check, done) {
      let last = hal.clock.uptime();
      let left = 20;
      const look = () => {
        for (let i = 0; i < 5; i++) {
          const now = hal.clock.uptime();
          check(now >= last, `uptime went from ${last} to ${now}`);
          last = now;
        }
        if (--left === 0) done();
        else fixture.later(2, look);
      };
      look();
    },
  },
  {
    name: 'clock: uptime does not step when UTC is set',
    run(hal, fixture, check, done) {
      const before = hal.clock.uptime();
      hal.clock.setTime(4e12);
      hal.clock.setTime(1.8e12);
      const step = hal.clock.uptime() - before;
      check(step >= 0 && step <= 1 + fixture.late, `uptime stepped by ${step}`);
      done();
    },
  },
  {
    name: 'clock: time is undefined or plausible until it is set',
    run(hal, _fixture, check, done) {
      const time = hal.clock.time();
      check(time === undefined || (time > 1.7e12 && time < 4.2e12), `time is ${time} at boot`);
      done();
    },
  },
  {
    name: 'clock: time is what was set and goes on from there',
    run(hal, fixture, check, done) {
      hal.clock.setTime(1.8e12);
      const start = fixture.now();
      fixture.later(30, () => {
        const time = hal.clock.time();
        const error = (time === undefined ? 0 : time) - 1.8e12 - (fixture.now() - start);
        check(error > -2 && error < 2 + fixture.late, `time is off by ${error} ms`);
        done();
      });
    },
  },
  {
    name: 'clock: setTime refuses what is not a finite number and keeps the time',
    run(hal, fixture, check, done) {
      hal.clock.setTime(1.8e12);
      check(
        throws(() => hal.clock.setTime(0 / 0)),
        'NaN was taken',
      );
      check(
        throws(() => hal.clock.setTime(1 / 0)),
        'Infinity was taken',
      );
      check(
        throws(() => hal.clock.setTime(-1 / 0)),
        '-Infinity was taken',
      );
      const time = hal.clock.time();
      check(time !== undefined && time >= 1.8e12 && time <= 1.8e12 + 1 + fixture.late, `time is ${time}`);
      done();
    },
  },
  {
    name: 'clock: a running timer keeps its remaining time when UTC is set',
    run(hal, fixture, check, done) {
      const start = fixture.now();
      let forward = 0;
      let backward = 0;
      hal.clock.setTime(1.8e12);
      hal.clock.after(40, () => {
        forward = fixture.now() - start;
      });
      hal.clock.setTime(1.8e12 + YEAR);
      hal.clock.after(40, () => {
        backward = fixture.now() - start;
      });
      hal.clock.setTime(1.8e12 - YEAR);
      fixture.later(60 + fixture.slack, () => {
        check(forward >= 39 && forward <= 41 + fixture.late, `fired after ${forward} ms, UTC set forward`);
        check(backward >= 39 && backward <= 41 + fixture.late, `fired after ${backward} ms, UTC set back`);
        done();
      });
    },
  },
  {
    name: 'clock: after runs once, and not before its delay',
    run(hal, fixture, check, done) {
      const start = fixture.now();
      let runs = 0;
      hal.clock.after(30, () => {
        runs++;
        const delay = fixture.now() - start;
        check(delay >= 29 && delay <= 31 + fixture.late, `fired after ${delay} ms`);
      });
      fixture.later(110 + fixture.slack, () => {
        check(runs === 1, `ran ${runs} times`);
        done();
      });
    },
  },
  {
    name: 'clock: after 0 runs later, not inside the call',
    run(hal, fixture, check, done) {
      let ran = false;
      hal.clock.after(0, () => {
        ran = true;
      });
      check(!ran, 'ran inside after');
      fixture.later(5 + fixture.slack, () => {
        check(ran, 'did not run');
        done();
      });
    },
  },
  {
    name: 'clock: timers run in the order of their time',
    run(hal, fixture, check, done) {
      let order = '';
      hal.clock.after(60, () => {
        order += 'c';
      });
      hal.clock.after(10, () => {
        order += 'a';
      });
      hal.clock.after(35, () => {
        order += 'b';
      });
      fixture.later(80 + fixture.slack, () => {
        check(order === 'abc', `ran as ${order}`);
        done();
      });
    },
  },
  {
    name: 'clock: after takes 0 to 2^31 - 1 ms and refuses the rest',
    run(hal, _fixture, check, done) {
      check(
        throws(() => hal.clock.after(-1, nothing)),
        '-1 was taken',
      );
      check(
        throws(() => hal.clock.after(2147483648, nothing)),
        '2^31 was taken',
      );
      check(
        throws(() => hal.clock.after(0 / 0, nothing)),
        'NaN was taken',
      );
      const longest = hal.clock.after(2147483647, () => check(false, '2^31 - 1 ms fired at once'));
      hal.clock.after(20, () => {
        hal.clock.cancel(longest);
        done();
      });
    },
  },
  {
    name: 'clock: a cancelled timer does not run, the others do',
    run(hal, fixture, check, done) {
      let others = 0;
      hal.clock.after(10, () => others++);
      const timer = hal.clock.after(15, () => check(false, 'ran'));
      hal.clock.after(20, () => others++);
      hal.clock.cancel(timer);
      fixture.later(40 + fixture.slack, () => {
        check(others === 2, `${others} of 2 others ran`);
        done();
      });
    },
  },
  {
    name: 'clock: cancel ignores handles that nobody gave out',
    run(hal, fixture, check, done) {
      let ran = false;
      const timer = hal.clock.after(10, () => {
        ran = true;
      });
      hal.clock.cancel(0);
      hal.clock.cancel(-1);
      hal.clock.cancel(timer + 1000);
      hal.clock.cancel(0 / 0);
      fixture.later(30 + fixture.slack, () => {
        check(ran, 'a timer that was not cancelled did not run');
        done();
      });
    },
  },
  {
    name: 'clock: cancel of a timer that is done hits no later timer',
    run(hal, fixture, check, done) {
      let ran = 0;
      const old = hal.clock.after(5, () => {
        hal.clock.cancel(old);
        fixture.later(5, () => {
          hal.clock.after(10, () => ran++);
          hal.clock.cancel(old);
          hal.clock.after(10, () => ran++);
          hal.clock.cancel(old);
        });
      });
      fixture.later(40 + 2 * fixture.slack, () => {
        check(ran === 2, `${ran} of 2 later timers ran`);
        done();
      });
    },
  },
];
