/**
 * From conditions to events: a fault is raised when its condition has held long enough, cleared when the opposite has, and
 * raised again no sooner than 15 minutes after. Who judges says bad, good, or that nobody can say now: then time starts
 * anew, and the fault stays as it is. Limits are faults, too: a value, a threshold, and a way back.
 *
 * Source of the thresholds: TALQ 2.7.1, LampType and the functions' threshold attributes; it leaves times to the maker.
 */
import type { Clock } from '../../hal/hal.ts';
import { EventCode, Phase, Quantity } from '../link/messages.ts';

/** s that a condition has to last until it is raised, and until it is cleared: four digits a code. */
const RAISE = '0060030000000300030006000000030000000005000100000000000000000000001000600000000000000000000000000000';
const CLEAR = '0060006000000300030006000000030000010005000100000000000000000000001036000000000000000000000000000000';
/** The same for limits of the supply voltage, of temperatures, and all others. */
const SUPPLY = 10;
const TEMPERATURE = 300;
const OTHER = 60;
/** Codes with a place of their own; behind them are the limits. */
const CODES = 25;
/** s between two raises of one fault. */
const PAUSE = 900;
/** Numbers of a limit: code, unit, threshold. */
export const LIMIT = 3;
/** The unit of a limit that stands for the controller itself. */
export const CONTROLLER = 255;
/** 0.1 K, and the part of a threshold, by which a value must have come back. */
const KELVIN = 50;
const BACK = 0.02;

/** Who is told. */
export interface FaultOwner {
  /** @param unit index of the unit, undefined: the controller or its lamp */
  happened(code: number, phase: Phase, unit: number | undefined): void;
}

export class Faults {
  /** 1: a condition asks for a change, and its time is running. */
  pending = 0;
  /** [code, unit, threshold in steps of the quantity, …] */
  private _limits: ArrayLike<number> = [];
  /** By code, then by limit: 1 while it holds. */
  private _active: Uint8Array;
  /** s of uptime at which the condition began to ask for a change, 0: it does not; then those of the last raise, 0: never. */
  private _times: Uint32Array;

  /** @param kept bits of the codes that held before the restart */
  constructor(
    private _clock: Clock,
    private _owner: FaultOwner,
    kept: number,
  ) {
    this._active = new Uint8Array(CODES);
    this._times = new Uint32Array(2 * CODES);
    for (let code = 0; code < CODES; code++) this._active[code] = (kept >> (code & 31)) & 1;
  }

  /** Limits that held are cleared. */
  setLimits(limits: ArrayLike<number>): void {
    const active = new Uint8Array(CODES + limits.length / LIMIT);
    active.set(this._active.subarray(0, CODES));
    for (let place = CODES; place < this._active.length; place++) {
      if (!this._active[place]) continue;
      this._active[place] = 0;
      this._owner.happened(this._codeOf(place), Phase.End, this._unitOf(place));
    }
    this._limits = limits;
    this._active = active;
    this._times = new Uint32Array(2 * active.length);
  }

  /** @param bad 1 the condition holds, 0 the opposite does, undefined: nobody can say. @param limit its place; absent: the code's own */
  judge(code: number, bad: number | undefined, limit?: number): void {
    const place = limit === undefined ? code : limit;
    const times = this._times;
    const active = this._active;
    if (bad === undefined || bad === active[place]) {
      times[place] = 0;
      return;
    }
    // 0 stands for never.
    const now = Math.floor(this._clock.uptime() / 1000) + 1;
    const last = place + active.length;
    if (times[place] === 0) times[place] = now;
    let wait = Number((bad ? RAISE : CLEAR).substr(4 * code, 4));
    if (code >= EventCode.Limit) {
      const quantity = (code - EventCode.Limit) >> 2;
      wait = quantity === Quantity.SupplyVoltage ? SUPPLY : quantity === Quantity.Temperature ? TEMPERATURE : OTHER;
    }
    if (now - times[place] < wait) {
      this.pending = 1;
      return;
    }
    if (bad && times[last] > 0 && now - times[last] < PAUSE) return;
    times[place] = 0;
    if (bad) times[last] = now;
    active[place] = bad;
    this._owner.happened(this._codeOf(place), bad ? Phase.Start : Phase.End, this._unitOf(place));
  }

  /**
   * Judges the limits of a unit.
   * @param quantities `Quantity` codes of `values`, which are undefined where nothing is known
   * @param lit the lamp is lit and at rest: of another one it means nothing that its current or power is low
   */
  check(unit: number, quantities: readonly number[], values: readonly (number | undefined)[], lit: boolean): void {
    const limits = this._limits;
    for (let at = 0; at < limits.length; at += LIMIT) {
      const code = limits[at] - EventCode.Limit;
      const quantity = code >> 2;
      if (limits[at + 1] !== unit) continue;
      const value = values[quantities.indexOf(quantity)];
      let bad: number | undefined;
      // Flags of the code: 1 too high, 2 of the lamp.
      if (value !== undefined && (lit || (code & 3) !== 2 || quantity === Quantity.SupplyVoltage)) {
        const threshold = limits[at + 2];
        const over = code & 1 ? value - threshold : threshold - value;
        const back = quantity === Quantity.Temperature ? KELVIN : Math.abs(threshold) * BACK;
        bad = over > 0 ? 1 : over < -back ? 0 : undefined;
      }
      this.judge(limits[at], bad, CODES + at / LIMIT);
    }
  }

  /** @returns [code, unit or undefined, …] of all that hold */
  all(): (number | undefined)[] {
    const all: (number | undefined)[] = [];
    this._active.forEach((active, place) => {
      if (active) all.push(this._codeOf(place), this._unitOf(place));
    });
    return all;
  }

  /** @returns bits of the codes that hold, limits apart */
  bits(): number {
    let bits = 0;
    for (let code = 0; code < CODES; code++) bits |= this._active[code] << (code & 31);
    return bits;
  }

  private _codeOf(place: number): number {
    return place < CODES ? place : this._limits[LIMIT * (place - CODES)];
  }

  private _unitOf(place: number): number | undefined {
    if (place < CODES) return undefined;
    const unit = this._limits[LIMIT * (place - CODES) + 1];
    return unit === CONTROLLER ? undefined : unit;
  }
}
