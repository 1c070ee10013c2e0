import assert from 'node:assert/strict';
import { crc16modbus } from 'crc';
import fc from 'fast-check';
import { crc16 } from '../../firmware/protocols/crc.ts';
import { bytes, FRAMES } from '../golden/modbus.ts';

describe('CRC-16/MODBUS', () => {
  it('is 0x4B37 over "123456789", the check value of the CRC catalogue', () => {
    assert.equal(crc16(new TextEncoder().encode('123456789'), 9), 0x4b37);
  });

  it('is 0xFFFF, its initial value, over nothing', () => {
    assert.equal(crc16(new Uint8Array(4), 0), 0xffff);
  });

  for (const [what, hex] of FRAMES) {
    it(`is the CRC of a published frame, low byte first, and 0 over all of it: ${what}`, () => {
      const frame = bytes(hex);
      const body = frame.length - 2;
      assert.equal(crc16(frame, body), frame[body] + 256 * frame[body + 1]);
      assert.equal(crc16(frame, frame.length), 0);
    });
  }

  it('agrees with the crc package on 1,000 random messages of 0..256 bytes, whatever follows them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), fc.uint8Array({ maxLength: 8 }), (message, tail) => {
        assert.equal(crc16(Uint8Array.from([...message, ...tail]), message.length), crc16modbus(Buffer.from(message)));
      }),
      { numRuns: 1000, seed: 1 },
    );
  });
});
