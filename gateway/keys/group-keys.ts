/** The keys of groups, which all controllers of a group have: they seal the commands that go to it. */

import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { GROUP } from '../../firmware/link/messages.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { KEY_LENGTH } from './controller-keys.ts';

const PREFIX = 'group-key/';

export interface GroupKey {
  /** 0..255; differs from that of the number's key before. */
  generation: number;
  key: Uint8Array;
}

export class GroupKeys {
  private readonly keys = new Map<number, GroupKey>();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  async load(): Promise<void> {
    for (const [name, record] of await this.store.load(PREFIX)) {
      const { generation, key } = record as { generation: number; key: string };
      this.keys.set(Number(name.slice(PREFIX.length)), { generation, key: Buffer.from(key, 'base64url') });
    }
  }

  find(group: number): GroupKey | undefined {
    return this.keys.get(group);
  }

  /** @returns the group's key, made when it has none */
  of(group: number): GroupKey {
    return this.keys.get(group) ?? this.renew(group);
  }

  /** Makes another key: who has the one before can no longer command the group. */
  renew(group: number): GroupKey {
    const before = this.keys.get(group)?.generation;
    // By chance at first, so that a gateway that has lost its store does not take its old keys for the new ones.
    const generation = before === undefined ? randomInt(256) : (before + 1) % 256;
    const made = { generation, key: randomBytes(KEY_LENGTH) };
    this.keys.set(group, made);
    const record = { generation, key: made.key.toString('base64url') };
    this.store
      .save(`${PREFIX}${group}`, record)
      .catch((error) => this.log(`cannot store the key of group ${group}: ${(error as Error).message}`, 'error'));
    return made;
  }

  /** @param groups numbers, ascending. @returns the record of these groups, as controllers keep it: see `GROUP` */
  record(groups: readonly number[]): Uint8Array {
    return Buffer.concat(
      groups.map((group) => {
        const { generation, key } = this.of(group);
        return Buffer.concat([Buffer.of(group >> 8, group & 255, generation), key]);
      }),
    );
  }
}

/** @returns the numbers in a record of groups */
export function numbersIn(record: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let at = 0; at < record.length; at += GROUP) numbers.push(record[at] * 256 + record[at + 1]);
  return numbers;
}

/**
 * @param secret the controller's key
 * @param counter of the message that carries it
 * @returns the record of groups, its keys as that controller alone can read them
 */
export function wrapKeys(secret: Uint8Array, counter: number, record: Uint8Array): Uint8Array {
  const wrapped = Buffer.from(record);
  const data = Buffer.alloc(17);
  data.write('group');
  data.writeUIntBE(counter, 5, 6);
  data.writeUInt32BE(1, 13);
  for (let at = 0; at < wrapped.length; at += GROUP) {
    wrapped.copy(data, 11, at, at + 2);
    const mask = createHmac('sha256', secret).update(data).digest();
    const key = at + GROUP - KEY_LENGTH;
    for (let i = 0; i < KEY_LENGTH; i++) wrapped[key + i] ^= mask[i];
  }
  return wrapped;
}
