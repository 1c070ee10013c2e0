/**
 * Syntax that Espruino 2v29 rejects, or reads as something else. One visitor per ESTree node type; each finding carries
 * the construct and the way out. Every rule is shown on the real interpreter by test/espruino/dialect.test.ts.
 */

import { REGEX_WAY_OUT, regexFault } from './regex.mjs';
import { childrenOf } from './scope.mjs';

const RESERVED = ['of', 'static'];
/** Words of the interpreter, which takes no method of a class by such a name. */
export const WORDS = [
  ...['break', 'case', 'catch', 'class', 'const', 'continue', 'debugger', 'default', 'delete', 'do', 'else', 'extends'],
  ...['false', 'finally', 'for', 'function', 'if', 'in', 'instanceof', 'let', 'new', 'null', 'of', 'return', 'static'],
  ...['super', 'switch', 'this', 'throw', 'true', 'try', 'typeof', 'undefined', 'var', 'void', 'while'],
];
const LOGICAL = ['??=', '||=', '&&='];
const FUNCTION_RULES = (node, { report }) => {
  if (node.generator) report(node, 'generator', 'keep the state in variables and take a callback');
  if (node.async) report(node, 'async function', 'take a Done callback');
};
const flag =
  (what, wayOut) =>
  (node, { report }) =>
    report(node, what, wayOut);
const moduleSyntax = flag('import or export in the script', 'bundle everything into one entry without exports');

function containsIn(node) {
  if (!node || typeof node !== 'object') return false;
  if (node.type === 'BinaryExpression' && node.operator === 'in') return true;
  return Object.values(node).some((value) =>
    Array.isArray(value) ? value.some(containsIn) : value?.type && containsIn(value),
  );
}

/** True when a string, regex or template in the expression holds a brace: the interpreter counts it as its own. */
function quotesBrace(node, code) {
  const isText = node.type === 'TemplateElement' || (node.type === 'Literal' && typeof node.value !== 'number');
  if (isText) return /[{}]/.test(code.slice(node.start, node.end));
  for (const child of childrenOf(node)) if (quotesBrace(child, code)) return true;
  return false;
}

const lengthTarget = (node) => node.type === 'MemberExpression' && !node.computed && node.property.name === 'length';

export const syntax = {
  SpreadElement: flag('spread', 'copy with a loop, concat, slice() or Object.assign'),
  RestElement: flag('rest parameter or element', 'take an array, or use arguments in a function'),
  AssignmentPattern: flag('default value', 'test for undefined in the body'),
  ObjectPattern: flag('destructuring', 'read the properties one by one'),
  ArrayPattern: flag('destructuring', 'read the elements one by one'),
  ChainExpression: flag('optional chaining', 'test with && or ?:'),
  LabeledStatement: flag('label', 'move the loops into a function and return'),
  WithStatement: flag('with', 'name the object'),
  YieldExpression: flag('yield', 'keep the state in variables and take a callback'),
  AwaitExpression: flag('await', 'take a Done callback'),
  TaggedTemplateExpression: flag('tagged template', 'call the function with plain arguments'),
  MetaProperty: flag('new.target or import.meta', 'pass what is needed as an argument'),
  StaticBlock: flag('static block', 'initialise after the class'),
  PropertyDefinition: flag('class field', 'assign it in the constructor (a field sits on the prototype, shared)'),
  PrivateIdentifier: flag('#private', 'name the member _name, the build shortens it'),
  DebuggerStatement: flag('debugger', 'remove it: the interpreter stops there'),
  ImportDeclaration: moduleSyntax,
  ImportExpression: moduleSyntax,
  ExportNamedDeclaration: moduleSyntax,
  ExportDefaultDeclaration: moduleSyntax,
  ExportAllDeclaration: moduleSyntax,
  FunctionDeclaration: FUNCTION_RULES,
  FunctionExpression: FUNCTION_RULES,
  ArrowFunctionExpression: FUNCTION_RULES,
  BinaryExpression(node, { report }) {
    if (node.operator === '**') report(node, '**', 'use Math.pow');
  },
  AssignmentExpression(node, { report }) {
    if (node.operator === '**=') report(node, '**=', 'use Math.pow');
    if (LOGICAL.includes(node.operator)) report(node, `logical assignment ${node.operator}`, 'use if and =');
    if (lengthTarget(node.left)) report(node, 'assignment to .length', 'assign a new array, or splice');
  },
  UpdateExpression(node, { report }) {
    if (lengthTarget(node.argument)) report(node, 'assignment to .length', 'use push or pop');
  },
  ForOfStatement(node, { report }) {
    if (node.await) report(node, 'for await', 'take a callback');
  },
  ForStatement(node, { code, report }) {
    if (node.init && /^(function|class)\b/.test(code.slice(node.init.start))) {
      report(node.init, 'function or class at the head of a for', 'move it before the loop');
    }
    if (containsIn(node.init)) report(node.init, '`in` in the head of a for', 'compute it before the loop');
  },
  Property(node, { report }) {
    if (node.computed) report(node, 'computed key', 'assign object[key] afterwards');
  },
  MethodDefinition(node, { report }) {
    if (node.computed) report(node, 'computed key', 'give the method a name');
    else if (node.key.type === 'Literal') report(node, 'quoted or numeric method name', 'give the method a name');
    else if (WORDS.includes(node.key.name)) report(node, `method named ${node.key.name}`, 'choose another name');
  },
  SwitchStatement(node, { report }) {
    const index = node.cases.findIndex((one) => !one.test);
    if (index >= 0 && index < node.cases.length - 1)
      report(node.cases[index], 'default before case', 'put default last');
  },
  MemberExpression(node, { code, report }) {
    const bare =
      node.computed && node.property.type === 'SequenceExpression' && /\[\s*$/.test(code.slice(0, node.property.start));
    if (bare) report(node, 'comma in []', 'compute the index before');
  },
  CallExpression(node, { code, report }) {
    const wrapped =
      node.callee.type === 'MemberExpression' && /^\s*\)/.test(code.slice(node.callee.end, node.callee.end + 20));
    if (wrapped) report(node, '(object.method)()', 'leave the parentheses out: they lose `this`');
  },
  ReturnStatement(node, { code, report }) {
    if (!node.argument && /^\s*\n\s*[^\s}]/.test(code.slice(node.start + 6))) {
      report(node, 'return before a line break', 'end it with a semicolon: the next line would be its value');
    }
  },
  TemplateLiteral(node, { code, report }) {
    for (const expression of node.expressions) {
      if (quotesBrace(expression, code)) report(expression, 'brace in a text inside ${}', 'put the text in a variable');
    }
  },
  TemplateElement(node, context) {
    if (node.value.raw.includes('\\${')) context.report(node, '\\${ in a template', 'use a plain string');
    escapes(node, context);
  },
  Literal(node, context) {
    const { report } = context;
    if (node.bigint) report(node, 'BigInt', 'use a number, or two');
    else if (node.regex) {
      const fault = regexFault(node.regex.pattern, node.regex.flags);
      if (fault) report(node, `regex: ${fault}`, REGEX_WAY_OUT);
    } else if (typeof node.value === 'number') {
      if (node.value >= 2 ** 63 - 512 && !/[.eE]/.test(node.raw.replace(/^0x.*/i, ''))) {
        report(node, 'integer literal of 2^63 or more', 'write it with an exponent, as 1e20');
      }
    } else if (typeof node.value === 'string') escapes(node, context);
  },
  Identifier(node, { names, report }) {
    if (RESERVED.includes(node.name) && !names.isSpelling(node))
      report(node, `identifier ${node.name}`, 'choose another name');
  },
};

/** `\u{…}`, and anything outside ASCII, which every board but Linux holds as several characters. */
function escapes(node, { code, report }) {
  const text = code.slice(node.start, node.end);
  if (/(^|[^\\])(\\\\)*\\u\{/.test(text)) report(node, '\\u{…}', 'write \\uXXXX, or better keep the text ASCII');
  else if (/[^\0-\x7f]/.test(text))
    report(node, 'non-ASCII text', 'keep the text ASCII: boards count its bytes as characters');
  else if (/(^|[^\\])(\\\\)*\\u(?!00[0-7])/.test(text))
    report(node, 'non-ASCII text', 'keep the text ASCII: boards keep one byte of it');
}
