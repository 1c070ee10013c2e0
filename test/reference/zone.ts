/** Legal time by luxon (ICU's zone data), for checking the firmware's own. */
import { IANAZone } from 'luxon';

const DAY = 86_400_000;

/** ms that the zone's clocks are ahead of UTC. */
export function offset(zone: string, time: number): number {
  return IANAZone.create(zone).offset(time) * 60_000;
}

/** What the clocks on the wall read: ms since 1970-01-01 00:00 as if it were UTC. */
export const wall = (zone: string, time: number) => time + offset(zone, time);

/** Changes of offset in (from, to]. They must lie more than a week apart. */
export function transitions(zone: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let time = from; time < to; time += 7 * DAY) {
    const end = Math.min(time + 7 * DAY, to);
    if (offset(zone, time) !== offset(zone, end)) found.push(change(zone, time, end));
  }
  return found;
}

function change(zone: string, from: number, to: number): number {
  const before = offset(zone, from);
  let low = from;
  let high = to;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(zone, middle) === before) low = middle;
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
