/** What stands at a board's digital inputs: contacts and alarms of the pole, and the supply. */
import type { InputOptions } from '../../hal/hal.ts';
import type { Pins } from '../pins.ts';
import type { Lamp } from './lamp.ts';
import type { Mains } from './mains.ts';

export interface InputConfig extends Omit<InputOptions, 'onChange'> {
  /**
   * Active means: the mains are good, the door is open, the pole has moved, current leaks to earth, the contacts that
   * feed the lamp are closed.
   */
  readonly signal: 'mains' | 'door' | 'tilt' | 'leakage' | 'contactor';
}

/** Share of the nominal voltage that a mains-good circuit takes for a supply. */
const GOOD = 0.5;

export class Inputs {
  #given = new Map<InputConfig['signal'], boolean>();

  constructor(
    private pins: Pins,
    private configs: readonly InputConfig[],
    private mains: Mains,
    private lamp: Lamp,
  ) {
    this.follow();
  }

  /** @param active undefined: as the pole has it; of door, tilt and leakage: not active */
  set(signal: InputConfig['signal'], active: boolean | undefined): void {
    if (active === undefined) this.#given.delete(signal);
    else this.#given.set(signal, active);
    this.follow();
  }

  /** The lamp's contacts or the supply may have changed. */
  follow(): void {
    for (const { signal, pin, activeLow = false } of this.configs) {
      const level = this.#active(signal) !== activeLow ? 1 : 0;
      if (level !== this.pins.outside(pin)) this.pins.set(pin, level);
    }
  }

  #active(signal: InputConfig['signal']): boolean {
    const given = this.#given.get(signal);
    if (given !== undefined) return given;
    if (signal === 'mains') return this.mains.factor >= GOOD;
    return signal === 'contactor' && this.lamp.closed && this.mains.factor > 0;
  }
}
