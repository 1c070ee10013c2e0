/**
 * The wire format between controller and gateway: MQTT topics, CBOR keys and codes, and the resolution of every
 * quantity. The only firmware file that the gateway shares. PROTOCOL.md describes each message in CDDL (RFC 8610).
 */

/** Raised when a message changes its meaning. It is the first level of every topic. */
export const PROTOCOL_VERSION = 1;

/** Topics are `rvb1/<controller id>/<leaf>`; this is the first level. */
export const TOPIC_ROOT = 'rvb1';

/** Last level of a topic. Controller to gateway unless said otherwise. */
export const enum Leaf {
  /** Retained, QoS 1: who the controller is and what it can do. Sent after every connection. */
  Birth = 'birth',
  /** Retained, QoS 1: one CBOR unsigned integer, 1 online, 0 offline (the last will). */
  Link = 'link',
  /** QoS 1: state and readings. */
  Report = 'report',
  /** QoS 1: what became of a command. */
  Ack = 'ack',
  /** Gateway to controller, QoS 1, never retained. */
  Command = 'cmd',
  /** Gateway to controller, QoS 0, never retained: UTC. */
  Time = 'time',
}

/** Keys of the birth map. */
export const enum BirthKey {
  /** PROTOCOL_VERSION */
  Protocol = 0,
  /** Board configuration's name, text. */
  Board = 1,
  /** Firmware version, text. */
  Version = 2,
  /** Number of boots of this controller, this one included. */
  Boot = 3,
  /** `ResetCode` */
  Reset = 4,
  /** `ControlType` of the lamp's gear. */
  Control = 5,
  /** %: lowest lit level. */
  MinimumLevel = 6,
  /** %: level without program, clock or link. */
  DefaultLevel = 7,
  /** Array, an item a Modbus unit: [unit address, profile name, [quantity codes]]. */
  Units = 8,
}

/** Keys of the report map. Absent means unknown, never zero. */
export const enum ReportKey {
  /** Counts reports since boot, from 1. */
  Number = 0,
  /** s UTC of the snapshot; absent while the clock is unknown. */
  Time = 1,
  /** s since boot of the snapshot. */
  Uptime = 2,
  /** % in command scale that the lamp gives now. */
  Level = 3,
  /** % of the command in action. */
  Command = 4,
  /** `Reason` of the command in action. */
  Reason = 5,
  /** Reference that came with the override in action, text; absent otherwise. */
  Reference = 6,
  /** Boot number: with `Number` it names a report for ever. */
  Boot = 7,
  /** s UTC at which the command in action took effect; absent while the clock is unknown. */
  Since = 8,
  /** s UTC at which the override in action expires; absent without one. */
  Expiration = 9,
  /** Array in the birth's order of units: null (never read) or [age in s, values in the birth's order, null = never read]. */
  Units = 10,
}

/** Keys of the command map. */
export const enum CommandKey {
  /** Chosen by the gateway, echoed in the ack. */
  Number = 0,
  /** `CommandKind` */
  Kind = 1,
  /** %, of an override. */
  Level = 2,
  /** s UTC; absent: now. */
  Start = 3,
  /** s UTC; absent: until the next override or resume. */
  Expiration = 4,
  /** 0.1 s: ramp to the level. */
  RampTo = 5,
  /** 0.1 s: ramp back when the override ends. */
  RampFrom = 6,
  /** Text of at most 64 bytes (TALQ cmsRefId), echoed in reports. */
  Reference = 7,
}

export const enum CommandKind {
  Override = 0,
  Resume = 1,
}

/** Keys of the ack map. */
export const enum AckKey {
  Number = 0,
  /** `AckCode` */
  Code = 1,
}

export const enum AckCode {
  Done = 0,
  /** Not a command map, or a value out of range. */
  Malformed = 1,
  /** Expired before it arrived. */
  Expired = 2,
  /** Needs UTC and the controller has none yet. */
  NoClock = 3,
}

/** Keys of the time map. Two integers, because CBOR libraries differ on 64-bit integers. */
export const enum TimeKey {
  /** s UTC since 1970 */
  Seconds = 0,
  /** ms within the second */
  Milliseconds = 1,
}

/** Who decided the level. TALQ 2.7.1 `Command.reason`. */
export const enum Reason {
  Default = 0,
  Override = 1,
  Sensor = 2,
  Program = 3,
}

/** Codes of `ResetReason` in hal.ts. */
export const enum ResetCode {
  Unknown = 0,
  Power = 1,
  Watchdog = 2,
  Software = 3,
  Brownout = 4,
}

/** TALQ 2.7.1 `LampType.controlType`. */
export const enum ControlType {
  Switch = 0,
  Analog = 1,
}

/** What a unit measures. Values travel as integers in steps of `RESOLUTION[code]`. */
export const enum Quantity {
  SupplyVoltage = 0,
  SupplyCurrent = 1,
  ActivePower = 2,
  ReactivePower = 3,
  ApparentPower = 4,
  /** Signed as the meter signs it; TALQ splits it into 0..1 and lead/lag. */
  PowerFactor = 5,
  Frequency = 6,
  /** Imported. */
  ActiveEnergy = 7,
  ExportedEnergy = 8,
  ReactiveEnergy = 9,
}
