/**
 * `npm run year`: a simulated year of one lamp on its real firmware, per place, held against the reference model.
 * Exit codes: 0 the lamp did what its program said, 1 it did not, 2 a wrong flag.
 */

import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { loadBoard } from '../scripts/board-config.mjs';
import { fromCommandLine } from '../sim/command-line.ts';
import { liveYear, SUN, type Year } from './lamp-year.ts';
import { PLACES, type Place } from './places.ts';

const HELP = `Usage: npm run year -- [options]

Lives one year of one lamp, from noon of 31 December to noon of 31 December, on its real firmware, and compares the light
of its pins with a reference model that shares no code with it.

  --place NAME       ${Object.keys(PLACES).join(', ')} (all of them)
  --year N           2020 to 2035 (2026)
  --seed N           who passes the lamp, and when the model is asked besides (1)
  --help             this text
`;

interface Arguments {
  places: Place[];
  year: number;
  seed: number;
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new Error(`${flag} wants a whole number from ${least} to ${most}, not "${text}"`);
  }
  return value;
}

/** @returns the options, or 'help'. Throws with one line for the operator at a wrong flag or value. */
export function readArguments(flags: string[]): Arguments | 'help' {
  const string = { type: 'string' } as const;
  const options = { place: string, year: string, seed: string, help: { type: 'boolean' } as const };
  const { values } = parseArgs({ args: flags, options });
  if (values.help) return 'help';
  const { place } = values;
  if (place !== undefined && !Object.hasOwn(PLACES, place)) {
    throw new Error(`--place wants one of ${Object.keys(PLACES).join(', ')}, not "${place}"`);
  }
  return {
    places: place === undefined ? Object.values(PLACES) : [PLACES[place]],
    year: whole('--year', values.year ?? '2026', 2020, 2035),
    seed: whole('--seed', values.seed ?? '1', 0, 0xffffffff),
  };
}

const HOUR = 3_600_000;
const hours = (ms: number) => `${(ms / HOUR).toFixed(1)} h`;
const seconds = (ms: number) => `${Number((ms / 1000).toFixed(1))} s`;

/** @returns the dates of nights, as ranges. */
function ranges(dates: string[]): string {
  if (dates.length === 0) return 'none';
  const found: string[][] = [];
  for (const date of dates) {
    const last = found.at(-1);
    const before = new Date(Date.parse(date) - 24 * HOUR).toISOString().slice(0, 10);
    if (last?.at(-1) === before) last.push(date);
    else found.push([date]);
  }
  const texts = found.map((run) => (run.length > 1 ? `${run[0]} to ${run.at(-1)}` : run[0]));
  return `${dates.length} (${texts.join(', ')})`;
}

/** @returns what the year was, a fact a line: its name, and its value. */
export function rowsOf(year: Year): [string, string][] {
  const { off, nights, programs } = year;
  const byLit = [...nights].sort((a, b) => a.lit - b.lit);
  const [shortest, longest] = [byLit[0], byLit[byLit.length - 1]];
  const parts = [...programs].sort(([, a], [, b]) => b - a).map(([id, lit]) => `${id} ${hours(lit)}`);
  return [
    ['lit', hours(year.lit)],
    ['by program', parts.join(', ')],
    ['switched on', `${year.switchOns} times`],
    ['relay cycles', `${Math.min(year.switchOns, year.switchOffs)}`],
    ['level changes', `${year.levelChanges}`],
    ['energy', `${(year.wattHours / 1000).toFixed(2)} kWh`],
    ['longest night lit', `${hours(longest.lit)} (${longest.date})`],
    ['shortest night lit', `${hours(shortest.lit)} (${shortest.date})`],
    ['nights never lit', ranges(nights.filter(({ lit }) => lit === 0).map(({ date }) => date))],
    ['active all 24 h', ranges(nights.filter(({ active }) => active).map(({ date }) => date))],
    ['dark while the program says lit', seconds(off.dark)],
    ['lit while the program says dark', seconds(off.lit)],
    ['at another level than the program', seconds(off.level)],
    ['relay closing later (legal)', `${seconds(off.closing)}, at most ${seconds(off.longestClosing)} at once`],
    ['gear discharging (legal)', seconds(off.discharge)],
    [`within ${seconds(SUN)} of a sun edge (legal)`, seconds(off.sun)],
    ['decisions compared', `${year.asked}, ${year.nearSun} differ near a sun edge, ${year.wrong.length} elsewhere`],
  ];
}

async function main(): Promise<void> {
  const options = fromCommandLine(readArguments, HELP);
  if (!options) return;
  const { places, year, seed } = options;
  const board = await loadBoard('linux');
  for (const place of places) {
    const start = performance.now();
    const onMonth = (time: number) => {
      if (process.stderr.isTTY) console.error(`${place.name}: ${new Date(time).toISOString().slice(0, 7)}`);
    };
    const lived = liveYear({ place, year, seed, board, onMonth });
    const took = (performance.now() - start) / 1000;
    console.log(`${place.name} ${year}, ${place.timeZone}, ${place.latitude} ${place.longitude}, seed ${seed}`);
    const rows: [string, string][] = [...rowsOf(lived), ['measured', `${took.toFixed(1)} s for this lamp-year`]];
    const width = Math.max(...rows.map(([name]) => name.length));
    for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}  ${value}`);
    console.log();
    const { dark, lit, level } = lived.off;
    if (dark + lit + level > 0 || lived.wrong.length > 0) process.exitCode = 1;
    for (const at of lived.wrong.slice(0, 10)) console.error(`another decision at ${new Date(at).toISOString()}`);
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
