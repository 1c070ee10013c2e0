import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import * as messages from '../../firmware/link/messages.ts';
import { decode, RegisterType } from '../../firmware/metering/register.ts';
import { compileProfile, QUANTITIES } from '../../scripts/meter-profile.mjs';
import { bytes, FLOATS, PZEM_REPLY } from '../golden/modbus.ts';

const DIRECTORY = new URL('../../board-configs/profiles/', import.meta.url);
export const profileOf = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, DIRECTORY), 'utf8'));

/** Requests of a plan: `[function, address, count, items]`. */
function requestsOf(plan: number[]) {
  const requests: number[][] = [];
  for (let at = 1; at < plan.length; at += 4 + 3 * plan[at + 3]) requests.push(plan.slice(at, at + 4));
  return requests;
}

describe('Meter profiles', () => {
  const base = {
    name: 'Test',
    source: 'test',
    function: 4,
    serial: { baud: 9600 },
    maximumRegisters: 10,
    maximumGap: 2,
  };
  const quantities = ['SupplyVoltage', 'SupplyCurrent', 'ActivePower', 'ReactivePower', 'ApparentPower'];
  const units = ['V', 'A', 'W', 'var', 'VA'];
  const at = (...addresses: number[]) =>
    addresses.map((address, i) => ({ quantity: quantities[i], address, type: 'u16', unit: units[i] }));
  const faultOf = (change: object) => {
    try {
      compileProfile({ ...base, registers: at(0), ...change });
    } catch (error) {
      return (error as Error).message;
    }
    return 'no fault';
  };

  it('name quantities as the wire format does', () => {
    // tsx makes a plain enum of it, with both directions as keys.
    const { Quantity } = messages as unknown as { Quantity: Record<string, number> };
    for (const [code, name] of QUANTITIES.entries()) assert.equal(Quantity[name], code);
    assert.equal(Object.keys(Quantity).length, 2 * QUANTITIES.length);
  });

  it('compile to a format of their own types: u16 i16 u32 i32 float32', () => {
    const types = [RegisterType.Unsigned16, RegisterType.Signed16, RegisterType.Unsigned32, RegisterType.Signed32];
    const names = ['u16', 'i16', 'u32', 'i32', 'float32'];
    for (const [i, code] of [...types, RegisterType.Float32].entries()) {
      const { plan } = compileProfile({ ...base, registers: [{ ...at(0)[0], type: names[i] }] });
      assert.equal(plan[6] & 7, code);
    }
  });

  it('read an SDM120 with 2 requests of 32 and 8 registers and all 10 quantities', () => {
    const { plan, quantities: codes, timeout } = compileProfile(profileOf('sdm120'));
    assert.deepEqual(requestsOf(plan), [
      [4, 0, 32, 6],
      [4, 0x46, 8, 4],
    ]);
    assert.deepEqual([...codes].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(timeout, 300);
    assert.ok(plan.every((number) => Number.isInteger(number) && number >= 0 && number <= 65535));
  });

  it('read a SEN0644 with one request of 2 holding registers, and the 12,345.678 lx of its reply as 123457 steps', () => {
    const profile = profileOf('sen0644');
    const { plan, quantities: codes } = compileProfile(profile);
    assert.deepEqual(requestsOf(plan), [[3, 2, 2, 1]]);
    assert.deepEqual(codes, [messages.Quantity.Illuminance]);
    assert.deepEqual(decoded(profile, bytes('01 03 04 00 BC 61 4E')), [123457]);
    // 200 klx is the end of its range; 2 Mlx are none.
    assert.deepEqual(decoded(profile, bytes('01 03 04 0B EB C2 00')), [2_000_000]);
    assert.deepEqual(decoded(profile, bytes('01 03 04 77 35 94 00')), [Number.NaN]);
  });

  it('read an RS-GZ with one request of 2 holding registers from 7, in lx', () => {
    const profile = profileOf('rs-gz');
    assert.deepEqual(requestsOf(compileProfile(profile).plan), [[3, 7, 2, 1]]);
    assert.deepEqual(decoded(profile, bytes('01 03 04 00 01 86 A0')), [1_000_000]);
    assert.deepEqual([profile.serial.baud, profileOf('sen0644').serial.baud], [4800, 9600]);
  });

  it('of every file compile', () => {
    const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.json') && name !== 'schema.json');
    assert.ok(names.length > 0);
    for (const name of names) compileProfile(profileOf(name.replace('.json', '')));
  });

  it('join registers over a gap of 2 but not of 3, up to 10 registers a request, in any order of the file', () => {
    const plan = (...addresses: number[]) => requestsOf(compileProfile({ ...base, registers: at(...addresses) }).plan);
    assert.deepEqual(plan(100, 103), [[4, 100, 4, 2]]);
    assert.deepEqual(plan(100, 104).length, 2);
    assert.deepEqual(plan(109, 106, 103, 100), [[4, 100, 10, 4]]);
    assert.deepEqual(plan(100, 103, 106, 110), [
      [4, 100, 7, 3],
      [4, 110, 1, 1],
    ]);
    assert.deepEqual(compileProfile({ ...base, maximumGap: undefined, registers: at(0, 1, 3) }).plan.length, 1 + 8 + 9);
  });

  it('decode the published PZEM-016 reply to 225.7 V, 0.108 A, 24.4 W, 38 Wh, 50.00 Hz, 1.000', () => {
    const profile = {
      ...base,
      wordOrder: 'CDAB',
      registers: [
        { quantity: 'SupplyVoltage', address: 0, type: 'u16', unit: 'V', scale: 0.1 },
        { quantity: 'SupplyCurrent', address: 1, type: 'u32', unit: 'A', scale: 0.001 },
        { quantity: 'ActivePower', address: 3, type: 'u32', unit: 'W', scale: 0.1 },
        { quantity: 'ActiveEnergy', address: 5, type: 'u32', unit: 'Wh' },
        { quantity: 'Frequency', address: 7, type: 'u16', unit: 'Hz', scale: 0.1 },
        { quantity: 'PowerFactor', address: 8, type: 'u16', unit: '1', scale: 0.01 },
      ],
    };
    assert.deepEqual(decoded(profile, bytes(PZEM_REPLY)), [2257, 108, 244, 38, 5000, 1000]);
  });

  const one = (register: object, data: number[], wordOrder = 'ABCD') =>
    decoded(
      { ...base, wordOrder, registers: [{ address: 0, ...register }] },
      Uint8Array.from([1, 4, data.length, ...data]),
    )[0];

  it('round floats to the wire: the published vectors as W', () => {
    for (const [value, hex] of FLOATS) {
      const data = [...bytes(hex)];
      const register = { quantity: 'ActivePower', type: 'float32', unit: 'W' };
      assert.equal(one(register, data), Math.round(Math.fround(value) * 10));
      assert.equal(one(register, [data[2], data[3], data[0], data[1]], 'CDAB'), Math.round(Math.fround(value) * 10));
    }
  });

  it('convert kW, kWh, MWh, mA and a current transformer of 1:40, signed and unsigned, to the last digit', () => {
    assert.equal(
      one({ quantity: 'ActivePower', type: 'i32', unit: 'kW', scale: 0.001 }, [0xff, 0xff, 0xff, 0xfe]),
      -20,
    );
    assert.equal(one({ quantity: 'ActivePower', type: 'i16', unit: 'W' }, [0xff, 0xff]), -10);
    assert.equal(
      one({ quantity: 'ActiveEnergy', type: 'u32', unit: 'kWh', scale: 0.1 }, [0xff, 0xff, 0xff, 0xff]),
      429496729500,
    );
    assert.equal(one({ quantity: 'ActiveEnergy', type: 'u16', unit: 'MWh' }, [0, 3]), 3_000_000);
    assert.equal(one({ quantity: 'SupplyCurrent', type: 'u16', unit: 'mA' }, [0x12, 0x34]), 0x1234);
    assert.equal(one({ quantity: 'SupplyCurrent', type: 'u16', unit: 'A', scale: 0.04 }, [0, 25]), 1000);
    assert.equal(one({ quantity: 'SupplyVoltage', type: 'u16', unit: 'mV', scale: 25 }, [0x23, 0xe9]), 2298);
  });

  it('refuse NaN, both infinities and what no meter measures', () => {
    const data: [string, string][] = [
      ['SupplyVoltage', '7F C0 00 00'],
      ['SupplyVoltage', '7F 80 00 00'],
      ['SupplyVoltage', 'FF 80 00 00'],
      ['SupplyVoltage', 'BF 80 00 00'], // -1 V
      ['SupplyVoltage', '44 7A 40 00'], // 1001 V
      ['SupplyVoltage', '33 33 43 66'], // 230.2 V with its words exchanged is 4e-8 V
      ['ActivePower', '66 33 33 43'],
    ];
    for (const [quantity, hex] of data) {
      const unit = quantity === 'SupplyVoltage' ? 'V' : 'W';
      const value = one({ quantity, type: 'float32', unit }, [...bytes(hex)]);
      if (hex.startsWith('33')) assert.equal(value, 0);
      else assert.ok(Number.isNaN(value), `${quantity} ${hex}: ${value}`);
    }
    assert.ok(Number.isNaN(one({ quantity: 'PowerFactor', type: 'float32', unit: '1' }, [...bytes('3F 83 33 33')])));
    assert.ok(Number.isNaN(one({ quantity: 'ActiveEnergy', type: 'i32', unit: 'Wh' }, [...bytes('FF FF FF FF')])));
  });

  it('believe 1 kV, 10 kA, 10 MW, 1 TWh, 1 Mlx, 1000 dB, 10 mg/m³, 100 °C and 100 %, no more, and below 0 what has a sign', () => {
    const limits: Record<string, [string, number, boolean]> = {
      SupplyVoltage: ['V', 1000, false],
      SupplyCurrent: ['A', 10_000, true],
      ActivePower: ['kW', 10_000, true],
      ReactivePower: ['kvar', 10_000, true],
      ApparentPower: ['kVA', 10_000, true],
      PowerFactor: ['1', 1, true],
      Frequency: ['Hz', 100, false],
      ActiveEnergy: ['MWh', 1e6, false],
      ExportedEnergy: ['MWh', 1e6, false],
      ReactiveEnergy: ['Mvarh', 1e6, true],
      Illuminance: ['klx', 1000, false],
      Noise: ['dB', 1000, false],
      ParticulateMatter25: ['ug/m3', 10_000, false],
      ParticulateMatter10: ['ug/m3', 10_000, false],
      Temperature: ['degC', 100, true],
      Humidity: ['%', 100, false],
      LampVoltage: ['V', 1000, false],
      NeutralCurrent: ['A', 10_000, true],
    };
    for (const phase of [1, 2, 3]) {
      limits[`Phase${phase}Voltage`] = limits.SupplyVoltage;
      limits[`Phase${phase}Current`] = limits.SupplyCurrent;
      limits[`Phase${phase}ActivePower`] = limits.ActivePower;
      limits[`Phase${phase}PowerFactor`] = limits.PowerFactor;
    }
    assert.deepEqual(Object.keys(limits).sort(), [...QUANTITIES].sort());
    for (const [quantity, [unit, most, signed]] of Object.entries(limits)) {
      const read = (value: number) => {
        const data = Buffer.alloc(4);
        data.writeFloatBE(value);
        return one({ quantity, type: 'float32', unit }, [...data]);
      };
      assert.ok(read(most) > 0, `${quantity} of ${most} ${unit}`);
      assert.ok(Number.isNaN(read(most * 1.01)), `${quantity} above ${most} ${unit}`);
      assert.equal(Number.isNaN(read(-most)), !signed, `${quantity} of -${most} ${unit}`);
      assert.ok(Number.isNaN(read(-most * 1.01)), `${quantity} below -${most} ${unit}`);
    }
  });

  it('that are wrong are refused with the JSON path', () => {
    const [register] = at(0);
    assert.match(faultOf({ extra: 1 }), /^\/extra: unknown key$/);
    assert.match(faultOf({ function: 6 }), /^\/function: must be one of 3, 4$/);
    assert.match(faultOf({ maximumRegisters: 126 }), /^\/maximumRegisters: must be <= 125$/);
    assert.match(faultOf({ registers: [] }), /^\/registers: /);
    assert.match(
      faultOf({ registers: [{ ...register, quantity: 'Voltage' }] }),
      /^\/registers\/0\/quantity: must be one of Supply/,
    );
    assert.match(faultOf({ registers: [{ quantity: 'SupplyVoltage' }] }), /^\/registers\/0\/address: missing\n/);
    assert.match(
      faultOf({ registers: [{ ...register, unit: 'W' }] }),
      /^\/registers\/0\/unit: W is no unit of SupplyVoltage; known: mV, V$/,
    );
    assert.match(faultOf({ registers: [{ ...register, scale: 1 / 3 }] }), /^\/registers\/0\/scale: /);
    assert.match(faultOf({ registers: [{ ...register, scale: 1e-12 }] }), /^\/registers\/0\/scale: /);
    assert.match(faultOf({ registers: [{ ...register, address: 65535, type: 'u32' }] }), /^\/registers\/0\/address: /);
    assert.match(faultOf({ registers: at(5, 5) }), /^\/registers\/1\/address: 5 overlaps \/registers\/0$/);
    assert.match(
      faultOf({ registers: [register, { ...register, address: 4 }] }),
      /^\/registers\/1\/quantity: SupplyVoltage occurs twice$/,
    );
    assert.match(
      faultOf({ maximumRegisters: 1, registers: [{ ...register, type: 'u32' }] }),
      /^\/maximumRegisters: 1 is less/,
    );
  });
});

/** Values of a reply to the only request of a profile. */
function decoded(profile: object, reply: Uint8Array): number[] {
  const { plan } = compileProfile(profile);
  assert.equal(requestsOf(plan).length, 1);
  const view = new DataView(reply.buffer, 3);
  const values: number[] = [];
  for (let item = 5; item < plan.length; item += 3) {
    values.push(decode(view, 2 * plan[item], plan[item + 1], plan[item + 2]));
  }
  return values;
}
