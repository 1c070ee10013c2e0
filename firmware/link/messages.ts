/**
 * The wire format between controller and gateway: MQTT topics, CBOR keys and codes, and the resolution of every
 * quantity. The only firmware file that the gateway shares. PROTOCOL.md describes each message in CDDL (RFC 8610).
 */

/** Raised when a message changes its meaning. It is the first level of every topic. */
export const PROTOCOL_VERSION = 1;

/** Topics are `rvb1/<controller id>/<leaf>`; this is the first level. */
export const TOPIC_ROOT = 'rvb1';

/**
 * Presence travels from pole to pole without the gateway: on the topic `rvb1g/<group>`, QoS 0, as the CBOR array
 * [sensor number, s]: somebody is there, for so long unless it is said again; 0: nobody any more. Which group a controller
 * belongs to is told at its installation.
 */
export const GROUP_ROOT = 'rvb1g';

/**
 * Gateway to controllers, QoS 1, never retained: a command for all that listen to the group, on the topic
 * `rvb1c/<group number>`. Each acknowledges it on its own topic. Groups have numbers of 1..65535.
 */
export const COMMAND_GROUP_ROOT = 'rvb1c';

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
  /** QoS 1: what happened, until it is durable at the gateway: [epoch, event, …], see `EventItem`. */
  Event = 'event',
  /** QoS 1: recorded samples, see `LogKey`. */
  Log = 'log',
  /** Gateway to controller, QoS 1, never retained. */
  Command = 'cmd',
  /** QoS 0: what time is it? CBOR unsigned, ms since boot modulo 2^32, which the answer echoes. */
  Ask = 'ask',
  /** Gateway to controller, QoS 0, never retained: UTC. */
  Time = 'time',
  /** Gateway to controller, QoS 1, never retained: what is durable and need not be kept any longer, [kind, epoch, from, to]. */
  Got = 'got',
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
  /** Array, an item a Modbus unit: [unit address, profile name, [quantity codes]]. */
  Units = 7,
  /** What a timetable may hold: [bytes, rules, programs, switch points a program]. */
  Limits = 8,
  /** %: level without program, clock or link. */
  DefaultLevel = 9,
  /** The configuration in force: [version, check value], see `ConfigurationItem`; absent: never given any. */
  Configuration = 10,
  /** Number of presence inputs, 0 or 1. */
  Presence = 11,
  /** `EventCode`s that this product can tell, limits of `Limit` codes apart: those follow from its units. */
  Events = 12,
  /** Array of the group numbers whose commands it listens to; absent: this product knows no groups. */
  Groups = 14,
  /** 8 bytes, made anew at every boot. */
  Session = 15,
  /** What went wrong in this boot or, while nothing has, in the one before: [boot number, how often, the latest's text]; absent: nothing. */
  Fault = 17,
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
  /** Array in the birth's order of units: null (never read) or [age in s, values in the birth's order, null = unknown]. */
  Units = 10,
  /** Index of the program in the timetable that asks for the command in action; absent without one. */
  Program = 11,
  /** Which control of the program: fixed ones first, then astro, then dynamic; absent outside active periods. */
  Control = 12,
  /** Number of the sensor that asks for the command in action; absent without one. */
  Sensor = 13,
  /** % of light that protection allows; absent while it allows 100. */
  Cap = 14,
  /** 0 or 1 of the presence input; absent without one. */
  Presence = 15,
  /** Array by `Counter`; a counter that nobody counts is null. */
  Counters = 16,
  /** Array of the `EventCode`s that hold now, in the order [code, unit or null, code, unit or null, …]; absent: none. */
  Active = 17,
  /** Messages refused since boot; absent: 0. */
  Refused = 18,
  /** s since the gateway last confirmed the clock; absent while it is unknown. */
  ClockAge = 19,
}

/** Places in the report's counters. None ever decreases, but by a preset from the gateway. */
export const enum Counter {
  /** 0.1 Wh, imported */
  ActiveEnergy = 0,
  /** 0.1 varh, without sign */
  ReactiveEnergy = 1,
  /** 0.1 VAh */
  ApparentEnergy = 2,
  /** s that the lamp was lit. */
  LampTime = 3,
  /** s that the controller was powered. */
  ControllerTime = 4,
  /** Times that the lamp was switched on. */
  SwitchOns = 5,
  /** Losses of the supply. */
  SupplyLosses = 6,
  /** `EnergySource` of the energies. */
  Source = 7,
  /** s lit at 1-10 %, 11-20 %, … 91-100 % of light: ten places from here. */
  LevelTime = 8,
}

/** Where the energies come from. */
export const enum EnergySource {
  /** From level, lamp type and time: nothing measures. */
  Computed = 0,
  /** From measured power and time. */
  Integrated = 1,
  /** From the meter's own register. */
  Register = 2,
}

/**
 * Places in an event's array. From `Level` on it is evidence: what was known at the instant, null where nothing was.
 * `First` and `Second` are absent where the code does not name them.
 */
export const enum EventItem {
  /** Counts events of the epoch, from 1: with it the number names an event for ever, and a gap shows what was dropped. */
  Number = 0,
  /** `EventCode`, or a code of `Limit`. */
  Code = 1,
  /** `Phase` */
  Phase = 2,
  /** s since boot */
  Uptime = 3,
  /** s UTC; null while the clock is unknown. */
  Time = 4,
  /** Index of the unit in the birth; null: the controller or its lamp. */
  Unit = 5,
  /** % of light */
  Level = 6,
  /** 0.1 V, 1 mA, 0.1 W, 0.001 */
  Voltage = 7,
  Current = 8,
  Power = 9,
  PowerFactor = 10,
  /** 0.1 °C of the controller */
  Temperature = 11,
  First = 12,
  Second = 13,
  /** The boot that `Uptime` counts from; only where `Time` is null. */
  Boot = 14,
}

export const enum Phase {
  End = 0,
  Start = 1,
  /** It has no duration. */
  Instant = 2,
}

/** What a controller notices. Names are TALQ 2.7.1 event types where TALQ has one. */
export const enum EventCode {
  LampFailure = 0,
  LampUnexpectedOn = 1,
  RelayFailure = 2,
  LampPowerTooLow = 3,
  LampPowerTooHigh = 4,
  DimmingFailure = 5,
  CyclingFailure = 6,
  PowerFactorTooLow = 7,
  /** `First`: 1 when it was seen at the supply input, 0 when it was found out at the next boot. */
  SupplyLoss = 8,
  ContactorError = 9,
  LeakageDetected = 10,
  /** The monitoring document makes no sense for this product. */
  InvalidLampType = 11,
  /** Vendor: the power of a lamp at constant level trembles. */
  Flicker = 12,
  /** Vendor, instant at the end of a sag or swell. `First`: duration in 0.1 s; `Second`: lowest or highest 0.1 V. */
  Sag = 13,
  Swell = 14,
  /** Vendor: the unit does not answer. TALQ: functionError of its function. */
  UnitSilent = 15,
  DoorOpen = 16,
  Tilted = 17,
  PhotocellOutputOn = 18,
  /** The clock has not been set for a day. TALQ: lastSyncError. */
  ClockLost = 19,
  /** Instant, at the end of a ramp. `First`: % of the command; `Second`: its `Reason`. */
  LightStateChange = 20,
  /** Vendor, instant: the gateway has set a counter. `First`: which `Counter`; `Second`: what it was. */
  CounterPreset = 21,
  /** Vendor, instant: records that nobody had were dropped for want of room. `First`: how many of the epoch so far; `Second`: their `RecordKind`. */
  Dropped = 22,
  /** Vendor, instant: the firmware caught a fault of its own. `First`: how many since boot; `Second`: the latest's `FaultKind`. */
  FirmwareError = 23,
  /** Vendor: less than a tenth of the memory is free. */
  MemoryLow = 24,
  /** First code of limits: `Limit + 4 * Quantity`, + 1 too high (else too low), + 2 of the lamp (else of the unit's own function). */
  Limit = 64,
}

/** Where a fault of the firmware was noticed. */
export const enum FaultKind {
  /** A task threw; the others run on. */
  Task = 0,
  /** Nobody caught it, or the interpreter broke off what ran. */
  Uncaught = 1,
  /** Flags of the interpreter, by name. */
  Flags = 2,
  /** A vital task did not come back. */
  Stuck = 3,
  /** Memory was about to end. */
  Memory = 4,
}

/**
 * Keys of recorded samples. The bytes hold, instant by instant and column by column, differences to the instant before
 * in an adaptive Golomb-Rice code: PROTOCOL.md, "Samples", has its five steps and worked examples.
 */
export const enum LogKey {
  /** Counts batches of the epoch, from 1. */
  Number = 0,
  Epoch = 1,
  /** s UTC of the first instant, a multiple of the period. */
  Start = 2,
  /** s */
  Period = 3,
  /** Array of columns: `64 * (unit + 1) + Quantity`, or a `Counter` below 32, or `LogColumn`. */
  Columns = 4,
  /** Instants. */
  Count = 5,
  Samples = 6,
}

/** Columns of recorded samples that belong to no unit. */
export const enum LogColumn {
  /** % of light */
  Level = 32,
  /** 0.1 °C of the controller */
  Temperature = 33,
}

/** Keys of the command map. */
export const enum CommandKey {
  /** Chosen by the gateway, echoed in the ack. */
  Number = 0,
  /** `CommandKind` */
  Kind = 1,
  /** %, of an override or a sensor; in a configuration the default level, null: the product's own. */
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
  /** Of a configuration, byte string: the timetable; empty: none; null: the product's own. */
  Timetable = 8,
  /** Number of the sensor that the CMS speaks for. */
  Sensor = 9,
  /** Of a configuration, byte string: the monitoring document, CBOR, see `MonitoringKey`; null: the product's own. */
  Monitoring = 10,
  /** Array [`Counter`, value, …]. */
  Counters = 11,
  /** Of a configuration, byte string: the record of groups, see `GROUP`, with wrapped keys; null: no groups. */
  Groups = 12,
  /** 0.1 s within the minute of UTC at which the command is to be obeyed, 5 s ahead at most; absent, passed or no clock: at once. */
  At = 13,
  /** Of a configuration: its version, above that of all before. */
  Version = 14,
  /** Of a configuration: the check value of what results, see `ConfigurationItem`. */
  Check = 15,
}

export const enum CommandKind {
  Override = 0,
  Resume = 1,
  /** Changes the parts of the configuration that it carries, all of them or none. */
  Configuration = 2,
  /** Level in a sensor's name, until Expiration or, without one, for an instant (TALQ ExternalControlEffect). */
  Sensor = 3,
  /** Sets counters, after a lamp or a meter was replaced. */
  Counters = 4,
  /** Reads all units now, reports, and only then acknowledges. */
  Read = 5,
}

/** Parts of the configuration beside the default level. */
export const enum ConfigurationPart {
  Timetable = 0,
  Monitoring = 1,
  Groups = 2,
  Count = 3,
}

/**
 * Byte offsets in what the check value of a configuration is the CRC-32 (IEEE 802.3) of, big-endian. A part is told by its
 * length and its own CRC-32, so that nobody needs them all at once to compare.
 */
export const enum ConfigurationItem {
  /** u32 */
  Version = 0,
  /** % of the default level; `OWN_LEVEL` */
  Level = 4,
  /** By `ConfigurationPart`: length, u16, `OWN_PART` when it is absent; CRC-32, u32, 0 when it is absent. */
  Parts = 5,
  PartSize = 6,
  Size = 23,
}
/** The product's own: its default level; a part that is absent. */
export const OWN_LEVEL = 255;
export const OWN_PART = 65535;

/** Bytes of a group in the record of groups: number, u16, ascending; generation of its key, u8; key of 32 bytes. */
export const GROUP = 35;
/** Groups of one controller. */
export const MOST_GROUPS = 8;
/** Bytes of all parts together: the largest timetable, all groups, and 460 for the monitoring document. */
export const LONGEST_CONFIGURATION = 3300;

/** What a controller keeps until the gateway has it; a record's number counts records of its kind in its epoch. */
export const enum RecordKind {
  Event = 0,
  Samples = 1,
}

/** Keys of the monitoring document: what the lamp is, what is too much, what is recorded. */
export const enum MonitoringKey {
  /** Array by `LampItem`; null: the product's own. */
  Lamp = 0,
  /** Array [limit code as in `EventCode`, unit (255: controller), threshold in steps of the quantity, …], at most 32 limits. */
  Limits = 1,
  /** Array [period in s, column, …] as in `LogKey`; empty: nothing is recorded. */
  Recorder = 2,
}

/** What a monitored lamp is. Source: TALQ 2.7.1 LampType. */
export const enum LampItem {
  /** 0.1 W at full light; null: learned. */
  Wattage = 0,
  /** 0.001: slope of light against power (powerLightGradient). */
  Gradient = 1,
  /** 0.1 W (lampPowerTolerance) */
  Tolerance = 2,
  /** s after switching on during which its power says nothing (warmUpTime). */
  WarmUp = 3,
  /** 0.1 W that the pole may draw while the lamp is off. */
  Standby = 4,
  /** From here: power factor curve [% of light, 0.001, …], ascending; a single value is a curve of one point. */
  PowerFactors = 5,
}

/** Keys of the ack map. */
export const enum AckKey {
  Number = 0,
  /** `AckCode` */
  Code = 1,
  /** % and `Reason` of the command in action once this one was obeyed. */
  Level = 2,
  Reason = 3,
}

export const enum AckCode {
  Done = 0,
  /** Not a command map, or a value out of range. */
  Malformed = 1,
  /** Expired before it arrived. */
  Expired = 2,
  /** Needs UTC and the controller has none yet. */
  NoClock = 3,
  /** More than the controller holds; what it had stays in force. */
  TooLarge = 4,
  /** A configuration that would not become what was told, or an older one: the controller has another than its sender thinks. */
  Drift = 5,
}

/** Keys of the time map. Two integers, because CBOR libraries differ on 64-bit integers. */
export const enum TimeKey {
  /** s UTC since 1970 */
  Seconds = 0,
  /** ms within the second */
  Milliseconds = 1,
  /** What was asked with. */
  Echo = 2,
}

/**
 * Who decided the level. The first four are those of TALQ 2.7.1 `Command.reason`; the others decide while the clock is
 * unknown, or before anybody commands.
 */
export const enum Reason {
  Default = 0,
  Override = 1,
  Sensor = 2,
  Program = 3,
  /** No clock: the controller's own photocell. */
  Photocell = 4,
  /** No clock and no photocell any more: the length of earlier nights. */
  Learned = 5,
  /** The installer's test after power-up. */
  Test = 6,
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

/**
 * What a unit measures. Values travel as integers in the steps named here. Of a three-phase meter the first ten are those
 * of all phases together (the voltage: their mean), as in TALQ 2.7.1 ElectricalMeterFunction.
 */
export const enum Quantity {
  /** 0.1 V */
  SupplyVoltage = 0,
  /** 1 mA */
  SupplyCurrent = 1,
  /** 0.1 W */
  ActivePower = 2,
  /** 0.1 var */
  ReactivePower = 3,
  /** 0.1 VA */
  ApparentPower = 4,
  /** 0.001, signed as the meter signs it; TALQ splits it into 0..1 and lead/lag. */
  PowerFactor = 5,
  /** 0.01 Hz */
  Frequency = 6,
  /** 1 Wh, imported; 1 Wh, exported; 1 varh. */
  ActiveEnergy = 7,
  ExportedEnergy = 8,
  ReactiveEnergy = 9,
  /** 0.1 lx */
  Illuminance = 10,
  /** 0.1 V, phase to neutral */
  Phase1Voltage = 11,
  Phase2Voltage = 12,
  Phase3Voltage = 13,
  /** 1 mA */
  Phase1Current = 14,
  Phase2Current = 15,
  Phase3Current = 16,
  /** 0.1 W */
  Phase1ActivePower = 17,
  Phase2ActivePower = 18,
  Phase3ActivePower = 19,
  /** 0.1 dB(A) */
  Noise = 20,
  /** 0.1 µg/m³ of particles up to 2.5 µm; up to 10 µm. */
  ParticulateMatter25 = 21,
  ParticulateMatter10 = 22,
  /** 0.1 °C, signed */
  Temperature = 23,
  /** 0.1 % relative humidity */
  Humidity = 24,
  /** 0.1 V at the lamp, behind its gear. */
  LampVoltage = 25,
  /** 1 mA */
  NeutralCurrent = 26,
  /** 0.001 */
  Phase1PowerFactor = 27,
  Phase2PowerFactor = 28,
  Phase3PowerFactor = 29,
}
