/**
 * Rules that need types: `slice` of anything that is a typed array, and recursion through objects. They look at our own
 * sources, with the TypeScript program that the bundle is made from.
 */
import { relative } from 'node:path';
import ts from 'typescript';

const TYPED = /^(Uint8|Int8|Uint8Clamped|Uint16|Int16|Uint32|Int32|Float32|Float64)Array$/;

/**
 * @param {import('typescript').Program} program
 * @returns {import('../espruino-dialect.mjs').Finding[]}
 */
export function typedFindings(program) {
  const checker = program.getTypeChecker();
  const findings = [];
  const report = (node, what, wayOut) => {
    const source = node.getSourceFile();
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart());
    const text = node.getText().split('\n')[0].slice(0, 50);
    const file = relative('.', source.fileName);
    findings.push({ what, wayOut, file, line: line + 1, column: character + 1, text });
  };
  const sources = program.getSourceFiles().filter((source) => !source.isDeclarationFile);
  for (const source of sources) {
    visit(source, (node) => {
      if (!ts.isPropertyAccessExpression(node) || node.name.text !== 'slice') return;
      if (isTyped(checker.getTypeAtLocation(node.expression))) {
        report(
          node,
          'slice of a typed array',
          'use subarray, or new Uint8Array(array.subarray(...)) for a copy: slice gives a plain Array',
        );
      }
    });
  }
  recursion(sources, checker, report);
  return findings;
}

function visit(node, enter) {
  enter(node);
  ts.forEachChild(node, (child) => visit(child, enter));
}

function isTyped(type) {
  if (type.isUnion()) return type.types.some(isTyped);
  return TYPED.test(type.symbol?.name ?? '');
}

const hasBody = (node) => ts.isFunctionLike(node) && node.body !== undefined;

function recursion(sources, checker, report) {
  const graph = new Map();
  for (const source of sources) {
    visit(source, (node) => {
      if (!ts.isCallExpression(node) && !ts.isNewExpression(node)) return;
      const callee = checker.getResolvedSignature(node)?.declaration;
      const from = ts.findAncestor(node.parent, hasBody);
      if (!callee || !from || !hasBody(callee)) return;
      graph.set(from, [...(graph.get(from) ?? []), { callee, at: node }]);
    });
  }
  const state = new Map();
  const follow = (fn, path) => {
    state.set(fn, 'open');
    for (const { callee, at } of graph.get(fn) ?? []) {
      if (state.get(callee) === 'open') {
        const cycle = [...path.slice(path.indexOf(callee)), callee].map(nameOf).join(' → ');
        report(at, `recursion ${cycle}`, 'use a loop with a stack of your own, bounded');
      } else if (!state.has(callee)) follow(callee, [...path, callee]);
    }
    state.set(fn, 'done');
  };
  for (const fn of graph.keys()) if (!state.has(fn)) follow(fn, [fn]);
}

function nameOf(fn) {
  if (ts.isConstructorDeclaration(fn)) return `new ${fn.parent.name?.text ?? 'class'}`;
  const name = fn.name?.getText() ?? (ts.isVariableDeclaration(fn.parent) ? fn.parent.name.getText() : 'a function');
  return ts.isClassLike(fn.parent) ? `${fn.parent.name?.text}.${name}` : name;
}
