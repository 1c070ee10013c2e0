/** Assign commands: which lamps get which calendar, which functions which type. Source: TALQ 2.7.1 §5.8, AssignCommand. */
import { type Addressing, type Referrer, resolveLamps, resolveReferrers } from './addresses.ts';
import { refusal } from './errors.ts';
import { type Library, referenceTo } from './library.ts';
import type { DeviceView } from './model.ts';
import type { AssignCommand, Reference } from './schemas.ts';
import type { Timetables } from './timetables.ts';
import type { TypeLibrary } from './type-library.ts';
import { isTypeResource, type TypeResource } from './types.ts';

/** A lamp and the id of its calendar; an empty one: none. */
export interface Assign {
  device: DeviceView;
  calendar: string;
  /** Token of the command. */
  cmsRefId?: string;
}

/** What an assignment is checked against. */
export interface Assigning extends Addressing {
  library: Library;
  types: TypeLibrary;
  timetables: Timetables;
}

/** An attribute that gets the address of a type; an empty one: none. */
export interface TypeAssign extends Referrer {
  address: string;
}

/** Throws a Refusal, and then nothing was assigned. */
export function toAssigns(
  context: Assigning,
  { addresses, entity, cmsRefId }: AssignCommand,
): { assigns: Assign[]; types: TypeAssign[] } {
  if (addresses.length === 0) throw refusal(422, 'assignmentAddressNotValid', 'An assignment needs addresses.');
  const { resource } = entity;
  if (resource === 'calendars') return { assigns: toCalendars(context, addresses, entity, cmsRefId), types: [] };
  if (isTypeResource(resource)) return { assigns: [], types: toTypes(context, addresses, resource, entity.address) };
  throw refusal(422, 'assignmentEntityNotValid', 'Devices are assigned calendars and types, nothing else.', entity);
}

function toTypes(context: Assigning, addresses: Reference[], resource: TypeResource, address: string): TypeAssign[] {
  const referrers = resolveReferrers(context, addresses, resource);
  for (const { device } of referrers) context.types.check(context.owner, device, resource, address);
  return referrers.map((referrer) => ({ ...referrer, address }));
}

function toCalendars(
  context: Assigning,
  addresses: Reference[],
  entity: Reference,
  cmsRefId: string | undefined,
): Assign[] {
  const devices = resolveLamps(context, addresses, 'calendarID', 'assignmentAddressNotValid', 'refuse');
  checkAssign(context, devices, entity.address);
  return devices.map((device) => ({ device, calendar: entity.address, cmsRefId }));
}

/** Throws a Refusal when there is no such calendar, or a lamp could not hold it. */
export function checkAssign({ library, timetables, owner }: Assigning, devices: DeviceView[], id: string): void {
  if (id === '') return;
  const calendar = library.of(owner, 'calendars').get(id);
  if (!calendar) {
    throw refusal(422, 'relatedResourceNotFound', 'There is no such calendar.', referenceTo('calendars', id));
  }
  timetables.checkFor(devices, calendar, library.of(owner, 'programs'));
}
