/** A seeded generator: two runs with one seed see the same noise. */
export interface Random {
  /** @returns 0 <= x < 1 */
  next(): number;
  /** @returns an integer, 0 <= x < limit */
  below(limit: number): number;
  /** @returns true with the given probability; draws nothing when it is 0, so that a quiet line costs nothing */
  chance(probability: number): boolean;
}

/** @returns 32 bits that differ for different texts (FNV-1a), for seeds made of names. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

/** @param seed any text or number; the same seed gives the same sequence on every machine */
export function seeded(seed: string | number): Random {
  let state = hash(`reverbere ${seed}`);
  // A Weyl sequence through the finaliser of MurmurHash3: period 2^32, enough for faults and phases, never for keys.
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 4294967296;
  };
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => probability > 0 && next() < probability,
  };
}
