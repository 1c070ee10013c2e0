/** The packing of recorded samples as PROTOCOL.md describes it, written as text of bits: slow, and apart from the product's. */

/** @returns instants of these columns packed; null: missing */
export function encodeSamples(columns: readonly number[], instants: readonly (readonly (number | null)[])[]): Buffer {
  const states = columns.map((column) => ({
    last: 0,
    slope: 0,
    mean: 2,
    twice: column < 32 || (column >= 64 && [7, 8, 9].includes(column % 64)),
  }));
  let text = '';
  for (const values of instants) {
    for (const [i, state] of states.entries()) {
      const value = values[i];
      const d = value === null ? 0 : value - state.last - (state.twice ? state.slope : 0);
      const u = d >= 0 ? 2 * d : -2 * d - 1;
      if (value === null || u >= 2 ** 32) {
        text += '1'.repeat(13);
        continue;
      }
      const k = Math.min(20, Math.max(0, Math.floor(Math.log2(Math.floor(state.mean / 2)))));
      const q = Math.floor(u / 2 ** k);
      const digits = u.toString(2);
      if (q >= 12) text += `${'1'.repeat(12)}0${(digits.length - 1).toString(2).padStart(5, '0')}${digits.slice(1)}`;
      else text += `${'1'.repeat(q)}0${k === 0 ? '' : (u % 2 ** k).toString(2).padStart(k, '0')}`;
      if (state.twice) state.slope = value - state.last;
      state.last = value;
      state.mean += Math.min(u, 8 * 2 ** k) - Math.floor(state.mean / 2);
    }
  }
  const bytes = text.match(/.{1,8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2)));
}
