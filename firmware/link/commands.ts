/** Commands from the gateway: bytes in, an order to the controller and an ack out. */
import type { Bytes } from '../../hal/hal.ts';
import type { LampCommand } from '../control/command.ts';
import { AckCode, CommandKey, CommandKind, Reason } from './messages.ts';

/** Longest reference that is kept, in bytes. */
const REFERENCE = 64;
/** s: about the year 2106, and 27 hours of ramp. */
const LATEST = 4294967295;
const LONGEST_RAMP = 1000000;
/** Highest number of a sensor or a group, and groups of one controller. */
const SENSORS = 65535;
const GROUPS = 8;

/** Not an ack: the command is obeyed when the units have been read, and acknowledged then. */
export const LATER = -1;

/** An override as it arrived: what it leaves out is undefined, and no program or sensor asks for it. */
export type Override = Omit<LampCommand, 'program' | 'sensor'>;

/** Who obeys. Each answers what became of it; nothing is half done. */
export interface Orders {
  readonly arbiter: {
    override(command: Override): AckCode;
    resume(): AckCode;
  };
  /** @param bytes as in link/timetable; empty: none from now on */
  setTimetable(bytes: Bytes): AckCode;
  /** A CMS speaks in a sensor's name. @param until ms UTC; undefined: for an instant */
  command(sensor: number, level: number, until: number | undefined): AckCode;
  setDefaultLevel(level: number): AckCode;
  /** Obeys the commands of these groups from now on, and of no others. @param groups [number, generation, wrapped key, …] */
  setGroups(groups: readonly (number | Bytes)[]): AckCode;
  /** Undefined: this product does not count or judge. */
  readonly instrument?:
    | {
        /** @param bytes a `MonitoringKey` document; empty: the product's own from now on */
        setMonitoring(bytes: Bytes): AckCode;
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
  if (kind === CommandKind.Timetable) {
    const bytes = message[CommandKey.Timetable];
    if (bytes instanceof Uint8Array) answer.code = orders.setTimetable(bytes);
    return answer;
  }
  if (kind === CommandKind.Monitoring || kind === CommandKind.Counters) {
    const instrument = orders.instrument;
    const bytes = message[CommandKey.Monitoring];
    const counters = message[CommandKey.Counters];
    const document = kind === CommandKind.Monitoring;
    if (instrument && document && bytes instanceof Uint8Array) answer.code = instrument.setMonitoring(bytes);
    if (instrument && !document && Array.isArray(counters)) answer.code = instrument.setCounters(counters);
    return answer;
  }
  if (kind === CommandKind.Groups) {
    const groups = message[CommandKey.Groups];
    if (!Array.isArray(groups)) return answer;
    let before = 0;
    for (let i = 0; i < groups.length; i += 3) {
      const group = groups[i];
      const key = groups[i + 2];
      if (!(group > before && group <= SENSORS && group === Math.floor(group))) return answer;
      if (!((whole(groups[i + 1], 255, 1) as number) >= 0) || !(key instanceof Uint8Array) || key.length !== 32)
        return answer;
      before = group;
    }
    answer.code = groups.length > 3 * GROUPS ? AckCode.TooLarge : orders.setGroups(groups);
    return answer;
  }
  const level = whole(message[CommandKey.Level], 100, 1);
  const expiration = whole(message[CommandKey.Expiration], LATEST, 1000);
  if (level === undefined || level < 0 || expiration === -1) return answer;
  if (kind === CommandKind.DefaultLevel) answer.code = orders.setDefaultLevel(level);
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
