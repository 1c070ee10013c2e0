/** Frames that others published, CRC included. */

/** Hex digits to bytes. */
export const bytes = (hex: string) =>
  Uint8Array.from(hex.match(/[0-9A-F]{2}/gi) ?? [], (byte) => Number.parseInt(byte, 16));

/** `[what it is, frame]`. */
export const FRAMES: [string, string][] = [
  ['read one holding register', '01 03 00 00 00 01 84 0A'],
  ['read the illuminance of a light sensor', '01 03 00 02 00 02 65 CB'],
  ['read the voltage of an SDM120', '01 04 00 00 00 02 71 CB'],
  ['read the power of an SDM120', '01 04 00 0C 00 02 B1 C8'],
  ['read all of a PZEM-016', '01 04 00 00 00 0A 70 0D'],
  ['read all of a PZEM-016 at its general address', 'F8 04 00 00 00 0A 64 64'],
  ['reset the energy of a PZEM-016', '01 42 80 11'],
  ['read the voltage of a DDSU666', '01 03 20 00 00 02 CF CB'],
  ['read the energy of a DDSU666', '01 03 40 00 00 02 D1 CB'],
  ['write one register', '01 06 00 02 00 03 68 0B'],
  ['write one register of every unit', '00 06 00 00 00 01 49 DB'],
  ['write one coil (MODBUS over Serial Line, example)', '11 05 00 AC FF 00 4E 8B'],
  ['reply 230.2 V as float', '01 04 04 43 66 33 34 1B 38'],
  ['reply of a PZEM-016', '01 04 14 08 D1 00 6C 00 00 00 F4 00 00 00 26 00 00 01 F4 00 64 00 00 51 34'],
  ['exception 2 to function 3', '01 83 02 C0 F1'],
  ['exception 3 to function 4', '01 84 03 03 01'],
];

/** Requests that `encodeRequest` must make: `[unit, function, address, count or value, frame]`. */
export const REQUESTS: [number, number, number, number, string][] = [
  [1, 3, 0, 1, '01 03 00 00 00 01 84 0A'],
  [1, 3, 2, 2, '01 03 00 02 00 02 65 CB'],
  [1, 4, 0, 2, '01 04 00 00 00 02 71 CB'],
  [1, 4, 0x0c, 2, '01 04 00 0C 00 02 B1 C8'],
  [1, 4, 0, 10, '01 04 00 00 00 0A 70 0D'],
  [1, 3, 0x2000, 2, '01 03 20 00 00 02 CF CB'],
  [1, 3, 0x4000, 2, '01 03 40 00 00 02 D1 CB'],
  [1, 6, 2, 3, '01 06 00 02 00 03 68 0B'],
  [0, 6, 0, 1, '00 06 00 00 00 01 49 DB'],
];

/** Reply of a PZEM-016 to `01 04 00 00 00 0A`: 225.7 V, 0.108 A, 24.4 W, 38 Wh, 50.0 Hz, power factor 1.00. */
export const PZEM_REPLY = '01 04 14 08 D1 00 6C 00 00 00 F4 00 00 00 26 00 00 01 F4 00 64 00 00 51 34';

/** `[value, float32 high word first]`. IEEE 754. */
export const FLOATS: [number, string][] = [
  [230.2, '43 66 33 33'],
  [0.5, '3F 00 00 00'],
  [100, '42 C8 00 00'],
  [49.98, '42 47 EB 85'],
  [-0.87, 'BF 5E B8 52'],
  [1234.5, '44 9A 50 00'],
];
