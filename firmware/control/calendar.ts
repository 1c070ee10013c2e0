/**
 * Which program a calendar gives to a day. Rules are read from the timetable's bytes; the first one that matches wins.
 * Source: TALQ 2.7.1 data model, CalendarRule, ccDate and ccDay.
 */
import type { Bytes } from '../../hal/hal.ts';
import { DateKind, Head, Rule } from '../link/timetable.ts';
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
