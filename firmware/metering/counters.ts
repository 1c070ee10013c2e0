/**
 * What an operator bills by: energies, hours, switchings. Counters only grow, and survive power cuts in a ring of raw flash.
 *
 * Active energy comes from the meter's own register where it has one: differences between readings, so that nothing is
 * lost while the controller is off. A register that went back, or leapt by more than anything here can draw, belongs to
 * another meter or has rolled over: then the energy since the last reading is taken from measured power. Without a register
 * power is integrated, without a meter the expected power is.
 */
import type { Clock } from '../../hal/hal.ts';
import { Counter, EnergySource } from '../link/messages.ts';
import type { Ring } from '../store/ring.ts';

/** Places behind the counters: the meter's register in Wh, ms UTC of the record (NaN: not known), and what the owner keeps. */
const REGISTER = 18;
export const STORED_AT = 19;
export const KEPT = 20;
const PLACES = 21;
/** Bytes of a record. */
export const RECORD = 8 * PLACES;

const HOUR = 3600000;
/** Energies are kept in steps of 0.1 W * 1 ms, so that no count rounds; a report tells steps of 0.1 Wh. */
const STEPS = 3600000;
/** 0.1 W: more than the measured power is believed of a meter's register; and Wh that a coarse register may be late. */
const MARGIN = 5000;
const COARSE = 200;
/** ms for which a register's leap is believed when nobody knows how long the controller was off. */
const LONG_OFF = 30 * 24 * HOUR;

/** A meter in front of the lamp, in steps of the wire; undefined: not known, or not now. */
export interface Electricity {
  readonly power: number | undefined;
  readonly reactive: number | undefined;
  readonly apparent: number | undefined;
  /** Wh */
  readonly register: number | undefined;
}

export class Counters {
  /** A record was found at boot. */
  stored = false;
  /** By `Counter` in steps of our own, then `STORED_AT` and `KEPT`. */
  readonly values = new Float64Array(PLACES);
  /** Uptime of the latest record. */
  saved = 0;
  private _seen = 0;
  private _light = 0;
  private _power = 0;
  private _reactive = 0;
  private _apparent = 0;
  /** A meter says what is drawn; and uptime at which its register was read, in this boot. */
  private _measured = 0;
  private _read: number | undefined;
  /** Energy by power since the register was read. */
  private _since = 0;

  /**
   * @param _ring keeps them; absent: they begin anew with every boot
   * @param source what the product's meter can tell
   */
  constructor(
    private _clock: Clock,
    private _ring: Ring | undefined,
    source: EnergySource,
  ) {
    const stored = _ring && _ring.read();
    this.values[REGISTER] = this.values[STORED_AT] = NaN;
    if (stored) {
      new Uint8Array(this.values.buffer).set(stored);
      this.stored = true;
    }
    this.values[Counter.Source] = source;
  }

  /**
   * Counts up to now with what was known until now; to be called whenever light or power are about to be told anew.
   * @param light % that the lamp gives from now on
   * @param expected 0.1 W that it draws from now on, as far as no meter says better; undefined: nobody knows
   */
  count(light: number, expected: number | undefined): void {
    const values = this.values;
    const now = this._clock.uptime();
    const passed = now - this._seen;
    this._seen = now;
    values[Counter.ControllerTime] += passed;
    if (this._light > 0) {
      values[Counter.LampTime] += passed;
      values[Counter.LevelTime - 1 + Math.ceil(this._light / 10)] += passed;
    }
    const energy = this._power * passed;
    this._since += energy;
    if (values[Counter.Source] !== EnergySource.Register) values[Counter.ActiveEnergy] += energy;
    values[Counter.ReactiveEnergy] += this._reactive * passed;
    values[Counter.ApparentEnergy] += this._apparent * passed;
    if (light > 0 && this._light === 0) values[Counter.SwitchOns]++;
    this._light = light;
    if (!this._measured) this._power = expected || 0;
  }

  /** A meter was read; `count` has been called. Undefined power: it does not answer any more. */
  read(meter: Electricity): void {
    const values = this.values;
    const power = meter.power;
    this._measured = power === undefined ? 0 : 1;
    if (power === undefined) {
      this._reactive = this._apparent = 0;
      return;
    }
    const active = Math.max(0, power);
    const apparent = meter.apparent || active;
    this._power = active;
    this._apparent = apparent;
    const reactive = meter.reactive;
    this._reactive =
      reactive === undefined ? Math.sqrt(Math.max(0, apparent * apparent - active * active)) : Math.abs(reactive);
    const register = meter.register;
    if (register === undefined) return;
    const before = values[REGISTER];
    const wh = register - before;
    const time = this._clock.time();
    const then = values[STORED_AT];
    // For how long nobody read it: the controller was off, as far as anybody knows, or the meter did not answer.
    let away = time !== undefined && then <= time ? time - then : LONG_OFF;
    if (this._read !== undefined) away = this._seen - this._read;
    // The first register ever counts from here; so does another meter's.
    if (wh >= 0 && wh <= (away * (active + MARGIN) * 1.5) / STEPS / 10 + COARSE)
      values[Counter.ActiveEnergy] += wh * 10 * STEPS;
    else if (before >= 0) values[Counter.ActiveEnergy] += this._since;
    values[REGISTER] = register;
    this._read = this._seen;
    this._since = 0;
  }

  /**
   * @param live as they are; else as the latest record holds them, so that no power cut takes back what was told
   * @returns the counters in steps of the wire; null: nobody counts that
   */
  told(live: boolean): (number | null)[] {
    const source = this.values[Counter.Source];
    let values = this.values;
    if (this._ring && !live) {
      const record = this._ring.read();
      values = new Float64Array(PLACES);
      if (record) new Uint8Array(values.buffer).set(record);
      values[Counter.Source] = source;
    }
    const told: (number | null)[] = [];
    const computed = source === EnergySource.Computed;
    for (let counter = 0; counter < REGISTER; counter++) {
      const value = Math.floor(values[counter] / stepOf(counter));
      // Without a meter nobody counts the others, and without an expectation nobody counts any.
      told.push(computed && counter < Counter.LampTime && (counter > 0 || value === 0) ? null : value);
    }
    return told;
  }

  /** Sets a counter as `told` tells it; `save` keeps it. @returns what it was */
  preset(counter: number, value: number): number {
    const before = Math.floor(this.values[counter] / stepOf(counter));
    this.values[counter] = value * stepOf(counter);
    return before;
  }

  /** Writes a record now. */
  save(): void {
    const now = this._clock.time();
    if (now !== undefined) this.values[STORED_AT] = now;
    this.saved = this._clock.uptime();
    // Flash that takes nothing any more is of no use to reports either.
    if (this._ring && !this._ring.write(new Uint8Array(this.values.buffer))) this._ring = undefined;
  }
}

/** @returns how many of our steps are one of the report's */
function stepOf(counter: number): number {
  if (counter < Counter.LampTime) return STEPS;
  return counter < Counter.SwitchOns || counter > Counter.Source ? 1000 : 1;
}
