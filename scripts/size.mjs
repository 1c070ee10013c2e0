/**
 * `npm run size`: bytes and jsvars of every board's bundle against size-budget.json; over budget ends with 1.
 *
 * With ESPRUINO set, jsvars are measured: the bundle runs from the interpreter's flash with a broker and a Modbus meter
 * that answer, until it has reported. A bundle whose drivers the Linux build lacks, and every bundle without ESPRUINO, is
 * estimated: a count over its syntax tree, plus the run-time state of the last measured bundle (`runtime` in the budget).
 * `--parts BOARD` lists what dominates, `--estimate` measures nothing, `--budget FILE` takes another budget,
 * `--dist DIR` takes the scripts that the build left there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { parse } from 'acorn';
import { Aedes } from 'aedes';
import jsmodbus from 'jsmodbus';
import { boardNames, loadConfig } from './board-config.mjs';
import { bundle } from './bundle.mjs';
import { isClass, isFunction } from './dialect/scope.mjs';
import { boot, interpreter } from './interpreter.mjs';

/** jsvars in use after an empty script. Source: process.memory().usage of Espruino 2v29, Linux build. */
const BASE = 41;

/** Prints the jsvars in use, because what is typed at the console takes some, too; and what the probe itself takes. */
const PROBE = '\nsetInterval(function(){print("<"+process.memory().usage+">")},500);';
const PROBE_JSVARS = 8;

/**
 * @typedef {object} Size
 * @property {string} board
 * @property {number} bytes of the script
 * @property {number} jsvars in use at steady state
 * @property {string} how measured or estimated, and on what
 */

/**
 * @param {Size[]} sizes
 * @param {Record<string, { bytes: number, jsvars: number }>} budget by board
 * @returns {{ lines: string[], over: boolean }}
 */
export function compare(sizes, budget) {
  const width = Math.max(...sizes.map(({ board }) => board.length));
  let over = false;
  const part = (value, limit, unit) => {
    if (limit === undefined) return `${String(value).padStart(6)} ${unit} (no budget)`;
    if (value > limit) over = true;
    return `${String(value).padStart(6)} of ${String(limit).padStart(6)} ${unit}${value > limit ? ' OVER' : ''}`;
  };
  const lines = sizes.map(({ board, bytes, jsvars, how }) => {
    const limits = budget[board] ?? {};
    return `${board.padEnd(width)}  ${part(bytes, limits.bytes, 'bytes')}  ${part(jsvars, limits.jsvars, 'jsvars')}  ${how}`;
  });
  return { lines, over };
}

const isEmpty = ({ body }) => body.type === 'BlockStatement' && body.body.length === 0;
const ofFunction = (fn) => (isEmpty(fn) ? 2 : 4) + fn.params.length;
const ofMethod = ({ kind, value }) => ofFunction(value) - (kind === 'constructor' ? 2 : 0);

function ofValue(node) {
  if (!node) return 1;
  if (isFunction(node)) return ofFunction(node);
  if (isClass(node)) return node.body.body.reduce((sum, member) => sum + ofMethod(member), 7);
  if (node.type === 'ArrayExpression') return node.elements.reduce((sum, item) => sum + ofValue(item), 2);
  if (node.type === 'ObjectExpression') return node.properties.reduce((sum, { value }) => sum + ofValue(value), 2);
  if (node.type === 'NewExpression') return 5;
  return node.type === 'Literal' && typeof node.value === 'string' ? 2 : 1;
}

/**
 * What stays in memory of each declaration at the top of a script that runs from flash: a named function takes 2, its
 * code in flash 2 more, and each parameter 1; a class takes 7 besides its methods. Source: process.memory().usage of
 * Espruino 2v29 (Linux build) after one construct at a time.
 *
 * @param {object} [map] source map, for the names
 * @returns {{ name: string, jsvars: number }[]}
 */
export function parts(code, map) {
  const trace = map && new TraceMap(map);
  const found = [];
  const add = (id, node) => {
    const { line, column } = id.loc.start;
    const { name, source } = trace ? originalPositionFor(trace, { line, column }) : {};
    const place = source ? ` (${source.replace(/^(\.\.\/)+/, '')})` : '';
    found.push({ name: `${name ?? id.name}${place}`, jsvars: ofValue(node) });
  };
  for (const statement of parse(code, { ecmaVersion: 'latest', locations: true }).body) {
    if (isFunction(statement) || isClass(statement)) add(statement.id, statement);
    else if (statement.type === 'VariableDeclaration') for (const { id, init } of statement.declarations) add(id, init);
  }
  return found;
}

/** @returns {number} jsvars that a script leaves in memory before it has made any state */
export const staticCount = (code) => parts(code).reduce((sum, { jsvars }) => sum + jsvars, BASE);

/**
 * Runs a bundle on the interpreter until it has reported to a broker and read its meter, then lets `look` ask it.
 *
 * @template T
 * @param {{ code: string, board: import('../firmware/board.ts').Board }} bundle
 * @param {(controller: ReturnType<typeof boot>, peers: Awaited<ReturnType<typeof openPeers>>) => Promise<T>} look
 * @param {{ files?: Record<string, Uint8Array>, under?: string[], patience?: number, key?: string }} [options] files
 *   beside the bundle in Storage; a command that runs the interpreter; ms until it must have reported; the site's key
 * @returns {Promise<{ value: T, peers: string } | { reason: string }>} what `look` found and who was there; or why the
 *   bundle does not run on the Linux build
 */
export async function runToSteady({ code, board }, look, { files = {}, under, patience = 20_000, key = KEY } = {}) {
  const linked = board.network.kind !== 'none';
  const peers = await openPeers(board.lines.length > 0);
  const site = { host: '127.0.0.1', port: peers.port, key, paths: board.lines.map(() => peers.path) };
  let fail;
  const failed = new Promise((resolve) => {
    fail = resolve;
  });
  let console = '';
  const onOutput = (text) => {
    console = (console + text).slice(-1000);
    const fault = /(Uncaught|ASSERT)[^\n]*\n/.exec(console);
    if (fault) fail({ reason: fault[0].trim() });
  };
  const stored = { ...files, '.bootcde': code, 'site.json': JSON.stringify(site) };
  const controller = boot({ files: stored, onOutput, under });
  try {
    const fault = await Promise.race([peers.steady(linked, patience), failed]);
    if (fault) return fault;
    const value = await look(controller, peers);
    return { value, peers: [linked && 'a broker', peers.path && 'a Modbus meter'].filter(Boolean).join(' and ') };
  } catch (error) {
    return { reason: error.message.split('\n')[0] };
  } finally {
    await controller.stop();
    await peers.close();
  }
}

/**
 * @param {{ code: string, board: import('../firmware/board.ts').Board }} made runs on the Linux build
 * @param {Record<string, Uint8Array>} [files] beside it in Storage
 * @returns as `runToSteady`: the most jsvars in 3 looks at the running bundle
 */
export function usage({ code, board }, files) {
  const look = async (controller) => {
    const from = controller.output().length;
    const [, ...looks] = await controller.expect(/<(\d+)>[^<]*<(\d+)>[^<]*<(\d+)>/, { from });
    return Math.max(...looks.map(Number)) - PROBE_JSVARS;
  };
  return runToSteady({ code: `${code}${PROBE}`, board }, look, { files });
}

async function measure({ code, board, interpreter: build }) {
  const native = build === 'LINUX';
  const made = native ? { code, board } : await bundle({ board: withLinuxPins(board) });
  const { value, peers, reason } = await usage({ code: made.code, board });
  if (reason) return { reason };
  const where = native ? 'Linux build' : 'on the Linux build, pins renamed';
  return { jsvars: value, how: `measured: ${where}, from flash${peers ? `, with ${peers}` : ''}` };
}

/** The same board with pins that the Linux build has and a file for its raw flash, so that its bundle starts there. */
function withLinuxPins(board) {
  let next = 0;
  const pins = ['pin', 'receive', 'transmit', 'driverEnable'];
  return JSON.parse(JSON.stringify(board), (key, value) => {
    // One file, where the areas lie apart as they do on the board.
    if (key === 'flash' || key === 'store' || key === 'journal') {
      return { file: 'espruino.raw', address: value.address % 65536, size: value.size };
    }
    return pins.includes(key) ? `D${++next}` : value;
  });
}

/** Does not keep the process alive by itself. */
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** A site's key where nobody looks at seals. */
const KEY = 'A'.repeat(43);
/** Bytes of a request to read registers. Source: MODBUS over Serial Line V1.02 §2.5.1. */
const REQUEST = 8;

/** @returns input registers of an SDM120 in front of a lamp of 60 W: V, A, W, VA, var, power factor, Hz, kWh */
function healthyLamp() {
  const registers = Buffer.alloc(400);
  const values = { 0: 230, 6: 0.27, 12: 60, 18: 62, 24: -7, 30: 0.97, 70: 50, 72: 123.4 };
  for (const [register, value] of Object.entries(values)) registers.writeFloatBE(value, 2 * register);
  return registers;
}

/** A broker on a free port and, where socat is installed, a Modbus meter behind a pty. */
async function openPeers(serial) {
  const broker = await Aedes.createBroker();
  const mqtt = createServer(broker.handle);
  let asked = 0;
  let metered = () => {};
  const meter = createServer((socket) => {
    socket.on('data', ({ length }) => {
      asked += length;
      if (asked >= 2 * REQUEST) metered();
    });
    new jsmodbus.server.RTU(socket, { input: healthyLamp(), holding: Buffer.alloc(400) });
    socket.on('error', () => {});
  });
  for (const server of [mqtt, meter]) await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const directory = mkdtempSync(join(tmpdir(), 'size-'));
  const path = join(directory, 'meter');
  let socat;
  if (serial && spawnSync('socat', ['-V']).status === 0) {
    socat = spawn('socat', [`PTY,link=${path},raw,echo=0`, `TCP:127.0.0.1:${meter.address().port}`], {
      stdio: 'ignore',
    });
    for (let wait = 0; wait < 100 && !existsSync(path); wait++) await later(20);
  }
  let root;
  let birth;
  const read = new Promise((resolve) => {
    if (socat) metered = resolve;
    else resolve();
  });
  const reported = new Promise((resolve) => {
    broker.on('publish', ({ topic, payload }) => {
      if (topic.endsWith('/birth')) birth = { topic, payload };
      if (!topic.endsWith('/report')) return;
      root = topic.slice(0, -'report'.length);
      resolve();
    });
  });
  return {
    port: mqtt.address().port,
    path: socat ? path : undefined,
    /** What the controller has published of itself, with its topic. */
    birth: () => birth,
    /** Resolves when the controller has done all that it does again and again. */
    steady: async (linked, patience) => {
      const ready = Promise.all([linked && reported, read]).then(() => true);
      if (!(await Promise.race([ready, later(patience)]))) {
        throw new Error(`no report or no meter request within ${patience / 1000} s`);
      }
      await later(1500);
    },
    /** Publishes to the controller with quality of service 1, sealed or not. */
    send: (leaf, payload) => broker.publish({ topic: root + leaf, payload: Buffer.from(payload), qos: 1 }, () => {}),
    async close() {
      socat?.kill();
      for (const server of [mqtt, meter]) server.close();
      await new Promise((resolve) => broker.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function sizeOf(made, estimate) {
  if (estimate) return { reason: 'as asked' };
  return interpreter() ? measure(made) : { reason: 'ESPRUINO is not set' };
}

/** What the build left in `directory`, as `bundle` gives it. */
async function readBuilt(name, directory) {
  const { board, interpreter: build } = await loadConfig(name);
  const file = join(directory, `${name}.js`);
  const map = existsSync(`${file}.map`) ? JSON.parse(readFileSync(`${file}.map`, 'utf8')) : undefined;
  return { code: readFileSync(file, 'latin1'), map, board, interpreter: build };
}

/** @returns the command line's options; ends the process with 2 at a wrong one */
function readArguments() {
  try {
    return parseArgs({
      options: {
        budget: { type: 'string', default: 'size-budget.json' },
        dist: { type: 'string' },
        estimate: { type: 'boolean', default: false },
        parts: { type: 'string' },
      },
    }).values;
  } catch (error) {
    console.error(
      `${error.message.split('. To specify')[0]}; there are --budget FILE, --dist DIR, --estimate, --parts BOARD`,
    );
    process.exit(2);
  }
}

async function main() {
  const values = readArguments();
  const { runtime, boards } = JSON.parse(readFileSync(values.budget, 'utf8'));
  const sizes = await Promise.all(
    boardNames().map(async (name) => {
      const made = values.dist ? await readBuilt(name, values.dist) : await bundle({ board: name });
      const { code } = made;
      const measured = await sizeOf(made, values.estimate);
      const state = boards[name]?.runtime ?? runtime;
      const estimate = staticCount(code) + state;
      const { jsvars = estimate, how = `estimated (${measured.reason}): syntax tree + ${state} at run time` } =
        measured;
      return { board: name, bytes: code.length, jsvars, how, code, map: made.map };
    }),
  );
  const { lines, over } = compare(sizes, boards);
  console.log(lines.join('\n'));
  for (const { board, jsvars, code, map } of sizes.filter((size) => size.board === values.parts)) {
    const all = parts(code, map).sort((a, b) => b.jsvars - a.jsvars);
    const still = staticCount(code);
    console.log(
      `${board}: ${still} jsvars are functions and constants, ${jsvars - still} are state; the largest parts:`,
    );
    for (const part of all.slice(0, 12)) console.log(`${String(part.jsvars).padStart(6)}  ${part.name}`);
  }
  if (over) console.error('over budget: make it smaller, or raise size-budget.json and say why');
  process.exit(over ? 1 : 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    console.error(error.lines || error.faults ? error.message : error);
    process.exit(1);
  });
}
