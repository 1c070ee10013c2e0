/** PATCH of devices, functions and attributes: checked as a whole, then applied as a whole. Source: TALQ 2.7.1 §3.4, §5.2. */
import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../store.ts';
import { deviceReference, refusal } from './errors.ts';
import type { AttributeSpec, FunctionSpec } from './functions.ts';
import { type DeviceView, type Model, NIL } from './model.ts';
import { checkCommand, type Order, toCommand } from './override.ts';
import type { AttributeBody, DeviceBody, FunctionBody } from './schemas.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Characters of the longest text that is kept. */
const LONGEST_TEXT = 1024;

/** What a PATCH changes. */
export interface Plan {
  kept: { device: DeviceView; functionId: string; name: string; value: Json; time: number }[];
  orders: Order[];
}

/** Throws a Refusal, and then nothing has changed. */
export function planDevice(model: Model, device: DeviceView, body: DeviceBody, now: number): Plan {
  const reference = deviceReference(device.address);
  if (body.address !== undefined && body.address.toLowerCase() !== device.address) {
    throw refusal(422, 'resourceConflict', 'An address never changes.', reference);
  }
  if (body.class !== undefined && body.class !== device.className) {
    throw refusal(422, 'resourceConflict', 'The class follows from the hardware.', reference);
  }
  const plan: Plan = { kept: [], orders: [] };
  if (body.name !== undefined && body.name !== model.nameOf(device)) {
    plan.kept.push({ device, functionId: 'basic', name: 'displayName', value: body.name, time: now });
  }
  for (const part of body.functions ?? []) {
    const spec = device.functions.find((entry) => entry.id === part.id);
    if (!spec) {
      const at = deviceReference(device.address, part.id);
      throw refusal(422, 'resourceConflict', 'The class of the device has no such function.', at);
    }
    merge(plan, planFunction(model, device, spec, part, now));
  }
  return plan;
}

/** Unknown attributes are ignored, as TALQ wants for vendors' own. Throws a Refusal, and then nothing has changed. */
export function planFunction(
  model: Model,
  device: DeviceView,
  spec: FunctionSpec,
  body: FunctionBody,
  now: number,
): Plan {
  const reference = deviceReference(device.address, spec.id);
  if (body.id !== spec.id) throw refusal(400, 'payloadError', `The function is ${spec.id}.`, reference);
  if (body.type !== undefined && body.type !== spec.type) {
    throw refusal(400, 'payloadError', `The function is a ${spec.type}.`, reference);
  }
  const plan: Plan = { kept: [], orders: [] };
  for (const [name, value] of Object.entries(body)) {
    const attribute = spec.attributes.find((entry) => entry.name === name);
    if (!attribute) continue;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw refusal(400, 'payloadError', `${name} is not an Attribute.`, reference);
    }
    merge(plan, planAttribute(model, device, spec, attribute, value as AttributeBody, now));
  }
  return plan;
}

/** Throws a Refusal, and then nothing has changed. */
export function planAttribute(
  model: Model,
  device: DeviceView,
  spec: FunctionSpec,
  attribute: AttributeSpec,
  body: AttributeBody,
  now: number,
): Plan {
  const reference = deviceReference(device.address, spec.id, attribute.name);
  const { name, type } = attribute;
  const { value } = body;
  if (body.type !== undefined && body.type !== type) {
    throw refusal(400, 'payloadError', `${name} is an ${type}.`, reference);
  }
  const nothing: Plan = { kept: [], orders: [] };
  if (attribute.write === undefined) return nothing;
  if (value === undefined) throw refusal(400, 'payloadError', `${name} needs a value.`, reference);
  if (attribute.write === 'fixed') {
    if (isDeepStrictEqual(value, model.read(device, spec.id, name).value)) return nothing;
    throw refusal(422, 'serviceConstraintExceeded', `${name} cannot be set in this version.`, reference);
  }
  if (attribute.write === 'override') {
    const command = toCommand(value);
    checkCommand(device, command, now);
    return { kept: [], orders: [{ device, command }] };
  }
  checkValue(attribute, value, () => reference);
  const time = body.timestamp === undefined ? now : Date.parse(body.timestamp);
  if (Number.isNaN(time)) throw refusal(400, 'payloadError', `${name} has a timestamp that is none.`, reference);
  const kept = [name, ...(TWINS[name] ?? [])].map((twin) => ({ device, functionId: spec.id, name: twin, value, time }));
  return { kept: kept as Plan['kept'], orders: [] };
}

/** The same value under its old and its new name. Source: TALQ 2.7.1 data model, GatewayFunction. */
const TWINS: Record<string, string[]> = { retryPeriod: ['gatewayRetryPeriod'], gatewayRetryPeriod: ['retryPeriod'] };

function checkValue(
  attribute: AttributeSpec,
  value: unknown,
  reference: () => ReturnType<typeof deviceReference>,
): void {
  const { name, type, minValue, maxValue } = attribute;
  const text = type === 'AttributeString' || type === 'AttributeUri';
  const fits = text
    ? typeof value === 'string' && (type === 'AttributeString' || URL.canParse(value) || value === '')
    : typeof value === 'number' && (type === 'AttributeFloat' || Number.isInteger(value));
  if (!fits) throw refusal(400, 'payloadError', `The value of ${name} is no ${type}.`, reference());
  if (name === 'cmsAddress' && (!UUID.test(String(value)) || value === NIL)) {
    throw refusal(400, 'payloadError', 'cmsAddress is a UUID.', reference());
  }
  if (typeof value === 'string' && value.length > LONGEST_TEXT) {
    throw refusal(422, 'serviceConstraintExceeded', `${name} has at most ${LONGEST_TEXT} characters.`, reference());
  }
  if (typeof value === 'number' && (value < (minValue ?? value) || value > (maxValue ?? value))) {
    throw refusal(422, 'serviceConstraintExceeded', `${name} goes from ${minValue} to ${maxValue}.`, reference());
  }
}

/** Adds `more` to `plan`. */
export function merge(plan: Plan, more: Plan): void {
  plan.kept.push(...more.kept);
  plan.orders.push(...more.orders);
}
