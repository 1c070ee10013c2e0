/** The instants at which loggers sample and report. */
import { createHash } from 'node:crypto';
import { instantOf, offsetOf } from './zones.ts';

const DAY = 86400000;
/**
 * s between the instant of a sample and its measurement at most; announced. Controllers report every minute, of what their
 * meters said in the minute before. A sample that would be later is missing.
 */
export const SAMPLING_ACCURACY = 120;

/** Samples from `start`, every `period` ms, before `end`; without a period once. All in ms UTC. */
export interface Profile {
  start: number;
  period?: number;
  end?: number;
}

/** @returns ms of an ISO 8601 duration of days and less; undefined when it is none, or nothing. */
export function toPeriod(text: string): number | undefined {
  const found = /^P(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10})S)?)?$/.exec(text);
  if (!found) return undefined;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  const value = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
  return value > 0 ? value : undefined;
}

/**
 * @param since ms UTC since when the logger exists: a single sample whose start has passed is taken then
 * @param after ms UTC
 * @returns the first instant later than `after` at which one of the profiles samples, undefined without one
 */
export function nextSample(profiles: readonly Profile[], since: number, after: number): number | undefined {
  const instants = profiles.flatMap(({ start, period, end = Number.POSITIVE_INFINITY }) => {
    let instant = Math.max(start, since);
    if (period !== undefined) instant = start + period * Math.max(0, Math.floor((after - start) / period) + 1);
    return instant > after && instant < end ? [instant] : [];
  });
  return instants.length > 0 ? Math.min(...instants) : undefined;
}

/** @returns the latest instant up to `until` at which one of the profiles samples, undefined without one. */
export function lastSample(profiles: readonly Profile[], since: number, until: number): number | undefined {
  const instants = profiles.flatMap(({ start, period, end = Number.POSITIVE_INFINITY }) => {
    let instant = Math.max(start, since);
    if (period !== undefined) {
      const latest = Math.min(until, end - 1);
      instant = start + period * Math.floor((latest - start) / period);
      if (instant < since) return [];
    }
    return instant >= start && instant <= until && instant < end ? [instant] : [];
  });
  return instants.length > 0 ? Math.max(...instants) : undefined;
}

/** A time of day: local, or at a fixed offset from UTC. */
const TIME = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.\d+)?(?:(Z)|([+-])([01]\d|2[0-3]):([0-5]\d))?$/i;

export function isTime(text: string): boolean {
  return TIME.test(text);
}

/**
 * @param times of day; those without a zone designator are local and follow daylight saving time: one that a change
 * leaves out is at the change, one that comes twice is the first
 * @param zone POSIX TZ string of local time
 * @returns the first of them later than `after`, ms UTC; undefined without times
 */
export function nextTime(times: readonly string[], zone: string, after: number): number | undefined {
  const instants = times.flatMap((text) => instantsAround(text, zone, after)).filter((instant) => instant > after);
  return instants.length > 0 ? Math.min(...instants) : undefined;
}

/** @returns the latest of them up to `until`, ms UTC; undefined without times. */
export function lastTime(times: readonly string[], zone: string, until: number): number | undefined {
  const instants = times.flatMap((text) => instantsAround(text, zone, until)).filter((instant) => instant <= until);
  return instants.length > 0 ? Math.max(...instants) : undefined;
}

function instantsAround(text: string, zone: string, time: number): number[] {
  const [, hours, minutes, seconds, utc, sign, east, eastMinutes] = TIME.exec(text) ?? [];
  const ofDay = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  const fixed = utc ? 0 : sign ? Number(`${sign}1`) * (Number(east) * 60 + Number(eastMinutes)) * 60000 : undefined;
  const midnight = Math.floor((time + (fixed ?? offsetOf(zone, time))) / DAY) * DAY;
  return [-1, 0, 1, 2].map((day) => {
    const wall = midnight + day * DAY + ofDay;
    return fixed === undefined ? instantOf(zone, wall) : wall - fixed;
  });
}

/**
 * Spreads reports over `range` s after the instant, evenly from logger to logger and from day to day; the same again
 * after a restart, so that none is sent twice or left out.
 * @returns ms
 */
export function delayOf(logger: string, instant: number, range: number): number {
  const digest = createHash('sha256').update(`${logger} ${instant}`).digest();
  return Math.round((digest.readUInt32BE() / 0xffffffff) * range * 1000);
}
