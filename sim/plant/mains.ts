import type { World } from '../clock.ts';
import { type Random, seeded } from '../random.ts';

export interface MainsOptions {
  /** V */
  voltage?: number;
  /** Hz */
  frequency?: number;
  /** Share of the voltage by which it swings in a day, 0..0.07: with the faster swing inside the 10 % of EN 50160 §4.2.2. */
  swing?: number;
  seed?: string | number;
}

const DAY = 86_400_000;
/** Share of the nominal voltage, of the daily swing; and how much of that the faster one is. */
const DAILY = 0.015;
const FAST = 0.4;
const FAST_PERIOD = 37 * 60_000;
/** Hz around nominal. Source: EN 50160 §4.2.1 allows 1 % on interconnected systems; seen is about a tenth of that. */
const FREQUENCY_SWING = 0.03;
const FREQUENCY_PERIOD = 11 * 60_000;

/**
 * A low-voltage supply. Its voltage and frequency move slowly, as pure functions of time; dips, swells and interruptions
 * are a factor on the voltage.
 */
export class Mains {
  readonly nominal: number;
  #factor = 1;
  #frequency: number;
  #swing: number;
  #phases: number[];
  #watchers: (() => void)[] = [];

  constructor(options: MainsOptions = {}) {
    const random: Random = seeded(`${options.seed ?? 1} mains`);
    this.nominal = options.voltage ?? 230;
    this.#swing = options.swing ?? DAILY;
    this.#frequency = options.frequency ?? 50;
    this.#phases = [0, 0, 0].map(() => random.next() * 2 * Math.PI);
  }

  /** Factor on the voltage: below 0.9 a dip, above 1.1 a swell (EN 50160 §5.3), 0: no supply. */
  get factor(): number {
    return this.#factor;
  }

  set factor(factor: number) {
    if (factor === this.#factor) return;
    this.#factor = factor;
    for (const changed of this.#watchers) changed();
  }

  /** Calls `changed` after every change of the factor. */
  watch(changed: () => void): void {
    this.#watchers.push(changed);
  }

  /** Lets the factor be another one for `duration` ms, in `delay` ms from now. Disturbances do not overlap. */
  disturb(world: World, factor: number, duration: number, delay = 0): void {
    world.after(delay, () => {
      this.factor = factor;
    });
    world.after(delay + duration, () => {
      this.factor = 1;
    });
  }

  /** @param time ms of the world @returns V */
  voltage(time: number): number {
    return this.#factor * this.undisturbed(time);
  }

  /** @param time ms of the world @returns V without the factor */
  undisturbed(time: number): number {
    return this.nominal * (1 + this.#swing * (this.#wave(time, DAY, 0) + FAST * this.#wave(time, FAST_PERIOD, 1)));
  }

  /** @param time ms of the world @returns Hz */
  frequency(time: number): number {
    return this.#frequency + FREQUENCY_SWING * this.#wave(time, FREQUENCY_PERIOD, 2);
  }

  #wave(time: number, period: number, phase: number): number {
    return Math.sin((2 * Math.PI * time) / period + this.#phases[phase]);
  }
}
