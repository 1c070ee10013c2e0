/** What a logger records: its white and black lists of sources and events, and its list of attributes. */
import type { AttributeSpec } from './attributes.ts';
import type { FunctionSpec } from './functions.ts';

/** Source: TALQ 2.7.1 data model, LoggerConfig.sourceAddresses and EventRecordingMode.sourceEvents. */
export interface Lists<T> {
  whiteList?: T[];
  blackList?: T[];
}

/** @returns whether what `matches` finds in the lists is selected: white less black, all less black, or nothing. */
export function selects<T>({ whiteList, blackList }: Lists<T>, matches: (entry: T) => boolean): boolean {
  if (!whiteList) return blackList !== undefined && !blackList.some(matches);
  return whiteList.some(matches) && !blackList?.some(matches);
}

/** Sources as addresses of devices, functions or attributes; what is in one of them belongs to it. */
export class Sources {
  private readonly white: Set<string> | undefined;
  private readonly black: Set<string> | undefined;
  /** Devices are in it whole or not at all. */
  readonly whole: boolean;

  /** @param lists device, device/function or device/function/attribute, with UUIDs in lower case */
  constructor({ whiteList, blackList }: Lists<string>) {
    this.white = whiteList && new Set(whiteList);
    this.black = blackList && new Set(blackList);
    this.whole = ![...(whiteList ?? []), ...(blackList ?? [])].some((address) => address.includes('/'));
  }

  /** @param name of an attribute or event of the function */
  has(device: string, functionId?: string, name?: string): boolean {
    const inside = (list: Set<string>): boolean =>
      list.has(device) ||
      (functionId !== undefined && list.has(`${device}/${functionId}`)) ||
      (name !== undefined && list.has(`${device}/${functionId}/${name}`));
    if (!this.white) return this.black !== undefined && !inside(this.black);
    return inside(this.white) && !(this.black && inside(this.black));
  }

  /** @returns whether there can be nothing of the device in it. */
  excludes(device: string): boolean {
    if (!this.white) return !this.black || this.black.has(device);
    if (this.black?.has(device)) return true;
    if (this.white.has(device)) return false;
    for (const address of this.white) if (address.startsWith(`${device}/`)) return false;
    return true;
  }
}

/** One item of a logger's content. Source: TALQ 2.7.1 data model, VendorRecordingMode and PeriodicRecordingMode. */
export interface Content {
  /** In any case. */
  attributeScope?: string;
  function: {
    functionId?: string;
    functionType?: string;
    attributes?: { name: string; onChangeThreshold?: number }[];
  };
}

/** An attribute to record. */
export interface Choice {
  spec: FunctionSpec;
  attribute: AttributeSpec;
  /** % */
  threshold?: number;
}

/** @returns the attributes of a device that a content means, each once; what the device does not have is passed over. */
export function choose(functions: readonly FunctionSpec[], content: readonly Content[]): Choice[] {
  const found = new Map<string, Choice>();
  for (const { attributeScope, function: wanted } of content) {
    for (const spec of functions) {
      if (wanted.functionId !== undefined && wanted.functionId !== spec.id) continue;
      if (wanted.functionType !== undefined && wanted.functionType !== spec.type) continue;
      for (const attribute of spec.attributes) {
        if (attributeScope !== undefined && attributeScope.toLowerCase() !== attribute.scope) continue;
        const named = wanted.attributes?.find(({ name }) => name === attribute.name);
        if (wanted.attributes && !named) continue;
        found.set(`${spec.id}/${attribute.name}`, { spec, attribute, threshold: named?.onChangeThreshold });
      }
    }
  }
  return [...found.values()];
}

/**
 * @param before the value logged last, so that a slow drift is noticed too
 * @returns whether the change in % exceeds the threshold. From zero, and of what is no number, any change does.
 */
export function exceeds(before: unknown, after: unknown, threshold: number): boolean {
  const [a, b] = [magnitude(before), magnitude(after)];
  if (a === undefined || b === undefined || a === 0) return JSON.stringify(before) !== JSON.stringify(after);
  return (Math.abs(b - a) / Math.abs(a)) * 100 > threshold;
}

/** A number, or the number in a state such as LevelState. */
function magnitude(value: unknown): number | undefined {
  const inner = typeof value === 'object' && value !== null ? (value as { value?: unknown }).value : value;
  return typeof inner === 'number' ? inner : undefined;
}
