/** Birth and report messages: the controller's state in the wire format of `messages.ts`. */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Board } from '../board.ts';
import type { LampCommand } from '../control/command.ts';
import type { CborWriter } from '../protocols/cbor.ts';
import type { Part } from './commands.ts';
import { BirthKey, ControlType, GROUP, PROTOCOL_VERSION, ReportKey, ResetCode } from './messages.ts';
import { NONE } from './timetable.ts';

/** What a report tells of the lamp. */
export interface Light {
  /** % that it gives now, in the scale of commands. */
  readonly level: number;
  /** % of light that protection allows. */
  readonly cap: number;
}

/** Who decides. */
export interface Decision {
  /** The command in action. */
  readonly command: LampCommand;
  /** Uptime in ms at which it took effect. */
  readonly since: number;
}

/** The latest values of every unit, in the birth's order. */
export interface Readings {
  readonly count: number;
  /** Uptime in ms of the reading; undefined: never read. */
  time(unit: number): number | undefined;
  /** In steps of the wire's resolution; undefined: never read. */
  values(unit: number): ArrayLike<number | undefined>;
}

/** What a birth tells of what the controller was told to keep. */
export interface Remembered {
  /** % */
  defaultLevel(): number;
  /** Version of the configuration in force; 0: never given any. */
  readonly edition: number;
  /** Its check value, see `Settings.checkWith`. */
  checkWith(version: number, level: undefined, parts: Part[]): number;
  /** The record of groups whose commands are obeyed: `GROUP` bytes each, its number and the generation of its key first. */
  groupRecord(): Bytes;
}

/** What a report tells of the controller as an instrument. */
export interface Instrument {
  /** By `Counter`. */
  told(): readonly (number | null)[];
  /** [`EventCode`, unit or undefined, …] of what holds now. */
  active(): readonly (number | undefined)[];
}

/** The birth's items that stay the same until the next boot. @returns CBOR items, no message; undefined when too long. */
export function birthHead(writer: CborWriter, hal: Hal, board: Board, boot: number): Bytes | undefined {
  const reset = ['unknown', 'power', 'watchdog', 'software', 'brownout'].indexOf(hal.system.resetReason);
  writer.pairs(BirthKey.Protocol, [PROTOCOL_VERSION]);
  writer.number(BirthKey.Board);
  writer.text(board.name);
  writer.number(BirthKey.Version);
  writer.text(board.version);
  const control = board.lamp.dim ? ControlType.Analog : ControlType.Switch;
  writer.pairs(BirthKey.Boot, [boot, Math.max(reset, ResetCode.Unknown), control, board.lamp.minimumLevel]);
  writer.number(BirthKey.Units);
  writer.array(board.meters.length);
  for (const meter of board.meters) {
    writer.array(3);
    writer.number(meter.unit);
    writer.text(meter.profile);
    writer.array(meter.quantities.length);
    for (const quantity of meter.quantities) writer.number(quantity);
  }
  writer.number(BirthKey.Limits);
  writer.array(board.limits.length);
  for (const limit of board.limits) writer.number(limit);
  writer.number(BirthKey.Events);
  writer.array(board.events.length);
  for (const code of board.events) writer.number(code);
  return writer.finish();
}

/** @param faults as `Supervisor.faults`. @returns the birth message, from what `birthHead` gave; undefined when it is too long. */
export function birth(
  writer: CborWriter,
  head: Bytes,
  kept: Remembered,
  presence: number | undefined,
  session: Bytes,
  faults: readonly (number | string)[] | undefined,
): Bytes | undefined {
  const version = kept.edition;
  const inputs = presence === undefined ? undefined : 1;
  writer.map(13 + (version ? 1 : 0) + (inputs || 0) + (faults ? 1 : 0));
  writer.raw(head);
  writer.pairs(BirthKey.DefaultLevel, [kept.defaultLevel()]);
  if (version) {
    writer.number(BirthKey.Configuration);
    writer.array(2);
    writer.number(version);
    writer.number(kept.checkWith(version, undefined, []));
  }
  writer.pairs(BirthKey.Presence, [inputs]);
  const groups = kept.groupRecord();
  const numbers: number[] = [];
  for (let at = 0; at < groups.length; at += GROUP) numbers.push(groups[at] * 256 + groups[at + 1]);
  writer.number(BirthKey.Groups);
  writer.array(numbers.length);
  writeItems(writer, numbers);
  writer.number(BirthKey.Session);
  writer.bytes(session);
  if (faults) {
    writer.number(BirthKey.Fault);
    writer.array(3);
    writer.number(faults[0] as number);
    writer.number(faults[1] as number);
    writer.text(faults[2] as string);
  }
  return writer.finish();
}

/**
 * @param number of this report since boot
 * @param presence 0 or 1 of the input, undefined without one
 * @param refused messages since boot
 * @param age ms since the gateway last confirmed the clock
 * @returns undefined when it is too long
 */
export function report(
  writer: CborWriter,
  hal: Hal,
  boot: number,
  number: number,
  light: Light,
  decision: Decision,
  units: Readings,
  presence: number | undefined,
  instrument: Instrument | undefined,
  refused: number | undefined,
  age: number,
): Bytes | undefined {
  const uptime = hal.clock.uptime();
  const time = hal.clock.time();
  const command = decision.command;
  const since = time === undefined ? undefined : time - uptime + decision.since;
  const program = command.program === NONE ? undefined : command.program;
  const control = command.control === NONE ? undefined : command.control;
  const sensor = command.sensor || undefined;
  const cap = light.cap < 100 ? light.cap : undefined;
  const known = [time, command.reference, since, command.expiration, program, control, sensor, cap, presence];
  let pairs = time === undefined ? 7 : 8;
  for (const value of known) if (value !== undefined) pairs++;
  const counters = instrument && instrument.told();
  const active = instrument && instrument.active();
  if (counters) pairs++;
  if (active && active.length > 0) pairs++;
  if (refused) pairs++;
  writer.map(pairs);
  writer.pairs(ReportKey.Number, [number, seconds(time), seconds(uptime), light.level, command.level, command.reason]);
  if (command.reference !== undefined) {
    writer.number(ReportKey.Reference);
    writer.text(command.reference);
  }
  writer.pairs(ReportKey.Boot, [boot, seconds(since), seconds(command.expiration)]);
  writer.number(ReportKey.Units);
  writer.array(units.count);
  for (let unit = 0; unit < units.count; unit++) {
    const read = units.time(unit);
    if (read === undefined) {
      writer.simple(null);
      continue;
    }
    const values = units.values(unit);
    writer.array(values.length + 1);
    writer.number(Math.floor((uptime - read) / 1000));
    writeItems(writer, values);
  }
  writer.pairs(ReportKey.Program, [program, control, sensor, cap, presence]);
  if (counters) {
    writer.number(ReportKey.Counters);
    writer.array(counters.length);
    writeItems(writer, counters);
  }
  if (active && active.length > 0) {
    writer.number(ReportKey.Active);
    writer.array(active.length);
    writeItems(writer, active);
  }
  if (refused) writer.pairs(ReportKey.Refused, [refused]);
  if (time !== undefined) writer.pairs(ReportKey.ClockAge, [seconds(age)]);
  return writer.finish();
}

/** Writes items of an array that has begun, all or those from a place on; undefined ones become null. */
export function writeItems(writer: CborWriter, items: ArrayLike<number | null | undefined>, from?: number): void {
  for (let i = from || 0; i < items.length; i++) {
    const item = items[i];
    if (item === undefined || item === null) writer.simple(null);
    else writer.number(item);
  }
}

/** @returns whole s */
export function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.floor(ms / 1000);
}
