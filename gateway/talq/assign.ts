/** Assign commands: which lamps get which calendar. Source: TALQ 2.7.1 §5.8, AssignCommand. */
import { resolveLamp } from './addresses.ts';
import { refusal } from './errors.ts';
import { type Library, referenceTo } from './library.ts';
import type { DeviceView, Model } from './model.ts';
import type { AssignCommand } from './schemas.ts';
import type { Timetables } from './timetables.ts';

/** A lamp and the id of its calendar; an empty one: none. */
export interface Assign {
  device: DeviceView;
  calendar: string;
}

/** What an assignment is checked against. */
export interface Assigning {
  model: Model;
  library: Library;
  timetables: Timetables;
  /** clientAddress of the CMS, in lower case. */
  owner: string;
}

/** Throws a Refusal, and then nothing was assigned. */
export function toAssigns(context: Assigning, { addresses, entity }: AssignCommand): Assign[] {
  if (addresses.length === 0) throw refusal(422, 'assignmentAddressNotValid', 'An assignment needs addresses.');
  if (entity.resource !== 'calendars') {
    throw refusal(422, 'assignmentEntityNotValid', 'Lamps here are assigned calendars, nothing else.', entity);
  }
  const devices = new Map<string, DeviceView>();
  for (const address of addresses) {
    const device = resolveLamp(context.model, address, 'calendarID', 'assignmentAddressNotValid');
    if (!device) throw refusal(422, 'assignmentAddressNotValid', 'The device has no lamp actuator.', address);
    devices.set(device.address, device);
  }
  checkAssign(context, [...devices.values()], entity.address);
  return [...devices.values()].map((device) => ({ device, calendar: entity.address }));
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
