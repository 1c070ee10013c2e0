/** Assign commands: which lamps get which calendar. Source: TALQ 2.7.1 §5.8, AssignCommand. */
import { type Addressing, resolveLamps } from './addresses.ts';
import { refusal } from './errors.ts';
import { type Library, referenceTo } from './library.ts';
import type { DeviceView } from './model.ts';
import type { AssignCommand } from './schemas.ts';
import type { Timetables } from './timetables.ts';

/** A lamp and the id of its calendar; an empty one: none. */
export interface Assign {
  device: DeviceView;
  calendar: string;
}

/** What an assignment is checked against. */
export interface Assigning extends Addressing {
  library: Library;
  timetables: Timetables;
}

/** Throws a Refusal, and then nothing was assigned. */
export function toAssigns(context: Assigning, { addresses, entity }: AssignCommand): Assign[] {
  if (addresses.length === 0) throw refusal(422, 'assignmentAddressNotValid', 'An assignment needs addresses.');
  if (entity.resource !== 'calendars') {
    throw refusal(422, 'assignmentEntityNotValid', 'Lamps here are assigned calendars, nothing else.', entity);
  }
  const devices = resolveLamps(context, addresses, 'calendarID', 'assignmentAddressNotValid', 'refuse');
  checkAssign(context, devices, entity.address);
  return devices.map((device) => ({ device, calendar: entity.address }));
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
