import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { readProfile } from '../../sim/plant/modbus-meter.ts';

const SERVER = fileURLToPath(new URL('../metering/modbus-server.py', import.meta.url));
const python = ['python3', '/usr/bin/python3'].find(
  (path) => spawnSync(path, ['-c', 'import pymodbus.server, serial_asyncio']).status === 0,
);

/** `[quantity, what pymodbus encodes, value in wire steps]`: floats, words in the other order, integers with signs. */
const UNITS: [string, [string, number, number][]][] = [
  [
    'sdm120',
    [
      ['SupplyVoltage', 230.2, 2302],
      ['ActivePower', -87.5, -875],
      ['ActiveEnergy', 1234.5, 1_234_500],
    ],
  ],
  [
    'em111',
    [
      ['SupplyVoltage', 2302, 2302],
      ['SupplyCurrent', 65_537, 65_537],
      ['ActivePower', -870, -870],
    ],
  ],
  [
    'xy-md02',
    [
      ['Temperature', -205, -205],
      ['Humidity', 546, 546],
    ],
  ],
];

describe('Modbus units played by pymodbus, read by the interpreter', function () {
  this.timeout(60_000);
  let directory: string;
  const children: ChildProcess[] = [];

  before(async function () {
    if (!interpreter() || !python || spawnSync('socat', ['-V']).status !== 0) {
      console.log('    SKIPPED: needs ESPRUINO, python3-pymodbus, python3-serial-asyncio and socat');
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), 'pymodbus-'));
    const [near, far] = ['near', 'far'].map((end) => join(directory, end));
    children.push(
      spawn(
        'socat',
        [near, far].map((link) => `PTY,link=${link},raw,echo=0`),
        { stdio: 'ignore' },
      ),
    );
    for (let tries = 0; !existsSync(near) || !existsSync(far); tries++) {
      assert.ok(tries < 250, 'socat made no pseudo-terminals within 5 s');
      await wait(20);
    }
    const specs = UNITS.map(([name, values], i) => {
      const { function: code, wordOrder, registers } = readProfile(name);
      const zeros = registers.map(({ address, type }) => [address, type, 0]);
      const written = values.map(([quantity, raw]) => {
        const register = registers.find((one) => one.quantity === quantity);
        return [register?.address, register?.type, raw];
      });
      return { unit: i + 1, function: code, wordOrder, registers: [...zeros, ...written] };
    });
    const server = spawn(python, [SERVER, far, JSON.stringify(specs)], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(server);
    await once(server.stdout, 'data');
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  it('give what pymodbus encoded, through a pair of pseudo-terminals', async () => {
    const configs = UNITS.map(([name], i) => {
      return { line: 0, unit: i + 1, profile: name, period: 1000, ...compileProfile(readProfile(name) as never) };
    });
    const { code } = await bundle({
      source: `import { openHal } from './hal/espruino/index.ts';
        import { openMeters } from './firmware/metering/meter.ts';
        import { Schedule } from './firmware/schedule.ts';
        const hal = openHal();
        const schedule = new Schedule(hal.clock, { failed: (error) => print('ERROR ' + error) });
        const lines = [{ port: ${JSON.stringify(join(directory, 'near'))}, baud: 19200, echo: false }];
        global.meters = openMeters(hal, schedule, lines, ${JSON.stringify(configs)}, {
          reading(unit) { print('<' + unit + ' ' + JSON.stringify(global.meters.values(unit)) + '>'); },
        });`,
    });
    const board = boot({ files: { '.bootcde': code } });
    try {
      for (const [i, [name, values]] of UNITS.entries()) {
        const [, text] = await board.expect(new RegExp(`<${i} (\\[[^\\]]*\\])>`));
        const read = JSON.parse(text.replaceAll('undefined', 'null'));
        const { registers } = readProfile(name);
        assert.equal(read.length, registers.length);
        const { quantities } = configs[i];
        for (const [quantity, , expected] of values) {
          const { QUANTITIES } = await import('../../scripts/meter-profile.mjs');
          assert.equal(read[quantities.indexOf(QUANTITIES.indexOf(quantity))], expected, `${name} ${quantity}`);
        }
      }
    } finally {
      await board.stop();
    }
  });
});
