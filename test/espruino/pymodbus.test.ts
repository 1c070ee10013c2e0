import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { compileProfile, QUANTITIES } from '../../scripts/meter-profile.mjs';
import { readProfile } from '../../sim/plant/modbus-meter.ts';
import { connect, type Played, play, playable, stop } from '../metering/pymodbus.ts';

/** Floats, words in the other order, integers with signs. */
const UNITS: Played[] = [
  {
    profile: 'sdm120',
    values: [
      ['SupplyVoltage', 230.2, 2302],
      ['ActivePower', -87.5, -875],
      ['ActiveEnergy', 1234.5, 1_234_500],
    ],
  },
  {
    profile: 'em111',
    values: [
      ['SupplyVoltage', 2302, 2302],
      ['SupplyCurrent', 65_537, 65_537],
      ['ActivePower', -870, -870],
    ],
  },
  {
    profile: 'xy-md02',
    values: [
      ['Temperature', -205, -205],
      ['Humidity', 546, 546],
    ],
  },
];

describe('Modbus units played by pymodbus, read by the interpreter', function () {
  this.timeout(60_000);
  let directory: string;
  let near: string;
  const children: ChildProcess[] = [];

  before(async function () {
    if (!interpreter() || !playable()) {
      console.log('    SKIPPED: needs ESPRUINO, python3-pymodbus, python3-serial-asyncio and socat');
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), 'pymodbus-'));
    near = join(directory, 'near');
    const far = join(directory, 'far');
    const ends = [near, far].map((link) => `PTY,link=${link},raw,echo=0`);
    children.push(await connect(ends, [near, far]));
    children.push(await play(far, UNITS));
  });

  after(async () => {
    await stop(children);
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  it('give what pymodbus encoded, through a pair of pseudo-terminals', async () => {
    const configs = UNITS.map(({ profile }, i) => {
      return { line: 0, unit: i + 1, profile, period: 1000, ...compileProfile(readProfile(profile)) };
    });
    const { code } = await bundle({
      source: `import { openHal } from './hal/espruino/index.ts';
        import { openMeters } from './firmware/metering/meter.ts';
        import { Schedule } from './firmware/schedule.ts';
        const hal = openHal();
        const schedule = new Schedule(hal.clock, { failed: (error) => print('ERROR ' + error) });
        const lines = [{ port: ${JSON.stringify(near)}, baud: 19200, echo: false }];
        global.meters = openMeters(hal, schedule, lines, ${JSON.stringify(configs)}, {
          reading(unit) { print('<' + unit + ' ' + JSON.stringify(global.meters.values(unit)) + '>'); },
        });`,
    });
    const board = boot({ files: { '.bootcde': code } });
    try {
      for (const [i, { profile, values }] of UNITS.entries()) {
        const [, text] = await board.expect(new RegExp(`<${i} (\\[[^\\]]*\\])>`));
        const read = JSON.parse(text.replaceAll('undefined', 'null'));
        const { quantities } = configs[i];
        assert.equal(read.length, quantities.length);
        for (const [quantity, , expected] of values) {
          assert.equal(read[quantities.indexOf(QUANTITIES.indexOf(quantity))], expected, `${profile} ${quantity}`);
        }
      }
    } finally {
      await board.stop();
    }
  });
});
