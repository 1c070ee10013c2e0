import type { Hal } from '../../hal/hal.ts';
import type { Case, Fixture } from './fixture.ts';
import { pattern, same, throws } from './helpers.ts';

const LONGEST_KEY = 'abcdefghijklmnopqrstuvwx';
/** Bytes a write, until storage is full; and writes after which any board must be. */
const LARGE = 8000;
const WRITES = 600;

function clear(hal: Hal): void {
  for (const key of hal.storage.keys()) hal.storage.delete(key);
}

/** What a power cut falls into, and what is seen after it. */
interface Cut {
  prepare(board: Hal): void;
  act(board: Hal): void;
  inspect(board: Hal, moment: number): void;
}

/** Cuts the power at each moment of `act` in turn, until it ends uncut; clears storage. @returns how many times it ran */
function cutAtEveryMoment(hal: Hal, fixture: Fixture, cut: Cut): number {
  let board = hal;
  let moment = 0;
  let happened = true;
  while (happened && moment < 200) {
    cut.prepare(board);
    fixture.cutPower(moment);
    happened = throws(() => cut.act(board));
    board = fixture.boot();
    cut.inspect(board, moment);
    moment++;
  }
  clear(board);
  return moment;
}

export const storageCases: Case[] = [
  {
    name: 'storage: a value is read back as written, bytes of all values',
    run(hal, _fixture, check, done) {
      hal.storage.write('conf.a', pattern(256, 0));
      check(same(hal.storage.read('conf.a'), pattern(256, 0)), 'another value was read');
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: the last value counts, for each key its own',
    run(hal, _fixture, check, done) {
      for (let round = 0; round < 5; round++) {
        hal.storage.write('conf.a', pattern(10 + round, round));
        hal.storage.write('conf.b', pattern(20, 100 + round));
        check(same(hal.storage.read('conf.a'), pattern(10 + round, round)), `a is wrong in round ${round}`);
        check(same(hal.storage.read('conf.b'), pattern(20, 100 + round)), `b is wrong in round ${round}`);
      }
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: values survive a reset',
    run(hal, fixture, check, done) {
      hal.storage.write('conf.a', pattern(30, 1));
      hal.storage.write('conf.a', pattern(30, 2));
      const again = fixture.boot();
      check(same(again.storage.read('conf.a'), pattern(30, 2)), 'the value is lost');
      clear(again);
      done();
    },
  },
  {
    name: 'storage: an absent key is undefined',
    run(hal, _fixture, check, done) {
      check(hal.storage.read('conf.none') === undefined, 'something was read');
      done();
    },
  },
  {
    name: 'storage: a damaged value is undefined',
    run(hal, fixture, check, done) {
      hal.storage.write('conf.dmg', pattern(20, 0));
      fixture.damage('conf.dmg');
      check(hal.storage.read('conf.dmg') === undefined, 'a damaged value was read');
      hal.storage.write('conf.dmg', pattern(20, 5));
      check(same(hal.storage.read('conf.dmg'), pattern(20, 5)), 'the key cannot be written again');
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: a value of zero length is legal, and not absent',
    run(hal, _fixture, check, done) {
      hal.storage.write('conf.zero', new Uint8Array(0));
      const found = hal.storage.read('conf.zero');
      check(found !== undefined && found.length === 0, 'not there');
      check(hal.storage.keys().indexOf('conf.zero') >= 0, 'not among the keys');
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: keys of [a-z0-9.-]{1,24} are taken, others throw',
    run(hal, _fixture, check, done) {
      const value = pattern(3, 0);
      for (const key of ['a', '0', '.', '-', 'a.b-9', LONGEST_KEY]) {
        const good = key;
        check(!throws(() => hal.storage.write(good, value)), `${good} was refused`);
        check(same(hal.storage.read(good), value), `${good} is lost`);
      }
      for (const key of ['', 'A', 'a_b', 'a/b', 'a b', 'a~0', `${LONGEST_KEY}y`]) {
        const bad = key;
        check(
          throws(() => hal.storage.write(bad, value)),
          `'${bad}' was taken`,
        );
      }
      check(hal.storage.keys().length === 6, `${hal.storage.keys().length} keys instead of 6`);
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: keys that differ in the last of 24 characters are two',
    run(hal, _fixture, check, done) {
      const other = `${LONGEST_KEY.substring(0, 23)}z`;
      hal.storage.write(LONGEST_KEY, pattern(4, 1));
      hal.storage.write(other, pattern(4, 50));
      check(same(hal.storage.read(LONGEST_KEY), pattern(4, 1)), 'one overwrote the other');
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: keys lists every key once',
    run(hal, _fixture, check, done) {
      hal.storage.write('conf.b', pattern(3, 0));
      hal.storage.write('conf.a', pattern(3, 0));
      hal.storage.write('conf.b', pattern(3, 1));
      hal.storage.write('conf.b', pattern(3, 2));
      const keys = hal.storage.keys().sort();
      check(keys.join() === 'conf.a,conf.b', `keys are ${keys}`);
      clear(hal);
      done();
    },
  },
  {
    name: 'storage: a deleted key is absent, also after a reset',
    run(hal, fixture, check, done) {
      hal.storage.write('conf.a', pattern(3, 0));
      hal.storage.write('conf.a', pattern(3, 1));
      hal.storage.write('conf.b', pattern(3, 2));
      hal.storage.delete('conf.a');
      check(hal.storage.read('conf.a') === undefined, 'still there');
      const again = fixture.boot();
      check(again.storage.read('conf.a') === undefined, 'there again');
      check(again.storage.keys().join() === 'conf.b', `keys are ${again.storage.keys()}`);
      clear(again);
      done();
    },
  },
  {
    name: 'storage: delete ignores absent keys',
    run(hal, _fixture, check, done) {
      check(!throws(() => hal.storage.delete('conf.none')), 'threw');
      done();
    },
  },
  {
    name: 'storage: after a power cut in a write a key holds its old or its new value',
    run(hal, fixture, check, done) {
      const old = pattern(40, 1);
      const other = pattern(12, 9);
      const fresh = pattern(45, 100);
      let news = 0;
      hal.storage.write('conf.other', other);
      const moments = cutAtEveryMoment(hal, fixture, {
        prepare(board) {
          board.storage.write('conf.cut', fresh);
          board.storage.write('conf.cut', old);
        },
        act(board) {
          board.storage.write('conf.cut', fresh);
        },
        inspect(board, moment) {
          const found = board.storage.read('conf.cut');
          const isNew = same(found, fresh);
          check(isNew || same(found, old), `neither value at moment ${moment}`);
          check(same(board.storage.read('conf.other'), other), `another key is damaged at moment ${moment}`);
          if (isNew) news++;
        },
      });
      check(moments >= 4, `the power went at ${moments - 1} moments only`);
      check(news > 0, 'the new value never counted');
      done();
    },
  },
  {
    name: 'storage: after a power cut in the first write a key is absent or has its value',
    run(hal, fixture, check, done) {
      const value = pattern(33, 7);
      cutAtEveryMoment(hal, fixture, {
        prepare(board) {
          board.storage.delete('conf.cut');
        },
        act(board) {
          board.storage.write('conf.cut', value);
        },
        inspect(board, moment) {
          const found = board.storage.read('conf.cut');
          check(found === undefined || same(found, value), `a mix at moment ${moment}`);
        },
      });
      done();
    },
  },
  {
    name: 'storage: after a power cut in delete a key holds its last value or none',
    run(hal, fixture, check, done) {
      const last = pattern(20, 2);
      const moments = cutAtEveryMoment(hal, fixture, {
        prepare(board) {
          board.storage.write('conf.cut', pattern(20, 1));
          board.storage.write('conf.cut', last);
        },
        act(board) {
          board.storage.delete('conf.cut');
        },
        inspect(board, moment) {
          const found = board.storage.read('conf.cut');
          check(found === undefined || same(found, last), `an older value came back at moment ${moment}`);
        },
      });
      check(moments >= 2, `the power went at ${moments - 1} moments only`);
      done();
    },
  },
  {
    name: 'storage: write throws when storage is full, and the old value is kept',
    run(hal, fixture, check, done) {
      const old = pattern(50, 3);
      let full = -1;
      hal.storage.write('conf.kept', old);
      for (let i = 0; i < WRITES && full < 0; i++) {
        const number = i;
        if (throws(() => hal.storage.write(`fill${number}`, pattern(LARGE, number)))) full = number;
      }
      check(full > 0, `${WRITES * LARGE} bytes did not fill it`);
      check(
        throws(() => hal.storage.write('conf.kept', pattern(LARGE, 9))),
        'a large value was taken although storage is full',
      );
      check(same(hal.storage.read('conf.kept'), old), 'the old value is lost');
      check(same(hal.storage.read('fill0'), pattern(LARGE, 0)), 'another value is lost');
      const again = fixture.boot();
      check(same(again.storage.read('conf.kept'), old), 'the old value is lost after a reset');
      clear(again);
      done();
    },
  },
];
