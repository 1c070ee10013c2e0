/** Which units are on a line, and which profiles fit them. */
import { readdirSync, readFileSync } from 'node:fs';
import { decode } from '../../firmware/metering/register.ts';
import { Fault, FunctionCode } from '../../firmware/protocols/modbus.ts';
import { FlashError } from '../flash/fault.mjs';
import { compileProfile, QUANTITIES } from '../meter-profile.mjs';

const DIRECTORY = new URL('../../board-configs/profiles/', import.meta.url);

/** What a unit at work measures, in wire steps. A profile whose registers say otherwise is another unit's. */
const PLAUSIBLE = {
  SupplyVoltage: [500, 5000],
  Phase1Voltage: [500, 5000],
  Frequency: [4000, 7000],
  Noise: [200, 1400],
};

/** @returns {{ name: string, plan: number[], values: number, serial: object, addressRegister?: number }[]} richest first */
export function readProfiles() {
  const files = readdirSync(DIRECTORY).filter((file) => file.endsWith('.json') && file !== 'schema.json');
  const profiles = files.map((file) => {
    const profile = JSON.parse(readFileSync(new URL(file, DIRECTORY), 'utf8'));
    const { plan, quantities } = compileProfile(profile);
    const { serial, addressRegister } = profile;
    return { name: file.replace('.json', ''), plan, values: quantities.length, serial, addressRegister };
  });
  return profiles.sort((a, b) => b.values - a.values || (a.name < b.name ? -1 : 1));
}

/** Requests of a plan; its format: firmware/metering/meter.ts. */
function requestsOf(plan) {
  const requests = [];
  for (let at = 1; at < plan.length; at += 4 + 3 * plan[at + 3]) {
    const items = [];
    for (let i = 0; i < plan[at + 3]; i++) items.push(plan.slice(at + 4 + 3 * i, at + 7 + 3 * i));
    requests.push({ code: plan[at], address: plan[at + 1], count: plan[at + 2], items });
  }
  return requests;
}

/** The first value of each profile, each read once. */
function probesOf(profiles) {
  const probes = new Map();
  for (const { plan } of profiles) {
    const [{ code, address, items }] = requestsOf(plan);
    const count = (items[0][1] & 7) > 1 ? 2 : 1;
    probes.set(`${code} ${address} ${count}`, [code, address, count]);
  }
  return [...probes.values()];
}

/** @returns {Promise<number>} the last fault; `Fault.None` or an exception: somebody is there */
export async function probe(bus, unit, profiles, timeout) {
  let fault = Fault.Silent;
  for (const [code, address, count] of probesOf(profiles)) {
    const reply = await bus.ask(unit, code, address, count, timeout);
    if (isAnswer(reply.fault)) return reply.fault;
    if (reply.fault !== Fault.Silent) fault = reply.fault;
  }
  return fault;
}

/** A gateway answers 10 and 11 in the name of units that do not. Source: MODBUS Application V1.1b3 §7. */
export const isAnswer = (fault) => fault >= Fault.None && fault !== 10 && fault !== 11;

async function fits(bus, unit, { plan }, timeout) {
  for (const { code, address, count, items } of requestsOf(plan)) {
    const { fault, registers } = await bus.ask(unit, code, address, count, timeout);
    if (fault !== Fault.None) return false;
    for (const [at, format, multiplier] of items) {
      const value = decode(registers, 2 * at, format, multiplier);
      const [least, most] = PLAUSIBLE[QUANTITIES[format >> 8]] ?? [-Infinity, Infinity];
      if (!(value >= least && value <= most)) return false;
    }
  }
  return true;
}

/**
 * @param {{ from: number, to: number, timeout: number }} range
 * @param {(unit: number) => void} progress told before each unit
 * @returns {Promise<{ found: { unit: number, fits: string[] }[], noise: number[] }>} units that answered with the profiles
 * that fit, richest first; units in whose place something was heard that is no Modbus frame
 */
export async function scan(bus, profiles, { from, to, timeout }, progress) {
  const found = [];
  const noise = [];
  for (let unit = from; unit <= to; unit++) {
    progress(unit);
    const fault = await probe(bus, unit, profiles, timeout);
    if (!isAnswer(fault)) {
      if (fault === Fault.Corrupt) noise.push(unit);
      continue;
    }
    const fitting = [];
    for (const profile of profiles) if (await fits(bus, unit, profile, timeout)) fitting.push(profile);
    // A sensor's one or two registers lie in many a meter's map and pass by chance.
    const likely = fitting.filter(({ values }) => 2 * values >= fitting[0].values);
    found.push({ unit, fits: likely.map(({ name }) => name) });
  }
  return { found, noise };
}

/** Gives a unit another address. Rejects unless it answers at the new one afterwards, or when that was taken before. */
export async function setAddress(bus, profile, from, to, timeout) {
  if (!isAnswer(await probe(bus, from, [profile], timeout))) throw new FlashError(`No unit answers at ${from}.`);
  if (isAnswer(await probe(bus, to, [profile], timeout))) {
    throw new FlashError(`A unit already answers at ${to}: nothing was written.`);
  }
  // Some units confirm from the old address, some from the new one: what counts is who answers afterwards.
  const { fault } = await bus.ask(from, FunctionCode.WriteSingle, profile.addressRegister, to, timeout);
  if (fault > Fault.None) throw new FlashError(`The unit refused to change its address: exception ${fault}.`);
  if (isAnswer(await probe(bus, to, [profile], timeout))) return;
  throw new FlashError(`No unit answers at ${to}. Some take their new address only after their supply was off.`);
}
