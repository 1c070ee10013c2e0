/**
 * A lamp and its dimmable gear on a relay: the control voltage gives the light, the light gives the power. LED gear draws
 * constant power at any mains voltage, and the capacitor of its mains filter a reactive power of its own. `fail` breaks it.
 */
import type { World } from '../clock.ts';
import { seeded } from '../random.ts';
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
  /** var of the mains filter at nominal voltage, as a share of the wattage: 0.28 makes a power factor of 0.58 at 20 %. */
  filter?: number;
  /** Share of the power that a cold lamp draws more, until it is warm: the voltage of LEDs falls with their temperature. */
  drift?: number;
  /** V at the LEDs at full light */
  lampVolts?: number;
}

/** What is broken, and how. */
export interface LampFaults {
  /** `open`: no current through the LEDs; `dead`: the gear gives none. Either leaves only the mains filter. */
  gear: 'sound' | 'open' | 'dead';
  /** Contacts of the relay: `welded` are closed and `open` are open, whatever the coil says. */
  contacts: 'sound' | 'welded' | 'open';
  /** Share of the LEDs that light, 0..1. */
  leds: number;
  /** ms for which the lamp is lit before it goes out by itself, and until it comes back, again and again. */
  cycle: { lit: number; dark: number } | undefined;
  /** Share by which the power trembles, evenly spread, ten times a second. */
  flicker: number;
  /** The dimming input is dead: full light. */
  deaf: boolean;
  /** Times the reactive power of a sound filter. */
  reactance: number;
}

const SOUND: LampFaults = {
  gear: 'sound',
  contacts: 'sound',
  leds: 1,
  cycle: undefined,
  flicker: 0,
  deaf: false,
  reactance: 1,
};

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
/** Share of the nominal voltage below which gear is off. Source: wide-range gear is specified for 108 V of 230 V and more. */
const GEAR_MINIMUM = 0.47;
/** ms in which a cold lamp comes within 1/e of its warm power. */
const THERMAL = 20 * 60_000;
/** ms between two powers of a trembling lamp. */
const TREMBLE = 100;
/** V at the LEDs of gear that runs idle, and at the lowest light, as shares of those at full light. */
const IDLE_VOLTS = 1.3;
const LOW_VOLTS = 0.85;

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
  /** Times that current began to flow through the relay. */
  switchings = 0;
  #options: Required<LampOptions>;
  #faults: LampFaults = { ...SOUND };
  /** The coil; the factor of the supply; whether a cycling lamp is out; since when light is given, if it is. */
  #coil = false;
  #factor: number;
  #out = false;
  #lit = false;
  #litAt = 0;
  #volts: number | undefined;
  /** How far energy is added up, and the reactive power there. */
  #settled: number;
  #vars: number;
  #energy = { wattHours: 0, varHours: 0 };
  /** The next step of a cycling lamp. */
  #timer = 0;

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
      filter: 0.28,
      drift: 0,
      lampVolts: 150,
      ...options,
    };
    this.#settled = world.now;
    this.#factor = mains.factor;
    this.#vars = this.#varsNow();
    mains.watch(() => this.#change(() => (this.#factor = mains.factor)));
  }

  /** The relay's coil is released or driven. */
  relay(closed: boolean): void {
    if (closed !== this.#coil) this.#change(() => (this.#coil = closed));
  }

  /** @param volts at the dimming input; undefined: the wire is open */
  control(volts: number | undefined): void {
    if (volts !== this.#volts) this.#change(() => (this.#volts = volts));
  }

  /** Breaks something, or mends it. */
  fail(faults: Partial<LampFaults>): void {
    this.#change(() => (this.#faults = { ...this.#faults, ...faults }));
    if (!('cycle' in faults)) return;
    this.world.cancel(this.#timer);
    this.#change(() => (this.#out = false));
    this.#cycle();
  }

  /** As if nothing had ever been broken. */
  repair(): void {
    this.fail(SOUND);
  }

  /** The contacts are closed. */
  get closed(): boolean {
    const { contacts } = this.#faults;
    return contacts === 'sound' ? this.#coil : contacts === 'welded';
  }

  /** % of full light, now. */
  get light(): number {
    return this.#lightAt(this.world.now) * this.#faults.leds;
  }

  /** V at the LEDs, now. */
  get lampVolts(): number {
    const { lampVolts } = this.#options;
    const { gear } = this.#faults;
    if (!this.closed || this.#factor < GEAR_MINIMUM || this.#out || gear === 'dead') return 0;
    if (gear === 'open') return lampVolts * IDLE_VOLTS;
    return lampVolts * (LOW_VOLTS + ((1 - LOW_VOLTS) * this.#lightAt(this.world.now)) / 100);
  }

  /** What the pole draws now, and has drawn. */
  get load(): Load {
    this.#settle();
    const { world } = this;
    const { flicker } = this.#faults;
    // Evenly spread around nothing, so that energy needs not know of it.
    const tremble = flicker ? 1 + flicker * (2 * seeded(Math.floor(world.now / TREMBLE)).next() - 1) : 1;
    const watts = this.#wattsAt(world.now) * (this.#lit ? tremble : 1);
    return { watts, vars: this.#vars, ...this.#energy };
  }

  /** Sets the counters of a pole that is not new. Wh and varh. */
  preset(wattHours: number, varHours: number): void {
    this.#settle();
    this.#energy = { wattHours, varHours };
  }

  /** % of light with all LEDs. */
  #lightAt(time: number): number {
    if (!this.#lit) return 0;
    const { minimumLight, minimumVolts, maximumVolts, curve, warmUp } = this.#options;
    const volts = this.#faults.deaf ? undefined : this.#volts;
    const full = lightOf(volts, minimumLight, minimumVolts, maximumVolts, curve);
    const age = time - this.#litAt;
    return age < warmUp ? (full * age) / warmUp : full;
  }

  /** W at an instant since the last change. */
  #wattsAt(time: number): number {
    if (this.#factor === 0) return 0;
    const { standby, drift } = this.#options;
    const thermal = drift === 0 ? 1 : 1 + drift * Math.exp((this.#litAt - time) / THERMAL);
    return Math.max(standby, this.#warm(this.#lightAt(time)) * thermal);
  }

  /** W of a warm lamp. @param light % with all LEDs */
  #warm(light: number): number {
    const { wattage, gradient } = this.#options;
    return light === 0 ? 0 : (wattage * this.#faults.leds * powerOf(light, gradient)) / 100;
  }

  #varsNow(): number {
    if (this.#factor === 0) return 0;
    const { wattage, filter, standby } = this.#options;
    if (!this.closed) return -standby * Math.tan(Math.acos(STANDBY_POWER_FACTOR));
    const voltage = (this.#factor * this.mains.undisturbed(this.world.now)) / this.mains.nominal;
    return -wattage * filter * this.#faults.reactance * voltage * voltage;
  }

  /** Something that decides on the power changes. */
  #change(assign: () => void): void {
    this.#settle();
    const closed = this.closed;
    assign();
    if (this.closed && !closed) this.switchings++;
    const { gear, leds } = this.#faults;
    const lit = this.closed && this.#factor >= GEAR_MINIMUM && !this.#out && gear === 'sound' && leds > 0;
    if (lit && !this.#lit) this.#litAt = this.world.now;
    this.#lit = lit;
    this.#vars = this.#varsNow();
  }

  /** Energy since the last look. */
  #settle(): void {
    const { now } = this.world;
    if (now === this.#settled) return;
    const vars = this.#varsNow();
    this.#energy.wattHours += this.#work(this.#settled, now) / HOUR;
    this.#energy.varHours += (((this.#vars + vars) / 2) * (now - this.#settled)) / HOUR;
    this.#vars = vars;
    this.#settled = now;
  }

  /** @returns W ms between two instants since the last change: exact, because power stands, rises in a line, or cools off */
  #work(from: number, to: number): number {
    const { warmUp, drift } = this.#options;
    const warm = this.#litAt + warmUp;
    if (!this.#lit || this.#factor === 0) return this.#wattsAt(to) * (to - from);
    if (from < warm && to > warm) return this.#work(from, warm) + this.#work(warm, to);
    if (to <= warm) return ((this.#wattsAt(from) + this.#wattsAt(to)) / 2) * (to - from);
    if (drift === 0) return this.#wattsAt(to) * (to - from);
    const tail = Math.exp((this.#litAt - from) / THERMAL) - Math.exp((this.#litAt - to) / THERMAL);
    const watts = this.#warm(this.#lightAt(to));
    return Math.max(this.#options.standby, watts) * (to - from) + watts * drift * THERMAL * tail;
  }

  #cycle(): void {
    const { cycle } = this.#faults;
    if (!cycle) return;
    this.#timer = this.world.after(this.#out ? cycle.dark : cycle.lit, () => {
      this.#change(() => (this.#out = !this.#out));
      this.#cycle();
    });
  }
}
