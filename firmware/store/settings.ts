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
const CONFIGURATION = 'configuration';
const RECORD = 6;
/** A part's keys: this, its number by `ConfigurationPart`, and 1 or 2. */
const PART = 'part.';

export class Settings {
  /** Version of the configuration in force; 0: never given any. */
  version = 0;
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
    this.version = new DataView(record.buffer, record.byteOffset, RECORD).getUint32(0);
    this._given = record[4];
    this._slots = record[5];
  }

  /** @returns a part of the configuration, undefined when the product's own counts; valid until the next write. */
  part(part: ConfigurationPart): Bytes | undefined {
    const slot = (this._slots >> ((2 * part) & 31)) & 3;
    return slot ? this.storage.read(`${PART}${part}.${slot}`) : undefined;
  }

  /** @returns the timetable in force, undefined without one; valid until the next write. */
  timetable(): Bytes | undefined {
    const bytes = this.part(ConfigurationPart.Timetable) || this._own;
    return bytes.length > 0 ? bytes : undefined;
  }

  /** @returns the groups whose commands are obeyed, with their keys, see `GROUP`. Valid until the next write. */
  groups(): Bytes {
    return this.part(ConfigurationPart.Groups) || new Uint8Array(0);
  }

  /** @returns %, the board's unless another was set */
  defaultLevel(): number {
    return this._given <= 100 ? this._given : this._level;
  }

  /**
   * @param level default level, %; null: the board's own; undefined: it stays as it is
   * @param parts by `ConfigurationPart`; null: the product's own; undefined: it stays as it is. What is the same as it was
   *   becomes undefined
   * @returns the check value of the configuration that would result, see `ConfigurationItem`
   */
  check(version: number, level: number | null | undefined, parts: Part[]): number {
    const hal = this._hal;
    const bytes = new Uint8Array(ConfigurationItem.Size);
    const view = new DataView(bytes.buffer);
    view.setUint32(ConfigurationItem.Version, version);
    bytes[ConfigurationItem.Level] = level === undefined ? this._given : level === null ? OWN_LEVEL : level;
    for (let part = 0; part < ConfigurationPart.Count; part++) {
      const at = ConfigurationItem.Parts + part * ConfigurationItem.PartSize;
      let content: Part = this.part(part);
      const length = content ? content.length : OWN_PART;
      const crc = content ? hal.crc32(content) : 0;
      view.setUint16(at, length);
      view.setUint32(at + 2, crc);
      content = parts[part];
      if (content === undefined) continue;
      view.setUint16(at, content ? content.length : OWN_PART);
      view.setUint32(at + 2, content ? hal.crc32(content) : 0);
      if (view.getUint16(at) === length && view.getUint32(at + 2) === crc) parts[part] = undefined;
    }
    return hal.crc32(bytes);
  }

  /** Stores a configuration, as `check` has it, whole or not at all. Throws when storage is full; the old one is kept. */
  configure(version: number, level: number | null | undefined, parts: readonly Part[]): void {
    const storage = this.storage;
    const given = level === undefined ? this._given : level === null ? OWN_LEVEL : level;
    let slots = this._slots;
    let fault: unknown;
    try {
      for (let part = 0; part < ConfigurationPart.Count; part++) {
        const content = parts[part];
        if (content === undefined) continue;
        const before = (slots >> ((2 * part) & 31)) & 3;
        const slot = content ? (before === 1 ? 2 : 1) : 0;
        if (content) storage.write(`${PART}${part}.${slot}`, content);
        slots += (slot - before) << ((2 * part) & 31);
      }
      const record = new Uint8Array(RECORD);
      new DataView(record.buffer).setUint32(0, version);
      record[4] = given;
      record[5] = slots;
      storage.write(CONFIGURATION, record);
      this.version = version;
      this._given = given;
      this._slots = slots;
    } catch (error) {
      fault = error;
    }
    // What does not count any more, or never has.
    for (let key = 0; key < 2 * ConfigurationPart.Count; key++) {
      const part = key >> 1;
      const slot = (key & 1) + 1;
      try {
        if (((this._slots >> ((2 * part) & 31)) & 3) !== slot) storage.delete(`${PART}${part}.${slot}`);
      } catch (_full) {
        // It is written over when its turn comes.
      }
    }
    if (fault) throw fault;
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
