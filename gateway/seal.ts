/**
 * The seal of every message between gateway and controllers: COSE_Mac0 (RFC 9052 §6.2) with HMAC 256/64 (RFC 9053 §3.1) in
 * the fixed forms of PROTOCOL.md. It stands between the broker, whom nobody has to trust, and the fleet, which sees plain
 * messages of controllers that proved who they are, and in which boot.
 */

import { randomInt, timingSafeEqual } from 'node:crypto';
import { Header } from '@ldclabs/cose-ts/header';
import { HMACKey } from '@ldclabs/cose-ts/hmac';
import {
  AlgorithmHMAC_256_64,
  HeaderParameterAlg,
  HeaderParameterKid,
  HeaderParameterPartialIV,
} from '@ldclabs/cose-ts/iana';
import { Mac0Message } from '@ldclabs/cose-ts/mac0';
import { COMMAND_GROUP_ROOT, CommandKind, Leaf, TOPIC_ROOT } from '../firmware/link/messages.ts';
import { ID } from './keys/controller-keys.ts';
import { type GroupKeys, wrapKeys } from './keys/group-keys.ts';
import { complainer, type Log } from './log.ts';
import type { Store } from './store/store.ts';
import { decodeAck, decodeBirth, encodeCommand, LONGEST_MESSAGE } from './wire.ts';

/** Whom the gateway believes, and whom it can tell something. */
export interface KeyStore {
  /** @returns 32 bytes, undefined for a controller that was not provisioned */
  find(id: string): Uint8Array | undefined;
}

/** Wraps the keys in a record of groups, for the message that carries it. */
export type Wrap = (record: Uint8Array) => Uint8Array;
/** A message; or what makes it when it is known how keys in it are wrapped. */
export type Content = Buffer | ((wrap: Wrap) => Buffer);
export type Publish = (topic: string, payload: Buffer, qos: 0 | 1, retain?: boolean) => void;

/** Why a message from the field is refused. */
export type Refusal = 'noKey' | 'malformed' | 'forged' | 'noBirth' | 'unproven';

const REASONS: Record<Refusal, string> = {
  noKey: 'no key of this controller',
  malformed: 'not sealed',
  forged: 'the seal does not fit',
  noBirth: 'no birth has said which boot it is',
  unproven: 'of an earlier boot than the last known, and not alive so far',
};

/** The integers 0, 0, 0, 1 behind each sealed message, and the protected header of the field's: algorithm 4. */
const ENDING = Buffer.of(0, 0, 0, 1);
const FIELD_HEADER = Buffer.of(0xa1, 0x01, 0x04);
const FIELD_BEGIN = Buffer.concat([Buffer.of(0x84, 0x43), FIELD_HEADER, Buffer.of(0xa0)]);
/** Bytes around a sealed message: array, protected header, empty map; head and 8 bytes of tag. */
const BEFORE = 6;
const BEHIND = 9;
const TAG = 8;
/** ms between two challenges of one controller. */
const CHALLENGE = 5000;
/** ms by which counters that may be used are written down ahead, and how far before its end the next stretch is asked for. */
const STRETCH = 60_000;
const MARGIN = 20_000;
const CEILING = 'seal/counter';
const BOOTS = 'seal/boot/';
/** ms for which it is not asked again which boot a controller is in. */
const LOOK_AGAIN = 1000;
/** Bytes of a question for the time. */
const LONGEST_QUESTION = 16;
/** Lines a minute about messages that are refused. */
const MOST_LINES = 20;

/** A boot of a controller. */
interface Boot {
  boot: number;
  session: Buffer;
}

/** One that says it is earlier than the last known: recorded by somebody, or of a controller that has lost its storage. */
interface Candidate extends Boot {
  birth: Buffer;
  /** Number of the command that it has to acknowledge, and when it was sent last. */
  challenge: number;
  askedAt: number;
}

/** A question that has overtaken the birth: brokers keep the order of messages of one quality of service only. */
interface Early {
  topic: string;
  envelope: Envelope;
  reason: Refusal;
}

export interface SealsOptions {
  keys: KeyStore;
  groups: GroupKeys;
  store: Store;
  now(): number;
  /** Sends one message to the broker. */
  publish: Publish;
  /** Takes a message from the field, opened. */
  deliver(topic: string, payload: Uint8Array, retained: boolean): void;
  log: Log;
}

export class Seals {
  /** Messages refused since the start, by reason. */
  readonly refused: Record<Refusal, number> = { noKey: 0, malformed: 0, forged: 0, noBirth: 0, unproven: 0 };
  private readonly boots = new Map<string, Boot>();
  private readonly candidates = new Map<string, Candidate>();
  /** By controller: what it asked before its birth came. */
  private readonly early = new Map<string, Early>();
  /** The counter that was used last, by controller or topic of a group. */
  private readonly counters = new Map<string, number>();
  private readonly cache = new Map<string, HMACKey>();
  /** No counter is below it: those were used before a restart. */
  private floor = 0;
  private ceiling = 0;
  private readonly complain: Log;

  constructor(private readonly options: SealsOptions) {
    this.complain = complainer(options.log, MOST_LINES, options.now);
  }

  async load(): Promise<void> {
    const stored = await this.options.store.load('seal/');
    this.floor = this.ceiling = Number(stored.get(CEILING) ?? 0);
    for (const [key, record] of stored) {
      if (!key.startsWith(BOOTS)) continue;
      const { boot, session } = record as { boot: number; session: string };
      this.boots.set(key.slice(BOOTS.length), { boot, session: Buffer.from(session, 'hex') });
    }
  }

  /** Takes one message from the broker, whoever has sent it. */
  receive(topic: string, payload: Uint8Array, retained: boolean): void {
    const [root, id = '', leaf] = topic.split('/');
    // The last will cannot be sealed, nor can what clears a retained birth.
    const bare = leaf === Leaf.Link || (leaf === Leaf.Birth && payload.length === 0);
    if (root !== TOPIC_ROOT || !ID.test(id) || bare) {
      this.options.deliver(topic, payload, retained);
      return;
    }
    const key = this.keyOf(id);
    if (!key) {
      this.refuse(topic, 'noKey');
      return;
    }
    const envelope = takeApart(payload);
    if (!envelope) this.refuse(topic, 'malformed');
    else if (leaf === Leaf.Birth) this.birth(topic, id, key, envelope, retained);
    else this.message(topic, id, key, envelope, retained);
  }

  /** Sends one message to the broker, sealed for whom it is meant; what nobody could open is not sent. */
  publish(topic: string, content: Content, qos: 0 | 1, retain?: boolean): void {
    const [root, name = '', leaf] = topic.split('/');
    if (root === COMMAND_GROUP_ROOT) {
      const group = this.options.groups.find(Number(name));
      if (!group || typeof content === 'function') return;
      const counter = this.next(topic);
      const header = new Map<number, unknown>([[HeaderParameterKid, Buffer.of(group.generation)]]);
      this.options.publish(topic, seal(hmac(group.key), header, counter, content, Buffer.from(topic)), qos, retain);
    } else if (leaf === Leaf.Birth || leaf === Leaf.Link) {
      this.options.publish(topic, content as Buffer, qos, retain);
    } else {
      const boot = this.boots.get(name);
      if (boot) this.send(topic, name, boot, content, qos);
    }
  }

  private send(topic: string, id: string, { session }: Boot, content: Content, qos: 0 | 1): void {
    const secret = this.options.keys.find(id);
    const key = this.keyOf(id);
    if (!key || !secret) return;
    const counter = this.next(id);
    const wrap: Wrap = (record) => wrapKeys(secret, counter, record);
    const message = typeof content === 'function' ? content(wrap) : content;
    this.options.publish(topic, seal(key, new Map(), counter, message, bind(topic, session)), qos, false);
  }

  private birth(topic: string, id: string, key: HMACKey, envelope: Envelope, retained: boolean): void {
    const message = open(key, envelope, Buffer.from(topic));
    if (!message) {
      this.refuse(topic, 'forged');
      return;
    }
    const said = decodeBirth(message);
    if (said instanceof Error) {
      // The fleet says what is wrong with it.
      this.options.deliver(topic, message, retained);
      return;
    }
    const { session } = said;
    if (session === undefined) {
      this.refuse(topic, 'malformed');
      return;
    }
    const known = this.boots.get(id);
    const boot = { boot: said.boot, session: Buffer.from(session, 'hex') };
    if (!known || boot.boot > known.boot || known.session.equals(boot.session)) {
      this.adopt(id, boot);
      this.options.deliver(topic, message, retained);
      this.lookAgain(id, key);
      return;
    }
    const before = this.candidates.get(id);
    const again = before?.session.equals(boot.session) === true;
    const fresh = { ...boot, challenge: randomInt(2 ** 32), askedAt: Number.NEGATIVE_INFINITY };
    const candidate = { ...(again ? before : fresh), birth: message };
    this.candidates.set(id, candidate);
    this.refuse(topic, 'unproven');
    this.challenge(id, candidate);
  }

  private adopt(id: string, boot: Boot): void {
    this.candidates.delete(id);
    if (this.boots.get(id)?.session.equals(boot.session)) return;
    this.boots.set(id, boot);
    this.save(BOOTS + id, { boot: boot.boot, session: boot.session.toString('hex') });
  }

  /** Who acknowledges a number that nobody could know before is there now. */
  private challenge(id: string, candidate: Candidate): void {
    const now = this.options.now();
    if (now - candidate.askedAt < CHALLENGE) return;
    candidate.askedAt = now;
    const message = encodeCommand(candidate.challenge, { kind: CommandKind.Read });
    this.send(`${TOPIC_ROOT}/${id}/${Leaf.Command}`, id, candidate, message, 1);
  }

  private message(topic: string, id: string, key: HMACKey, envelope: Envelope, retained: boolean): void {
    const known = this.boots.get(id);
    const candidate = this.candidates.get(id);
    if (!known) {
      this.refuseEarly(topic, id, envelope, 'noBirth');
      return;
    }
    const message = open(key, envelope, bind(topic, known.session));
    if (message) {
      this.options.deliver(topic, message, retained);
      return;
    }
    const claimed = candidate && open(key, envelope, bind(topic, candidate.session));
    if (!candidate || !claimed) {
      this.refuseEarly(topic, id, envelope, 'forged');
      return;
    }
    const ack = topic.endsWith(`/${Leaf.Ack}`) ? decodeAck(claimed) : undefined;
    if (ack && !(ack instanceof Error) && ack.number === candidate.challenge) {
      const { boot, session, birth } = candidate;
      this.options.log(`${id} begins again with boot ${boot}: its storage was lost`);
      this.adopt(id, { boot, session });
      this.options.deliver(`${TOPIC_ROOT}/${id}/${Leaf.Birth}`, birth, false);
      return;
    }
    this.refuse(topic, 'unproven');
    this.challenge(id, candidate);
  }

  /** @returns ms UTC of now, or more: it grows with every message, also after a restart and when clocks are set back */
  private next(name: string): number {
    const last = this.counters.get(name) ?? this.floor;
    const counter = Math.max(last + 1, Math.floor(this.options.now()));
    this.counters.set(name, counter);
    if (counter + MARGIN > this.ceiling) {
      this.ceiling = counter + STRETCH;
      this.save(CEILING, this.ceiling);
    }
    return counter;
  }

  private keyOf(id: string): HMACKey | undefined {
    const secret = this.options.keys.find(id);
    if (!secret) return undefined;
    let key = this.cache.get(id);
    // Keys may be replaced while the gateway runs.
    if (!key || !Buffer.from(key.getSecretKey()).equals(secret)) {
      key = hmac(secret);
      this.cache.set(id, key);
    }
    return key;
  }

  private refuse(topic: string, reason: Refusal): void {
    this.refused[reason]++;
    this.complain(`refused a message on ${JSON.stringify(topic.slice(0, 100))}: ${REASONS[reason]}`);
  }

  /** Refuses a message for now; a question is looked at again when the birth has come. */
  private refuseEarly(topic: string, id: string, envelope: Envelope, reason: Refusal): void {
    if (!topic.endsWith(`/${Leaf.Ask}`) || envelope.payload.length > LONGEST_QUESTION) {
      this.refuse(topic, reason);
      return;
    }
    this.refused[reason]++;
    // Copies: what came is a part of a buffer of the socket's.
    const copy = { payload: Uint8Array.from(envelope.payload), tag: Uint8Array.from(envelope.tag) };
    this.early.set(id, { topic, envelope: copy, reason });
  }

  private lookAgain(id: string, key: HMACKey): void {
    const early = this.early.get(id);
    if (!early) return;
    this.early.delete(id);
    this.refused[early.reason]--;
    this.message(early.topic, id, key, early.envelope, false);
    // Once is enough.
    this.early.delete(id);
  }

  private save(key: string, record: unknown): void {
    this.options.store
      .save(key, record)
      .catch((error) => this.options.log(`cannot store what seals messages: ${(error as Error).message}`, 'error'));
  }
}

/** Opens what the field says where another gateway hears the births: which boot it is says the store. */
export class Reader {
  private readonly boots = new Map<string, { session: Buffer | undefined; readAt: number }>();

  /** @param now ms that never go back */
  constructor(
    private readonly keys: KeyStore,
    private readonly store: Store,
    private readonly now: () => number,
  ) {}

  /** @returns the message. Rejects with why it is refused */
  async open(topic: string, id: string, payload: Uint8Array): Promise<Buffer> {
    const secret = this.keys.find(id);
    if (!secret) throw new Error(REASONS.noKey);
    const envelope = takeApart(payload);
    if (!envelope) throw new Error(REASONS.malformed);
    const key = hmac(secret);
    const attempt = (session: Buffer | undefined) => session && open(key, envelope, bind(topic, session));
    const known = this.boots.get(id);
    const message = attempt(known?.session);
    if (message) return message;
    // It may be another boot by now; who forges messages shall not make the database work.
    if (known && this.now() - known.readAt < LOOK_AGAIN) throw new Error(REASONS.forged);
    const name = BOOTS + id;
    const record = (await this.store.load(name)).get(name) as { session: string } | undefined;
    const session = record && Buffer.from(record.session, 'hex');
    this.boots.set(id, { session, readAt: this.now() });
    const found = attempt(session);
    if (!found) throw new Error(session ? REASONS.forged : REASONS.noBirth);
    return found;
  }
}

/** A COSE_Mac0 of the field, taken apart. */
interface Envelope {
  payload: Uint8Array;
  tag: Uint8Array;
}

/** @returns undefined unless it has the one form that controllers use, byte for byte */
function takeApart(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length > LONGEST_MESSAGE) return undefined;
  const payload = bytes.subarray(BEFORE, -BEHIND);
  if (!FIELD_BEGIN.equals(bytes.subarray(0, BEFORE)) || bytes.at(-BEHIND) !== 0x40 + TAG) return undefined;
  for (let size = 1; size <= 3; size++) {
    const length = payload.length - size;
    const head = headOf(length);
    if (length < ENDING.length || !head.equals(payload.subarray(0, size))) continue;
    return { payload: payload.subarray(size), tag: bytes.subarray(-TAG) };
  }
  return undefined;
}

/** @returns the shortest head of a byte string. Source: RFC 8949 §3, §4.2.1. */
function headOf(length: number): Buffer {
  if (length > 255) return Buffer.of(0x59, length >> 8, length & 255);
  return length > 23 ? Buffer.of(0x58, length) : Buffer.of(0x40 | length);
}

/** @returns what is sealed without being sent: the topic, and the boot that it is meant for or comes from */
const bind = (topic: string, session: Buffer): Buffer => Buffer.concat([Buffer.from(topic), session]);

const hmac = (secret: Uint8Array): HMACKey => HMACKey.fromSecret(secret, AlgorithmHMAC_256_64);

/** The library's, which its types call private: its own comparison of tags takes time that depends on them. */
const { macBytes } = Mac0Message as unknown as {
  macBytes(payload: Uint8Array, header: Uint8Array, aad: Uint8Array): Uint8Array;
};

/** @returns the message; undefined when the seal does not fit */
function open(key: HMACKey, { payload, tag }: Envelope, bound: Uint8Array): Buffer | undefined {
  const expected = key.mac(macBytes(payload, FIELD_HEADER, bound));
  if (tag.length !== TAG || !timingSafeEqual(expected, tag)) return undefined;
  const message = Buffer.from(payload.subarray(0, -ENDING.length));
  return ENDING.equals(payload.subarray(-ENDING.length)) ? message : undefined;
}

/** @param header protected parameters beside algorithm and counter. @param bound what is sealed without being sent */
function seal(key: HMACKey, header: Map<number, unknown>, counter: number, message: Buffer, bound: Buffer): Buffer {
  const iv = Buffer.alloc(6);
  iv.writeUIntBE(counter, 0, 6);
  header.set(HeaderParameterAlg, AlgorithmHMAC_256_64).set(HeaderParameterPartialIV, iv);
  const mac0 = new Mac0Message(Buffer.concat([message, ENDING]), new Header(header as never));
  return Buffer.from(mac0.toBytes(key, bound));
}
