/** PATCH of devices, functions and attributes: checked as a whole, then applied as a whole. Source: TALQ 2.7.1 §3.4, §5.2. */
import { isDeepStrictEqual } from 'node:util';
import { Value } from 'typebox/value';
import type { Json } from '../store/store.ts';
import { type Assign, type Assigning, checkAssign, type TypeAssign } from './assign.ts';
import type { AttributeSpec } from './attributes.ts';
import { planIdentity } from './commissioning.ts';
import { deviceReference, refusal } from './errors.ts';
import type { FunctionSpec } from './functions.ts';
import { toCounter } from './instrument.ts';
import { type DeviceView, type Model, NIL } from './model.ts';
import { checkCommand, hasLevel, levelOf, type Order, toCommand } from './override.ts';
import { onEarth, type Place } from './place.ts';
import { type AttributeBody, type DeviceBody, type FunctionBody, type Reference, State } from './schemas.ts';
import { posixZone } from './time-zones.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Characters of the longest text that is kept. */
const LONGEST_TEXT = 1024;

/** What a PATCH changes. */
export interface Plan {
  kept: { device: DeviceView; functionId: string; name: string; value: Json; time: number }[];
  orders: Order[];
  /** Default levels in %. */
  levels: { device: DeviceView; level: number }[];
  assigns: Assign[];
  /** Counters that are set, in steps of the wire. */
  counters: { device: DeviceView; counter: number; value: number }[];
  /** Written values that a CMS takes back. */
  dropped: { device: DeviceView; functionId: string; name: string }[];
  /** Functions that a CMS takes out of its view; all others of the device are in it. */
  hidden: Map<DeviceView, string[]>;
  /** Planned devices, and which controllers they are. */
  identities: Map<DeviceView, string>;
}

/** Who writes, when, and what it is checked against. */
export interface Writer extends Assigning {
  /** ms UTC */
  now: number;
}

export const emptyPlan = (): Plan => ({
  kept: [],
  orders: [],
  levels: [],
  assigns: [],
  counters: [],
  dropped: [],
  hidden: new Map(),
  identities: new Map(),
});

/** Throws a Refusal, and then nothing has changed. */
export function planDevice(writer: Writer, device: DeviceView, body: DeviceBody): Plan {
  const { model, now } = writer;
  const reference = deviceReference(device.address);
  if (body.address !== undefined && body.address.toLowerCase() !== device.address) {
    throw refusal(422, 'resourceConflict', 'An address never changes.', reference);
  }
  if (body.class !== undefined && body.class !== device.className) {
    throw refusal(422, 'resourceConflict', 'The class follows from the hardware.', reference);
  }
  const plan = emptyPlan();
  if (body.name !== undefined && body.name !== model.nameOf(device)) {
    plan.kept.push({ device, functionId: 'basic', name: 'displayName', value: body.name, time: now });
  }
  for (const part of body.functions ?? []) {
    const spec = device.all.find((entry) => entry.id === part.id);
    if (!spec) {
      const at = deviceReference(device.address, part.id);
      throw refusal(422, 'resourceConflict', 'The class of the device has no such function.', at);
    }
    merge(plan, planFunction(writer, device, spec, part));
  }
  // What was taken out of the view and comes along is there again.
  const back = new Set((body.functions ?? []).map(({ id }) => id));
  const hidden = device.all.filter((spec) => !device.functions.includes(spec)).map(({ id }) => id);
  if (hidden.some((id) => back.has(id))) {
    plan.hidden.set(
      device,
      hidden.filter((id) => !back.has(id)),
    );
  }
  return plan;
}

/** Unknown attributes are ignored, as TALQ wants for vendors' own. Throws a Refusal, and then nothing has changed. */
export function planFunction(writer: Writer, device: DeviceView, spec: FunctionSpec, body: FunctionBody): Plan {
  const reference = deviceReference(device.address, spec.id);
  if (body.id !== spec.id) throw refusal(400, 'payloadError', `The function is ${spec.id}.`, reference);
  if (body.type !== undefined && body.type !== spec.type) {
    throw refusal(400, 'payloadError', `The function is a ${spec.type}.`, reference);
  }
  const plan = emptyPlan();
  for (const [name, value] of Object.entries(body)) {
    const attribute = spec.attributes.find((entry) => entry.name === name);
    if (!attribute) continue;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw refusal(400, 'payloadError', `${name} is not an Attribute.`, reference);
    }
    // What has no value yet is sent back as it was announced, and says nothing.
    if (!Object.hasOwn(value, 'value')) continue;
    merge(plan, planAttribute(writer, device, spec, attribute, value as AttributeBody));
  }
  return plan;
}

/** Throws a Refusal, and then nothing has changed. */
export function planAttribute(
  writer: Writer,
  device: DeviceView,
  spec: FunctionSpec,
  attribute: AttributeSpec,
  body: AttributeBody,
): Plan {
  const { model, now } = writer;
  const reference = deviceReference(device.address, spec.id, attribute.name);
  const { name, type } = attribute;
  const { value } = body;
  if (body.type !== undefined && body.type !== type) {
    throw refusal(400, 'payloadError', `${name} is an ${type}.`, reference);
  }
  const plan = emptyPlan();
  if (attribute.write === undefined) {
    const identity = planIdentity(model, device, name, value);
    if (identity !== undefined) plan.identities.set(device, identity);
    return plan;
  }
  if (value === undefined) throw refusal(400, 'payloadError', `${name} needs a value.`, reference);
  const same = isDeepStrictEqual(value, model.read(device, spec.id, name).value);
  const time = body.timestamp === undefined ? now : Date.parse(body.timestamp);
  if (Number.isNaN(time)) throw refusal(400, 'payloadError', `${name} has a timestamp that is none.`, reference);
  const keep = (functionId: string, twin: string): void => {
    plan.kept.push({ device, functionId, name: twin, value: value as Json, time });
  };
  switch (attribute.write) {
    case 'override': {
      const command = toCommand(value);
      checkCommand(device, command, now);
      plan.orders.push({ device, command });
      break;
    }
    case 'default':
      if (same) break;
      plan.levels.push({ device, level: toLevel(device, value, reference) });
      keep(spec.id, name);
      break;
    case 'assign':
      if (typeof value !== 'string') throw refusal(400, 'payloadError', `${name} is text.`, reference);
      if (same && (value === '' || model.assignment(device.controller?.id ?? '')?.owner === writer.owner)) break;
      checkAssign(writer, [device], value);
      plan.assigns.push({ device, calendar: value });
      break;
    case 'refer': {
      if (typeof value !== 'string') throw refusal(400, 'payloadError', `${name} is text.`, reference);
      if (!attribute.refers) break;
      writer.types.check(writer.owner, device, attribute.refers, value);
      plan.kept.push({ device, functionId: spec.id, name, value, time });
      break;
    }
    case 'counter': {
      checkValue(attribute, value, reference);
      if (attribute.counter === undefined) break;
      if (!device.controller) {
        throw refusal(422, 'serviceConstraintExceeded', 'Nothing counts at a device that is not there yet.', reference);
      }
      plan.counters.push({ device, counter: attribute.counter, value: toCounter(attribute.counter, Number(value)) });
      break;
    }
    case 'kept': {
      checkValue(attribute, value, reference);
      if (name === 'cmsAddress') checkFree(model, String(value), reference);
      const twin = TWINS[`${spec.id}/${name}`];
      // An old name sent along unchanged does not undo what the new one says.
      if ((twin || name === 'displayName') && same) break; // displayName is the device's name
      keep(spec.id, name);
      if (twin) keep(twin[0], twin[1]);
    }
  }
  return plan;
}

/** What an assign command of types changes. */
export function planTypes({ now }: Writer, assigns: TypeAssign[]): Plan['kept'] {
  return assigns.map(({ address, ...where }) => ({ ...where, value: address, time: now }));
}

/** The same value under its old and its new name. Source: TALQ 2.7.1 data model, GatewayFunction and TimeFunction. */
const TWINS: Record<string, [string, string]> = {
  'gateway/retryPeriod': ['gateway', 'gatewayRetryPeriod'],
  'gateway/gatewayRetryPeriod': ['gateway', 'retryPeriod'],
  'basic/timeZone': ['time', 'timeZone'],
  'time/timeZone': ['basic', 'timeZone'],
};

/** @returns %. Throws a Refusal unless the value is a state that the lamp can have. */
function toLevel(device: DeviceView, value: unknown, reference: Reference): number {
  const level = Value.Check(State, value) ? levelOf({ state: value }) : undefined;
  if (level === undefined) {
    throw refusal(400, 'payloadError', 'defaultLightState is a LevelState with a value.', reference);
  }
  if (hasLevel(device, level)) return level;
  const message = `The lamp cannot do ${level} %; see the levels of its class.`;
  throw refusal(422, 'serviceConstraintExceeded', message, reference);
}

function checkValue(attribute: AttributeSpec, value: unknown, reference: Reference): void {
  const { name, type, minValue, maxValue, enumValues } = attribute;
  if (!fitsType(type, value)) throw refusal(400, 'payloadError', `The value of ${name} is no ${type}.`, reference);
  if (name === 'cmsAddress' && (!UUID.test(String(value)) || value === NIL)) {
    throw refusal(400, 'payloadError', 'cmsAddress is a UUID.', reference);
  }
  const excess = (description: string) => refusal(422, 'serviceConstraintExceeded', description, reference);
  if (typeof value === 'string' && value.length > LONGEST_TEXT) {
    throw excess(`${name} has at most ${LONGEST_TEXT} characters.`);
  }
  if (typeof value === 'number' && (value < (minValue ?? value) || value > (maxValue ?? value))) {
    throw excess(`${name} goes from ${minValue} to ${maxValue}.`);
  }
  if (isPlace(value) && !onEarth(value)) {
    throw excess('A latitude goes from -90 to 90 degrees, a longitude from -180 to 180.');
  }
  if (enumValues && !enumValues.includes(String(value))) throw excess(`${name} is one of ${enumValues.join(', ')}.`);
  const zone = name === 'timeZone' ? posixZone(String(value)) : undefined;
  if (zone && 'error' in zone) throw excess(zone.error);
}

/** Who calls under an address must be one CMS. */
function checkFree(model: Model, address: string, reference: Reference): void {
  if (model.seats.every((seat) => seat === model.seat || seat.cmsAddress !== address.toLowerCase())) return;
  throw refusal(422, 'resourceConflict', 'This cmsAddress belongs to another CMS.', reference);
}

/** RFC 3339 with any offset. */
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** Source: TALQ 2.7.1 data model, Attribute… */
function fitsType(type: string, value: unknown): boolean {
  switch (type) {
    case 'AttributeFloat':
      return typeof value === 'number';
    case 'AttributeInteger':
      return Number.isInteger(value);
    case 'AttributeLocation':
      return isPlace(value);
    case 'AttributeUri':
      return typeof value === 'string' && (URL.canParse(value) || value === '');
    case 'AttributeDateTime':
      return typeof value === 'string' && DATE_TIME.test(value) && !Number.isNaN(Date.parse(value));
    default:
      return typeof value === 'string'; // AttributeString, and those that are one of a few words
  }
}

function isPlace(value: unknown): value is Place {
  const { latitude, longitude, altitude = 0 } = (value ?? {}) as Partial<Record<keyof Place, unknown>>;
  return [latitude, longitude, altitude].every((one) => typeof one === 'number');
}

/** Adds `more` to `plan`. */
export function merge(plan: Plan, more: Plan): void {
  plan.kept.push(...more.kept);
  plan.orders.push(...more.orders);
  plan.levels.push(...more.levels);
  plan.assigns.push(...more.assigns);
  plan.counters.push(...more.counters);
  plan.dropped.push(...more.dropped);
  for (const [device, hidden] of more.hidden) plan.hidden.set(device, hidden);
  for (const [device, id] of more.identities) plan.identities.set(device, id);
}
