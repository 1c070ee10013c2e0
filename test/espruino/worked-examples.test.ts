/**
 * The firmware's decision on the interpreter: Node compiles the timetables and says what happens, the interpreter lives
 * through it with the firmware's own arbiter, timetable, sensors, sun, schedule and lamp.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { type Case, cases } from '../reference/cases.ts';
import { decisionOf, numberOf, overrideOf, timetableOf } from '../reference/firmware.ts';
import { acceptable, type Happening } from '../reference/model.ts';
import { DAY } from '../reference/sun.ts';
import { assertDecision, CHECKS, EXAMPLES, type Example, sunOf } from '../reference/worked-examples.ts';
import type { Answer, Life, Step } from './life.ts';

const SEED = 20261125;
const RANDOM = 150;

function stepOf(happening: Happening): Step {
  const { at } = happening;
  if (happening.type === 'resume') return { at, kind: 'resume' };
  if (happening.type === 'override') return { at, kind: 'override', command: overrideOf(happening.targetCommand) };
  if (happening.type === 'external') {
    const { state, expiration, refAddress } = happening.targetCommand;
    const until = expiration === undefined ? at : Date.parse(expiration);
    return { at, kind: 'external', number: numberOf(refAddress), value: Number(state.value), until };
  }
  const number = numberOf(happening.address);
  if (happening.type === 'sensor') return { at, kind: 'sensor', number, value: Number(happening.raised) };
  return { at, kind: 'reading', number, value: happening.value };
}

/** Asks at each instant, after what happens there. */
function lifeOf(defaultLevel: number, history: Happening[], instants: number[]): Life {
  const asks = instants.map((at): Step => ({ at, kind: 'ask' }));
  const steps = [...history.map(stepOf), ...asks].sort((a, b) => a.at - b.at);
  return { start: steps[0].at, defaultLevel, steps };
}

/** Instants at which an example is asked, in order of time. */
const instantsOf = ({ checks, light = [] }: Example) => [...checks, ...light].map(({ at }) => at).sort((a, b) => a - b);

function exampleLife(example: Example): Life {
  const life = lifeOf(example.config.defaultLevel, example.history, instantsOf(example));
  const sun = sunOf(example);
  if (!sun) return life;
  const day = Math.floor(life.start / DAY);
  const time = (rising: boolean) => (sun(day, rising) as { time: number }).time - day * DAY;
  return { ...life, sun: { rise: time(true), set: time(false) } };
}

/** Lives through all lives on the interpreter. @returns the answers of each */
async function livesOn(lives: { life: Life; timetable: Uint8Array | undefined }[]): Promise<Answer[][]> {
  const { code } = await bundle({ input: 'test/espruino/worked-examples-entry.ts' });
  const files: Record<string, string | Uint8Array> = { '.bootcde': code };
  for (const [i, { life, timetable }] of lives.entries()) {
    files[`l${i}`] = JSON.stringify(life);
    if (timetable) files[`t${i}`] = timetable;
  }
  const board = boot({ files });
  try {
    const [end] = await board.expect(/lives: \d+(?=\r?\n)|(?:ERROR|Uncaught).*/, { timeout: 110_000 });
    assert.equal(end, `lives: ${lives.length}`);
    return [...board.output().matchAll(/life \d+ (\[.*\])/g)].map(([, text]) => JSON.parse(text));
  } finally {
    await board.stop();
  }
}

describe('the decision on the interpreter', () => {
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: the decision on the interpreter needs ESPRUINO');
    this.skip();
  });

  it(`gives all ${CHECKS} numbers of the ${EXAMPLES.length} worked examples`, async () => {
    const lives = EXAMPLES.map((example) => ({ life: exampleLife(example), timetable: timetableOf(example.config) }));
    const answers = await livesOn(lives);
    let checked = 0;
    for (const [i, example] of EXAMPLES.entries()) {
      const instants = instantsOf(example);
      assert.equal(answers[i].length, instants.length);
      const answerAt = (at: number) => answers[i][instants.indexOf(at)];
      for (const check of example.checks) {
        assertDecision(example, check, decisionOf(example.config, answerAt(check.at)));
        checked++;
      }
      for (const { at, level } of example.light ?? []) {
        assert.equal(answerAt(at).light, level, `${example.name}: light`);
        checked++;
      }
    }
    console.log(`    ${checked} of ${CHECKS} numbers of ${EXAMPLES.length} examples on the interpreter`);
  });

  it(`agrees with the reference model on ${RANDOM} random cases (seed ${SEED})`, async () => {
    const given: Case[] = fc.sample(cases(), { numRuns: RANDOM, seed: SEED });
    const lives = given.map(({ config, history, instant }) => {
      const past = history.filter(({ at }) => at <= instant);
      return { life: lifeOf(config.defaultLevel, past, [instant]), timetable: timetableOf(config) };
    });
    const answers = await livesOn(lives);
    const reasons = new Map<string, number>();
    for (const [i, { place, config, history, instant }] of given.entries()) {
      const actual = decisionOf(config, answers[i][0]);
      const expected = acceptable(config, history, instant);
      const told = JSON.stringify({ place, instant: new Date(instant).toISOString(), actual, expected });
      assert.ok(
        expected.some((one) => JSON.stringify(one) === JSON.stringify(actual)),
        `case ${i}: ${told}`,
      );
      reasons.set(actual.reason, (reasons.get(actual.reason) ?? 0) + 1);
    }
    console.log(
      `    ${answers.length} random cases on the interpreter: ${JSON.stringify(Object.fromEntries(reasons))}`,
    );
  });
});
