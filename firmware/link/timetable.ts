/**
 * The wire format of the timetable: calendar, programs, place and time zone of one lamp, compiled by the gateway from
 * TALQ objects and stored by the controller as it came, so that a decision reads the bytes where they lie. Big-endian.
 * Instants of the day are seconds since local midnight. Controls stand in the order of the program day.
 *
 *     header | offset of each program, u16 | rules | time zone, POSIX TZ text | programs | CRC-32 of all before, u32
 *
 * PROTOCOL.md shows it field by field. Source of the objects: TALQ 2.7.1 data model, Calendar and ControlProgramOne.
 */

export const TIMETABLE_VERSION = 1;

/** Byte offsets in the header. */
export const enum Head {
  Version = 0,
  /** Local hour at which a program day starts: 0 or 12 (TALQ dayOffset). */
  DayOffset = 1,
  /** Program when no rule matches; `NONE` for the default level. */
  DefaultProgram = 2,
  Rules = 3,
  Programs = 4,
  ZoneLength = 5,
  /** 1e-6 degrees, i32, north and east positive; `UNKNOWN_PLACE` when the place is not known. */
  Latitude = 6,
  Longitude = 10,
  /** s UTC, u32: since when the lamp follows a calendar, so that yesterday's program can be told from none. */
  Assigned = 14,
  /** Sensor number of the controller's own presence input, u16; `NO_SENSOR` when it has none. */
  Presence = 18,
  /** Sensor number of the controller's own light sensor, u16. */
  Light = 20,
  Size = 22,
}
export const NONE = 255;
/** Control of a report: the last fixed control of yesterday's program, before the first one of today. */
export const YESTERDAY = 254;
export const NO_SENSOR = 0;
export const UNKNOWN_PLACE = 2147483647;

/** Byte offsets in a calendar rule; it is `Rule.Ranges` bytes long and 4 more for each range of days in the year. */
export const enum Rule {
  Program = 0,
  /** `DateKind` of the first day, and the day; then the same of the last day. */
  StartKind = 1,
  Start = 2,
  EndKind = 4,
  End = 5,
  /** Days of the month, u32, bit 0 is the 1st. Without days, ranges and weekdays every day matches. */
  MonthDays = 7,
  /** Weekdays, bit 0 is Monday. */
  Weekdays = 11,
  /** Bits 0..4: first to fifth of its weekday in the month, bit 5: the last one. 0: any. */
  Occurrences = 12,
  RangeCount = 13,
  /** Pairs of u16, month * 32 + day. */
  Ranges = 14,
}
export const enum DateKind {
  /** No bound. */
  Open = 0,
  /** Days since 1970-01-01, u16. */
  Date = 1,
  /** month * 32 + day, every year. */
  Recurring = 2,
}

/** A program: four counts, then active periods, fixed, astro and dynamic controls of fixed sizes. */
export const enum Part {
  Periods = 0,
  Fixed = 1,
  Astro = 2,
  Dynamic = 3,
  Size = 4,
}
export const enum Size {
  Period = 26,
  /** A fixed or an astro control. */
  Point = 9,
  Dynamic = 19,
}

/** Byte offsets in an active period. */
export const enum Period {
  /** `PeriodKind` */
  Kind = 0,
  /** `Comparison` of a value period. */
  Comparison = 1,
  /** Sensor numbers, u16, the second one `NO_SENSOR` when absent. */
  Sensor = 2,
  /** Absolute: s of start and end. Astro kinds: minutes added to sunset and sunrise. i32. */
  A = 6,
  B = 10,
  /** lx at which a sensor switches on and off, or the compared value; float32. */
  On = 14,
  Off = 18,
  /** Minutes before sunset, then before sunrise, from which on a sensor may act; u16. */
  BeforeSunset = 22,
  BeforeSunrise = 24,
}
export const enum PeriodKind {
  Absolute = 0,
  Astro = 1,
  Sensor = 2,
  AstroAndSensor = 3,
  Value = 4,
}
export const enum Comparison {
  Equal = 0,
  NotEqual = 1,
  GreaterOrEqual = 2,
  Greater = 3,
  LessOrEqual = 4,
  Less = 5,
}

/** Byte offsets in every control: level and ramps of its command, and how it combines. */
export const enum Control {
  Level = 0,
  /** 0.1 s, u16, `NO_RAMP` when absent. */
  RampTo = 1,
  RampFrom = 3,
  /** `Operation` of astro and dynamic controls; unused in fixed ones. */
  Operation = 5,
}
export const enum FixedControl {
  /** s of the day, u24. */
  Time = 6,
}
export const enum AstroControl {
  /** 0 sunrise, 1 sunset; minutes added to it, i16. */
  Event = 6,
  Offset = 7,
}
export const enum DynamicControl {
  /** s of the day, u24; equal ones mean the whole day. */
  Start = 6,
  End = 9,
  /** Two sensor numbers, u16. */
  Sensor = 12,
  /** 0.1 s that the effect lasts after the sensor was lowered, u24. */
  Hold = 16,
}
export const NO_RAMP = 65535;
/** Level of a dynamic control whose command comes with the sensor's message (TALQ ExternalControlEffect). */
export const EXTERNAL = 255;

/** TALQ 2.7.1 `EffectOperation`. */
export const enum Operation {
  Set = 0,
  Max = 1,
  Min = 2,
  Add = 3,
  Sub = 4,
  Mul = 5,
}
