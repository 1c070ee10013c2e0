/** What a controller's attributes say, from its birth, its last report, its readings, and what is stored of it. */
import { Quantity, Reason, TOPIC_ROOT } from '../../firmware/link/messages.ts';
import type { Controller, Reading, State } from '../fleet.ts';
import type { Json } from '../store/store.ts';
import type { Birth } from '../wire.ts';
import { CONTROLLER_ASSET } from './assets.ts';
import { LAMP, meteredUnits, SENSING, sensingUnit } from './functions.ts';
import { readInstrument } from './instrument.ts';
import { MEASURES, type Side, toReason, toSense, toTimestamp, toUnit } from './mapping.ts';
import type { Command } from './schemas.ts';
import type { SensorNumbers } from './sensors.ts';

/** A value and the ms UTC it belongs to. An undefined value: never set. */
export interface Valued {
  value?: unknown;
  time?: number;
  /** clientAddress of the CMS that wrote it, where that tells what the value means. */
  owner?: string;
}

/** What is stored of a device. */
export interface DeviceRecord {
  address: string;
  /** ms UTC */
  created: number;
  /** Attributes written by a CMS, by `function/attribute`. `owner`: which one, by its clientAddress. */
  values: Record<string, { value: Json; time: number; owner?: string }>;
}
export interface ControllerRecord extends DeviceRecord {
  /** Place in lists, for ever. */
  sequence: number;
  /** A CMS created it, and no controller has come yet. Its birth is that of another one of its class. */
  planned?: true;
  /** Functions that a CMS took out of its view. */
  hidden?: string[];
  birth: Birth;
  bornAt: number;
  /** The last command that a CMS gave and the controller took. */
  target?: { command: Command; time: number; owner?: string };
  /** Short reference on the wire to the CMS's own long one, oldest first. */
  references: [string, string][];
  calendar?: Assignment;
  timetable?: InForce;
  invalid?: Invalid;
}

/** The calendar that a CMS assigned to a lamp. */
export interface Assignment {
  /** clientAddress of the CMS, whose calendar it is. */
  owner: string;
  /** Empty: none any more. */
  id: string;
  /** ms UTC since when */
  time: number;
  /** Token of the command that assigned it. */
  cmsRefId?: string;
}

/** The timetable that a controller runs. */
export interface InForce {
  /** Its CRC; undefined: none. */
  crc?: number;
  /** Ids of its programs by their index; empty when they are not known. */
  programs: string[];
}

/** Why a lamp does not follow its calendar. */
export interface Invalid {
  /** CRC of the timetable that the controller could not take; undefined: it could not even be compiled. */
  crc?: number;
  /** ms UTC since when */
  time: number;
  /** Id of the program that is to blame; undefined: the calendar as a whole. */
  program?: string;
}

/** What is known of a device before its controller has come. */
const PLANNED = new Set([
  'displayName',
  'assetId',
  'calendarID',
  'invalidCalendar',
  'lampTypeId',
  'communicationType',
  'actuatorReference',
  'registrationTimestamp',
]);
/** What its controller will be called; known when the CMS knows it. */
const IDENTITY = new Set(['serial', 'physicalAddress', 'logicalAddress']);

/** @returns whether a planned device was created without saying which controller it is. */
export const isNameless = (id: string): boolean => id.startsWith('~');

const since = (time: number, value: unknown): Valued => ({ value, time });

/** @returns neither value nor time when it was never measured; of `currentTime` the time alone. */
export function readController(
  controller: Controller,
  record: ControllerRecord,
  sensors: SensorNumbers,
  functionId: string,
  name: string,
): Valued {
  const { birth, state } = controller;
  if (record.planned && !PLANNED.has(name) && (isNameless(controller.id) || !IDENTITY.has(name))) return {};
  if (functionId === CONTROLLER_ASSET) {
    if (name === 'registrationTimestamp') return since(record.created, toTimestamp(record.created));
    if (name === 'firmwareVersion') return since(controller.bornAt, birth.version);
  } else if (/Asset\d$/.test(functionId)) return {}; // what a CMS has not written nobody knows
  switch (name) {
    case 'displayName':
      return since(record.created, isNameless(controller.id) ? record.address : controller.id);
    case 'serial':
    case 'physicalAddress':
      return since(record.created, controller.id);
    case 'logicalAddress':
      return since(record.created, `${TOPIC_ROOT}/${controller.id}`);
    case 'assetId':
    case 'lampTypeId':
      return since(record.created, '');
    case 'calendarID':
      return { value: record.calendar?.id ?? '', time: record.calendar?.time ?? record.created };
    case 'invalidCalendar':
    case 'invalidProgram': {
      const invalid =
        (record.invalid?.program !== undefined) === (name === 'invalidProgram') ? record.invalid : undefined;
      return { value: invalid !== undefined, time: invalid?.time ?? record.calendar?.time ?? record.created };
    }
    case 'communicationType':
      return since(record.created, 'MQTT');
    case 'actuatorReference':
      return since(record.created, LAMP);
    case 'hwType':
      return since(controller.bornAt, birth.board);
    case 'swVersion':
      return since(controller.bornAt, birth.version);
    case 'defaultLightState':
      return since(controller.bornAt, { name: 'LevelState', value: birth.defaultLevel });
    case 'communicationFailure':
      return { value: !controller.online, time: controller.linkedAt };
  }
  const own = readInstrument(controller, functionId, name);
  if (own) return own;
  if (state) {
    const { time } = state;
    switch (name) {
      case 'currentTime':
        return state.timed ? { time } : {};
      case 'deviceReset':
        return state.uptime === undefined ? {} : { value: true, time: time - state.uptime * 1000 };
      case 'lightStateChange':
        return { value: true, time: state.since };
      case 'actualLightState':
        return state.level === undefined ? {} : { value: { name: 'LevelState', value: Math.round(state.level) }, time };
      case 'presenceStatus':
        return state.presence === undefined ? {} : { value: state.presence === 1, time };
      case 'feedbackLightCommand':
        return feedback(state, record, sensors);
      case 'targetLightCommand':
        return target(state, record, sensors);
    }
  }
  if (name === 'targetLightCommand' && record.target) return { value: record.target.command, time: record.target.time };
  if (functionId === 'lampMonitor1') return readUnit(controller, meteredUnits(birth)[0] ?? 0, 'monitor', name);
  const sensing = SENSING.find(({ id }) => id === functionId);
  if (sensing) return readUnit(controller, sensingUnit(birth, sensing.side), sensing.side, name);
  const meter = /^electricalMeter(\d+)$/.exec(functionId);
  return meter ? readUnit(controller, meteredUnits(birth)[Number(meter[1]) - 1], 'meter', name) : {};
}

/** The command in action, as the controller reports it. */
function feedback(state: State, record: ControllerRecord, sensors: SensorNumbers): Valued {
  if (state.command === undefined) return {};
  const command: Command = { state: { name: 'LevelState', value: state.command }, reason: toReason(state.reason) };
  if (state.reference !== undefined) {
    command.cmsRefId = record.references.find(([short]) => short === state.reference)?.[1] ?? state.reference;
  }
  const source =
    state.reason === Reason.Sensor
      ? sensors.addressOf(state.sensor)
      : state.reason === Reason.Program
        ? record.timetable?.programs[state.program ?? -1]
        : undefined;
  if (source !== undefined) command.refAddress = source;
  if (state.reason === Reason.Override) command.start = toTimestamp(state.since);
  if (state.expiration !== undefined) command.expiration = toTimestamp(state.expiration * 1000);
  return { value: command, time: state.since };
}

/** The last command the lamp got: the CMS's own words, until something else took effect after it. */
function target(state: State, record: ControllerRecord, sensors: SensorNumbers): Valued {
  const given = record.target;
  if (given && (state.command === undefined || state.since <= given.time))
    return { value: given.command, time: given.time };
  return feedback(state, record, sensors);
}

function readUnit(controller: Controller, unit: number, side: Side, name: string): Valued {
  const quantities = controller.birth.units[unit]?.[2] ?? [];
  const readings: (Reading | undefined)[] = controller.readings[unit] ?? [];
  if (/owerFactorSense$/.test(name)) {
    const reading = readings[quantities.indexOf(Quantity.ReactivePower)];
    const sense = reading && toSense(reading.value);
    return sense === undefined ? {} : { value: sense, time: reading?.time };
  }
  const at = quantities.findIndex((quantity) => MEASURES[quantity]?.[side]?.name === name);
  const measure = MEASURES[quantities[at]]?.[side];
  const reading = readings[at];
  if (!measure || !reading) return {};
  return { value: toUnit(quantities[at], measure, reading.value), time: reading.time };
}
