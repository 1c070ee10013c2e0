/**
 * MQTT 3.1.1 as a client needs it: packets of QoS 0 and 1 out of values, and a reader that finds packets in a byte
 * stream however it is cut. Source: MQTT Version 3.1.1, OASIS Standard; §2.2 fixed header, §3 packets.
 */
import type { Bytes } from '../../hal/hal.ts';
import { writeText } from './text.ts';

/** First bytes of packets: type and flags. Source: MQTT 3.1.1 §2.2.1, §2.2.2. */
export const enum Packet {
  Connect = 0x10,
  ConnectAck = 0x20,
  /** QoS 0; see `PublishFlag`. */
  Publish = 0x30,
  PublishAck = 0x40,
  Subscribe = 0x82,
  SubscribeAck = 0x90,
  PingRequest = 0xc0,
  PingResponse = 0xd0,
  Disconnect = 0xe0,
}

/** Source: MQTT 3.1.1 §3.3.1. */
export const enum PublishFlag {
  Retain = 1,
  AtLeastOnce = 2,
  Duplicate = 8,
}

/** Source: MQTT 3.1.1 §3.1. */
export interface Connect {
  clientId: string;
  /** s, 0..65535; 0 turns it off. */
  keepAlive: number;
  /** The will is published with QoS 1, retained. */
  willTopic: string;
  willPayload: Bytes;
  username?: string;
  /** Only with a user name. */
  password?: string;
}

/** Connect flags. Source: MQTT 3.1.1 §3.1.2.3. */
const enum Flag {
  CleanSession = 0x02,
  /** Will, QoS 1, retained. */
  Will = 0x04 | 0x08 | 0x20,
  Password = 0x40,
  Username = 0x80,
}

/** CONNECT with a clean session. Source: MQTT 3.1.1 §3.1. */
export function encodeConnect(options: Connect): Bytes {
  const keepAlive = options.keepAlive;
  const will = options.willPayload;
  const username = options.username;
  const password = username === undefined ? undefined : options.password;
  const secrets: ArrayLike<number>[] = [];
  let flags = Flag.CleanSession | Flag.Will;
  if (username !== undefined) {
    flags |= Flag.Username;
    secrets.push(encodeText(username));
  }
  if (password !== undefined) {
    flags |= Flag.Password;
    secrets.push(encodeText(password));
  }
  const parts: ArrayLike<number>[] = [
    encodeText('MQTT'),
    [4, flags, keepAlive >> 8, keepAlive],
    encodeText(options.clientId),
    encodeText(options.willTopic),
    [will.length >> 8, will.length],
    will,
  ];
  return join(Packet.Connect, parts.concat(secrets));
}

/** SUBSCRIBE with QoS 1 for every filter. @param id 1..65535. Source: MQTT 3.1.1 §3.8. */
export function encodeSubscribe(id: number, filters: readonly string[]): Bytes {
  const parts: ArrayLike<number>[] = [[id >> 8, id]];
  for (const filter of filters) {
    parts.push(encodeText(filter));
    parts.push([1]);
  }
  return join(Packet.Subscribe, parts);
}

/** Longest payload that `encodePublish` takes. */
export const LONGEST_PAYLOAD = 1024;

/** A topic as `encodePublish` wants it: two bytes of room for the fixed header, then the text. */
export function encodeTopic(topic: string): Bytes {
  const bytes = new Uint8Array(4 + topic.length);
  bytes.set([topic.length >> 8, topic.length], 2);
  writeText(bytes, 4, topic);
  return bytes;
}

/**
 * PUBLISH. The payload ends the packet, the identifier stands before it. Source: MQTT 3.1.1 §3.3.
 *
 * @param head `Packet.Publish` and `PublishFlag`s
 * @param topic as `encodeTopic` gave it
 * @param id 1..65535 with QoS 1, 0 with QoS 0
 * @returns undefined when the payload is longer than 1 kB
 */
export function encodePublish(head: number, topic: Bytes, id: number, payload: Bytes): Bytes | undefined {
  const length = payload.length;
  let start = topic.length;
  if (id) start += 2;
  const body = start + length - 2;
  let wide = 0;
  if (body > 127) {
    if (length > LONGEST_PAYLOAD) return undefined;
    start++;
    wide = 1;
  }
  const packet = new Uint8Array(start + length);
  packet.set(topic, wide);
  packet.set(payload, start);
  packet[0] = head;
  packet[1] = body;
  if (wide) packet.set([body | 128, body >> 7], 1);
  if (id) packet.set([id >> 8, id], start - 2);
  return packet;
}

/** PUBACK. Source: MQTT 3.1.1 §3.4. */
export function encodeAck(id: number): Bytes {
  return new Uint8Array([Packet.PublishAck, 2, id >> 8, id]);
}

/** A packet that is nothing but its type: PINGREQ and DISCONNECT. Source: MQTT 3.1.1 §3.12, §3.14. */
export function encodeEmpty(head: Packet): Bytes {
  return new Uint8Array([head, 0]);
}

/** Text with its length in front. @param text one character a byte, at most 65,535. Source: MQTT 3.1.1 §1.5.3. */
export function encodeText(text: string): Bytes {
  const bytes = new Uint8Array(2 + text.length);
  bytes.set([text.length >> 8, text.length]);
  writeText(bytes, 2, text);
  return bytes;
}

/** Remaining length: seven bits a byte, least significant first. Source: MQTT 3.1.1 §2.2.3. */
function join(head: number, parts: readonly ArrayLike<number>[]): Bytes {
  let body = 0;
  for (const part of parts) body += part.length;
  const start = [head];
  for (let rest = body; start.length === 1 || rest > 0; rest = rest >> 7) {
    start.push(rest > 127 ? (rest & 127) | 128 : rest);
  }
  const packet = new Uint8Array(start.length + body);
  packet.set(start);
  let at = start.length;
  for (const part of parts) {
    packet.set(part, at);
    at += part.length;
  }
  return packet;
}

/** What `PacketReader.next` found. */
export const enum Found {
  /** Nothing: the packet goes on in the next chunk. */
  Nothing = 0,
  Packet = 1,
  /** Not MQTT, or not for a client of QoS 0 and 1: only closing the connection is left. */
  Error = 2,
}

/** Largest remaining length has four bytes. Source: MQTT 3.1.1 §2.2.3. */
const LAST_SCALE = 2097152;

/** Bytes of a body that are kept: the largest configuration, its topic, and what a command has beside it. */
export const LONGEST_BODY = 3424;

/** Finds packets in a stream, one at a time. Memory is bounded: of a body only the first 3424 bytes are kept. */
export class PacketReader {
  /** Where `next` goes on in the chunk; the caller sets it to 0 for a new one. */
  at = 0;
  /** First byte of the packet found. */
  head = 0;
  /** Its body is `data` from `from` on, to `to`; valid until the next call. */
  data: Bytes | undefined;
  from = 0;
  to = 0;
  /** The body was longer than `to - from`. */
  cut = false;
  /** A packet has begun and goes on in the next chunk; the caller sets it to false for a new stream. */
  open = false;
  private _length = 0;
  private _scale = 0;
  private _body: Bytes | undefined;
  private _seen = 0;

  /** @param chunk the same until `at` has reached its end */
  next(chunk: Bytes): Found {
    const from = this.at + 2;
    const length = chunk[from - 1];
    const to = from + length;
    if (this.open || length > 127 || !(to <= chunk.length)) return this._collect(chunk);
    this.head = chunk[from - 2];
    this.data = chunk;
    this.from = from;
    this.to = this.at = to;
    this.cut = false;
    return isLegal(this.head, length) ? Found.Packet : Found.Error;
  }

  /** A packet of two bytes of length, or one that the chunk does not hold whole. */
  private _collect(chunk: Bytes): Found {
    if (!this.open) {
      this.open = true;
      this._body = undefined;
      this._length = 0;
      this._scale = 1;
      this._seen = 0;
      this.head = chunk[this.at++];
    }
    while (!this._body) {
      if (this.at >= chunk.length) return Found.Nothing;
      const byte = chunk[this.at++];
      this._length += (byte & 127) * this._scale;
      if (byte > 127) {
        if (this._scale === LAST_SCALE) return Found.Error;
        this._scale *= 128;
      } else {
        if (!isLegal(this.head, this._length)) return Found.Error;
        this._body = new Uint8Array(Math.min(this._length, LONGEST_BODY));
      }
    }
    const body = this._body;
    const end = Math.min(chunk.length, this.at + this._length - this._seen);
    const room = body.length - this._seen;
    if (room > 0) body.set(chunk.subarray(this.at, Math.min(end, this.at + room)), this._seen);
    this._seen += end - this.at;
    this.at = end;
    if (this._seen < this._length) return Found.Nothing;
    this.open = false;
    this._body = undefined;
    this.data = body;
    this.from = 0;
    this.to = body.length;
    this.cut = this._length > body.length;
    return Found.Packet;
  }
}

/**
 * Types that a server sends, their flags and lengths; QoS 2 is never asked for.
 * Source: MQTT 3.1.1 §2.2.2, §3.2, §3.3.1, §3.4, §3.9, §3.13.
 */
function isLegal(head: number, length: number): boolean {
  if (head === Packet.PublishAck || head === Packet.ConnectAck) return length === 2;
  if (head === Packet.PingResponse) return length === 0;
  if (head === Packet.SubscribeAck) return length > 2;
  const flags = head & 15;
  return head - flags === Packet.Publish && length > 2 && (flags & 6 ? (flags & 4) === 0 : flags < 8);
}
