/**
 * Legal time from a POSIX TZ string. Days are counted from 1970-01-01 in the proleptic Gregorian calendar, instants are
 * ms UTC.
 *
 * Source: POSIX.1-2017 §8.3 (TZ), with the hours from -167 to 167 of RFC 8536 §3.3.1.
 */

/**
 * A compiled zone, indexed by `At`; owned by the caller. It remembers the transitions of the year it was last asked for,
 * so that most questions cost two comparisons.
 */
export type Zone = Float64Array;

const enum At {
  /** ms that standard time is ahead of UTC. */
  Standard = 0,
  /** The same of daylight time; less than standard time where winter is the exception (Ireland). */
  Daylight = 1,
  /** Rule: kind, or month 1..12; week 1..5 or day; weekday 0..6, Sunday is 0; ms of the local day. */
  Start = 2,
  End = 6,
  /** The remembered year of standard time, first and last instant, and its two transitions. */
  From = 10,
  To = 11,
  On = 12,
  Off = 13,
  Size = 14,
}

/** Kinds of rule beside a month. */
const enum Rule {
  None = 0,
  /** Jn: 1..365, 29 February is never counted. */
  Julian = 13,
  /** n: 0..365 */
  Ordinal = 14,
}

const DAY = 86400000;
/** Characters; the longest rule in use has 45. */
const LIMIT = 64;

let text = '';
let next = 0;

/** @returns days since 1970-01-01. @param month 1..13 @param date 1 and up, days beyond the month run on */
export function dayOf(year: number, month: number, date: number): number {
  if (month < 3) {
    year--;
    month += 12;
  }
  const leaps = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400);
  return 365 * year + leaps + Math.floor((153 * month - 457) / 5) + date - 719469;
}

/** @returns the date of a day as the number yyyymmdd. */
export function dateOf(day: number): number {
  // Years begin in March here, so that the leap day is the last. The guess is right or one too high.
  let year = Math.floor((day + 719469.5) / 365.2425);
  let rest = day - dayOf(year, 3, 1);
  if (rest < 0) rest = day - dayOf(--year, 3, 1);
  const month = Math.floor((5 * rest + 2) / 153);
  const date = rest - Math.floor((153 * month + 2) / 5) + 1;
  return month < 10 ? year * 10000 + (month + 3) * 100 + date : (year + 1) * 10000 + (month - 9) * 100 + date;
}

/** @returns 1 Monday to 7 Sunday. */
export function weekdayOf(day: number): number {
  return ((((day + 3) % 7) + 7) % 7) + 1;
}

function transition(zone: Zone, rule: number, year: number): number {
  const month = zone[rule];
  const count = zone[rule + 1];
  let day = dayOf(year, month > 12 ? 1 : month, 1);
  if (month > 12) {
    day += count;
    if (month === Rule.Julian && (count < 60 || dayOf(year, 3, 1) - dayOf(year, 2, 1) < 29)) day--;
  } else {
    const last = dayOf(year, month + 1, 1) - 7;
    day += ((zone[rule + 2] - weekdayOf(day) + 7) % 7) + 7 * (count - 1);
    if (day >= last + 7) day -= 7;
  }
  return day * DAY + zone[rule + 3];
}

/** Remembers the year that holds an instant. */
function enterYear(zone: Zone, time: number): void {
  const standard = zone[At.Standard];
  const year = Math.floor(dateOf(Math.floor((time + standard) / DAY)) / 10000);
  zone[At.From] = dayOf(year, 1, 1) * DAY - standard;
  zone[At.To] = dayOf(year + 1, 1, 1) * DAY - standard;
  zone[At.On] = transition(zone, At.Start, year) - standard;
  zone[At.Off] = transition(zone, At.End, year) - zone[At.Daylight];
}

/** @returns ms that local time is ahead of UTC at the instant `time`. Transitions must lie in their own year of standard time. */
export function offsetAt(zone: Zone, time: number): number {
  if (zone[At.Start] === Rule.None) return zone[At.Standard];
  if (time < zone[At.From] || time >= zone[At.To]) enterYear(zone, time);
  const on = zone[At.On];
  const off = zone[At.Off];
  const summer = on < off ? time >= on && time < off : time >= on || time < off;
  return zone[summer ? At.Daylight : At.Standard];
}

/**
 * @param day local date in days since 1970-01-01
 * @param second of that day, 0 and up; 86400 is the next midnight
 * @returns ms UTC. A time that is skipped in spring gives the end of the gap, one that comes twice in autumn the first.
 * Source: TALQ 2.7.1 leaves it open (FixedTimeControl.startTime, "local time including DST"); a night stays whole so.
 */
export function instantOf(zone: Zone, day: number, second: number): number {
  const local = day * DAY + second * 1000;
  const ahead = Math.max(zone[At.Standard], zone[At.Daylight]);
  const early = local - ahead;
  if (offsetAt(zone, early) === ahead) return early;
  const behind = Math.min(zone[At.Standard], zone[At.Daylight]);
  const late = local - behind;
  if (offsetAt(zone, late) === behind) return late;
  const on = zone[At.On];
  return on > early && on <= late ? on : zone[At.Off];
}

/** @returns the number at `next`, or -1 when there is none or it exceeds `limit`. */
function digits(limit: number): number {
  let value = -1;
  for (let c = text.charCodeAt(next); c > 47 && c < 58; c = text.charCodeAt(++next)) {
    value = (value < 0 ? 0 : value * 10) + c - 48;
  }
  return value > limit ? -1 : value;
}

/** @returns ms of `[+-]h[:mm[:ss]]`, undefined when it is none. @param limit of the hours */
function clock(limit: number): number | undefined {
  const sign = text.charAt(next);
  if (sign === '-' || sign === '+') next++;
  let value = digits(limit);
  if (value < 0) return undefined;
  value *= 3600000;
  for (let unit = 60000; unit > 999 && text.charAt(next) === ':'; unit /= 60) {
    next++;
    const part = digits(59);
    if (part < 0) return undefined;
    value += part * unit;
  }
  return sign === '-' ? -value : value;
}

/** Passes over an abbreviation of three characters or more: letters, inside `< >` also digits and signs. */
function skipName(): boolean {
  const quoted = text.charAt(next) === '<';
  if (quoted) next++;
  const first = next;
  for (;;) {
    const c = text.charCodeAt(next);
    const letter = (c > 64 && c < 91) || (c > 96 && c < 123);
    if (!letter && !(quoted && ((c > 47 && c < 58) || c === 43 || c === 45))) break;
    next++;
  }
  return next - first > 2 && (!quoted || text.charAt(next++) === '>');
}

/** Reads `,date[/time]` into the zone. */
function readRule(zone: Zone, rule: number): boolean {
  if (text.charAt(next++) !== ',') return false;
  const kind = text.charAt(next);
  if (kind === 'M') {
    next++;
    zone[rule] = digits(12);
    if (text.charAt(next++) !== '.') return false;
    zone[rule + 1] = digits(5);
    if (text.charAt(next++) !== '.') return false;
    zone[rule + 2] = digits(6);
    if (zone[rule] < 1 || zone[rule + 1] < 1 || zone[rule + 2] < 0) return false;
  } else {
    if (kind === 'J') next++;
    zone[rule] = kind === 'J' ? Rule.Julian : Rule.Ordinal;
    zone[rule + 1] = digits(365);
    if (zone[rule + 1] < (kind === 'J' ? 1 : 0)) return false;
  }
  let time: number | undefined = 7200000;
  if (text.charAt(next) === '/') {
    next++;
    time = clock(167);
  }
  if (time === undefined) return false;
  zone[rule + 3] = time;
  return true;
}

function readZone(zone: Zone): boolean {
  if (!skipName()) return false;
  const west = clock(24);
  if (west === undefined) return false;
  zone[At.Standard] = 0 - west; // POSIX counts westward; never -0
  zone[At.Daylight] = 0 - west;
  if (next === text.length) return true;
  if (!skipName()) return false;
  const summer = text.charAt(next) === ',' ? west - 3600000 : clock(24);
  if (summer === undefined) return false;
  zone[At.Daylight] = 0 - summer;
  return readRule(zone, At.Start) && readRule(zone, At.End) && next === text.length;
}

/**
 * Compiles `std offset [dst [offset] ,start[/time],end[/time]]`, such as `CET-1CEST,M3.5.0,M10.5.0/3` or `<+0545>-5:45`.
 *
 * @returns undefined when `posix` is malformed, longer than 64 characters, or names daylight time without saying when it
 * rules.
 */
export function parseZone(posix: string): Zone | undefined {
  const zone = new Float64Array(At.Size);
  text = posix;
  next = 0;
  const good = posix.length <= LIMIT && readZone(zone);
  text = '';
  return good ? zone : undefined;
}
