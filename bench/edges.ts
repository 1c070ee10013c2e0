/** Every instant at which the reference model's decision can change, found without asking the firmware. */
import { seeded } from '../sim/random.ts';
import type { Config, Happening } from '../test/reference/model.ts';
import { crossing, DAY } from '../test/reference/sun.ts';
import { instantOf } from '../test/reference/zone.ts';
import { PRESENCE } from './places.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export interface Edges {
  /** ms UTC, ascending: begins of program days, clock times and sun events of every program, presence and its holds. */
  readonly all: number[];
  /** Those that follow the sun. */
  readonly sun: number[];
}

function secondOf(text: string): number {
  const [hours, minutes, seconds] = text.split(':').map(Number);
  return hours * 3600 + minutes * 60 + seconds;
}

/** Clock times that any program names, in s of the day, and offsets to the sun, in minutes. */
function namesOf({ programs, dayOffset }: Config): { seconds: Set<number>; offsets: Set<number>; holds: Set<number> } {
  const seconds = new Set([dayOffset * 3600]);
  const offsets = new Set([0]);
  const holds = new Set([0]);
  for (const program of programs) {
    for (const { startTime } of program.fixedTimeControls) seconds.add(secondOf(startTime));
    for (const { offset } of program.astroClockTimeControls ?? []) offsets.add(offset);
    for (const { period, effect } of program.dynamicControls ?? []) {
      holds.add((effect.holdTime ?? 0) * 1000);
      if (period) for (const time of [period.startTime, period.endTime]) seconds.add(secondOf(time));
    }
    for (const period of program.activePeriods) {
      if (period.name === 'AbsoluteActivePeriod') {
        for (const time of [period.startTime, period.endTime]) seconds.add(secondOf(time));
      } else if (period.name === 'AstroClockActivePeriod') {
        for (const offset of [period.sunsetOffset, period.sunriseOffset]) offsets.add(offset);
      } else {
        throw new Error(`edges of a ${period.name} are not known`);
      }
    }
  }
  return { seconds, offsets, holds };
}

/** @param from ms UTC. @param to ms UTC */
export function edgesOf(config: Config, history: Happening[], from: number, to: number): Edges {
  const { seconds, offsets, holds } = namesOf(config);
  const { latitude, longitude } = config.location as { latitude: number; longitude: number };
  const all = new Set<number>();
  const sun = new Set<number>();
  for (let day = Math.floor(from / DAY) - 2; day <= Math.floor(to / DAY) + 2; day++) {
    for (const second of seconds) all.add(instantOf(config.timeZone, day * DAY + second * 1000));
    for (const rising of [true, false]) {
      const event = crossing(day, latitude, longitude, rising);
      if (event.kind !== 'event') continue;
      for (const offset of offsets) sun.add(event.time + offset * MINUTE);
    }
  }
  for (const { at } of history) for (const hold of holds) all.add(at + hold);
  const within = (times: Iterable<number>) =>
    [...times].filter((time) => time >= from && time < to).sort((a, b) => a - b);
  return { all: within(new Set([...all, ...sun])), sun: within(sun) };
}

/** ms for which a pin has to stand until firmware believes it. */
export const DEBOUNCE = 50;

/** A person who passes the pole: the pin goes up, and down again. ms UTC */
export interface Visit {
  readonly up: number;
  readonly down: number;
}

/** @returns who comes by in a time: up to 5 a day, mostly at night, for 2 to 120 s, never two at once */
export function visitsOf(timeZone: string, from: number, to: number, seed: string): Visit[] {
  const random = seeded(`${seed} visits`);
  const visits: Visit[] = [];
  let free = from;
  for (let day = Math.floor(from / DAY) - 1; day <= Math.floor(to / DAY) + 1; day++) {
    const evening = instantOf(timeZone, day * DAY + 21 * HOUR);
    const ups = Array.from({ length: random.below(6) }, () => evening + random.below(12 * HOUR));
    for (const up of ups.sort((a, b) => a - b)) {
      const down = up + 2000 + random.below(118_000);
      if (up <= free || down >= to) continue;
      visits.push({ up, down });
      free = down + 1000;
    }
  }
  return visits;
}

/** @returns the same as the model is told: a sensor counts once it has stood for `DEBOUNCE` */
export function historyOf(visits: readonly Visit[]): Happening[] {
  return visits.flatMap(({ up, down }) => [
    { at: up + DEBOUNCE, type: 'sensor' as const, address: PRESENCE, raised: true },
    { at: down + DEBOUNCE, type: 'sensor' as const, address: PRESENCE, raised: false },
  ]);
}
