/**
 * What a controller remembers through power cuts: its timetable, its default level and its overrides. Each is one key of
 * the HAL's storage, so that it is whole or unchanged whenever the power fails.
 */
import type { Bytes, Storage } from '../../hal/hal.ts';
import type { LampCommand } from '../control/command.ts';
import { Reason } from '../link/messages.ts';
import { CborWriter, decode } from '../protocols/cbor.ts';

/** Bytes of the record of two overrides with references of 64 bytes. */
const RECORD = 224;
const TIMETABLE = 'timetable';
const LEVEL = 'level';
const OVERRIDES = 'overrides';

export class Settings {
  /**
   * @param _own the timetable of a board that was never given one; empty: none
   * @param _level %, the board's default level
   */
  constructor(
    private _storage: Storage,
    private _own: Bytes,
    private _level: number,
  ) {}

  /** @returns the timetable in force, undefined without one; valid until the next write. */
  timetable(): Bytes | undefined {
    const bytes = this._storage.read(TIMETABLE) || this._own;
    return bytes.length > 0 ? bytes : undefined;
  }

  /** @returns the check value of the timetable that was given, 0 when the last one was empty; undefined: never given. */
  check(): number | undefined {
    const bytes = this._storage.read(TIMETABLE);
    if (!bytes) return undefined;
    const at = bytes.length - 4;
    return at < 0 ? 0 : new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
  }

  /** @param bytes empty: none from now on. Throws when storage is full; the old one is kept. */
  setTimetable(bytes: Bytes): void {
    this._storage.write(TIMETABLE, bytes);
  }

  /** @returns %, the board's unless another was set */
  defaultLevel(): number {
    const bytes = this._storage.read(LEVEL);
    return bytes && bytes.length === 1 && bytes[0] <= 100 ? bytes[0] : this._level;
  }

  /** @param level %. Throws when storage is full. */
  setDefaultLevel(level: number): void {
    this._storage.write(LEVEL, new Uint8Array([level]));
  }

  /** Both slots at once: the override in action, and the one that waits. */
  setOverrides(running: LampCommand | undefined, pending: LampCommand | undefined): void {
    const writer = new CborWriter(RECORD);
    writer.array(2);
    put(writer, running);
    put(writer, pending);
    this._storage.write(OVERRIDES, writer.finish() as Bytes);
  }

  /** @returns the override in action and the one that waits. */
  overrides(): (LampCommand | undefined)[] {
    const bytes = this._storage.read(OVERRIDES);
    const slots = bytes && (decode(bytes) as unknown[] | undefined);
    return slots && slots.length === 2 ? [take(slots[0]), take(slots[1])] : [];
  }
}

function put(writer: CborWriter, command: LampCommand | undefined): void {
  if (!command) {
    writer.simple(null);
    return;
  }
  writer.array(6);
  const numbers = [command.level, command.start, command.expiration, command.rampTo, command.rampFrom];
  for (const number of numbers) {
    if (number === undefined) writer.simple(null);
    else writer.number(number);
  }
  if (command.reference === undefined) writer.simple(null);
  else writer.text(command.reference);
}

function take(slot: unknown): LampCommand | undefined {
  const fields = slot as (number | null)[] | null;
  if (!fields || fields.length !== 6) return undefined;
  return {
    level: fields[0] as number,
    reason: Reason.Override,
    start: known(fields[1]),
    expiration: known(fields[2]),
    rampTo: known(fields[3]),
    rampFrom: known(fields[4]),
    reference: known(fields[5]) as unknown as string | undefined,
  };
}

function known(value: number | null): number | undefined {
  return value === null ? undefined : value;
}
