/**
 * The gateway's keys of its controllers, in one file that provisioning writes and the gateway reads: who is not in it is
 * not believed.
 */
import { readFileSync } from 'node:fs';
import { replaceFile } from './files.ts';

/** Bytes of a key. Source: RFC 9053 §3.1, HMAC 256 with a key as long as the hash. */
export const KEY_LENGTH = 32;
/** What a controller may call itself. */
export const ID = /^[A-Za-z0-9-]{1,32}$/;

/** What is known of one controller. */
export interface Credentials {
  /** `KEY_LENGTH` bytes that seal its messages. */
  key: Uint8Array;
  /** Of its MQTT account: its id, which is what the broker's rules go by. Absent: the same. */
  username?: string;
  /** As mosquitto keeps it, `$7$…`; absent: it has no password and gets into no broker that asks for one. */
  passwordHash?: string;
  /** Neighbours with whom it talks of presence. */
  group?: string;
}

/** The file's content. */
interface Saved {
  version: 1;
  controllers: Record<string, { key: string; username?: string; passwordHash?: string; group?: string }>;
}

export class ControllerKeys {
  private readonly controllers = new Map<string, Credentials>();
  private readonly listeners: ((ids: string[]) => void)[] = [];

  /** Reads a file. Throws, naming file and fault but never what a key says. */
  static load(path: string): ControllerKeys {
    let saved: Saved;
    try {
      saved = JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      // The parser's own message quotes the text around the mistake, which may be a key.
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(code ? `${path} cannot be read (${code})` : `${path} is not JSON`);
    }
    if (saved?.version !== 1 || typeof saved.controllers !== 'object' || saved.controllers === null) {
      throw new Error(`${path} holds no keys of controllers (version 1)`);
    }
    const keys = new ControllerKeys();
    for (const [id, entry] of Object.entries(saved.controllers)) {
      try {
        keys.add(id, { ...entry, key: decodeKey(entry?.key) });
      } catch (error) {
        throw new Error(`${path}: ${(error as Error).message}`);
      }
    }
    return keys;
  }

  /** Number of controllers. */
  get size(): number {
    return this.controllers.size;
  }

  /** Ids in the order in which they were added. */
  ids(): string[] {
    return [...this.controllers.keys()];
  }

  /** @returns the key of a controller, undefined for one that was not provisioned */
  find(id: string): Uint8Array | undefined {
    return this.controllers.get(id)?.key;
  }

  /** @returns everything that is known of a controller */
  credentials(id: string): Credentials | undefined {
    return this.controllers.get(id);
  }

  /** Takes a controller, or new credentials of one that is there. Throws what is wrong with them. */
  add(id: string, credentials: Credentials): void {
    const { key, username, passwordHash, group } = credentials;
    if (!ID.test(id)) throw new Error(`${JSON.stringify(id)} is no id: 1 to 32 letters, digits or hyphens`);
    if (!(key instanceof Uint8Array) || key.length !== KEY_LENGTH)
      throw new Error(`the key of ${id} is not ${KEY_LENGTH} bytes`);
    for (const [name, value] of Object.entries({ username, passwordHash, group })) {
      if (value !== undefined && typeof value !== 'string') throw new Error(`the ${name} of ${id} is not text`);
    }
    if (username !== undefined && username !== id) throw new Error(`the username of ${id} is not its id`);
    this.controllers.set(id, credentials);
  }

  /** @returns whether it was there */
  remove(id: string): boolean {
    return this.controllers.delete(id);
  }

  /** Calls `listener` with the ids whose credentials are no longer what they were, or are gone. */
  onChange(listener: (ids: string[]) => void): void {
    this.listeners.push(listener);
  }

  /** Takes what another set holds in place of its own: whoever uses this one goes on with it. */
  become(other: ControllerKeys): void {
    const changed = this.ids().filter((id) => !sameCredentials(this.credentials(id), other.credentials(id)));
    this.controllers.clear();
    for (const [id, credentials] of other.controllers) this.controllers.set(id, credentials);
    if (changed.length > 0) for (const listener of this.listeners) listener(changed);
  }

  /** Writes the file, readable for its owner alone. */
  save(path: string): void {
    replaceFile(path, this.text());
  }

  /** @returns what the file holds: for its owner's eyes alone */
  text(): string {
    const controllers: Saved['controllers'] = {};
    for (const [id, { key, ...rest }] of this.controllers) {
      controllers[id] = { key: Buffer.from(key).toString('base64url'), ...rest };
    }
    const saved: Saved = { version: 1, controllers };
    return `${JSON.stringify(saved, undefined, 1)}\n`;
  }
}

function sameCredentials(one: Credentials | undefined, other: Credentials | undefined): boolean {
  const text = (credentials: Credentials | undefined) =>
    credentials && JSON.stringify({ ...credentials, key: Buffer.from(credentials.key).toString('hex') });
  return text(one) === text(other);
}

/** @returns the bytes of a key in base64url or in hexadecimal; none when it is neither */
export function decodeKey(text: unknown): Uint8Array {
  if (typeof text !== 'string') return new Uint8Array(0);
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'));
  return /^[A-Za-z0-9_-]{43}$/.test(text) ? Uint8Array.from(Buffer.from(text, 'base64url')) : new Uint8Array(0);
}
