/**
 * How deep the firmware's calls go. A board's stack holds about ten calls from an event (Espruino 2v29: a call takes
 * 0.3 to 0.6 kB, boards have 7.7 to 25 kB), and an overflow there cannot be caught. Every function of the minified bundle
 * gets a counter, because what the minifier inlines no longer counts.
 */
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { parse } from 'acorn';
import { analyse, isFunction, walk } from './dialect/scope.mjs';

/** Deepest chain of calls that an event may start. */
export const LIMIT = 10;

/**
 * @param {string} code a script
 * @param {object} [map] its source map, for names
 * @returns {{ code: string, names: string[] }} the script, each function of which calls `__enter(number)` first and
 *   `__leave()` last; `names[number]` is `name (file:line)`
 */
export function instrument(code, map) {
  const program = parse(code, { ecmaVersion: 'latest' });
  const scope = analyse(program);
  const trace = map && new TraceMap(map);
  const starts = [0];
  for (let at = code.indexOf('\n'); at >= 0; at = code.indexOf('\n', at + 1)) starts.push(at + 1);
  const names = [];
  const inserts = [];
  walk(program, (node) => {
    if (!isFunction(node)) return;
    const number = names.push(nameOf(node, scope, trace, starts)) - 1;
    const enter = `__enter(${number});try{`;
    const leave = '}finally{__leave()}';
    if (node.body.type === 'BlockStatement' && node.body.body.length === 0) {
      inserts.push([node.body.start + 1, `${enter}${leave}`]);
    } else if (node.body.type === 'BlockStatement') {
      inserts.push([node.body.start + 1, enter], [node.body.end - 1, leave]);
    } else {
      const arrow = code.lastIndexOf('=>', node.body.start) + 2;
      inserts.push([arrow, `{${enter}return(`], [node.end, `)${leave}}`]);
    }
  });
  // At one place the inner function's end comes before the outer one's: inner ones were found later.
  const ordered = inserts.map(([at, text], order) => ({ at, text, order }));
  ordered.sort(
    (a, b) => a.at - b.at || (a.text[0] === ')' || a.text[0] === '}' ? b.order - a.order : a.order - b.order),
  );
  let result = '';
  let from = 0;
  for (const { at, text } of ordered) {
    result += code.slice(from, at) + text;
    from = at;
  }
  return { code: result + code.slice(from), names };
}

function nameOf(fn, scope, trace, starts) {
  const parent = scope.parent(fn);
  const key = fn.id ?? parent.key ?? parent.id ?? parent.left?.property ?? parent.left;
  let line = starts.length;
  const at = parent.key && parent.value === fn ? parent.start : fn.start;
  while (starts[line - 1] > at) line--;
  const original = trace ? originalPositionFor(trace, { line, column: at - starts[line - 1] }) : {};
  const place = original.source ? ` (${original.source.replace(/^(\.\.\/)+/, '')}:${original.line})` : '';
  return `${original.name ?? key?.name ?? 'function'}${place}`;
}

/** Counts calls while instrumented code runs: hand `enter` and `leave` to it. */
export class Depth {
  /** Numbers of the functions of the deepest chain so far, outermost first. */
  deepest = [];
  #chain = [];

  enter = (number) => {
    this.#chain.push(number);
    if (this.#chain.length > this.deepest.length) this.deepest = [...this.#chain];
  };

  leave = () => {
    this.#chain.pop();
  };
}

/** The same counter in the interpreter's dialect, to stand before instrumented code: the chain is the global `__deepest`. */
export const DEVICE_COUNTER = `var __chain=[],__deepest=[];
function __enter(n){__chain.push(n);if(__chain.length>__deepest.length)__deepest=__chain.slice()}
function __leave(){__chain.pop()}
`;
