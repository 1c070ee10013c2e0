import { type Random, seeded } from '../random.ts';

export interface MainsOptions {
  /** V */
  voltage?: number;
  /** Hz */
  frequency?: number;
  seed?: string | number;
}

const DAY = 86_400_000;
/** Shares of the nominal voltage: the daily swing and the faster one. Together inside the 10 % of EN 50160 §4.2.2. */
const DAILY = 0.015;
const FAST = 0.006;
const FAST_PERIOD = 37 * 60_000;
/** Hz around nominal. Source: EN 50160 §4.2.1 allows 1 % on interconnected systems; seen is about a tenth of that. */
const FREQUENCY_SWING = 0.03;
const FREQUENCY_PERIOD = 11 * 60_000;

/** A low-voltage supply whose voltage and frequency move slowly: pure functions of time, so that order does not matter. */
export class Mains {
  /** Factor on the voltage, for dips and swells. 0: no supply. */
  factor = 1;
  readonly nominal: number;
  #frequency: number;
  #phases: number[];

  constructor(options: MainsOptions = {}) {
    const random: Random = seeded(`${options.seed ?? 1} mains`);
    this.nominal = options.voltage ?? 230;
    this.#frequency = options.frequency ?? 50;
    this.#phases = [0, 0, 0].map(() => random.next() * 2 * Math.PI);
  }

  /** @param time ms of the world @returns V */
  voltage(time: number): number {
    const swing = DAILY * this.#wave(time, DAY, 0) + FAST * this.#wave(time, FAST_PERIOD, 1);
    return this.nominal * this.factor * (1 + swing);
  }

  /** @param time ms of the world @returns Hz */
  frequency(time: number): number {
    return this.#frequency + FREQUENCY_SWING * this.#wave(time, FREQUENCY_PERIOD, 2);
  }

  #wave(time: number, period: number, phase: number): number {
    return Math.sin((2 * Math.PI * time) / period + this.#phases[phase]);
  }
}
