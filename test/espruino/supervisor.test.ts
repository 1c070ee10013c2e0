import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBoard } from '../../scripts/board-config.mjs';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, flashImage, interpreter } from '../../scripts/interpreter.mjs';
import { acceleration, TIME_FILE } from './acceleration.ts';

/** What the interpreter's Linux build lacks: a watchdog, in accelerated time; and pins that tell what they do. */
const BOARD = `
var watched = { timeout: 0, fed: 0, light: 0, relay: 0, harm: undefined };
E.enableWatchdog = function (seconds) { watched.timeout = seconds; watched.fed = soak.now; };
E.kickWatchdog = function () { watched.fed = soak.now; };
watched.look = function () {
  setTimeout(watched.look, 1000);
  if (watched.timeout && soak.now - watched.fed > watched.timeout) { print("=bite " + soak.now); quit(); }
};
watched.look();
global.analogWrite = function (pin, fraction) {
  if (watched.harm) { var harm = watched.harm; watched.harm = undefined; harm(); }
  watched.light = fraction;
};
global.digitalWrite = function (pin, value) { watched.relay = value; };
E.reboot = function () { print("=reboot " + soak.now); quit(); };
function status(text) { print("=" + text + " " + watched.relay + " " + watched.light.toFixed(2) + " " + rvb.status()); }
function endless() { return endless() + 1; }
`;

describe('the supervisor on the interpreter', function () {
  this.timeout(240_000);
  let script: string;
  let directory: string;
  before(async function () {
    if (!interpreter()) {
      console.log('    SKIPPED: the supervisor on the interpreter needs ESPRUINO');
      this.skip();
    }
    const linux = await loadBoard('linux');
    // The light and what looks after it.
    const { monitoring: _m, journal: _j, store: _s, ...rest } = linux;
    const lamp = { ...linux.lamp, defaultLevel: 60 };
    const board = { ...rest, watchdog: 30_000, timetable: [], meters: [], lines: [], events: [], lamp };
    script = `${acceleration({ wattage: 60, quiet: 0 })}${BOARD}${(await bundle({ board })).code}\n`;
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'supervisor-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Boots with what an earlier boot has left, harms it by `harm`, and waits for `pattern`. @returns the console's output */
  async function live(harm: string, pattern: RegExp, fresh = true): Promise<string> {
    const file = join(directory, 'espruino.flash');
    if (fresh)
      writeFileSync(
        file,
        flashImage({
          '.bootcde': `${script}require("fs").statSync("harm.js")&&eval(require("fs").readFileSync("harm.js"));`,
        }),
      );
    writeFileSync(join(directory, 'harm.js'), harm);
    writeFileSync(join(directory, TIME_FILE), JSON.stringify({ now: 1000, mark: 1e9, day: 0 }));
    const board = boot({ directory });
    try {
      await board.expect(pattern, { timeout: 60_000 });
      return board.output();
    } finally {
      await board.stop({ keep: true });
    }
  }
  const lines = (output: string): string[] =>
    output
      .split(/\r?\n/)
      .map((line) => line.replace(/^[^=]*=/, '='))
      .filter((line) => line.startsWith('='));

  it('keeps the lamp at its level when a timer, an interrupt and a text are thrown, and counts them', async () => {
    const output = await live(
      `setTimeout(status, 5000, "before");
       setTimeout(function () { throw new Error("nobody catches this"); }, 10000);
       setTimeout(endless, 20000);
       setTimeout(function () { throw "a text"; }, 30000);
       setTimeout(status, 60000, "after");`,
      /=after [^\n]*\n/,
    );
    assert.match(output, /Uncaught Error: nobody catches this/);
    assert.match(output, /Execution Interrupted/);
    // 60 %: 1 V at 10 % and 10 V at 100 % give 6 V.
    assert.deepEqual(lines(output), [
      '=before 1 0.60 60 %, default 60 %, link down',
      '=after 1 0.60 60 %, default 60 %, link down, 3 faults in boot 1: a text',
    ]);
  });

  it('is lit a minute later when an interrupt took the first decision while it drove the lamp', async () => {
    const output = await live(
      `watched.harm = endless;
       setTimeout(status, 90000, "later");`,
      /=later [^\n]*\n/,
    );
    assert.match(output, /Execution Interrupted/);
    assert.match(
      lines(output)[0],
      /^=later 1 0\.60 60 %, default 60 %, link down, 1 faults in boot 1: Error: Too much recursion/,
    );
  });

  it('lets the watchdog bite 30 s after the timer of all tasks was lost', async () => {
    // An interrupt before the firmware could set its timer again takes it along.
    const output = await live(
      `setTimeout(function () { soak.list = [{ due: soak.now + 1, run: watched.look, id: ++soak.id }]; }, 60000);`,
      /=bite (\d+)\s/,
    );
    const [, at] = /=bite (\d+)/.exec(output) ?? [];
    assert.ok(Number(at) >= 1060 + 22 && Number(at) <= 1060 + 33, at);
  });

  it('gives its default level alone at the fifth boot in a row that ends within 10 minutes, and opens the rest later', async () => {
    for (let count = 0; count < 4; count++) {
      const output = await live(
        'setTimeout(E.reboot, 20000);setTimeout(status, 10000, "lit");',
        /=reboot/,
        count === 0,
      );
      assert.match(lines(output)[0], /^=lit 1 0\.60 60 %, default 60 %, link down/);
    }
    const output = await live(
      'setTimeout(status, 30000, "alone");setTimeout(status, 100000, "light");setTimeout(status, 2400000, "all");',
      /=all [^\n]*\n/,
      false,
    );
    assert.deepEqual(lines(output), [
      '=alone 1 0.60 default level alone, 4 boots have failed',
      '=light 1 0.60 60 %, default 60 %, link down',
      '=all 1 0.60 60 %, default 60 %, link down',
    ]);
    const again = await live('setTimeout(status, 10000, "again");', /=again [^\n]*\n/, false);
    assert.match(lines(again)[0], /^=again 1 0\.60 60 %, default 60 %, link down$/);
  });

  it('starts anew before a leak has taken all 16383 variables, lit until then, and says why afterwards', async () => {
    // About 240 variables a minute: 3 % are not gone within one.
    const output = await live(
      `global.leak = [];
       (function more() { setTimeout(more, 60000); for (var i = 0; i < 15; i++) leak.push(new Uint8Array(300)); status("leak " + process.memory().usage); })();`,
      /=reboot/,
    );
    const said = lines(output);
    const used = said.filter((line) => line.startsWith('=leak')).map((line) => Number(line.split(' ')[1]));
    console.log(`      ${used[0]} jsvars at first, ${used.at(-1)} when it starts anew`);
    assert.ok((used.at(-1) ?? 0) > 15_000 && (used.at(-1) ?? 0) < 16_383);
    for (const line of said.slice(1, -1)) assert.match(line, /^=leak \d+ 1 0\.60 60 %/);
    const after = await live('setTimeout(status, 5000, "after");', /=after [^\n]*\n/, false);
    assert.match(lines(after)[0], /^=after 1 0\.60 60 %, .* 1 faults in boot 1: memory: 1\d{4} of 16383 used$/);
  });
});
