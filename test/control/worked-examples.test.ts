import assert from 'node:assert/strict';
import { SunKind } from '../../firmware/control/sun.ts';
import { Live } from '../reference/firmware.ts';
import { assertDecision, CHECKS, EXAMPLES, type Example, sentence, sunOf } from '../reference/worked-examples.ts';

function live(example: Example, start: number): Live {
  const sun = sunOf(example);
  if (!sun) return new Live(example.config, start);
  return new Live(example.config, start, (day, _latitude, _longitude, rising) => {
    const { time } = sun(day, rising) as { time: number };
    return { kind: SunKind.Event, time };
  });
}

/** Lives through history and checks in one go, waking up when the controller asked to. @returns the number of checks. */
function through(example: Example): number {
  const { history, checks, light = [] } = example;
  const run = live(example, Math.min(checks[0].at, ...history.map(({ at }) => at)));
  const moments = [
    ...history.map((happening) => ({ at: happening.at, run: () => run.happen(happening) })),
    ...checks.map((check) => ({ at: check.at, run: () => assertDecision(example, check, run.decision()) })),
    ...light.map(({ at, level }) => ({ at, run: () => assert.equal(run.lamp.level, level) })),
  ];
  moments.sort((a, b) => a.at - b.at);
  for (const moment of moments) {
    run.runTo(moment.at);
    moment.run();
  }
  return checks.length + light.length;
}

describe('the controller on the simulator', () => {
  let checked = 0;

  for (const example of EXAMPLES) {
    it(sentence(example), () => {
      checked += through(example);
    });

    it(`${example.name}: gives the same after a boot at each instant`, () => {
      const { history, checks } = example;
      for (const check of checks) {
        const past = history.filter(({ at }) => at <= check.at);
        const run = live(example, Math.min(check.at, ...past.map(({ at }) => at)));
        for (const happening of past) run.happen(happening);
        run.runTo(check.at);
        assertDecision(example, check, run.decision());
      }
    });
  }

  after(() => console.log(`    ${checked} of ${CHECKS} numbers of ${EXAMPLES.length} examples on the simulator`));
});
