/** Override commands: from TALQ addresses and states to controllers and what they are told. Source: TALQ 2.7.1 §5.6. */
import { Value } from 'typebox/value';
import type { Clock } from '../clock.ts';
import { type Fleet, type Outcome, RESUME } from '../fleet.ts';
import type { FieldCommand } from '../wire.ts';
import { deviceReference, type Refusal, refusal } from './errors.ts';
import { LONGEST_RAMP, toFieldCommand } from './mapping.ts';
import type { DeviceView, Model } from './model.ts';
import { Command, type OverrideCommand, type Reference } from './schemas.ts';

/** ms of the gateway's time that an answer waits for the controllers. */
const PATIENCE = 2000;
/** ms of real time after which it no longer waits, should the gateway's time stand still. */
const REAL_PATIENCE = 10000;
const ATTRIBUTE = 'targetLightCommand';

/** One lamp and what it is told; `command` undefined takes the override back. */
export interface Order {
  device: DeviceView;
  command: Command | undefined;
}

/** @returns the orders that a request asks for. Throws a Refusal, and then nothing was ordered. */
export function toOrders(model: Model, body: OverrideCommand, now: number): Order[] {
  const { addresses, targetCommand } = body;
  if (!addresses?.length) {
    if (targetCommand?.reason === 'sensor') {
      throw refusal(422, 'serviceConstraintExceeded', 'No program here has an ExternalControlEffect.');
    }
    throw refusal(422, 'overrideAddressNotValid', 'An override needs addresses.');
  }
  const devices = new Map<string, DeviceView>();
  for (const address of addresses) for (const device of resolve(model, address)) devices.set(device.address, device);
  if (devices.size === 0) {
    throw refusal(422, 'overrideAddressNotValid', 'None of the addresses has a lamp actuator.', ...addresses);
  }
  if (targetCommand) for (const device of devices.values()) checkCommand(device, targetCommand, now);
  return [...devices.values()].map((device) => ({ device, command: targetCommand }));
}

function resolve(model: Model, reference: Reference): DeviceView[] {
  if (reference.resource === 'groups') {
    throw refusal(422, 'relatedResourceNotFound', 'There is no such group.', reference);
  }
  if (reference.resource !== 'devices') {
    throw refusal(422, 'overrideAddressNotValid', `Commands go to devices, not to ${reference.resource}.`, reference);
  }
  const [address, functionId, attribute, ...more] = reference.address.split('/');
  const device = model.find(address);
  if (!device) throw refusal(422, 'relatedResourceNotFound', 'There is no such device.', reference);
  if (functionId === undefined) return lampOf(device) ? [device] : [];
  const spec = device.functions.find((entry) => entry.id === functionId);
  if (!spec) throw refusal(422, 'relatedResourceNotFound', 'The device has no such function.', reference);
  if (attribute !== undefined && !spec.attributes.some((entry) => entry.name === attribute)) {
    throw refusal(422, 'relatedResourceNotFound', 'The function has no such attribute.', reference);
  }
  const fits = lampOf(device) === spec && (attribute === undefined || attribute === ATTRIBUTE);
  if (!fits || more.length > 0) {
    throw refusal(422, 'overrideAddressNotValid', 'This is not a lamp actuator or its command.', reference);
  }
  return [device];
}

function lampOf(device: DeviceView) {
  return device.functions.find((spec) => spec.type === 'LampActuatorFunction');
}

/** Throws a Refusal when the lamp cannot do it. */
export function checkCommand(device: DeviceView, command: Command, now: number): void {
  const reference = deviceReference(device.address);
  const refuse = (description: string): Refusal => refusal(422, 'overrideCommandNotValid', description, reference);
  const level = levelOf(command);
  if (level === undefined) throw refuse('A lamp takes a LevelState with a value.');
  const attribute = lampOf(device)?.attributes.find((entry) => entry.name === ATTRIBUTE);
  const levels = attribute?.commands?.levels ?? [];
  if (!levels.some(({ start, end }) => level >= start && level <= end)) {
    throw refuse(`The lamp cannot do ${level} %; see the levels of its class.`);
  }
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

/** @returns %; undefined when the state is not a lamp's. Throws a Refusal when it is no state at all. */
function levelOf(command: Command): number | undefined {
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

/** What came of orders within the time an answer waits. */
export interface Dispatch {
  /** All controllers took them. False: some have not answered yet. */
  finished: boolean;
  /** Resolves when all are settled, with the devices whose controllers took theirs. */
  rest: Promise<DeviceView[]>;
}

/** Gives orders to the field. Throws a Refusal naming the lamps that refuse; the others obey all the same. */
export async function dispatch(model: Model, fleet: Fleet, clock: Clock, orders: Order[]): Promise<Dispatch> {
  const results = orders.map(async ({ device, command }): Promise<{ device: DeviceView; outcome: Outcome }> => {
    const { id } = device.controller as NonNullable<DeviceView['controller']>;
    const outcome = await fleet.submit(id, toField(model, id, command, clock.now()));
    if (outcome === 'done') await model.commanded(id, command && plain(command));
    return { device, outcome };
  });
  const all = Promise.all(results);
  const settled = await within(clock, all);
  const refused = settled?.filter(({ outcome }) => outcome === 'refused' || outcome === 'expired') ?? [];
  if (refused.length > 0) {
    const references = refused.map(({ device }) => deviceReference(device.address));
    throw refusal(422, 'overrideCommandNotValid', 'These lamps refused the command.', ...references);
  }
  return {
    finished: settled !== undefined,
    rest: all.then((ends) => ends.filter(({ outcome }) => outcome === 'done').map(({ device }) => device)),
  };
}

function toField(model: Model, id: string, command: Command | undefined, now: number): FieldCommand {
  if (!command) return RESUME;
  const reference = command.cmsRefId === undefined ? undefined : model.shorten(id, command.cmsRefId);
  return toFieldCommand(command, levelOf(command) ?? 0, reference, now);
}

/** The command as it is shown later: with its names spelt as TALQ does, and with a reason. */
function plain(command: Command): Command {
  const reason = command.reason === 'unknown' ? 'default' : (command.reason ?? 'override');
  return { ...command, state: { name: 'LevelState', value: command.state.value }, reason };
}

/** @returns undefined when it takes longer than an answer waits. */
function within<T>(clock: Clock, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      clearTimeout(timer);
    };
    const late = (): void => {
      stop();
      resolve(undefined);
    };
    const cancel = clock.after(PATIENCE, late);
    const timer = setTimeout(late, REAL_PATIENCE);
    work.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error) => {
        stop();
        reject(error);
      },
    );
  });
}
