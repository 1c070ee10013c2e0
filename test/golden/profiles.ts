/**
 * What the registers of units hold, as others published it, and what TALQ is to say then. Where no dump of a unit was
 * published, its registers hold the published float vectors or plain integers by the manufacturer's table.
 */

export interface Dump {
  /** Profile of board-configs/profiles. */
  profile: string;
  /** Registers by the address of the first of them, hex digits as they are transmitted. */
  registers: Record<number, string>;
  /** Attributes of TALQ 2.7.1 in TALQ's units, by name; of `exported` kWh TALQ knows nothing. */
  expected: Record<string, number>;
}

// IEEE 754, high word first.
const V230_2 = '43663333';
const A0_5 = '3F000000';
const W100 = '42C80000';
const MINUS_0_87 = 'BF5EB852';
const HZ49_98 = '4247EB85';
const KWH1234_5 = '449A5000';

const EASTRON = {
  registers: {
    0: V230_2,
    6: A0_5,
    12: W100,
    18: W100,
    24: MINUS_0_87,
    30: MINUS_0_87,
    70: HZ49_98 + KWH1234_5,
    74: W100,
  },
  expected: {
    supplyVoltage: 230.2,
    totalCurrent: 0.5,
    totalPower: 0.1,
    totalVA: 0.1,
    totalVAR: -0.0009, // -0.87 var in steps of 0.1 var
    totalPowerFactor: 0.87,
    frequency: 49.98,
    totalActiveEnergy: 1234.5,
    exported: 100,
    totalReactiveEnergy: 0,
  },
};

const CARLO_GAVAZZI = {
  // -87.0 W and -0.870 leave no doubt of word order and sign.
  registers: {
    0: '08FE0000', // 230.2 V
    2: '01F40000', // 0.500 A
    4: 'FC9AFFFF', // -87.0 W
    6: '03E80000', // 100.0 VA
    8: 'FE14FFFF', // -49.2 var
    14: 'FC9A', // -0.870
    15: '01F4', // 50.0 Hz
    16: '0E990001', // 6927.3 kWh
    18: '00460000', // 7.0 kvarh
    32: '00030000', // 0.3 kWh
  },
  expected: {
    supplyVoltage: 230.2,
    totalCurrent: 0.5,
    totalPower: -0.087,
    totalVA: 0.1,
    totalVAR: -0.0492,
    totalPowerFactor: 0.87,
    frequency: 50,
    totalActiveEnergy: 6927.3,
    totalReactiveEnergy: 7,
    exported: 0.3,
  },
};

export const DUMPS: Dump[] = [
  { profile: 'sdm120', ...EASTRON },
  { profile: 'sdm230', ...EASTRON },
  {
    profile: 'sdm630',
    registers: {
      0: V230_2 + W100 + A0_5,
      6: A0_5 + W100 + KWH1234_5,
      12: W100 + MINUS_0_87 + KWH1234_5,
      30: MINUS_0_87 + MINUS_0_87 + A0_5,
      42: V230_2,
      48: KWH1234_5,
      52: KWH1234_5,
      56: W100,
      60: MINUS_0_87 + MINUS_0_87,
      70: HZ49_98 + KWH1234_5 + W100 + A0_5,
      224: KWH1234_5,
    },
    expected: {
      phase1Voltage: 230.2,
      phase2Voltage: 100,
      phase3Voltage: 0.5,
      phase1Current: 0.5,
      phase2Current: 100,
      phase3Current: 1234.5,
      phase1ActivePower: 0.1,
      phase2ActivePower: -0.0009, // -0.87 W in steps of 0.1 W
      phase3ActivePower: 1.2345,
      phase1PowerFactor: 0.87,
      phase2PowerFactor: 0.87,
      phase3PowerFactor: 0.5,
      supplyVoltage: 230.2,
      totalCurrent: 1234.5,
      totalPower: 1.2345,
      totalVA: 0.1,
      totalVAR: -0.0009,
      totalPowerFactor: 0.87,
      frequency: 49.98,
      totalActiveEnergy: 1234.5,
      exported: 100,
      totalReactiveEnergy: 0.5,
      neutralCurrent: 1234.5,
    },
  },
  {
    // The reply in golden/modbus.ts.
    profile: 'pzem-016',
    registers: { 0: '08D1006C000000F400000026000001F400640000' },
    expected: {
      supplyVoltage: 225.7,
      totalCurrent: 0.108,
      totalPower: 0.0244,
      totalActiveEnergy: 0.038,
      frequency: 50,
      totalPowerFactor: 1,
    },
  },
  { profile: 'em111', ...CARLO_GAVAZZI },
  { profile: 'em112', ...CARLO_GAVAZZI },
  {
    // Power in kW and kvar.
    profile: 'ddsu666',
    registers: {
      8192: V230_2,
      8194: A0_5,
      8196: MINUS_0_87,
      8198: A0_5,
      8202: MINUS_0_87,
      8206: HZ49_98,
      16384: KWH1234_5,
      16394: W100,
    },
    expected: {
      supplyVoltage: 230.2,
      totalCurrent: 0.5,
      totalPower: -0.87,
      totalVAR: 0.5,
      totalPowerFactor: 0.87,
      frequency: 49.98,
      totalActiveEnergy: 1234.5,
      exported: 100,
    },
  },
  {
    profile: 'adw300',
    registers: { 26: '01F4' + '0032' + 'FFFF', 36: 'FFFFFFA9', 62: '0001E23A', 64: '0000000A' },
    expected: {
      phase1Current: 5,
      phase2Current: 0.5,
      phase3Current: 655.35,
      totalPower: -0.087,
      totalActiveEnergy: 1234.5,
      exported: 0.1,
    },
  },
  // A manual of an RS485 illuminance sensor with these registers: 0x0002 0x06F6 is 132,854 lx.
  { profile: 'rs-gz', registers: { 7: '000206F6' }, expected: { lightLevel: 132_854 } },
  // 12,345.678 lx in thousandths.
  { profile: 'sen0644', registers: { 2: '00BC614E' }, expected: { lightLevel: 12_345.7 } },
  // Sonbest's example: 01 03 02 02 18 B9 2E is 53.6 dB.
  { profile: 'sm7901b', registers: { 0: '0218' }, expected: { noise: 53.6 } },
  { profile: 'qsa2700d', registers: { 256: '0019' + '0064' }, expected: { 'pm2-5': 25, pm10: 100 } },
  // The seller's examples: 0x0131 is 30.5 °C, 0xFF33 is -20.5 °C, 0x0222 is 54.6 %.
  { profile: 'xy-md02', registers: { 1: '01310222' }, expected: { temperature: 30.5, humidity: 54.6 } },
  { profile: 'xy-md02', registers: { 1: 'FF330222' }, expected: { temperature: -20.5, humidity: 54.6 } },
];
