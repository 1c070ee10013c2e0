import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import { historyOf } from '../../bench/edges.ts';
import { liveYear, spanOf, visitsIn } from '../../bench/lamp-year.ts';
import { configOf, PLACES, type Place } from '../../bench/places.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { timetableOf } from '../reference/firmware.ts';
import { type Config, decide, type Happening } from '../reference/model.ts';
import { altitude, crossing, DAY } from '../reference/sun.ts';
import { instantOf } from '../reference/zone.ts';

const YEAR = 2026;
const SEED = 5;
const HOUR = 3_600_000;
const MINUTE = 60_000;
/** The plant's lamp: W at 100 %, proportional to light, and W when it is off. */
const WATTAGE = 60;
const STANDBY = 0.4;

interface Piece {
  from: number;
  to: number;
  level: number;
}

/**
 * The model's level over a time, by itself: asked every 5 minutes, every 10 s around a visit, and between two answers that
 * differ by halves down to 1 ms.
 */
function levelsOf(config: Config, history: Happening[], from: number, to: number): Piece[] {
  const times = new Set<number>();
  for (let time = from; time < to; time += 5 * MINUTE) times.add(time);
  for (const { at } of history) {
    for (let time = at - 10_000; time < at + 4 * MINUTE; time += 10_000) if (time > from && time < to) times.add(time);
  }
  let first = 0;
  const ask = (time: number) => {
    while (first < history.length && history[first].at < time - HOUR) first++;
    const near = history.slice(first, first + 20);
    return decide(config, near, time).level;
  };
  const pieces: Piece[] = [];
  const add = (time: number, level: number) => {
    const last = pieces.at(-1);
    if (last?.level === level) return;
    if (last) last.to = time;
    pieces.push({ from: time, to, level });
  };
  const between = (a: number, before: number, b: number, after: number): void => {
    if (b - a <= 1) {
      if (before !== after) add(b, after);
      return;
    }
    const middle = Math.floor((a + b) / 2);
    const level = ask(middle);
    if (level !== before) between(a, before, middle, level);
    if (level !== after) between(middle, level, b, after);
  };
  const sorted = [...times].sort((a, b) => a - b);
  const levels = sorted.map(ask);
  first = 0;
  add(from, levels[0]);
  for (let i = 1; i < sorted.length; i++) {
    if (levels[i] === levels[i - 1]) continue;
    first = 0;
    between(sorted[i - 1], levels[i - 1], sorted[i], levels[i]);
  }
  return pieces;
}

const lengthOf = (pieces: Piece[]) => pieces.reduce((sum, { from, to }) => sum + (to - from), 0);

/** The program of a date by the words of the calendar. */
function programOn(place: Place, date: DateTime): string {
  const day = `--${date.toFormat('MM-dd')}`;
  if (day === place.festival) return 'festival';
  if (day === '--12-31' || day === '--01-01') return 'new year';
  if (day >= '--12-20' && day <= '--12-31') return 'christmas';
  return date.weekday === 7 ? 'sunday' : date.weekday >= 5 ? 'weekend' : 'workday';
}

const near = (actual: number, expected: number, share: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= share * expected, `${what}: ${actual}, the model says ${expected}`);

describe('a year of one lamp', () => {
  for (const place of Object.values(PLACES)) {
    it(`in ${place.name} is what the model says, and the lamp is never dark while it should be lit`, async () => {
      const config = configOf(place);
      const { from, to } = spanOf(config, YEAR);
      assert.equal(to - from, 365 * DAY);
      const history = historyOf(visitsIn(config, YEAR, SEED));
      assert.ok(history.length > 1000, `${history.length / 2} visits`);
      const levels = levelsOf(config, history, from, to);
      const lit = levels.filter(({ level }) => level > 0);
      const year = liveYear({ place, year: YEAR, seed: SEED, board: await loadBoard('linux') });

      assert.deepEqual([year.off.dark, year.off.lit, year.off.level, year.wrong], [0, 0, 0, []]);
      // Relay: 10 s of minimum off time; two ephemerides: 60 s an edge, of which there are two a night.
      assert.ok(year.off.longestClosing <= 10_000, `${year.off.longestClosing} ms`);
      assert.ok(year.off.sun < 730 * 60_000, `${year.off.sun} ms`);

      near(year.lit, lengthOf(lit), 0.0005, 'ms lit');
      const energy = levels.map(
        ({ from, to, level }) => ((to - from) / HOUR) * Math.max(STANDBY, (WATTAGE * level) / 100),
      );
      near(
        year.wattHours,
        energy.reduce((sum, part) => sum + part),
        0.001,
        'Wh',
      );
      const ons = lit.filter((piece) => levels[levels.indexOf(piece) - 1]?.level === 0);
      assert.equal(year.switchOns, ons.length);
      assert.equal(year.levelChanges, levels.length - 1);

      const programs = new Map<string, number>();
      const never: string[] = [];
      const noon = (day: number) => instantOf(place.timeZone, day * DAY + DAY / 2);
      const nights = [];
      for (let day = Date.UTC(YEAR - 1, 11, 31) / DAY; day < Date.UTC(YEAR, 11, 31) / DAY; day++) {
        const date = DateTime.fromMillis(day * DAY, { zone: 'utc' });
        const cut = lit.map((piece) => ({
          ...piece,
          from: Math.max(piece.from, noon(day)),
          to: Math.min(piece.to, noon(day + 1)),
        }));
        const length = lengthOf(cut.filter(({ from, to }) => from < to));
        const program = programOn(place, date);
        programs.set(program, (programs.get(program) ?? 0) + length);
        nights.push({ date: date.toISODate(), length });
        if (length === 0) never.push(date.toISODate() as string);
      }
      assert.deepEqual([...year.programs.keys()].sort(), [...programs.keys()].sort());
      for (const [program, length] of programs) near(year.programs.get(program) as number, length, 0.001, program);
      assert.deepEqual(
        year.nights.filter((night) => night.lit === 0).map(({ date }) => date),
        never,
      );
      const byLength = [...nights].sort((a, b) => a.length - b.length);
      near(Math.max(...year.nights.map((night) => night.lit)), byLength[nights.length - 1].length, 0.001, 'longest');
      near(Math.min(...year.nights.map((night) => night.lit)), byLength[0].length, 0.001, 'shortest');

      // Days without any event of the sun below the horizon, by the ephemeris alone.
      const dark = nights.filter((_, i) => {
        const day = Date.UTC(YEAR - 1, 11, 31) / DAY + i;
        const { latitude, longitude } = place;
        const events = [-1, 0, 1, 2].flatMap((label) =>
          [true, false].map((rising) => crossing(day + label, latitude, longitude, rising)),
        );
        const inside = events.some(
          (event) => event.kind === 'event' && event.time >= noon(day) && event.time < noon(day + 1),
        );
        return !inside && altitude(noon(day), latitude, longitude) < 0;
      });
      assert.deepEqual(
        year.nights.filter(({ active }) => active).map(({ date }) => date),
        dark.map(({ date }) => date),
      );
    }).timeout(120_000);
  }

  it('in Tromsø has 67 nights without light and 48 days without sun', async () => {
    // Polar day 18 May to 25 July, first both events on the 26th; polar night 27 November to 14 January; a festival that
    // lights the lamp on 23 June; the last day of the year is the next year's.
    const year = liveYear({ place: PLACES.tromso, year: YEAR, seed: SEED, board: await loadBoard('linux') });
    assert.equal(year.nights.filter(({ lit }) => lit === 0).length, 67);
    assert.equal(year.nights.filter(({ active }) => active).length, 48);
  }).timeout(120_000);

  it('is found wrong when the firmware does not know of the festival: dark before it and after it', async () => {
    const place = PLACES.brussels;
    const config = configOf(place);
    const [calendar] = config.calendars;
    const rules = calendar.rules?.slice(1);
    const timetable = timetableOf({ ...config, calendars: [{ ...calendar, rules }] });
    const year = liveYear({ place, year: YEAR, seed: SEED, board: await loadBoard('linux'), timetable });
    // Lit from 20:00 by the festival, from 5 minutes before the firmware's sunset without.
    const sunset = crossing(Date.UTC(YEAR, 6, 21) / DAY, place.latitude, place.longitude, false);
    assert.ok(sunset.kind === 'event');
    const expected = sunset.time - 5 * MINUTE - Date.UTC(YEAR, 6, 21, 18);
    assert.ok(Math.abs(year.off.dark - expected) <= MINUTE, `${year.off.dark} ms dark, ${expected} expected`);
    assert.ok(year.off.level > 0 && year.wrong.length > 0);
  }).timeout(120_000);
});
