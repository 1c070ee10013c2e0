import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** What may be told of in the text of a fault, by what it is called where it is thrown. None of it comes from a key. */
const HARMLESS: Record<string, string[]> = {
  'firmware/control/lamp.ts': ['level'],
  'firmware/health/supervisor.ts': ['memory.total', 'memory.used', 'stuck'],
  'firmware/link/session.ts': ['LONGEST', 'leaf'],
  'firmware/protocols/modbus.ts': ['address', 'code', 'count', 'unit', 'value'],
  'firmware/store/vault.ts': ['key'],
  'hal/espruino/storage.ts': ['key'],
};

/** @returns expressions that get into what is thrown, or told as a fault, in a file */
function told(path: string): string[] {
  const found = new Set<string>();
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
  const parts = (node: ts.Node): void => {
    if (ts.isTemplateExpression(node)) for (const { expression } of node.templateSpans) found.add(expression.getText());
    else if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node))
      found.add(node.getText());
    else ts.forEachChild(node, parts);
  };
  const visit = (node: ts.Node): void => {
    const thrown = ts.isThrowStatement(node) && ts.isNewExpression(node.expression);
    if (thrown) for (const argument of (node.expression as ts.NewExpression).arguments ?? []) parts(argument);
    if (ts.isCallExpression(node) && /\.failed$/.test(node.expression.getText()) && node.arguments[0])
      if (ts.isTemplateExpression(node.arguments[0])) parts(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...found].sort();
}

const filesIn = (...roots: string[]): string[] =>
  roots.flatMap((root) =>
    readdirSync(root, { recursive: true })
      .map((name) => join(root, String(name)))
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts')),
  );

describe('the text of a fault, which a birth and a console tell', () => {
  it('is made of nothing secret wherever firmware and its HAL throw', () => {
    const found: Record<string, string[]> = {};
    for (const path of filesIn('firmware', 'hal')) {
      const names = told(path);
      if (names.length > 0) found[path] = names;
    }
    assert.deepEqual(found, HARMLESS);
  });
});
