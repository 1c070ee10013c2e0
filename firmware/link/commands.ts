/** Commands from the gateway: bytes in, an order to the controller and an ack out. */
import type { Bytes } from '../../hal/hal.ts';
import type { LampCommand } from '../control/command.ts';
import {
  AckCode,
  CommandKey,
  CommandKind,
  ConfigurationPart,
  GROUP,
  MOST_GROUPS,
  OWN_LEVEL,
  Reason,
} from './messages.ts';

/** Longest reference that is kept, in bytes. */
const REFERENCE = 64;
/** s: about the year 2106, and 27 hours of ramp. */
const LATEST = 4294967295;
const LONGEST_RAMP = 1000000;
/** Highest number of a sensor. */
const SENSORS = 65535;

/** Not an ack: the command is obeyed when the units have been read, and acknowledged then. */
export const LATER = -1;

/** An override as it arrived: what it leaves out is undefined, and no program or sensor asks for it. */
export type Override = Omit<LampCommand, 'program' | 'sensor'>;

/** A part of the configuration as a command carries it; null: the product's own; undefined: it stays as it is. */
export type Part = Bytes | null | undefined;

/** Who obeys. Each answers what became of it; nothing is half done. */
export interface Orders {
  readonly arbiter: {
    override(command: Override): AckCode;
    resume(): AckCode;
  };
  /**
   * Changes the configuration, all that is told of it or nothing.
   * @param version of what results
   * @param check value of what results
   * @param level default level, %; `OWN_LEVEL`; undefined: it stays as it is
   * @param parts by `ConfigurationPart`; keys of groups are wrapped. The array is the callee's from now on
   */
  setConfiguration(version: number, check: number, level: number | undefined, parts: Part[]): AckCode;
  /** A CMS speaks in a sensor's name. @param until ms UTC; undefined: for an instant */
  command(sensor: number, level: number, until: number | undefined): AckCode;
  /** Undefined: this product does not count or judge. */
  readonly instrument?:
    | {
        /** @param counters [`Counter`, value, …] */
        setCounters(counters: readonly unknown[]): AckCode;
      }
    | undefined;
}

/** What became of a command. */
export interface Answer {
  /** The command's number; undefined when not even that could be read. */
  number: number | undefined;
  code: AckCode | typeof LATER;
}

/**
 * Obeys one command message, whole or not at all. One function, because from here to storage it is far enough.
 * @param content as in PROTOCOL.md; undefined: it was no CBOR
 */
export function obey(content: unknown, orders: Orders): Answer {
  const message = content as Record<number, unknown> | undefined;
  const answer: Answer = { number: undefined, code: AckCode.Malformed };
  const number = message && whole(message[CommandKey.Number], LATEST, 1);
  if (!message || Array.isArray(message) || number === undefined || number < 0) return answer;
  answer.number = number;
  if (whole(message[CommandKey.At], 599, 1) === -1) return answer;
  const kind = message[CommandKey.Kind];
  if (kind === CommandKind.Resume) {
    answer.code = orders.arbiter.resume();
    return answer;
  }
  if (kind === CommandKind.Read) {
    answer.code = LATER;
    return answer;
  }
  if (kind === CommandKind.Configuration) {
    const version = whole(message[CommandKey.Version], LATEST, 1);
    const check = whole(message[CommandKey.Check], LATEST, 1);
    const percent = message[CommandKey.Level];
    const level = percent === null ? OWN_LEVEL : whole(percent, 100, 1);
    const parts = [message[CommandKey.Timetable], message[CommandKey.Monitoring], message[CommandKey.Groups]] as Part[];
    if (!((version as number) > 0 && (check as number) >= 0 && level !== -1)) return answer;
    for (const part of parts) {
      if (part && !(part instanceof Uint8Array)) return answer;
    }
    const groups = parts[ConfigurationPart.Groups];
    if (groups) {
      let before = 0;
      if (groups.length % GROUP) return answer;
      for (let at = 0; at < groups.length; at += GROUP) {
        const group = groups[at] * 256 + groups[at + 1];
        if (group <= before) return answer;
        before = group;
      }
      answer.code = AckCode.TooLarge;
      if (groups.length > MOST_GROUPS * GROUP) return answer;
    }
    answer.code = orders.setConfiguration(version as number, check as number, level, parts);
    return answer;
  }
  if (kind === CommandKind.Counters) {
    const instrument = orders.instrument;
    const counters = message[CommandKey.Counters];
    if (instrument && Array.isArray(counters)) answer.code = instrument.setCounters(counters);
    return answer;
  }
  const level = whole(message[CommandKey.Level], 100, 1);
  const expiration = whole(message[CommandKey.Expiration], LATEST, 1000);
  if (level === undefined || level < 0 || expiration === -1) return answer;
  if (kind === CommandKind.Sensor) {
    const sensor = whole(message[CommandKey.Sensor], SENSORS, 1);
    if (sensor !== undefined && sensor > 0) answer.code = orders.command(sensor, level, expiration);
  }
  if (kind !== CommandKind.Override) return answer;
  const start = whole(message[CommandKey.Start], LATEST, 1000);
  const rampTo = whole(message[CommandKey.RampTo], LONGEST_RAMP, 100);
  const rampFrom = whole(message[CommandKey.RampFrom], LONGEST_RAMP, 100);
  const reference = message[CommandKey.Reference];
  if (start === -1 || rampTo === -1 || rampFrom === -1) return answer;
  if (reference !== undefined && (typeof reference !== 'string' || reference.length > REFERENCE)) return answer;
  const override = { level, reason: Reason.Override, start, expiration, rampTo, rampFrom, reference };
  answer.code = orders.arbiter.override(override);
  return answer;
}

/** @returns the integer times `factor`, undefined when absent, -1 when it is not an integer of 0..highest. */
function whole(value: unknown, highest: number, factor: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || value < 0 || value > highest || value !== Math.floor(value)) return -1;
  return value * factor;
}
