/** Examples of encoded CBOR data items. Source: RFC 8949 Appendix A; text is given as bytes. */

/** `[item, encoding]`, both ways. */
export const NUMBERS: [number, string][] = [
  [0, '00'],
  [1, '01'],
  [10, '0a'],
  [23, '17'],
  [24, '1818'],
  [25, '1819'],
  [100, '1864'],
  [1000, '1903e8'],
  [1000000, '1a000f4240'],
  [1000000000000, '1b000000e8d4a51000'],
  [-1, '20'],
  [-10, '29'],
  [-100, '3863'],
  [-1000, '3903e7'],
  [1.1, 'fb3ff199999999999a'],
  [1.5, 'f93e00'],
  [3.4028234663852886e38, 'fa7f7fffff'],
  [1.0e300, 'fb7e37e43c8800759c'],
  [2 ** -24, 'f90001'],
  [0.00006103515625, 'f90400'],
  [-4.1, 'fbc010666666666666'],
  [Infinity, 'f97c00'],
  [Number.NaN, 'f97e00'],
  [-Infinity, 'f9fc00'],
];

/** Numbers that have another, shorter or integer encoding here. */
export const OTHER_NUMBERS: [number, string][] = [
  [0, 'f90000'],
  [-0, 'f98000'],
  [1, 'f93c00'],
  [65504, 'f97bff'],
  [100000, 'fa47c35000'],
  [-4, 'f9c400'],
  [Infinity, 'fa7f800000'],
  [Number.NaN, 'fa7fc00000'],
  [-Infinity, 'faff800000'],
  [Infinity, 'fb7ff0000000000000'],
  [Number.NaN, 'fb7ff8000000000000'],
  [-Infinity, 'fbfff0000000000000'],
];

export const SIMPLES: [boolean | null | undefined, string][] = [
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  [undefined, 'f7'],
];

export const TEXTS: [string, string][] = [
  ['', '60'],
  ['a', '6161'],
  ['IETF', '6449455446'],
  ['"\\', '62225c'],
  ['\xc3\xbc', '62c3bc'],
  ['\xe6\xb0\xb4', '63e6b0b4'],
  ['\xf0\x90\x85\x91', '64f0908591'],
];

/** Decoded only: byte strings, arrays, maps with integer keys. */
export const OTHERS: [unknown, string][] = [
  [new Uint8Array([]), '40'],
  [new Uint8Array([1, 2, 3, 4]), '4401020304'],
  [[], '80'],
  [[1, 2, 3], '83010203'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [Array.from({ length: 25 }, (_, i) => i + 1), '98190102030405060708090a0b0c0d0e0f101112131415161718181819'],
  [{}, 'a0'],
  [{ 1: 2, 3: 4 }, 'a201020304'],
];

/** Well-formed, but refused: beyond 2^53, tags, other simple values, text keys, indefinite lengths. */
export const REFUSED = [
  '1bffffffffffffffff',
  'c249010000000000000000',
  '3bffffffffffffffff',
  'c349010000000000000000',
  'f0',
  'f8ff',
  'c074323031332d30332d32315432303a30343a30305a',
  'c11a514b67b0',
  'c1fb41d452d9e8200000',
  'd74401020304',
  'd818456449455446',
  'd82076687474703a2f2f7777772e6578616d706c652e636f6d',
  'a26161016162820203',
  '826161a161626163',
  'a56161614161626142616361436164614461656145',
  '5f42010243030405ff',
  '7f657374726561646d696e67ff',
  '9fff',
  '9f018202039f0405ffff',
  '9f01820203820405ff',
  '83018202039f0405ff',
  '83019f0203ff820405',
  '9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff',
  'bf61610161629f0203ffff',
  '826161bf61626163ff',
  'bf6346756ef563416d7421ff',
];

/** Not well-formed. Source: RFC 8949 Appendix F.1. */
export const MALFORMED = [
  '18', '19', '1a', '1b', '1901', '1a0102', '1b01020304050607', '38', '58', '78', '98', '9a01ff00', 'b8', 'd8', 'f8', 'f900',
  'fa0000', 'fb000000', '41', '61', '5affffffff00', '5bffffffffffffffff010203', '7affffffff00', '7b7fffffffffffffff010203',
  '81', '818181818181818181', '8200', 'a1', 'a20102', 'a100', 'a2000000', 'c0', '5f4100', '7f6100', '9f', '9f0102', 'bf',
  'bf01020102', '819f', '9f8000', '9f9f9f9f9fffffffff', '9f819f819f9fffffff', '1c', '1d', '1e', '3c', '3d', '3e', '5c', '5d',
  '5e', '7c', '7d', '7e', '9c', '9d', '9e', 'bc', 'bd', 'be', 'dc', 'dd', 'de', 'fc', 'fd', 'fe', 'f800', 'f801', 'f818',
  'f81f', '5f00ff', '5f21ff', '5f6100ff', '5f80ff', '5fa0ff', '5fc000ff', '5fe0ff', '7f4100ff', '5f5f4100ffff', '7f7f6100ffff',
  'ff', '81ff', '8200ff', 'a1ff', 'a1ff00', 'a100ff', 'a20000ff', '9f81ff', '9f829f819f9fffffffff', 'bf00ff', 'bf000000ff',
  '1f', '3f', 'df',
]; // biome-ignore format: a list
