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
  const date = dateOf(day);
  // month * 32 + day of the month, as the timetable writes days of the year
  const inYear = Math.floor((date % 10000) / 100) * 32 + (date % 100);
  let at = Head.Size + 2 * bytes[Head.Programs];
  for (let rule = 0; rule < bytes[Head.Rules]; rule++) {
    if (inRange(bytes, at, day, inYear) && matches(bytes, at, day, inYear)) return bytes[at + Rule.Program];
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

function matches(bytes: Bytes, at: number, day: number, inYear: number): boolean {
  const monthDays = u16(bytes, at + Rule.MonthDays) * 65536 + u16(bytes, at + Rule.MonthDays + 2);
  const weekdays = bytes[at + Rule.Weekdays];
  const ranges = bytes[at + Rule.RangeCount];
  if (monthDays === 0 && weekdays === 0 && ranges === 0) return true;
  const date = inYear % 32;
  if ((monthDays >>> ((date - 1) & 31)) & 1) return true;
  for (let range = at + Rule.Ranges; range < at + Rule.Ranges + 4 * ranges; range += 4) {
    if (inYear >= u16(bytes, range) && inYear <= u16(bytes, range + 2)) return true;
  }
  if (!((weekdays >> ((weekdayOf(day) - 1) & 7)) & 1)) return false;
  return occurs(bytes[at + Rule.Occurrences], day, date);
}

/** @param occurrences bits 0..4 for the first to fifth such weekday of the month, bit 5 for the last; 0 for any */
function occurs(occurrences: number, day: number, date: number): boolean {
  if (occurrences === 0 || (occurrences >> (Math.floor((date - 1) / 7) & 7)) & 1) return true;
  return occurrences > 31 && dateOf(day + 7) % 100 < date;
}
