/**
 * Which program a calendar gives to a day. Rules are read from the timetable's bytes; the first one that matches wins.
 * Source: TALQ 2.7.1 data model, CalendarRule, ccDate and ccDay.
 */
import type { Bytes } from '../../hal/hal.ts';
import { DateKind, Head, Rule } from '../link/timetable.ts';
import { dateOf, weekdayOf } from './local-time.ts';

/** @param view of the same bytes. @param day days since 1970-01-01. @returns the index of the day's program, `NONE` when nothing rules. */
export function programOf(bytes: Bytes, view: DataView, day: number): number {
  const full = dateOf(day);
  const date = full % 100;
  // month * 32 + day of the month, as the timetable writes days of the year
  const inYear = Math.floor((full % 10000) / 100) * 32 + date;
  // The day's bits among a rule's weekdays, occurrences and days of the month.
  const weekday = 1 << ((weekdayOf(day) - 1) & 7);
  let which = 1 << (Math.floor((date - 1) / 7) & 7);
  if (date > 21 && dateOf(day + 7) % 100 < date) which += 32;
  const monthDay = Rule.MonthDays + 3 - ((date - 1) >> 3);
  const bit = 1 << ((date - 1) & 7);
  let at = Head.Size + 2 * bytes[Head.Programs];
  for (let rule = bytes[Head.Rules]; rule > 0; rule--) {
    const ranges = bytes[at + Rule.RangeCount];
    if (bytes[at + Rule.StartKind] + bytes[at + Rule.EndKind] === 0 || isOpen(view, at, day, inYear)) {
      const weekdays = bytes[at + Rule.Weekdays];
      const occurrences = bytes[at + Rule.Occurrences];
      if (weekdays & weekday && (occurrences === 0 || occurrences & which)) return bytes[at];
      if (bytes[at + monthDay] & bit) return bytes[at];
      if ((ranges > 0 || weekdays === 0) && inRanges(view, at, ranges, inYear)) return bytes[at];
    }
    at += Rule.Ranges + 4 * ranges;
  }
  return bytes[Head.DefaultProgram];
}

/** Whether one of a rule's ranges of days in the year holds the day; one without any days at all holds every day. */
function inRanges(view: DataView, at: number, count: number, inYear: number): boolean {
  let range = at + Rule.Ranges;
  for (let left = count; left > 0; left--) {
    if (inYear >= view.getUint16(range) && inYear <= view.getUint16(range + 2)) return true;
    range += 4;
  }
  return count === 0 && view.getUint32(at + Rule.MonthDays) === 0;
}

/** Each bound is tested on its own; two recurring ones whose start is later than their end go over New Year. */
function isOpen(view: DataView, at: number, day: number, inYear: number): boolean {
  const startKind = view.getUint8(at + Rule.StartKind);
  const endKind = view.getUint8(at + Rule.EndKind);
  const start = view.getUint16(at + Rule.Start);
  const begun = startKind === DateKind.Open || (startKind === DateKind.Date ? day : inYear) >= start;
  const wraps = startKind === DateKind.Recurring && endKind === DateKind.Recurring;
  if (!begun && !wraps) return false;
  const end = view.getUint16(at + Rule.End);
  const lasts = endKind === DateKind.Open || (endKind === DateKind.Date ? day : inYear) <= end;
  return wraps && start > end ? begun || lasts : begun && lasts;
}
