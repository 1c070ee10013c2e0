/**
 * What a lamp's decision costs on the interpreter: instructions and variables of the sun, and of a timetable with a
 * calendar of 20 rules and 10 programs of 12 switch points. `npm run bench:espruino` prints it.
 */
import { crc32 } from 'crc';
import type { Calendar, ControlProgram } from '../gateway/talq/control-objects.ts';
import { posixZone } from '../gateway/talq/time-zones.ts';
import { compileTimetable } from '../gateway/talq/timetable.ts';
import { bundle } from '../scripts/bundle.mjs';
import { Depth, instrument } from '../scripts/call-depth.mjs';
import { boot, cost } from '../scripts/interpreter.mjs';

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** 23:30 in Brussels on a Wednesday. */
const NIGHT = Date.UTC(2026, 4, 6, 21, 30);

export interface Measurement {
  name: string;
  value: number;
  unit: 'instructions' | 'variables' | 'calls' | 'bytes';
  /** The most that is allowed. */
  limit?: number;
}

const pad = (value: number) => String(value).padStart(2, '0');
const level = (value: number) => ({ state: { name: 'LevelState', value } });

/** @param astro how many of its 12 switch points follow the sun */
function program(id: string, astro: number): ControlProgram {
  const fixed = Array.from({ length: 12 - astro }, (_, i) => ({
    startTime: `${pad(2 * i)}:00:00`,
    command: level(20 + 5 * i),
  }));
  const controls = (['sunset', 'sunrise'] as const).slice(0, astro);
  return {
    type: 'ControlProgramOne',
    id,
    ownerCMS: 'cms',
    activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }],
    fixedTimeControls: fixed,
    astroClockTimeControls: controls.map((solarEventType) => ({
      offset: 15,
      solarEventType,
      operation: 'Max',
      command: level(80),
    })),
    dynamicControls: [
      {
        period: { startTime: '22:00:00', endTime: '05:00:00' },
        effect: {
          type: 'FixedControlEffect',
          operation: 'Max',
          holdTime: 30,
          source: { sensor: { sensorAddresses: ['presence'] } },
          command: level(100),
        },
      },
    ],
  } as ControlProgram;
}

/** No rule holds on `NIGHT`, so that all of them are read. */
function calendar(length: number): Calendar {
  const rules = Array.from({ length }, (_, i) => {
    const ruled = { program: `p${i % 10}` };
    const month = pad((i % 4) + 7);
    if (i % 4 === 0) return { ...ruled, startDate: `--${month}-01`, endDate: `--${month}-20` };
    if (i % 4 === 1) return { ...ruled, condition: { type: 'ccDay', days: [{ start: 5, end: 6 }] } };
    if (i % 4 === 2) return { ...ruled, startDate: `2026-${month}-01`, endDate: `2026-${month}-20` };
    return { ...ruled, condition: { type: 'ccDate', dates: [{ start: '--12-24' }, { start: `--${month}-03` }] } };
  });
  return { id: 'cal', ownerCMS: 'cms', rules, defaultProgram: 'p0' } as Calendar;
}

/**
 * The calendar of 20 rules with its 10 programs, compiled.
 * @param astro how many switch points of each program follow the sun
 * @param rules of the calendar, 10 or more use all programs
 */
export function timetable(astro: number, rules = 20): Uint8Array {
  const ids = Array.from({ length: 10 }, (_, i) => `p${i}`);
  const zone = posixZone('Europe/Brussels');
  if ('error' in zone) throw new Error(zone.error);
  return compileTimetable(calendar(rules), new Map(ids.map((id) => [id, program(id, astro)])), {
    dayOffset: 12,
    zone: zone.posix,
    location: { latitude: 50.8503, longitude: 4.3517 },
    assigned: Date.UTC(2026, 0, 1),
    presence: 1,
    sensor: () => 1,
  });
}

const SUN = `import { sunEvent } from './firmware/control/sun.ts';
  global.sun = sunEvent;`;

/** An arbiter whose plan is the timetable in the Storage file `t`. */
const DECISION = `import { Arbiter } from './firmware/control/arbiter.ts';
  import { Sensors } from './firmware/control/sensors.ts';
  import { sunEvent } from './firmware/control/sun.ts';
  import { Timetable } from './firmware/control/timetable.ts';
  const clock = { uptime() { return 0; }, time() { return global.now; }, after() { return 1; }, cancel() {} };
  const schedule = { add() { return 0; }, at() {}, cancel() {} };
  global.read = function () { return new Uint8Array(require('Storage').readArrayBuffer('t')); };
  global.now = ${NIGHT};
  global.table = new Timetable({ timetable: global.read }, new Sensors(), sunEvent);
  const store = { setOverrides() {}, overrides: () => [] };
  global.arbiter = new Arbiter(clock, schedule, table, store, 100, { apply() {} }, undefined);`;

/** Reads the file as the firmware's storage does. */
const STORAGE = `import { storage } from './hal/espruino/storage.ts';
  global.load = function () { return storage.read('t'); };`;

/** Script text that writes the timetable to Storage. */
const stored = (name: string, bytes: Uint8Array) =>
  `require('Storage').write(${JSON.stringify(name)},E.toUint8Array(atob("${Buffer.from(bytes).toString('base64')}")));\n`;

const script = (source: string) => bundle({ source }).then(({ code }) => code as string);

/** The interpreter reads its console only while a timer runs. */
const AWAKE = 'setInterval(function(){},5);';

/** jsvars in use after booting from flash. */
async function usage(code: string, files: Record<string, Uint8Array> = {}): Promise<number> {
  const board = boot({ files: { '.bootcde': code + AWAKE, ...files } });
  try {
    return await board.evaluate('process.memory().usage');
  } finally {
    await board.stop();
  }
}

/** @returns the deepest chain of the firmware's functions from `arbiter.run()`, over a year of hours, outermost first. */
export async function deepestChain(astro: number): Promise<string[]> {
  const { code, map } = await bundle({ source: DECISION });
  const { code: counted, names } = instrument(code, map);
  const depth = new Depth();
  const bytes = timetable(astro);
  const storage = { readArrayBuffer: () => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) };
  // biome-ignore lint/suspicious/noExplicitAny: what the script leaves there
  const site: any = {};
  site.global = site;
  const run = new Function('site', '__enter', '__leave', 'require', `with(site){${counted}}`);
  run(site, depth.enter, depth.leave, () => storage);
  depth.deepest = [];
  for (let hour = 0; hour < 366 * 24; hour++) {
    site.now = Date.UTC(2026, 0, 1, hour);
    site.arbiter.run();
  }
  return (depth.deepest as number[]).map((number) => names[number]);
}

/** Counts on the interpreter that ESPRUINO names; takes a minute or two. */
export async function measureDecision(): Promise<Measurement[]> {
  const found: Measurement[] = [];
  const count = (name: string, setup: string, body: string, limit?: number) =>
    found.push({ name, value: cost(setup, body, { few: 3, many: 13 }), unit: 'instructions', limit });
  const sun = await script(SUN);
  const day = Math.floor(NIGHT / DAY);
  count('one rise or set', sun, `sun(${day},50.8503,4.3517,true,90.833);`, 4_200_000);
  const code = await script(DECISION);
  for (const astro of [0, 2]) {
    const setup = `${stored('t', timetable(astro))}${code}\narbiter.run();`;
    const name = (text: string) => `${text}, ${astro} of 12 points by the sun`;
    count(name('decision, steady'), setup, 'table.decide(now,100);', 2_000_000);
    count(name('decision, switch point'), setup, `now=${2 * NIGHT + HOUR}-now;table.decide(now,100);`);
    count(name('decision, first of a day'), setup, `now+=${DAY};table.decide(now,100);`, 25_000_000);
    count(name('decision, first after boot'), setup, `now=${2 * NIGHT + 10 * DAY}-now;table.decide(now,100);`);
    count(name('arbiter, steady'), setup, 'arbiter.run();');
    found.push({
      name: name('calls from the arbiter'),
      value: (await deepestChain(astro)).length,
      unit: 'calls',
      limit: 8,
    });
  }
  const bytes = timetable(0);
  const storage = await script(STORAGE);
  count(`storage.read of ${bytes.length} bytes`, `${storage}\n${stored('t~0', record(bytes))}`, 'load();');
  const empty = await usage('0');
  found.push({ name: 'sun', value: (await usage(sun)) - empty, unit: 'variables', limit: 306 });
  const decided = `${code}\narbiter.run();`;
  const whole = await usage(decided, { t: bytes });
  found.push({ name: 'sun, timetable, sensors and arbiter, decided', value: whole - empty, unit: 'variables' });
  const small = timetable(0, 0);
  const copied = whole - (await usage(decided, { t: small }));
  found.push({
    name: `${bytes.length} instead of ${small.length} bytes of timetable`,
    value: copied,
    unit: 'variables',
    limit: 0,
  });
  return found;
}

/** As `hal/espruino/storage.ts` stores a value: sequence number, value, CRC-32 of both, little-endian. */
export function record(value: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.of(0), value]);
  const check = Buffer.alloc(4);
  check.writeUInt32LE(crc32(body) >>> 0);
  return Buffer.concat([body, check]);
}
