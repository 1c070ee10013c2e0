/** A year in the life of a healthy lamp, one of many different ones, and what its controller said was wrong with it. */
import { configOf, PLACES } from '../../bench/places.ts';
import type { Board } from '../../firmware/board.ts';
import { Phase } from '../../firmware/link/messages.ts';
import { start } from '../../firmware/main.ts';
import { World } from '../../sim/clock.ts';
import { openController } from '../../sim/controller.ts';
import type { SimHal } from '../../sim/index.ts';
import type { LampOptions } from '../../sim/plant/lamp.ts';
import { Mains } from '../../sim/plant/mains.ts';
import { measure } from '../../sim/plant/modbus-meter.ts';
import { type Random, seeded } from '../../sim/random.ts';
import { boardOf, DAY, documentBytes, HOUR, LAMP_ALARMS, MINUTE, SECOND } from '../monitor/pole.ts';
import { Post } from '../monitor/post.ts';
import { timetableOf } from '../reference/firmware.ts';
import { siteKey } from '../sealed.ts';
import { QuickLines } from './quick-line.ts';

/** What became of one lamp. */
export interface Life {
  lamp: number;
  /** In words, for a report. */
  what: string;
  /** Starts of alarms: [code, ms UTC, its items]. */
  alarms: [number, number, unknown][];
  /** All other events by code. */
  others: Record<number, number>;
  /** Of those that a broken lamp raised in the days after the year. */
  found: number[];
  requests: number;
  damaged: number;
  boots: number;
}

/** Most with one request a poll, because a hundred years have to pass in minutes. */
const METERS = ['pzem-016', 'pzem-016', 'pzem-016', 'pzem-016', 'sdm120', 'em111'];
const WATTAGES = [12, 18, 25, 40, 60, 90, 120, 150, 250];
const CURVES = [
  'linear',
  'logarithmic',
  [
    { volts: 1, level: 10 },
    { volts: 3, level: 20 },
    { volts: 6, level: 50 },
    { volts: 10, level: 100 },
  ],
];
/** Noon of 31 December 2025 in UTC. */
const BEGIN = Date.UTC(2025, 11, 31, 12);
/** Share of the messages that arrive with a flipped bit. */
const DAMAGE = 0.01;

const between = (random: Random, least: number, most: number) => least + random.next() * (most - least);
const pick = <T>(random: Random, list: readonly T[]) => list[random.below(list.length)];

/** Dips, swells and interruptions of a bad year. Source: EN 50160 §5.2, §5.3: tens to a thousand dips, tens of interruptions. */
function disturb(mains: Mains, world: World, random: Random, days: number): void {
  for (let time = between(random, 0, 3 * DAY); time < days * DAY; time += between(random, 0.1 * DAY, 5 * DAY)) {
    const kind = random.next();
    const [factor, duration] =
      kind < 0.5
        ? [between(random, 0.4, 0.9), between(random, 10, SECOND)]
        : kind < 0.7
          ? [between(random, 0.7, 0.9), between(random, SECOND, MINUTE)]
          : kind < 0.8
            ? [between(random, 1.1, 1.2), between(random, 10, MINUTE)]
            : kind < 0.9
              ? [between(random, 0.86, 0.93), between(random, MINUTE, 2 * HOUR)]
              : [0, between(random, 100, kind < 0.98 ? 3 * MINUTE : 5 * HOUR)];
    mains.disturb(world, factor, duration, time);
    time += duration;
  }
}

async function productOf(random: Random): Promise<Board> {
  const meter = pick(random, METERS);
  const curve = pick(random, CURVES);
  return boardOf('linux', (config) => {
    config.lamp.dim.curve = curve;
    config.lines[0].baud = 9600;
    config.meters[0].profile = meter;
    config.reportSeconds = 86_400;
    config.network.keepAliveSeconds = 3600;
    config.counters.periodSeconds = 3600;
  });
}

/** @param index of the lamp: which one, where, and what happens to it @param days of the year */
export async function live(index: number, days: number): Promise<Life> {
  const random = seeded(`healthy ${index}`);
  const product = await productOf(random);
  const place = pick(random, Object.values(PLACES));
  const timetable = timetableOf(configOf(place)) as Uint8Array;
  const board: Board = { ...product, timetable: [...timetable] };
  const wattage = pick(random, WATTAGES) * between(random, 0.97, 1.03);
  const gradient = pick(random, [1, 1, 1.05, 1.1]);
  const drift = between(random, 0, 0.04);
  const lamp: LampOptions = {
    wattage,
    gradient,
    drift,
    standby: between(random, 0.2, 0.6),
    filter: between(random, 0.12, 0.25),
    warmUp: between(random, 0, 3000),
  };
  const known = random.chance(0.5);
  const world = new World();
  const mains = new Mains({ seed: index, swing: between(random, 0.01, 0.05) });
  const id = `lamp-${index}`;
  const post = new Post(world, id);
  const life: Life = {
    lamp: index,
    what: '',
    alarms: [],
    others: {},
    found: [],
    requests: 0,
    damaged: 0,
    boots: 0,
  };
  let broken = false;
  post.now = () => BEGIN + world.now;
  post.onLetter = ({ at, leaf, body }) => {
    if (leaf !== 'event') return;
    for (const items of (body as unknown[]).slice(1) as number[][]) {
      const [, code, phase] = items;
      if (broken) life.found.push(code);
      else if (LAMP_ALARMS.includes(code) && phase === Phase.Start) life.alarms.push([code, BEGIN + at, items]);
      else life.others[code] = (life.others[code] ?? 0) + 1;
    }
  };
  let lines: QuickLines;
  const pole = openController({
    world,
    id,
    board,
    site: { host: 'broker', port: 1883, key: siteKey(id) },
    seed: index,
    mains,
    lamp,
    dial: post.dial,
    begin: BEGIN,
    start: (hal, ...rest) => start(lines.in(hal as SimHal), ...rest),
  });
  lines = new QuickLines(
    board,
    random,
    () => measure(world, mains, pole.lamp),
    () => mains.factor > 0.37,
  );
  lines.damage = DAMAGE;
  disturb(mains, world, random, days);
  world.run(MINUTE);
  if (known) {
    const document = { wattage: Math.round(wattage), gradient, standby: lamp.standby };
    post.configure({ monitoring: documentBytes(document) });
  }
  const from = world.now;
  const before = pole.lamp.load.wattHours;
  world.run(days * DAY - from);
  const kilowattHours = (pole.lamp.load.wattHours - before) / 1000;
  life.what =
    `${wattage.toFixed(1)} W, gradient ${gradient}, ${(100 * drift).toFixed(1)} % drift, ${board.meters[0].profile}, ` +
    `${place.name}, ${known ? 'type known' : 'learned'}, ${kilowattHours.toFixed(1)} kWh`;
  life.requests = lines.requests;
  life.damaged = lines.requests - lines.answers;
  life.boots = pole.sim.resets.length;
  broken = true;
  // Both gradients of light keep the half within what half the LEDs draw.
  pole.lamp.fail({ leds: 0.5 });
  world.run(3 * DAY);
  return life;
}
