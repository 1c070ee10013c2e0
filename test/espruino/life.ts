/** What the interpreter is told of a lamp's life: the file `l<number>` holds a `Life` as JSON, `t<number>` its timetable. */
import type { LampCommand } from '../../firmware/control/command.ts';

export interface Life {
  /** ms UTC at which the controller boots. */
  start: number;
  /** % */
  defaultLevel: number;
  /** ms of the UTC day at which the sun rises and sets every day; absent: the real sun. */
  sun?: { rise: number; set: number };
  /** In order of time. */
  steps: Step[];
}

export interface Step {
  /** ms UTC */
  at: number;
  kind: 'override' | 'resume' | 'external' | 'sensor' | 'reading' | 'ask';
  command?: LampCommand;
  /** The sensor's number, what it says (% or lx or 1 and 0; absent: lost), and until when. */
  number?: number;
  value?: number;
  until?: number;
}

/** What it answers for each step that asks, as one line of JSON. */
export interface Answer {
  level: number;
  /** `Reason` */
  reason: number;
  program?: number;
  sensor?: number;
  reference?: string;
  /** % of the lamp. */
  light: number;
}
