/** FNV-1a with 32 bits: spreads what must not happen everywhere at once. Never for keys. Source: draft-eastlake-fnv. */

/** @param text bytes, a character each @returns 0..2^32 - 1 */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at);
    // Times 2^24 + 403 without `imul`, which the interpreter lacks: stays below 2^53.
    hash = (hash & 255) * 16777216 + hash * 403;
  }
  return hash >>> 0;
}
