/** A store that forgets, for benches and tests. */
import type { Arrival, Arrivals, Dropped, Json, LogEntry, Logs, Store } from './store.ts';

/** A second gateway may open what the first one has closed: the contents live as long as the object. */
export class MemoryStore implements Store {
  readonly logs: Logs = new MemoryLogs();
  readonly arrivals: Arrivals = new MemoryArrivals();
  observe: Store['observe'] = () => {};
  /** As text, so that nobody can change a record that was saved. */
  private readonly records = new Map<string, string>();

  async load(prefix = ''): Promise<Map<string, Json>> {
    const found = [...this.records].filter(([key]) => key.startsWith(prefix));
    return new Map(found.map(([key, text]) => [key, JSON.parse(text)]));
  }

  async has(key: string): Promise<boolean> {
    return this.records.has(key);
  }

  async save(key: string, record: unknown): Promise<void> {
    if (record === undefined) this.records.delete(key);
    else this.records.set(key, JSON.stringify(record));
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}

class MemoryLogs implements Logs {
  private readonly entries = new Map<string, LogEntry[]>();
  private sequence = 0;

  async append(entries: readonly Omit<LogEntry, 'sequence'>[]): Promise<void> {
    for (const entry of structuredClone(entries)) {
      const log = this.entries.get(entry.logger) ?? [];
      log.push({ sequence: ++this.sequence, ...entry });
      this.entries.set(entry.logger, log);
    }
  }

  async pending(logger: string, limit: number): Promise<LogEntry[]> {
    return structuredClone(this.of(logger).slice(0, limit));
  }

  async reported(logger: string, upTo: number): Promise<void> {
    this.keep(logger, ({ sequence }) => sequence > upTo);
  }

  async trim(logger: string, most: number): Promise<Dropped> {
    const log = this.of(logger);
    let excess = Math.max(log.length - most, 0);
    const oldest = (kind: LogEntry['kind']): LogEntry[] => {
      const found = log.filter((entry) => entry.kind === kind).slice(0, excess);
      excess -= found.length;
      return found;
    };
    const attributes = oldest('attribute');
    const events = oldest('event');
    const dropped = new Set([...attributes, ...events]);
    this.keep(logger, (entry) => !dropped.has(entry));
    return { attributes: attributes.length, events: events.length };
  }

  async counts(): Promise<Map<string, number>> {
    return new Map([...this.entries].map(([logger, { length }]) => [logger, length]));
  }

  async forget(logger: string): Promise<void> {
    this.entries.delete(logger);
  }

  private of(logger: string): LogEntry[] {
    return this.entries.get(logger) ?? [];
  }

  private keep(logger: string, condition: (entry: LogEntry) => boolean): void {
    const rest = this.of(logger).filter(condition);
    if (rest.length > 0) this.entries.set(logger, rest);
    else this.entries.delete(logger);
  }
}

class MemoryArrivals implements Arrivals {
  readonly waiting = 0;
  private kept: (Arrival & { sequence: number })[] = [];
  private readonly names = new Set<string>();
  private sequence = 0;

  async add(arrivals: readonly Arrival[]): Promise<void> {
    for (const arrival of arrivals) {
      const name = nameOf(arrival);
      if (this.names.has(name)) continue;
      this.names.add(name);
      this.kept.push({ ...arrival, sequence: ++this.sequence, content: arrival.content.slice() });
    }
  }

  async after(sequence: number, limit: number): Promise<(Arrival & { sequence: number })[]> {
    let from = this.kept.length;
    while (from > 0 && this.kept[from - 1].sequence > sequence) from--;
    return this.kept.slice(from, from + limit);
  }

  async trim(upTo: number, before: number, most: number): Promise<number> {
    const excess = this.kept.length - most;
    return this.drop(({ sequence, time }, i) => sequence <= upTo && (time < before || i < excess));
  }

  private drop(condition: (arrival: Arrival & { sequence: number }, i: number) => boolean): number {
    const { length } = this.kept;
    this.kept = this.kept.filter((one, i) => {
      const gone = condition(one, i);
      if (gone) this.names.delete(nameOf(one));
      return !gone;
    });
    return length - this.kept.length;
  }
}

const nameOf = ({ controller, kind, epoch, number }: Arrival): string => `${controller}/${kind}/${epoch}/${number}`;
