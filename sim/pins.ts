import type { AnalogOptions, AnalogOutput, DigitalOptions, DigitalOutput, Pin } from '../hal/hal.ts';
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
