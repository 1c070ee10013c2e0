/**
 * Devices that a CMS creates, replaces and deletes. A controller is known by its id, which is the physicalAddress and the
 * serial number of its device: one that a CMS created comes to life when a controller of that id says who it is, and gets
 * then what was written meanwhile. Source: TALQ 2.7.1 §5.2-5.3, gateway API.
 */
import { randomUUID } from 'node:crypto';
import { MOST_CONTROLLERS } from '../fleet.ts';
import { ID } from '../keys/controller-keys.ts';
import type { Birth } from '../wire.ts';
import { deviceReference, refusal } from './errors.ts';
import { type FunctionSpec, GATEWAY_CLASS } from './functions.ts';
import { sensorsIn } from './library.ts';
import { type DeviceView, type Model, NIL } from './model.ts';
import type { DeviceBody, FunctionBody, Reference } from './schemas.ts';
import { emptyPlan, merge, type Plan, planDevice, type Writer } from './writes.ts';

/** Functions without which a device is no lamp of the Lighting profile. */
const MANDATORY = ['BasicFunction', 'GatewayFunction', 'LampActuatorFunction', 'LampMonitorFunction'];

/** A device to be made; `existing`: it is there already, and the CMS asked only for its address. */
interface Creation {
  body: DeviceBody;
  id: string;
  address: string;
  birth: Birth;
  existing?: DeviceView;
}

/**
 * Makes devices, all or none. @returns them in the order of the bodies: those that were there already as they are, the
 * others with what the bodies say, and what that leaves to be told to lamps. Throws a Refusal
 */
export async function createDevices(
  writer: Writer,
  bodies: DeviceBody[],
): Promise<{ devices: DeviceView[]; fresh: DeviceView[]; plan: Plan }> {
  const { model } = writer;
  const creations: Creation[] = [];
  for (const body of bodies) creations.push(planCreation(model, body, creations));
  const fresh = creations.filter(({ existing }) => !existing);
  if (model.devices().length + fresh.length > MOST_CONTROLLERS) {
    throw refusal(422, 'serviceConstraintExceeded', `This gateway serves ${MOST_CONTROLLERS} devices.`);
  }
  const made: DeviceView[] = [];
  try {
    const plan = emptyPlan();
    for (const { body, id, address, birth } of fresh) {
      const device = await model.create(id, address, birth);
      made.push(device);
      merge(plan, planDevice(writer, device, { ...body, address }));
    }
    if (plan.orders.length > 0) {
      const references = plan.orders.map(({ device }) => deviceReference(device.address));
      throw refusal(422, 'overrideCommandNotValid', 'Nobody is there yet to be commanded.', ...references);
    }
    const devices = creations.map(({ existing, address }) => existing ?? (model.find(address) as DeviceView));
    return { devices, fresh: made, plan };
  } catch (error) {
    for (const device of made) await model.remove(device);
    throw error;
  }
}

function planCreation(model: Model, body: DeviceBody, others: Creation[]): Creation {
  const { address: wish = NIL, class: className = '', functions = [] } = body;
  const wanted = wish.toLowerCase();
  const reference = deviceReference(wanted);
  const birth = className === GATEWAY_CLASS ? undefined : model.exampleOf(className);
  if (!birth) {
    throw refusal(422, 'relatedResourceNotFound', `No lamp controller here has the class ${className}.`, reference, {
      resource: 'device-classes',
      address: className,
    });
  }
  const identity = identityOf(functions);
  const known = identity === undefined ? undefined : model.byId(identity);
  const twin = others.find(({ id, address }) => id === identity || address === wanted);
  if (wanted === NIL && known) return { body, id: identity as string, address: known.address, birth, existing: known };
  const taken = model.find(wanted) ?? (wanted === NIL ? undefined : known);
  const own = model.seats.some(({ gatewayAddress }) => gatewayAddress === wanted && wanted !== NIL);
  if (taken || own || twin) {
    const at = deviceReference(taken?.address ?? twin?.address ?? wanted);
    throw refusal(409, 'resourceConflict', 'This device exists already.', at);
  }
  const address = wanted === NIL ? randomUUID() : wanted;
  return { body, id: identity ?? `~${address}`, address, birth };
}

/** @returns the id of the controller that is meant, undefined when the CMS does not say. Throws a Refusal */
function identityOf(functions: FunctionBody[]): string | undefined {
  const given = (type: string, name: string): unknown => {
    const attribute = functions.find((part) => part.type === type)?.[name];
    return (attribute as { value?: unknown } | undefined)?.value || undefined;
  };
  const id = given('CommunicationFunction', 'physicalAddress') ?? given('BasicFunction', 'serial');
  return id === undefined ? undefined : toIdentity(id);
}

/** Throws a Refusal when no controller can have this id. */
export function toIdentity(value: unknown): string {
  if (typeof value === 'string' && ID.test(value)) return value;
  const message = `A controller is called by 1 to 32 letters, digits and hyphens, not ${JSON.stringify(value)}.`;
  throw refusal(422, 'serviceConstraintExceeded', message);
}

/**
 * What a PUT changes: functions that are left out disappear, attributes that are left out lose what a CMS wrote. Commands,
 * the calendar and the default level stay: they are what the lamp does. Throws a Refusal, and then nothing has changed.
 */
export function planReplacement(writer: Writer, device: DeviceView, body: DeviceBody): Plan {
  const plan = planDevice(writer, device, body);
  const parts = new Map((body.functions ?? []).map((part) => [part.id, part]));
  const missing = device.all.filter(({ id }) => !parts.has(id));
  const needed = missing.filter(({ type }) => MANDATORY.includes(type) || !device.controller);
  if (needed.length > 0) {
    const references = needed.map(({ id }) => deviceReference(device.address, id));
    const message = `A device keeps its ${needed.map(({ id }) => id).join(', ')}.`;
    throw refusal(422, 'resourceConflict', message, ...references);
  }
  plan.hidden.set(
    device,
    missing.map(({ id }) => id),
  );
  for (const spec of device.all) plan.dropped.push(...forgotten(writer, device, spec, parts.get(spec.id), plan));
  return plan;
}

/** @returns the attributes of a function that lose what a CMS wrote, because this body does not have them. */
export function forgotten(
  { model }: Writer,
  device: DeviceView,
  spec: FunctionSpec,
  body: FunctionBody | undefined,
  plan: Plan,
): Plan['dropped'] {
  const written = spec.attributes.filter(
    ({ name, write }) =>
      (write === 'kept' || write === 'refer') &&
      !(body && Object.hasOwn(body, name)) &&
      model.isWritten(device, spec.id, name),
  );
  // A value that came under its other name is there.
  const came = (name: string): boolean =>
    plan.kept.some((entry) => entry.device === device && entry.functionId === spec.id && entry.name === name);
  return written.filter(({ name }) => !came(name)).map(({ name }) => ({ device, functionId: spec.id, name }));
}

/** Throws a Refusal while something of the CMS refers to the device. @param loggers those that name it */
export function checkUnused({ groups, library, owner }: Writer, device: DeviceView, loggers: Reference[]): void {
  const { address } = device;
  const named = groups.mentioning(owner, address);
  const programs = [...library.of(owner, 'programs').values()].filter((program) =>
    sensorsIn(program).some((sensor) => sensor.address.split('/')[0].toLowerCase() === address),
  );
  const users = [...named, ...loggers, ...programs.map(({ id }) => ({ resource: 'control-programs', address: id }))];
  if (users.length === 0) return;
  throw refusal(422, 'deletingResourceIsReferred', 'The device is in use.', deviceReference(address), ...users);
}

/** What a PATCH of a planned device says of who its controller will be. Throws a Refusal when that is another device. */
export function planIdentity(model: Model, device: DeviceView, name: string, value: unknown): string | undefined {
  if (!device.planned || (name !== 'physicalAddress' && name !== 'serial') || !value) return undefined;
  const id = toIdentity(value);
  const other = model.byId(id);
  if (!other || other.address === device.address) return id;
  const message = `${id} is another device, and is there already.`;
  throw refusal(422, 'resourceConflict', message, deviceReference(device.address), deviceReference(other.address));
}
