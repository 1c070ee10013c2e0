/** What holds at a controller: of every event code, and of every unit where the code is about one, whether and since when. */

/** Plain data: it is stored. */
export interface Condition {
  code: number;
  /** Index in the birth; null: the controller or its lamp. */
  unit: number | null;
  value: boolean;
  /** ms UTC at which it became so; of an event without duration, when it happened last. */
  time: number;
  /** The event itself said so; else only its consequence was seen, and it may have become so earlier. */
  told: boolean;
  /** It has no duration, and so no end. */
  instant?: true;
}

export class Conditions {
  private readonly byKey = new Map<string, Condition>();

  constructor(conditions: readonly Condition[] = []) {
    for (const condition of conditions) this.byKey.set(keyOf(condition.code, condition.unit), condition);
  }

  /** @returns undefined when nothing was ever said about it */
  get(code: number, unit: number | null): Condition | undefined {
    return this.byKey.get(keyOf(code, unit));
  }

  all(): Condition[] {
    return [...this.byKey.values()];
  }

  /** Takes an event; one that comes late does not undo what has happened since. @returns whether anything changed */
  happened(code: number, unit: number | null, phase: 'start' | 'end' | 'instant', time: number): boolean {
    const known = this.get(code, unit);
    const value = phase !== 'end';
    if (known && time < known.time && (known.told || known.value !== value)) return false;
    const condition: Condition = { code, unit, value, time, told: true };
    if (phase === 'instant') condition.instant = true;
    this.byKey.set(keyOf(code, unit), condition);
    return true;
  }

  /** Takes what a report says holds at `time`, all of it. @returns whether anything changed */
  hold(active: readonly (readonly [number, number | null])[], time: number): boolean {
    let changed = false;
    const holding = new Set(active.map(([code, unit]) => keyOf(code, unit)));
    const become = (code: number, unit: number | null, value: boolean): void => {
      const known = this.get(code, unit);
      if ((known?.value ?? false) === value || (known && known.time > time)) return;
      this.byKey.set(keyOf(code, unit), { code, unit, value, time, told: false });
      changed = true;
    };
    for (const { code, unit, value, instant } of this.all()) {
      if (value && !instant && !holding.has(keyOf(code, unit))) become(code, unit, false);
    }
    for (const [code, unit] of active) become(code, unit, true);
    return changed;
  }
}

function keyOf(code: number, unit: number | null): string {
  return `${code}/${unit ?? ''}`;
}
