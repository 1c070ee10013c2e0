/** Names in a script: which identifier means which declaration, and what is known about the value behind it. */

/** @param {(node: object, parent: object | undefined) => void} enter called before a node's children, in text order */
export function walk(node, enter, parent) {
  enter(node, parent);
  for (const child of childrenOf(node)) walk(child, enter, node);
}

export function* childrenOf(node) {
  for (const key in node) {
    const value = node[key];
    if (Array.isArray(value)) {
      for (const item of value) if (item?.type) yield item;
    } else if (value?.type) yield value;
  }
}

export const isFunction = (node) =>
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
export const isClass = (node) => /^Class(Declaration|Expression)$/.test(node.type);
const isLoop = (node) => /^For(In|Of)?Statement$/.test(node.type);

/**
 * A declared name.
 *
 * @typedef {object} Binding
 * @property {string} name
 * @property {'var' | 'let' | 'const' | 'function' | 'class' | 'param' | 'catch' | 'import'} kind
 * @property {object} node its identifier
 * @property {object} scope node that holds it
 * @property {object | undefined} loop the loop in whose head it is declared with let or const
 * @property {object[]} values everything it is initialised with or assigned
 * @property {object[]} declarations identifiers that declare it
 * @property {object[]} references identifiers that read or write it
 */

/** Identifiers that a pattern declares. */
function* namesOf(pattern) {
  if (!pattern) return;
  if (pattern.type === 'Identifier') yield pattern;
  else if (pattern.type === 'ObjectPattern')
    for (const item of pattern.properties) yield* namesOf(item.value ?? item.argument);
  else if (pattern.type === 'ArrayPattern') for (const item of pattern.elements) yield* namesOf(item);
  else if (pattern.type === 'AssignmentPattern') yield* namesOf(pattern.left);
  else if (pattern.type === 'RestElement') yield* namesOf(pattern.argument);
}

/** True for identifiers that are mere spelling: property names, keys, labels. */
function isSpelling(node, parent) {
  switch (parent.type) {
    case 'MemberExpression':
      return parent.property === node && !parent.computed;
    case 'Property':
      return parent.key === node && !parent.computed && parent.value !== node;
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return parent.key === node && !parent.computed;
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
    case 'ExportSpecifier':
    case 'ImportSpecifier':
      return true;
    default:
      return false;
  }
}

const opensScope = (node) =>
  node.type === 'Program' ||
  node.type === 'BlockStatement' ||
  node.type === 'SwitchStatement' ||
  node.type === 'CatchClause' ||
  isFunction(node) ||
  isLoop(node) ||
  isClass(node);

/**
 * @param {object} program ESTree
 * @returns what the rules ask: `parent(node)`, `functionOf(node)` (the innermost function around a node, or the
 *   program), `binding(identifier)` (undefined: global), `bindings`
 */
export function analyse(program) {
  const parents = new Map();
  const scopes = new Map();
  const bindings = [];
  const byIdentifier = new Map();
  walk(program, (node, parent) => {
    parents.set(node, parent);
    if (opensScope(node)) scopes.set(node, new Map());
  });
  const parent = (node) => parents.get(node);
  const scopeAround = (node, accept = () => true) => {
    let at = node;
    while (at && !(scopes.has(at) && accept(at))) at = parent(at);
    return at ?? program;
  };
  const holdsVar = (node) => node.type === 'Program' || isFunction(node);
  const declare = (identifier, kind, scope, value, loop) => {
    const names = scopes.get(scope);
    let binding = names.get(identifier.name);
    if (!binding) {
      binding = {
        name: identifier.name,
        kind,
        node: identifier,
        scope,
        loop,
        values: [],
        references: [],
        declarations: [],
      };
      names.set(identifier.name, binding);
      bindings.push(binding);
    }
    binding.declarations.push(identifier);
    if (value) binding.values.push(value);
    byIdentifier.set(identifier, binding);
  };
  walk(program, (node, above) => {
    if (node.type === 'VariableDeclaration') {
      const head = above && isLoop(above) && (above.init === node || above.left === node);
      for (const { id, init } of node.declarations) {
        const value = id.type === 'Identifier' ? init : undefined;
        const scope = node.kind === 'var' ? scopeAround(node, holdsVar) : scopeAround(node);
        for (const name of namesOf(id))
          declare(name, node.kind, scope, value, head && node.kind !== 'var' ? above : undefined);
      }
    } else if (node.type === 'FunctionDeclaration') {
      if (node.id) declare(node.id, 'function', scopeAround(above), node);
    } else if (isClass(node) && node.id) {
      declare(node.id, 'class', node.type === 'ClassDeclaration' ? scopeAround(above) : node, node);
    } else if (node.type === 'FunctionExpression' && node.id) {
      declare(node.id, 'function', node, node);
    } else if (node.type === 'CatchClause') {
      for (const name of namesOf(node.param)) declare(name, 'catch', node);
    } else if (/^Import\w*Specifier$/.test(node.type)) {
      declare(node.local, 'import', program);
    }
    if (isFunction(node))
      for (const param of node.params) for (const name of namesOf(param)) declare(name, 'param', node);
  });
  walk(program, (node, above) => {
    if (node.type !== 'Identifier' || byIdentifier.has(node) || isSpelling(node, above)) return;
    for (let scope = scopeAround(node); scope; scope = parent(scope) && scopeAround(parent(scope))) {
      const binding = scopes.get(scope).get(node.name);
      if (!binding) {
        if (scope === program) break;
        continue;
      }
      byIdentifier.set(node, binding);
      binding.references.push(node);
      if (above.type === 'AssignmentExpression' && above.left === node) binding.values.push(above.right);
      break;
    }
  });
  const functionOf = (node) => {
    let at = parent(node);
    while (at && !isFunction(at)) at = parent(at);
    return at ?? program;
  };
  return {
    program,
    parent,
    functionOf,
    bindings,
    /** @returns {Binding | undefined} undefined: a global, or not a name at all */
    binding: (identifier) => byIdentifier.get(identifier),
    isSpelling: (node) => isSpelling(node, parent(node)),
  };
}
