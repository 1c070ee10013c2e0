/**
 * Reads board configurations: `board-configs/<name>.json`, checked against `schema.json` and against what the named
 * interpreter build offers, compiled to the `Board` that firmware reads. Every fault names the file and the JSON path.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';
import { crc32 } from 'crc';
import { compileProfile, QUANTITIES } from './meter-profile.mjs';

/** @typedef {import('../firmware/board.ts').Board} Board */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIRECTORY = join(ROOT, 'board-configs');
/** JSON files of the directory that describe no board. */
const OTHERS = ['schema', 'interpreters'];

/** What a controller of each class may hold, and the jsvars its interpreter needs at least. */
export const MEMORY_CLASSES = {
  small: { variables: 2500, switchPoints: 4, meters: 1, rules: 8, programs: 4, bytes: 512 },
  medium: { variables: 6000, switchPoints: 12, meters: 4, rules: 20, programs: 10, bytes: 1792 },
  large: { variables: 12000, switchPoints: 48, meters: 16, rules: 32, programs: 16, bytes: 2560 },
};

/** A broken configuration. `faults` holds one readable line each. */
export class ConfigError extends Error {
  /** @param {string[]} faults */
  constructor(faults) {
    super(faults.join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** @returns {Record<string, Interpreter>} interpreter builds by `process.env.BOARD` */
export function interpreters() {
  const { $comment, ...builds } = JSON.parse(readFileSync(join(DIRECTORY, 'interpreters.json'), 'utf8'));
  return builds;
}

/** @returns {string[]} the names of all board configurations, sorted */
export function boardNames(directory = DIRECTORY) {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => basename(name, '.json'))
    .filter((name) => !OTHERS.includes(name))
    .sort();
}

/**
 * @param {string} name of a configuration, without `.json`
 * @param {{ directory?: string }} [options] where the configuration is; absent: board-configs
 * @returns {Promise<Board>} as firmware reads it. Rejects with a `ConfigError`.
 */
export async function loadBoard(name, options) {
  return (await loadConfig(name, options)).board;
}

/**
 * As `loadBoard`, with what the build needs besides: the interpreter build it is for and its memory class.
 *
 * @param {string} name
 * @param {{ directory?: string }} [options]
 * @returns {Promise<{ board: Board, interpreter: string, memoryClass: keyof typeof MEMORY_CLASSES }>}
 */
export async function loadConfig(name, { directory = DIRECTORY } = {}) {
  const path = join(directory, `${name}.json`);
  const file = relative(ROOT, path).startsWith('..') ? path : relative(ROOT, path);
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([`${file}: no such board configuration; known: ${boardNames(directory).join(', ')}`]);
  }
  let config;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new ConfigError([`${file}: not JSON: ${error.message}`]);
  }
  const faults = schemaFaults(config);
  const builds = interpreters();
  const build = builds[config.interpreter];
  const profiles = new Map();
  if (faults.length === 0) {
    const report = (pointer, what) => faults.push(`${pointer}: ${what}`);
    readProfiles(config.meters, profiles, report);
    checkHardware(config, builds, report);
    checkLamp(config.lamp, report);
    checkMeters(config, profiles, report);
    checkPhotocell(config, profiles, report);
    checkMonitoring(config, report);
    checkFlash(config, build, report);
    checkInstallerTest(config, report);
    checkProgram(config, report);
  }
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `${file}: ${fault}`));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return {
    board: compile(name, version, config, profiles, build),
    interpreter: config.interpreter,
    memoryClass: config.memoryClass,
  };
}

let validate;

/** @returns {string[]} what the schema says, `/path: reason`; fills in the schema's defaults. */
function schemaFaults(config) {
  validate ??= new Ajv({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    strict: true,
    strictRequired: false,
  }).compile(JSON.parse(readFileSync(join(DIRECTORY, 'schema.json'), 'utf8')));
  if (validate(config)) return [];
  const lines = validate.errors
    .filter(({ keyword }) => keyword !== 'if') // the branch that was taken has said what is wrong
    .filter(({ keyword, schemaPath }) => keyword !== 'required' || !schemaPath.includes('/anyOf/'))
    .map(({ keyword, instancePath, params, message, parentSchema, schema, data }) => {
      if (keyword === 'additionalProperties') {
        const known = Object.keys(parentSchema.properties).filter((key) => key !== '$schema');
        return `${instancePath}/${params.additionalProperty}: unknown key; known: ${known.join(', ')}`;
      }
      if (keyword === 'required') return `${instancePath}/${params.missingProperty}: missing`;
      if (keyword === 'anyOf') return `${instancePath}: needs ${schema.map((one) => one.required).join(' or ')}`;
      if (keyword === 'enum') return `${instancePath}: ${JSON.stringify(data)} is not one of ${schema.join(', ')}`;
      if (keyword === 'const') return `${instancePath}: must be ${JSON.stringify(schema)}`;
      return `${instancePath || '/'}: ${message}, found ${JSON.stringify(data)}`;
    });
  return [...new Set(lines)];
}

/** Values of up to 5 bytes in a report of 1024, beside all else. */
const MOST_VALUES = 140;

function readProfiles(meters, profiles, report) {
  const directory = join(DIRECTORY, 'profiles');
  const known = readdirSync(directory)
    .filter((name) => name.endsWith('.json') && name !== 'schema.json')
    .map((name) => basename(name, '.json'));
  for (const [index, { profile }] of meters.entries()) {
    const pointer = `/meters/${index}/profile`;
    if (!known.includes(profile)) {
      report(pointer, `no profile "${profile}"; known: ${known.sort().join(', ')}`);
      continue;
    }
    if (profiles.has(profile)) continue;
    try {
      const source = JSON.parse(readFileSync(join(directory, `${profile}.json`), 'utf8'));
      profiles.set(profile, { ...compileProfile(source), serial: source.serial });
    } catch (error) {
      for (const line of error.message.split('\n')) report(pointer, `profile "${profile}": ${line}`);
    }
  }
  const values = meters.reduce((sum, { profile }) => sum + (profiles.get(profile)?.quantities.length ?? 0), 0);
  if (values > MOST_VALUES) report('/meters', `${values} values in all, a report holds ${MOST_VALUES}`);
}

/** The pins that a configuration names: `[pointer, pin, is it an output, is it pulled up or down]`. */
function* pinsOf({ lamp, lines, presence, inputs }) {
  if (lamp.dim) yield ['/lamp/dim/pin', lamp.dim.pin, true];
  if (lamp.relay) yield ['/lamp/relay/pin', lamp.relay.pin, true];
  if (presence) yield ['/presence/pin', presence.pin, false, presence.pull];
  for (const [index, input] of inputs.entries()) yield [`/inputs/${index}/pin`, input.pin, false, input.pull];
  for (const [index, line] of lines.entries()) {
    if (line.receive) yield [`/lines/${index}/receive`, line.receive, false];
    if (line.transmit) yield [`/lines/${index}/transmit`, line.transmit, true];
    if (line.driverEnable) yield [`/lines/${index}/driverEnable`, line.driverEnable, true];
  }
}

function checkHardware(config, builds, report) {
  const build = builds[config.interpreter];
  if (!build) {
    report('/interpreter', `unknown "${config.interpreter}"; known: ${Object.keys(builds).join(', ')}`);
    return;
  }
  const users = new Map();
  for (const [pointer, pin, output, pull] of pinsOf(config)) {
    if (!build.pins.includes(pin)) report(pointer, `${build.name} has no pin ${pin}; it has ${ranges(build.pins)}`);
    else if (build.reserved[pin]) report(pointer, `pin ${pin} is taken: ${build.reserved[pin]}`);
    else if (output && build.inputOnly.includes(pin)) report(pointer, `pin ${pin} of ${build.name} is an input only`);
    else if (pull && build.inputOnly.includes(pin)) {
      report(pointer, `pin ${pin} of ${build.name} has no resistor to pull it ${pull}`);
    }
    if (users.has(pin)) report(pointer, `pin ${pin} is used twice, first by ${users.get(pin)}`);
    else users.set(pin, pointer);
  }
  const { dim } = config.lamp;
  if (dim && build.pins.includes(dim.pin) && !build[dim.output].includes(dim.pin)) {
    report(
      '/lamp/dim/pin',
      `pin ${dim.pin} of ${build.name} has no ${dim.output}; ${ranges(build[dim.output]) || 'no pin'} has`,
    );
  }
  checkPorts(config.lines, build, report);
  const { kind } = config.network;
  if (kind !== 'none' && !build.networks.includes(kind)) {
    report('/network/kind', `${build.name} has no "${kind}"; it has ${['none', ...build.networks].join(', ')}`);
  }
  const seconds = config.watchdogSeconds;
  if (seconds !== undefined) {
    const { watchdog } = build;
    if (!watchdog) report('/watchdogSeconds', `${build.name} has no watchdog`);
    else if (seconds > watchdog.maximumSeconds)
      report('/watchdogSeconds', `${build.name} waits ${watchdog.maximumSeconds} s at most`);
    else if (watchdog.wholeSeconds && seconds % 1) report('/watchdogSeconds', `${build.name} takes whole seconds only`);
  }
  const needed = MEMORY_CLASSES[config.memoryClass].variables;
  if (build.variables > 0 && build.variables < needed) {
    report('/memoryClass', `"${config.memoryClass}" needs ${needed} jsvars, ${build.name} has ${build.variables}`);
  }
}

function checkPorts(lines, build, report) {
  const users = new Map();
  for (const [index, line] of lines.entries()) {
    const pointer = `/lines/${index}`;
    if (users.has(line.port)) report(`${pointer}/port`, `${line.port} is used twice, first by ${users.get(line.port)}`);
    users.set(line.port, `${pointer}/port`);
    if (build.serial === 'path') {
      if (!line.port.startsWith('/'))
        report(`${pointer}/port`, `${build.name} takes a device path such as /dev/ttyUSB0`);
      continue;
    }
    const port = build.serial[line.port];
    if (!port) {
      const free = Object.keys(build.serial).filter((name) => !build.serial[name].reserved);
      report(`${pointer}/port`, `${build.name} has no serial port "${line.port}"; free are ${free.join(', ')}`);
      continue;
    }
    if (port.reserved) report(`${pointer}/port`, `${line.port} is taken: ${port.reserved}`);
    for (const role of ['receive', 'transmit']) {
      if (!line[role]) report(`${pointer}/${role}`, 'missing');
      else if (port[role] && !port[role].includes(line[role]))
        report(
          `${pointer}/${role}`,
          `${line.port} cannot ${role} on ${line[role]}; it can on ${port[role].join(', ')}`,
        );
    }
  }
}

function checkLamp({ dim, minimumLevel, defaultLevel, protection, clo, maintenance }, report) {
  if (protection && protection.minimumAboveCelsius <= protection.reduceAboveCelsius) {
    const { reduceAboveCelsius, minimumAboveCelsius } = protection;
    report(
      '/lamp/protection/minimumAboveCelsius',
      `${minimumAboveCelsius} °C is not above reduceAboveCelsius ${reduceAboveCelsius} °C`,
    );
  }
  if (clo) checkDepreciation(clo.curve, report);
  if (maintenance && !isDate(maintenance.cleaned)) {
    report('/lamp/maintenance/cleaned', `there is no day ${maintenance.cleaned}`);
  }
  checkLevel(defaultLevel, minimumLevel, '/lamp/defaultLevel', report);
  if (!dim) return;
  if (dim.minimumVolts >= dim.maximumVolts) {
    report('/lamp/dim/minimumVolts', `${dim.minimumVolts} V is not below maximumVolts ${dim.maximumVolts} V`);
  }
  if (dim.maximumVolts > dim.fullScaleVolts) {
    report('/lamp/dim/maximumVolts', `${dim.maximumVolts} V is above fullScaleVolts ${dim.fullScaleVolts} V`);
  }
  if (dim.output === 'pwm' && dim.hertz === undefined) report('/lamp/dim/hertz', 'missing, a PWM output needs it');
  if (dim.output === 'dac' && dim.hertz !== undefined) report('/lamp/dim/hertz', 'a DAC has no frequency');
  if (minimumLevel >= 100) report('/lamp/minimumLevel', `${minimumLevel} % leaves nothing to dim`);
  if (Array.isArray(dim.curve)) checkCurve(dim, minimumLevel, report);
  else if (dim.curve === 'logarithmic' && minimumLevel < LOWEST_ARC) {
    report('/lamp/minimumLevel', `${minimumLevel} % is below ${LOWEST_ARC} %, where a logarithmic curve begins`);
  }
}

/** % of light at arc level 1. Source: IEC 62386-102. */
const LOWEST_ARC = 0.1;

/** Reports every point whose `key` is not above that of the point before. */
function checkAscending(points, key, unit, pointer, report) {
  for (const [index, point] of points.entries()) {
    if (index === 0 || point[key] > points[index - 1][key]) continue;
    report(`${pointer}/${index}/${key}`, `${point[key]} ${unit} is not above ${points[index - 1][key]} ${unit}`);
  }
}

function checkCurve({ curve, minimumVolts, maximumVolts }, minimumLevel, report) {
  const pointer = '/lamp/dim/curve';
  checkAscending(curve, 'volts', 'V', pointer, report);
  checkAscending(curve, 'level', '%', pointer, report);
  for (const [index, { volts }] of curve.entries()) {
    if (volts >= minimumVolts && volts <= maximumVolts) continue;
    report(`${pointer}/${index}/volts`, `${volts} V is outside minimumVolts..maximumVolts`);
  }
  if (curve[0].level > minimumLevel) {
    report(`${pointer}/0/level`, `${curve[0].level} % is above minimumLevel ${minimumLevel} %`);
  }
  const last = curve.length - 1;
  if (curve[last].level < 100)
    report(`${pointer}/${last}/level`, `the curve ends at ${curve[last].level} %, not at 100 %`);
}

/** Source: TALQ 2.7.1 `lumenDepreciationCurve`: the first entry is at 0 hours, the last at 100 %. */
function checkDepreciation(curve, report) {
  const pointer = '/lamp/clo/curve';
  checkAscending(curve, 'hours', 'h', pointer, report);
  if (curve[0].hours !== 0) report(`${pointer}/0/hours`, `the curve begins at ${curve[0].hours} h, not at 0 h`);
  const last = curve.length - 1;
  const { percent } = curve[last];
  if (percent !== 100) report(`${pointer}/${last}/percent`, `the curve ends at ${percent} %, not at 100 %`);
}

/** @param text YYYY-MM-DD */
function isDate(text) {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function checkMeters({ meters, lines, memoryClass }, profiles, report) {
  const users = new Map();
  for (const [index, meter] of meters.entries()) {
    if (!lines[meter.line]) {
      const known = lines.length === 0 ? 'no lines at all' : `lines 0..${lines.length - 1}`;
      report(`/meters/${index}/line`, `no line ${meter.line}; there are ${known}`);
    }
    const key = `${meter.line} ${meter.unit}`;
    if (users.has(key))
      report(`/meters/${index}/unit`, `unit ${meter.unit} is already on line ${meter.line}: ${users.get(key)}`);
    else users.set(key, `/meters/${index}/unit`);
  }
  for (const [index, line] of lines.entries()) {
    const meter = meters.find((one) => one.line === index);
    if (!meter) report(`/lines/${index}`, 'no meter uses this line');
    else if (!line.baud && profiles.has(meter.profile) && !profiles.get(meter.profile).serial?.baud)
      report(`/lines/${index}/baud`, `missing, and profile "${meter.profile}" has no serial settings`);
  }
  const limit = MEMORY_CLASSES[memoryClass].meters;
  if (meters.length > limit) report('/meters', `${meters.length} meters, memory class "${memoryClass}" holds ${limit}`);
}

function checkPhotocell({ photocell, meters }, profiles, report) {
  if (photocell && !seesLight(meters, profiles)) report('/photocell', 'none of the meters measures light');
}

function checkMonitoring({ monitoring, counters, inputs }, report) {
  if (!monitoring && counters) report('/counters', 'nothing counts without "monitoring"');
  if (!monitoring && inputs.length > 0) report('/inputs', 'nothing is told of them without "monitoring"');
  const signals = inputs.map(({ signal }) => signal);
  for (const [index, signal] of signals.entries()) {
    if (signals.indexOf(signal) < index) report(`/inputs/${index}/signal`, `"${signal}" is there twice`);
  }
  checkAscending(monitoring?.powerFactors ?? [], 'level', '%', '/monitoring/powerFactors', report);
}

/** What lies in raw flash. */
const AREAS = ['counters', 'store', 'journal'];

/** Areas of raw flash are whole pages of what the interpreter leaves free, and lie apart. */
function checkFlash(config, interpreter, report) {
  const areas = AREAS.filter((key) => config[key]).map((key) => ({ key, ...areaOf(config[key]) }));
  const host = config.interpreter === 'LINUX';
  if (!interpreter) return;
  const { flash } = interpreter;
  for (const [index, { key, address, file, size }] of areas.entries()) {
    if (host && !file) report(`/${key}/file`, 'missing, a host has no raw flash');
    if (!host && file) report(`/${key}/file`, 'only a host keeps flash in a file; name its address');
    if (!flash) {
      report(`/${key}`, `${interpreter.name} has no raw flash`);
      continue;
    }
    const begin = Number(flash.address);
    const end = begin + flash.bytes;
    if (!(address >= begin && address + size <= end)) {
      report(`/${key}`, `lies outside the raw flash of ${interpreter.name}, ${hex(begin)} to ${hex(end - 1)}`);
    }
    if (address % flash.page) report(`/${key}/address`, `is not the begin of a page of ${flash.page} bytes`);
    if (size % flash.page || size < 2 * flash.page) {
      report(`/${key}/bytes`, `is not two or more whole pages of ${flash.page} bytes`);
    }
    const clash = areas
      .slice(0, index)
      .find((other) => other.file === file && address < other.address + other.size && other.address < address + size);
    if (clash) report(`/${key}`, `lies in "${clash.key}"`);
  }
}

const hex = (address) => `0x${address.toString(16).toUpperCase()}`;

/** @returns {import('../hal/hal.ts').FlashOptions} */
const areaOf = ({ address, file, bytes }) => ({ address: Number(address ?? 0), file, size: bytes });

/** A lamp is off, or gives its minimum at least. */
function checkLevel(level, minimumLevel, pointer, report) {
  if (level > 0 && level < minimumLevel) report(pointer, `${level} % is below minimumLevel ${minimumLevel} %`);
}

function checkInstallerTest({ installerTest, lamp }, report) {
  for (const [index, { level }] of (installerTest?.steps ?? []).entries()) {
    checkLevel(level, lamp.minimumLevel, `/installerTest/steps/${index}/level`, report);
  }
}

const minuteOf = (at) => Number(at.slice(0, 2)) * 60 + Number(at.slice(3));

function checkProgram({ program, memoryClass, lamp }, report) {
  for (const [index, point] of program.entries()) {
    if (index > 0 && minuteOf(point.at) <= minuteOf(program[index - 1].at)) {
      report(`/program/${index}/at`, `${point.at} does not come after ${program[index - 1].at}`);
    }
    checkLevel(point.level, lamp.minimumLevel, `/program/${index}/level`, report);
  }
  const limit = MEMORY_CLASSES[memoryClass].switchPoints;
  if (program.length > limit) {
    report('/program', `${program.length} switch points, memory class "${memoryClass}" holds ${limit}`);
  }
}

/** "D0..D3, D5": a list of pins, runs of neighbours joined. */
function ranges(pins) {
  const runs = [];
  for (const pin of pins) {
    const port = pin[0];
    const number = Number(pin.slice(1));
    const last = runs.at(-1);
    if (last && last.port === port && last.to === number - 1) last.to = number;
    else runs.push({ port, from: number, to: number });
  }
  return runs.map(({ port, from, to }) => (from === to ? `${port}${from}` : `${port}${from}..${port}${to}`)).join(', ');
}

const milliseconds = (seconds) => Math.round(seconds * 1000);

const HOUR = 3_600_000;

/** What a command is worth; undefined when nothing changes it. */
function compileLight({ virtualLightOutput = 100, clo, maintenance }) {
  if (virtualLightOutput === 100 && !clo && !maintenance) return undefined;
  const cleaned = maintenance && Date.parse(`${maintenance.cleaned}T00:00:00Z`);
  return {
    virtualOutput: virtualLightOutput,
    clo: clo?.curve.flatMap(({ hours, percent }) => [hours, percent]),
    maintenance: maintenance && [cleaned, maintenance.initialPercent, cleaned + maintenance.periodHours * HOUR, 100],
  };
}

/** Linear is what the driver does without a curve. */
function compileCurve(curve) {
  if (Array.isArray(curve)) return curve.flatMap(({ volts, level }) => [level, volts]);
  return curve === 'linear' ? undefined : curve;
}

const ILLUMINANCE = QUANTITIES.indexOf('Illuminance');
/** Lux of a photocell that nobody configured: off at twice the light. */
const DARK = { onLux: 35, offLux: 70 };

/** @returns {boolean} whether one of the units measures light */
const seesLight = (meters, profiles) =>
  meters.some(({ profile }) => profiles.get(profile)?.quantities.includes(ILLUMINANCE));

function compilePhotocell({ photocell = DARK, meters }, profiles) {
  return seesLight(meters, profiles) ? { on: photocell.onLux, off: photocell.offLux } : undefined;
}

/** `EventCode`s of inputs. Source: firmware/link/messages.ts. */
const SIGNALS = { mains: 8, contactor: 9, leakage: 10, door: 16, tilt: 17 };
/** First `EventCode` of limits, its flags, and the unit that stands for the controller. */
const LIMIT = 64;
const TOO_HIGH = 1;
const OF_LAMP = 2;
const CONTROLLER = 255;
/** `LogColumn`s of the lamp's light and the controller's temperature, and the `Counter` of active energy. */
const LIGHT_COLUMN = 32;
const TEMPERATURE_COLUMN = 33;
const ENERGY_COLUMN = 0;
/** Part of the nominal voltage beyond which the supply is too high or too low. */
const SUPPLY = 0.15;

/** Power factors that are asked for where nobody says: below, the gear's mains filter rules. */
const POWER_FACTORS = [
  { level: 50, powerFactor: 0.85 },
  { level: 80, powerFactor: 0.9 },
];

const quantity = (name) => QUANTITIES.indexOf(name);
const LAMP_METER = [
  'SupplyVoltage',
  'SupplyCurrent',
  'ActivePower',
  'ReactivePower',
  'ApparentPower',
  'PowerFactor',
  'ActiveEnergy',
].map(quantity);

/** @returns {import('../firmware/board.ts').MonitoringConfig | undefined} */
function compileMonitoring({ monitoring, meters }, profiles) {
  if (!monitoring) return undefined;
  const { wattage, powerFactors = POWER_FACTORS, nominalVolts, highCelsius, recordSeconds } = monitoring;
  const units = meters.map(({ profile }) => profiles.get(profile).quantities);
  const unit = units.findIndex((quantities) => quantities.includes(quantity('ActivePower')));
  const places = LAMP_METER.map((code) => (unit < 0 ? -1 : units[unit].indexOf(code)));
  const steps = (value, factor) => Math.round(value * factor);
  const limits = [LIMIT + 4 * quantity('Temperature') + TOO_HIGH + OF_LAMP, CONTROLLER, steps(highCelsius, 10)];
  const voltage = LIMIT + 4 * quantity('SupplyVoltage') + OF_LAMP;
  if (places[0] >= 0) {
    limits.push(voltage, unit, steps(nominalVolts * (1 - SUPPLY), 10));
    limits.push(voltage + TOO_HIGH, unit, steps(nominalVolts * (1 + SUPPLY), 10));
  }
  const column = (index, code) => 64 * (index + 1) + code;
  const electric = places
    .slice(0, 6)
    .flatMap((place, i) => (place < 0 || i === 4 ? [] : [column(unit, LAMP_METER[i])]));
  const light = units.findIndex((quantities) => quantities.includes(ILLUMINANCE));
  const ambient = light < 0 ? TEMPERATURE_COLUMN : column(light, ILLUMINANCE);
  const columns = [...electric, ENERGY_COLUMN, LIGHT_COLUMN, ambient];
  return {
    unit,
    places,
    lamp: [
      wattage === undefined ? null : steps(wattage, 10),
      steps(monitoring.powerLightGradient, 1000),
      steps(monitoring.toleranceWatts, 10),
      monitoring.warmUpSeconds,
      steps(monitoring.standbyWatts, 10),
      ...powerFactors.flatMap(({ level, powerFactor }) => [level, steps(powerFactor, 1000)]),
    ],
    nominal: steps(nominalVolts, 10),
    switched: monitoring.switchedSupply,
    limits,
    recorder: recordSeconds > 0 ? [recordSeconds, ...columns] : [],
  };
}

/** @returns {number[]} `EventCode`s that this product can tell, limits apart */
function eventsOf({ monitoring, counters, inputs, lamp, meters, photocell }, profiles) {
  if (!monitoring) return [];
  const { unit, places } = compileMonitoring({ monitoring, meters }, profiles);
  const has = (index) => places[index] >= 0;
  const codes = [11, 19, 20, 21, 23, 24, ...inputs.map(({ signal }) => SIGNALS[signal])];
  if (unit >= 0) codes.push(0, 3, 4, 6, 12);
  if (unit >= 0 && lamp.relay) codes.push(1, ...(has(1) ? [2] : []));
  if (unit >= 0 && lamp.dim) codes.push(5);
  if (has(5)) codes.push(7);
  if (has(0)) codes.push(13, 14);
  if (meters.length > 0) codes.push(15);
  if (counters) codes.push(8);
  if (compilePhotocell({ photocell, meters }, profiles)) codes.push(18);
  return [...new Set(codes)].sort((a, b) => a - b);
}

/** @returns {Board} */
function compile(name, version, config, profiles, build) {
  const { lamp, lines, meters, network, program } = config;
  const { dim, relay } = lamp;
  return withoutUndefined({
    name,
    version,
    lamp: {
      dim: dim && {
        pin: dim.pin,
        hz: dim.hertz,
        inverted: dim.inverted,
        fullScale: dim.fullScaleVolts,
        minimum: dim.minimumVolts,
        maximum: dim.maximumVolts,
        curve: compileCurve(dim.curve),
      },
      relay,
      minimumLevel: lamp.minimumLevel,
      defaultLevel: lamp.defaultLevel,
      minimumOffTime: milliseconds(lamp.minimumOffSeconds),
      dischargeTime: milliseconds(lamp.dischargeSeconds),
      softStart: dim ? milliseconds(lamp.softStartSeconds) : 0,
      light: compileLight(lamp),
      protection: lamp.protection && {
        reduce: lamp.protection.reduceAboveCelsius,
        minimum: lamp.protection.minimumAboveCelsius,
      },
    },
    lines: lines.map((line, index) => {
      const serial = profiles.get(meters.find((meter) => meter.line === index).profile).serial;
      return { ...serial, ...line };
    }),
    meters: meters.map((meter) => {
      const { quantities, plan, timeout } = profiles.get(meter.profile);
      return {
        line: meter.line,
        unit: meter.unit,
        profile: meter.profile,
        period: milliseconds(meter.periodSeconds),
        timeout: meter.timeoutSeconds === undefined ? timeout : milliseconds(meter.timeoutSeconds),
        quantities,
        plan,
      };
    }),
    network: { kind: network.kind, tls: network.tls, keepAlive: network.keepAliveSeconds },
    timetable: ownTimetable(program, config.utcOffsetMinutes),
    limits: limitsOf(config.memoryClass),
    monitoring: compileMonitoring(config, profiles),
    counters: config.counters && {
      flash: areaOf(config.counters),
      period: milliseconds(config.counters.periodSeconds),
    },
    store: config.store && areaOf(config.store),
    journal: config.journal && areaOf(config.journal),
    contacts: config.inputs.map(({ signal, ...input }) => ({ code: SIGNALS[signal], input })),
    events: eventsOf(config, profiles),
    presence: config.presence,
    photocell: compilePhotocell(config, profiles),
    test: config.installerTest?.steps.flatMap(({ level, seconds }) => [level, milliseconds(seconds)]),
    testAlways: config.installerTest?.always ?? false,
    reportPeriod: milliseconds(config.reportSeconds),
    watchdog: config.watchdogSeconds && milliseconds(config.watchdogSeconds),
    keepsTime: build.clockOutlivesReset || undefined,
  });
}

/** @returns what a timetable may hold: bytes, rules, programs, switch points a program */
function limitsOf(memoryClass) {
  const { bytes, rules, programs, switchPoints } = MEMORY_CLASSES[memoryClass];
  return [bytes, rules, programs, switchPoints];
}

/**
 * The fixed daily program as a timetable (firmware/link/timetable.ts): one program without rules, periods or sun, in a
 * zone without daylight saving.
 *
 * @returns {number[]} bytes; none for an empty program
 */
function ownTimetable(program, utcOffset) {
  if (program.length === 0) return [];
  const sign = utcOffset < 0 ? '-' : '+';
  const clock = [Math.floor(Math.abs(utcOffset) / 60), Math.abs(utcOffset) % 60].map((part) =>
    String(part).padStart(2, '0'),
  );
  // POSIX counts westward.
  const zone = Buffer.from(`<${sign}${clock.join('')}>${utcOffset < 0 ? '' : '-'}${clock.join(':')}`);
  const head = Buffer.alloc(24);
  head.set([1, 0, 0, 0, 1, zone.length]);
  head.writeInt32BE(2147483647, 6);
  head.writeInt32BE(2147483647, 10);
  head.writeUInt16BE(head.length + zone.length, 22);
  const points = program.map(({ at, level, rampSeconds }) => {
    const point = Buffer.alloc(9);
    point[0] = level;
    point.writeUInt16BE(rampSeconds * 10, 1);
    point.writeUInt16BE(65535, 3);
    point.writeUIntBE(minuteOf(at) * 60, 6, 3);
    return point;
  });
  const body = Buffer.concat([head, zone, Buffer.from([0, points.length, 0, 0]), ...points]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body) >>> 0);
  return [...body, ...check];
}

/** JSON has no undefined: absent keys stay absent in the bundle. */
const withoutUndefined = (value) => JSON.parse(JSON.stringify(value));

/**
 * @typedef {object} Interpreter
 * @property {string} name for people
 * @property {number} variables jsvars; 0 grows
 * @property {string[]} pins
 * @property {string[]} inputOnly
 * @property {Record<string, string>} reserved pin to what has it
 * @property {string[]} dac
 * @property {string[]} pwm
 * @property {'path' | Record<string, { reserved?: string, receive?: string[], transmit?: string[] }>} serial
 * @property {string[]} networks kinds of IP stack
 * @property {{ maximumSeconds: number, wholeSeconds?: boolean } | null} watchdog
 * @property {number} storage bytes
 * @property {{ address: string, bytes: number, page: number } | null} flash raw flash that neither it nor Storage uses
 */
