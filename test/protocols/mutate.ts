/** Seeded damage to frames. */

/** @returns a generator of numbers 0 <= x < 1, the same for the same seed. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * @param others frames that may be mixed in
 * @returns what a bad line makes of a frame: bits flipped, bytes replaced, lost, doubled or added, a burst of noise, an end
 * or a beginning cut off, a piece of another frame, a message of noise
 */
export function mutate(frame: Uint8Array, others: Uint8Array[], random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit);
  const noise = (length: number) => Array.from({ length }, () => below(256));
  let bytes = [...frame];
  for (let rounds = 1 + below(3); rounds > 0; rounds--) {
    const at = below(bytes.length + 1);
    const other = [...others[below(others.length)]];
    const kind = below(10);
    if (kind === 0 && at < bytes.length) bytes[at] ^= 1 << below(8);
    else if (kind === 1 && at < bytes.length) bytes[at] = below(256);
    else if (kind === 2) bytes.splice(at, 1 + below(3));
    else if (kind === 3) bytes.splice(at, 0, ...noise(1 + below(4)));
    else if (kind === 4) bytes.splice(at, 4, ...noise(4));
    else if (kind === 5) bytes = bytes.slice(0, at);
    else if (kind === 6) bytes = bytes.slice(at);
    else if (kind === 7) bytes.splice(at, 0, ...other.slice(below(other.length)));
    else if (kind === 8) bytes.push(...bytes.slice(0, at));
    else bytes = noise(below(300));
  }
  return Uint8Array.from(bytes.slice(0, 600));
}
