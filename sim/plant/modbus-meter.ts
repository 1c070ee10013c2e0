/**
 * A meter in front of a lamp, played from its profile: the registers are written with Node's `Buffer` and served by
 * `jsmodbus`, so that none of the firmware's own decoding can agree with itself here.
 */
import { readFileSync } from 'node:fs';
import type { World } from '../clock.ts';
import type { LightSensor } from './daylight.ts';
import type { Lamp } from './lamp.ts';
import type { Mains } from './mains.ts';
import type { RtuSegment, Unit } from './rtu-segment.ts';

/** A file of board-configs/profiles. */
export interface MeterProfile {
  name: string;
  function: 3 | 4;
  wordOrder?: 'ABCD' | 'CDAB';
  maximumRegisters: number;
  maximumGap?: number;
  registers: ProfileRegister[];
}

export interface ProfileRegister {
  quantity: keyof Readings;
  address: number;
  type: 'u16' | 'i16' | 'u32' | 'i32' | 'float32';
  unit: string;
  scale?: number;
}

/** What a unit measures: V, A, W, var, VA, Hz, Wh, varh, lx, dB, µg/m³, °C and %. */
export interface Readings {
  SupplyVoltage: number;
  SupplyCurrent: number;
  ActivePower: number;
  ReactivePower: number;
  ApparentPower: number;
  PowerFactor: number;
  Frequency: number;
  ActiveEnergy: number;
  ExportedEnergy: number;
  ReactiveEnergy: number;
  /** Absent without a light sensor. */
  Illuminance?: number;
  /** The rest is absent: nothing here measures it, unless a test says what. */
  Phase1Voltage?: number;
  Phase2Voltage?: number;
  Phase3Voltage?: number;
  Phase1Current?: number;
  Phase2Current?: number;
  Phase3Current?: number;
  Phase1ActivePower?: number;
  Phase2ActivePower?: number;
  Phase3ActivePower?: number;
  Noise?: number;
  ParticulateMatter25?: number;
  ParticulateMatter10?: number;
  Temperature?: number;
  Humidity?: number;
  LampVoltage?: number;
  NeutralCurrent?: number;
  Phase1PowerFactor?: number;
  Phase2PowerFactor?: number;
  Phase3PowerFactor?: number;
}

/** Prefixes in front of the units of `Readings`. */
const PREFIXES: Record<string, number> = { m: 1e-3, k: 1e3, M: 1e6 };
const WIDTH = { u16: 1, i16: 1, u32: 2, i32: 2, float32: 2 };
const RANGE = { u16: [0, 0xffff], i16: [-0x8000, 0x7fff], u32: [0, 0xffffffff], i32: [-0x80000000, 0x7fffffff] };

/** @returns the profile from board-configs/profiles. Throws when there is none of that name. */
export function readProfile(name: string): MeterProfile {
  return JSON.parse(readFileSync(new URL(`../../board-configs/profiles/${name}.json`, import.meta.url), 'utf8'));
}

/**
 * @param given what is not as the plant has it, or that nothing here has
 * @returns what a meter between the mains and the lamp sees now, at the LEDs too, and a light sensor if there is one
 */
export function measure(
  world: World,
  mains: Mains,
  lamp: Lamp,
  light?: LightSensor,
  given?: Partial<Readings>,
): Readings {
  const { watts, vars, wattHours, varHours } = lamp.load;
  const voltage = mains.voltage(world.now);
  const apparent = Math.hypot(watts, vars);
  const seen: Readings = {
    SupplyVoltage: voltage,
    SupplyCurrent: voltage > 0 ? apparent / voltage : 0,
    ActivePower: watts,
    ReactivePower: vars,
    ApparentPower: apparent,
    PowerFactor: apparent > 0 ? watts / apparent : 1,
    Frequency: mains.frequency(world.now),
    ActiveEnergy: wattHours,
    ExportedEnergy: 0,
    // The register counts what is imported; a leading load exports reactive energy.
    ReactiveEnergy: Math.max(0, varHours),
    LampVoltage: lamp.lampVolts,
    // Not computed for the many meters that do not measure light.
    get Illuminance() {
      return light?.illuminance;
    },
  };
  for (const name in given) Object.defineProperty(seen, name, { value: given[name as keyof Readings] });
  return seen;
}

/** Writes a value given in the units of `Readings` as the profile has it; what does not fit is cut off at the limits. */
export function writeRegister(to: Buffer, register: ProfileRegister, value: number, lowWordFirst: boolean): void {
  const { type, unit, scale = 1 } = register;
  const prefix = unit.length > 1 ? (PREFIXES[unit[0]] ?? 1) : 1;
  const raw = value / prefix / scale;
  const at = 2 * register.address;
  if (type === 'float32') to.writeFloatBE(raw, at);
  else {
    const [least, most] = RANGE[type];
    const whole = Math.min(most, Math.max(least, Math.round(raw)));
    if (type === 'u16') to.writeUInt16BE(whole, at);
    else if (type === 'i16') to.writeInt16BE(whole, at);
    else if (type === 'u32') to.writeUInt32BE(whole, at);
    else to.writeInt32BE(whole, at);
  }
  if (lowWordFirst && WIDTH[type] === 2)
    to.subarray(at, at + 4)
      .swap32()
      .swap16();
}

/** Registers that the profile names, and those between them when the meter lets them be read for nothing. */
function readable(profile: MeterProfile, size: number): Uint8Array {
  const map = new Uint8Array(size).fill(profile.maximumGap ? 1 : 0);
  for (const { address, type } of profile.registers) map.fill(1, address, address + WIDTH[type]);
  return map;
}

/**
 * Puts a meter on a segment.
 *
 * @param read gives the readings at the moment of a request
 * @param delay ms that the meter thinks before it answers
 */
export function addMeter(
  segment: RtuSegment,
  unit: number,
  profile: MeterProfile,
  read: () => Partial<Readings>,
  delay?: number,
): Unit {
  const size = Math.max(...profile.registers.map(({ address, type }) => address + WIDTH[type]));
  const registers = Buffer.alloc(2 * size);
  const map = readable(profile, size);
  const table = profile.function === 3 ? 'holding' : 'input';
  return segment.addUnit(
    unit,
    { [table]: registers },
    {
      delay,
      largest: profile.maximumRegisters,
      exists: (_table, start, count) => !map.subarray(start, start + count).includes(0),
      refresh: () => {
        const readings = read();
        for (const register of profile.registers) {
          const value = readings[register.quantity];
          if (value === undefined) throw new Error(`nothing here measures ${register.quantity}`);
          writeRegister(registers, register, value, profile.wordOrder === 'CDAB');
        }
      },
    },
  );
}
