/**
 * The seal of every message between gateway and controller: a COSE_Mac0 (RFC 9052 §6.2) of fixed form with HMAC 256/64
 * (RFC 9053 §3.1), as PROTOCOL.md describes it. The sealed payload ends with the integers 0, 0, 0, 1, because what the
 * interpreter computes in native code is the HMAC of the data with these four bytes behind them.
 */
import type { Bytes, Hal } from '../../hal/hal.ts';
import { writeText } from '../protocols/text.ts';
import { COMMAND_GROUP_ROOT, GROUP, Leaf } from './messages.ts';

/** Bytes of a key, and of a session. */
const KEY = 32;
const SESSION = 8;
/** ms by which the instant at which a message was issued may differ from the controller's clock. */
const STALE = 300000;

/** @returns the key that a site's text in base64url holds; undefined: it holds none */
export function readKey(text: string | undefined): Bytes | undefined {
  const code = text && atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  if (!code || code.length !== KEY) return undefined;
  const key = new Uint8Array(KEY);
  writeText(key, 0, code);
  return key;
}

/** @returns the head of a byte string of that length. Source: RFC 8949 §3.1. */
function head(length: number): number[] {
  return length > 255 ? [0x59, length >> 8, length & 255] : length > 23 ? [0x58, length] : [0x40 | length];
}

export class Seal {
  /** Names this boot: what was sealed for another one does not fit. */
  readonly session: Bytes;
  /** When the latest message of each kind was issued, ms UTC: by leaf, or by number of the group. */
  private _heard: Record<string, number> = {};
  /** The same of the message that was opened last, as it came. */
  private _issued: Bytes | string = '';

  /** @param _root first characters of all topics of this controller */
  constructor(
    private _hal: Pick<Hal, 'clock' | 'mac' | 'random'>,
    private _key: Bytes,
    private _root: string,
    boot: number,
  ) {
    // Chance alone would do if boards had more of it before they talk to anybody; boots without storage are all number 0.
    const text = `session ${boot} ${_hal.random()} ${_hal.random()} ${_hal.clock.uptime()} ${_hal.clock.time()}`;
    this.session = new Uint8Array(_hal.mac(_key, [text]).subarray(0, SESSION));
  }

  /** @returns the message as it may travel on the topic of that leaf */
  seal(leaf: string, message: Bytes): Bytes {
    const root = this._root;
    const session = leaf === Leaf.Birth ? '' : this.session;
    const length = message.length;
    const front = head(length + 4);
    // The structure over which the tag is made. Source: RFC 9052 §6.3.
    const bound = head(root.length + leaf.length + session.length);
    const tag = this._hal.mac(this._key, ['\x84dMAC0C\xa1\x01\x04', bound, root, leaf, session, front, message]);
    const at = 6 + front.length;
    const to = at + length;
    const sealed = new Uint8Array(to + 13);
    sealed.set([0x84, 0x43, 0xa1, 1, 4, 0xa0]);
    sealed.set(front, 6);
    sealed.set(message, at);
    sealed.set([1, 0x48], to + 3);
    sealed.set(tag.subarray(0, 8), to + 5);
    return sealed;
  }

  /**
   * @param name leaf, or number of the group
   * @param groups the record of groups, when the message came to one of them
   * @returns the message within `data`; undefined when it is refused: not from the gateway, not for this boot of this
   *   controller, heard before, or too old
   */
  open(name: string, data: Bytes, groups?: Bytes): Bytes | undefined {
    let key = this._key;
    let root = this._root;
    let session: Bytes | string = this.session;
    // Where the protected header ends, and with it what may differ in front of the payload.
    let end = 13;
    if (groups) {
      const number = +name;
      let at = 0;
      while (at < groups.length && groups[at] * 256 + groups[at + 1] !== number) at += GROUP;
      if (at >= groups.length) return undefined;
      key = groups.subarray(at + 3, at + GROUP);
      root = `${COMMAND_GROUP_ROOT}/`;
      session = '';
      end = 16;
    }
    // Where the payload's last 4 bytes begin, in front of the tag's head and the tag. An empty payload has a head.
    const last = data.length - 13;
    if (last <= end + 1 || data[0] !== 0x84 || data[end] !== 0xa0) return undefined;
    const bound = head(root.length + name.length + session.length);
    const header = data.subarray(1, end);
    const tag = this._hal.mac(key, ['\x84dMAC0', header, bound, root, name, session, data.subarray(end + 1, last)]);
    // One comparison of all 13 bytes.
    if (`${data.subarray(last)}` !== `0,0,0,1,72,${tag.subarray(0, 8)}`) return undefined;
    // From here on it is what the gateway has once issued.
    const upper = (data[end - 6] * 256 + data[end - 5]) * 256 + data[end - 4];
    const issued = upper * 16777216 + data[end - 3] * 65536 + data[end - 2] * 256 + data[end - 1];
    const time = this._hal.clock.time();
    if (issued <= (this._heard[name] || 0)) return undefined;
    // The time itself may be far from what the clock shows.
    if (time !== undefined && name !== Leaf.Time && Math.abs(issued - time) > STALE) return undefined;
    // A group's messages know no boot, so they must be of this one.
    if (groups && (time === undefined || issued < time - this._hal.clock.uptime())) return undefined;
    this._heard[name] = issued;
    this._issued = new Uint8Array(data.subarray(end - 6, end));
    const kind = data[end + 1];
    return data.subarray(end + (kind === 0x59 ? 4 : kind === 0x58 ? 3 : 2), last);
  }

  /**
   * Unwraps the keys of the message that was opened last.
   * @param wrapped record of groups, as it came
   * @returns the record with the keys as they are
   */
  unwrap(wrapped: Bytes): Bytes {
    const record = new Uint8Array(wrapped);
    for (let at = 0; at < record.length; at += GROUP) {
      const mask = this._hal.mac(this._key, ['group', this._issued, record.subarray(at, at + 2)]);
      for (let i = 0; i < KEY; i++) record[at + 3 + i] ^= mask[i];
    }
    return record;
  }
}
