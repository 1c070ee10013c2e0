/**
 * Compiles meter profiles (`board-configs/profiles/*.json`) to the flat plans that `firmware/metering/meter.ts` polls
 * by. Every fault names its place in the profile as a JSON pointer.
 */
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';

/** Names of the `Quantity` codes of `firmware/link/messages.ts`, by code. */
export const QUANTITIES = [
  'SupplyVoltage',
  'SupplyCurrent',
  'ActivePower',
  'ReactivePower',
  'ApparentPower',
  'PowerFactor',
  'Frequency',
  'ActiveEnergy',
  'ExportedEnergy',
  'ReactiveEnergy',
  'Illuminance',
  'Phase1Voltage',
  'Phase2Voltage',
  'Phase3Voltage',
  'Phase1Current',
  'Phase2Current',
  'Phase3Current',
  'Phase1ActivePower',
  'Phase2ActivePower',
  'Phase3ActivePower',
  'Noise',
  'ParticulateMatter25',
  'ParticulateMatter10',
  'Temperature',
  'Humidity',
  'LampVoltage',
  'NeutralCurrent',
  'Phase1PowerFactor',
  'Phase2PowerFactor',
  'Phase3PowerFactor',
];

const VOLTAGE = { mV: -2, V: 1 };
const CURRENT = { mA: 0, A: 3 };
const POWER = { W: 1, kW: 4 };

/**
 * Exponents of ten from each unit to the steps of the wire, by quantity. The steps: 0.1 V, 1 mA, 0.1 W, 0.1 var, 0.1 VA,
 * 0.001, 0.01 Hz, 1 Wh, 1 Wh, 1 varh, 0.1 lx, 0.1 dB, 0.1 µg/m³, 0.1 °C, 0.1 %; voltage, current and
 * power factor of any kind as those of the supply.
 */
const STEPS = {
  SupplyVoltage: VOLTAGE,
  SupplyCurrent: CURRENT,
  ActivePower: POWER,
  ReactivePower: { var: 1, kvar: 4 },
  ApparentPower: { VA: 1, kVA: 4 },
  PowerFactor: { 1: 3 },
  Frequency: { Hz: 2 },
  ActiveEnergy: { Wh: 0, kWh: 3, MWh: 6 },
  ExportedEnergy: { Wh: 0, kWh: 3, MWh: 6 },
  ReactiveEnergy: { varh: 0, kvarh: 3, Mvarh: 6 },
  Illuminance: { lx: 1, klx: 4 },
  Phase1Voltage: VOLTAGE,
  Phase2Voltage: VOLTAGE,
  Phase3Voltage: VOLTAGE,
  Phase1Current: CURRENT,
  Phase2Current: CURRENT,
  Phase3Current: CURRENT,
  Phase1ActivePower: POWER,
  Phase2ActivePower: POWER,
  Phase3ActivePower: POWER,
  Noise: { dB: 1 },
  ParticulateMatter25: { 'ug/m3': 1 },
  ParticulateMatter10: { 'ug/m3': 1 },
  Temperature: { degC: 1 },
  Humidity: { '%': 1 },
  LampVoltage: VOLTAGE,
  NeutralCurrent: CURRENT,
  Phase1PowerFactor: { 1: 3 },
  Phase2PowerFactor: { 1: 3 },
  Phase3PowerFactor: { 1: 3 },
};

/** By `RegisterType` code of `firmware/metering/register.ts`. */
const TYPES = ['u16', 'i16', 'u32', 'i32', 'float32'];
const registersOf = (type) => (type.endsWith('16') ? 1 : 2);

let validate;

/**
 * @param {object} profile as in `board-configs/profiles/schema.json`
 * @returns {{ quantities: number[], plan: number[], timeout: number }} `Quantity` codes in the order of the values, the
 * plan (its format: `firmware/metering/meter.ts`), and the profile's time-out in ms. Throws an `Error` whose message has
 * a line for each fault: `/registers/3/unit: …`.
 */
export function compileProfile(profile) {
  const source = structuredClone(profile);
  const faults = schemaFaults(source);
  const items = faults.length === 0 ? source.registers.map((register, i) => itemOf(register, i, source, faults)) : [];
  if (faults.length > 0) throw new Error(faults.join('\n'));
  items.sort((a, b) => a.address - b.address);
  const plan = [source.gap];
  const quantities = [];
  for (const block of blocksOf(items, source)) {
    const first = block[0].address;
    const last = block.at(-1);
    plan.push(source.function, first, last.address + last.size - first, block.length);
    for (const { address, format, multiplier, quantity } of block) {
      plan.push(address - first, format, multiplier);
      quantities.push(quantity);
    }
  }
  return { quantities, plan, timeout: source.timeout };
}

/** Fills in the schema's defaults. */
function schemaFaults(profile) {
  validate ??= new Ajv({ allErrors: true, useDefaults: true }).compile(
    JSON.parse(readFileSync(new URL('../board-configs/profiles/schema.json', import.meta.url), 'utf8')),
  );
  if (validate(profile)) return [];
  return validate.errors.map(({ keyword, instancePath, params, message }) => {
    if (keyword === 'additionalProperties') return `${instancePath}/${params.additionalProperty}: unknown key`;
    if (keyword === 'required') return `${instancePath}/${params.missingProperty}: missing`;
    if (keyword === 'enum') return `${instancePath}: must be one of ${params.allowedValues.join(', ')}`;
    return `${instancePath || '/'}: ${message}`;
  });
}

function itemOf({ quantity, address, type, unit, scale }, index, { wordOrder, maximumRegisters, registers }, faults) {
  const pointer = `/registers/${index}`;
  const size = registersOf(type);
  const earlier = registers.slice(0, index);
  if (earlier.some((other) => other.quantity === quantity))
    faults.push(`${pointer}/quantity: ${quantity} occurs twice`);
  if (address + size > 65536) faults.push(`${pointer}/address: ${address} is the last register, ${type} needs two`);
  const twin = earlier.findIndex(
    (other) => address < other.address + registersOf(other.type) && other.address < address + size,
  );
  if (twin >= 0) faults.push(`${pointer}/address: ${address} overlaps /registers/${twin}`);
  if (size > maximumRegisters) faults.push(`/maximumRegisters: ${maximumRegisters} is less than ${pointer} needs`);
  const steps = STEPS[quantity];
  if (!(unit in steps)) {
    faults.push(`${pointer}/unit: ${unit} is no unit of ${quantity}; known: ${Object.keys(steps).join(', ')}`);
    return;
  }
  const factor = decimal(scale);
  const exponent = factor && factor.exponent + steps[unit];
  if (!factor || exponent < -8 || exponent > 7) {
    faults.push(`${pointer}/scale: ${scale} is no integer up to 65535 times a power of ten`);
    return;
  }
  const code = QUANTITIES.indexOf(quantity);
  const swapped = size === 2 && wordOrder === 'CDAB' ? 8 : 0;
  const format = TYPES.indexOf(type) + swapped + 16 * (exponent + 8) + 256 * code;
  return { address, size, quantity: code, format, multiplier: factor.multiplier };
}

/** @returns `value` as multiplier * 10^exponent with the smallest multiplier 1..65535; undefined when it has none. */
function decimal(value) {
  const [digits, power] = value.toExponential().split('e');
  const [whole, fraction = ''] = digits.split('.');
  const multiplier = Number(whole + fraction);
  return multiplier <= 65535 ? { multiplier, exponent: Number(power) - fraction.length } : undefined;
}

/** As few blocks as the limits allow: taking every item that still fits is best, because the items are in order. */
function blocksOf(items, { maximumRegisters, maximumGap }) {
  const blocks = [];
  for (const item of items) {
    const block = blocks.at(-1);
    const last = block?.at(-1);
    const fits =
      last &&
      item.address - (last.address + last.size) <= maximumGap &&
      item.address + item.size - block[0].address <= maximumRegisters;
    if (fits) block.push(item);
    else blocks.push([item]);
  }
  return blocks;
}
