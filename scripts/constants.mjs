/**
 * A constant costs a variable of the interpreter's, its value in the text costs none: the build puts the value of every
 * top-level `const` that is a number or a string where its name stands.
 */
import ts from 'typescript';

/** @returns {ts.Expression | undefined} the literal behind a name, with its sign */
function literalOf(symbol) {
  const declaration = symbol?.valueDeclaration;
  if (!declaration || !ts.isVariableDeclaration(declaration) || !declaration.initializer) return undefined;
  const list = declaration.parent;
  if (!(list.flags & ts.NodeFlags.Const) || !ts.isSourceFile(list.parent?.parent)) return undefined;
  const value = declaration.initializer;
  const bare = ts.isPrefixUnaryExpression(value) && value.operator === ts.SyntaxKind.MinusToken ? value.operand : value;
  return ts.isNumericLiteral(bare) || ts.isStringLiteral(bare) ? value : undefined;
}

function copy(value) {
  const { factory } = ts;
  if (ts.isStringLiteral(value)) return factory.createStringLiteral(value.text);
  if (ts.isNumericLiteral(value)) return factory.createNumericLiteral(value.text);
  return factory.createParenthesizedExpression(
    factory.createPrefixUnaryExpression(value.operator, copy(value.operand)),
  );
}

/** @returns {ts.TransformerFactory<ts.SourceFile>} @param {ts.Program} program */
export function inlineConstants(program) {
  const checker = program.getTypeChecker();
  const resolve = (identifier) => {
    const symbol = checker.getSymbolAtLocation(identifier);
    return symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  };
  return (context) => (file) => {
    const visit = (node) => {
      // What declares a name, or spells a member, stays.
      if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node;
      if (ts.isShorthandPropertyAssignment(node)) {
        const value = literalOf(checker.getShorthandAssignmentValueSymbol(node));
        return value ? ts.factory.createPropertyAssignment(node.name, copy(value)) : node;
      }
      if (ts.isIdentifier(node)) {
        const { parent } = node;
        const spells = parent && 'name' in parent && parent.name === node;
        const value = spells ? undefined : literalOf(resolve(node));
        return value ? copy(value) : node;
      }
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitEachChild(file, visit, context);
  };
}
