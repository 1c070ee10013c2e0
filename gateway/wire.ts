/** The link's CBOR messages, from and to plain objects. What comes from outside is bounded, checked and typed here. */
import { Encoder } from 'cbor-x';
import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import {
  AckCode,
  AckKey,
  BirthKey,
  CommandKey,
  type CommandKind,
  ControlType,
  Counter,
  EventItem,
  LogKey,
  Phase,
  PROTOCOL_VERSION,
  Quantity,
  Reason,
  type RecordKind,
  ReportKey,
  ResetCode,
  TimeKey,
} from '../firmware/link/messages.ts';
import type { Wrap } from './seal.ts';

/** Bytes of the longest message that is looked at. */
export const LONGEST_MESSAGE = 4096;
/** Maps, arrays in them, arrays in those: nothing in the format lies deeper. */
const DEEPEST = 4;

const uint32 = Type.Integer({ minimum: 0, maximum: 4294967295 });
const percent = Type.Integer({ minimum: 0, maximum: 100 });
const whole = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
/** What happened: an `EventCode` or a limit. Newer firmware may know more of them. */
const code = Type.Integer({ minimum: 0, maximum: 1023 });
const unitIndex = Type.Integer({ minimum: 0, maximum: 15 });
const nullable = <T extends TSchema>(schema: T) => Type.Union([Type.Null(), schema]);

/** Who a controller is and what it can do, see `BirthKey`. */
export type Birth = Static<typeof Birth>;
export const Birth = Type.Object({
  protocol: Type.Literal(PROTOCOL_VERSION),
  board: Type.String({ minLength: 1, maxLength: 64 }),
  version: Type.String({ minLength: 1, maxLength: 64 }),
  boot: uint32,
  reset: Type.Integer({ minimum: ResetCode.Unknown, maximum: ResetCode.Brownout }),
  control: Type.Integer({ minimum: ControlType.Switch, maximum: ControlType.Analog }),
  minimumLevel: percent,
  defaultLevel: percent,
  units: Type.Array(
    Type.Tuple([
      Type.Integer({ minimum: 0, maximum: 255 }),
      Type.String({ maxLength: 64 }),
      Type.Array(Type.Integer({ minimum: 0, maximum: Quantity.Phase3PowerFactor }), {
        maxItems: 32,
        uniqueItems: true,
      }),
    ]),
    { maxItems: 16 },
  ),
  limits: Type.Optional(
    Type.Tuple([
      uint32,
      Type.Integer({ minimum: 0, maximum: 255 }),
      Type.Integer({ minimum: 0, maximum: 255 }),
      Type.Integer({ minimum: 0, maximum: 255 }),
    ]),
  ),
  /** Version of the configuration in force, and its check value. */
  configuration: Type.Optional(Type.Tuple([Type.Integer({ minimum: 1, maximum: 4294967295 }), uint32])),
  presence: Type.Optional(Type.Integer({ minimum: 0, maximum: 1 })),
  events: Type.Optional(Type.Array(code, { maxItems: 64, uniqueItems: true })),
  groups: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), { maxItems: 64, uniqueItems: true })),
  /** 8 bytes in hexadecimal. */
  session: Type.Optional(Type.String({ pattern: '^[0-9a-f]{16}$' })),
  /** Boot in which something went wrong, how often, and the latest of it. */
  fault: Type.Optional(Type.Tuple([uint32, uint32, Type.String({ maxLength: 64 })])),
});

/** State and readings of one instant, see `ReportKey`. Absent is unknown. */
export type Report = Static<typeof Report>;
export const Report = Type.Object({
  number: Type.Optional(uint32),
  time: Type.Optional(uint32),
  uptime: Type.Optional(uint32),
  level: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  command: Type.Optional(percent),
  reason: Type.Optional(Type.Integer({ minimum: Reason.Default, maximum: Reason.Test })),
  reference: Type.Optional(Type.String({ maxLength: 64 })),
  boot: Type.Optional(uint32),
  since: Type.Optional(uint32),
  expiration: Type.Optional(uint32),
  units: Type.Optional(
    Type.Array(Type.Union([Type.Null(), Type.Array(Type.Union([Type.Null(), whole]), { minItems: 1, maxItems: 33 })]), {
      maxItems: 16,
    }),
  ),
  program: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
  control: Type.Optional(Type.Integer({ minimum: 0, maximum: 1023 })),
  sensor: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
  cap: Type.Optional(percent),
  presence: Type.Optional(Type.Integer({ minimum: 0, maximum: 1 })),
  /** By `Counter`. */
  counters: Type.Optional(
    Type.Array(nullable(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })), {
      maxItems: Counter.LevelTime + 10,
    }),
  ),
  /** What holds now: code and the unit's index, null for the controller or its lamp. */
  active: Type.Optional(Type.Array(Type.Tuple([code, nullable(unitIndex)]), { maxItems: 64 })),
  /** Messages refused since boot. */
  refused: Type.Optional(uint32),
  /** s since the clock was last confirmed. */
  clockAge: Type.Optional(uint32),
});

/** What happened at one instant, see `EventItem`. Absent is unknown. */
export type FieldEvent = Static<typeof FieldEvent>;
export const FieldEvent = Type.Object({
  number: uint32,
  code,
  phase: Type.Integer({ minimum: Phase.End, maximum: Phase.Instant }),
  /** s since boot */
  uptime: uint32,
  /** s UTC */
  time: Type.Optional(uint32),
  /** Index in the birth; absent: the controller or its lamp. */
  unit: Type.Optional(unitIndex),
  level: Type.Optional(percent),
  voltage: Type.Optional(whole),
  current: Type.Optional(whole),
  power: Type.Optional(whole),
  powerFactor: Type.Optional(whole),
  temperature: Type.Optional(whole),
  first: Type.Optional(whole),
  second: Type.Optional(whole),
  /** The boot that the uptime counts from, where the time is unknown. */
  ofBoot: Type.Optional(uint32),
});

/** Events of one boot, in the order in which they happened. */
export type Events = Static<typeof Events>;
export const Events = Type.Object({ boot: uint32, events: Type.Array(FieldEvent, { minItems: 1, maxItems: 64 }) });

/** Recorded samples, still packed, see `LogKey`. */
export type Batch = Static<typeof Batch>;
export const Batch = Type.Object({
  number: uint32,
  boot: uint32,
  /** s UTC of the first instant */
  start: uint32,
  /** s */
  period: Type.Integer({ minimum: 1, maximum: 86400 }),
  columns: Type.Array(code, { minItems: 1, maxItems: 32, uniqueItems: true }),
  count: Type.Integer({ minimum: 1, maximum: 4096 }),
  samples: Type.Unsafe<Uint8Array>(Type.Refine(Type.Unknown(), (value) => value instanceof Uint8Array)),
});

/** What became of a command, see `AckKey`. */
export type Ack = Static<typeof Ack>;
export const Ack = Type.Object({
  number: uint32,
  code: Type.Integer({ minimum: AckCode.Done, maximum: AckCode.Drift }),
  /** % and reason of the command in action once it was obeyed. */
  level: Type.Optional(percent),
  reason: Type.Optional(Type.Integer({ minimum: Reason.Default, maximum: Reason.Test })),
});

const Link = Type.Union([Type.Literal(0), Type.Literal(1)]);

/** An order to one controller, in the units of the wire. */
export interface FieldCommand {
  kind: CommandKind;
  /** %; in a configuration null: the product's own */
  level?: number | null;
  /** s UTC */
  start?: number;
  expiration?: number;
  /** 0.1 s */
  rampTo?: number;
  rampFrom?: number;
  /** at most 64 bytes */
  reference?: string;
  /** Of a configuration; null: the product's own. An empty timetable: none. */
  timetable?: Uint8Array | null;
  sensor?: number;
  monitoring?: Uint8Array | null;
  /** `Counter` and value, … */
  counters?: number[];
  /** Record of groups with their keys, see `GROUP`. */
  groups?: Uint8Array | null;
  /** Of what results. */
  version?: number;
  check?: number;
  /** ms UTC at which all who get it obey it together, 5 s ahead at most. */
  at?: number;
}

const BIRTH_FIELDS: [number, keyof Birth][] = [
  [BirthKey.Protocol, 'protocol'],
  [BirthKey.Board, 'board'],
  [BirthKey.Version, 'version'],
  [BirthKey.Boot, 'boot'],
  [BirthKey.Reset, 'reset'],
  [BirthKey.Control, 'control'],
  [BirthKey.MinimumLevel, 'minimumLevel'],
  [BirthKey.DefaultLevel, 'defaultLevel'],
  [BirthKey.Units, 'units'],
  [BirthKey.Limits, 'limits'],
  [BirthKey.Configuration, 'configuration'],
  [BirthKey.Presence, 'presence'],
  [BirthKey.Events, 'events'],
  [BirthKey.Groups, 'groups'],
  [BirthKey.Session, 'session'],
  [BirthKey.Fault, 'fault'],
];
const REPORT_FIELDS: [number, keyof Report][] = [
  [ReportKey.Number, 'number'],
  [ReportKey.Time, 'time'],
  [ReportKey.Uptime, 'uptime'],
  [ReportKey.Level, 'level'],
  [ReportKey.Command, 'command'],
  [ReportKey.Reason, 'reason'],
  [ReportKey.Reference, 'reference'],
  [ReportKey.Boot, 'boot'],
  [ReportKey.Since, 'since'],
  [ReportKey.Expiration, 'expiration'],
  [ReportKey.Units, 'units'],
  [ReportKey.Program, 'program'],
  [ReportKey.Control, 'control'],
  [ReportKey.Sensor, 'sensor'],
  [ReportKey.Cap, 'cap'],
  [ReportKey.Presence, 'presence'],
  [ReportKey.Counters, 'counters'],
  [ReportKey.Active, 'active'],
  [ReportKey.Refused, 'refused'],
  [ReportKey.ClockAge, 'clockAge'],
];
const EVENT_FIELDS: [number, keyof FieldEvent][] = [
  [EventItem.Number, 'number'],
  [EventItem.Code, 'code'],
  [EventItem.Phase, 'phase'],
  [EventItem.Uptime, 'uptime'],
  [EventItem.Time, 'time'],
  [EventItem.Unit, 'unit'],
  [EventItem.Level, 'level'],
  [EventItem.Voltage, 'voltage'],
  [EventItem.Current, 'current'],
  [EventItem.Power, 'power'],
  [EventItem.PowerFactor, 'powerFactor'],
  [EventItem.Temperature, 'temperature'],
  [EventItem.First, 'first'],
  [EventItem.Second, 'second'],
  [EventItem.Boot, 'ofBoot'],
];
const BATCH_FIELDS: [number, keyof Batch][] = [
  [LogKey.Number, 'number'],
  [LogKey.Epoch, 'boot'],
  [LogKey.Start, 'start'],
  [LogKey.Period, 'period'],
  [LogKey.Columns, 'columns'],
  [LogKey.Count, 'count'],
  [LogKey.Samples, 'samples'],
];
const ACK_FIELDS: [number, keyof Ack][] = [
  [AckKey.Number, 'number'],
  [AckKey.Code, 'code'],
  [AckKey.Level, 'level'],
  [AckKey.Reason, 'reason'],
];

// `int64AsNumber` and `useTag259ForMaps` are missing in the package's types.
const codec = new Encoder({
  useRecords: false,
  variableMapSize: true,
  tagUint8Array: false,
  mapsAsObjects: false,
  useTag259ForMaps: false,
  int64AsNumber: true,
} as ConstructorParameters<typeof Encoder>[0]);

export const decodeBirth = decoder(Birth, (value) => {
  const birth = named(value, BIRTH_FIELDS) as { session?: unknown };
  if (birth.session instanceof Uint8Array) birth.session = Buffer.from(birth.session).toString('hex');
  return birth;
});
export const decodeReport = decoder(Report, (value) => {
  const report = named(value, REPORT_FIELDS) as { active?: unknown };
  if (Array.isArray(report.active)) report.active = pairs(report.active);
  return report;
});
export const decodeAck = decoder(Ack, (value) => named(value, ACK_FIELDS));
export const decodeEvents = decoder(Events, (value) => {
  if (!Array.isArray(value)) return value;
  const [boot, ...events] = value;
  return { boot, events: events.map(placed) };
});
export const decodeBatch = decoder(Batch, (value) => named(value, BATCH_FIELDS));

/** A message of numbered records, looked at no closer than needed to keep them. */
export interface Records {
  epoch: number;
  /** `content`: a message with this one alone. */
  records: { number: number; content: Uint8Array }[];
}

const decodeNumbers = decoder(
  Type.Object({
    epoch: uint32,
    items: Type.Array(
      Type.Refine(Type.Array(Type.Unknown()), ([number]) => Value.Check(uint32, number)),
      {
        minItems: 1,
        maxItems: 64,
      },
    ),
  }),
  (value) => (Array.isArray(value) ? { epoch: value[0], items: value.slice(1) } : value),
);
const decodeName = decoder(Type.Object({ boot: uint32, number: uint32 }), (value) => named(value, BATCH_FIELDS));

/** @returns each event by itself, or why there are none */
export function splitEvents(payload: Uint8Array): Records | Error {
  const message = decodeNumbers(payload);
  if (message instanceof Error) return message;
  const { epoch, items } = message;
  return { epoch, records: items.map((item) => ({ number: item[0] as number, content: codec.encode([epoch, item]) })) };
}

/** @returns the batch of samples, or why it is none */
export function splitBatch(payload: Uint8Array): Records | Error {
  const message = decodeName(payload);
  if (message instanceof Error) return message;
  return { epoch: message.boot, records: [{ number: message.number, content: payload }] };
}

/** @returns CBOR that tells a controller that records of a kind are durable, from the first to the last number. */
export function encodeGot(kind: RecordKind, epoch: number, from: number, to: number): Buffer {
  return codec.encode([kind, epoch, from, to]);
}
export const decodeLink = decoder(Link, (value) => value);
/** ms since the boot of who asks what time it is. */
export const decodeAsk = decoder(uint32, (value) => value);

/**
 * @param wrap wraps the keys in a record of groups
 * @returns the command as CBOR with `number` in it.
 */
export function encodeCommand(number: number, command: FieldCommand, wrap?: Wrap): Buffer {
  const groups = wrap && command.groups ? wrap(command.groups) : command.groups;
  const message = new Map<number, unknown>([
    [CommandKey.Number, number],
    [CommandKey.Kind, command.kind],
  ]);
  const optional: [number, unknown][] = [
    [CommandKey.Level, command.level],
    [CommandKey.Start, command.start],
    [CommandKey.Expiration, command.expiration],
    [CommandKey.RampTo, command.rampTo],
    [CommandKey.RampFrom, command.rampFrom],
    [CommandKey.Reference, command.reference],
    [CommandKey.Timetable, command.timetable],
    [CommandKey.Sensor, command.sensor],
    [CommandKey.Monitoring, command.monitoring],
    [CommandKey.Counters, command.counters],
    [CommandKey.Groups, groups],
    [CommandKey.At, command.at === undefined ? undefined : Math.ceil(command.at / 100) % 600],
    [CommandKey.Version, command.version],
    [CommandKey.Check, command.check],
  ];
  for (const [key, value] of optional) if (value !== undefined) message.set(key, value);
  return codec.encode(message);
}

/** @param time ms UTC. @param echo the uptime that was asked with */
export function encodeTime(time: number, echo: number): Buffer {
  const milliseconds = Math.floor(time);
  return codec.encode(
    new Map([
      [TimeKey.Seconds, Math.floor(milliseconds / 1000)],
      [TimeKey.Milliseconds, milliseconds % 1000],
      [TimeKey.Echo, echo],
    ]),
  );
}

/** @returns a function that gives the message, or why it is none. */
function decoder<T extends TSchema>(schema: T, shape: (value: unknown) => unknown) {
  const check = Compile(schema);
  return (payload: Uint8Array): Static<T> | Error => {
    if (payload.length > LONGEST_MESSAGE) return new Error(`${payload.length} bytes are too many`);
    const fault = inspect(payload);
    if (fault !== undefined) return new Error(fault);
    try {
      const value = shape(codec.decode(payload));
      if (check.Check(value)) return value as Static<T>;
      const first = check.Errors(value)[0];
      return new Error(`${first?.instancePath || 'message'} ${first?.message}`);
    } catch (error) {
      return error as Error;
    }
  };
}

/** Integer keys to names; unknown keys are left out, so that a newer firmware can say more. */
function named(value: unknown, fields: [number, string][]): unknown {
  if (!(value instanceof Map)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, name] of fields) if (value.has(key)) result[name] = value.get(key);
  return result;
}

/** @returns the items two by two, the last alone when their number is odd. */
function pairs(items: unknown[]): unknown[][] {
  return items.flatMap((item, i) => (i % 2 === 0 ? [[item, ...items.slice(i + 1, i + 2)]] : []));
}

/** Places of an array to names; null is absent, and what comes after the last known place is left out. */
function placed(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [place, name] of EVENT_FIELDS) {
    if (value[place] !== null && value[place] !== undefined) result[name] = value[place];
  }
  return result;
}

/**
 * Walks over one CBOR item without building anything, so that the decoder only ever sees input of bounded depth,
 * without tags and without lengths that lie. Source: RFC 8949 section 3 and appendix C.
 * @returns why the payload is refused, undefined when it is well-formed
 */
function inspect(payload: Uint8Array): string | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const open: number[] = []; // items still due at each level
  let due = 1;
  let at = 0;
  for (;;) {
    while (due === 0) {
      const outer = open.pop();
      if (outer === undefined) return at === payload.length ? undefined : 'bytes after the end';
      due = outer;
    }
    if (at >= payload.length) return 'truncated';
    const major = payload[at] >> 5;
    const short = payload[at] & 31;
    at++;
    due--;
    if (short > 27) return 'indefinite length';
    const width = short < 24 ? 0 : 1 << (short - 24);
    if (at + width > payload.length) return 'truncated';
    let count = short;
    if (width === 1) count = view.getUint8(at);
    else if (width === 2) count = view.getUint16(at);
    else if (width === 4) count = view.getUint32(at);
    else if (width === 8) count = view.getUint32(at) * 4294967296 + view.getUint32(at + 4);
    at += width;
    if (major === 6) return 'a tag';
    if (major === 2 || major === 3) {
      if (count > payload.length - at) return 'truncated';
      at += count;
    } else if (major === 4 || major === 5) {
      const items = major === 4 ? count : 2 * count;
      if (items > payload.length - at) return 'truncated';
      if (open.length >= DEEPEST) return 'nested too deeply';
      open.push(due);
      due = items;
    }
  }
}
