/** Birth and report messages: the controller's state in the wire format of `messages.ts`. */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Board } from '../board.ts';
import type { CborWriter } from '../protocols/cbor.ts';
import { BirthKey, ControlType, PROTOCOL_VERSION, type Reason, ReportKey, ResetCode } from './messages.ts';

/** What a report tells of the lamp: % that it gives now. */
export interface Light {
  readonly level: number;
}

/** Who decides. */
export interface Decision {
  /** The command in action. */
  readonly command: { level: number; reason: Reason; expiration?: number; reference?: string };
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

/** @param boot number of this boot. @returns undefined when it is too long. */
export function birth(writer: CborWriter, hal: Hal, board: Board, boot: number): Bytes | undefined {
  const reset = ['unknown', 'power', 'watchdog', 'software', 'brownout'].indexOf(hal.system.resetReason);
  const lamp = board.lamp;
  writer.map(10);
  writer.pairs(BirthKey.Protocol, [PROTOCOL_VERSION]);
  writer.number(BirthKey.Board);
  writer.text(board.name);
  writer.number(BirthKey.Version);
  writer.text(board.version);
  const control = lamp.dim ? ControlType.Analog : ControlType.Switch;
  writer.pairs(BirthKey.Boot, [
    boot,
    Math.max(reset, ResetCode.Unknown),
    control,
    lamp.minimumLevel,
    lamp.defaultLevel,
  ]);
  writer.number(BirthKey.Units);
  writer.array(board.meters.length);
  for (const meter of board.meters) {
    writer.array(3);
    writer.number(meter.unit);
    writer.text(meter.profile);
    writer.array(meter.quantities.length);
    for (const quantity of meter.quantities) writer.number(quantity);
  }
  // This firmware holds no timetable: four zeros.
  writer.number(BirthKey.Limits);
  writer.array(4);
  for (let i = 0; i < 4; i++) writer.number(0);
  return writer.finish();
}

/**
 * @param number of this report since boot
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
): Bytes | undefined {
  const uptime = hal.clock.uptime();
  const time = hal.clock.time();
  const command = decision.command;
  const since = time === undefined ? undefined : time - uptime + decision.since;
  const known = [time, command.reference, since, command.expiration];
  let pairs = 7;
  for (const value of known) if (value !== undefined) pairs++;
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
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value === undefined) writer.simple(null);
      else writer.number(value);
    }
  }
  return writer.finish();
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.floor(ms / 1000);
}
