/**
 * Judges a lamp by the meter in front of it: fault or not, and what kind. Power is compared with what was expected only when
 * it means something: the level at rest for 30 s, the gear warm, the supply within its limits, two minutes after a start.
 * What is expected comes from the lamp's type, or is learned over the first nights.
 *
 * Source: TALQ 2.7.1 LampMonitorFunction names the events and leaves their detection to the maker; LampType: power % =
 * 100 - (100 - light %) / powerLightGradient.
 */
import type { Storage } from '../../hal/hal.ts';
import { interpolate } from '../interpolate.ts';
import { EventCode, LampItem, Phase } from '../link/messages.ts';
import type { FaultOwner, Faults } from './faults.ts';

const KEY = 'learned';
/** Levels are learned by tens of light. A level: how often, then % of light in hundredths, and 0.1 W. */
const LEVELS = 10;
const PLACES = 3 * LEVELS;
const FINE = 100;
/** Times that a level was seen, each after another change of the lamp, until it is believed, and until it stays. */
const BELIEVED = 3;
const ENOUGH = 20;

/** s that a level has to be at rest, that have to pass after a start, and after which the power has followed the relay. */
const REST = 30;
const START = 120;
const SWITCHED = 10;
/** 0.1 W: no failed lamp draws less than this, no tolerance is finer. */
const LEAST = 20;
/** 0.1 W, 1 mA: a pole whose relay is open draws less. */
const NOTHING = 5;
const NO_CURRENT = 10;
/** 0.1 W: a lamp that is off is lit above this, besides standby; and it is off below. */
const LIT = 30;
const OFF = 10;
/** Switch cycles until a relay is believed to stick, and to work again. */
const STUCK = 3;
const FREE = 2;
/** s of a window in which flicker is looked for, and readings in it at least. */
const WINDOW = 60;
const READINGS = 6;
/** Times that a lamp has to go and come, or to tremble, in an hour, until that is a fault; a day without clears it. */
const TIMES = 3;
const HOUR = 3600;
const DAY = 86400;
/** ms between readings while something may be about to be raised, in a window, and in a sag. */
const PACE = 10000;
const FLICKER_PACE = 5000;
const SAG_PACE = 2000;
/** Part of the nominal voltage by which a sag or swell begins and ends, and beyond which power says nothing. */
const DIP = 0.1;
const DIP_END = 0.08;
const OUTSIDE = 0.15;
/** 0.001 by which a power factor must have come back, and % of light below which it is nobody's fault. */
const BACK = 30;
const DIM = 10;
/** % of light that counts as full, and by which two levels differ. */
const FULL = 95;
const OTHER = 10;

/** A reading in steps of the wire; undefined: not measured. */
export interface Reading {
  readonly voltage: number | undefined;
  readonly current: number | undefined;
  readonly power: number | undefined;
  readonly factor: number | undefined;
}

/** A lamp by `LampItem`: steps of the wire; null: not known. */
export type LampType = readonly (number | null)[] | Float64Array;

/** Who is told of sags (`first`: 0.1 s that it lasted, `second`: its extreme, 0.1 V). */
export interface MonitorOwner extends FaultOwner {
  happened(code: number, phase: Phase, unit: number | undefined, first?: number, second?: number): void;
}

export class LampMonitor {
  /** Seconds of uptime: the last change of the lamp, and the last switching on. */
  private _changed = 0;
  private _on = 0;
  private _light = 0;
  /** 1: this was done since the last change, and since the last switching. */
  private _learned = 0;
  private _switched = 0;
  /** Times in a row that power did not follow the relay when it opened and when it closed, negative: that it did. */
  private _welded = 0;
  private _open = 0;
  /** The light of a level that deviates, 0: none; and 0 when full light was seen to be right. */
  private _wrong = 0;
  private _full = 1;
  /** 1 dead, 0 alive at the last reading, undefined: none; how often that has changed, and since when. */
  private _dead: number | undefined;
  private _turns = 0;
  private _turned = 0;
  /** Power before, and sums of a window that ends at `_until`; trembling windows, and since when. */
  private _before = 0;
  private _until = 0;
  private _count = 0;
  private _sum = 0;
  private _squares = 0;
  private _windows = 0;
  private _trembled = 0;
  /** s of uptime at which a sag or swell began, 0: none; and its extreme. */
  private _sag = 0;
  private _extreme = 0;
  private _levels = new Uint16Array(PLACES);

  /**
   * @param _type what is known of the lamp
   * @param fresh it is another lamp: what was learned is forgotten
   * @param _nominal 0.1 V
   */
  constructor(
    private _storage: Storage,
    private _faults: Faults,
    private _type: LampType,
    fresh: boolean,
    private _nominal: number,
    private _owner: MonitorOwner,
  ) {
    const stored = _storage.read(KEY);
    if (fresh) _storage.delete(KEY);
    else if (stored && stored.length === 2 * PLACES) new Uint8Array(this._levels.buffer).set(stored);
  }

  /** @returns 0.1 W at a light of 0..100 %; undefined: nobody knows (yet). Off, what the pole may draw. */
  power(light: number): number | undefined {
    const type = this._type;
    const wattage = type[LampItem.Wattage];
    if (light === 0) return type[LampItem.Standby] || 0;
    if (wattage) return Math.max(0, wattage * (1 - ((100 - light) * 10) / (type[LampItem.Gradient] || 1000)));
    const levels = this._levels;
    const at = 3 * Math.ceil(light / LEVELS) - 3;
    return levels[at] < BELIEVED ? undefined : (levels[at + 2] * light * FINE) / levels[at + 1];
  }

  /** The lamp has begun a ramp or reached a level. @param light % that it gives. @param now s of uptime */
  changed(light: number, now: number): void {
    if (light > 0 !== this._light > 0) {
      this._switched = 0;
      this._on = now;
    }
    this._light = light;
    this._changed = now;
    this._learned = this._until = this._before = 0;
    this._dead = undefined;
  }

  /**
   * Takes a reading.
   * @param ramping the lamp is on a ramp
   * @param now s of uptime
   * @returns ms until the meter should be read again, 0: there is no hurry
   */
  read(reading: Reading, ramping: boolean, now: number): number {
    const faults = this._faults;
    const type = this._type;
    const power = reading.power;
    const known = this._supply(reading.voltage, now) && !ramping && power !== undefined;
    const standby = type[LampItem.Standby] || 0;
    // Gear whose dim wires are let go or at their minimum may draw no more than 10 %.
    const most = standby + Math.max(LIT, (type[LampItem.Wattage] || 0) / 20);
    const off = this._light === 0;
    const warm = now >= START && now - this._on >= (type[LampItem.WarmUp] || 0);
    let unexpected: number | undefined;
    if (!known || off || !warm) {
      // Nobody can say: what was about to be raised begins anew.
      for (let code = EventCode.LampFailure; code <= EventCode.PowerFactorTooLow; code++) {
        if (code !== EventCode.LampUnexpectedOn) faults.judge(code, undefined);
      }
    }
    if (known) {
      // Once a switch cycle: does the power follow the relay?
      if (!this._switched && now - this._changed >= SWITCHED) {
        const current = reading.current;
        const bad = off ? power > most : power < NOTHING && current !== undefined && current < NO_CURRENT;
        const before = off ? this._welded : this._open;
        const stuck = bad ? Math.max(1, before + 1) : Math.min(-1, before - 1);
        this._switched = 1;
        if (off) this._welded = stuck;
        else this._open = stuck;
        if (stuck >= STUCK) faults.judge(EventCode.RelayFailure, 1);
        else if (this._welded <= -FREE && this._open <= -FREE) faults.judge(EventCode.RelayFailure, 0);
      }
      if (off) unexpected = power > most ? 1 : power < OFF + standby ? 0 : undefined;
      else if (warm && now - this._changed >= REST) this._judge(power, reading.factor, now);
    }
    faults.judge(EventCode.LampUnexpectedOn, unexpected);
    // What lasts longer is no sag: the limits of the voltage tell it.
    if (this._sag > 0 && now - this._sag < WINDOW) return SAG_PACE;
    if (this._until > now) return FLICKER_PACE;
    return faults.pending ? PACE : 0;
  }

  /** Sags and swells. @returns whether the voltage allows to judge power */
  private _supply(voltage: number | undefined, now: number): boolean {
    if (voltage === undefined) return true;
    const off = voltage / this._nominal - 1;
    const size = Math.abs(off);
    if (this._sag > 0) {
      const low = this._extreme < this._nominal;
      this._extreme = low ? Math.min(this._extreme, voltage) : Math.max(this._extreme, voltage);
      if (size < DIP_END || low !== off < 0) {
        const duration = 10 * (now - this._sag);
        this._sag = 0;
        this._owner.happened(low ? EventCode.Sag : EventCode.Swell, Phase.Instant, undefined, duration, this._extreme);
      }
    }
    if (this._sag === 0 && size > DIP) {
      this._sag = now;
      this._extreme = voltage;
    }
    return size < OUTSIDE;
  }

  /** A lit lamp at rest. */
  private _judge(power: number, factor: number | undefined, now: number): void {
    const faults = this._faults;
    const light = this._light;
    const type = this._type;
    const expected = this.power(light);
    // Of a small lamp at a low level 2 W may be more than it ever draws.
    const floor =
      expected === undefined ? (LEAST * light) / 100 : Math.max(expected / 5, Math.min(LEAST, expected / 2));
    const dead = power < floor ? 1 : 0;
    faults.judge(EventCode.LampFailure, dead);
    this._cycle(dead, now);
    this._flicker(power, now);
    if (expected !== undefined) {
      const tolerance = Math.max(type[LampItem.Tolerance] || 0, expected / 10, LEAST);
      const off = power - expected;
      const right = Math.abs(off) < 0.7 * tolerance ? 0 : undefined;
      // A lamp that is dead is not just weak.
      faults.judge(EventCode.LampPowerTooLow, dead ? undefined : off < -tolerance ? 1 : right);
      faults.judge(EventCode.LampPowerTooHigh, off > tolerance ? 1 : right);
      // Right at full light, and wrong at two other levels: the lamp does not follow its dimming input.
      const wrong = !dead && Math.abs(off) > tolerance;
      if (light > FULL) this._full = wrong ? 1 : 0;
      else if (right === 0) {
        this._wrong = 0;
        faults.judge(EventCode.DimmingFailure, 0);
      } else if (wrong && !this._full) {
        if (this._wrong > 0 && Math.abs(light - this._wrong) >= OTHER) faults.judge(EventCode.DimmingFailure, 1);
        else if (now - this._changed >= 10 * REST) this._wrong = light;
      }
    }
    const curve = (type as number[]).slice(LampItem.PowerFactors);
    if (factor !== undefined && curve.length > 1 && light >= Math.max(DIM, curve[0])) {
      const over = Math.abs(factor) - interpolate(curve, light);
      faults.judge(EventCode.PowerFactorTooLow, over < 0 ? 1 : over > BACK ? 0 : undefined);
    }
    const levels = this._levels;
    const at = 3 * Math.ceil(light / LEVELS) - 3;
    if (this._learned || dead || faults.bits() & FAULTY || now - this._changed < 2 * REST) return;
    this._learned = 1;
    if (type[LampItem.Wattage] || levels[at] >= ENOUGH) return;
    const count = ++levels[at];
    levels[at + 1] += Math.round((FINE * light - levels[at + 1]) / count);
    levels[at + 2] += Math.round((power - levels[at + 2]) / count);
    if (count !== BELIEVED && count !== ENOUGH) return;
    try {
      this._storage.write(KEY, new Uint8Array(levels.buffer));
    } catch (_full) {
      // It is learned again after the next restart.
    }
  }

  /** The lamp goes out and comes back, and nobody asked it to. */
  private _cycle(dead: number, now: number): void {
    if (this._dead === 1 - dead) {
      if (now - this._turned > HOUR) this._turns = 0;
      if (++this._turns === 1 || this._turns >= TIMES) this._turned = now;
      if (this._turns >= TIMES) this._faults.judge(EventCode.CyclingFailure, 1);
    }
    this._dead = dead;
    if (now - this._turned > DAY) this._faults.judge(EventCode.CyclingFailure, 0);
  }

  /** A minute of quick readings after power has moved by itself: does it tremble by more than 5 %? */
  private _flicker(power: number, now: number): void {
    if (this._until === 0) {
      if (this._before > 0 && Math.abs(power - this._before) > power / 20) {
        this._until = now + WINDOW;
        this._count = this._sum = this._squares = 0;
      }
    } else {
      this._count++;
      this._sum += power;
      this._squares += power * power;
      if (now >= this._until) {
        const mean = this._sum / this._count;
        this._until = 0;
        if (this._count >= READINGS && this._squares / this._count > mean * mean * 1.0025) {
          if (now - this._trembled > HOUR) this._windows = 0;
          if (++this._windows === 1 || this._windows >= TIMES) this._trembled = now;
          if (this._windows >= TIMES) this._faults.judge(EventCode.Flicker, 1);
        }
      }
    }
    this._before = power;
    if (now - this._trembled > DAY) this._faults.judge(EventCode.Flicker, 0);
  }
}

/** Codes of faults that a lamp which is learned from must not have. */
const FAULTY =
  (1 << EventCode.LampFailure) |
  (1 << EventCode.RelayFailure) |
  (1 << EventCode.LampPowerTooLow) |
  (1 << EventCode.LampPowerTooHigh) |
  (1 << EventCode.DimmingFailure) |
  (1 << EventCode.CyclingFailure) |
  (1 << EventCode.Flicker);
