import assert from 'node:assert/strict';
import { SunKind, solarDay, solarNoon, sunEvent } from '../../firmware/control/sun.ts';
import { crossing, HORIZON, midnightAfter, noonOf } from '../reference/sun.ts';
import { computed, published, TRANSITS, type Vector } from '../reference/sun-vectors.ts';

const DAY = 86_400_000;
const MINUTE = 60_000;
const KINDS = { [SunKind.Event]: 'event', [SunKind.Up]: 'up', [SunKind.Down]: 'down' };
const dayNumber = (date: string) => Date.parse(`${date}T00:00Z`) / DAY;

/** A time in ms, or the kind's name. */
function outcome(date: string | number, latitude: number, longitude: number, rising: boolean, zenith = HORIZON) {
  const day = typeof date === 'string' ? dayNumber(date) : date;
  const event = sunEvent(day, latitude, longitude, rising, zenith);
  return event.kind === SunKind.Event ? event.time : KINDS[event.kind];
}

function checkVectors(vectors: readonly Vector[]) {
  for (const { place, latitude, longitude, date, zenith, rising, expected } of vectors) {
    const actual = outcome(date, latitude, longitude, rising, zenith);
    const label = `${place} ${date} ${zenith} ${rising ? 'rise' : 'set'}: ${actual} for ${expected}`;
    if (typeof expected === 'number' && typeof actual === 'number') {
      assert.ok(Math.abs(actual - expected) <= MINUTE, label);
    } else {
      assert.equal(actual, expected, label);
    }
  }
}

describe('sun', () => {
  it(`meets all ${published.length} events of the published tables within 60 s`, () => {
    assert.equal(published.length, 42);
    checkVectors(published);
  });

  it(`meets all ${computed.length} computed events and kinds of 17 places within 60 s`, () => {
    assert.equal(computed.length, 46 * 6);
    checkVectors(computed);
  });

  it('has its noon within 5 s of the transits of SPA', () => {
    for (const [longitude, transit] of TRANSITS) {
      const noon = solarNoon(dayNumber(transit.slice(0, 10)), longitude);
      assert.ok(Math.abs(noon - Date.parse(transit)) <= 5000, `${transit}: ${new Date(noon).toISOString()}`);
    }
  });

  // Declination in degrees and equation of time in minutes at 12:00 UTC.
  const POSITIONS: [string, number, number][] = [
    ['2025-02-11', -13.8457, -14.228],
    ['2025-03-20', 0.0519, -7.362],
    ['2025-06-21', 23.438, -1.875],
    ['2025-09-22', 0.1036, 7.347],
    ['2025-11-03', -15.2265, 16.491],
    ['2025-12-21', -23.4383, 1.801],
  ];

  it('has the equation of time of 6 dates within 0.002 minutes', () => {
    for (const [date, , equation] of POSITIONS) {
      // Where the equation moves noon to 12:00 UTC exactly.
      const noon = solarNoon(dayNumber(date), -equation / 4);
      assert.ok(Math.abs(noon - dayNumber(date) * DAY - DAY / 2) < 0.002 * MINUTE, `${date}: ${noon}`);
    }
  });

  it('has the declination of 6 dates within 0.0002 degrees', () => {
    // At the pole the altitude is the declination. The longitude puts noon at 12:00 UTC; with the midnight on the side
    // where the sun stands higher, the kind changes exactly where the sun's height at noon does.
    for (const [date, declination, equation] of POSITIONS) {
      const day = dayNumber(date);
      const rising = ['2025-06-21', '2025-09-22', '2025-11-03'].includes(date);
      const kind = (margin: number) => outcome(day, 90, -equation / 4, rising, 90 - declination + margin);
      assert.deepEqual([kind(-0.0002), kind(0.0002)], ['down', 'up'], date);
    }
  });

  it('knows the last short days of Tromsø to 3 s, and days with a rise and no set', () => {
    const at = (date: string, rising: boolean) => outcome(date, 69.6492, 18.9553, rising);
    const near = (actual: unknown, expected: string) =>
      assert.ok(Math.abs((actual as number) - Date.parse(expected)) <= 3000, `${actual} for ${expected}`);
    near(at('2025-11-26', true), '2025-11-26T10:01:10Z');
    near(at('2025-11-26', false), '2025-11-26T11:01:08Z');
    assert.deepEqual([at('2025-11-27', true), at('2025-11-27', false)], ['down', 'down']);
    near(at('2025-01-15', true), '2025-01-15T10:24:40Z');
    near(at('2025-01-15', false), '2025-01-15T11:23:22Z');
    near(at('2025-05-16', true), '2025-05-15T23:28:35Z');
    assert.ok(Math.abs((at('2025-05-16', false) as number) - Date.parse('2025-05-16T22:07:00Z')) <= MINUTE);
    near(at('2025-05-17', true), '2025-05-16T23:12:53Z');
    assert.equal(at('2025-05-17', false), 'up');
    assert.deepEqual([at('2025-05-18', true), at('2025-05-18', false)], ['up', 'up']);
  });

  // Place, latitude, longitude, zenith, first and last day that is never below, the same for never above.
  const CALENDAR: [string, number, number, number, [string, string] | null, [string, string] | null][] = [
    ['Tromsø', 69.6492, 18.9553, 90.833, ['05-18', '07-25'], ['11-27', '01-14']],
    ['Tromsø', 69.6492, 18.9553, 96, ['04-29', '08-13'], null],
    ['Tromsø', 69.6492, 18.9553, 102, ['04-11', '08-31'], null],
    ['Longyearbyen', 78.2232, 15.6267, 90.833, ['04-18', '08-23'], ['10-27', '02-14']],
    ['Longyearbyen', 78.2232, 15.6267, 96, ['04-04', '09-07'], ['11-12', '01-29']],
    ['Reykjavik', 64.1466, -21.9426, 90.833, null, null],
    ['Reykjavik', 64.1466, -21.9426, 96, ['05-19', '07-23'], null],
    ['Helsinki', 60.1699, 24.9384, 102, ['05-11', '08-01'], null],
    ['Brussels', 50.8503, 4.3517, 96, null, null],
    ['Brussels', 50.8503, 4.3517, 102, null, null],
  ];

  // The calendar judges a day by the declination at its noon, so its first and last bright day may still have one of the
  // two crossings, near midnight. Polar night is decided at noon and exact.
  for (const [place, latitude, longitude, zenith, bright, dark] of CALENDAR) {
    it(`has the polar calendar of ${place} 2025 at zenith ${zenith} to the day`, () => {
      const start = dayNumber('2025-01-01');
      const within = (day: number, range: [string, string] | null, edge = 0) => {
        if (!range) return false;
        const [first, last] = range.map((date) => dayNumber(`2025-${date}`));
        return first <= last ? day >= first + edge && day <= last - edge : day >= first + edge || day <= last - edge;
      };
      for (let day = start; day < start + 365; day++) {
        const kinds = [true, false].map((rising) => outcome(day, latitude, longitude, rising, zenith));
        const date = `${new Date(day * DAY).toISOString().slice(0, 10)} ${kinds}`;
        if (within(day, bright, 1)) assert.deepEqual(kinds, ['up', 'up'], date);
        else if (within(day, bright)) assert.ok(kinds.includes('up'), date);
        else if (within(day, dark)) assert.deepEqual(kinds, ['down', 'down'], date);
        else
          assert.ok(
            kinds.some((kind) => typeof kind === 'number'),
            date,
          );
      }
    });
  }

  it('finds the middle of five nights in Brussels and their solar midnights within 2 s', () => {
    const nights: [string, string, string, string, string][] = [
      ['2025-01-15', '16:06:02', '07:37:42', '23:51:52', '23:52:16'],
      ['2025-02-11', '16:52:22', '07:00:12', '23:56:17', '23:56:49'],
      ['2025-05-14', '19:24:12', '03:53:12', '23:38:42', '23:38:57'],
      ['2025-07-26', '19:36:55', '04:01:52', '23:49:24', '23:49:09'],
      ['2025-11-03', '16:13:27', '06:39:47', '23:26:37', '23:26:06'],
    ];
    const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) <= 2000, `${actual}`);
    for (const [date, sunset, sunrise, middle, midnight] of nights) {
      const day = dayNumber(date);
      const at = (text: string, shift = 0) => Date.parse(`${date}T${text}Z`) + shift;
      const set = outcome(day, 50.8503, 4.3517, false) as number;
      const rise = outcome(day + 1, 50.8503, 4.3517, true) as number;
      near(set, at(sunset));
      near(rise, at(sunrise, DAY));
      near((set + rise) / 2, at(middle));
      near(solarNoon(day + 0.5, 4.3517), at(midnight));
    }
  });

  it('names the solar day of an instant, on both sides of the date line', () => {
    // Noon at 178.4501° E is near 00:06 UTC, at 157.4278° W near 22:30 UTC.
    assert.equal(solarDay(Date.parse('2025-03-19T17:48Z'), 178.4501), dayNumber('2025-03-20'));
    assert.equal(solarDay(Date.parse('2025-03-20T10:00Z'), 178.4501), dayNumber('2025-03-20'));
    assert.equal(solarDay(Date.parse('2025-03-21T04:40Z'), -157.4278), dayNumber('2025-03-20'));
  });

  it('agrees with an ephemeris within 30 s on 300 days from pole to pole, grazing days apart', () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return (state >>> 0) / 2 ** 32;
    };
    for (let i = 0; i < 300; i++) {
      const day = 10957 + Math.floor(random() * 21915);
      const latitude = Math.round((random() * 180 - 90) * 1e4) / 1e4;
      const longitude = Math.round((random() * 360 - 180) * 1e4) / 1e4;
      const rising = i % 2 === 0;
      const expected = crossing(day, latitude, longitude, rising);
      if (expected.margin < 0.25) continue;
      const actual = outcome(day, latitude, longitude, rising);
      const label = `${day} ${latitude} ${longitude} ${rising}`;
      if (expected.kind !== 'event') assert.equal(actual, expected.kind, label);
      else assert.ok(Math.abs((actual as number) - expected.time) <= 30_000, label);
      assert.ok(Math.abs(solarNoon(day, longitude) - noonOf(day, longitude)) <= 5000, label);
      assert.ok(Math.abs(solarNoon(day + 0.5, longitude) - midnightAfter(day, longitude)) <= 5000, label);
    }
  });
});
