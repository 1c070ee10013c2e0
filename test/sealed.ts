/**
 * Both ends of the seal for tests, by the COSE library and never by our own code. Every id has a key of its own, which
 * tests' gateways, played controllers and simulated ones derive from it.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Header } from '@ldclabs/cose-ts/header';
import { HMACKey } from '@ldclabs/cose-ts/hmac';
import * as iana from '@ldclabs/cose-ts/iana';
import { Mac0Message } from '@ldclabs/cose-ts/mac0';
import { Decoder } from 'cbor-x';
import { ControllerKeys } from '../gateway/keys/controller-keys.ts';
import { Configuration } from './configuration.ts';

const TOPIC_ROOT = 'rvb1';
const SESSION = 15;
const ENDING = Buffer.of(0, 0, 0, 1);
const decoder = new Decoder({ mapsAsObjects: false } as never);

const digest = (text: string) => createHash('sha256').update(text).digest();

/** @returns the 32 bytes of a controller's key */
export const keyOf = (id: string): Buffer => digest(`key of ${id}`);
/** @returns the same as a site record has it */
export const siteKey = (id: string): string => keyOf(id).toString('base64url');
/** @returns 8 bytes that name the one boot of a played controller */
export const sessionOf = (id: string): Buffer => digest(`session of ${id}`).subarray(0, 8);
/** The gateway's keys: it has one of everybody. */
class EveryKey extends ControllerKeys {
  override find(id: string): Uint8Array {
    return keyOf(id);
  }
}
export const KEYS = new EveryKey();

/** For gateways in processes of their own. @returns the path of a file with the keys of these, to be removed with its directory */
export function keyFile(ids: readonly string[]): string {
  const keys = new ControllerKeys();
  for (const id of ids) keys.add(id, { key: keyOf(id) });
  const path = join(mkdtempSync(join(tmpdir(), 'keys-')), 'keys.json');
  keys.save(path);
  return path;
}

const hmac = (key: Uint8Array) => HMACKey.fromSecret(new Uint8Array(key), iana.AlgorithmHMAC_256_64);

/** @param aad what is sealed without being sent */
export function seal(key: Uint8Array, header: [number, unknown][], message: Uint8Array, aad: Uint8Array): Buffer {
  const items = new Map<number, unknown>([[iana.HeaderParameterAlg, iana.AlgorithmHMAC_256_64], ...header]);
  const payload = new Uint8Array(Buffer.concat([message, ENDING]));
  return Buffer.from(new Mac0Message(payload, new Header(items as never)).toBytes(hmac(key), new Uint8Array(aad)));
}

/** @returns the message. Throws when the seal does not fit. */
export function open(key: Uint8Array, envelope: Uint8Array, aad: Uint8Array): { message: Buffer; header: Header } {
  const found = Mac0Message.fromBytes(hmac(key), new Uint8Array(envelope), new Uint8Array(aad));
  const payload = Buffer.from(found.payload);
  assert.ok(payload.subarray(-4).equals(ENDING), 'the payload ends with 0, 0, 0, 1');
  return { message: payload.subarray(0, -4), header: found.protected as Header };
}

const bound = (topic: string, session?: Uint8Array) => Buffer.concat([Buffer.from(topic), session ?? Buffer.alloc(0)]);

/** @returns a message of a controller as it travels */
export function fromField(id: string, leaf: string, message: Uint8Array, session: Uint8Array = sessionOf(id)): Buffer {
  const topic = `${TOPIC_ROOT}/${id}/${leaf}`;
  return seal(keyOf(id), [], message, bound(topic, leaf === 'birth' ? undefined : session));
}

/** @returns a counter as Partial IV */
function partialIv(counter: number): Buffer {
  const iv = Buffer.alloc(6);
  iv.writeUIntBE(counter, 0, 6);
  return iv;
}

/** @param counter ms UTC at which it is issued. @returns a message for one controller as it travels */
export function toField(id: string, leaf: string, message: Uint8Array, counter: number, session: Uint8Array): Buffer {
  const header: [number, unknown][] = [[iana.HeaderParameterPartialIV, partialIv(counter)]];
  return seal(keyOf(id), header, message, bound(`${TOPIC_ROOT}/${id}/${leaf}`, session));
}

export interface Group {
  number: number;
  generation: number;
  key: Uint8Array;
}

/** @returns a message for a group of controllers as it travels */
export function toGroup({ number, generation, key }: Group, message: Uint8Array, counter: number): Buffer {
  const header: [number, unknown][] = [
    [iana.HeaderParameterKid, Buffer.of(generation)],
    [iana.HeaderParameterPartialIV, partialIv(counter)],
  ];
  return seal(key, header, message, bound(`rvb1c/${number}`));
}

/** @returns a group's key wrapped for a controller, or unwrapped. Source: PROTOCOL.md, Groups. */
export function wrapped(id: string, counter: number, group: number, key: Uint8Array): Buffer {
  const data = Buffer.concat([Buffer.from('group'), partialIv(counter), Buffer.of(group >> 8, group & 255), ENDING]);
  const mask = createHmac('sha256', keyOf(id)).update(data).digest();
  return Buffer.from(key.map((byte, i) => byte ^ mask[i]));
}

/** The controller's end, for one that a test plays. */
export class FieldEnd {
  /** By number. */
  readonly groups = new Map<number, Group>();
  readonly configuration = new Configuration();

  constructor(
    readonly id: string,
    readonly session: Uint8Array = sessionOf(id),
  ) {}

  /** @returns the message as it travels; the last will alone is not sealed */
  seal(leaf: string, message: Uint8Array): Buffer {
    return leaf === 'link' ? Buffer.from(message) : fromField(this.id, leaf, message, this.session);
  }

  /** @returns what the gateway has sent, and when. Throws when the seal does not fit. */
  open(topic: string, envelope: Uint8Array): { message: Buffer; counter: number } {
    const [root, name] = topic.split('/');
    const group = root === 'rvb1c' ? this.groups.get(Number(name)) : undefined;
    const key = group?.key ?? keyOf(this.id);
    const { message, header } = open(key, envelope, bound(topic, group ? undefined : this.session));
    if (group) assert.deepEqual([...header.getBytes(iana.HeaderParameterKid)], [group.generation]);
    const iv = Buffer.from(header.getBytes(iana.HeaderParameterPartialIV));
    return { message, counter: iv.readUIntBE(0, 6) };
  }

  /** @returns the record of groups with the keys as they are. @param counter of the message that it came with */
  unwrap(record: Uint8Array, counter: number): Buffer {
    const unwrapped = Buffer.from(record);
    for (let at = 0; at < record.length; at += 35) {
      const number = unwrapped.readUInt16BE(at);
      wrapped(this.id, counter, number, unwrapped.subarray(at + 3, at + 35)).copy(unwrapped, at + 3);
    }
    return unwrapped;
  }

  /** Listens to these groups from now on. @param record with the keys as they are @returns their numbers */
  join(record: Uint8Array): number[] {
    this.groups.clear();
    const bytes = Buffer.from(record);
    for (let at = 0; at < bytes.length; at += 35) {
      const number = bytes.readUInt16BE(at);
      this.groups.set(number, { number, generation: bytes[at + 2], key: bytes.subarray(at + 3, at + 35) });
    }
    return [...this.groups.keys()];
  }
}

/** @returns the record of groups as a controller keeps it; wrapped for one with a counter */
export function recordOf(groups: readonly Group[], id?: string, counter = 0): Buffer {
  return Buffer.concat(
    groups.map(({ number, generation, key }) => {
      const shown = id === undefined ? key : wrapped(id, counter, number, key);
      return Buffer.concat([Buffer.of(number >> 8, number & 255, generation), shown]);
    }),
  );
}

/** The gateway's end, where a test plays it for one controller: learns the session from the birth. */
export class GatewayEnd {
  session: Uint8Array | undefined;
  private counter = 0;

  /** @param id undefined: that of the first topic */
  constructor(public id?: string) {}

  /** @returns what a controller has sent. Throws when the seal does not fit. */
  open(topic: string, envelope: Uint8Array): Buffer {
    const [, id, leaf] = topic.split('/');
    this.id ??= id;
    if (leaf === 'link') return Buffer.from(envelope);
    const { message } = open(keyOf(id), envelope, bound(topic, leaf === 'birth' ? undefined : this.session));
    if (leaf === 'birth') this.session = (decoder.decode(message) as Map<number, Uint8Array>).get(SESSION);
    return message;
  }

  /** @returns the counter that a message of that instant gets, ms UTC: of itself, where it is given as the instant */
  next(time: number): number {
    return Math.max(this.counter + 1, Math.floor(time));
  }

  /** @param time ms UTC. @returns the message as it travels */
  seal(leaf: string, message: Uint8Array, time: number): Buffer {
    assert.ok(this.id && this.session, 'a birth has come');
    this.counter = this.next(time);
    return toField(this.id, leaf, message, this.counter, this.session);
  }
}
