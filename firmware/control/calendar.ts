/**
 * Which program a calendar gives to a day. Rules are read from the timetable's bytes; the first one that matches wins.
 * Source: TALQ 2.7.1 data model, CalendarRule, ccDate and ccDay.
 */
import type { Bytes } from '../../hal/hal.ts';
import { AckCode } from '../link/messages.ts';
import { DateKind, Head, NONE, Part, Rule, Size, TIMETABLE_VERSION } from '../link/timetable.ts';
import { dateOf, weekdayOf } from './local-time.ts';

/** @returns the big-endian unsigned 16-bit number at `at`. */
export function u16(bytes: Bytes, at: number): number {
  return bytes[at] * 256 + bytes[at + 1];
}

/** @param day days since 1970-01-01. @returns the index of the day's program, `NONE` when nothing rules. */
export function programOf(bytes: Bytes, day: number): number {
  const full = dateOf(day);
  const date = full % 100;
  // month * 32 + day of the month, as the timetable writes days of the year
  const inYear = Math.floor((full % 10000) / 100) * 32 + date;
  // The day's bits among a rule's weekdays and occurrences.
  const weekday = 1 << ((weekdayOf(day) - 1) & 7);
  let which = 1 << (Math.floor((date - 1) / 7) & 7);
  if (date > 21 && dateOf(day + 7) % 100 < date) which += 32;
  let at = Head.Size + 2 * bytes[Head.Programs];
  for (let rule = bytes[Head.Rules]; rule > 0; rule--) {
    if (
      ((bytes[at + Rule.StartKind] === DateKind.Open && bytes[at + Rule.EndKind] === DateKind.Open) ||
        inRange(bytes, at, day, inYear)) &&
      matches(bytes, at, inYear, weekday, which)
    ) {
      return bytes[at + Rule.Program];
    }
    at += Rule.Ranges + 4 * bytes[at + Rule.RangeCount];
  }
  return bytes[Head.DefaultProgram];
}

/** Each bound is tested on its own; two recurring ones whose start is later than their end go over New Year. */
function inRange(bytes: Bytes, at: number, day: number, inYear: number): boolean {
  const startKind = bytes[at + Rule.StartKind];
  const endKind = bytes[at + Rule.EndKind];
  const start = u16(bytes, at + Rule.Start);
  const end = u16(bytes, at + Rule.End);
  const begun = startKind === DateKind.Open || (startKind === DateKind.Date ? day : inYear) >= start;
  const lasts = endKind === DateKind.Open || (endKind === DateKind.Date ? day : inYear) <= end;
  if (startKind === DateKind.Recurring && endKind === DateKind.Recurring && start > end) return begun || lasts;
  return begun && lasts;
}

/** @param which bits 0..4: the first to fifth such weekday of the month, bit 5: the last one */
function matches(bytes: Bytes, at: number, inYear: number, weekday: number, which: number): boolean {
  const weekdays = bytes[at + Rule.Weekdays];
  if (weekdays & weekday) {
    const occurrences = bytes[at + Rule.Occurrences];
    if (occurrences === 0 || occurrences & which) return true;
  }
  const date = (inYear & 31) - 1;
  if ((bytes[at + Rule.MonthDays + 3 - (date >> 3)] >> (date & 7)) & 1) return true;
  const ranges = bytes[at + Rule.RangeCount];
  for (let range = at + Rule.Ranges; range < at + Rule.Ranges + 4 * ranges; range += 4) {
    if (inYear >= u16(bytes, range) && inYear <= u16(bytes, range + 2)) return true;
  }
  if (weekdays > 0 || ranges > 0) return false;
  return u16(bytes, at + Rule.MonthDays) + u16(bytes, at + Rule.MonthDays + 2) === 0;
}

/**
 * Looks whether a timetable can be run before it is stored: its parts lie inside it, its rules name programs that it has,
 * and it is not more than the board holds.
 *
 * @param limits bytes, rules, programs, switch points a program
 * @returns `Done`, `Malformed` or `TooLarge`
 */
export function check(bytes: Bytes, limits: readonly number[]): AckCode {
  const length = bytes.length;
  if (length < Head.Size + 4 || bytes[Head.Version] !== TIMETABLE_VERSION) return AckCode.Malformed;
  const programs = bytes[Head.Programs];
  if (length > limits[0] || bytes[Head.Rules] > limits[1] || programs > limits[2]) return AckCode.TooLarge;
  let at = Head.Size + 2 * programs;
  const last = bytes[Head.DefaultProgram];
  if (last !== NONE && last >= programs) return AckCode.Malformed;
  for (let rule = 0; rule < bytes[Head.Rules]; rule++) {
    if (!(bytes[at + Rule.Program] < programs)) return AckCode.Malformed;
    at += Rule.Ranges + 4 * bytes[at + Rule.RangeCount];
  }
  at += bytes[Head.ZoneLength];
  for (let program = 0; program < programs; program++) {
    if (u16(bytes, Head.Size + 2 * program) !== at) return AckCode.Malformed;
    if (bytes[at + Part.Fixed] > limits[3]) return AckCode.TooLarge;
    at +=
      Part.Size +
      bytes[at + Part.Periods] * Size.Period +
      (bytes[at + Part.Fixed] + bytes[at + Part.Astro]) * Size.Point +
      bytes[at + Part.Dynamic] * Size.Dynamic;
  }
  return at + 4 === length ? AckCode.Done : AckCode.Malformed;
}
