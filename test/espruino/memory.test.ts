import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { bundle } from '../../scripts/bundle.mjs';
import { interpreter } from '../../scripts/interpreter.mjs';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { usage } from '../../scripts/size.mjs';
import { readProfile } from '../../sim/plant/modbus-meter.ts';

/** jsvars of the whole firmware with a meter and a light sensor, and of each further unit. */
const LIMIT = 3400;
const UNIT = 40;
/** Profiles of the further units. */
const OTHERS = ['sdm120', 'xy-md02', 'qsa2700d', 'sm7901b'];

/** The street's board without its presence sensor: every part that measures, and the photocell. */
async function board(others: readonly string[]): Promise<Board> {
  const { presence: _presence, ...street } = await loadBoard('street');
  const further = others.map((profile, i) => {
    const { quantities, plan, timeout } = compileProfile(readProfile(profile));
    return { line: 0, unit: i + 3, profile, period: 60_000, timeout, quantities, plan };
  });
  return { ...street, meters: [...street.meters, ...further] };
}

async function measure(others: readonly string[]): Promise<number> {
  const configured = await board(others);
  const { code } = await bundle({ board: configured });
  const found = await usage({ code, board: configured });
  if ('reason' in found) throw new Error(found.reason);
  return found.value;
}

describe('memory on the interpreter', function () {
  this.timeout(120_000);
  before(function () {
    if (!interpreter()) this.skip();
  });

  it(`is at most ${LIMIT} jsvars with a meter and a light sensor, and ${UNIT} more for each further unit`, async () => {
    const base = await measure([]);
    console.log(`    a meter and a light sensor: ${base} jsvars`);
    assert.ok(base <= LIMIT, `${base} jsvars`);
    let before = base;
    for (let count = 1; count <= OTHERS.length; count++) {
      const now = await measure(OTHERS.slice(0, count));
      console.log(`    with one more, ${OTHERS[count - 1]}: ${now - before} jsvars more`);
      // Two measurements differ by a few variables: by what waits at that moment.
      assert.ok(now - base <= UNIT * count, `${count} more take ${now - base} jsvars`);
      before = now;
    }
  });
});
