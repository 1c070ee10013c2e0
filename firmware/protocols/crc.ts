/** Cyclic redundancy checks of the field buses, and of what is stored. */
import type { Bytes } from '../../hal/hal.ts';

/** CRC-32 of anything followed by its own CRC-32. Source: IEEE 802.3 §3.2.9, the residue, complemented and reflected. */
export const WHOLE = 0x2144df1c;

/** CRC of each byte value alone. 512 bytes, made at first use: boards without a field bus never pay for it. */
let table: Uint16Array | undefined;

/** Fills the table from its entries at powers of two, because the CRC of a XOR is the XOR of the CRCs. */
function makeTable(): Uint16Array {
  const made = new Uint16Array(256);
  let crc = 1;
  for (let bit = 128; bit > 0; bit >>= 1) {
    crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
    for (let index = 0; index < 256; index += 2 * bit) made[index + bit] = crc ^ made[index];
  }
  return made;
}

/**
 * CRC-16/MODBUS of the first `length` bytes of `data`. Over a frame with its CRC, low byte first, it is 0.
 *
 * Source: MODBUS over Serial Line V1.02 §6.2.2 (initial value 0xFFFF, reflected polynomial 0xA001).
 */
export function crc16(data: Bytes, length: number): number {
  if (!table) table = makeTable();
  // The inner loop of every poll: a local is found sooner than a global, for-of is the interpreter's cheapest loop, and
  // a variable of its own per iteration would cost 6 % more.
  const entries = table;
  let crc = 0xffff;
  let byte: number;
  for (byte of data.subarray(0, length)) crc = entries[byte ^ (crc & 255)] ^ (crc >> 8);
  return crc;
}
