/** Time zones by name: as controllers keep them, and local time as the API shows it. */
import type { Clock } from '../clock.ts';
import { posixZone } from './time-zones.ts';

/** ms after which a zone's rule is looked up again: laws change. */
const LIFETIME = 30 * 86400000;
const MINUTE = 60000;
const HOUR = 3600000;
const DAY = 86400000;

export class Zones {
  private readonly known = new Map<string, { posix: string; time: number }>();

  constructor(private readonly clock: Clock) {}

  /** @param name an IANA name or a POSIX TZ string, already checked. @returns the POSIX TZ string; UTC for an unknown name. */
  posix(name: string): string {
    const now = this.clock.now();
    const known = this.known.get(name);
    if (known && Math.abs(now - known.time) < LIFETIME) return known.posix;
    const zone = posixZone(name, now);
    const posix = 'posix' in zone ? zone.posix : 'UTC0';
    this.known.set(name, { posix, time: now });
    return posix;
  }

  /**
   * Local time with the zone's offset, by the rule that the controller has too.
   * @param time ms UTC. @returns RFC 3339
   */
  toLocal(time: number, name: string): string {
    // RFC 3339 has no seconds in offsets.
    const offset = Math.round(offsetOf(this.posix(name), time) / MINUTE);
    const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
    const minutes = Math.abs(offset);
    const suffix = `${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
    return new Date(time + offset * MINUTE).toISOString().replace('Z', suffix);
  }
}

const NAME = '(?:<[^>]+>|[A-Za-z]+)';
const TIME = '[+-]?\\d+(?::\\d+){0,2}';
const RULE = new RegExp(`^${NAME}(${TIME})(?:${NAME}(${TIME})?,([^,]+),([^,]+))?$`);

/**
 * @param posix a well-formed POSIX TZ string
 * @returns ms that local time is ahead of UTC at the instant `time`. Source: POSIX.1-2017 §8.3, RFC 8536 §3.3.1.
 */
export function offsetOf(posix: string, time: number): number {
  const [, west = '0', summer, start, end] = RULE.exec(posix) ?? [];
  const standard = -duration(west);
  if (!start) return standard;
  const daylight = summer === undefined ? standard + HOUR : -duration(summer);
  const year = new Date(time + standard).getUTCFullYear();
  const changes = [year - 1, year, year + 1].flatMap((one) => [
    { at: wallTime(start, one) - standard, offset: daylight },
    { at: wallTime(end, one) - daylight, offset: standard },
  ]);
  const past = changes.sort((a, b) => a.at - b.at).filter(({ at }) => at <= time);
  return past.at(-1)?.offset ?? standard;
}

/**
 * @param wall a local time, as ms of a clock that shows UTC
 * @returns the instant at which clocks in the zone first show it, ms UTC; of a time that they leave out, the change
 */
export function instantOf(posix: string, wall: number): number {
  const [before, after] = [offsetOf(posix, wall - DAY), offsetOf(posix, wall + DAY)];
  const candidates = [wall - before, wall - after].filter((time) => time + offsetOf(posix, time) === wall);
  if (candidates.length > 0) return Math.min(...candidates);
  let early = wall - Math.max(before, after);
  let late = wall - Math.min(before, after);
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (offsetOf(posix, middle) === before) early = middle;
    else late = middle;
  }
  return late;
}

/** @returns ms of hh[:mm[:ss]], signed. */
function duration(text: string): number {
  const [hours, minutes = 0, seconds = 0] = text.replace(/^[+-]/, '').split(':').map(Number);
  const value = hours * HOUR + minutes * MINUTE + seconds * 1000;
  return text.startsWith('-') ? -value : value;
}

/** @returns when a rule such as M3.5.0/2, J60 or 59 strikes in a year, in ms of a clock that has not yet changed. */
function wallTime(rule: string, year: number): number {
  const [date, clock = '2'] = rule.split('/');
  const time = duration(clock);
  const newYear = Date.UTC(year, 0, 1);
  if (!date.startsWith('M')) {
    const day = Number(date.replace('J', ''));
    // J counts from 1 and passes over 29 February.
    const leap = Date.UTC(year, 2, 1) - newYear === 60 * DAY && day >= 60 ? 1 : 0;
    return newYear + (date.startsWith('J') ? day - 1 + leap : day) * DAY + time;
  }
  const [month, week, weekday] = date.slice(1).split('.').map(Number);
  const first = Date.UTC(year, month - 1, 1);
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const ahead = (weekday - new Date(first).getUTCDay() + 7) % 7;
  const day = ahead + 7 * (week - 1);
  return first + (day < length ? day : day - 7) * DAY + time;
}
