/** Which instants of a periodic logger have a sample of which device. */
import { lastSample, nextSample, type Profile, SAMPLING_ACCURACY } from './instants.ts';

const LATEST = SAMPLING_ACCURACY * 1000;

/** ms UTC. */
interface Device {
  last: number;
  /** Between these two, neither included, samples are missing. */
  gap?: [number, number];
}

export class Sampled {
  private readonly devices = new Map<string, Device>();

  /**
   * @param since ms UTC since when the logger exists
   * @param recorded ms UTC until when nothing is missing
   */
  constructor(
    private readonly profiles: readonly Profile[],
    private readonly since: number,
    private readonly recorded: number,
  ) {}

  /** @returns the first instant later than `after`, ms UTC; undefined without one */
  next(after: number): number | undefined {
    return nextSample(this.profiles, this.since, after);
  }

  /** @returns the instant whose missing sample of a device a measurement of that time is, undefined when it is none. */
  missing(address: string, time: number): number | undefined {
    const instant = lastSample(this.profiles, this.recorded, time);
    if (instant === undefined || time - instant > LATEST) return undefined;
    const device = this.devices.get(address);
    const gap = device?.gap;
    const lacks = !device || instant > device.last || (gap && instant > gap[0] && instant < gap[1]);
    return lacks ? instant : undefined;
  }

  has(address: string, instant: number): boolean {
    return this.devices.get(address)?.last === instant;
  }

  mark(address: string, instant: number): void {
    const device = this.devices.get(address);
    const last = device?.last ?? this.recorded - 1;
    if (instant <= last) {
      // What is missing comes in the order in which it was recorded.
      if (device?.gap) device.gap[0] = instant;
      return;
    }
    const next = this.next(last);
    const gap: [number, number] | undefined = next !== undefined && next < instant ? [last, instant] : device?.gap;
    this.devices.set(address, { last: instant, gap });
  }
}
