import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  dateOf,
  dayOf,
  instantOf,
  offsetAt,
  parseZone,
  weekdayOf,
  type Zone,
} from '../../firmware/control/local-time.ts';
import { posixZone } from '../../gateway/talq/time-zones.ts';
import * as reference from '../reference/zone.ts';
import { LOCAL_TIMES, ZONES } from '../reference/zone-vectors.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const table = new Map(ZONES);

function zone(posix: string): Zone {
  const compiled = parseZone(posix);
  assert.ok(compiled, posix);
  return compiled;
}

/** Local date and time to the instant. */
function instant(compiled: Zone, local: string): string {
  const [date, time] = local.split('T');
  const [hours, minutes, seconds = 0] = time.split(':').map(Number);
  const day = Date.parse(`${date}T00:00Z`) / DAY;
  return new Date(instantOf(compiled, day, hours * 3600 + minutes * 60 + seconds)).toISOString().replace('.000', '');
}

/** Instants at which a zone changes its offset, `[instant, offset in ms before, after]`. */
function changes(compiled: Zone, year: number) {
  const found: [string, number, number][] = [];
  const end = Date.UTC(year + 1, 0, 1);
  for (let time = Date.UTC(year, 0, 1); time < end; time += 15_000 * 60) {
    const before = offsetAt(compiled, time);
    if (offsetAt(compiled, time + 15_000 * 60) === before) continue;
    let low = time;
    let high = time + 15_000 * 60;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetAt(compiled, middle) === before) low = middle;
      else high = middle;
    }
    found.push([new Date(high).toISOString().replace('.000', ''), before, offsetAt(compiled, high)]);
  }
  return found;
}

describe('local time', () => {
  it(`reads the clocks of ${LOCAL_TIMES.length} instants around changes as the IANA database does`, () => {
    for (const [name, utc, local] of LOCAL_TIMES) {
      const time = Date.parse(utc);
      const actual = new Date(time + offsetAt(zone(table.get(name) as string), time)).toISOString();
      assert.equal(actual, `${local}.000Z`, `${name} ${utc}`);
    }
  });

  it('lets a time inside the spring gap act at the end of the gap', () => {
    const brussels = zone('CET-1CEST,M3.5.0,M10.5.0/3');
    assert.equal(instant(brussels, '2026-03-29T01:59:59'), '2026-03-29T00:59:59Z');
    assert.equal(instant(brussels, '2026-03-29T02:00:00'), '2026-03-29T01:00:00Z');
    assert.equal(instant(brussels, '2026-03-29T02:30:00'), '2026-03-29T01:00:00Z');
    assert.equal(instant(brussels, '2026-03-29T03:00:00'), '2026-03-29T01:00:00Z');
    assert.equal(instant(brussels, '2026-03-29T03:00:01'), '2026-03-29T01:00:01Z');
    // Ireland's clocks go forward out of the time that its string calls daylight.
    assert.equal(instant(zone('IST-1GMT0,M10.5.0,M3.5.0/1'), '2026-03-29T01:30:00'), '2026-03-29T01:00:00Z');
    // Chile's gap begins at midnight, so that day begins at 01:00.
    assert.equal(instant(zone('<-04>4<-03>,M9.1.6/24,M4.1.6/24'), '2026-09-06T00:00:00'), '2026-09-06T04:00:00Z');
  });

  it('takes an ambiguous autumn time for its first occurrence', () => {
    const brussels = zone('CET-1CEST,M3.5.0,M10.5.0/3');
    assert.equal(instant(brussels, '2026-10-25T02:00:00'), '2026-10-25T00:00:00Z');
    assert.equal(instant(brussels, '2026-10-25T02:59:59'), '2026-10-25T00:59:59Z');
    assert.equal(instant(brussels, '2026-10-25T03:00:00'), '2026-10-25T02:00:00Z');
    assert.equal(instant(zone('IST-1GMT0,M10.5.0,M3.5.0/1'), '2026-10-25T01:30:00'), '2026-10-25T00:30:00Z');
    // Half an hour in Lord Howe: 01:45 comes twice.
    const lordHowe = zone('<+1030>-10:30<+11>-11,M10.1.0,M4.1.0');
    assert.equal(instant(lordHowe, '2025-04-06T01:45:00'), '2025-04-05T14:45:00Z');
  });

  it('counts 24:00 and beyond into the next local day', () => {
    const brussels = zone('CET-1CEST,M3.5.0,M10.5.0/3');
    const day = dayOf(2026, 12, 31);
    assert.equal(instantOf(brussels, day, 86400), Date.parse('2026-12-31T23:00Z'));
    assert.equal(instantOf(brussels, day, 86400), instantOf(brussels, day + 1, 0));
  });

  it('obeys Jn and n rules, with and without 29 February, as the C library does', () => {
    const hour = HOUR;
    const julian = zone('AAA3BBB,J60,J300/26');
    for (const year of [2027, 2028]) {
      assert.deepEqual(changes(julian, year), [
        [`${year}-03-01T05:00:00Z`, -3 * hour, -2 * hour],
        [`${year}-10-28T04:00:00Z`, -2 * hour, -3 * hour],
      ]);
    }
    const ordinal = zone('AAA3BBB,59/0,299');
    assert.deepEqual(changes(ordinal, 2027), [
      ['2027-03-01T03:00:00Z', -3 * hour, -2 * hour],
      ['2027-10-27T04:00:00Z', -2 * hour, -3 * hour],
    ]);
    assert.deepEqual(changes(ordinal, 2028), [
      ['2028-02-29T03:00:00Z', -3 * hour, -2 * hour],
      ['2028-10-26T04:00:00Z', -2 * hour, -3 * hour],
    ]);
    assert.deepEqual(changes(zone('AAA-5:30BBB-7,J59/-1:30,J365/3'), 2028), [
      ['2028-02-27T17:00:00Z', 5.5 * hour, 7 * hour],
      ['2028-12-30T20:00:00Z', 7 * hour, 5.5 * hour],
    ]);
    const south = 10 * hour + 30 * 60_000 + 15_000;
    assert.deepEqual(changes(zone('AAA-10BBB-10:30:15,300/2,45/3:15:30'), 2028), [
      ['2028-02-14T16:45:15Z', south, 10 * hour],
      ['2028-10-26T16:00:00Z', 10 * hour, south],
    ]);
  });

  it('keeps daylight time all year when the rule says 0/0 to J365/25', () => {
    // Source: RFC 8536 §3.3.1, the example with EST5EDT,0/0,J365/25.
    const always = zone('EST5EDT,0/0,J365/25');
    for (let time = Date.UTC(2027, 11, 30); time < Date.UTC(2028, 0, 3); time += 600_000) {
      assert.equal(offsetAt(always, time), -4 * HOUR, new Date(time).toISOString());
    }
  });

  it('answers undefined to strings that POSIX does not know, and never throws', () => {
    for (const text of [
      '',
      ':Europe/Brussels',
      'CET',
      'C-1',
      'CE-1',
      'CET-25',
      'CET-1:60',
      'CET-1:',
      'CET--1',
      '<+03-3',
      '<+0>-3',
      '<+03>',
      'CET-1CEST',
      'CET-1CEST,M3.5.0',
      'CET-1CEST,M3.5.0,M10.5.0,',
      'CET-1CEST,M3.5.0,M10.5.0/3x',
      'CET-1CEST,M13.5.0,M10.5.0',
      'CET-1CEST,M0.5.0,M10.5.0',
      'CET-1CEST,M3.0.0,M10.5.0',
      'CET-1CEST,M3.6.0,M10.5.0',
      'CET-1CEST,M3.5.7,M10.5.0',
      'CET-1CEST,M3.5,M10.5.0',
      'CET-1CEST,J0,J365',
      'CET-1CEST,J366,J365',
      'CET-1CEST,366,1',
      'CET-1CEST,M3.5.0/168,M10.5.0',
      'CET-1CEST,M3.5.0/,M10.5.0',
      `<${'+'.repeat(70)}>0`,
    ]) {
      assert.equal(parseZone(text), undefined, text);
    }
    const characters = fc.constantFrom(...'CESTM<>+-:,./J0123569');
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 30 }), (text) => {
        const compiled = parseZone(text.join(''));
        if (compiled) assert.ok(Math.abs(offsetAt(compiled, 1.8e12)) < 25 * HOUR);
      }),
      { numRuns: 2000, seed: 1 },
    );
    assert.ok(parseZone('CET-1CEST,M3.5.0,M10.5.0/3'), 'a bad string leaves nothing behind');
  });

  it('counts days and weekdays as the proleptic Gregorian calendar from 1600 to 2400', () => {
    for (let day = dayOf(1600, 1, 1); day <= dayOf(2400, 12, 31); day++) {
      const date = new Date(day * DAY);
      const year = date.getUTCFullYear();
      const month = date.getUTCMonth() + 1;
      if (
        dateOf(day) !== year * 10000 + month * 100 + date.getUTCDate() ||
        dayOf(year, month, date.getUTCDate()) !== day ||
        weekdayOf(day) !== (date.getUTCDay() || 7)
      ) {
        assert.fail(date.toISOString());
      }
    }
    assert.equal(dayOf(2026, 13, 1), dayOf(2027, 1, 1));
    assert.equal(dayOf(1970, 1, 1), 0);
  });

  it('agrees with luxon around every change of 2025 to 2027 and at 50 instants in all zones of the table', () => {
    let state = 7;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return (state >>> 0) / 2 ** 32;
    };
    const from = Date.UTC(2025, 0, 1);
    const to = Date.UTC(2028, 0, 1);
    for (const [name, posix] of ZONES) {
      if (name === 'Africa/Casablanca' || name === 'Asia/Gaza') continue; // they follow Ramadan
      const compiled = zone(posix);
      const derived = posixZone(name, from);
      assert.ok('posix' in derived);
      const named = zone(derived.posix);
      const times = Array.from({ length: 50 }, () => from + Math.floor(random() * (to - from)));
      for (const change of reference.transitions(name, from, to)) {
        for (let minutes = -150; minutes <= 150; minutes += 15)
          times.push(change + minutes * 60_000 - 1, change + minutes * 60_000);
      }
      for (const time of times) {
        const expected = reference.offset(name, time);
        const label = `${name} ${new Date(time).toISOString()}`;
        assert.equal(offsetAt(compiled, time), expected, label);
        assert.equal(offsetAt(named, time), expected, label);
        const local = Math.floor((time + expected) / 1000) * 1000;
        const day = Math.floor(local / DAY);
        assert.equal(instantOf(compiled, day, (local - day * DAY) / 1000), reference.instantOf(name, local), label);
      }
    }
  });
});
