/**
 * The resources of the TALQ API as this gateway uses them: JSON schemas and TypeScript types from one source. Names,
 * required members and enumerations as in TALQ 2.7.1 (data model); unknown members are allowed and ignored.
 */
import Type, { type Static } from 'typebox';

/** Any version; compared without regard to case. */
const UUID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';
export const Uuid = Type.String({ pattern: UUID });

export type Reference = Static<typeof Reference>;
export const Reference = Type.Object({ resource: Type.String(), address: Type.String({ maxLength: 1024 }) });

/** Keys of errors. Source: TALQ 2.7.1 §3.5. */
export type ErrorKey =
  | 'headerMissing'
  | 'headerValueNotValid'
  | 'parameterMissing'
  | 'parameterValueNotValid'
  | 'payloadError'
  | 'genericError'
  | 'resourceNotFound'
  | 'resourceConflict'
  | 'relatedResourceNotFound'
  | 'deletingResourceIsReferred'
  | 'serviceConstraintExceeded'
  | 'assignmentEntityNotValid'
  | 'assignmentAddressNotValid'
  | 'overrideCommandNotValid'
  | 'overrideAddressNotValid';

export interface ErrorMessage {
  key: ErrorKey;
  /** `{tag}` points into `references`. */
  description?: string;
  references?: { address: Reference; tag?: string }[];
}

const timestamp = Type.String({ format: 'date-time' });

/** The state of a lamp or another actuator. Lamps take a LevelState with a value of 0..100 %. */
export type State = Static<typeof State>;
export const State = Type.Object({ name: Type.String(), value: Type.Optional(Type.Unknown()) });

export type Command = Static<typeof Command>;
export const Command = Type.Object({
  state: State,
  /** s */
  rampToLevelTime: Type.Optional(Type.Number({ minimum: 0 })),
  rampFromLevelTime: Type.Optional(Type.Number({ minimum: 0 })),
  /** 'unknown' is in the specification's text only; it is read as 'default'. */
  reason: Type.Optional(
    Type.Union([
      Type.Literal('default'),
      Type.Literal('override'),
      Type.Literal('sensor'),
      Type.Literal('program'),
      Type.Literal('unknown'),
    ]),
  ),
  cmsRefId: Type.Optional(Type.String({ maxLength: 1024 })),
  refAddress: Type.Optional(Type.String({ maxLength: 1024 })),
  start: Type.Optional(timestamp),
  expiration: Type.Optional(timestamp),
});

export type OverrideCommand = Static<typeof OverrideCommand>;
export const OverrideCommand = Type.Object({
  addresses: Type.Optional(Type.Array(Reference, { maxItems: 100000 })),
  targetCommand: Type.Optional(Command),
});

export type AssignCommand = Static<typeof AssignCommand>;
export const AssignCommand = Type.Object({
  addresses: Type.Array(Reference, { maxItems: 100000 }),
  entity: Reference,
  cmsRefId: Type.Optional(Type.String({ maxLength: 1024 })),
});

/** An attribute in a request: its type may be missing, the device class knows it. */
export type AttributeBody = Static<typeof AttributeBody>;
export const AttributeBody = Type.Object({
  type: Type.Optional(Type.String()),
  timestamp: Type.Optional(timestamp),
  value: Type.Optional(Type.Unknown()),
});

/** A function in a request: attributes are the other members. */
export type FunctionBody = Static<typeof FunctionBody>;
export const FunctionBody = Type.Intersect([
  Type.Object({ id: Type.String(), type: Type.Optional(Type.String()) }),
  Type.Record(Type.String(), Type.Unknown()),
]);

export type DeviceBody = Static<typeof DeviceBody>;
export const DeviceBody = Type.Object({
  address: Type.Optional(Uuid),
  name: Type.Optional(Type.String({ maxLength: 256 })),
  class: Type.Optional(Type.String()),
  functions: Type.Optional(Type.Array(FunctionBody, { maxItems: 100 })),
});
export const DeviceBodies = Type.Array(Type.Intersect([DeviceBody, Type.Object({ address: Uuid })]), {
  maxItems: 100000,
});

/** Devices that a CMS creates: without an address, or with that of nobody, they get one. */
export const NewDeviceBodies = Type.Array(Type.Intersect([DeviceBody, Type.Object({ class: Type.String() })]), {
  maxItems: 10000,
});

/** An attribute in an answer. Without a value: it exists, but was never set or measured. */
export interface Attribute {
  type: string;
  value?: unknown;
  timestamp?: string;
}
export interface TalqFunction {
  id: string;
  type: string;
  [attribute: string]: string | Attribute;
}
export interface Device {
  address: string;
  name: string;
  class: string;
  functions: TalqFunction[];
}
export interface AttributeDesc {
  name: string;
  minValue?: number;
  maxValue?: number;
  readOnly?: boolean;
  enumValues?: string[];
  unit?: string;
  commands?: {
    scope: 'default';
    states: { name: string }[];
    levels: { start: number; end: number }[];
    attributes: string[];
  };
}
export interface DeviceClass {
  name: string;
  functions: {
    functionId: string;
    type: string;
    attributes: AttributeDesc[];
    events: { type: string }[];
    vendorEvents?: { name: string; description: string }[];
  }[];
}
export interface Service {
  name: string;
  [field: string]: unknown;
}

export const DeviceParams = Type.Object({ deviceAddress: Uuid });
export const FunctionParams = Type.Object({ deviceAddress: Uuid, functionId: Type.String() });
export type AttributeParams = Static<typeof AttributeParams>;
export const AttributeParams = Type.Object({
  deviceAddress: Uuid,
  functionId: Type.String(),
  attributeName: Type.String(),
});
export const ServiceParams = Type.Object({ serviceName: Type.String() });
export const ClassParams = Type.Object({ className: Type.String() });
/** Ids of calendars and programs are text of any kind, percent-encoded in a path. */
export type IdParams = Static<typeof IdParams>;
export const IdParams = Type.Object({ id: Type.String() });
export const CountQuery = Type.Object({ deviceClasses: Type.Optional(Type.Array(Type.String())) });
export const DevicesQuery = Type.Object({
  deviceClasses: Type.Optional(Type.Array(Type.String())),
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 0 })),
});
export const FunctionQuery = Type.Object({ attributeScope: Type.Optional(Type.String()) });
