/**
 * What parses but means something else on Espruino 2v29: one binding per loop, no hoisting of functions, `super` looked
 * up from the instance, static members not inherited, typed-array `slice`, shift counts, and recursion, which no board's
 * stack survives. Rules over a whole script, with its names resolved.
 */
import { childrenOf, isClass, isFunction, walk } from './scope.mjs';

const SHIFTS = ['<<', '>>', '>>>', '<<=', '>>=', '>>>='];
const TYPED = /^(Uint8|Int8|Uint8Clamped|Uint16|Int16|Uint32|Int32|Float32|Float64)Array$/;
/** Array methods that call their argument before they return. */
const SYNCHRONOUS = /^(forEach|map|filter|find|findIndex|some|every|reduce|sort|replace)$/;

const memberName = (node) => (node.computed ? undefined : node.property.name);

/** Rules that look at one node. */
export const meaning = {
  ArrowFunctionExpression: skippedArrow,
  BinaryExpression: shift,
  AssignmentExpression: shift,
  Identifier(node, { names, report }) {
    if (node.name !== 'arguments' || names.isSpelling(node)) return;
    if (names.functionOf(node).type === 'ArrowFunctionExpression') {
      report(node, 'arguments in an arrow function', 'name the parameters: it has arguments of its own');
    }
  },
};

/** Whether a function's own `this` is in its text: other functions have one of theirs. */
const usesThis = (node) =>
  node.type === 'ThisExpression' ||
  [...childrenOf(node)].some(
    (child) => (!isFunction(child) || child.type === 'ArrowFunctionExpression') && usesThis(child),
  );

/** Builds with assertions die when they skip such a function; inside braces it is passed over as text. */
function skippedArrow(node, { names, report }) {
  let at = node;
  for (let up = names.parent(at); up && !isFunction(up) && up.type !== 'BlockStatement'; up = names.parent(up)) {
    const skipped =
      (['ConditionalExpression', 'IfStatement', 'SwitchCase'].includes(up.type) && at !== up.test) ||
      (up.type === 'LogicalExpression' && at === up.right);
    if (skipped && usesThis(node)) {
      report(node, 'arrow function with this that may be skipped', 'make it before the condition, or bind a method');
      return;
    }
    at = up;
  }
}

function shift(node, { report }) {
  if (SHIFTS.includes(node.operator) && !isShiftCount(node.right)) {
    report(node, `shift count of ${node.operator}`, 'use a literal 0..31 or mask it with & 31: ARM does not');
  }
}

const isSmall = (node) =>
  node.type === 'Literal' && Number.isInteger(node.value) && node.value >= 0 && node.value <= 31;
const isShiftCount = (node) =>
  isSmall(node) ||
  (node.type === 'BinaryExpression' && node.operator === '&' && (isSmall(node.left) || isSmall(node.right)));

/** A closure that reads a name from the head of the loop around it sees the last value. */
export function loopClosures({ names, report }) {
  for (const binding of names.bindings) {
    if (!binding.loop) continue;
    for (const reference of binding.references) {
      const user = names.functionOf(reference);
      if (user === names.functionOf(binding.node) || isCalledAtOnce(user, names)) continue;
      report(reference, `closure over the loop variable ${binding.name}`, 'copy it to a const in the body');
    }
  }
}

/** `list.forEach(function)` and the like: the closure is gone before the loop moves on. */
function isCalledAtOnce(fn, names) {
  const call = names.parent(fn);
  if (call?.type !== 'CallExpression') return false;
  if (call.callee === fn) return true;
  return (
    call.callee.type === 'MemberExpression' && SYNCHRONOUS.test(memberName(call.callee)) && call.arguments.includes(fn)
  );
}

/** Classes: what they extend, `super`, static members. */
export function classes({ names, report }) {
  const all = [];
  walk(names.program, (node) => {
    if (isClass(node)) all.push(node);
  });
  const classOf = (node) => {
    if (node?.type !== 'Identifier') return undefined;
    const binding = names.binding(node);
    return binding?.values.length === 1 && isClass(binding.values[0]) ? binding.values[0] : undefined;
  };
  const parents = new Set(all.map((one) => classOf(one.superClass)).filter(Boolean));
  for (const one of all) {
    if (one.superClass && !classOf(one.superClass)) {
      const what = one.superClass.name ?? 'an expression';
      report(
        one.superClass,
        `extends ${what}, which is not a class of this script`,
        'use a class of your own, or a plain object',
      );
    }
    for (const member of one.body.body) checkSuper(member, member.value, parents.has(one), report);
  }
  walk(names.program, (node) => {
    if (node.type !== 'MemberExpression' || node.computed) return;
    const owner = classOf(node.object);
    if (!owner?.superClass || hasStatic(owner, node.property.name)) return;
    for (let base = classOf(owner.superClass); base; base = classOf(base.superClass)) {
      if (!hasStatic(base, node.property.name)) continue;
      report(node, 'static member of a superclass', `name the class that has it: statics are not inherited`);
      break;
    }
  });
}

const hasStatic = (node, name) => node.body.body.some((member) => member.static && member.key?.name === name);

function checkSuper(member, method, hasSubclass, report) {
  (function look(node, nested, parent) {
    if (node.type === 'Super') {
      if (nested) report(parent, 'super inside a nested function', 'call it in the method itself');
      else if (parent.type === 'MemberExpression' && hasSubclass) {
        report(
          parent,
          'super.method() in a class that has subclasses',
          'give the method another name: it recurses for ever',
        );
      }
    }
    if (isClass(node)) return;
    for (const child of childrenOf(node)) look(child, nested || (isFunction(node) && node !== method), node);
  })(member, false, undefined);
}

/** Typed arrays that the script itself makes: their `slice` gives a plain array. */
export function typedSlices({ names, report }) {
  const members = new Map();
  walk(names.program, (node) => {
    if (node.type === 'AssignmentExpression' && node.left.type === 'MemberExpression' && memberName(node.left)) {
      const name = memberName(node.left);
      members.set(name, [...(members.get(name) ?? []), node.right]);
    } else if (
      node.type === 'Property' &&
      !node.computed &&
      node.key.name &&
      names.parent(node)?.type === 'ObjectExpression'
    ) {
      members.set(node.key.name, [...(members.get(node.key.name) ?? []), node.value]);
    }
  });
  const isTyped = (node, depth = 0) => {
    if (!node || depth > 4) return false;
    if (node.type === 'NewExpression') return node.callee.type === 'Identifier' && TYPED.test(node.callee.name);
    if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
      const name = memberName(node.callee);
      return name === 'subarray' || name === 'toUint8Array';
    }
    if (node.type === 'Identifier') {
      const values = names.binding(node)?.values ?? [];
      return (
        names.binding(node)?.kind !== 'param' && values.length > 0 && values.every((value) => isTyped(value, depth + 1))
      );
    }
    if (node.type === 'MemberExpression' && memberName(node)) {
      const values = members.get(memberName(node)) ?? [];
      return values.length > 0 && values.every((value) => isTyped(value, depth + 1));
    }
    return false;
  };
  walk(names.program, (node) => {
    if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return;
    const { callee } = node;
    const isBuffer = callee.object.type === 'MemberExpression' && memberName(callee.object) === 'buffer';
    if (memberName(callee) === 'slice' && (isTyped(callee.object) || isBuffer)) {
      report(
        node,
        'slice of a typed array',
        'use subarray, or new Uint8Array(array.subarray(…)) for a copy: slice gives a plain Array',
      );
    } else if (memberName(callee) === 'lastIndexOf' && isTyped(callee.object)) {
      report(node, 'lastIndexOf of a typed array', 'use a loop');
    }
  });
}

/**
 * Who calls whom, where the text says so: functions by name, `this.method()`, and closures handed to array methods.
 *
 * @returns {Map<object, { callee: object, at: object }[]>} by function node (or the program)
 */
export function callGraph(names) {
  const graph = new Map();
  const add = (from, callee, at) => graph.set(from, [...(graph.get(from) ?? []), { callee, at }]);
  const methodsOf = (body) =>
    new Map(body.filter((one) => one.value && !one.static).map((one) => [one.key.name, one.value]));
  const functionsOf = (node) => {
    if (isFunction(node)) return [node];
    const binding = node.type === 'Identifier' ? names.binding(node) : undefined;
    return binding ? binding.values.filter(isFunction) : [];
  };
  walk(names.program, (node) => {
    if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return;
    const from = names.functionOf(node);
    const { callee } = node;
    for (const fn of functionsOf(callee)) add(from, fn, node);
    if (callee.type === 'Identifier' && node.type === 'NewExpression') {
      for (const value of names.binding(callee)?.values ?? []) {
        if (isClass(value))
          for (const member of value.body.body) if (member.kind === 'constructor') add(from, member.value, node);
      }
    }
    if (callee.type !== 'MemberExpression') return;
    if (SYNCHRONOUS.test(memberName(callee)))
      for (const argument of node.arguments) for (const fn of functionsOf(argument)) add(from, fn, node);
    if (callee.object.type !== 'ThisExpression') return;
    let holder = names.parent(from);
    for (let at = node; at && !isClass(at) && at.type !== 'ObjectExpression'; at = names.parent(at))
      holder = names.parent(at);
    const members = holder && isClass(holder) ? holder.body.body : (holder?.properties ?? []);
    const method = methodsOf(members).get(memberName(callee));
    if (method && isFunction(method)) add(from, method, node);
  });
  return graph;
}

/** Recursion, direct or round several functions. Reported once a cycle, at the call that closes it. */
export function recursion({ names, report, nameOf }) {
  const graph = callGraph(names);
  const state = new Map();
  const visit = (fn, path) => {
    state.set(fn, 'open');
    for (const { callee, at } of graph.get(fn) ?? []) {
      if (state.get(callee) === 'open') {
        const cycle = [...path.slice(path.indexOf(callee)), callee].map(nameOf);
        report(at, `recursion ${cycle.join(' → ')}`, 'use a loop with a stack of your own, bounded');
      } else if (!state.has(callee)) visit(callee, [...path, callee]);
    }
    state.set(fn, 'done');
  };
  for (const fn of graph.keys()) if (!state.has(fn)) visit(fn, [fn]);
}

/**
 * Functions used before their declaration has run: Espruino does not hoist. Looks through the functions that are called
 * on the way.
 */
export function order({ names, report }) {
  const graph = callGraph(names);
  const late = names.bindings.filter(
    (binding) => binding.kind === 'function' && binding.values[0].type === 'FunctionDeclaration',
  );
  for (const binding of late) {
    const home =
      names.functionOf(binding.node) === binding.values[0]
        ? names.functionOf(binding.values[0])
        : names.functionOf(binding.node);
    const declared = binding.values[0].start;
    const reported = new Set();
    const flag = (at) => {
      if (reported.has(at.start)) return;
      reported.add(at.start);
      report(at, `${binding.name} is used before its declaration`, 'declare it above: functions are not hoisted');
    };
    const users = new Set();
    for (const reference of binding.references) {
      const user = names.functionOf(reference);
      if (user !== home) users.add(user);
      else if (reference.start < declared) flag(reference);
    }
    if (users.size === 0) continue;
    for (const { callee, at } of graph.get(home) ?? []) {
      if (at.start < declared && reaches(graph, callee, users)) flag(at);
    }
  }
}

function reaches(graph, from, targets) {
  const seen = new Set([from]);
  const open = [from];
  while (open.length > 0) {
    const fn = open.pop();
    if (targets.has(fn)) return true;
    for (const { callee } of graph.get(fn) ?? []) {
      if (seen.has(callee)) continue;
      seen.add(callee);
      open.push(callee);
    }
  }
  return false;
}

/**
 * `var` used where its declaration has not run: Espruino does not hoist it either, so the name means one further out, or a
 * new global. Minifiers make such text when they inline.
 */
export function varOrder({ names, report }) {
  for (const binding of names.bindings) {
    if (binding.kind !== 'var') continue;
    const home = names.functionOf(binding.node);
    for (const reference of binding.references) {
      if (names.functionOf(reference) !== home) continue;
      if (binding.declarations.some((one) => one.start < reference.start && hasRun(one, reference, names))) continue;
      report(
        reference,
        `var ${binding.name} is used before its declaration`,
        'declare it at the top: var is not hoisted',
      );
    }
  }
}

/** True when nothing skips the declaration on the way to `reference`: both stand in the innermost branch around it. */
function hasRun(declaration, reference, names) {
  let inner = declaration;
  for (let at = names.parent(declaration); at && !isFunction(at); inner = at, at = names.parent(at)) {
    const branches =
      (at.type === 'IfStatement' && inner !== at.test) ||
      (/^(For|ForIn|ForOf|While)Statement$/.test(at.type) && inner === at.body) ||
      at.type === 'SwitchCase' ||
      at.type === 'CatchClause';
    if (branches) return contains(inner, reference);
  }
  return true;
}

const contains = (outer, inner) => outer.start <= inner.start && inner.end <= outer.end;
