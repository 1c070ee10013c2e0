/** When a logger records: the active periods of a recording mode. Source: TALQ 2.7.1 data model, ActivePeriod. */
import { isDeepStrictEqual } from 'node:util';
import { Body, Equator, Horizon, Observer, SearchRiseSet } from 'astronomy-engine';
import type { ActivePeriod } from './control-objects.ts';
import type { Place } from './place.ts';
import type { Reference } from './schemas.ts';
import { offsetOf } from './zones.ts';

/** Those that loggers understand. */
export const LOGGER_PERIODS = ['AbsoluteActivePeriod', 'AstroClockActivePeriod', 'ValueActivePeriod'] as const;

const DAY = 86400000;
const MINUTE = 60000;
/** Height of the sun's centre in degrees when its upper limb touches the horizon under standard refraction. */
const HORIZON = -0.833;

/** Where and in what the periods are looked at. */
export interface Surroundings {
  /** POSIX TZ string of the device. */
  zone: string;
  /** Absent: nobody knows; then a period that needs the sun counts as active, so that nothing is lost. */
  place?: Place;
  /** @returns the value of an attribute, undefined when it is unknown. */
  value(reference: Reference): unknown;
}

/** @returns whether one of the periods is active, or there are none. */
export function isActive(periods: readonly ActivePeriod[], surroundings: Surroundings, time: number): boolean {
  return periods.length === 0 || periods.some((period) => holds(period, surroundings, time));
}

function holds(period: ActivePeriod, { zone, place, value }: Surroundings, time: number): boolean {
  switch (period.name) {
    case 'AbsoluteActivePeriod':
      return inClock(period.startTime, period.endTime, time + offsetOf(zone, time));
    case 'AstroClockActivePeriod':
      return place === undefined || inNight(place, period.sunsetOffset * MINUTE, period.sunriseOffset * MINUTE, time);
    case 'ValueActivePeriod':
      return compares(value(period.reference), period.operator, period.state.value);
    default:
      return false;
  }
}

/** @param wall local time, as ms of a clock that shows UTC */
function inClock(start: string, end: string, wall: number): boolean {
  const [from, to] = [start, end].map((text) => {
    const [hours, minutes, seconds] = text.split(':').map(Number);
    return ((hours * 60 + minutes) * 60 + seconds) * 1000;
  });
  const now = ((wall % DAY) + DAY) % DAY;
  if (from === to) return true;
  return from < to ? now >= from && now < to : now >= from || now < to;
}

function inNight(place: Place, afterSunset: number, afterSunrise: number, time: number): boolean {
  const { sunset, sunrise } = nightAt(place, time - afterSunset);
  return sunset <= time - afterSunset && time < sunrise + afterSunrise;
}

interface Night {
  sunset: number;
  sunrise: number;
}

const nights = new Map<string, Night>();
const MOST_NIGHTS = 10000;

/** @returns the last sunset before `time` and the sunrise after it, in ms UTC; infinite where the sun does neither. */
function nightAt({ latitude, longitude }: Place, time: number): Night {
  const key = `${latitude} ${longitude}`;
  const known = nights.get(key);
  // From one sunset to the next it is never much less than a day.
  if (known && time >= known.sunset && time < known.sunset + 0.8 * DAY) return known;
  const observer = new Observer(latitude, longitude, 0);
  const search = (direction: 1 | -1, from: number, days: number): number | undefined =>
    SearchRiseSet(Body.Sun, observer, direction, new Date(from), days)?.date.getTime();
  const sunset = search(-1, time, -1.2);
  if (sunset === undefined) {
    const { ra, dec } = Equator(Body.Sun, new Date(time), observer, true, true);
    const dark = Horizon(new Date(time), observer, ra, dec).altitude < HORIZON;
    const { POSITIVE_INFINITY: never, NEGATIVE_INFINITY: always } = Number;
    return { sunset: dark ? always : never, sunrise: dark ? (search(1, time, 200) ?? never) : never };
  }
  const night = { sunset, sunrise: search(1, sunset, 200) ?? Number.POSITIVE_INFINITY };
  if (nights.size >= MOST_NIGHTS) nights.clear();
  nights.set(key, night);
  return night;
}

function compares(value: unknown, operator: string, wanted: unknown): boolean {
  const inner = typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
  if (operator === 'EQ') return isDeepStrictEqual(inner, wanted);
  if (operator === 'NE') return inner !== undefined && !isDeepStrictEqual(inner, wanted);
  if (typeof inner !== 'number' || typeof wanted !== 'number') return false;
  if (operator === 'GE') return inner >= wanted;
  if (operator === 'GT') return inner > wanted;
  return operator === 'LE' ? inner <= wanted : inner < wanted;
}
