import type { Bytes } from '../../hal/hal.ts';
import type { Case } from './fixture.ts';
import { pattern, same } from './helpers.ts';

/** Source: RFC 7914 §11, the vector of one iteration. */
const RFC_7914 = '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc';

function bytes(text: string): Bytes {
  const found = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
  return found;
}

function hex(data: Bytes): string {
  let text = '';
  for (const byte of data) text += (byte < 16 ? '0' : '') + byte.toString(16);
  return text;
}

export const macCases: Case[] = [
  {
    name: 'mac: of "passwd" and "salt" it is the first block of RFC 7914, section 11',
    run(hal, _fixture, check, done) {
      check(hex(hal.mac(bytes('passwd'), [bytes('salt')])) === RFC_7914, 'another value');
      done();
    },
  },
  {
    // Made with hashlib.pbkdf2_hmac of CPython.
    name: 'mac: takes nothing, more than one block, and a part of another array',
    run(hal, _fixture, check, done) {
      const key = pattern(32, 0);
      const nothing = '99411f24bfa9ee8e144e132c46b3b7d1f6d6bfbe2b82ab47b4963e43bfe8bdb6';
      const long = '99522978ae01c3221e9585e733b487b3d872eb8ef307d1bbb31c78c97db441a7';
      check(hex(hal.mac(key, [])) === nothing, 'another value of nothing');
      check(hex(hal.mac(key, [pattern(300, 7)])) === long, 'another value of 300 bytes');
      check(hex(hal.mac(pattern(40, 252).subarray(4, 36), [pattern(310, 2).subarray(5, 305)])) === long, 'of a part');
      done();
    },
  },
  {
    // Made with hashlib.pbkdf2_hmac of CPython.
    name: 'mac: of parts it is that of all their bytes in a row, and text has bytes up to 255',
    run(hal, _fixture, check, done) {
      const row = '05b9362f587f632cc6a459a11ae71c125d75ec2f12206e9ac321d59daf07c97a';
      const parts = ['\x84sa\xff', [0, 255], pattern(80, 1).subarray(40), '', [], new Uint8Array(0), 'lt'];
      check(hex(hal.mac(bytes('passwd'), parts)) === row, 'another value');
      check(hex(hal.mac(bytes('passwd'), ['sa', [0x6c], bytes('t')])) === RFC_7914, 'another value than in a row');
      done();
    },
  },
  {
    name: 'mac: each result is 32 bytes of its own, and what went in stays as it was',
    run(hal, _fixture, check, done) {
      const key = bytes('passwd');
      const data = bytes('salt');
      const first = hal.mac(key, [data]);
      check(first.length === 32 && first.byteOffset === 0 && first.buffer.byteLength === 32, 'more or less than 32');
      hal.mac(key, [key]);
      check(hex(first) === RFC_7914, 'the first result has changed');
      first[0]++;
      check(hex(hal.mac(key, [data])) === RFC_7914, 'a later result is the same array');
      check(same(key, bytes('passwd')) && same(data, bytes('salt')), 'what went in has changed');
      done();
    },
  },
];
