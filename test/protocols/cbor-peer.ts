/** cbor-x as the other end. */
import assert from 'node:assert/strict';
import { Encoder } from 'cbor-x';
import { type CborValue, decode } from '../../firmware/protocols/cbor.ts';
import { mutate } from './mutate.ts';

/** Plain CBOR: no records, no tags, maps as Map. The typings lack the last two options. */
const OPTIONS = {
  useRecords: false,
  variableMapSize: true,
  tagUint8Array: false,
  mapsAsObjects: false,
  useTag259ForMaps: false,
  int64AsNumber: true,
};
export const peer = new Encoder(OPTIONS as never);

/** @returns a value in which both decoders' results can be compared: maps as sorted pairs, text as bytes, -0 as 0. */
export function plain(value: unknown): unknown {
  if (typeof value === 'string') return { text: Buffer.from(value, 'latin1').toString('hex') };
  return container(value, plain);
}

/** The same for what cbor-x decoded, whose text is Unicode. */
export function plainPeer(value: unknown): unknown {
  if (typeof value === 'string') return { text: Buffer.from(value, 'utf8').toString('hex') };
  if (typeof value === 'bigint') return Number(value);
  return container(value, plainPeer);
}

function container(value: unknown, inner: (value: unknown) => unknown): unknown {
  if (value === 0) return 0;
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = value instanceof Map ? [...value] : Object.entries(value).map(([key, item]) => [Number(key), item]);
  return { map: pairs.sort((a, b) => a[0] - b[0]).map(([key, item]) => [key, inner(item)]) };
}

/** @returns what cbor-x makes of a message; undefined when it refuses. */
export function decodeByPeer(data: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: peer.decode(data) };
  } catch {
    return undefined;
  }
}

const text = (data: string) => Uint8Array.from(Buffer.from(data, 'hex'));

/** Messages as the gateway sends them, and shapes that no message has. */
export const MESSAGES: Uint8Array[] = [
  peer.encode(
    new Map<number, unknown>([
      [0, 4711],
      [1, 0],
      [2, 40],
      [3, 1764080000],
      [4, 1764083600],
      [5, 50],
      [6, 600],
      [7, 'ref-1'],
    ]),
  ),
  peer.encode(
    new Map([
      [0, 4712],
      [1, 1],
    ]),
  ),
  peer.encode(
    new Map([
      [0, 1764080000],
      [1, 250],
    ]),
  ),
  peer.encode([1, [2, [3, [4]]], null, true, false, undefined, 1.5, -1000000, 'text', new Uint8Array([1, 2, 3])]),
  peer.encode(
    new Map<number, unknown>([
      [-5, 0.1],
      [24, []],
      [1000, new Map()],
    ]),
  ),
  text('f93c00'),
  text('83f97bfffa47c35000fb3ff199999999999a'),
  text(
    'a3001b000000e8d4a5100001381802783061616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161',
  ),
].map((data) => new Uint8Array(data));

const isUtf8 = (value: unknown): boolean => {
  if (typeof value === 'string')
    return Buffer.from(Buffer.from(value, 'latin1').toString('utf8'), 'utf8').equals(Buffer.from(value, 'latin1'));
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isUtf8);
};

const LONGEST = 600;

/**
 * Feeds mutated messages to the decoder. It must not throw, must agree with cbor-x where both accept, must not write to
 * its input, and afterwards decode a sound message.
 *
 * @returns how many it accepted
 */
export function hostile(count: number, random: () => number): number {
  const before = plain(decode(MESSAGES[0]));
  let accepted = 0;
  for (let i = 0; i < count; i++) {
    const data = mutate(MESSAGES[i % MESSAGES.length], MESSAGES, random).subarray(0, LONGEST);
    const copy = Buffer.from(data);
    let value: CborValue;
    try {
      value = decode(data);
    } catch (error) {
      assert.fail(`${copy.toString('hex')} throws ${error}`);
    }
    assert.ok(copy.equals(data), 'the input is left alone');
    if (value === undefined) continue;
    accepted++;
    assert.ok(itemsOf(value) <= 64, `${copy.toString('hex')} has more than 64 items`);
    const theirs = decodeByPeer(data);
    if (theirs && isUtf8(value)) assert.deepEqual(plain(value), plainPeer(theirs.value), copy.toString('hex'));
  }
  assert.deepEqual(plain(decode(MESSAGES[0])), before);
  return accepted;
}

function itemsOf(value: CborValue): number {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return 1;
  const inner = Object.values(value) as CborValue[];
  const keys = Array.isArray(value) ? 0 : inner.length;
  return 1 + keys + inner.reduce<number>((sum, item) => sum + itemsOf(item), 0);
}
