/**
 * The controller as an instrument: counts, judges, records, and tells what happened. Which limits and what lamp, the
 * monitoring document says; without one the product's own configuration.
 */
import type { Bytes, Hal } from '../hal/hal.ts';
import type { Board, MonitoringConfig } from './board.ts';
import {
  AckCode,
  ConfigurationPart,
  Counter,
  EnergySource,
  EventCode,
  LogColumn,
  MonitoringKey,
  Phase,
  Quantity,
} from './link/messages.ts';
import { seconds } from './link/reports.ts';
import { Counters, type Electricity, KEPT, RECORD, STORED_AT } from './metering/counters.ts';
import { type Meters, quantitiesOf } from './metering/meter.ts';
import { Contacts } from './monitor/contacts.ts';
import { CONTROLLER, Faults, LIMIT } from './monitor/faults.ts';
import { LampMonitor, type LampType, type MonitorOwner, type Reading } from './monitor/lamp-monitor.ts';
import { type Batch, Recorder } from './monitor/recorder.ts';
import { decode } from './protocols/cbor.ts';
import type { Schedule } from './schedule.ts';
import { Ring } from './store/ring.ts';
import type { Settings } from './store/settings.ts';

/** Highest counter that can be set, and value. */
const MOST_COUNTER = 17;
const MOST_VALUE = 1e12;
/** Limits and columns of a monitoring document, and items of the whole. */
const MOST_LIMITS = 32;
const MOST_COLUMNS = 16;
const ITEMS = 220;
/** Failed polls in a row after which a unit is silent, see `Meters.failures`. */
const SILENT = 5;
/** ms between two looks at what no unit measures, and between two counts at most. */
const MINUTE = 60000;
/** ms without being told the time after which the clock counts as lost. */
const DAY = 86400000;

/** What it measures and judges. */
export interface Measured {
  readonly lamp: { readonly light: number; readonly ramping: boolean };
  readonly arbiter: { readonly command: { readonly level: number; readonly reason: number } };
  readonly meters: Meters;
}

/** Whom it tells. */
export interface Told {
  /** @param event by `EventItem`, without its number */
  happened(event: readonly (number | undefined)[]): void;
  recorded(batch: Batch): void;
  readonly _post: {
    readonly keeper: {
      /** Uptime at which the clock was last confirmed; 0: not yet. */
      readonly confirmed: number;
    };
  };
}

export class Instrument implements MonitorOwner {
  readonly faults: Faults;
  private _counters: Counters;
  private _monitor!: LampMonitor;
  private _recorder: Recorder;
  /** Light, command and reason that the latest event of a change told. */
  private _state = '';
  /** Bits of the units that are silent. */
  private _silent = 0;
  private _config: MonitoringConfig;
  /** ms between two records of the counters at most. */
  private _period: number;
  private _task: number;

  constructor(
    private _hal: Hal,
    private _schedule: Schedule,
    board: Board,
    private _settings: Settings,
    private _owner: Measured,
    private _told: Told | undefined,
  ) {
    const config = board.monitoring as MonitoringConfig;
    const flash = board.counters && _hal.openFlash(board.counters.flash);
    const ring = flash && new Ring(_hal, flash, RECORD);
    let source = config.unit < 0 ? EnergySource.Computed : EnergySource.Register;
    if (config.unit >= 0 && config.places[6] < 0) source = EnergySource.Integrated;
    this._config = config;
    this._period = board.counters ? board.counters.period : 0;
    this._task = _schedule.add(this);
    _schedule.at(this._task, MINUTE);
    this._counters = new Counters(_hal.clock, ring, source);
    const kept = this._counters.values[KEPT];
    this.faults = new Faults(_hal.clock, this, kept);
    this._recorder = new Recorder(_hal.clock, _schedule, this, _told);
    const document = _settings.partOf(ConfigurationPart.Monitoring);
    if (!document || this._apply(document, false) !== AckCode.Done) this._apply(null, false);
    if (board.contacts.length > 0) new Contacts(_hal, _schedule, this.faults, board.contacts, _owner.lamp, this);
    // A loss of the supply that nobody saw come is told of now.
    if (kept & (1 << EventCode.SupplyLoss)) this.faults.judge(EventCode.SupplyLoss, 0);
    else if (this._counters.stored && _hal.system.resetReason === 'power' && !config.switched) {
      this._counters.values[Counter.SupplyLosses]++;
      this.happened(EventCode.SupplyLoss, Phase.Start, undefined, 0, undefined, this._counters.values[STORED_AT]);
      this.happened(EventCode.SupplyLoss, Phase.End, undefined);
      this._counters.save();
    }
  }

  /**
   * Judges by another document, or by none: null, or an empty one. Nothing changes when it makes no sense.
   * @param fresh it is news: what was learned of the lamp is forgotten
   * @param look it is only looked at
   * @internal
   */
  _apply(document: Bytes | null, fresh: boolean, look?: 1): AckCode {
    const config = this._config;
    const packed = document && document.length > 0;
    const content = (packed ? decode(document, ITEMS) : {}) as Record<number, unknown> | undefined;
    if (!content || Array.isArray(content)) return AckCode.Malformed;
    const lamp = content[MonitoringKey.Lamp] || config.lamp;
    const limits = content[MonitoringKey.Limits] || config.limits;
    const recorder = content[MonitoringKey.Recorder] || config.recorder;
    for (const list of [lamp, limits, recorder]) {
      if (!Array.isArray(list)) return AckCode.Malformed;
      // Of these lists only the lamp's may hold nulls, and then null is 0 to its readers; a threshold may be below zero.
      for (const item of list) {
        const size = list === limits && item < 0 ? -item : item;
        if (!(isUpTo(size, MOST_VALUE) || (item === null && list === lamp))) return AckCode.Malformed;
      }
    }
    const columns = recorder as number[];
    const places = limits as number[];
    if (places.length % LIMIT > 0) return AckCode.Malformed;
    for (let at = 1; at < places.length; at += LIMIT) {
      const unit = places[at];
      const code = places[at - 1];
      if (code < EventCode.Limit || unit < 0 || (unit !== CONTROLLER && unit >= this._owner.meters.count)) {
        return AckCode.Malformed;
      }
    }
    if (columns.length > 0 && !(columns[0] >= 60 && 86400 % columns[0] === 0)) return AckCode.Malformed;
    if (places.length > LIMIT * MOST_LIMITS || columns.length > MOST_COLUMNS + 1) return AckCode.TooLarge;
    if (look) return AckCode.Done;
    // A document may have hundreds of numbers, and in a plain array each takes two variables.
    this.faults.setLimits(packed ? new Float64Array(places) : places);
    const storage = this._settings.storage;
    const type = packed ? new Float64Array(lamp as number[]) : lamp;
    this._monitor = new LampMonitor(storage, this.faults, type as LampType, fresh, config.nominal, this);
    this._recorder.set(packed ? new Uint32Array(columns) : columns);
    return AckCode.Done;
  }

  /** Looks whether a monitoring document makes sense; nothing changes but that a fault is told. */
  look(document: Bytes): AckCode {
    const code = this._apply(document, true, 1);
    this.faults.judge(EventCode.InvalidLampType, code === AckCode.Done ? 0 : 1);
    return code;
  }

  /** @param pairs [`Counter`, value, …]; all are set, or none */
  setCounters(pairs: readonly unknown[]): AckCode {
    if (pairs.length === 0 || pairs.length % 2 > 0) return AckCode.Malformed;
    for (let i = 0; i < pairs.length; i += 2) {
      const counter = pairs[i];
      if (counter === Counter.Source || !isUpTo(counter, MOST_COUNTER) || !isUpTo(pairs[i + 1], MOST_VALUE)) {
        return AckCode.Malformed;
      }
    }
    this._count();
    // One record holds them all: a power cut leaves all of them set, or none.
    for (let i = 0; i < pairs.length; i += 2) {
      const before = this._counters.preset(pairs[i] as number, pairs[i + 1] as number);
      this.happened(EventCode.CounterPreset, Phase.Instant, undefined, pairs[i] as number, before);
    }
    this._counters.save();
    return AckCode.Done;
  }

  /** The lamp has begun a ramp, or reached another level. */
  changed(): void {
    const lamp = this._owner.lamp;
    const command = this._owner.arbiter.command;
    this._monitor.changed(lamp.light, Math.floor(this._hal.clock.uptime() / 1000));
    this._count();
    const state = `${lamp.light} ${command.level} ${command.reason}`;
    if (lamp.ramping || state === this._state) return;
    this._state = state;
    this.happened(EventCode.LightStateChange, Phase.Instant, undefined, command.level, command.reason);
  }

  /** A unit was read, or is lost. */
  reading(unit: number): void {
    const owner = this._owner;
    const meters = owner.meters;
    const faults = this.faults;
    const lamp = owner.lamp;
    const bit = 1 << (unit & 31);
    const silent = meters.failures(unit) >= SILENT ? bit : 0;
    if (silent !== (this._silent & bit)) {
      this._silent ^= bit;
      this.happened(EventCode.UnitSilent, silent ? Phase.Start : Phase.End, unit);
    }
    faults.pending = 0;
    faults.check(unit, quantitiesOf(meters, unit), silent ? [] : meters.values(unit), lamp.light > 0 && !lamp.ramping);
    if (unit !== this._config.unit) return;
    const reading = this._reading();
    this._count();
    this._counters.read(reading);
    const hurry = this._monitor.read(reading, lamp.ramping, Math.floor(this._hal.clock.uptime() / 1000));
    if (hurry > 0) meters.hurry(hurry);
  }

  /** @returns what the lamp's meter told last; nothing while it is silent */
  private _reading(): Reading & Electricity {
    const config = this._config;
    const meters = this._owner.meters;
    const known = config.unit >= 0 && meters && meters.failures(config.unit) < SILENT;
    const values = known ? meters.values(config.unit) : [];
    const places = config.places;
    return {
      voltage: values[places[0]],
      current: values[places[1]],
      power: values[places[2]],
      reactive: values[places[3]],
      apparent: values[places[4]],
      factor: values[places[5]],
      register: values[places[6]],
    };
  }

  /** Counts what has passed, with what was known; from here on the lamp gives and draws what it does now. */
  private _count(): void {
    const light = this._owner.lamp.light;
    this._counters.count(light, this._monitor.power(light));
  }

  /** A minute has passed: what no unit measures. @internal */
  run(): void {
    const faults = this.faults;
    const counters = this._counters;
    const now = this._hal.clock.uptime();
    this._schedule.at(this._task, MINUTE);
    this._count();
    faults.check(CONTROLLER, [Quantity.Temperature], [this.sample(LogColumn.Temperature)], false);
    faults.judge(EventCode.ClockLost, now - (this._told ? this._told._post.keeper.confirmed : 0) >= DAY ? 1 : 0);
    counters.values[KEPT] = faults.bits();
    if (now - counters.saved >= this._period) counters.save();
  }

  /** Something began, ended or was. @param since ms UTC, where it is not now; NaN: not known */
  happened(
    code: number,
    phase: Phase,
    unit: number | undefined,
    first?: number,
    second?: number,
    since?: number,
  ): void {
    const clock = this._hal.clock;
    // Not by `_reading` and `sample`: from a reading to here the stack is as deep as it may be.
    const degrees = this._hal.system.temperature();
    const meters = this._owner.meters;
    const metered = this._config.unit;
    const places = this._config.places;
    const known = metered >= 0 && meters && meters.failures(metered) < SILENT;
    const values = known ? meters.values(metered) : [];
    const event = [
      code,
      phase,
      seconds(clock.uptime()),
      seconds(since === undefined ? clock.time() : since >= 0 ? since : undefined),
      unit,
      Math.round(this._owner.lamp.light),
      values[places[0]],
      values[places[1]],
      values[places[2]],
      values[places[5]],
      degrees === undefined ? undefined : Math.round(10 * degrees),
    ];
    // The inputs tell of it as it comes.
    if (code === EventCode.SupplyLoss && phase === Phase.Start && first === undefined) event.push(1);
    if (first !== undefined) event.push(first, second);
    if (this._told) this._told.happened(event);
  }

  /** The supply input has changed, or was looked at: what must survive is written at once, before anything else. */
  supply(good: 0 | 1): void {
    const values = this._counters.values;
    const faults = this.faults;
    if (good || faults.bits() & (1 << EventCode.SupplyLoss)) return;
    this._count();
    values[Counter.SupplyLosses]++;
    values[KEPT] = faults.bits() | (1 << EventCode.SupplyLoss);
    this._counters.save();
  }

  /** @returns by `Counter` */
  told(): readonly (number | null)[] {
    this._count();
    return this._counters.told(false);
  }

  /** @returns [`EventCode`, unit or undefined, …] of what holds now */
  active(): readonly (number | undefined)[] {
    const all = this.faults.all();
    for (let unit = 0; unit < this._owner.meters.count; unit++) {
      if ((this._silent >> (unit & 31)) & 1) all.push(EventCode.UnitSilent, unit);
    }
    return all;
  }

  /** @returns a value for the record; undefined: not known now */
  sample(column: number): number | undefined {
    if (column === LogColumn.Level) return Math.round(this._owner.lamp.light);
    if (column === LogColumn.Temperature) {
      const degrees = this._hal.system.temperature();
      return degrees === undefined ? undefined : Math.round(10 * degrees);
    }
    if (column < LogColumn.Level) {
      const value = this.told()[column];
      return value === null ? undefined : value;
    }
    const meters = this._owner.meters;
    const unit = (column >> 6) - 1;
    if (!(unit < meters.count) || meters.failures(unit) > 0) return undefined;
    return meters.values(unit)[quantitiesOf(meters, unit).indexOf(column & 63)];
  }
}

/** @returns whether it is an integer from 0 on */
function isUpTo(value: unknown, most: number): boolean {
  return typeof value === 'number' && value >= 0 && value <= most && value === Math.floor(value);
}
