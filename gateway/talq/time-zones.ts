/**
 * From a zone's name to the rule that a controller can keep: a POSIX TZ string. The rule is read off the zone's own
 * transitions of the coming years as Node's ICU knows them, so no table ships and none grows old; updating Node updates
 * the zones. Abbreviations are numeric (`<+01>-1<+02>,M3.5.0,M10.5.0/3`), because ICU does not know the letters.
 *
 * Source: TALQ 2.7.1, `TimeFunction.timeZone` (IANA name or POSIX TZ string); POSIX.1-2017 §8.3; RFC 8536 §3.3.1 for
 * hours beyond a day.
 */

/**
 * `exact`: the rule gives every transition of the next 12 years. Where no such rule exists (clocks that follow Ramadan, a
 * law that changes soon) `posix` is right for 9, 6 or 3 years, and failing that the offset that holds most of the time;
 * ask again next year.
 */
export type PosixZone = { posix: string; exact: boolean } | { error: string };

/** Spans to look at. The first is long enough for each date to meet each weekday, which tells "fourth" from "last". */
const YEARS = [12, 9, 6, 3];
const YEAR = 365.25 * 86_400_000;
const DAY = 86_400_000;
const HOUR = 3_600_000;
const WEEK = 7 * DAY;
/** What a controller accepts. */
const LONGEST = 64;

const NAME = '(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)';
const TAIL = '(?::[0-5]?\\d(?::[0-5]?\\d)?)?';
const OFFSET = `[+-]?(?:24|2[0-3]|[01]?\\d)${TAIL}`;
const TIME = `[+-]?(?:16[0-7]|1[0-5]\\d|\\d{1,2})${TAIL}`;
const NUMBER = '(?:36[0-5]|3[0-5]\\d|[12]?\\d{1,2})';
const DATE = `(?:M(?:1[0-2]|0?[1-9])\\.[1-5]\\.[0-6]|J(?!0+(?:[,/]|$))${NUMBER}|${NUMBER})(?:/${TIME})?`;
const POSIX = new RegExp(`^${NAME}${OFFSET}(?:${NAME}(?:${OFFSET})?,${DATE},${DATE})?$`);

interface Transition {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

interface Rule {
  readonly month: number;
  readonly week: number;
  readonly weekday: number;
  /** ms of the local day. */
  readonly time: number;
}

/** @returns the offset of an instant in ms, positive east. */
function offsets(timeZone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  return (time) => {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(time));
    if (!match) throw new Error(`no offset in ${format.format(time)}`);
    const [, sign, hours = '0', minutes = '0', seconds = '0'] = match;
    const value = Number(hours) * HOUR + Number(minutes) * 60_000 + Number(seconds) * 1000;
    return sign === '-' ? -value : value;
  };
}

function transitions(offset: (time: number) => number, from: number, to: number): Transition[] {
  const found: Transition[] = [];
  for (let time = from, before = offset(from); time < to; time += WEEK) {
    const end = Math.min(time + WEEK, to);
    const after = offset(end);
    if (after === before) continue;
    let low = time;
    let high = end;
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    found.push({ at: high, before, after });
    before = after;
  }
  return found;
}

/** @returns the last day of a month, in days since 1970. @param month 1..12 */
const lastDay = (year: number, month: number) => Date.UTC(year, month, 0) / DAY;

function ruleDay(rule: Rule, year: number): number {
  const first = Date.UTC(year, rule.month - 1, 1) / DAY;
  const day = first + ((rule.weekday - ((first + 4) % 7) + 7) % 7) + 7 * (rule.week - 1);
  return day > lastDay(year, rule.month) ? day - 7 : day;
}

/** @returns the rule that all of these wall times, in ms of a clock not yet changed, obey. */
function fit(walls: readonly number[]): Rule | undefined {
  // A change on the day before the last Sunday has no name of its own: it is the last Sunday at an hour below zero.
  for (const shift of [0, -1, 1, -2, 2, -3, 3]) {
    const rules = walls.map((wall) => {
      const day = Math.floor(wall / DAY) - shift;
      const date = new Date(day * DAY);
      const month = date.getUTCMonth() + 1;
      return {
        month,
        weekday: date.getUTCDay(),
        time: wall - day * DAY,
        week: Math.ceil(date.getUTCDate() / 7),
        last: day > lastDay(date.getUTCFullYear(), month) - 7,
      };
    });
    const { month, weekday, time, week } = rules[0];
    if (rules.some((rule) => rule.month !== month || rule.weekday !== weekday || rule.time !== time)) continue;
    if (rules.every((rule) => rule.last)) return { month, weekday, time, week: 5 };
    if (week < 5 && rules.every((rule) => rule.week === week)) return { month, weekday, time, week };
  }
  return undefined;
}

function clock(time: number): string {
  const seconds = Math.abs(time) / 1000;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  while (parts.length > 1 && parts.at(-1) === 0) parts.pop();
  const [hours, ...rest] = parts;
  return `${time < 0 ? '-' : ''}${hours}${rest.map((part) => `:${String(part).padStart(2, '0')}`).join('')}`;
}

function abbreviation(offset: number): string {
  const minutes = Math.floor(Math.abs(offset) / 60_000);
  const two = (value: number) => String(value).padStart(2, '0');
  return `<${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}${minutes % 60 ? two(minutes % 60) : ''}>`;
}

/** POSIX counts westward. */
const standardText = (offset: number) => abbreviation(offset) + clock(offset === 0 ? 0 : -offset);

const ruleText = ({ month, week, weekday, time }: Rule) =>
  `,M${month}.${week}.${weekday}${time === 2 * HOUR ? '' : `/${clock(time)}`}`;

function derive(found: readonly Transition[], from: number, to: number): string | undefined {
  const levels = [...new Set(found.flatMap(({ before, after }) => [before, after]))].sort((a, b) => a - b);
  if (levels.length !== 2) return undefined;
  const [standard, daylight] = levels;
  const walls = (to: number) => found.filter(({ after }) => after === to).map(({ at, before }) => at + before);
  const start = fit(walls(daylight));
  const end = fit(walls(standard));
  if (!start || !end) return undefined;
  const predicted: number[] = [];
  for (let year = new Date(from).getUTCFullYear() - 1; year <= new Date(to).getUTCFullYear() + 1; year++) {
    predicted.push(ruleDay(start, year) * DAY + start.time - standard, ruleDay(end, year) * DAY + end.time - daylight);
  }
  const expected = predicted.filter((at) => at > from && at <= to).sort((a, b) => a - b);
  if (expected.length !== found.length || expected.some((at, i) => at !== found[i].at)) return undefined;
  const second = daylight - standard === HOUR ? abbreviation(daylight) : standardText(daylight);
  return standardText(standard) + second + ruleText(start) + ruleText(end);
}

/** @returns the offset that holds longest in the span. */
function commonest(found: readonly Transition[], from: number, to: number): number {
  const spans = new Map<number, number>();
  let since = from;
  for (const { at, before } of found) {
    spans.set(before, (spans.get(before) ?? 0) + at - since);
    since = at;
  }
  const last = found[found.length - 1].after;
  spans.set(last, (spans.get(last) ?? 0) + to - since);
  return [...spans].sort((a, b) => b[1] - a[1])[0][0];
}

/**
 * @param name IANA name in any case (`Europe/Brussels`, `Etc/GMT-3`), or a POSIX TZ string, which is passed through
 * @param now ms UTC from which on the rule must hold
 * @returns the rule, or in `error` one sentence for people: unknown name, or a POSIX string that is malformed or too long
 */
export function posixZone(name: string, now = Date.now()): PosixZone {
  if (name.length > LONGEST) return { error: `Time zone is longer than ${LONGEST} characters.` };
  if (POSIX.test(name)) return { posix: name, exact: true };
  let offset: (time: number) => number;
  try {
    // Newer engines also take "+05:00", which is neither of the two forms.
    if (!/^[A-Za-z]/.test(name)) throw new RangeError();
    offset = offsets(name);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { error: `"${name}" is neither an IANA time zone nor a POSIX TZ string.` };
  }
  const from = Math.floor(now / 1000) * 1000;
  const to = from + YEARS[0] * YEAR;
  const found = transitions(offset, from, to);
  if (found.length === 0) return { posix: standardText(offset(from)), exact: true };
  for (const years of YEARS) {
    const end = from + years * YEAR;
    const posix = derive(
      found.filter(({ at }) => at <= end),
      from,
      end,
    );
    if (posix) return { posix, exact: end === to };
  }
  return { posix: standardText(commonest(found, from, to)), exact: false };
}
