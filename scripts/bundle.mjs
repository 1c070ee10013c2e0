/**
 * Makes scripts for the interpreter, in two stages: TypeScript to one plain script (checked against the dialect), then
 * per board the compiled configuration, the minifier, and the dialect check again on what will be uploaded.
 */
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import terser from '@rollup/plugin-terser';
import typescript from '@rollup/plugin-typescript';
import { parse } from 'acorn';
import { rollup } from 'rollup';
import { loadConfig } from './board-config.mjs';
import { inlineConstants } from './constants.mjs';
import { namesOfInterpreter } from './dialect/library.mjs';
import { analyse, walk } from './dialect/scope.mjs';
import { WORDS } from './dialect/syntax.mjs';
import { typedFindings } from './dialect/types.mjs';
import { checkScript, formatFinding } from './espruino-dialect.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BOARD = 'virtual:board';
const SCRIPT = 'virtual:script';
const ENTRY = 'firmware/entry.ts';
/** Where stage one's script would stand: its map's sources are relative to it. */
const STAGE_ONE = resolve(ROOT, 'dist/script.js');

/** A bundle that cannot be made. `lines` are readable as they are: no stack traces of the tools. */
export class BundleError extends Error {
  /** @param {string[]} lines */
  constructor(lines) {
    super(lines.join('\n'));
    this.name = 'BundleError';
    this.lines = lines;
    this.stack = '';
  }
}

/** Globals of the interpreter that a name at the top of the script must not hide: its pins, and what consoles use. */
const RESERVED = ['E', 'LED', 'BTN', 'USB', 'NRF', 'SDA', 'SCL', 'MOS', 'SCK'];
for (const port of 'ABCDEFGH') for (let number = 0; number < 40; number++) RESERVED.push(`${port}${number}`);

/**
 * Function declarations move to the top of their scope, because the interpreter does not hoist; names with a leading
 * underscore are ours alone and get short. Inlining with arguments would make `var` that is used before it is declared,
 * and sequences would put function expressions at the head of a for: both run wrongly. ECMAScript 5 output writes no
 * `\u{…}`.
 */
const MINIFIER = {
  ecma: 2015,
  toplevel: true,
  compress: { passes: 3, hoist_funs: true, inline: 1, sequences: false },
  mangle: { reserved: RESERVED, properties: { regex: /^_[a-z]/, reserved: WORDS } },
  format: { ecma: 5, ascii_only: true, comments: false, semicolons: true },
  maxWorkers: 1,
};

/**
 * Names of members that a product's bundle shares with the world outside: its console, the site record, and what overrides
 * are stored by. With the interpreter's own they keep their spelling; all others get short, because a long name costs
 * variables in every object that has it.
 */
const SHARED = [
  ...['rvb', 'version', 'board', 'status'],
  ...['id', 'host', 'port', 'username', 'password', 'key', 'group', 'ssid', 'passphrase', 'paths'],
  // A topic's last level, by which it is also found with a name that only the message knows.
  'cmd',
  ...['level', 'reason', 'start', 'expiration', 'rampTo', 'rampFrom', 'reference', 'program', 'control', 'sensor'],
];

function productMinifier() {
  const reserved = [...namesOfInterpreter(), ...SHARED, ...WORDS];
  return { ...MINIFIER, mangle: { ...MINIFIER.mangle, properties: { reserved } } };
}

/** The interpreter's module that joins a network, by how a board reaches IP. */
const WIFI_MODULES = { 'esp32-wifi': 'Wifi', 'espruino-wifi': 'EspruinoWiFi' };

const compiled = new Map();

/**
 * Stage one, kept for the life of the process: TypeScript to one script that still imports `virtual:board`.
 *
 * @param {{ input?: string, source?: string, tsconfig?: string }} options file to start from, or the text of a JavaScript
 *   entry whose imports are relative to the repository's root; the TypeScript project, absent: tsconfig.firmware.json
 * @returns {Promise<{ code: string, map: object }>} Rejects with a `BundleError`.
 */
export function compile({ input, source, tsconfig = 'tsconfig.firmware.json' }) {
  const key = JSON.stringify([input && resolve(input), source, tsconfig]);
  if (!compiled.has(key)) compiled.set(key, compileFresh({ input, source, tsconfig }));
  return compiled.get(key);
}

async function compileFresh({ input, source, tsconfig }) {
  const warnings = [];
  const findings = [];
  const entry = {
    name: 'entry',
    resolveId: (id, importer) => {
      if (id === SCRIPT) return `${ROOT}entry.virtual.js`;
      return importer === `${ROOT}entry.virtual.js` ? resolve(ROOT, id) : null;
    },
    load: (id) => (id === `${ROOT}entry.virtual.js` ? source : null),
  };
  const types = typescript({
    tsconfig: resolve(ROOT, tsconfig),
    filterRoot: false,
    noEmitOnError: false,
    compilerOptions: { noEmit: false, rewriteRelativeImportExtensions: true, sourceMap: true },
    transformers: {
      before: [
        {
          type: 'program',
          factory: (program) => {
            findings.push(...typedFindings(program));
            return inlineConstants(program);
          },
        },
      ],
    },
  });
  const chunk = await run(
    {
      input: source === undefined ? resolve(input) : SCRIPT,
      external: [BOARD],
      treeshake: false,
      onLog: (_level, log) => warnings.push(log),
      plugins: source === undefined ? [types] : [entry, types],
    },
    { format: 'es', strict: false, sourcemap: true, file: STAGE_ONE },
  );
  findings.push(
    ...checkScript(withoutBoard(chunk.code), { map: chunk.map, directory: resolve(ROOT, 'dist'), hoisted: true }),
  );
  const inside = (file) => file === undefined || chunk.modules.includes(resolve(file));
  const lines = warnings.filter(({ loc }) => inside(loc?.file)).map(lineOf);
  lines.push(...new Set(findings.filter(({ file }) => inside(file)).map(formatFinding)));
  if (chunk.modules.some((id) => /tslib/.test(id)))
    lines.push('a TypeScript helper (tslib) is used: write plain ES2015');
  if (lines.length > 0) throw new BundleError(lines);
  return { code: chunk.code, map: chunk.map };
}

/** The import of the board is resolved in stage two; blanks keep every position. */
const withoutBoard = (code) =>
  code.replace(/^import (\w+) from 'virtual:board';$/m, (line, name) => `var ${name};`.padEnd(line.length));

/**
 * @param {object} options
 * @param {string} [options.input] TypeScript file to start from; absent: firmware/entry.ts
 * @param {string} [options.source] instead of a file: JavaScript text, its imports relative to the repository's root
 * @param {string} [options.tsconfig] TypeScript project; absent: tsconfig.firmware.json
 * @param {string | import('../firmware/board.ts').Board} [options.board] what `virtual:board` holds: a configuration's
 *   name, or a compiled board
 * @param {boolean} [options.minify] absent: true
 * @param {Record<string, unknown>} [options.define] constants that the script sees as global names
 * @returns {Promise<{ code: string, map: object, board?: import('../firmware/board.ts').Board, interpreter?: string }>}
 *   a plain script without exports. Rejects with a `BundleError` or a `ConfigError`.
 */
export async function bundle({ input = ENTRY, source, tsconfig, board: named, minify = true, define = {} }) {
  const config = typeof named === 'string' ? await loadConfig(named) : { board: named };
  const script = await compile({ input, source, tsconfig });
  const product = source === undefined && input === ENTRY;
  const chunk = await run(...boardOptions(script, { board: config.board, minify, define, product }));
  return { code: chunk.code, map: chunk.map, board: config.board, interpreter: config.interpreter };
}

/**
 * Rollup's options for stage two.
 *
 * @returns {[import('rollup').RollupOptions, import('rollup').OutputOptions]}
 */
export function boardOptions(script, { board, minify = true, define = {}, file = STAGE_ONE, product = true }) {
  const areas = [board?.counters?.flash, board?.store, board?.journal];
  const host = board === undefined || areas.some((area) => area?.file !== undefined);
  const store = board?.store !== undefined;
  const network = board === undefined || board.network.kind !== 'none';
  const known = {
    WIFI: WIFI_MODULES[board?.network.kind] ?? '',
    HOST: host,
    NETWORK: network,
    STORE: store,
    KEEPS_TIME: board?.keepsTime ?? false,
    ...define,
  };
  const constants = Object.entries(known).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};\n`);
  const input = {
    input: SCRIPT,
    treeshake: false,
    onLog(_level, log) {
      throw new BundleError([lineOf(log)]);
    },
    plugins: [
      {
        name: 'board',
        resolveId: (id) => (id === SCRIPT ? STAGE_ONE : id === BOARD ? `\0${BOARD}` : null),
        load: (id) => {
          if (id === STAGE_ONE) return { code: board ? withValues(script.code, board) : script.code, map: script.map };
          if (id !== `\0${BOARD}`) return null;
          if (board === undefined) throw new BundleError(['the script imports virtual:board, but no board is named']);
          return { code: `export default ${literal(board)};\n`, map: { mappings: '' } };
        },
      },
    ],
  };
  const output = {
    file,
    format: 'es',
    strict: false,
    sourcemap: 'hidden',
    sourcemapExcludeSources: true,
    intro: constants.join(''),
    plugins: [...(minify ? [terser(product ? productMinifier() : MINIFIER)] : []), dialectCheck({ hoisted: !minify })],
  };
  return [input, output];
}

/**
 * What a product says of itself is known here: where the script asks the parameter `board` for a member, its value takes
 * the place of the question, so that parts which this product lacks drop out with it. Blanks keep every position; a value
 * that is no primitive, or longer than the question, stays a question, unless only asked whether it is there.
 */
function withValues(code, board) {
  const script = analyse(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }));
  const parts = [];
  let done = 0;
  walk(script.program, (node, above) => {
    if (node.type !== 'MemberExpression' || node.start < done || above.callee === node) return;
    if (above.type === 'AssignmentExpression' && above.left === node) return;
    const found = memberOf(node, script, board);
    if (found === undefined) return;
    let [value] = found;
    if (typeof value === 'function') return;
    // Whether there is such a part is known, too.
    if (typeof value === 'object' && above.test === node) value = value !== null;
    if (typeof value === 'object') return;
    const text = JSON.stringify(value) ?? 'void 0';
    if (text.length > node.end - node.start) return;
    parts.push(code.slice(done, node.start), text.padEnd(node.end - node.start));
    done = node.end;
  });
  return parts.join('') + code.slice(done);
}

/** @returns {[unknown] | undefined} what a chain of members of `board` holds */
function memberOf(node, script, board) {
  const path = [];
  let at = node;
  for (; at.type === 'MemberExpression' && !at.computed; at = at.object) path.unshift(at.property.name);
  if (at.type !== 'Identifier' || at.name !== 'board') return undefined;
  const binding = script.binding(at);
  // Parts that are opened later find it in a member of that name.
  const kept = binding?.kind === 'const' && binding.values[0]?.property?.name === '_board';
  if (binding?.kind !== 'param' && !kept) return undefined;
  let value = board;
  for (const key of path) value = value?.[key];
  return [value];
}

/** Rollup plugin: the finished script must run on the interpreter. */
function dialectCheck({ hoisted }) {
  return {
    name: 'espruino-dialect',
    generateBundle(options, chunks) {
      for (const chunk of Object.values(chunks)) {
        if (chunk.type !== 'chunk') continue;
        const directory = resolve(options.file, '..');
        const findings = checkScript(chunk.code, { map: chunk.map, file: chunk.fileName, directory, hoisted });
        if (findings.length > 0) throw new BundleError(findings.map(formatFinding));
      }
    },
  };
}

/** @returns {string} an object literal with unquoted keys, as the interpreter likes them */
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${key}:${literal(member)}`);
  return `{${members.join(',')}}`;
}

async function run(input, output) {
  let build;
  try {
    build = await rollup(input);
    const { output: chunks } = await build.generate(output);
    const [chunk] = chunks;
    if (chunks.filter((one) => one.type === 'chunk').length !== 1 || chunk.exports.length > 0) {
      throw new BundleError([
        `the entry exports ${chunk.exports.join(', ') || 'nothing'} in ${chunks.length} chunks: one script without exports is needed`,
      ]);
    }
    return { code: chunk.code, map: chunk.map, modules: Object.keys(chunk.modules) };
  } catch (error) {
    const broken = [error, error.cause].find((one) => one instanceof BundleError);
    throw broken ?? new BundleError([lineOf(error)]);
  } finally {
    await build?.close();
  }
}

/** One line about a rollup log or error: where, then what. */
function lineOf({ message, loc, id, plugin }) {
  const file = loc?.file ?? id;
  const column = loc && loc.column + (plugin === 'typescript' ? 0 : 1);
  const place = file ? `${relative('.', file)}${loc ? `:${loc.line}:${column}` : ''}: ` : '';
  return place + message.replace(/^.*@rollup\/plugin-typescript /, '').replace(/^\[plugin [^\]]*\] /, '');
}
