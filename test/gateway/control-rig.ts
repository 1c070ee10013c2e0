/** Programs and calendars for tests of the gateway, and a controller's own reading of the timetables that come of them. */
import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import { Sensors } from '../../firmware/control/sensors.ts';
import { sunEvent } from '../../firmware/control/sun.ts';
import { Timetable } from '../../firmware/control/timetable.ts';
import { CommandKind } from '../../firmware/link/messages.ts';
import type { ControlProgramOne } from '../reference/talq.ts';
import { CMS, type Controller, type Rig } from './rig.ts';

export const ZONE = 'Europe/Madrid';
export const MADRID = { latitude: 40.4168, longitude: -3.7038 };

export const level = (value: number) => ({ name: 'LevelState', value });
export const command = (value: number) => ({ state: level(value) });
/** @returns ms UTC of a local time in Madrid. */
export const at = (local: string) => DateTime.fromISO(local, { zone: ZONE }).toMillis();

/** @param points times as `'23:00'`, levels in % */
export function program(
  id: string,
  points: [string, number][],
  rest: Partial<ControlProgramOne> = {},
): ControlProgramOne {
  const fixedTimeControls = points.map(([time, value]) => ({ startTime: `${time}:00`, command: command(value) }));
  return { type: 'ControlProgramOne', id, ownerCMS: CMS, activePeriods: [], fixedTimeControls, ...rest };
}

export const calendar = (id: string, rules: object[], defaultProgram?: string) => ({
  id,
  ownerCMS: CMS,
  rules,
  ...(defaultProgram === undefined ? {} : { defaultProgram }),
});

export const to = (...addresses: string[]) => addresses.map((address) => ({ resource: 'devices', address }));
export const assignment = (id: string, ...addresses: string[]) => ({
  addresses: to(...addresses),
  entity: { resource: 'calendars', address: id },
});

export async function post(rig: Rig, path: string, ...body: object[]): Promise<void> {
  assert.equal((await rig.call('POST', path, { body })).status, 201);
}

/** @returns whether a command carries a timetable, be it an empty one */
export const hasTimetable = (command: Map<number, unknown>): boolean =>
  command.get(1) === CommandKind.Configuration && command.get(8) instanceof Uint8Array;

/** @returns whether a command carries a timetable that is not empty */
export const hasSwitchPoints = (command: Map<number, unknown>): boolean =>
  hasTimetable(command) && (command.get(8) as Uint8Array).length > 0;

/** @returns the timetables that a played controller was sent, in order. */
export function timetables(controller: Controller): Uint8Array[] {
  return controller.commands.filter(hasTimetable).map((one) => one.get(8) as Uint8Array);
}

/** @returns the check value that ends a timetable. */
export const checkOf = (bytes: Uint8Array) => Buffer.from(bytes).readUInt32BE(bytes.length - 4);

/** Resolves with the last one when `count` timetables have come. */
export async function timetable(controller: Controller, count: number): Promise<Uint8Array> {
  await controller.until(() => timetables(controller).length >= count);
  return timetables(controller)[count - 1];
}

/** A controller's firmware with a timetable in its storage. */
export function reader(bytes: Uint8Array, sensors = new Sensors()) {
  const plan = new Timetable({ timetable: () => bytes }, sensors, sunEvent);
  return {
    sensors,
    /** @returns % at an instant in ms UTC, with 100 % by default */
    level(time: number): number {
      plan.decide(time, 100);
      return plan.level;
    },
    /** @returns index of the program that rules */
    program(time: number): number {
      plan.decide(time, 100);
      return plan.program;
    },
  };
}

/** @returns levels by local time in Madrid. */
export function levels(bytes: Uint8Array, ...times: string[]): number[] {
  const lamp = reader(bytes);
  return times.map((time) => lamp.level(at(time)));
}
