/** What a TALQ address means: device, device/function or device/function/attribute. Source: TALQ 2.7.1 §5.6. */
import { refusal } from './errors.ts';
import type { FunctionSpec } from './functions.ts';
import { exists, type Groups } from './groups.ts';
import type { DeviceView, Model } from './model.ts';
import type { ErrorKey, Reference } from './schemas.ts';
import type { TypeResource } from './types.ts';

export function lampOf(device: DeviceView): FunctionSpec | undefined {
  return device.functions.find((spec) => spec.type === 'LampActuatorFunction');
}

/** Who addresses lamps: groups are its own. */
export interface Addressing {
  model: Model;
  groups: Groups;
  /** clientAddress of the CMS, in lower case. */
  owner: string;
}

/**
 * @param attribute of the actuator that the command sets
 * @param misfit key of the refusal for what is no lamp actuator
 * @param lampless what becomes of a device without a lamp that is addressed itself, not in a group
 * @returns the lamps behind all references, each once. Throws a Refusal
 */
export function resolveLamps(
  context: Addressing,
  references: readonly Reference[],
  attribute: string,
  misfit: ErrorKey,
  lampless: 'refuse' | 'pass over',
): DeviceView[] {
  const found = new Map<string, DeviceView>();
  for (const reference of references) {
    if (reference.resource === 'groups') {
      for (const device of lampsIn(context, reference, attribute)) found.set(device.address, device);
      continue;
    }
    const device = resolveLamp(context.model, reference, attribute, misfit);
    if (device) found.set(device.address, device);
    else if (lampless === 'refuse') throw refusal(422, misfit, 'The device has no lamp actuator.', reference);
  }
  if (found.size > 0) return [...found.values()];
  throw refusal(422, misfit, 'None of the addresses has a lamp actuator.', ...references);
}

/** A group may have members that the command does not concern, and such as have gone: they are passed over. */
export function lampsIn({ model, groups, owner }: Addressing, group: Reference, attribute: string): DeviceView[] {
  return groups.expand(owner, group).flatMap(({ address }) => {
    const [deviceAddress, functionId, name] = address.split('/');
    const device = model.find(deviceAddress);
    const lamp = device && lampOf(device);
    const meant = (functionId ?? lamp?.id) === lamp?.id && (name ?? attribute) === attribute;
    return device && lamp && meant ? [device] : [];
  });
}

/**
 * @param attribute of the actuator that the command sets
 * @param misfit key of the refusal for what is no lamp actuator
 * @returns undefined when the device has no lamp. Throws a Refusal
 */
function resolveLamp(model: Model, reference: Reference, attribute: string, misfit: ErrorKey): DeviceView | undefined {
  const { device, spec, name, more } = resolve(model, reference, misfit);
  if (!spec) return lampOf(device) && device;
  const fits = lampOf(device) === spec && (name === undefined || name === attribute) && !more;
  if (!fits) throw refusal(422, misfit, `This is not a lamp actuator or its ${attribute}.`, reference);
  return device;
}

/** An attribute that holds the address of a type. */
export interface Referrer {
  device: DeviceView;
  functionId: string;
  name: string;
}

/** @returns the attributes behind all references that refer to a kind of type, each once. Throws a Refusal */
export function resolveReferrers(
  { model, groups, owner }: Addressing,
  references: readonly Reference[],
  resource: TypeResource,
): Referrer[] {
  const found = new Map<string, Referrer>();
  for (const reference of references) {
    // Members that have gone since are passed over.
    const meant =
      reference.resource === 'groups'
        ? groups.expand(owner, reference).filter((member) => exists(model, member))
        : [reference];
    const referrers = meant.flatMap((one) => referrersAt(model, one, resource));
    if (referrers.length === 0) {
      const message = `Nothing at this address refers to ${resource}.`;
      throw refusal(422, 'assignmentAddressNotValid', message, reference);
    }
    for (const one of referrers) found.set(`${one.device.address}/${one.functionId}/${one.name}`, one);
  }
  return [...found.values()];
}

function referrersAt(model: Model, reference: Reference, resource: TypeResource): Referrer[] {
  const { device, spec, name, more } = resolve(model, reference, 'assignmentAddressNotValid');
  if (more) return [];
  return (spec ? [spec] : device.functions).flatMap(({ id, attributes }) =>
    attributes
      .filter((attribute) => attribute.refers === resource && (name === undefined || attribute.name === name))
      .map((attribute) => ({ device, functionId: id, name: attribute.name })),
  );
}

/** Finds what an address names; `more`: it goes on beyond an attribute. Throws a Refusal when nothing is there. */
function resolve(
  model: Model,
  reference: Reference,
  misfit: ErrorKey,
): { device: DeviceView; spec?: FunctionSpec; name?: string; more: boolean } {
  if (reference.resource !== 'devices') {
    throw refusal(422, misfit, `Commands go to devices, not to ${reference.resource}.`, reference);
  }
  const [address, functionId, name, ...more] = reference.address.split('/');
  const device = model.find(address);
  if (!device) throw refusal(422, 'relatedResourceNotFound', 'There is no such device.', reference);
  if (functionId === undefined) return { device, more: false };
  const spec = device.functions.find((entry) => entry.id === functionId);
  if (!spec) throw refusal(422, 'relatedResourceNotFound', 'The device has no such function.', reference);
  if (name !== undefined && !spec.attributes.some((entry) => entry.name === name)) {
    throw refusal(422, 'relatedResourceNotFound', 'The function has no such attribute.', reference);
  }
  return { device, spec, name, more: more.length > 0 };
}
