/** Legal time by luxon (ICU's zone data), for checking the firmware's own. */
import { IANAZone } from 'luxon';

const DAY = 86_400_000;

const FIRST = Date.UTC(2020, 0, 1);
const LAST = Date.UTC(2036, 0, 1);

/** A zone's changes from FIRST to LAST, looked up once, because a question to ICU takes 30 µs. */
const tables = new Map<string, { changes: number[]; offsets: number[] }>();

/** ms that the zone's clocks are ahead of UTC. */
export function offset(zone: string, time: number): number {
  if (time < FIRST || time >= LAST) return ask(zone, time);
  let table = tables.get(zone);
  if (!table) {
    const changes = transitions(zone, FIRST, LAST);
    table = { changes, offsets: [FIRST, ...changes].map((change) => ask(zone, change)) };
    tables.set(zone, table);
  }
  return table.offsets[table.changes.filter((change) => change <= time).length];
}

const ask = (zone: string, time: number) => IANAZone.create(zone).offset(time) * 60_000;

/** What the clocks on the wall read: ms since 1970-01-01 00:00 as if it were UTC. */
export const wall = (zone: string, time: number) => time + offset(zone, time);

/** Changes of offset in (from, to]. They must lie more than a week apart. */
export function transitions(zone: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let time = from; time < to; time += 7 * DAY) {
    const end = Math.min(time + 7 * DAY, to);
    if (ask(zone, time) !== ask(zone, end)) found.push(change(zone, time, end));
  }
  return found;
}

function change(zone: string, from: number, to: number): number {
  const before = ask(zone, from);
  let low = from;
  let high = to;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (ask(zone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * The first instant at which the clocks have reached a wall time: of a repeated hour the first pass, of a skipped one
 * its end.
 */
export function instantOf(zone: string, local: number): number {
  const offsets = [offset(zone, local - 1.5 * DAY), offset(zone, local + 1.5 * DAY)];
  const hits = offsets.map((ahead) => local - ahead).filter((time) => wall(zone, time) === local);
  return hits.length ? Math.min(...hits) : change(zone, local - 1.5 * DAY, local + 1.5 * DAY);
}
