/**
 * The dialect check: rejects what Espruino 2v29 lacks or runs differently, in a script as it will be uploaded. Findings
 * name the construct, the way out and, through the source map, the place in our sources.
 */
import { isAbsolute, relative, resolve } from 'node:path';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { parse } from 'acorn';
import { builtins } from './dialect/builtins.mjs';
import { classes, loopClosures, meaning, order, recursion, typedSlices, varOrder } from './dialect/meaning.mjs';
import { analyse, walk } from './dialect/scope.mjs';
import { syntax } from './dialect/syntax.mjs';

/**
 * @typedef {object} Finding
 * @property {string} what the construct
 * @property {string} wayOut
 * @property {string} file relative to the working directory
 * @property {number} line from 1
 * @property {number} column from 1
 * @property {string} text the beginning of the construct, as it stands in the script
 */

const VISITORS = [syntax, builtins, meaning];

/**
 * @param {string} code a whole script
 * @param {object} [options]
 * @param {object} [options.map] source map of the script (version 3); absent: places are in the script itself
 * @param {string} [options.file] the script's name
 * @param {string} [options.directory] where the map's sources are relative to
 * @param {boolean} [options.hoisted] functions are moved to the top later on, so their order does not matter
 * @returns {Finding[]} in text order; empty: it will run
 */
export function checkScript(code, { map, file = 'script.js', directory = '.', hoisted = false } = {}) {
  const trace = map && new TraceMap(map);
  const findings = [];
  const positionOf = places(code, trace, file, directory);
  const add = (start, what, wayOut, end = start + 50) => {
    const text = code
      .slice(start, Math.min(end, start + 50))
      .split('\n')[0]
      .trim();
    findings.push({ what, wayOut, ...positionOf(start), text, start });
  };
  let program;
  try {
    program = parse(code, { ecmaVersion: 'latest', sourceType: 'module', allowReturnOutsideFunction: true });
  } catch (error) {
    if (error.pos === undefined) throw error;
    program = parseScript(code, add);
    if (!program) return findings;
  }
  const names = analyse(program);
  const report = (node, what, wayOut) => add(node.start, what, wayOut, node.end);
  const context = { code, names, report, ownMembers: membersOf(program), nameOf: (fn) => functionName(fn, names) };
  walk(program, (node) => {
    for (const visitors of VISITORS) visitors[node.type]?.(node, context);
  });
  loopClosures(context);
  classes(context);
  typedSlices(context);
  recursion(context);
  varOrder(context);
  if (!hoisted) order(context);
  findings.sort((a, b) => a.start - b.start);
  return findings.map(({ start, ...finding }) => finding);
}

/** Sloppy scripts (`with`, names that modules reserve) parse only so. */
function parseScript(code, add) {
  try {
    return parse(code, { ecmaVersion: 'latest', sourceType: 'script', allowReturnOutsideFunction: true });
  } catch (error) {
    add(error.pos, `syntax error: ${error.message}`, 'write valid ES2015');
    return undefined;
  }
}

/** Names of members that the script defines, which therefore are not missing built-ins. */
function membersOf(program) {
  const members = new Set();
  walk(program, (node) => {
    if (node.type === 'MethodDefinition' || node.type === 'Property') members.add(node.key.name ?? node.key.value);
    else if (node.type === 'AssignmentExpression' && node.left.type === 'MemberExpression' && !node.left.computed) {
      members.add(node.left.property.name);
    }
  });
  return members;
}

function functionName(fn, names) {
  if (fn.id) return fn.id.name;
  const parent = names.parent(fn);
  const name = parent?.key?.name ?? parent?.id?.name ?? parent?.left?.property?.name ?? parent?.left?.name;
  return name ?? 'a function';
}

/** @returns {(offset: number) => { file: string, line: number, column: number }} */
function places(code, trace, file, directory) {
  const starts = [0];
  for (let at = code.indexOf('\n'); at >= 0; at = code.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let line = starts.length;
    while (starts[line - 1] > offset) line--;
    const column = offset - starts[line - 1];
    const original = trace && originalPositionFor(trace, { line, column });
    if (!original?.source) return { file, line, column: column + 1 };
    const path = isAbsolute(original.source) ? original.source : resolve(directory, original.source);
    return { file: relative('.', path), line: original.line, column: original.column + 1 };
  };
}

/** @returns {string} `file:line:column: construct: way out   text` */
export const formatFinding = ({ file, line, column, what, wayOut, text }) =>
  `${file}:${line}:${column}: ${what}: ${wayOut}${text ? `   ${text}` : ''}`;
