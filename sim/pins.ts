import type {
  AnalogOptions,
  AnalogOutput,
  DigitalInput,
  DigitalOptions,
  DigitalOutput,
  InputOptions,
  Pin,
} from '../hal/hal.ts';
import { type Owner, PowerCut, type World } from './clock.ts';

/** What a pin drives: 0 or 1, a share of full scale for analogue outputs, undefined for high impedance. */
export type PinState = number | undefined;

export interface PinChange {
  /** ms of the world */
  time: number;
  state: PinState;
}

/** Changes remembered per pin; older ones are forgotten. */
const REMEMBERED = 1000;

/** A board's pins as a probe sees them: physical states, after inversion. */
export class Pins {
  #world: World;
  #states = new Map<Pin, PinState>();
  #history = new Map<Pin, PinChange[]>();
  #watchers = new Map<Pin, ((state: PinState, time: number) => void)[]>();
  #taken = new Set<Pin>();
  #outside = new Map<Pin, 0 | 1>();
  #inputs = new Map<Pin, () => void>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @returns the state now */
  state(pin: Pin): PinState {
    return this.#states.get(pin);
  }

  /** @returns the last changes (at least 1000 when there were as many), oldest first */
  history(pin: Pin): readonly PinChange[] {
    return this.#history.get(pin) ?? [];
  }

  /** Calls `watcher` inside every change of the pin. */
  watch(pin: Pin, watcher: (state: PinState, time: number) => void): void {
    this.#watchers.set(pin, [...(this.#watchers.get(pin) ?? []), watcher]);
  }

  /**
   * Drives a pin from outside the board; undefined lets go of it. What drives it goes on through power cuts. An input
   * there is told from the queue of time.
   */
  set(pin: Pin, level: 0 | 1 | undefined): void {
    if (level === undefined) this.#outside.delete(pin);
    else this.#outside.set(pin, level);
    this.#inputs.get(pin)?.();
  }

  /** @returns what drives the pin from outside; undefined: nothing */
  outside(pin: Pin): 0 | 1 | undefined {
    return this.#outside.get(pin);
  }

  /** Calls `run` inside every `set` of the pin until it is released. */
  listen(pin: Pin, run: () => void): void {
    this.#inputs.set(pin, run);
  }

  /** Throws when the pin is not one or is in use. */
  check(pin: Pin): void {
    const named = typeof pin === 'string' ? pin.length > 0 : Number.isInteger(pin) && pin >= 0;
    if (!named) throw new RangeError(`${pin} is not a pin`);
    if (this.#taken.has(pin)) throw new Error(`pin ${pin} is in use`);
  }

  take(pin: Pin): void {
    this.#taken.add(pin);
  }

  release(pin: Pin): void {
    this.#taken.delete(pin);
    this.#inputs.delete(pin);
    this.drive(pin, undefined);
  }

  drive(pin: Pin, state: PinState): void {
    if (this.#states.get(pin) === state) return;
    this.#states.set(pin, state);
    const time = this.#world.now;
    let history = this.#history.get(pin);
    if (!history) {
      history = [];
      this.#history.set(pin, history);
    }
    history.push({ time, state });
    if (history.length >= 2 * REMEMBERED) history.splice(0, REMEMBERED);
    for (const watcher of this.#watchers.get(pin) ?? []) watcher(state, time);
  }

  /** Every pin lets go, as in reset. */
  reset(): void {
    for (const pin of [...this.#taken]) this.release(pin);
  }
}

class Output {
  #open = true;
  constructor(
    protected pins: Pins,
    protected pin: Pin,
    private power: Owner,
  ) {}

  protected drive(state: number): void {
    if (!this.power.on) throw new PowerCut();
    if (!this.#open) throw new Error(`pin ${this.pin} is closed`);
    this.pins.drive(this.pin, state);
  }

  close(): void {
    if (!this.#open || !this.power.on) return;
    this.#open = false;
    this.pins.release(this.pin);
  }
}

class SimDigital extends Output implements DigitalOutput {
  constructor(
    pins: Pins,
    pin: Pin,
    power: Owner,
    private inverted: boolean,
  ) {
    super(pins, pin, power);
  }

  write(value: 0 | 1): void {
    if (value !== 0 && value !== 1) throw new RangeError(`${value} is neither 0 nor 1`);
    this.drive(this.inverted ? 1 - value : value);
  }
}

class SimAnalog extends Output implements AnalogOutput {
  write(fraction: number): void {
    if (!(fraction >= 0 && fraction <= 1)) throw new RangeError(`${fraction} is not in 0..1`);
    this.drive(fraction);
  }
}

/** @see Hal.openDigital */
export function openDigital(pins: Pins, power: Owner, options: DigitalOptions): DigitalOutput {
  const { pin, activeLow = false, initialValue } = options;
  pins.check(pin);
  if (initialValue !== 0 && initialValue !== 1) throw new RangeError(`initialValue ${initialValue} is neither 0 nor 1`);
  pins.take(pin);
  const output = new SimDigital(pins, pin, power, activeLow);
  output.write(initialValue);
  return output;
}

/** @see Hal.openAnalog */
export function openAnalog(pins: Pins, power: Owner, options: AnalogOptions): AnalogOutput {
  const { pin, hz } = options;
  pins.check(pin);
  if (hz !== undefined && !(hz > 0 && Number.isFinite(hz))) throw new RangeError(`${hz} Hz is not a PWM frequency`);
  pins.take(pin);
  return new SimAnalog(pins, pin, power);
}

class SimInput implements DigitalInput {
  #open = true;
  #told: 0 | 1;

  constructor(
    private pins: Pins,
    world: World,
    private power: Owner,
    private options: InputOptions,
  ) {
    this.#told = this.#level();
    pins.listen(options.pin, () => world.after(0, () => this.#look(), power));
  }

  read(): 0 | 1 {
    if (!this.power.on) throw new PowerCut();
    if (!this.#open) throw new Error(`pin ${this.options.pin} is closed`);
    return this.#level();
  }

  close(): void {
    if (!this.#open || !this.power.on) return;
    this.#open = false;
    this.pins.release(this.options.pin);
  }

  /** A floating pin is low. */
  #level(): 0 | 1 {
    const { pin, pull, activeLow } = this.options;
    const high = this.pins.outside(pin) ?? (pull === 'up' ? 1 : 0);
    return (high === 1) !== (activeLow ?? false) ? 1 : 0;
  }

  #look(): void {
    const level = this.#level();
    if (!this.#open || level === this.#told) return;
    this.#told = level;
    this.options.onChange(level);
  }
}

/** @see Hal.openInput */
export function openInput(pins: Pins, world: World, power: Owner, options: InputOptions): DigitalInput {
  const { pin, pull } = options;
  pins.check(pin);
  if (pull !== undefined && pull !== 'up' && pull !== 'down')
    throw new RangeError(`pull ${pull} is neither up nor down`);
  pins.take(pin);
  return new SimInput(pins, world, power, { ...options });
}
