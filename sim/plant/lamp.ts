/**
 * A lamp and its dimmable gear on a relay: the control voltage gives the light, the light gives the power. LED gear draws
 * constant power at any mains voltage, and the capacitor of its mains filter a reactive power of its own.
 */
import type { World } from '../clock.ts';
import type { Mains } from './mains.ts';

/** How gear turns its control voltage into light; points are ascending in both. */
export type DimmingCurve = 'linear' | 'logarithmic' | readonly { volts: number; light: number }[];

export interface LampOptions {
  /** W at full light */
  wattage?: number;
  /** W that the pole draws when the lamp is off */
  standby?: number;
  /** % of light at the minimum control voltage */
  minimumLight?: number;
  /** V at minimum light and at full light. Source: IEC 60929 Annex E, 1 V and 10 V. */
  minimumVolts?: number;
  maximumVolts?: number;
  /** Light between these voltages. */
  curve?: DimmingCurve;
  /** Slope between power and light. Source: TALQ 2.7.1 `LampType.powerLightGradient`. */
  gradient?: number;
  /** ms from closing the relay to the commanded light; light and power rise in a straight line. */
  warmUp?: number;
  /** var of the mains filter at nominal voltage, as a share of the wattage. */
  filter?: number;
}

/** What a meter in front of the lamp sees. */
export interface Load {
  /** W */
  watts: number;
  /** var, negative: leading */
  vars: number;
  /** Wh and varh since the lamp was new */
  wattHours: number;
  varHours: number;
}

/** Power factor of a pole whose lamp is off: electronics on a capacitor. Shipping nodes count about 0.3 as normal. */
const STANDBY_POWER_FACTOR = 0.3;
const HOUR = 3_600_000;

/** Arc levels below that of full light, for a factor of ten in light. Source: IEC 62386-102, dimming curve. */
const LEVELS_PER_DECADE = 253 / 3;
const FULL_LEVEL = 254;

/** @returns % of light at an arc level of 1..254, fractions allowed. Source: IEC 62386-102, dimming curve. */
export function lightOfArc(level: number): number {
  return 10 ** (2 - (FULL_LEVEL - level) / LEVELS_PER_DECADE);
}

/** @returns % of light at a control voltage; undefined is an open wire. Source: IEC 60929 Annex E for the voltages. */
export function lightOf(
  volts: number | undefined,
  minimumLight: number,
  minimum: number,
  maximum: number,
  curve: DimmingCurve = 'linear',
): number {
  if (volts === undefined) return 100;
  if (typeof curve !== 'string') return lightOfPoints(volts, curve);
  const share = Math.min(1, Math.max(0, (volts - minimum) / (maximum - minimum)));
  if (curve === 'linear') return minimumLight + (100 - minimumLight) * share;
  const lowest = FULL_LEVEL - LEVELS_PER_DECADE * Math.log10(100 / minimumLight);
  return lightOfArc(lowest + (FULL_LEVEL - lowest) * share);
}

function lightOfPoints(volts: number, points: readonly { volts: number; light: number }[]): number {
  const above = points.findIndex((point) => point.volts >= volts);
  if (above < 0) return points[points.length - 1].light;
  if (above === 0) return points[0].light;
  const [from, to] = points.slice(above - 1, above + 1);
  const share = (volts - from.volts) / (to.volts - from.volts);
  return from.light * (1 - share) + to.light * share;
}

/** @returns % of the wattage drawn at a light level above 0. Source: TALQ 2.7.1 `LampType.powerLightGradient`. */
export function powerOf(light: number, gradient: number): number {
  return Math.max(0, 100 - (100 - light) / gradient);
}

export class Lamp {
  /** Times that the relay closed. */
  switchings = 0;
  #options: Required<LampOptions>;
  #closed = false;
  #volts: number | undefined;
  #closedAt = Number.NEGATIVE_INFINITY;
  #settled: number;
  #watts = 0;
  #vars = 0;
  #energy = { wattHours: 0, varHours: 0 };

  constructor(
    private world: World,
    private mains: Mains,
    options: LampOptions = {},
  ) {
    this.#options = {
      wattage: 60,
      standby: 0.4,
      minimumLight: 10,
      minimumVolts: 1,
      maximumVolts: 10,
      curve: 'linear',
      gradient: 1,
      warmUp: 0,
      filter: 0.12,
      ...options,
    };
    this.#settled = world.now;
    this.#watts = this.#wattsNow();
    this.#vars = this.#varsNow();
  }

  /** The relay opens or closes. */
  relay(closed: boolean): void {
    if (closed === this.#closed) return;
    this.#settle();
    this.#closed = closed;
    if (closed) {
      this.switchings++;
      this.#closedAt = this.world.now;
    }
    this.#changed();
  }

  /** @param volts at the dimming input; undefined: the wire is open */
  control(volts: number | undefined): void {
    if (volts === this.#volts) return;
    this.#settle();
    this.#volts = volts;
    this.#changed();
  }

  /** % of full light, now. */
  get light(): number {
    if (!this.#closed || this.mains.factor === 0) return 0;
    const { minimumLight, minimumVolts, maximumVolts, curve, warmUp } = this.#options;
    const full = lightOf(this.#volts, minimumLight, minimumVolts, maximumVolts, curve);
    const age = this.world.now - this.#closedAt;
    return age < warmUp ? (full * age) / warmUp : full;
  }

  /** What the pole draws now, and has drawn. */
  get load(): Load {
    this.#settle();
    this.#changed();
    return { watts: this.#watts, vars: this.#vars, ...this.#energy };
  }

  /** Sets the counters of a pole that is not new. Wh and varh. */
  preset(wattHours: number, varHours: number): void {
    this.#settle();
    this.#energy = { wattHours, varHours };
  }

  #wattsNow(): number {
    if (this.mains.factor === 0) return 0;
    const light = this.light;
    const { wattage, standby, gradient } = this.#options;
    return light === 0 ? standby : Math.max(standby, (wattage * powerOf(light, gradient)) / 100);
  }

  #varsNow(): number {
    if (this.mains.factor === 0) return 0;
    const { wattage, filter, standby } = this.#options;
    if (!this.#closed) return -standby * Math.tan(Math.acos(STANDBY_POWER_FACTOR));
    const voltage = this.mains.voltage(this.world.now) / this.mains.nominal;
    return -wattage * filter * voltage * voltage;
  }

  /** Energy since the last look: a trapezoid, exact while power stands still or warms up in a straight line. */
  #settle(): void {
    const hours = (this.world.now - this.#settled) / HOUR;
    if (hours === 0) return;
    const warm = this.#closedAt + this.#options.warmUp;
    const kink = this.#settled < warm && warm < this.world.now ? (warm - this.#settled) / HOUR : undefined;
    const watts = this.#wattsNow();
    const before = (this.#watts + watts) / 2;
    this.#energy.wattHours += kink === undefined ? before * hours : before * kink + watts * (hours - kink);
    this.#energy.varHours += ((this.#vars + this.#varsNow()) / 2) * hours;
    this.#settled = this.world.now;
  }

  #changed(): void {
    this.#watts = this.#wattsNow();
    this.#vars = this.#varsNow();
  }
}
