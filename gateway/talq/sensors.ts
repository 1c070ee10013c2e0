/**
 * Sensors by number: what a timetable and a report on the wire call the sensor that TALQ calls by its address. A number
 * belongs to its address for ever, unless all numbers are taken and nothing mentions the address any more.
 */
import type { Json, Store } from '../store/store.ts';

/** u16 on the wire, 0 is no sensor. */
const HIGHEST = 65535;
/** Each number is a record: there may be thousands, and they come one by one. */
const KEY = 'sensors/';
/** One record of all numbers, as version 0.1 had it. */
const OLD_KEY = 'sensors';

export class SensorNumbers {
  private numbers = new Map<string, number>();
  private addresses = new Map<number, string>();
  private last = 0;
  private readonly changed = new Set<string>();

  constructor(private readonly store: Store) {}

  /** Takes up what was stored. */
  load(stored: ReadonlyMap<string, Json>): void {
    for (const [key, number] of stored) if (key.startsWith(KEY)) this.set(key.slice(KEY.length), number as number);
    const old = stored.get(OLD_KEY) as Record<string, number> | undefined;
    if (!old) return;
    for (const [address, number] of Object.entries(old)) {
      this.set(address, number);
      this.changed.add(address);
    }
    void this.store.save(OLD_KEY, undefined);
    void this.save();
  }

  /** @param address as `Model.sensorAddress` gives it */
  numberOf(address: string): number | undefined {
    return this.numbers.get(address);
  }

  addressOf(number: number | undefined): string | undefined {
    return number === undefined ? undefined : this.addresses.get(number);
  }

  /**
   * Gives a number to each address that has none; `save` makes it durable.
   * @param mentioned gives the addresses that keep theirs when numbers run out; absent: all do
   * @returns whether there were enough; if not, nothing has changed
   */
  learn(addresses: Iterable<string>, mentioned?: () => Set<string>): boolean {
    const fresh = [...new Set(addresses)].filter((address) => !this.numbers.has(address));
    if (fresh.length === 0) return true;
    if (this.numbers.size + fresh.length > HIGHEST && !this.forget(mentioned?.(), fresh.length)) return false;
    for (const address of fresh) {
      this.set(address, this.free());
      this.changed.add(address);
    }
    return true;
  }

  /** Stores what was learnt. */
  async save(): Promise<void> {
    const saves = [...this.changed].map((address) => this.store.save(KEY + address, this.numbers.get(address)));
    this.changed.clear();
    await Promise.all(saves);
  }

  private set(address: string, number: number): void {
    this.numbers.set(address, number);
    this.addresses.set(number, address);
    this.last = Math.max(this.last, number);
  }

  private free(): number {
    let number = this.last >= HIGHEST ? 1 : this.last + 1;
    while (this.addresses.has(number)) number = (number % HIGHEST) + 1;
    return number;
  }

  private forget(mentioned: Set<string> | undefined, wanted: number): boolean {
    if (!mentioned) return false;
    const idle = [...this.numbers].filter(([address]) => !mentioned.has(address));
    if (this.numbers.size - idle.length + wanted > HIGHEST) return false;
    for (const [address, number] of idle) {
      this.changed.add(address);
      this.numbers.delete(address);
      this.addresses.delete(number);
    }
    return true;
  }
}
