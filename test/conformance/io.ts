import type { Case } from './fixture.ts';
import { throws } from './helpers.ts';

export const ioCases: Case[] = [
  {
    name: 'digital: the first level is the initial value',
    run(hal, fixture, check, done) {
      hal.openDigital({ pin: fixture.pins[0], initialValue: 1 });
      hal.openDigital({ pin: fixture.pins[1], initialValue: 0 });
      check(fixture.levels(fixture.pins[0]).join() === '1', `1 gave ${fixture.levels(fixture.pins[0])}`);
      check(fixture.levels(fixture.pins[1]).join() === '0', `0 gave ${fixture.levels(fixture.pins[1])}`);
      done();
    },
  },
  {
    name: 'digital: the initial value of an inverted pin is inverted from the first moment',
    run(hal, fixture, check, done) {
      hal.openDigital({ pin: fixture.pins[0], activeLow: true, initialValue: 0 });
      hal.openDigital({ pin: fixture.pins[1], activeLow: true, initialValue: 1 });
      check(fixture.levels(fixture.pins[0]).join() === '1', `0 gave ${fixture.levels(fixture.pins[0])}`);
      check(fixture.levels(fixture.pins[1]).join() === '0', `1 gave ${fixture.levels(fixture.pins[1])}`);
      done();
    },
  },
  {
    name: 'digital: write drives the pin, 1 is high',
    run(hal, fixture, check, done) {
      const output = hal.openDigital({ pin: fixture.pins[0], initialValue: 0 });
      output.write(1);
      output.write(0);
      output.write(1);
      check(fixture.levels(fixture.pins[0]).join() === '0,1,0,1', `${fixture.levels(fixture.pins[0])}`);
      done();
    },
  },
  {
    name: 'digital: write(1) drives an inverted pin low',
    run(hal, fixture, check, done) {
      const output = hal.openDigital({ pin: fixture.pins[0], activeLow: true, initialValue: 0 });
      output.write(1);
      output.write(0);
      check(fixture.levels(fixture.pins[0]).join() === '1,0,1', `${fixture.levels(fixture.pins[0])}`);
      done();
    },
  },
  {
    name: 'digital: a bad option throws and drives nothing',
    run(hal, fixture, check, done) {
      check(
        throws(() => hal.openDigital({ pin: fixture.pins[0], initialValue: undefined as never })),
        'opened without an initial value',
      );
      check(
        throws(() => hal.openDigital({ pin: '', initialValue: 0 })),
        'opened a pin without a name',
      );
      check(fixture.levels(fixture.pins[0]).length === 0, 'the pin was driven');
      done();
    },
  },
  {
    name: 'digital: close may be repeated',
    run(hal, fixture, check, done) {
      const output = hal.openDigital({ pin: fixture.pins[0], initialValue: 0 });
      output.close();
      check(!throws(() => output.close()), 'the second close threw');
      done();
    },
  },
  {
    name: 'analog: write drives the fraction of full scale, both ends included',
    run(hal, fixture, check, done) {
      const pwm = hal.openAnalog({ pin: fixture.pins[0], hz: 1000 });
      const dac = hal.openAnalog({ pin: fixture.pins[1] });
      for (const fraction of [0.25, 1, 0, 0.5]) {
        pwm.write(fraction);
        dac.write(fraction);
      }
      check(fixture.levels(fixture.pins[0]).join() === '0.25,1,0,0.5', `PWM: ${fixture.levels(fixture.pins[0])}`);
      // A DAC may miss its upper end by a step of 8 bits.
      const levels = fixture.levels(fixture.pins[1]);
      check(
        levels.length === 4 && levels[0] === 0.25 && levels[1] > 0.995 && levels[2] === 0 && levels[3] === 0.5,
        `DAC: ${levels}`,
      );
      done();
    },
  },
  {
    name: 'analog: write refuses what is outside 0..1 and keeps the level',
    run(hal, fixture, check, done) {
      const output = hal.openAnalog({ pin: fixture.pins[0], hz: 1000 });
      output.write(0.5);
      check(
        throws(() => output.write(-0.001)),
        '-0.001 was taken',
      );
      check(
        throws(() => output.write(1.001)),
        '1.001 was taken',
      );
      check(
        throws(() => output.write(0 / 0)),
        'NaN was taken',
      );
      check(fixture.levels(fixture.pins[0]).join() === '0.5', `${fixture.levels(fixture.pins[0])}`);
      done();
    },
  },
  {
    name: 'analog: a bad option throws and drives nothing',
    run(hal, fixture, check, done) {
      for (const hz of [0, -1, 0 / 0]) {
        const bad = hz;
        check(
          throws(() => hal.openAnalog({ pin: fixture.pins[0], hz: bad })),
          `${bad} Hz was taken`,
        );
      }
      check(
        throws(() => hal.openAnalog({ pin: '' })),
        'opened a pin without a name',
      );
      check(fixture.levels(fixture.pins[0]).length === 0, 'the pin was driven');
      done();
    },
  },
  {
    name: 'analog: close may be repeated',
    run(hal, fixture, check, done) {
      const output = hal.openAnalog({ pin: fixture.pins[0], hz: 1000 });
      output.write(0.5);
      output.close();
      check(!throws(() => output.close()), 'the second close threw');
      done();
    },
  },
];
