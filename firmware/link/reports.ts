/** Birth and report messages: the controller's state in the wire format of `messages.ts`. */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Board } from '../board.ts';
import type { Arbiter } from '../control/arbiter.ts';
import type { Lamp } from '../control/lamp.ts';
import type { Meters } from '../metering/meter.ts';
import type { CborWriter } from '../protocols/cbor.ts';
import { BirthKey, ControlType, PROTOCOL_VERSION, ReportKey, ResetCode } from './messages.ts';

const RESETS = ['unknown', 'power', 'watchdog', 'software', 'brownout'];

/** @param boot number of this boot. @returns a view into the writer's buffer, valid until its next use. */
export function birth(writer: CborWriter, hal: Hal, board: Board, boot: number): Bytes | undefined {
  const reset = RESETS.indexOf(hal.system.resetReason);
  writer.map(9);
  writer.number(BirthKey.Protocol);
  writer.number(PROTOCOL_VERSION);
  writer.number(BirthKey.Board);
  writer.text(board.name);
  writer.number(BirthKey.Version);
  writer.text(board.version);
  writer.numbers([BirthKey.Boot, boot, BirthKey.Reset, reset < 0 ? ResetCode.Unknown : reset]);
  writer.numbers([BirthKey.Control, board.lamp.dim ? ControlType.Analog : ControlType.Switch]);
  writer.numbers([BirthKey.MinimumLevel, board.lamp.minimumLevel, BirthKey.DefaultLevel, board.lamp.defaultLevel]);
  writer.number(BirthKey.Units);
  writer.array(board.meters.length);
  for (const meter of board.meters) {
    writer.array(3);
    writer.number(meter.unit);
    writer.text(meter.profile);
    writer.array(meter.quantities.length);
    writer.numbers(meter.quantities);
  }
  return writer.finish();
}

/**
 * @param number of this report since boot
 * @returns a view into the writer's buffer, valid until its next use
 */
export function report(
  writer: CborWriter,
  hal: Hal,
  boot: number,
  number: number,
  lamp: Lamp,
  arbiter: Arbiter,
  meters: Meters,
): Bytes | undefined {
  const uptime = hal.clock.uptime();
  const time = hal.clock.time();
  const command = arbiter.command;
  const since = time === undefined ? undefined : (time - uptime + arbiter.since) / 1000;
  const optional = [time, command.reference, since, command.expiration];
  let pairs = 7;
  for (const value of optional) if (value !== undefined) pairs++;
  writer.map(pairs);
  writer.numbers([ReportKey.Number, number]);
  if (time !== undefined) writer.numbers([ReportKey.Time, Math.floor(time / 1000)]);
  writer.numbers([ReportKey.Uptime, Math.floor(uptime / 1000), ReportKey.Level, lamp.level]);
  writer.numbers([ReportKey.Command, command.level, ReportKey.Reason, command.reason]);
  if (command.reference !== undefined) {
    writer.number(ReportKey.Reference);
    writer.text(command.reference);
  }
  writer.numbers([ReportKey.Boot, boot]);
  if (since !== undefined) writer.numbers([ReportKey.Since, Math.floor(since)]);
  if (command.expiration !== undefined) {
    writer.numbers([ReportKey.Expiration, Math.floor(command.expiration / 1000)]);
  }
  writer.number(ReportKey.Units);
  readings(writer, meters, uptime);
  return writer.finish();
}

function readings(writer: CborWriter, meters: Meters, uptime: number): void {
  writer.array(meters.count);
  for (let unit = 0; unit < meters.count; unit++) {
    const read = meters.time(unit);
    if (read === undefined) {
      writer.simple(null);
      continue;
    }
    const values = meters.values(unit);
    writer.array(values.length + 1);
    writer.number(Math.floor((uptime - read) / 1000));
    for (const value of values) {
      if (value === undefined) writer.simple(null);
      else writer.number(value);
    }
  }
}
