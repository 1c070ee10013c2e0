import assert from 'node:assert/strict';
import { loadBoard } from '../../scripts/board-config.mjs';
import { bundle } from '../../scripts/bundle.mjs';
import { interpreter } from '../../scripts/interpreter.mjs';
import { crowded } from './crowded.ts';
import { missing } from './peers.ts';

/** jsvars of the Linux build. 3,900 are wanted; with the largest configurations and all else at once it takes more. */
const ENOUGH = 4300;

describe('all that needs memory at once, on the interpreter', function () {
  this.timeout(300_000);
  before(function () {
    const lacking = [...(interpreter() ? [] : ['ESPRUINO']), ...missing(['socat'])];
    if (lacking.length === 0) return;
    console.log(`    SKIPPED: a crowded controller needs ${lacking.join(', ')}`);
    this.skip();
  });

  it(`is obeyed, told and stored whole by a product in ${ENOUGH} jsvars: the largest configurations, groups, events, samples, reconnections`, async () => {
    const { presence: _presence, ...board } = await loadBoard('street');
    const { code } = await bundle({ board });
    const { fault, rest, told } = await crowded({ board, code, variables: ENOUGH });
    console.log(`    ${told}; ${rest} jsvars at the end`);
    assert.equal(fault, undefined);
  });
});
