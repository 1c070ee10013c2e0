/** Many objects of one owner as a record each, so that a change writes what has changed and not all of them. */
import type { Json, Store } from './store.ts';

/** `place` keeps the order in which objects came. */
interface Kept {
  place: number;
  object: unknown;
}

export class Drawer {
  private kept = new Map<string, Kept>();
  private last = 0;

  /** @param prefix what the keys of all its records start with */
  constructor(
    private readonly store: Store,
    private readonly prefix: string,
  ) {}

  /** @returns what is stored, by key without the prefix, in the order in which it was first kept. */
  async load(): Promise<Map<string, Json>> {
    const stored = (await this.store.load(this.prefix)) as Map<string, unknown> as Map<string, Kept>;
    const inOrder = [...stored].sort(([, a], [, b]) => a.place - b.place);
    this.kept = new Map(inOrder.map(([key, record]) => [key.slice(this.prefix.length), record]));
    this.last = inOrder.at(-1)?.[1].place ?? 0;
    return new Map([...this.kept].map(([key, { object }]) => [key, object as Json]));
  }

  /**
   * Makes the records equal to these, in one transaction. Objects are compared by identity: one that changes has to be
   * replaced by another. Resolves when they are durable.
   */
  async keep(objects: ReadonlyMap<string, unknown>): Promise<void> {
    const saves: Promise<void>[] = [];
    for (const key of [...this.kept.keys()]) {
      if (objects.has(key)) continue;
      this.kept.delete(key);
      saves.push(this.store.save(this.prefix + key, undefined));
    }
    for (const [key, object] of objects) {
      const known = this.kept.get(key);
      if (known?.object === object) continue;
      const record = { place: known?.place ?? ++this.last, object };
      this.kept.set(key, record);
      saves.push(this.store.save(this.prefix + key, record));
    }
    await Promise.all(saves);
  }
}
