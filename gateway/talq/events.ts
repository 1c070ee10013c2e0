/** Events of controllers as TALQ log entries tell them. Source: TALQ 2.7.1 data model, EventLogData, StateChangeEventLogData. */
import { EventCode, Quantity, RecordKind } from '../../firmware/link/messages.ts';
import type { Controller, ControllerEvent } from '../fleet.ts';
import type { Birth } from '../wire.ts';
import { MEASURES, toReason, toTimestamp, toUnit } from './mapping.ts';
import { type Notice, noticesOf } from './notices.ts';
import { LAMP, MONITOR, meteredUnits } from './places.ts';
import type { Attribute, Command, State } from './schemas.ts';

/** One event in TALQ's words. */
export interface TalqEvent {
  /** Absent: the device. */
  functionId?: string;
  eventType: string;
  phase: 'start' | 'end' | 'instant';
  /** ms UTC */
  time: number;
  /** What was measured at that instant. */
  attributes: { functionId: string; name: string; value: Attribute }[];
  /** For people. */
  info?: string;
  /** Of a change of light: what caused it, and the state reached. */
  command?: Command;
  state?: State;
}

/**
 * @param feedback the command in action as the controller's last report tells it, with what is known of where it comes from
 * @returns none when TALQ is not told of it
 */
export function toTalqEvents(controller: Controller, event: ControllerEvent, feedback?: Command): TalqEvent[] {
  return noticesOf(controller.birth, event.code, event.unit ?? null).map((notice) => {
    const { functionId, eventType } = notice;
    const result: TalqEvent = {
      eventType,
      phase: event.phase,
      time: event.time,
      attributes: evidenceOf(controller, event),
    };
    if (functionId !== undefined) result.functionId = functionId;
    const info = infoOf(notice, event, controller.birth);
    if (info !== '') result.info = info;
    if (event.code === EventCode.LightStateChange) Object.assign(result, changeOf(event, feedback));
    return result;
  });
}

function changeOf(
  { level, first, second }: ControllerEvent,
  feedback: Command | undefined,
): Pick<TalqEvent, 'command' | 'state'> {
  const told: Command = { state: { name: 'LevelState', value: first ?? 0 }, reason: toReason(second) };
  const same = feedback?.state.value === told.state.value && feedback?.reason === told.reason;
  const state = level === undefined ? {} : { state: { name: 'LevelState', value: level } };
  return { command: same ? feedback : told, ...state };
}

function evidenceOf({ birth }: Controller, event: ControllerEvent): TalqEvent['attributes'] {
  const { level, time } = event;
  const timestamp = toTimestamp(time);
  const attributes: TalqEvent['attributes'] = [];
  if (level !== undefined) {
    const value: Attribute = { type: 'AttributeLevelState', value: { name: 'LevelState', value: level }, timestamp };
    attributes.push({ functionId: LAMP, name: 'actualLightState', value });
  }
  const quantities = birth.units[meteredUnits(birth)[0] ?? 0]?.[2] ?? [];
  const measured: [Quantity, number | undefined][] = [
    [Quantity.SupplyVoltage, event.voltage],
    [Quantity.SupplyCurrent, event.current],
    [Quantity.ActivePower, event.power],
    [Quantity.PowerFactor, event.powerFactor],
  ];
  for (const [quantity, steps] of measured) {
    const measure = MEASURES[quantity]?.monitor;
    // Only what the class describes.
    if (steps === undefined || !measure || !quantities.includes(quantity)) continue;
    const value: Attribute = { type: 'AttributeFloat', value: toUnit(quantity, measure, steps), timestamp };
    attributes.push({ functionId: MONITOR, name: measure.name, value });
  }
  return attributes;
}

/** @returns what a birth says of faults of its firmware, for people */
export function faultOf([, count, text]: NonNullable<Birth['fault']>): string {
  return `${count === 1 ? 'a fault' : `${count} faults`} of the firmware: ${text}`;
}

/** `FaultKind` for people. */
const KINDS = [
  'a task failed',
  'nobody caught it',
  'the interpreter complains',
  'a task was stuck',
  'memory was ending',
];

function infoOf(
  { vendor }: Notice,
  { code, phase, first, second, temperature, timed }: ControllerEvent,
  birth: Birth,
): string {
  const parts: string[] = [];
  if (vendor) parts.push(`${vendor.name}: ${vendor.description}`);
  const dip = code === EventCode.Sag || code === EventCode.Swell;
  if (dip && first !== undefined && second !== undefined) parts.push(`${first / 10} s, ${second / 10} V.`);
  if (code === EventCode.Dropped && first !== undefined) {
    parts.push(`${first} ${second === RecordKind.Samples ? 'batches of samples' : 'events'} so far.`);
  }
  if (code === EventCode.SupplyLoss && phase === 'start' && first !== undefined) {
    parts.push(first === 1 ? 'Seen at the input of the supply.' : 'Found out at the next start.');
  }
  if (code === EventCode.FirmwareError) {
    parts.push(`Number ${first} since the start: ${KINDS[second ?? -1] ?? 'of an unknown kind'}.`);
    if (birth.fault && birth.fault[0] === birth.boot && birth.fault[1] === first) parts.push(`${birth.fault[2]}.`);
  }
  if (temperature !== undefined) parts.push(`${temperature / 10} °C in the controller.`);
  if (!timed) parts.push('The clock was not set: the time is computed.');
  return parts.join(' ');
}
