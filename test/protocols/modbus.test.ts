import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ModbusRTURequest, ModbusRTUResponse, type requests, responses } from 'jsmodbus';
import { checkReply, encodeRequest, encodeWrite, Fault, replyLength } from '../../firmware/protocols/modbus.ts';
import { bytes, FLOATS, PZEM_REPLY, REQUESTS } from '../golden/modbus.ts';
import { ServerUnit, sealed } from '../metering/units.ts';

const request = (unit: number, code: number, address: number, value: number) => {
  const frame = new Uint8Array(8);
  assert.equal(encodeRequest(frame, unit, code, address, value), 8);
  return frame;
};
const write = (unit: number, address: number, values: number[]) => {
  const frame = new Uint8Array(9 + 2 * values.length);
  assert.equal(encodeWrite(frame, unit, address, values), frame.length);
  return frame;
};
const judge = (ours: Uint8Array, reply: Uint8Array) => checkReply(ours, reply, reply.length);

describe('Modbus requests', () => {
  for (const [unit, code, address, value, hex] of REQUESTS) {
    it(`makes the published frame ${hex}`, () => {
      assert.deepEqual(request(unit, code, address, value), bytes(hex));
    });
  }

  it('are read by jsmodbus as meant: 500 random requests of functions 3, 4, 6 and 16', () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    const low = fc.integer({ min: 0, max: 0xff00 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 247 }),
        low,
        fc.integer({ min: 1, max: 125 }),
        word,
        (unit, address, count, value) => {
          for (const code of [3, 4, 6] as const) {
            const read = ModbusRTURequest.fromBuffer(
              Buffer.from(request(unit, code, address, code === 6 ? value : count)),
            );
            assert.ok(read && !read.corrupted);
            const body = read.body as { fc: number; start?: number; count?: number; address?: number; value?: number };
            assert.deepEqual(
              [read.slaveId, body.fc, body.start ?? body.address, body.value ?? body.count],
              [unit, code, address, code === 6 ? value : count],
            );
          }
        },
      ),
      { numRuns: 500, seed: 1 },
    );
    fc.assert(
      fc.property(low, fc.array(word, { minLength: 1, maxLength: 123 }), (address, values) => {
        const read = ModbusRTURequest.fromBuffer(Buffer.from(write(17, address, values)));
        assert.ok(read && !read.corrupted);
        const body = read.body as InstanceType<typeof requests.WriteMultipleRegistersRequestBody>;
        assert.deepEqual([body.fc, body.address, body.valuesAsArray], [16, address, values]);
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  it('throw when an argument is out of range', () => {
    for (const [unit, code, address, value] of [
      [248, 3, 0, 1],
      [-1, 6, 0, 1],
      [0, 3, 0, 1],
      [1, 3, 0, 0],
      [1, 4, 0, 126],
      [1, 4, 65535, 2],
      [1, 6, 65536, 1],
      [1, 6, 0, 65536],
      [1, 6, -1, 0],
      [Number.NaN, 6, 0, 0],
    ]) {
      assert.throws(() => encodeRequest(new Uint8Array(8), unit, code, address, value), /no request/);
    }
    assert.throws(() => write(1, 0, []), /no write/);
    assert.throws(() => write(1, 0, Array(124).fill(0)), /no write/);
    assert.throws(() => write(1, 65535, [1, 2]), /no write/);
    assert.throws(() => write(1, 0, [65536]), /no register/);
  });

  it('know the length of their answer: 5 + 2 bytes a register, 8 after a write, none to a broadcast', () => {
    assert.equal(replyLength(request(1, 3, 0, 125)), 255);
    assert.equal(replyLength(request(1, 4, 0, 1)), 7);
    assert.equal(replyLength(request(1, 6, 0, 1)), 8);
    assert.equal(replyLength(write(1, 0, [1, 2, 3])), 8);
    assert.equal(replyLength(request(0, 6, 0, 1)), 0);
  });
});

describe('Modbus replies', () => {
  it('of a PZEM-016 are accepted and give 225.7 V, 0.108 A, 24.4 W, 38 Wh, 50.0 Hz, power factor 1.00', () => {
    const reply = bytes(PZEM_REPLY);
    assert.equal(judge(request(1, 4, 0, 10), reply), Fault.None);
    const view = new DataView(reply.buffer, 3);
    const words = Array.from({ length: 10 }, (_, i) => view.getUint16(2 * i));
    assert.deepEqual(words, [2257, 108, 0, 244, 0, 38, 0, 500, 100, 0]);
  });

  for (const [value, hex] of FLOATS) {
    it(`carry ${value} as ${hex}`, () => {
      const reply = sealed([1, 4, 4, ...bytes(hex)]);
      assert.equal(judge(request(1, 4, 0, 2), reply), Fault.None);
      assert.equal(new DataView(reply.buffer, 3).getFloat32(0), Math.fround(value));
    });
  }

  it('of a jsmodbus server are accepted for functions 3, 4, 6 and 16', async () => {
    const unit = new ServerUnit();
    await unit.ready();
    for (const ours of [
      request(9, 3, 2, 10),
      request(9, 4, 0, 125),
      request(9, 6, 5, 0x1234),
      write(9, 7, [1, 2, 65535]),
    ]) {
      assert.equal(judge(ours, unit.answer(ours)), Fault.None);
    }
    assert.equal(unit.holding.readUInt16BE(10), 0x1234);
    assert.deepEqual(
      [7, 8, 9].map((address) => unit.holding.readUInt16BE(2 * address)),
      [1, 2, 65535],
    );
  });

  it('that jsmodbus builds are accepted, and their registers are read in place', () => {
    const ours = request(5, 3, 100, 3);
    const body = new responses.ReadHoldingRegistersResponseBody(6, Buffer.from([1, 2, 3, 4, 5, 6]));
    const theirs = ModbusRTUResponse.fromRequest(ModbusRTURequest.fromBuffer(Buffer.from(ours)) as never, body);
    const reply = Uint8Array.from(theirs.createPayload());
    assert.equal(judge(ours, reply), Fault.None);
    assert.deepEqual([...reply.subarray(3, 9)], [1, 2, 3, 4, 5, 6]);
  });

  it('that are exceptions give the code of the unit, 1..255', () => {
    assert.equal(judge(request(1, 3, 0, 1), bytes('01 83 02 C0 F1')), Fault.IllegalAddress);
    assert.equal(judge(request(1, 4, 0, 1), bytes('01 84 03 03 01')), Fault.IllegalValue);
    for (let code = 1; code < 256; code++) assert.equal(judge(request(7, 6, 0, 1), sealed([7, 0x86, code])), code);
    assert.equal(judge(request(7, 6, 0, 1), sealed([7, 0x86, 0])), Fault.NotOurs);
  });

  it('of another unit, function, length or exception are not ours', () => {
    const ours = request(1, 4, 0, 2);
    for (const body of [
      [2, 4, 4, 0, 0, 0, 0],
      [1, 3, 4, 0, 0, 0, 0],
      [1, 4, 2, 0, 0, 0, 0],
      [1, 4, 6, 0, 0, 0, 0],
      [2, 0x84, 2],
      [1, 0x83, 2],
    ]) {
      assert.equal(judge(ours, sealed(body)), Fault.NotOurs);
    }
  });

  it('to a write must repeat address and value, or address and count', () => {
    const single = request(1, 6, 2, 3);
    assert.equal(judge(single, single), Fault.None);
    assert.equal(judge(single, sealed([1, 6, 0, 2, 0, 4])), Fault.NotOurs);
    assert.equal(judge(single, sealed([1, 6, 0, 3, 0, 3])), Fault.NotOurs);
    const multiple = write(1, 258, [5, 6]);
    assert.equal(judge(multiple, sealed([1, 16, 1, 2, 0, 2])), Fault.None);
    assert.equal(judge(multiple, sealed([1, 16, 1, 2, 0, 1])), Fault.NotOurs);
  });

  it('with a wrong CRC or too few bytes are corrupt, at every length and with every single bit flipped', () => {
    const ours = request(1, 4, 0, 10);
    const reply = bytes(PZEM_REPLY);
    for (let length = 0; length < reply.length; length++) assert.equal(checkReply(ours, reply, length), Fault.Corrupt);
    for (let bit = 0; bit < 8 * reply.length; bit++) {
      const damaged = Uint8Array.from(reply);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(judge(ours, damaged), Fault.Corrupt);
    }
  });

  it('followed by noise are accepted: only their own length counts', () => {
    const reply = Uint8Array.from([...bytes(PZEM_REPLY), 0xff, 0]);
    assert.equal(judge(request(1, 4, 0, 10), reply), Fault.None);
  });
});
