/** Wrong passwords: whoever had several has to wait before the next is even looked at. */

/** Wrong passwords in a row before the wait. */
const MOST = 5;
/** ms */
const WAIT = 60000;
/** Names that are remembered; the oldest go first. */
const MOST_NAMES = 10000;

export class Attempts {
  private readonly names = new Map<string, { count: number; last: number }>();

  /** @param now ms of any clock that never steps back */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @returns whether this name has to wait */
  mustWait(name: string): boolean {
    const found = this.names.get(name);
    if (!found) return false;
    if (this.now() - found.last >= WAIT) this.names.delete(name);
    return found.count >= MOST && this.names.has(name);
  }

  failed(name: string): void {
    const count = (this.names.get(name)?.count ?? 0) + 1;
    this.names.delete(name);
    this.names.set(name, { count, last: this.now() });
    if (this.names.size > MOST_NAMES) this.names.delete(this.names.keys().next().value as string);
  }

  succeeded(name: string): void {
    this.names.delete(name);
  }
}
