/** Override commands: from TALQ addresses and states to controllers and what they are told. Source: TALQ 2.7.1 §5.6. */
import { Value } from 'typebox/value';
import { CommandKind } from '../../firmware/link/messages.ts';
import type { Clock } from '../clock.ts';
import { type Fleet, RESUME } from '../fleet.ts';
import type { FieldCommand } from '../wire.ts';
import { type Addressing, lampOf, resolveLamps } from './addresses.ts';
import type { Job } from './dispatch.ts';
import { deviceReference, type Refusal, refusal } from './errors.ts';
import { LONGEST_RAMP, toFieldCommand } from './mapping.ts';
import type { DeviceView, Model } from './model.ts';
import { Command, type OverrideCommand } from './schemas.ts';
import type { Timetables } from './timetables.ts';

const ATTRIBUTE = 'targetLightCommand';

/** One lamp and what it is told; `command` undefined takes the override back. `sensor`: not an override, but its voice. */
export interface Order {
  device: DeviceView;
  command: Command | undefined;
  sensor?: number;
}

/** What a request for orders is checked against. */
export interface Ordering extends Addressing {
  timetables: Timetables;
  /** ms UTC */
  now: number;
}

/** @returns the orders that a request asks for. Throws a Refusal, and then nothing was ordered. */
export function toOrders(context: Ordering, body: OverrideCommand): Order[] {
  const { addresses, targetCommand } = body;
  const { model, timetables, now } = context;
  if (!addresses?.length) {
    if (targetCommand?.reason === 'sensor') return fromSensor(model, timetables, targetCommand, now);
    throw refusal(422, 'overrideAddressNotValid', 'An override needs addresses.');
  }
  const devices = resolveLamps(context, addresses, ATTRIBUTE, 'overrideAddressNotValid', 'pass over');
  if (targetCommand) for (const device of devices) checkCommand(device, targetCommand, now);
  return devices.map((device) => ({ device, command: targetCommand }));
}

/** The CMS speaks for a sensor: every lamp whose program takes commands from it hears them. */
function fromSensor(model: Model, timetables: Timetables, command: Command, now: number): Order[] {
  const { refAddress = '' } = command;
  if (refAddress === '') throw refusal(422, 'overrideAddressNotValid', "A sensor's command needs its refAddress.");
  const reference = deviceReference(refAddress);
  const sensor = model.sensors.numberOf(model.sensorAddress(refAddress).address);
  if (sensor === undefined) {
    throw refusal(422, 'relatedResourceNotFound', 'No program and no device here knows this sensor.', reference);
  }
  if (levelOf(command) === undefined) {
    throw refusal(422, 'overrideCommandNotValid', 'A lamp takes a LevelState with a value.', reference);
  }
  checkTimes(command, now, (description) => refusal(422, 'overrideCommandNotValid', description, reference));
  if (command.start !== undefined && Date.parse(command.start) > now) {
    throw refusal(422, 'overrideCommandNotValid', 'A sensor speaks now, not later.', reference);
  }
  return timetables.listeners(sensor).map((device) => ({ device, command, sensor }));
}

/** Throws a Refusal when the lamp cannot do it. */
export function checkCommand(device: DeviceView, command: Command, now: number): void {
  const reference = deviceReference(device.address);
  const refuse = (description: string): Refusal => refusal(422, 'overrideCommandNotValid', description, reference);
  const level = levelOf(command);
  if (level === undefined) throw refuse('A lamp takes a LevelState with a value.');
  if (!hasLevel(device, level)) throw refuse(`The lamp cannot do ${level} %; see the levels of its class.`);
  checkTimes(command, now, refuse);
}

function checkTimes(command: Command, now: number, refuse: (description: string) => Refusal): void {
  const start = command.start === undefined ? now : Date.parse(command.start);
  if (command.expiration !== undefined && Date.parse(command.expiration) <= Math.max(now, start)) {
    throw refuse('The command expires before it starts.');
  }
  if (Math.max(command.rampToLevelTime ?? 0, command.rampFromLevelTime ?? 0) > LONGEST_RAMP) {
    throw refuse(`Ramps take at most ${LONGEST_RAMP} s.`);
  }
  const latest = Math.max(start, command.expiration === undefined ? 0 : Date.parse(command.expiration));
  if (start < 0 || latest > 4294967295000) throw refuse('The lamp counts time from 1970 to 2106.');
}

/** @returns whether the lamp's gear can be set to the level in %. */
export function hasLevel(device: DeviceView, level: number): boolean {
  const attribute = lampOf(device)?.attributes.find((entry) => entry.name === ATTRIBUTE);
  return (attribute?.commands?.levels ?? []).some(({ start, end }) => level >= start && level <= end);
}

/** @returns %; undefined when the state is not a lamp's. Throws a Refusal when it is no state at all. */
export function levelOf(command: Pick<Command, 'state'>): number | undefined {
  const { name, value } = command.state;
  if (!STATES.has(name.toLowerCase())) throw refusal(400, 'payloadError', `${name} is not a state.`);
  if (name.toLowerCase() !== 'levelstate' || value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 100) {
    throw refusal(400, 'payloadError', 'The value of a LevelState is an integer of 0..100.');
  }
  return value;
}

/** Source: TALQ 2.7.1 data model, State. Compared without case: the specification's examples differ from its schemas. */
const STATES = new Set(
  [
    'IntegerState',
    'FloatState',
    'BooleanState',
    'TextState',
    'RGBState',
    'LevelState',
    'PositionedTextState',
    'CCTColorState',
    'RGBWAFColorState',
    'XYColorState',
    'LevelAndCCTColorState',
    'LevelAndRGBWAFColorState',
    'LevelAndXYColorState',
  ].map((name) => name.toLowerCase()),
);

/** @returns the command in a written attribute. Throws a Refusal when it is none. */
export function toCommand(value: unknown): Command {
  if (Value.Check(Command, value)) return value;
  throw refusal(400, 'payloadError', 'The value is not a Command.');
}

/**
 * Gives the orders of a CMS to the field.
 * @param groups numbers of groups in which nobody is but those who get one and the same order
 */
export function give(
  model: Model,
  fleet: Fleet,
  clock: Clock,
  owner: string,
  orders: Order[],
  groups: readonly number[] = [],
): Job[] {
  const now = clock.now();
  const ids = orders.map(({ device }) => (device.controller as NonNullable<DeviceView['controller']>).id);
  const fields = orders.map((order, i) => toField(model, ids[i], order, now));
  const outcomes =
    groups.length > 0 ? fleet.submitGroup(groups, ids, fields[0]) : ids.map((id, i) => fleet.submit(id, fields[i]));
  return orders.map(({ device, command, sensor }, i): Job => {
    if (sensor !== undefined) return { device, outcome: outcomes[i], transient: true };
    const outcome = outcomes[i].then(async (end) => {
      if (end === 'done') await model.commanded(ids[i], owner, command && plain(command));
      return end;
    });
    return { device, outcome, again: { command: command ?? null } };
  });
}

function toField(model: Model, id: string, { command, sensor }: Order, now: number): FieldCommand {
  if (!command) return RESUME;
  const reference = command.cmsRefId === undefined ? undefined : model.shorten(id, command.cmsRefId);
  const field = toFieldCommand(command, levelOf(command) ?? 0, reference, now);
  if (sensor === undefined) return field;
  return { kind: CommandKind.Sensor, level: field.level, expiration: field.expiration, sensor };
}

/** The command as it is shown later: with its names spelt as TALQ does, and with a reason. */
function plain(command: Command): Command {
  const reason = command.reason === 'unknown' ? 'default' : (command.reason ?? 'override');
  return { ...command, state: { name: 'LevelState', value: command.state.value }, reason };
}
