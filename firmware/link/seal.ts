/**
 * The seal of every message between gateway and controller: a COSE_Mac0 (RFC 9052 §6.2) of fixed form with HMAC 256/64
 * (RFC 9053 §3.1), as PROTOCOL.md describes it. The sealed payload ends with the integers 0, 0, 0, 1, because what the
 * interpreter computes in native code is the HMAC of the data with these four bytes behind them.
 */
import type { Bytes, Hal } from '../../hal/hal.ts';
import { writeText } from '../protocols/text.ts';
import { COMMAND_GROUP_ROOT, Leaf } from './messages.ts';

/** Bytes of a key, of a session, and of one group in the record of groups: number, generation, key. */
const KEY = 32;
const SESSION = 8;
export const GROUP = 35;
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

export class Seal {
  /** Messages that were refused since boot. */
  refused = 0;
  /** Names this boot: what was sealed for another one does not fit. */
  readonly session: Bytes;
  /** First bytes of all topics of this controller. */
  private _root: Bytes;
  /** When the latest message of each kind was issued, ms UTC: by leaf, or by number of the group. */
  private _heard: Record<string, number> = {};
  /** Where the payload begins in what `_frame` made. */
  private _at = 0;

  constructor(
    private _hal: Pick<Hal, 'clock' | 'mac' | 'random'>,
    private _key: Bytes,
    root: string,
    boot: number,
  ) {
    this._root = new Uint8Array(root.length);
    writeText(this._root, 0, root);
    // Chance alone would do if boards had more of it before they talk to anybody; boots without storage are all number 0.
    const text = `session ${boot} ${_hal.random()} ${_hal.random()} ${_hal.clock.uptime()} ${_hal.clock.time()}`;
    const bytes = new Uint8Array(text.length);
    writeText(bytes, 0, text);
    this.session = new Uint8Array(_hal.mac(_key, bytes).subarray(0, SESSION));
  }

  /** @returns the message as it may travel on the topic of that leaf */
  seal(leaf: string, message: Bytes): Bytes {
    const length = message.length + 4;
    const work = this._frame([0x43, 0xa1, 1, 4], leaf, leaf !== Leaf.Birth, length + 12);
    let at = this._at;
    const from = at - 6;
    if (length > 255) {
      work.set([0x59, length >> 8, length], at);
      at += 3;
    } else if (length > 23) {
      work.set([0x58, length], at);
      at += 2;
    } else work[at++] = 0x40 | length;
    work.set(message, at);
    at += message.length;
    const tag = this._hal.mac(this._key, work.subarray(0, at));
    // The message stays where it is: its envelope takes the place of what was in front of it for the tag alone.
    work.set([0x84, 0x43, 0xa1, 1, 4, 0xa0], from);
    work.set([0, 0, 0, 1, 0x48], at);
    work.set(tag.subarray(0, 8), at + 5);
    return work.subarray(from, at + 13);
  }

  /**
   * @param name leaf, or number of the group
   * @param groups the record of groups, when the message came to one of them
   * @returns the message within `data`; undefined when it is refused: not from the gateway, not for this boot of this
   *   controller, heard before, or too old
   */
  open(name: string, data: Bytes, groups?: Bytes): Bytes | undefined {
    this.refused++;
    let key = this._key;
    // Where the protected header ends, and with it what may differ in front of the payload.
    let end = 13;
    if (groups) {
      const number = +name;
      let at = 0;
      while (at < groups.length && groups[at] * 256 + groups[at + 1] !== number) at += GROUP;
      if (at >= groups.length) return undefined;
      key = groups.subarray(at + 3, at + GROUP);
      end = 16;
    }
    const size = data.length - end - 1;
    // An empty message would have 4 bytes after its head, and the tag has a head and 8.
    if (size < 14 || data[0] !== 0x84 || data[end] !== 0xa0 || data[data.length - 9] !== 0x48) return undefined;
    const work = this._frame(data.subarray(1, end), name, !groups, size + KEY);
    const at = this._at;
    const tag = at + size - 8;
    work.set(data.subarray(end + 1), at);
    work.set(this._hal.mac(key, work.subarray(0, tag - 5)), tag + 8);
    const view = new DataView(work.buffer);
    const difference =
      (view.getUint32(tag) ^ view.getUint32(tag + 8)) | (view.getUint32(tag + 4) ^ view.getUint32(tag + 12));
    if (difference || view.getUint32(tag - 5) !== 1) return undefined;
    // From here on it is what the gateway has once issued.
    const issued = view.getUint16(end - 1) * 4294967296 + view.getUint32(end + 1);
    const clock = this._hal.clock;
    const time = clock.time();
    if (issued <= (this._heard[name] || 0)) return undefined;
    // The time itself may be far from what the clock shows.
    if (time !== undefined && name !== Leaf.Time && Math.abs(issued - time) > STALE) return undefined;
    // A group's messages know no boot, so they must be of this one.
    if (groups && (time === undefined || issued < time - clock.uptime())) return undefined;
    this._heard[name] = issued;
    this.refused--;
    const head = work[at];
    return data.subarray(end + (head === 0x59 ? 4 : head === 0x58 ? 3 : 2), data.length - 13);
  }

  /**
   * Unwraps the keys of a command that was opened last.
   * @param items [number, generation, wrapped key, …]
   * @returns the record of these groups
   */
  unwrap(items: readonly (number | Bytes)[]): Bytes {
    const record = new Uint8Array((items.length / 3) * GROUP);
    const issued = this._heard[Leaf.Command];
    // "group", when the command was issued, and the group's number.
    const data = new Uint8Array([0x67, 0x72, 0x6f, 0x75, 0x70, 0, 0, 0, 0, 0, 0, 0, 0]);
    const view = new DataView(data.buffer);
    view.setUint16(5, issued / 4294967296);
    view.setUint32(7, issued % 4294967296);
    for (let i = 0, at = 0; i < items.length; i += 3, at += GROUP) {
      const number = items[i] as number;
      view.setUint16(11, number);
      record.set([number >> 8, number, items[i + 1] as number], at);
      const mask = new Uint32Array(this._hal.mac(this._key, data).buffer);
      const key = new Uint8Array(items[i + 2] as Bytes);
      const words = new Uint32Array(key.buffer);
      for (let word = 0; word < 8; word++) words[word] ^= mask[word];
      record.set(key, at + 3);
    }
    return record;
  }

  /**
   * The structure over which the tag is made, up to its payload. Source: RFC 9052 §6.3.
   * @param header the protected header with its head
   * @param name leaf, or number of the group
   * @param bound only this boot may seal or open it
   * @param room bytes behind it
   */
  private _frame(header: ArrayLike<number>, name: string, bound: boolean, room: number): Bytes {
    // A group's topic is short, and so is what is made of it.
    const group = header.length > 12;
    const topic = group ? `${COMMAND_GROUP_ROOT}/${name}` : name;
    const root = group ? 0 : this._root.length;
    const length = root + topic.length + (bound ? SESSION : 0);
    let at = 6 + header.length;
    const work = new Uint8Array(at + 2 + length + room);
    work.set([0x84, 0x64, 0x4d, 0x41, 0x43, 0x30]);
    work.set(header, 6);
    if (length > 23) work[at++] = 0x58;
    work[at++] = length > 23 ? length : 0x40 | length;
    if (root) work.set(this._root, at);
    writeText(work, at + root, topic);
    this._at = at + length;
    if (bound) work.set(this.session, this._at - SESSION);
    return work;
  }
}
