/**
 * The sun by an independent ephemeris (astronomy-engine: VSOP87 truncated, nutation, topocentric parallax), for checking
 * the firmware's own. Slow and obvious: find the culminations of the solar day, then search between them.
 */
import { Body, Equator, Horizon, MakeTime, Observer, SearchAltitude, SearchHourAngle } from 'astronomy-engine';

export const DAY = 86_400_000;
/** Degrees from the zenith to a sun whose upper limb touches a sea horizon under standard refraction. */
export const HORIZON = 90.833;

export type Crossing = { kind: 'event'; time: number; margin: number } | { kind: 'up' | 'down'; margin: number };

/** Altitude of the sun's centre in degrees, without refraction. */
export function altitude(time: number, latitude: number, longitude: number): number {
  const at = MakeTime(new Date(time));
  const observer = new Observer(latitude, longitude, 0);
  const { ra, dec } = Equator(Body.Sun, at, observer, true, true);
  return Horizon(at, observer, ra, dec).altitude;
}

const culminations = new Map<string, number>();

/** ms UTC of the culmination nearest to `near`: hour angle 0 is noon, 12 midnight. */
function culmination(near: number, longitude: number, hour: 0 | 12): number {
  const key = `${Math.round(near / 1000)} ${longitude} ${hour}`;
  let time = culminations.get(key);
  if (time === undefined) {
    // The equation of time is below 17 minutes, so half a day before `near` no wrong one is in the way.
    time = SearchHourAngle(Body.Sun, new Observer(0, longitude, 0), hour, new Date(near - DAY / 2)).time.date.getTime();
    culminations.set(key, time);
  }
  return time;
}

/** Mean noon of a solar day: 12:00 UTC less 4 minutes for each degree east. */
const meanNoon = (day: number, longitude: number) => (day + 0.5 - longitude / 360) * DAY;

/** ms UTC of the solar noon that belongs to the label `day` (days since 1970-01-01). */
export const noonOf = (day: number, longitude: number) => culmination(meanNoon(day, longitude), longitude, 0);

/** ms UTC of the solar midnight after the noon of `day`. */
export const midnightAfter = (day: number, longitude: number) =>
  culmination(meanNoon(day, longitude) + DAY / 2, longitude, 12);

const crossings = new Map<string, Crossing>();

/**
 * The rise or set of the solar day `day`. `margin` says in degrees how far from the deciding height the sun culminates on
 * the side that decides: a small one makes the day a grazing day.
 */
export function crossing(
  day: number,
  latitude: number,
  longitude: number,
  rising: boolean,
  zenith = HORIZON,
): Crossing {
  const key = `${day} ${latitude} ${longitude} ${rising} ${zenith}`;
  let found = crossings.get(key);
  if (!found) {
    found = search(day, latitude, longitude, rising, zenith);
    crossings.set(key, found);
  }
  return found;
}

function search(day: number, latitude: number, longitude: number, rising: boolean, zenith: number): Crossing {
  const height = 90 - zenith;
  const noon = noonOf(day, longitude);
  const midnight = midnightAfter(rising ? day - 1 : day, longitude);
  const high = altitude(noon, latitude, longitude) - height;
  const low = altitude(midnight, latitude, longitude) - height;
  const margin = Math.min(Math.abs(high), Math.abs(low));
  if (low < 0 && high >= 0) {
    const from = new Date(rising ? midnight : noon);
    const hit = SearchAltitude(Body.Sun, new Observer(latitude, longitude, 0), rising ? 1 : -1, from, 0.52, height);
    if (hit) return { kind: 'event', time: hit.date.getTime(), margin };
  }
  return { kind: high + low >= 0 ? 'up' : 'down', margin };
}
