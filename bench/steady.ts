/**
 * What the whole firmware costs while nothing happens: instructions in a second of steady state, and variables with a
 * calendar of 20 rules and 10 programs of 12 switch points in storage. The bundle runs from the interpreter's flash beside
 * a Modbus meter that answers and, the second time, a broker; callgrind counts for `SECONDS` of real time.
 *
 * While a socket is open the interpreter's idle loop never sleeps (Espruino libs/network/socketserver.c, `socketIdle`
 * answers that it was busy), on every board: then only what runs inside callbacks tells the firmware's own cost. Without a
 * socket the process as a whole is counted, its idling included.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../scripts/bundle.mjs';
import { runToSteady, usage } from '../scripts/size.mjs';
import { type Measurement, record, timetable } from './decision.ts';

/** s that are counted: two reports, two polls of the meter; and before, until boot and its first reports are over. */
const SECONDS = 120;
const SETTLED = 75;
/** ms that valgrind may take to the first report. */
const PATIENCE = 180_000;
/** Functions of the interpreter that are shown with their share. */
const SHOWN = 6;
/** Everything that an event or a timer runs. Source: Espruino src/jsinteractive.c. */
const CALLBACKS = 'jsiExecuteEventCallback';

/** @returns instructions by function of the interpreter, its callees included or not; 'PROGRAM TOTALS' is one of them */
function annotate(file: string, inclusive: boolean): Map<string, number> {
  const options = [`--inclusive=${inclusive ? 'yes' : 'no'}`, '--threshold=100', file];
  const { stdout } = spawnSync('callgrind_annotate', options, { encoding: 'latin1', maxBuffer: 2 ** 26 });
  const lines = stdout.matchAll(/^\s*([\d,]+)(?: \([^)]*\))?\s+(?:\S*?:)?([\w ]+?)(?:'\d+)?(?: \[.*)?$/gm);
  const found = new Map<string, number>();
  for (const [, count, name] of lines) if (!found.has(name)) found.set(name, Number(count.replaceAll(',', '')));
  return found;
}

/** @returns instructions a second, from now on, of the process and of its callbacks, and where most are executed */
async function count(pid: number | undefined, directory: string) {
  const control = (option: string) => {
    const run = spawnSync('callgrind_control', [option, String(pid)], { encoding: 'latin1', cwd: directory });
    if (run.status !== 0) throw new Error(`callgrind_control ${option}: ${run.stdout}${run.stderr}`);
  };
  await sleep(SETTLED * 1000);
  control('--zero');
  const begun = performance.now();
  await sleep(SECONDS * 1000);
  control('--dump');
  const seconds = (performance.now() - begun) / 1000;
  const file = readdirSync(directory).find((name) => /^callgrind\.out\.\d+\.1$/.test(name));
  if (!file) throw new Error('callgrind left no file');
  const own = annotate(join(directory, file), false);
  const total = own.get('PROGRAM TOTALS') ?? 0;
  const inside = annotate(join(directory, file), true).get(CALLBACKS) ?? 0;
  if (total === 0 || inside === 0) throw new Error('callgrind counted nothing');
  const functions = [...own].filter(([name]) => /^js[a-z]/.test(name));
  const most = functions.sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  return {
    process: Math.round(total / seconds),
    callbacks: Math.round(inside / seconds),
    most: most.map(([name, instructions]) => `${name} ${((100 * instructions) / total).toFixed(1)} %`).join(', '),
  };
}

const stored = () => ({ 'timetable~0': record(timetable(2)) });

/** Takes about six minutes. @param say told what is going on */
export async function measureSteady(say: (line: string) => void): Promise<Measurement[]> {
  const memory: Measurement[] = [];
  for (const product of ['linux', 'street']) {
    const made = await bundle({ board: product });
    const used = made.board && (await usage({ code: made.code, board: made.board }, stored()));
    if (!used || !('value' in used)) throw new Error(used?.reason ?? 'no board');
    const name = `steady: ${product}, 20 rules and 10 programs loaded`;
    memory.push({ name, value: used.value, unit: 'variables', limit: 3100 });
  }
  const { code, board } = await bundle({ board: 'linux' });
  if (!board) throw new Error('no board');
  const run = async (site: { code: string; board: typeof board }) => {
    const directory = mkdtempSync(join(tmpdir(), 'callgrind-'));
    const under = ['valgrind', '--tool=callgrind', `--callgrind-out-file=${directory}/callgrind.out.%p`];
    const options = { files: stored(), under, patience: PATIENCE };
    const counted = await runToSteady(site, ({ pid }) => count(pid, directory), options);
    rmSync(directory, { recursive: true, force: true });
    if (!('value' in counted)) throw new Error(counted.reason);
    return counted.value;
  };
  const lonely = { ...board, network: { ...board.network, kind: 'none' as const } };
  say(`counting for ${SECONDS} s without a link …`);
  const alone = await run({ code: (await bundle({ board: lonely })).code, board: lonely });
  say(`${Math.round((100 * alone.callbacks) / alone.process)} % of it in callbacks; where: ${alone.most}`);
  say(`counting for ${SECONDS} s with a link …`);
  const linked = await run({ code, board });
  const second = (name: string, value: number): Measurement => ({
    name: `steady: ${name}, a second`,
    value,
    unit: 'instructions',
    limit: 1_000_000,
  });
  return [
    ...memory,
    second('lamp and meter, the whole process', alone.process),
    second('lamp, meter and link, in callbacks', linked.callbacks),
  ];
}
