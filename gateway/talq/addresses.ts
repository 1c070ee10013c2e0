/** Which lamp actuator a TALQ address means: device, device/function or device/function/attribute. Source: TALQ 2.7.1 §5.6. */
import { refusal } from './errors.ts';
import type { FunctionSpec } from './functions.ts';
import type { DeviceView, Model } from './model.ts';
import type { ErrorKey, Reference } from './schemas.ts';

export function lampOf(device: DeviceView): FunctionSpec | undefined {
  return device.functions.find((spec) => spec.type === 'LampActuatorFunction');
}

/**
 * @param attribute of the actuator that the command sets
 * @param misfit key of the refusal for what is no lamp actuator
 * @returns undefined when the device has no lamp. Throws a Refusal
 */
export function resolveLamp(
  model: Model,
  reference: Reference,
  attribute: string,
  misfit: ErrorKey,
): DeviceView | undefined {
  if (reference.resource === 'groups') {
    throw refusal(422, 'relatedResourceNotFound', 'There is no such group.', reference);
  }
  if (reference.resource !== 'devices') {
    throw refusal(422, misfit, `Commands go to devices, not to ${reference.resource}.`, reference);
  }
  const [address, functionId, name, ...more] = reference.address.split('/');
  const device = model.find(address);
  if (!device) throw refusal(422, 'relatedResourceNotFound', 'There is no such device.', reference);
  if (functionId === undefined) return lampOf(device) && device;
  const spec = device.functions.find((entry) => entry.id === functionId);
  if (!spec) throw refusal(422, 'relatedResourceNotFound', 'The device has no such function.', reference);
  if (name !== undefined && !spec.attributes.some((entry) => entry.name === name)) {
    throw refusal(422, 'relatedResourceNotFound', 'The function has no such attribute.', reference);
  }
  const fits = lampOf(device) === spec && (name === undefined || name === attribute) && more.length === 0;
  if (!fits) throw refusal(422, misfit, `This is not a lamp actuator or its ${attribute}.`, reference);
  return device;
}
