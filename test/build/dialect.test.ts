import assert from 'node:assert/strict';
import { checkScript, formatFinding } from '../../scripts/espruino-dialect.mjs';
import { CASES } from './dialect-cases.ts';

const found = (code: string) => checkScript(code).map(formatFinding);

describe('the dialect check', () => {
  for (const { what, bad, good } of CASES) {
    it(`finds ${what} in ${bad.replaceAll('\n', '⏎')}`, () => {
      const findings = checkScript(bad);
      assert.ok(
        findings.some((finding) => finding.what.startsWith(what)),
        `found only:\n${findings.map(formatFinding).join('\n')}`,
      );
      for (const finding of findings) assert.ok(finding.wayOut.length > 5, 'every finding has a way out');
      assert.deepEqual(found(good), []);
    });
  }

  it('names file, line and column, the construct and the way out', () => {
    assert.deepEqual(found('var a = 1;\nvar b = Math.trunc(a);'), [
      'script.js:2:9: Math.trunc: use x | 0 below 2^31, else Math.floor and a sign test   Math.trunc',
    ]);
  });

  it('leaves 12 names alone that only look like missing built-ins', () => {
    assert.deepEqual(
      found(`
        var o = { at: function () {}, keys() { return 1; }, Map: 1 };
        class S { values() { return this._values; } search(x) { return o.Map; } }
        function Set() {}
        o.at(1); o.keys(); new S().values(); new S().search(1); Set();
        var text = 'Array.from is missing'; var list = [1, 2].slice(1); 'abc'.slice(1);
        function f(Symbol) { return Symbol; } f(1);
      `),
      [],
    );
  });

  it('follows a call 3 functions deep to one that is declared too late', () => {
    const findings = found('function a(){b()}function b(){c()}function c(){d()}a();function d(){}');
    assert.equal(findings.length, 1);
    assert.match(findings[0], /^script\.js:1:52: d is used before its declaration/);
  });

  it('finds recursion round 3 functions once, naming the way round', () => {
    const findings = found('function a(){b()}function b(){c()}function c(){a()}');
    assert.equal(findings.length, 1);
    assert.match(findings[0], /recursion a → b → c → a/);
  });

  it('knows a name by its scope: 4 loops whose closures use something else', () => {
    assert.deepEqual(
      found(`
        var out = [];
        for (let i = 0; i < 2; i++) out.push(function (i) { return i; });
        for (const x of [1]) { const y = x; out.push(() => y); }
        for (const x of [1]) out.push(((y) => () => y)(x));
        for (let i = 0; i < 2; i++) { let i = 5; out.push(() => i); }
      `),
      [],
    );
  });

  it('calls a syntax error a finding, not a crash', () => {
    assert.match(found('var = 1;')[0], /^script\.js:1:5: syntax error/);
  });
});
