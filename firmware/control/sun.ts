/**
 * Sunrise, sunset and twilight from the low-precision solar position, iterated. Sea level, standard refraction.
 *
 * Accuracy against an independent ephemeris (`test/long/sun`, 40,000 random places and days, 2000 to 2060): within 8 s up
 * to 65° of latitude. Beyond, within 60 s unless the sun culminates within 0.05° of the horizon on that day, or the place
 * lies beyond 85°; the kind differs only within 0.005°. Real refraction alone moves an event by one to two minutes.
 *
 * Source: J. Meeus, Astronomical Algorithms, chapters 25 (position) and 28 (equation of time, after Smart), as in the
 * NOAA solar calculator; terms below 0.1" are left out. Zenith distances: 90.833° is the upper limb at the horizon.
 */

/** How a rise or a set comes out. */
export const enum SunKind {
  /** The sun crosses the given height. */
  Event = 0,
  /** It does not, because it stays above: on the side of midnight where the crossing would have been. */
  Up = 1,
  /** It does not, because it stays below, even at noon. */
  Down = 2,
}

/** A time exists only where there is an event: ms UTC. */
export type SunEvent = { kind: SunKind.Event; time: number } | { kind: SunKind.Up | SunKind.Down };

/**
 * The rise or the set of one solar day: from the midnight before to the midnight after the solar noon that lies nearest
 * to 12:00 UTC minus 4 minutes per degree of longitude. Near the date line that is another UTC date than `day`, and a
 * day with a rise and no set, or the reverse, is legal near the polar circles.
 *
 * @param day days since 1970-01-01; see `solarDay`
 * @param latitude degrees, north positive, -90..90
 * @param longitude degrees, east positive, -180..180
 * @param zenith distance of the sun's centre from the zenith in degrees: 90.833 sunrise and sunset, 96 civil twilight
 */
export function sunEvent(day: number, latitude: number, longitude: number, rising: boolean, zenith: number): SunEvent {
  // The interpreter looks names up one by one, local ones first: each of these is used several times.
  const sin = Math.sin;
  const cos = Math.cos;
  const tan = Math.tan;
  const acos = Math.acos;
  const sqrt = Math.sqrt;
  const rad = 0.017453292519943295;
  const turn = 0.15915494309189535;
  const noon = day - 10957 - longitude / 360; // days since 2000-01-01T12:00Z, as is `d`
  const a = sin(latitude * rad);
  const b = cos(latitude * rad);
  const c = cos(zenith * rad);
  const side = rising ? -turn : turn;
  let d = noon;
  let h: number;
  let last: number;
  let pass = 0;
  do {
    last = d;
    const m = 6.24006014 + 0.01720197 * d; // mean anomaly
    const l = 4.89506317 + 0.0172027917 * d; // mean longitude
    const n = 2.1823597 - 0.00092421742 * d; // lunar node, for nutation
    const e = 0.016708634 - 1.151e-9 * d; // eccentricity
    const o = 0.40909280403 - 6.214e-9 * d + 0.0000446804 * cos(n); // obliquity
    const s = sin(m);
    const q = 2 * s * cos(m); // sin 2m
    const u = sin(2 * l);
    const v = cos(2 * l);
    let y = tan(o / 2);
    y *= y;
    const x = // sine of the declination
      sin(o) *
      sin(
        l -
          0.0000993092 -
          0.0000834267 * sin(n) +
          s * (0.0334161088 - 2.3018e-9 * d) +
          q * (0.00034894368 - 4.83e-11 * d) +
          0.000005044 * sin(3 * m),
      );
    h = (c - a * x) / (b * sqrt(1 - x * x)); // cosine of the hour angle
    // Beyond ±1 the search goes on at midnight or at noon, so that the last pass judges the day there and not at noon.
    d =
      noon +
      side * (h > 1 ? 0 : h < -1 ? Math.PI : acos(h)) -
      turn * (y * (u - y * u * v + 4 * e * s * v) - 2 * e * s - 1.25 * e * e * q);
    pass++;
  } while (pass < 3 || (pass < 9 && Math.abs(d - last) > 0.00001));
  if (h < -1) return { kind: SunKind.Up };
  if (h > 1) return { kind: SunKind.Down };
  return { kind: SunKind.Event, time: Math.round((d + 10957.5) * 86400000) };
}

/**
 * @param day days since 1970-01-01; a half more gives the solar midnight after that day's noon
 * @returns ms UTC of the sun's highest place in the sky, within 2 s
 */
export function solarNoon(day: number, longitude: number): number {
  // On the equator the sun always rises and sets, and the two lie even about noon.
  const rise = sunEvent(day, 0, longitude, true, 90) as { time: number };
  const set = sunEvent(day, 0, longitude, false, 90) as { time: number };
  return (rise.time + set.time) / 2;
}

/** @returns the solar day, for `sunEvent`, that holds the instant `time` in ms UTC; within 17 minutes of midnight maybe its neighbour. */
export function solarDay(time: number, longitude: number): number {
  return Math.floor(time / 86400000 + longitude / 360);
}
