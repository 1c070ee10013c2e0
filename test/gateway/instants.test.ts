import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import { isActive } from '../../gateway/talq/active-periods.ts';
import {
  delayOf,
  isTime,
  lastSample,
  lastTime,
  nextSample,
  nextTime,
  type Profile,
  toPeriod,
} from '../../gateway/talq/instants.ts';
import { instantOf } from '../../gateway/talq/zones.ts';
import { crossing } from '../reference/sun.ts';

const MADRID = 'CET-1CEST,M3.5.0,M10.5.0/3';
const LORD_HOWE = '<+1030>-10:30<+11>-11,M10.1.0,M4.1.0';
const at = (text: string) => Date.parse(text);
const MINUTE = 60000;

describe('sampling instants', () => {
  const profile = (start: string, period?: string, end?: string): Profile => ({
    start: at(start),
    ...(period === undefined ? {} : { period: toPeriod(period) }),
    ...(end === undefined ? {} : { end: at(end) }),
  });
  const all = (profiles: Profile[], since: string, from: string, most = 5): string[] => {
    const found: string[] = [];
    let time: number | undefined = at(from) - 1;
    while (found.length < most) {
      time = nextSample(profiles, at(since), time);
      if (time === undefined) break;
      found.push(new Date(time).toISOString().slice(11, 16));
    }
    return found;
  };

  it('123 are start + n periods, begin with the logger and end before the end', () => {
    const quarter = profile('2026-05-01T00:05:00Z', 'PT15M', '2026-05-04T21:05:00Z');
    const since = '2026-05-04T20:00:00Z';
    assert.deepEqual(all([quarter], since, since), ['20:05', '20:20', '20:35', '20:50']);
    const future = profile('2026-05-04T22:00:00+02:00', 'PT1H30M');
    assert.deepEqual(all([future], since, since, 3), ['20:00', '21:30', '23:00']);
    assert.deepEqual(all([profile('2026-05-01T00:00:00Z', 'P1D', '2026-05-02T00:00:00Z')], since, since), []);
  });

  it('123 are the union of those of several profiles', () => {
    const since = '2026-05-04T20:00:00Z';
    const profiles = [profile('2026-05-04T20:00:00Z', 'PT20M'), profile('2026-05-04T20:10:00Z', 'PT30M')];
    assert.deepEqual(all(profiles, since, since), ['20:00', '20:10', '20:20', '20:40', '21:00']);
  });

  it('124 are one at the start without a period, or at once when that has passed and the end has not', () => {
    const since = '2026-05-04T20:00:00Z';
    assert.deepEqual(all([profile('2026-05-04T20:30:00Z')], since, since), ['20:30']);
    assert.deepEqual(all([profile('2026-05-04T10:00:00Z')], since, since), ['20:00']);
    assert.deepEqual(all([profile('2026-05-04T10:00:00Z', undefined, '2026-05-04T21:00:00Z')], since, since), [
      '20:00',
    ]);
    assert.deepEqual(all([profile('2026-05-04T10:00:00Z', undefined, '2026-05-04T19:00:00Z')], since, since), []);
  });

  it('know the latest one up to a time', () => {
    const profiles = [profile('2026-05-04T20:00:00Z', 'PT15M', '2026-05-04T21:00:00Z')];
    const last = (time: string) => {
      const found = lastSample(profiles, at('2026-05-04T20:00:00Z'), at(time));
      return found === undefined ? undefined : new Date(found).toISOString().slice(11, 16);
    };
    assert.deepEqual(
      ['19:59', '20:00', '20:14', '20:15', '23:00'].map((time) => last(`2026-05-04T${time}:00Z`)),
      [undefined, '20:00', '20:00', '20:15', '20:45'],
    );
    assert.equal(lastSample(profiles, at('2026-05-04T20:20:00Z'), at('2026-05-04T20:25:00Z')), undefined);
  });

  it('read periods of days, hours, minutes and seconds, and nothing else', () => {
    assert.equal(toPeriod('P1DT2H3M4S'), 93784000);
    assert.equal(toPeriod('PT15M'), 15 * MINUTE);
    assert.equal(toPeriod('P2D'), 48 * 60 * MINUTE);
    for (const text of ['P', 'PT', 'PT0S', 'P1M', 'P1Y', '15M', 'PT1.5H', 'PT15M ', '-PT1H', 'pt1h']) {
      assert.equal(toPeriod(text), undefined, text);
    }
  });
});

describe('reporting times', () => {
  /** Luxon goes over the gap by its length; TALQ leaves it open, and a time that does not exist is at the change here. */
  const byLuxon = (time: string, zone: string, after: number): number => {
    const [hour, minute, second] = time.split(':').map(Number);
    const day = DateTime.fromMillis(after, { zone });
    const candidates = [-1, 0, 1, 2].map((days) => day.plus({ days }).set({ hour, minute, second, millisecond: 0 }));
    return Math.min(...candidates.map((one) => one.toMillis()).filter((one) => one > after));
  };

  it('125 are the next of the times by local clock, all through a year with its changes, as Luxon has it', () => {
    for (const [zone, posix, times] of [
      ['Europe/Madrid', MADRID, ['09:00:00', '01:59:59', '23:30:00', '00:00:00']],
      ['Australia/Lord_Howe', LORD_HOWE, ['09:00:00', '03:00:00']],
      ['Asia/Kolkata', 'IST-5:30', ['05:29:59', '00:00:00']],
    ] as const) {
      for (let after = at('2026-01-01T00:17:00Z'); after < at('2027-01-01T00:00:00Z'); after += 25.7 * 3600000) {
        const expected = Math.min(...times.map((time) => byLuxon(time, zone, after)));
        assert.equal(nextTime(times, posix, after), expected, `${zone} after ${new Date(after).toISOString()}`);
      }
    }
  });

  it('125 are at the change when it leaves them out, and the first time when they come twice', () => {
    // 29 March 2026: 02:00 CET becomes 03:00 CEST; 25 October 2026: 03:00 CEST becomes 02:00 CET.
    assert.equal(nextTime(['02:30:00'], MADRID, at('2026-03-29T00:00:00Z')), at('2026-03-29T01:00:00Z'));
    assert.equal(nextTime(['02:30:00'], MADRID, at('2026-03-29T01:00:00Z')), at('2026-03-30T00:30:00Z'));
    assert.equal(nextTime(['02:30:00'], MADRID, at('2026-10-25T00:00:00Z')), at('2026-10-25T00:30:00Z'));
    assert.equal(nextTime(['02:30:00'], MADRID, at('2026-10-25T00:30:00Z')), at('2026-10-26T01:30:00Z'));
    assert.equal(instantOf(MADRID, at('2026-03-29T02:59:59.999Z')), at('2026-03-29T01:00:00Z'));
  });

  it('125 with a zone designator stay where they are', () => {
    const summer = at('2026-07-01T00:00:00Z');
    assert.equal(nextTime(['09:00:00Z'], MADRID, summer), at('2026-07-01T09:00:00Z'));
    assert.equal(nextTime(['09:00:00+05:30'], MADRID, summer), at('2026-07-01T03:30:00Z'));
    assert.equal(nextTime(['09:00:00-10:00'], MADRID, summer), at('2026-07-01T19:00:00Z'));
    assert.equal(lastTime(['09:00:00Z', '21:00:00Z'], MADRID, summer), at('2026-06-30T21:00:00Z'));
    assert.equal(nextTime([], MADRID, summer), undefined);
  });

  it('are hh:mm:ss, with or without a zone', () => {
    for (const text of ['00:00:00', '23:59:59', '09:00:00Z', '09:00:00.5+05:30']) assert.ok(isTime(text), text);
    for (const text of ['24:00:00', '9:00:00', '09:00', '09:60:00', '09:00:60', '09:00:00+25:00', '']) {
      assert.ok(!isTime(text), text);
    }
  });

  it('125 are spread evenly over the random time, differently from day to day and from logger to logger', () => {
    const delays = Array.from({ length: 2000 }, (_, day) => delayOf(day % 2 ? 'a' : 'b', day * 86400000, 60));
    assert.ok(delays.every((delay) => delay >= 0 && delay <= 60000));
    const quarters = [0, 1, 2, 3].map((i) => delays.filter((delay) => Math.floor(delay / 15000) === i).length);
    // 500 each; the standard deviation is 19.4.
    for (const count of quarters) assert.ok(Math.abs(count - 500) < 100, String(quarters));
    assert.equal(delayOf('a', 0, 0), 0);
    assert.equal(delayOf('a', 5, 60), delayOf('a', 5, 60));
  });
});

describe('active periods of loggers', () => {
  const around = (place?: { latitude: number; longitude: number }) => ({ zone: MADRID, place, value: () => undefined });
  const clock = (startTime: string, endTime: string) => ({ name: 'AbsoluteActivePeriod', startTime, endTime }) as const;

  it('132 by the clock of the device, over midnight too; always without periods and with equal times', () => {
    const night = [clock('22:00:00', '06:00:00')];
    const active = (periods: ReturnType<typeof clock>[], time: string) => isActive(periods, around(), at(time));
    assert.deepEqual(
      ['19:59:59', '20:00:00', '23:00:00', '03:59:59', '04:00:00'].map((time) => active(night, `2026-07-01T${time}Z`)),
      [false, true, true, true, false],
    );
    assert.deepEqual(
      ['20:59:59', '21:00:00', '04:59:59', '05:00:00'].map((time) => active(night, `2026-01-01T${time}Z`)),
      [false, true, true, false],
    );
    assert.equal(active([], '2026-01-01T12:00:00Z'), true);
    assert.equal(active([clock('12:00:00', '12:00:00')], '2026-01-01T03:00:00Z'), true);
    assert.equal(active([...night, clock('12:00:00', '13:00:00')], '2026-01-01T11:30:00Z'), true, 'one of several');
  });

  it('132 from sunset to sunrise with their offsets, within a minute of the reference sun', () => {
    const place = { latitude: 40.4168, longitude: -3.7038 };
    const period = [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 } as const];
    for (let day = 20454; day < 20454 + 365; day += 13) {
      const sunset = crossing(day, place.latitude, place.longitude, false);
      const sunrise = crossing(day + 1, place.latitude, place.longitude, true);
      assert.ok(sunset.kind === 'event' && sunrise.kind === 'event');
      const active = (time: number) => isActive(period, around(place), time);
      const [on, off] = [sunset.time - 5 * MINUTE, sunrise.time + 10 * MINUTE];
      assert.deepEqual(
        [on - MINUTE, on + MINUTE, (on + off) / 2, off - MINUTE, off + MINUTE].map(active),
        [false, true, true, true, false],
        new Date(on).toISOString(),
      );
    }
  });

  it('132 never in the polar day, always in the polar night, and always where nobody knows the place', () => {
    const tromso = { latitude: 69.65, longitude: 18.96 };
    const period = [{ name: 'AstroClockActivePeriod', sunsetOffset: 0, sunriseOffset: 0 } as const];
    assert.equal(isActive(period, around(tromso), at('2026-06-21T23:00:00Z')), false);
    assert.equal(isActive(period, around(tromso), at('2026-12-21T11:00:00Z')), true);
    assert.equal(isActive(period, around(), at('2026-06-21T11:00:00Z')), true);
  });

  it('132 while an attribute compares with a state', () => {
    const cases: [unknown, string, unknown, boolean][] = [
      [70, 'GE', 70, true],
      [{ name: 'LevelState', value: 70 }, 'GT', 70, false],
      [{ name: 'LevelState', value: 70 }, 'LE', 70, true],
      [69, 'LT', 70, true],
      [true, 'EQ', true, true],
      [true, 'NE', true, false],
      [undefined, 'NE', true, false],
      [undefined, 'LT', 1, false],
    ];
    for (const [value, operator, wanted, expected] of cases) {
      const period = {
        name: 'ValueActivePeriod',
        reference: { resource: 'devices', address: 'a/f/x' },
        operator: operator as never,
        state: { name: 'IntegerState', value: wanted },
      } as const;
      const active = isActive([period], { zone: 'UTC0', value: () => value }, 0);
      assert.equal(active, expected, JSON.stringify([value, operator, wanted]));
    }
  });
});
