/** What the interpreter's library calls its members, from the declarations that firmware is checked against. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';

const LIBRARY = new URL('../../hal/espruino/espruino.d.ts', import.meta.url);

let names;

/** @returns {string[]} names of all properties and methods of the interpreter's objects, options of its calls included */
export function namesOfInterpreter() {
  if (names) return names;
  const found = new Set();
  const visit = (node) => {
    const member =
      ts.isPropertySignature(node) ||
      ts.isMethodSignature(node) ||
      ts.isPropertyDeclaration(node) ||
      ts.isMethodDeclaration(node);
    if (member && 'text' in node.name) found.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('espruino.d.ts', readFileSync(LIBRARY, 'utf8'), ts.ScriptTarget.Latest));
  names = [...found];
  return names;
}
