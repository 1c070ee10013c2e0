import assert from 'node:assert/strict';
import { instantOf, offsetAt, parseZone, type Zone } from '../../firmware/control/local-time.ts';
import { SunKind, sunEvent } from '../../firmware/control/sun.ts';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, cost, interpreter } from '../../scripts/interpreter.mjs';
import { computed, published } from '../reference/sun-vectors.ts';
import { ZONES } from '../reference/zone-vectors.ts';

const DAY = 86_400_000;
const HORIZON = 90.833;
const script = (source: string) => bundle({ source }).then(({ code }) => code as string);
const SUN = `import { sunEvent } from './firmware/control/sun.ts'; global.sun = sunEvent;`;
const TIME = `import { instantOf, offsetAt, parseZone } from './firmware/control/local-time.ts';
  global.parse = parseZone; global.offset = offsetAt; global.instant = instantOf;`;

/**
 * Boots the interpreter from flash with a script and the statements after it. Nothing is typed at the console: the Linux
 * build drops dead when much arrives there at once. `tell` prints a value as JSON.
 *
 * @returns what was told
 */
async function results(code: string, statements: string): Promise<unknown[]> {
  const tell = 'global.tell=function(value){print("<"+JSON.stringify(value)+">");};';
  const board = boot({ files: { '.bootcde': `${code}${tell}${statements};print("done");` } });
  try {
    await board.expect(/^done/m, { timeout: 100_000 });
    return [...board.output().matchAll(/<(.*)>\r?$/gm)].map(([, text]) => JSON.parse(text));
  } finally {
    await board.stop();
  }
}

/** jsvars that are taken after booting from flash with this script. */
async function usage(code: string): Promise<number> {
  const [used] = await results(code, 'tell(process.memory().usage)');
  return used as number;
}

describe('sun and local time on the interpreter', () => {
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: sun and local time on the interpreter need ESPRUINO');
    this.skip();
  });

  it(`gives the same ${published.length + computed.length} rises, sets and kinds as Node, to 1 ms`, async () => {
    const vectors = [...published, ...computed].map(({ date, latitude, longitude, rising, zenith }) => {
      const day = Date.parse(`${date}T00:00Z`) / DAY;
      return { day, latitude, longitude, rising, zenith };
    });
    const calls = vectors.map((v) => `sun(${v.day},${v.latitude},${v.longitude},${v.rising},${v.zenith})`);
    const actual = await results(await script(SUN), calls.map((call) => `tell(${call})`).join(';'));
    assert.equal(actual.length, vectors.length);
    for (const [i, { day, latitude, longitude, rising, zenith }] of vectors.entries()) {
      const { kind, time } = actual[i] as { kind: SunKind; time: number };
      const expected = sunEvent(day, latitude, longitude, rising, zenith);
      assert.equal(kind, expected.kind, calls[i]);
      if (expected.kind === SunKind.Event) assert.ok(Math.abs(time - expected.time) <= 1, `${calls[i]}: ${time}`);
    }
  });

  it('takes at most 4,200,000 instructions for a rise and its set, 4,600,000 near polar day, and 306 jsvars', async () => {
    const code = await script(SUN);
    const vars = (await usage(code)) - (await usage(''));
    const both = (day: number, latitude: number) =>
      cost(code, `sun(${day},${latitude},4.35,true,${HORIZON});sun(${day},${latitude},4.35,false,${HORIZON});`, {
        few: 2,
        many: 6,
      });
    const brussels = both(20167, 50.85);
    const polar = both(20225, 69.65);
    console.log(
      `    rise and set: ${brussels} instructions at 50.85 N, ${polar} on a day near polar day; ${vars} jsvars`,
    );
    assert.ok(brussels <= 4_200_000, `${brussels}`);
    assert.ok(polar <= 4_600_000, `${polar}`);
    assert.ok(vars <= 306, `${vars}`);
  });

  it('reads local time as Node does, in all zones of the table', async () => {
    const times = Array.from({ length: 10 }, (_, i) => Date.UTC(2026, 0, 1) + i * 41 * DAY);
    const locals = ['2026-03-29', '2026-10-25', '2026-09-06'].flatMap((date) =>
      [0, 7200, 9000, 86_399].map((second) => [Date.parse(`${date}T00:00Z`) / DAY, second]),
    );
    const statements = ZONES.map(([, posix]) => {
      const offsets = times.map((time) => `offset(myZone,${time})`);
      const instants = locals.map((local) => `instant(myZone,${local})`);
      return `myZone=parse(${JSON.stringify(posix)});tell([${[...offsets, ...instants]}]);`;
    });
    for (const bad of ['', 'CET', 'CET-1CEST', 'CET-1CEST,M13.5.0,M10.5.0', '<+03-3']) {
      statements.push(`tell(parse(${JSON.stringify(bad)})===undefined);`);
    }
    const actual = await results(await script(TIME), statements.join(''));
    const expected = ZONES.map(([, posix]): unknown => {
      const zone = parseZone(posix) as Zone;
      const offsets = times.map((time) => offsetAt(zone, time));
      return [...offsets, ...locals.map(([day, second]) => instantOf(zone, day, second))];
    });
    assert.deepEqual(actual, [...expected, true, true, true, true, true]);
  });

  it('answers an offset within the known year in 250,000 instructions', async () => {
    const code = await script(TIME);
    const vars = (await usage(`${code};myZone=parse("CET-1CEST,M3.5.0,M10.5.0/3");`)) - (await usage(''));
    const setup = `${code}\nvar myZone=parse("CET-1CEST,M3.5.0,M10.5.0/3");`;
    const same = cost(setup, 'offset(myZone,1.77e12);', { few: 5, many: 25 });
    const other = cost(`${setup}var myTime=1.77e12;`, 'myTime=3.57e12-myTime;offset(myZone,myTime);', {
      few: 5,
      many: 15,
    });
    const instant = cost(setup, 'instant(myZone,20600,7200);', { few: 5, many: 25 });
    const parse = cost(setup, 'parse("CET-1CEST,M3.5.0,M10.5.0/3");', { few: 5, many: 15 });
    console.log(
      `    offset ${same} instructions, in another year ${other}; instant ${instant}; parse ${parse}; ${vars} jsvars with a zone`,
    );
    assert.ok(same <= 250_000, `${same}`);
  });
});
