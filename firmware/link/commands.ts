/** Commands from the gateway: bytes in, an order to the arbiter and an ack out. */
import type { Bytes } from '../../hal/hal.ts';
import type { LampCommand } from '../control/command.ts';
import { decode } from '../protocols/cbor.ts';
import { AckCode, CommandKey, CommandKind, Reason } from './messages.ts';

/** Longest reference that is kept, in bytes. */
const REFERENCE = 64;
/** s: about the year 2106, and 27 hours of ramp. */
const LATEST = 4294967295;
const LONGEST_RAMP = 1000000;

/** An override as it arrived: what it leaves out is undefined, and no program or sensor asks for it. */
export type Override = Omit<LampCommand, 'program' | 'sensor'>;

/** Who obeys. */
export interface Orders {
  override(command: Override): AckCode;
  resume(): void;
}

/** What became of a command. */
export interface Answer {
  /** The command's number; undefined when not even that could be read. */
  number: number | undefined;
  code: AckCode;
}

/** Obeys one command message, whole or not at all. @param payload CBOR, as in PROTOCOL.md. */
export function obey(payload: Bytes, orders: Orders): Answer {
  const message = decode(payload) as Record<number, unknown> | undefined;
  const number = message && whole(message[CommandKey.Number], LATEST, 1);
  if (!message || Array.isArray(message) || number === undefined || number < 0)
    return { number: undefined, code: AckCode.Malformed };
  if (message[CommandKey.Kind] === CommandKind.Resume) {
    orders.resume();
    return { number, code: AckCode.Done };
  }
  const command = toOverride(message);
  return { number, code: command ? orders.override(command) : AckCode.Malformed };
}

function toOverride(message: Record<number, unknown>): Override | undefined {
  const level = whole(message[CommandKey.Level], 100, 1);
  const start = whole(message[CommandKey.Start], LATEST, 1000);
  const expiration = whole(message[CommandKey.Expiration], LATEST, 1000);
  const rampTo = whole(message[CommandKey.RampTo], LONGEST_RAMP, 100);
  const rampFrom = whole(message[CommandKey.RampFrom], LONGEST_RAMP, 100);
  const reference = message[CommandKey.Reference];
  if (message[CommandKey.Kind] !== CommandKind.Override || level === undefined) return undefined;
  if (Math.min(level, start || 0, expiration || 0, rampTo || 0, rampFrom || 0) < 0) return undefined;
  if (reference !== undefined && (typeof reference !== 'string' || reference.length > REFERENCE)) return undefined;
  return { level, reason: Reason.Override, start, expiration, rampTo, rampFrom, reference };
}

/** @returns the integer times `factor`, undefined when absent, -1 when it is not an integer of 0..highest. */
function whole(value: unknown, highest: number, factor: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || value < 0 || value > highest || value !== Math.floor(value)) return -1;
  return value * factor;
}
