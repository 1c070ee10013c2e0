/**
 * Modbus RTU frames as a master sees them: bytes in, values out. Registers travel high byte first, the CRC low byte
 * first. Addresses are protocol addresses: the first register is 0.
 */
import type { Bytes } from '../../hal/hal.ts';
import { crc16 } from './crc.ts';

/** Function codes. Source: MODBUS Application V1.1b3 §6.3, §6.4, §6.6, §6.12. */
export const enum FunctionCode {
  ReadHolding = 3,
  ReadInput = 4,
  WriteSingle = 6,
  WriteMultiple = 16,
}

/**
 * What became of a request. A positive value is the exception code of the unit itself.
 * Source: MODBUS Application V1.1b3 §7.
 */
export const enum Fault {
  None = 0,
  IllegalFunction = 1,
  IllegalAddress = 2,
  IllegalValue = 3,
  DeviceFailure = 4,
  /** Accepted, will take long. */
  Acknowledge = 5,
  DeviceBusy = 6,
  /** Damaged: CRC wrong, or no whole frame. */
  Corrupt = -1,
  /** A sound frame that does not answer this request: another unit, function, length, address or value. */
  NotOurs = -2,
  /** No answer in time. */
  Silent = -3,
  /** The line never fell silent, so that nothing could be sent. */
  Busy = -4,
}

/** Most registers of one read. Source: MODBUS Application V1.1b3 §6.3, §6.4. */
const MAXIMUM_READ = 125;
/** Most registers of one write. Source: MODBUS Application V1.1b3 §6.12. */
const MAXIMUM_WRITE = 123;
/** Bit of the function code in an exception. Source: MODBUS Application V1.1b3 §7. */
const EXCEPTION = 128;

/** Bytes of an exception: unit, function, code, CRC. */
export const EXCEPTION_LENGTH = 5;

/**
 * Writes a request of functions 3, 4 (read `value` registers, 1..125, from `address` on) or 6 (write `value`,
 * 0..65535, to `address`) into `frame`, which holds at least 8 bytes.
 *
 * @param unit 1..247; 0 addresses every unit, for writing only
 * @returns the frame's length, 8. Throws when an argument is out of range.
 */
export function encodeRequest(frame: Bytes, unit: number, code: number, address: number, value: number): number {
  const writes = code === FunctionCode.WriteSingle;
  const least = writes ? 0 : 1;
  const most = writes ? 65535 : MAXIMUM_READ;
  const room = 65536 - (writes ? 1 : value);
  if (!(unit >= least && unit <= 247 && value >= least && value <= most && address >= 0 && address <= room)) {
    throw new Error(`Modbus: ${unit} ${code} ${address} ${value} is no request`);
  }
  frame.set([unit, code, address >> 8, address, value >> 8, value]);
  return seal(frame, 6);
}

/**
 * Writes a request of function 16 into `frame`, which holds at least 9 + 2 * registers bytes.
 *
 * @param unit 1..247; 0 addresses every unit
 * @param values 1..123 registers, 0..65535 each
 * @returns the frame's length. Throws when an argument is out of range.
 */
export function encodeWrite(frame: Bytes, unit: number, address: number, values: ArrayLike<number>): number {
  const count = values.length;
  if (!(unit >= 0 && unit <= 247 && count >= 1 && count <= MAXIMUM_WRITE && address >= 0 && address <= 65536 - count)) {
    throw new Error(`Modbus: ${unit} ${address} ${count} is no write`);
  }
  frame.set([unit, FunctionCode.WriteMultiple, address >> 8, address, 0, count, 2 * count]);
  for (let index = 0; index < count; index++) {
    const value = values[index];
    if (!(value >= 0 && value <= 65535)) throw new Error(`Modbus: ${value} is no register`);
    frame[7 + 2 * index] = value >> 8;
    frame[8 + 2 * index] = value;
  }
  return seal(frame, 7 + 2 * count);
}

/** @returns bytes of the answer that `request` expects, the CRC included; 0 for a broadcast. */
export function replyLength(request: Bytes): number {
  if (request[0] === 0) return 0;
  return request[1] < FunctionCode.WriteSingle ? 5 + 2 * request[5] : 8;
}

/**
 * Judges the first bytes of `reply`, `length` of them received, as the answer to `request`.
 *
 * @returns `Fault.None` (the registers of a read are the bytes from index 3 on), an exception code, `Fault.Corrupt` or
 * `Fault.NotOurs`. The echo of a write must repeat address and value, or address and count.
 */
export function checkReply(request: Bytes, reply: Bytes, length: number): number {
  const refused = length > 1 && reply[1] >= EXCEPTION;
  const expected = refused ? EXCEPTION_LENGTH : replyLength(request);
  if (length < expected || crc16(reply, expected) !== 0) return Fault.Corrupt;
  if (reply[0] !== request[0] || (reply[1] & 127) !== request[1]) return Fault.NotOurs;
  if (refused) return reply[2] > 0 ? reply[2] : Fault.NotOurs;
  if (request[1] < FunctionCode.WriteSingle) return reply[2] === 2 * request[5] ? Fault.None : Fault.NotOurs;
  for (let index = 2; index < 6; index++) if (reply[index] !== request[index]) return Fault.NotOurs;
  return Fault.None;
}

function seal(frame: Bytes, length: number): number {
  const crc = crc16(frame, length);
  frame[length] = crc;
  frame[length + 1] = crc >> 8;
  return length + 2;
}
