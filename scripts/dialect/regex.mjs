/** What a regular expression uses beyond Espruino's subset, which mismatches without an error. */

export const REGEX_WAY_OUT =
  'use only ^ $ . * + [] | () \\d \\w \\s and the flags g and i; or indexOf, split and charCodeAt';

/** @returns {string | undefined} the first feature that is missing */
export function regexFault(pattern, flags) {
  const odd = [...flags].find((flag) => flag !== 'g' && flag !== 'i');
  if (odd) return `flag ${odd}`;
  let inClass = false;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at];
    const next = pattern[at + 1];
    if (char === '\\') {
      if (/[bB]/.test(next) && !inClass) return `\\${next}`;
      if (/[upkc]/.test(next)) return `\\${next}`;
      if (/[1-9]/.test(next)) return 'backreference';
      at++;
    } else if (inClass) {
      if (char === '/') return '/ inside []';
      if (char === ']') inClass = false;
    } else if (char === '[') {
      inClass = true;
      if (next === '^') at++;
    } else if (char === '(') {
      if (next === '?') return 'lookaround, named or non-capturing group';
    } else if (char === ')') {
      if (next === '*' || next === '+') return `repeated group (…)${next}`;
    } else if (char === '?') {
      return /[*+?}]/.test(pattern[at - 1] ?? '') ? 'lazy quantifier' : 'the quantifier ?';
    } else if (char === '{' && /^\{\d/.test(pattern.slice(at))) {
      return 'the quantifier {n}';
    }
  }
  return undefined;
}
