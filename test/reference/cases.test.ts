import assert from 'node:assert/strict';
import fc from 'fast-check';
import { assertAgrees, type Case, cases } from './cases.ts';
import { type Decision, decide } from './model.ts';
import { transitions } from './zone.ts';

const SEED = 20261125;
const HOUR = 3_600_000;
const model = ({ config, history, instant }: Case) => decide(config, history, instant);

describe('random cases', () => {
  let sample: Case[];
  let decisions: Decision[];

  before(() => {
    sample = fc.sample(cases(), { seed: SEED, numRuns: 2000 });
    decisions = sample.map(model);
  });

  it('give whole levels of 0..100 % for all reasons, 2,000 times', () => {
    for (const { level } of decisions) assert.ok(Number.isInteger(level) && level >= 0 && level <= 100, `${level}`);
    for (const [reason, least] of Object.entries({ default: 100, override: 100, sensor: 60, program: 500 })) {
      const count = decisions.filter((decision) => decision.reason === reason).length;
      assert.ok(count >= least, `${count} times ${reason}`);
    }
    const dark = decisions.filter(({ level, reason }) => level === 0 && reason === 'program').length;
    assert.ok(dark >= 100, `${dark} times off by program`);
  });

  it('contain clock changes, leap days, the date line, polar places and both day offsets', () => {
    const count = (test: (given: Case) => boolean, least: number, what: string) => {
      const found = sample.filter(test).length;
      assert.ok(found >= least, `${found} times ${what}`);
    };
    const changing = ({ config, instant }: Case) =>
      transitions(config.timeZone, instant - 12 * HOUR, instant + 12 * HOUR).length > 0;
    count(changing, 150, 'within 12 h of a clock change');
    count(({ instant }) => /-02-29/.test(new Date(instant).toISOString()), 40, 'a leap day');
    count(({ config }) => Math.abs(config.location?.longitude ?? 0) > 170, 200, 'near the date line');
    count(({ config }) => Math.abs(config.location?.latitude ?? 0) > 66.6, 150, 'beyond a polar circle');
    count(({ config }) => config.location === undefined, 50, 'without position');
    count(({ config }) => config.dayOffset === 12, 800, 'with offset 12');
    count(({ history }) => history.length > 2, 500, 'with three happenings');
  });

  it('are the same for the same seed', () => {
    assert.deepEqual(fc.sample(cases(), { seed: SEED, numRuns: 50 }), sample.slice(0, 50));
  });

  it('agree with the model itself', () => {
    assertAgrees(model, 300, SEED);
  });

  /** A decision that is wrong in one way, and how small the case becomes that shows it. */
  const mistakes: [string, (given: Case) => Case, number, number][] = [
    ['ignores the day offset', (given) => ({ ...given, config: { ...given.config, dayOffset: 0 } }), 2, 0],
    ['never resumes', (given) => ({ ...given, history: given.history.filter(({ type }) => type !== 'resume') }), 1, 2],
    [
      'uses a fixed offset for Brussels',
      (given) => ({ ...given, config: { ...given.config, timeZone: 'Etc/GMT-1' } }),
      2,
      0,
    ],
  ];
  for (const [what, mistake, programs, happenings] of mistakes) {
    it(`catch a controller that ${what} and shrink it to ${programs} programs and ${happenings} happenings at most`, () => {
      const result = fc.check(
        fc.property(cases(), (given) => assert.deepEqual(model(mistake(given)), model(given))),
        { seed: SEED, numRuns: 2000 },
      );
      assert.ok(result.failed && result.counterexample);
      const [{ config, history }] = result.counterexample;
      assert.ok(config.programs.length <= programs, JSON.stringify(config.programs));
      assert.ok(history.length <= happenings, JSON.stringify(history));
    });
  }
});
