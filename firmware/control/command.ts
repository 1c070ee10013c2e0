import type { Reason } from '../link/messages.ts';

/** What a lamp is told, and by whom. Source: TALQ 2.7.1, schema `Command`. */
export interface LampCommand {
  /** %, 0 is off. */
  level: number;
  reason: Reason;
  /** ms UTC at which it takes effect; undefined: on arrival. */
  start?: number;
  /** ms UTC at which it ends; undefined: never by itself. */
  expiration?: number;
  /** ms that the change to this command takes. */
  rampTo?: number;
  /** ms that the change back takes when it ends. */
  rampFrom?: number;
  /** The CMS's own reference (cmsRefId): bytes in a string, handed back in reports. */
  reference?: string;
  /** Index of the program that asks for it, in the timetable. */
  program?: number;
  /** Which control of the program. */
  control?: number;
  /** Number of the sensor that asks for it. */
  sensor?: number;
}
