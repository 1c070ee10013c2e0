/** A controller's configuration as PROTOCOL.md describes it, for the end of the link that a test plays. */
import { crc32 } from 'node:zlib';
import { AckCode, CommandKey, CommandKind } from '../firmware/link/messages.ts';

/** What a configuration changes; null: the product's own. */
export interface Change {
  level?: number | null;
  timetable?: Uint8Array | null;
  monitoring?: Uint8Array | null;
  groups?: Uint8Array | null;
}

const PARTS = ['timetable', 'monitoring', 'groups'] as const;
const KEYS: [keyof Change, CommandKey][] = [
  ['level', CommandKey.Level],
  ['timetable', CommandKey.Timetable],
  ['monitoring', CommandKey.Monitoring],
  ['groups', CommandKey.Groups],
];

export class Configuration {
  version = 0;
  /** What is null is the product's own. */
  content: Change = {};

  /** CRC-32 of version, level, and of each part length and CRC-32. */
  get check(): number {
    const bytes = Buffer.alloc(23);
    bytes.writeUInt32BE(this.version);
    bytes[4] = this.content.level ?? 255;
    PARTS.forEach((name, i) => {
      const part = this.content[name];
      bytes.writeUInt16BE(part ? part.length : 65535, 5 + 6 * i);
      bytes.writeUInt32BE(part ? crc32(part) : 0, 7 + 6 * i);
    });
    return crc32(bytes);
  }

  /** What a birth tells of it; undefined: nobody has ever given one. */
  get told(): [number, number] | undefined {
    return this.version > 0 ? [this.version, this.check] : undefined;
  }

  /** Takes a command, whole or not at all. @param groups the record with its keys as they are */
  take(command: Map<number, unknown>, groups?: Uint8Array | null): AckCode {
    const before = { version: this.version, content: this.content };
    const content: Change = { ...before.content };
    for (const [name, key] of KEYS) if (command.has(key)) Object.assign(content, { [name]: command.get(key) });
    if (groups !== undefined) content.groups = groups;
    this.version = command.get(CommandKey.Version) as number;
    this.content = content;
    if (this.version >= before.version && this.check === command.get(CommandKey.Check)) return AckCode.Done;
    Object.assign(this, before);
    return AckCode.Drift;
  }

  /** Changes it. @returns the command for that, as the gateway's code has it */
  change(change: Change) {
    this.content = { ...this.content, ...change };
    this.version++;
    const { version, check } = this;
    return { kind: CommandKind.Configuration, ...change, version, check };
  }

  /** Changes it. @returns the command for that, as the wire has it: the groups' keys are not wrapped */
  items(change: Change): [CommandKey, unknown][] {
    const { version, check } = this.change(change);
    const carried = KEYS.filter(([name]) => change[name] !== undefined);
    const values = carried.map(([name, key]): [CommandKey, unknown] => {
      const value = change[name];
      return [key, value instanceof Uint8Array ? Buffer.from(value) : value];
    });
    return [...values, [CommandKey.Version, version], [CommandKey.Check, check]];
  }
}
