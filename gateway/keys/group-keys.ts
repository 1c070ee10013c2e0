/** The keys of groups, which all controllers of a group have: they seal the commands that go to it. */

import { createHmac, randomBytes, randomInt } from 'node:crypto';
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

  /**
   * @param secret the controller's key
   * @param counter of the message that carries it
   * @returns generation, and the key as that controller alone can read it
   */
  wrap(secret: Uint8Array, counter: number, group: number): [generation: number, key: Uint8Array] {
    const { generation, key } = this.of(group);
    const data = Buffer.alloc(17);
    data.write('group');
    data.writeUIntBE(counter, 5, 6);
    data.writeUInt16BE(group, 11);
    data.writeUInt32BE(1, 13);
    const mask = createHmac('sha256', secret).update(data).digest();
    return [generation, key.map((byte, i) => byte ^ mask[i])];
  }
}
