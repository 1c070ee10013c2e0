import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'crc';
import { boardNames, interpreters, loadBoard } from '../../scripts/board-config.mjs';

// biome-ignore lint/suspicious/noExplicitAny: configurations are broken on purpose
type Config = any;

/** A legal product, to be broken in one place. */
const legal = (): Config => ({
  interpreter: 'ESP32',
  memoryClass: 'medium',
  lamp: {
    dim: { pin: 'D27', output: 'pwm', hertz: 1000, fullScaleVolts: 10, minimumVolts: 1, maximumVolts: 10 },
    relay: { pin: 'D26' },
    minimumLevel: 10,
    defaultLevel: 100,
  },
  lines: [{ port: 'Serial3', receive: 'D16', transmit: 'D17', driverEnable: 'D4' }],
  meters: [{ line: 0, unit: 1, profile: 'sdm120' }],
  network: { kind: 'esp32-wifi' },
  program: [
    { at: '05:30', level: 100 },
    { at: '22:00', level: 60, rampSeconds: 30 },
  ],
  watchdogSeconds: 30,
});

const points = (...rows: (readonly [number, number])[]) => rows.map(([volts, level]) => ({ volts, level }));

describe('board configurations', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'boards-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const load = (config: Config) => {
    writeFileSync(join(directory, 'x.json'), typeof config === 'string' ? config : JSON.stringify(config));
    return loadBoard('x', { directory });
  };
  /** The faults of the legal configuration after `change`, without the file's name. */
  async function faultsAfter(change: (config: Config) => void): Promise<string[]> {
    const config = legal();
    change(config);
    try {
      await load(config);
    } catch (error) {
      const { faults } = error as { faults: string[] };
      for (const fault of faults) assert.ok(fault.startsWith(`${join(directory, 'x.json')}: `), fault);
      return faults.map((fault) => fault.slice(join(directory, 'x.json').length + 2));
    }
    return [];
  }

  it('compiles seconds to ms, HH:MM to minutes, and takes the serial settings from the profile', async () => {
    const board = await load(legal());
    assert.equal(board.name, 'x');
    const own = Buffer.from(board.timetable);
    const points = own.subarray(24 + own[5] + 4);
    const pointAt = (at: number) => [points.readUIntBE(at + 6, 3), points[at], points.readUInt16BE(at + 1)];
    assert.deepEqual(
      [pointAt(0), pointAt(9)],
      [
        [330 * 60, 100, 0],
        [1320 * 60, 60, 300],
      ],
    );
    assert.equal(points.length, 18 + 4);
    assert.equal(own.readUInt32BE(own.length - 4), crc32(own.subarray(0, -4)) >>> 0);
    assert.equal(board.watchdog, 30000);
    assert.equal(board.reportPeriod, 60000);
    assert.equal(board.lamp.minimumOffTime, 10000);
    assert.deepEqual(board.lamp.relay, { pin: 'D26', activeLow: false });
    const { baud, parity, stop, driverEnable, echo } = board.lines[0];
    // Source: Eastron SDM120 Modbus protocol, default 2400 8N1.
    assert.deepEqual([baud, parity, stop, driverEnable, echo], [2400, 'none', 1, 'D4', false]);
    assert.equal(board.meters[0].quantities.length, 10);
  });

  it('gives a lamp 1 s of soft start and nothing else that a product did not ask for', async () => {
    const { lamp } = await load(legal());
    assert.equal(lamp.softStart, 1000);
    assert.deepEqual([lamp.dim?.curve, lamp.light, lamp.protection], [undefined, undefined, undefined]);
    const config = legal();
    delete config.lamp.dim;
    assert.equal((await load(config)).lamp.softStart, 0);
  });

  it('compiles curves, factors and protection', async () => {
    const config = legal();
    config.lamp.softStartSeconds = 0.5;
    config.lamp.dim.curve = [
      { volts: 1, level: 5 },
      { volts: 10, level: 100 },
    ];
    config.lamp.virtualLightOutput = 90;
    config.lamp.clo = {
      curve: [
        { hours: 0, percent: 80 },
        { hours: 20000, percent: 100 },
      ],
    };
    config.lamp.maintenance = { initialPercent: 95, periodHours: 24, cleaned: '2026-03-01' };
    config.lamp.protection = {};
    const { lamp } = await load(config);
    assert.equal(lamp.softStart, 500);
    assert.deepEqual(lamp.dim?.curve, [5, 1, 100, 10]);
    assert.deepEqual(lamp.light, {
      virtualOutput: 90,
      clo: [0, 80, 20000, 100],
      maintenance: [Date.UTC(2026, 2, 1), 95, Date.UTC(2026, 2, 2), 100],
    });
    assert.deepEqual(lamp.protection, { reduce: 75, minimum: 85 });
  });

  it('keeps the name of a logarithmic curve and leaves a linear one out', async () => {
    const config = legal();
    config.lamp.dim.curve = 'logarithmic';
    assert.equal((await load(config)).lamp.dim?.curve, 'logarithmic');
    config.lamp.dim.curve = 'linear';
    assert.equal((await load(config)).lamp.dim?.curve, undefined);
  });

  it('leaves the version to package.json', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    assert.equal((await load(legal())).version, version);
  });

  const cases: [name: string, change: (config: Config) => void, fault: RegExp][] = [
    ['an unknown key', (c) => (c.lamps = {}), /^\/lamps: unknown key; known: .*lamp, lines/],
    ['an unknown key deep inside', (c) => (c.lamp.dim.volts = 1), /^\/lamp\/dim\/volts: unknown key; known: pin/],
    ['a missing key', (c) => delete c.network.kind, /^\/network\/kind: missing/],
    ['a wrong type', (c) => (c.lamp.minimumLevel = '10'), /^\/lamp\/minimumLevel: must be number, found "10"/],
    [
      'an unknown interpreter',
      (c) => (c.interpreter = 'ESP99'),
      /^\/interpreter: unknown "ESP99"; known: LINUX, ESP32/,
    ],
    [
      'an unknown pin',
      (c) => (c.lamp.relay.pin = 'D77'),
      /^\/lamp\/relay\/pin: ESP32 has no pin D77; it has D0\.\.D39/,
    ],
    ['a pin that is no pin', (c) => (c.lamp.relay.pin = 'relay'), /^\/lamp\/relay\/pin: must match pattern/],
    [
      'a duplicate pin',
      (c) => (c.lines[0].driverEnable = 'D26'),
      /^\/lines\/0\/driverEnable: pin D26 is used twice, first by \/lamp\/relay\/pin/,
    ],
    ['a pin of the flash chip', (c) => (c.lamp.relay.pin = 'D7'), /^\/lamp\/relay\/pin: pin D7 is taken: SPI flash/],
    [
      'an output on an input pin',
      (c) => (c.lamp.relay.pin = 'D35'),
      /^\/lamp\/relay\/pin: pin D35 of ESP32 is an input only/,
    ],
    ['PWM on a DAC pin', (c) => (c.lamp.dim.pin = 'D25'), /^\/lamp\/dim\/pin: pin D25 of ESP32 has no pwm; D0, D2, D4/],
    ['PWM without frequency', (c) => delete c.lamp.dim.hertz, /^\/lamp\/dim\/hertz: missing/],
    [
      'an unknown serial port',
      (c) => (c.lines[0].port = 'Serial7'),
      /^\/lines\/0\/port: ESP32 has no serial port "Serial7"; free are Serial2, Serial3/,
    ],
    ['the console as field bus', (c) => (c.lines[0].port = 'Serial1'), /^\/lines\/0\/port: Serial1 is taken: console/],
    ['a port without its pins', (c) => delete c.lines[0].receive, /^\/lines\/0\/receive: missing/],
    [
      'a missing profile',
      (c) => (c.meters[0].profile = 'sdm121'),
      /^\/meters\/0\/profile: no profile "sdm121"; known: .*sdm120/,
    ],
    [
      '7 three-phase meters',
      (c) => {
        c.memoryClass = 'large';
        c.meters = Array.from({ length: 7 }, (_, i) => ({ line: 0, unit: i + 1, profile: 'sdm630' }));
      },
      /^\/meters: 161 values in all, a report holds 140$/m,
    ],
    [
      'a meter on an unknown line',
      (c) => (c.meters[0].line = 3),
      /^\/meters\/0\/line: no line 3; there are lines 0\.\.0/,
    ],
    [
      'a duplicate unit',
      (c) => c.meters.push({ ...c.meters[0] }),
      /^\/meters\/1\/unit: unit 1 is already on line 0: \/meters\/0\/unit/,
    ],
    ['a unit beyond 247', (c) => (c.meters[0].unit = 248), /^\/meters\/0\/unit: must be <= 247, found 248/],
    ['a line without meters', (c) => (c.meters = []), /^\/lines\/0: no meter uses this line/],
    [
      'the wrong IP stack',
      (c) => (c.network.kind = 'host'),
      /^\/network\/kind: ESP32 has no "host"; it has none, esp32-wifi/,
    ],
    [
      'a minimum level of 101 %',
      (c) => (c.lamp.minimumLevel = 101),
      /^\/lamp\/minimumLevel: must be <= 100, found 101/,
    ],
    [
      'a default below the minimum',
      (c) => (c.lamp.defaultLevel = 5),
      /^\/lamp\/defaultLevel: 5 % is below minimumLevel 10 %/,
    ],
    [
      'minimum volts not below maximum',
      (c) => (c.lamp.dim.minimumVolts = 10),
      /^\/lamp\/dim\/minimumVolts: 10 V is not below maximumVolts 10 V/,
    ],
    [
      'more volts than the stage has',
      (c) => (c.lamp.dim.maximumVolts = 12),
      /^\/lamp\/dim\/maximumVolts: 12 V is above fullScaleVolts 10 V/,
    ],
    [
      'a minimum level that leaves nothing to dim',
      (c) => (c.lamp.minimumLevel = 100),
      /^\/lamp\/minimumLevel: 100 % leaves nothing to dim/,
    ],
    [
      'an unknown curve',
      (c) => (c.lamp.dim.curve = 'square'),
      /^\/lamp\/dim\/curve: "square" is not one of linear, logarithmic$/,
    ],
    ['a curve that is a number', (c) => (c.lamp.dim.curve = 2), /^\/lamp\/dim\/curve: must be array, found 2$/],
    [
      'a logarithmic curve down to 0 %',
      (c) => Object.assign(c.lamp, { minimumLevel: 0, dim: { ...c.lamp.dim, curve: 'logarithmic' } }),
      /^\/lamp\/minimumLevel: 0 % is below 0\.1 %, where a logarithmic curve begins/,
    ],
    [
      'a curve of one point',
      (c) => (c.lamp.dim.curve = points([1, 10])),
      /^\/lamp\/dim\/curve: must NOT have fewer than 2 items/,
    ],
    [
      'a curve of 12 points',
      (c) => (c.lamp.dim.curve = points(...Array.from({ length: 12 }, (_, i) => [1 + i / 2, 10 + i] as const))),
      /^\/lamp\/dim\/curve: must NOT have more than 11 items/,
    ],
    [
      'a point without volts',
      (c) => (c.lamp.dim.curve = [{ level: 10 }, { volts: 10, level: 100 }]),
      /^\/lamp\/dim\/curve\/0\/volts: missing/,
    ],
    [
      'points whose volts do not rise',
      (c) => (c.lamp.dim.curve = points([1, 10], [6, 50], [6, 100])),
      /^\/lamp\/dim\/curve\/2\/volts: 6 V is not above 6 V/,
    ],
    [
      'points whose light does not rise',
      (c) => (c.lamp.dim.curve = points([1, 10], [5, 60], [6, 50], [10, 100])),
      /^\/lamp\/dim\/curve\/2\/level: 50 % is not above 60 %/,
    ],
    [
      'points above the minimum level',
      (c) => (c.lamp.dim.curve = points([1, 11], [10, 100])),
      /^\/lamp\/dim\/curve\/0\/level: 11 % is above minimumLevel 10 %/,
    ],
    [
      'points that end below 100 %',
      (c) => (c.lamp.dim.curve = points([1, 10], [10, 99])),
      /^\/lamp\/dim\/curve\/1\/level: the curve ends at 99 %, not at 100 %/,
    ],
    [
      'points outside the voltages',
      (c) => (c.lamp.dim.curve = points([0.5, 10], [10, 100])),
      /^\/lamp\/dim\/curve\/0\/volts: 0\.5 V is outside minimumVolts\.\.maximumVolts/,
    ],
    ['a soft start of 3 s', (c) => (c.lamp.softStartSeconds = 3), /^\/lamp\/softStartSeconds: must be <= 2, found 3/],
    [
      'protection limits that do not rise',
      (c) => (c.lamp.protection = { reduceAboveCelsius: 85, minimumAboveCelsius: 85 }),
      /^\/lamp\/protection\/minimumAboveCelsius: 85 °C is not above reduceAboveCelsius 85 °C/,
    ],
    [
      'a virtual output of 0 %',
      (c) => (c.lamp.virtualLightOutput = 0),
      /^\/lamp\/virtualLightOutput: must be >= 1, found 0/,
    ],
    [
      'a depreciation that begins late',
      (c) => (c.lamp.clo = { curve: [{ hours: 1, percent: 100 }] }),
      /^\/lamp\/clo\/curve\/0\/hours: the curve begins at 1 h, not at 0 h/,
    ],
    [
      'a depreciation that ends below 100 %',
      (c) => (c.lamp.clo = { curve: [{ hours: 0, percent: 80 }] }),
      /^\/lamp\/clo\/curve\/0\/percent: the curve ends at 80 %, not at 100 %/,
    ],
    [
      'a depreciation out of order',
      (c) => (c.lamp.clo = { curve: [0, 9000, 9000].map((hours) => ({ hours, percent: 100 })) }),
      /^\/lamp\/clo\/curve\/2\/hours: 9000 h is not above 9000 h/,
    ],
    [
      'a cleaning on a day that does not exist',
      (c) => (c.lamp.maintenance = { initialPercent: 90, periodHours: 8760, cleaned: '2026-02-30' }),
      /^\/lamp\/maintenance\/cleaned: there is no day 2026-02-30/,
    ],
    [
      'a maintenance factor without its period',
      (c) => (c.lamp.maintenance = { initialPercent: 90, cleaned: '2026-02-28' }),
      /^\/lamp\/maintenance\/periodHours: missing/,
    ],
    ['neither dim nor relay', (c) => (c.lamp = { minimumLevel: 0, defaultLevel: 100 }), /^\/lamp: needs dim or relay/],
    [
      'a program out of order',
      (c) => (c.program[1].at = '05:30'),
      /^\/program\/1\/at: 05:30 does not come after 05:30/,
    ],
    ['a time that does not exist', (c) => (c.program[1].at = '24:00'), /^\/program\/1\/at: must match pattern/],
    [
      'a watchdog of half seconds',
      (c) => (c.watchdogSeconds = 8.5),
      /^\/watchdogSeconds: ESP32 takes whole seconds only/,
    ],
    [
      'counters on a board that does not count',
      (c) => {
        delete c.monitoring;
        c.counters = { address: '0x310000', bytes: 65536 };
      },
      /^\/counters: nothing counts without "monitoring"/m,
    ],
    [
      'a file for the flash of a board that has some',
      (c) => (c.counters = { file: 'counters', bytes: 65536 }),
      /^\/counters\/file: only a host keeps flash in a file/m,
    ],
    [
      'a journal in the settings',
      (c) => {
        c.store = { address: '0x310000', bytes: 16384 };
        c.journal = { address: '0x313000', bytes: 24576 };
      },
      /^\/journal: lies in "store"/m,
    ],
    [
      'settings where Storage is',
      (c) => (c.store = { address: '0x31E000', bytes: 16384 }),
      /^\/store: lies outside the raw flash of ESP32, 0x310000 to 0x31FFFF/m,
    ],
    [
      'settings of half a page',
      (c) => (c.store = { address: '0x311000', bytes: 10240 }),
      /^\/store\/bytes: is not two or more whole pages of 4096 bytes/m,
    ],
    [
      'two doors',
      (c) =>
        (c.inputs = [
          { pin: 'D34', signal: 'door' },
          { pin: 'D35', signal: 'door' },
        ]),
      /^\/inputs\/1\/signal: "door" is there twice/m,
    ],
    [
      'power factors that do not rise with the light',
      (c) =>
        (c.monitoring = {
          powerFactors: [
            { level: 50, powerFactor: 0.9 },
            { level: 50, powerFactor: 0.95 },
          ],
        }),
      /^\/monitoring\/powerFactors\/1\/level: 50 % is not above 50 %/m,
    ],
    [
      'too many switch points',
      (c) => {
        c.memoryClass = 'small';
        c.program = [0, 1, 2, 3, 4].map((h) => ({ at: `0${h}:00`, level: 50 }));
      },
      /^\/program: 5 switch points, memory class "small" holds 4/,
    ],
  ];
  for (const [name, change, expected] of cases) {
    it(`names the JSON path of ${name}`, async () => {
      const faults = await faultsAfter(change);
      assert.ok(
        faults.some((fault) => expected.test(fault)),
        `expected ${expected}, got:\n${faults.join('\n')}`,
      );
    });
  }

  it('reports 3 faults at once', async () => {
    const faults = await faultsAfter((config) => {
      config.lamp.relay.pin = 'D99';
      config.meters[0].line = 1;
      config.network.kind = 'host';
    });
    assert.ok(faults.length >= 3, faults.join('\n'));
  });

  it('knows what a Linux host has: device paths and no watchdog', async () => {
    const faults = await faultsAfter((config) => {
      config.interpreter = 'LINUX';
      config.network.kind = 'host';
    });
    assert.deepEqual(faults, [
      '/lines/0/port: Linux takes a device path such as /dev/ttyUSB0',
      '/watchdogSeconds: Linux has no watchdog',
    ]);
  });

  it('says which file is not JSON, and which does not exist', async () => {
    await assert.rejects(load('{"lamp": }'), /x\.json: not JSON: /);
    await assert.rejects(loadBoard('nowhere', { directory }), /nowhere\.json: no such board configuration/);
  });

  it('accepts all 5 products, one of them without an IP stack', async () => {
    const boards = await Promise.all(boardNames().map((name) => loadBoard(name)));
    assert.deepEqual(
      boards.map(({ name, network }) => `${name} ${network.kind}`),
      ['esp32 esp32-wifi', 'espruino-wifi espruino-wifi', 'linux host', 'rp2040 none', 'street host'],
    );
    assert.deepEqual(interpreters().ESPR_RP2040_PICO.networks, []);
  });

  it('describes every field of the schema', () => {
    const schema = JSON.parse(readFileSync('board-configs/schema.json', 'utf8'));
    const silent: string[] = [];
    const look = (node: Config, path: string) => {
      for (const [key, field] of Object.entries<Config>(node.properties ?? {})) {
        if (!field.description && !schema.definitions[field.$ref?.split('/').at(-1)]?.description) {
          silent.push(`${path}/${key}`);
        }
        look(field, `${path}/${key}`);
        if (field.items) look(field.items, `${path}/${key}`);
      }
      if (node.properties) assert.equal(node.additionalProperties, false, path);
    };
    look(schema, '');
    for (const [name, definition] of Object.entries<Config>(schema.definitions)) look(definition, name);
    assert.deepEqual(silent, []);
  });
});
