/**
 * What a controller remembers through power cuts: its configuration and its overrides. The configuration is one document of
 * several parts, and after a power cut at any instant it is whole, the old one or the new one: each part that changes is
 * written beside the one in force, and one small record at the end says which parts count.
 */
import type { Bytes, Hal, Storage } from '../../hal/hal.ts';
import type { LampCommand } from '../control/command.ts';
import type { Part } from '../link/commands.ts';
import { ConfigurationItem, ConfigurationPart, OWN_LEVEL, OWN_PART } from '../link/messages.ts';
import { readText, writeText } from '../protocols/text.ts';

const OVERRIDES = 'overrides';
/** Version, u32; default level, u8; slots, u8: two bits a part, 0 absent, else in which of its two keys it lies. */
const CONFIGURATION = 'now';
const RECORD = 6;
/** A part's keys: this, its number by `ConfigurationPart`, and 1 or 2. */
const PART = 'p';

export class Settings {
  /** Version of the configuration in force; 0: never given any. */
  edition = 0;
  /** % of it, or `OWN_LEVEL`. */
  private _given = OWN_LEVEL;
  private _slots = 0;

  /**
   * @param storage of the board: its vault, or the HAL's
   * @param _own the timetable of a board that was never given one; empty: none
   * @param _level %, the board's default level
   */
  constructor(
    readonly storage: Storage,
    private _hal: Pick<Hal, 'crc32'>,
    private _own: Bytes,
    private _level: number,
  ) {
    const record = storage.read(CONFIGURATION);
    if (!record || record.length !== RECORD) return;
    this.edition = new DataView(record.buffer, record.byteOffset).getUint32(0);
    this._given = record[4];
    this._slots = record[5];
  }

  /** @returns a part of the configuration, undefined when the product's own counts; valid until the next write. */
  partOf(part: ConfigurationPart): Bytes | undefined {
    const slot = (this._slots >> ((2 * part) & 31)) & 3;
    return slot ? this.storage.read(PART + part + slot) : undefined;
  }

  /** @returns the timetable in force, undefined without one; valid until the next write. */
  timetable(): Bytes | undefined {
    const bytes = this.partOf(ConfigurationPart.Timetable) || this._own;
    return bytes.length > 0 ? bytes : undefined;
  }

  /** @returns the groups whose commands are obeyed, with their keys, see `GROUP`. Valid until the next write. */
  groupRecord(): Bytes {
    return this.partOf(ConfigurationPart.Groups) || new Uint8Array(0);
  }

  /** @returns %, the board's unless another was set */
  defaultLevel(): number {
    return this._given <= 100 ? this._given : this._level;
  }

  /**
   * @param level default level, %; `OWN_LEVEL`; undefined: it stays as it is
   * @param parts by `ConfigurationPart`; null: the product's own; undefined: it stays as it is. What is the same as it was
   *   becomes undefined
   * @returns the check value of the configuration that would result, see `ConfigurationItem`
   */
  checkWith(version: number, level: number | undefined, parts: Part[]): number {
    const hal = this._hal;
    const bytes = new Uint8Array(ConfigurationItem.Size);
    const view = new DataView(bytes.buffer);
    view.setUint32(ConfigurationItem.Version, version);
    bytes[ConfigurationItem.Level] = level === undefined ? this._given : level;
    for (let part = 0; part < ConfigurationPart.Count; part++) {
      const at = ConfigurationItem.Parts + part * ConfigurationItem.PartSize;
      const before = this.partOf(part);
      const next = parts[part];
      let length = before ? before.length : OWN_PART;
      let crc = before ? hal.crc32(before) : 0;
      if (next !== undefined) {
        const old = `${length} ${crc}`;
        length = next ? next.length : OWN_PART;
        crc = next ? hal.crc32(next) : 0;
        if (old === `${length} ${crc}`) parts[part] = undefined;
      }
      view.setUint16(at, length);
      view.setUint32(at + 2, crc);
    }
    return hal.crc32(bytes);
  }

  /** Stores a configuration, as `checkWith` has it, whole or not at all. Throws when storage is full; the old one is kept. */
  setParts(version: number, level: number | undefined, parts: readonly Part[]): void {
    const storage = this.storage;
    const given = level === undefined ? this._given : level;
    const before = this._slots;
    let slots = before;
    for (let part = 0; part < ConfigurationPart.Count; part++) {
      const content = parts[part];
      if (content === undefined) continue;
      const old = (before >> ((2 * part) & 31)) & 3;
      // The other of its two keys.
      const slot = content ? 3 - (old || 2) : 0;
      if (content) storage.write(PART + part + slot, content);
      slots += (slot - old) << ((2 * part) & 31);
    }
    const record = new Uint8Array(RECORD);
    new DataView(record.buffer).setUint32(0, version);
    record.set([given, slots], 4);
    storage.write(CONFIGURATION, record);
    this.edition = version;
    this._given = given;
    this._slots = slots;
    try {
      for (let part = 0; part < ConfigurationPart.Count; part++) {
        if (parts[part] !== undefined) storage.delete(PART + part + ((before >> ((2 * part) & 31)) & 3));
      }
    } catch (_full) {
      // What does not count any more is written over when its key's turn comes, as is what a cut has left.
    }
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
