import type { Case, Fixture } from './fixture.ts';
import { nothing, throws } from './helpers.ts';

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

/** ms in which every HAL has told a change. */
const TOLD = 30;

/** Runs `steps` one after another, each when what the one before changed has been told. */
function inTurn(fixture: Fixture, steps: (() => void)[]): void {
  let at = 0;
  const next = () => {
    steps[at]();
    at++;
    if (at < steps.length) fixture.later(TOLD + fixture.slack, next);
  };
  next();
}

export const inputCases: Case[] = [
  {
    name: 'input: read tells the level now',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const input = hal.openInput({ pin, onChange: nothing });
      for (const level of [1, 0, 1]) {
        fixture.drive(pin, level as 0 | 1);
        check(input.read() === level, `${level} was read as ${input.read()}`);
      }
      input.close();
      done();
    },
  },
  {
    name: 'input: a low pin reads 1 when it is inverted',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const input = hal.openInput({ pin, activeLow: true, onChange: nothing });
      for (const level of [1, 0, 1]) {
        fixture.drive(pin, level as 0 | 1);
        check(input.read() === 1 - level, `${level} was read as ${input.read()}`);
      }
      input.close();
      done();
    },
  },
  {
    name: 'input: the resistor gives an open pin its level, also after a change',
    run(hal, fixture, check, done) {
      const up = hal.openInput({ pin: fixture.pins[0], pull: 'up', onChange: nothing });
      const down = hal.openInput({ pin: fixture.pins[1], pull: 'down', onChange: nothing });
      const levels = () => `${up.read()}${down.read()}`;
      inTurn(fixture, [
        () => {
          check(levels() === '10', `up and down read ${levels()} at opening`);
          fixture.drive(fixture.pins[0], 0);
          fixture.drive(fixture.pins[1], 1);
        },
        () => {
          check(levels() === '01', `pins driven to 0 and 1 read ${levels()}`);
          fixture.drive(fixture.pins[0], undefined);
          fixture.drive(fixture.pins[1], undefined);
        },
        () => {
          check(levels() === '10', `up and down read ${levels()} after a change`);
          up.close();
          down.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: onChange tells each change of level',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const told: number[] = [];
      const input = hal.openInput({ pin, pull: 'down', onChange: (value) => told.push(value) });
      inTurn(fixture, [
        () => fixture.drive(pin, 1),
        () => fixture.drive(pin, 0),
        () => fixture.drive(pin, 1),
        () => fixture.drive(pin, undefined),
        () => {
          check(told.join() === '1,0,1,0', `1, 0, 1 and open were told as ${told}`);
          input.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: onChange is inverted when the pin is',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const told: number[] = [];
      const input = hal.openInput({ pin, pull: 'up', activeLow: true, onChange: (value) => told.push(value) });
      inTurn(fixture, [
        () => fixture.drive(pin, 0),
        () => fixture.drive(pin, 1),
        () => {
          check(told.join() === '1,0', `low and high were told as ${told}`);
          input.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: onChange does not tell the level at opening, nor run inside another call',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      let calls = 0;
      fixture.drive(pin, 1);
      const input = hal.openInput({ pin, onChange: () => calls++ });
      check(calls === 0, 'onChange ran inside openInput');
      inTurn(fixture, [
        nothing,
        () => {
          check(calls === 0, `the level at opening was told ${calls} times`);
          fixture.drive(pin, 0);
          input.read();
          check(calls === 0, 'onChange ran inside read');
        },
        () => {
          check(calls === 1, `one change was told ${calls} times`);
          input.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: onChange never tells the same level twice in a row',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const told: number[] = [];
      const input = hal.openInput({ pin, pull: 'up', onChange: (value) => told.push(value) });
      inTurn(fixture, [
        () => fixture.drive(pin, 1),
        () => fixture.drive(pin, 0),
        () => fixture.drive(pin, 0),
        () => {
          fixture.drive(pin, 1);
          fixture.drive(pin, 0);
        },
        () => {
          for (let at = 0; at < told.length; at++) {
            check(told[at] === at % 2, `from 1 on, these were told: ${told}`);
          }
          input.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: after quick changes the last call has told the level that stays',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      let last = 0;
      const input = hal.openInput({
        pin,
        pull: 'down',
        onChange: (value) => {
          last = value;
        },
      });
      const drive = (levels: number[]) => () => {
        for (const level of levels) fixture.drive(pin, level as 0 | 1);
      };
      inTurn(fixture, [
        drive([1, 0, 1]),
        () => check(last === 1 && input.read() === 1, `1, 0, 1: told ${last}`),
        drive([0, 1]),
        () => check(last === 1, `0, 1: told ${last}`),
        drive([0, 1, 0]),
        () => {
          check(last === 0, `0, 1, 0: told ${last}`);
          input.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: onChange does not run after close, not even for a change before it',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      let calls = 0;
      const input = hal.openInput({ pin, pull: 'down', onChange: () => calls++ });
      inTurn(fixture, [
        () => {
          fixture.drive(pin, 1);
          input.close();
        },
        () => {
          check(calls === 0, 'a change before close was told after it');
          fixture.drive(pin, 0);
        },
        () => {
          check(calls === 0, 'a change after close was told');
          done();
        },
      ]);
    },
  },
  {
    name: 'input: close inside onChange is the end of it',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      let calls = 0;
      const input = hal.openInput({
        pin,
        pull: 'down',
        onChange: () => {
          calls++;
          input.close();
        },
      });
      inTurn(fixture, [
        () => fixture.drive(pin, 1),
        () => fixture.drive(pin, 0),
        () => {
          check(calls === 1, `onChange ran ${calls} times`);
          done();
        },
      ]);
    },
  },
  {
    name: 'input: close may be repeated, and the pin opened again',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const told: string[] = [];
      const first = hal.openInput({ pin, pull: 'down', onChange: (value) => told.push(`first ${value}`) });
      fixture.drive(pin, 1);
      first.close();
      check(!throws(() => first.close()), 'the second close threw');
      const second = hal.openInput({ pin, pull: 'down', onChange: (value) => told.push(`second ${value}`) });
      first.close();
      inTurn(fixture, [
        nothing,
        () => fixture.drive(pin, 0),
        () => fixture.drive(pin, 1),
        () => {
          check(told.join() === 'second 0,second 1', `told: ${told}`);
          second.close();
          done();
        },
      ]);
    },
  },
  {
    name: 'input: a bad option throws and leaves the pin alone',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      check(
        throws(() => hal.openInput({ pin: '', onChange: nothing })),
        'opened a pin without a name',
      );
      check(
        throws(() => hal.openInput({ pin, pull: 'sideways' as never, onChange: nothing })),
        'opened a pin that is pulled sideways',
      );
      const output = hal.openDigital({ pin, initialValue: 1 });
      output.write(0);
      check(fixture.levels(pin).join() === '1,0', `as an output it was ${fixture.levels(pin)}`);
      output.close();
      done();
    },
  },
  {
    name: 'input: a pin in use throws, and its port works on',
    run(hal, fixture, check, done) {
      const output = hal.openDigital({ pin: fixture.pins[0], initialValue: 1 });
      check(
        throws(() => hal.openInput({ pin: fixture.pins[0], onChange: nothing })),
        'opened the pin of an output',
      );
      output.write(0);
      check(fixture.levels(fixture.pins[0]).join() === '1,0', `the output was ${fixture.levels(fixture.pins[0])}`);

      const pin = fixture.pins[1];
      const told: number[] = [];
      const input = hal.openInput({ pin, pull: 'down', onChange: (value) => told.push(value) });
      check(
        throws(() => hal.openInput({ pin, pull: 'up', onChange: nothing })),
        'opened the pin of an input',
      );
      check(input.read() === 0, 'the second opening pulled the pin up');
      inTurn(fixture, [
        () => fixture.drive(pin, 1),
        () => {
          check(told.join() === '1', `told ${told}`);
          input.close();
          done();
        },
      ]);
    },
  },
];
