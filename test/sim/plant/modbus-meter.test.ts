import assert from 'node:assert/strict';
import { World } from '../../../sim/clock.ts';
import { Lamp } from '../../../sim/plant/lamp.ts';
import { Mains } from '../../../sim/plant/mains.ts';
import {
  addMeter,
  type MeterProfile,
  measure,
  type ProfileRegister,
  readProfile,
  writeRegister,
} from '../../../sim/plant/modbus-meter.ts';
import { RtuSegment, withCrc } from '../../../sim/plant/rtu-segment.ts';
import { seeded } from '../../../sim/random.ts';
import { type Format, SerialLine, type Station } from '../../../sim/serial-line.ts';

const FORMAT: Format = { baud: 2400, data: 8, parity: 'none', stop: 1 };

/** An SDM120 in front of a 60 W lamp at full light. @param change overrides parts of the profile */
function bench(change: Partial<MeterProfile> = {}) {
  const world = new World();
  const mains = new Mains();
  const lamp = new Lamp(world, mains, { wattage: 60 });
  lamp.relay(true);
  const line = new SerialLine(world, seeded(1));
  line.chunk = 256;
  const segment = new RtuSegment(world, line, FORMAT);
  const profile = { ...readProfile('sdm120'), ...change };
  const unit = addMeter(segment, 1, profile, () => measure(world, mains, lamp));
  let answer = Buffer.alloc(0);
  const master: Station = {
    format: FORMAT,
    echo: false,
    receive: (data) => {
      answer = Buffer.from(data);
    },
  };
  line.attach(master);
  const ask = (start: number, count: number) => {
    answer = Buffer.alloc(0);
    const body = Buffer.from([1, profile.function, start >> 8, start & 255, 0, count]);
    line.transmit(master, withCrc(body), () => {});
    world.run(2000);
    return answer;
  };
  /** The float32 at an SDM120 register. */
  const float = (register: number) => ask(register, 2).readFloatBE(3);
  return { world, mains, lamp, unit, ask, float };
}

function register(type: ProfileRegister['type'], unit: string, value: number, scale?: number, cdab = false): string {
  const to = Buffer.alloc(6);
  writeRegister(to, { quantity: 'SupplyVoltage', address: 1, type, unit, scale }, value, cdab);
  return to.subarray(2, 6).toString('hex');
}

describe('meter in the plant', () => {
  it('writes the published vectors: float32 230.2, -0.87 and 49.98, and PZEM words with the low one first', () => {
    assert.equal(register('float32', 'V', 230.2), '43663333');
    assert.equal(register('float32', '1', -0.87), 'bf5eb852');
    assert.equal(register('float32', 'Hz', 49.98), '4247eb85');
    // 225.7 V, 0.108 A and 24.4 W of a PZEM-014 frame
    assert.equal(register('u16', 'V', 225.7, 0.1), '08d10000');
    assert.equal(register('u32', 'A', 0.108, 0.001, true), '006c0000');
    assert.equal(register('u32', 'W', 24.4, 0.1, true), '00f40000');
    // 53.6 dB of an SM7901B, -20.5 °C and 54.6 % of an XY-MD02, 132,854 lx
    assert.equal(register('u16', 'dB', 53.6, 0.1), '02180000');
    assert.equal(register('i16', 'degC', -20.5, 0.1), 'ff330000');
    assert.equal(register('u16', '%', 54.6, 0.1), '02220000');
    assert.equal(register('u32', 'lx', 132_854), '000206f6');
  });

  it('converts kW, kWh and mA, and cuts off at the limits of a register', () => {
    assert.equal(register('float32', 'kW', 500), '3f000000');
    assert.equal(register('float32', 'kWh', 100_000), '42c80000');
    assert.equal(register('u16', 'mA', 0.25), '00fa0000');
    assert.equal(register('u16', 'V', 1e6), 'ffff0000');
    assert.equal(register('u16', 'W', -5), '00000000');
    assert.equal(register('i16', 'var', -5), 'fffb0000');
  });

  it('shows 60 W, the mains and their quotient in the registers of an SDM120', () => {
    const { float } = bench();
    const [volts, amperes, watts, apparent] = [0x00, 0x06, 0x0c, 0x12].map(float);
    assert.ok(volts > 223 && volts < 237);
    assert.ok(Math.abs(watts - 60) < 1e-4);
    assert.ok(Math.abs(volts * amperes - apparent) < 0.02);
    assert.ok(Math.abs(float(0x1e) - watts / apparent) < 1e-3);
    assert.ok(float(0x18) < 0, 'LED gear leads');
    assert.ok(Math.abs(float(0x46) - 50) < 0.1);
  });

  it('shows 35.249 lx in the two holding registers of a SEN0644, and nothing without a light sensor', () => {
    const world = new World();
    const line = new SerialLine(world, seeded(1));
    line.chunk = 256;
    const segment = new RtuSegment(world, line, FORMAT);
    const readings: { Illuminance?: number } = { Illuminance: 35.249 };
    addMeter(segment, 1, readProfile('sen0644'), () => readings);
    let answer = '';
    const master: Station = {
      format: FORMAT,
      echo: false,
      receive: (data) => {
        answer = Buffer.from(data).toString('hex');
      },
    };
    line.attach(master);
    line.transmit(master, withCrc(Buffer.from([1, 3, 0, 2, 0, 2])), () => {});
    world.run(2000);
    assert.equal(answer.slice(0, 14), `010304${(35_249).toString(16).padStart(8, '0')}`);
    delete readings.Illuminance;
    line.transmit(master, withCrc(Buffer.from([1, 3, 0, 2, 0, 2])), () => {});
    assert.throws(() => world.run(2000), /nothing here measures Illuminance/);
  });

  it('counts 0.06 kWh in an hour of 60 W', () => {
    const { world, float } = bench();
    const before = float(0x48);
    world.run(3_600_000 - 2000);
    assert.ok(Math.abs(float(0x48) - before - 0.06) < 1e-6);
  });

  it('answers exception 2 past its registers, and 3 to more registers than it gives at once', () => {
    const { ask } = bench({ maximumRegisters: 30 });
    assert.deepEqual([...ask(0x4e, 2).subarray(1, 3)], [0x84, 2]);
    assert.deepEqual([...ask(0, 31).subarray(1, 3)], [0x84, 3]);
    assert.equal(ask(0, 30).length, 65);
  });

  it('refuses the gaps between its registers when the profile allows no gap', () => {
    const { ask } = bench({ maximumGap: 0 });
    assert.deepEqual([...ask(0, 8).subarray(1, 3)], [0x84, 2]);
    assert.equal(ask(0x46, 8).length, 21);
  });

  it('keeps silent when it is unplugged, and answers again', () => {
    const { unit, ask } = bench();
    unit.connected = false;
    assert.equal(ask(0, 2).length, 0);
    unit.connected = true;
    assert.equal(ask(0, 2).length, 9);
  });
});
