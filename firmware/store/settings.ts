/**
 * What a controller remembers through power cuts: its timetable, its default level and its overrides. Each is one key of
 * a storage, so that it is whole or unchanged whenever the power fails.
 */
import type { Bytes, Storage } from '../../hal/hal.ts';
import type { LampCommand } from '../control/command.ts';
import { readText, writeText } from '../protocols/text.ts';

const TIMETABLE = 'timetable';
const LEVEL = 'level';
const OVERRIDES = 'overrides';
const MONITORING = 'monitoring';
const GROUPS = 'group-keys';

export class Settings {
  /**
   * @param storage of the board: its vault, or the HAL's
   * @param _own the timetable of a board that was never given one; empty: none
   * @param _level %, the board's default level
   */
  constructor(
    readonly storage: Storage,
    private _own: Bytes,
    private _level: number,
  ) {}

  /** @returns the timetable in force, undefined without one; valid until the next write. */
  timetable(): Bytes | undefined {
    const bytes = this.storage.read(TIMETABLE) || this._own;
    return bytes.length > 0 ? bytes : undefined;
  }

  /** @returns the check value of the timetable that was given, 0 when the last one was empty; undefined: never given. */
  check(): number | undefined {
    const bytes = this.storage.read(TIMETABLE);
    if (!bytes) return undefined;
    const at = bytes.length - 4;
    return at < 0 ? 0 : new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
  }

  /** @param bytes empty: none from now on. Throws when storage is full; the old one is kept. */
  setTimetable(bytes: Bytes): void {
    this.storage.write(TIMETABLE, bytes);
  }

  /** @returns the monitoring document, empty when the product's own counts; undefined: never given. Valid until the next write. */
  monitoring(): Bytes | undefined {
    return this.storage.read(MONITORING);
  }

  /** Throws when storage is full; the old one is kept. */
  setMonitoring(bytes: Bytes): void {
    this.storage.write(MONITORING, bytes);
  }

  /** @returns the groups whose commands are obeyed, with their keys: a record of `link/seal`. Valid until the next write. */
  groups(): Bytes {
    return this.storage.read(GROUPS) || new Uint8Array(0);
  }

  /** Throws when storage is full; the old ones are kept. */
  setGroups(record: Bytes): void {
    this.storage.write(GROUPS, record);
  }

  /** @returns %, the board's unless another was set */
  defaultLevel(): number {
    const bytes = this.storage.read(LEVEL);
    return bytes && bytes.length === 1 && bytes[0] <= 100 ? bytes[0] : this._level;
  }

  /** @param level %. Throws when storage is full. */
  setDefaultLevel(level: number): void {
    this.storage.write(LEVEL, new Uint8Array([level]));
  }

  /** Both slots at once: the override in action, and the one that waits. Throws when storage is full. */
  setOverrides(running: LampCommand | undefined, pending: LampCommand | undefined): void {
    // Native text costs no functions; members that are undefined are left out of it.
    const text = JSON.stringify([running || 0, pending || 0]);
    const bytes = new Uint8Array(text.length);
    writeText(bytes, 0, text);
    this.storage.write(OVERRIDES, bytes);
  }

  /** @returns the override in action and the one that waits, both undefined when what is stored makes no sense. */
  overrides(): (LampCommand | undefined)[] {
    const bytes = this.storage.read(OVERRIDES);
    try {
      const slots = bytes && JSON.parse(readText(bytes, 0, bytes.length));
      if (slots) return [slots[0] || undefined, slots[1] || undefined];
    } catch (_damaged) {
      // As if there were none: the plan or the default level rules.
    }
    return [];
  }
}
