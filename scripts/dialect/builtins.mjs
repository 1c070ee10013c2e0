/**
 * Built-ins that Espruino 2v29 does not have, or whose call it understands differently. A missing method is reported by
 * its name unless the script itself defines a member of that name.
 */

import { REGEX_WAY_OUT, regexFault } from './regex.mjs';

const ARRAY = 'use a loop';
const BYTES = 'use a loop or a DataView';

/** Global names that are undefined. */
const GLOBALS = {
  Map: 'use an object or two arrays',
  Set: 'use an object or an array',
  WeakMap: 'keep the value in a property',
  WeakSet: 'keep a flag in a property',
  WeakRef: 'clear the reference yourself',
  Symbol: 'use a string or a number',
  Proxy: 'call functions',
  Reflect: 'use Object and plain calls',
  BigInt: 'use a number, or two',
  BigInt64Array: 'use a DataView and two numbers',
  BigUint64Array: 'use a DataView and two numbers',
  Intl: 'format by hand',
  RangeError: 'throw an Error',
  URIError: 'throw an Error',
  EvalError: 'throw an Error',
  AggregateError: 'throw an Error',
  queueMicrotask: 'use the clock: after(0, run)',
  setImmediate: 'use the clock: after(0, run)',
  requestAnimationFrame: 'use the clock',
  structuredClone: 'copy by hand',
  performance: 'use the clock: uptime()',
  TextEncoder: 'use charCodeAt, the text being ASCII',
  TextDecoder: 'use String.fromCharCode, the text being ASCII',
  Buffer: 'use a Uint8Array',
  URL: 'split the text by hand',
  AbortController: 'keep a flag',
  escape: 'use encodeURIComponent',
  unescape: 'use decodeURIComponent',
  encodeURI: 'use encodeURIComponent',
  decodeURI: 'use decodeURIComponent',
};

/** Members of built-in objects that are undefined. */
const STATICS = {
  Array: { from: ARRAY, of: 'write [a, b]' },
  Object: {
    freeze: 'readonly types do the same',
    isFrozen: 'readonly types do the same',
    seal: 'readonly types do the same',
    isSealed: 'readonly types do the same',
    preventExtensions: 'readonly types do the same',
    isExtensible: 'readonly types do the same',
    is: 'use ===',
    hasOwn: 'use object.hasOwnProperty(key)',
    groupBy: ARRAY,
    getOwnPropertySymbols: 'there are no symbols',
  },
  Number: {
    isInteger: 'use Math.floor(x) === x',
    isSafeInteger: 'use Math.floor(x) === x and a bound',
    isFinite: 'use isFinite',
    isNaN: 'use isNaN',
    parseFloat: 'use parseFloat',
    parseInt: 'use parseInt',
    EPSILON: 'write the number',
    MAX_SAFE_INTEGER: 'write the number',
    MIN_SAFE_INTEGER: 'write the number',
  },
  Math: {
    trunc: 'use x | 0 below 2^31, else Math.floor and a sign test',
    imul: 'split into 16-bit halves',
    clz32: ARRAY,
    hypot: 'use Math.sqrt',
    log2: 'use Math.log(x) / Math.LN2',
    log10: 'use Math.log(x) / Math.LN10',
    log1p: 'use Math.log(1 + x)',
    expm1: 'use Math.exp(x) - 1',
    cbrt: 'use Math.pow(x, 1 / 3)',
    fround: 'use a Float32Array',
    sinh: 'use Math.exp',
    cosh: 'use Math.exp',
    tanh: 'use Math.exp',
    asinh: 'use Math.log',
    acosh: 'use Math.log',
    atanh: 'use Math.log',
  },
  String: { raw: 'write the backslashes twice', fromCodePoint: 'use String.fromCharCode' },
  Date: { UTC: 'compute it from days, or parse ISO text' },
  Promise: {
    race: 'take callbacks',
    any: 'take callbacks',
    allSettled: 'take callbacks',
    withResolvers: 'take callbacks',
  },
};
for (const type of ['Uint8', 'Int8', 'Uint8Clamped', 'Uint16', 'Int16', 'Uint32', 'Int32', 'Float32', 'Float64']) {
  STATICS[`${type}Array`] = { from: 'use new and set', of: 'use new', BYTES_PER_ELEMENT: 'write the number' };
}

/** Methods that no value has. */
const METHODS = {
  at: 'index with length - 1',
  flat: ARRAY,
  flatMap: ARRAY,
  findLast: ARRAY,
  findLastIndex: ARRAY,
  reduceRight: ARRAY,
  copyWithin: 'use set and subarray',
  toSorted: 'copy with slice, then sort',
  toReversed: 'copy with slice, then reverse',
  toSpliced: 'copy with slice, then splice',
  entries: ARRAY,
  keys: 'use Object.keys, or count',
  values: 'for-of needs no iterator',
  codePointAt: 'use charCodeAt',
  search: 'use match or indexOf',
  matchAll: 'use match in a loop',
  localeCompare: 'compare with <',
  normalize: 'keep the text ASCII',
  trimStart: 'use trim',
  trimEnd: 'use trim',
  toLocaleString: 'format by hand',
  toLocaleDateString: 'format by hand',
  toLocaleTimeString: 'format by hand',
  toPrecision: 'use toFixed',
  toExponential: 'scale, then toFixed',
  finally: 'take a callback',
  once: 'remove the listener in the listener',
  setUTCHours: 'compute in ms',
  setUTCMinutes: 'compute in ms',
  setUTCSeconds: 'compute in ms',
  setUTCMilliseconds: 'compute in ms',
  setUTCDate: 'compute in ms',
  setUTCMonth: 'compute in ms',
  setUTCFullYear: 'compute in ms',
  getBigInt64: BYTES,
  getBigUint64: BYTES,
  setBigInt64: BYTES,
  setBigUint64: BYTES,
};

const PROTOTYPES = ['Array', 'String', 'Number', 'Function', 'Date', 'Promise', 'Uint8Array', 'Boolean'];
const SUBTYPES = ['TypeError', 'SyntaxError', 'ReferenceError', 'InternalError'];
const CLEARING = ['clearTimeout', 'clearInterval', 'clearWatch'];
const isGlobal = (node, names, name) => node.type === 'Identifier' && node.name === name && !names.binding(node);
const memberName = (node) => (node.computed ? undefined : node.property.name);
const isText = (node) =>
  node?.type === 'TemplateLiteral' || (node?.type === 'Literal' && typeof node.value === 'string');
const isNothing = (node) =>
  !node ||
  (node.type === 'Literal' && node.value === null) ||
  node.type === 'UnaryExpression' ||
  node.name === 'undefined';

export const builtins = {
  Identifier(node, { names, report }) {
    if (names.isSpelling(node) || names.binding(node)) return;
    if (Object.hasOwn(GLOBALS, node.name)) report(node, node.name, GLOBALS[node.name]);
    if (
      /^__(spreadArray|rest|assign|awaiter|generator|extends|values|read|decorate|classPrivateField\w+)$/.test(
        node.name,
      )
    ) {
      report(node, `TypeScript helper ${node.name}`, 'use plain ES2015 without spread, async and decorators');
    }
  },
  MemberExpression(node, context) {
    const { names, report, ownMembers } = context;
    const name = memberName(node);
    if (name === undefined) return;
    const { object } = node;
    if (object.type === 'Identifier' && !names.binding(object)) {
      const statics = Object.hasOwn(STATICS, object.name) ? STATICS[object.name] : {};
      if (Object.hasOwn(statics, name)) return report(node, `${object.name}.${name}`, statics[name]);
      if (name === 'prototype' && PROTOTYPES.includes(object.name)) {
        return report(
          node,
          `${object.name}.prototype`,
          'its methods cannot be read: call them on a value, as [].slice.call(x)',
        );
      }
    }
    const call = names.parent(node);
    if (call?.type === 'CallExpression' && call.callee === node) checkCall(call, name, context);
    else if (name === 'name') checkName(node, context);
    if (Object.hasOwn(METHODS, name) && !ownMembers.has(name) && !isGlobal(object, names, 'Object'))
      report(node, `.${name}`, METHODS[name]);
    if (name === 'lastIndexOf' && object.type === 'ArrayExpression') report(node, 'Array lastIndexOf', ARRAY);
    return undefined;
  },
  CallExpression(node, context) {
    const { names, report } = context;
    const { callee } = node;
    if (callee.type === 'Identifier' && !names.binding(callee) && CLEARING.includes(callee.name)) {
      const [timer] = node.arguments;
      if (!timer) report(node, `${callee.name}() without argument`, 'pass the handle: it clears all of them');
      else if (isNothing(timer)) report(node, `${callee.name}(undefined)`, 'test the handle first: this throws');
    }
    if (isGlobal(callee, names, 'RegExp')) checkRegExp(node, context);
  },
  NewExpression(node, context) {
    const { names, report } = context;
    const { callee } = node;
    if (isGlobal(callee, names, 'Promise')) {
      report(node, 'new Promise', 'take a Done callback: a promise whose resolve is dropped is freed while in use');
    }
    if (
      callee.type === 'Identifier' &&
      /^(Uint|Int|Float)\d+(Clamped)?Array$/.test(callee.name) &&
      isText(node.arguments[0])
    ) {
      report(node, `new ${callee.name}(text)`, 'use E.toUint8Array');
    }
    if (isGlobal(callee, names, 'RegExp')) checkRegExp(node, context);
  },
  BinaryExpression(node, { names, report }) {
    if (node.operator !== 'instanceof' || node.right.type !== 'Identifier') return;
    if (SUBTYPES.includes(node.right.name) && !names.binding(node.right)) {
      report(node, `instanceof ${node.right.name}`, 'test the value before: internal errors are plain Errors');
    }
  },
};

function checkRegExp(node, { report }) {
  const [pattern, flags] = node.arguments;
  const known = pattern?.type === 'Literal' && (!flags || flags.type === 'Literal');
  const fault = known ? regexFault(String(pattern.value), flags ? String(flags.value) : '') : 'computed text';
  if (fault)
    report(node, `regex: ${fault}`, known ? REGEX_WAY_OUT : 'write a regex literal, so that it can be checked');
}

function checkCall(call, name, { names, report }) {
  const object = call.callee.object;
  const [, second] = call.arguments;
  if (isGlobal(object, names, 'JSON')) {
    if (name === 'stringify' && !isNothing(second))
      report(call, 'JSON.stringify with a replacer', 'build the object that you want');
    if (name === 'parse' && second) report(call, 'JSON.parse with a reviver', 'convert afterwards');
  }
  if (name === 'split' && second) report(call, 'split with a limit', 'slice the result');
  if (name === 'call' && object.type === 'MemberExpression' && memberName(object) === 'toString') {
    if (isObjectPrototype(object.object, names))
      report(call, 'Object.prototype.toString.call', 'use typeof or Array.isArray');
  }
}

const isObjectPrototype = (node, names) =>
  node.type === 'MemberExpression' && memberName(node) === 'prototype' && isGlobal(node.object, names, 'Object');

/** `.name` of something known to be a function, a class or a caught error. */
function checkName(node, { names, report }) {
  const { object } = node;
  const binding = object.type === 'Identifier' ? names.binding(object) : undefined;
  const isConstructor = object.type === 'MemberExpression' && memberName(object) === 'constructor';
  if (isConstructor || binding?.kind === 'function' || binding?.kind === 'class') {
    report(node, 'name of a function', 'keep the text in a property of your own');
  } else if (binding?.kind === 'catch') report(node, 'name of an error', 'use message, or a property of your own');
}
