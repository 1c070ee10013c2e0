/** A bench that `npm run bench` runs. */
export interface Part {
  /** What it is called on the command line. */
  name: string;
  /** What it measures, in a line. */
  about: string;
  /** @param say called with each fact as it is known: what was measured, and the value with its unit */
  run(say: (fact: string, value: string) => void): Promise<void>;
}

/** @returns the value below which that share of the values lies: 0.5 the median, 0.99 all but the slowest hundredth. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
}
