/**
 * The firmware's decision for a case of the reference model: the gateway's compiler makes the timetable, the controller's
 * own arbiter, timetable and sensors live through the history in simulated time, waking up when they asked to.
 */
import { Arbiter } from '../../firmware/control/arbiter.ts';
import type { LampCommand } from '../../firmware/control/command.ts';
import { Lamp } from '../../firmware/control/lamp.ts';
import { RAISED, Sensors } from '../../firmware/control/sensors.ts';
import { sunEvent } from '../../firmware/control/sun.ts';
import { Timetable } from '../../firmware/control/timetable.ts';
import { Reason } from '../../firmware/link/messages.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Calendar, ControlProgram } from '../../gateway/talq/control-objects.ts';
import { posixZone } from '../../gateway/talq/time-zones.ts';
import { compileTimetable, programsOf } from '../../gateway/talq/timetable.ts';
import { openSim } from '../../sim/index.ts';
import type { Config, Decision, Happening } from './model.ts';
import type { Command } from './talq.ts';

const REASONS = ['default', 'override', 'sensor', 'program'] as const;
/** Every address that a case may use, in the order of sensor numbers from 1. */
const ADDRESSES = ['S0', 'S1', 'S2', 'X1', 'X2', 'L0', 'L1', 'L2', 'P1', 'A1', 'A2'];

/** @returns the sensor's number. */
export const numberOf = (address: string) => ADDRESSES.indexOf(address) + 1 || undefined;

const zones = new Map<string, string>();

function zoneOf(name: string): string {
  let found = zones.get(name);
  if (found === undefined) {
    const zone = posixZone(name);
    if ('error' in zone) throw new Error(zone.error);
    found = zone.posix;
    zones.set(name, found);
  }
  return found;
}

/** @returns the bytes that the gateway sends for a configuration; undefined when nothing schedules the lamp. */
export function timetableOf(config: Config): Uint8Array | undefined {
  const calendar = config.calendars.find(({ id }) => id === config.calendarID) as Calendar | undefined;
  if (!calendar) return undefined;
  const zone = zoneOf(config.timeZone);
  const programs = new Map(config.programs.map((program) => [program.id, program as ControlProgram]));
  if (!programsOf(calendar).every((id) => programs.has(id))) return undefined;
  return compileTimetable(calendar, programs, {
    dayOffset: config.dayOffset,
    zone,
    location: config.location,
    assigned: config.assigned ?? 0,
    presence: config.presence === undefined ? undefined : numberOf(config.presence),
    light: config.light === undefined ? undefined : numberOf(config.light),
    sensor: numberOf,
  });
}

const NOTHING_KEPT = { setOverrides() {}, overrides: () => [] };

/** A controller, and the lamp it drives, that lives through a history. */
export class Live {
  readonly hal = openSim();
  readonly arbiter: Arbiter;
  readonly lamp: Lamp;
  #sensors = new Sensors();
  #timetable: Timetable;
  #config: Config;

  /** @param start ms UTC */
  constructor(config: Config, start: number, sun: typeof sunEvent = sunEvent) {
    const bytes = timetableOf(config);
    this.#config = config;
    this.hal.clock.setTime(start);
    const schedule = new Schedule(this.hal.clock, {
      failed(error) {
        throw error;
      },
    });
    this.#timetable = new Timetable({ timetable: () => bytes }, this.#sensors, sun);
    const driver = {
      level: 0,
      write(level: number) {
        driver.level = level;
      },
    };
    this.lamp = new Lamp(this.hal.clock, schedule, driver, 0, { changed() {} }, 0);
    this.arbiter = new Arbiter(
      this.hal.clock,
      schedule,
      this.#timetable,
      NOTHING_KEPT,
      config.defaultLevel,
      this.lamp,
      undefined,
    );
    this.arbiter.run();
  }

  /** Runs simulated time up to the instant, ms UTC. */
  runTo(instant: number): void {
    this.hal.clock.run(instant - (this.hal.clock.time() as number));
  }

  happen(happening: Happening): void {
    this.runTo(happening.at);
    if (happening.type === 'resume') {
      this.arbiter.resume();
    } else if (happening.type === 'override') {
      this.arbiter.override(overrideOf(happening.targetCommand));
    } else if (happening.type === 'external') {
      const { state, expiration, refAddress } = happening.targetCommand;
      const until = expiration === undefined ? happening.at : Date.parse(expiration);
      this.#sensors.set(-(numberOf(refAddress) as number), Number(state.value), until);
    } else if (happening.type === 'sensor') {
      const until = happening.raised ? RAISED : happening.at;
      this.#sensors.hear(numberOf(happening.address) as number, until, happening.at);
    } else {
      const number = numberOf(happening.address) as number;
      this.#sensors.set(number, happening.value, 0);
      if (happening.value !== undefined) this.#timetable.reading(number, happening.value, happening.value);
    }
    this.arbiter.run();
  }

  decision(): Decision {
    return decisionOf(this.#config, this.arbiter.command);
  }
}

/** @returns a command of the firmware in the words of the model. */
export function decisionOf(config: Config, command: Omit<LampCommand, 'reason'> & { reason: number }): Decision {
  const { level, reason, program, sensor, reference } = command;
  const decision: Decision = { level, reason: REASONS[reason] };
  const calendar = config.calendars.find(({ id }) => id === config.calendarID) as Calendar | undefined;
  if (reason === Reason.Program && calendar) decision.refAddress = programsOf(calendar)[program as number];
  if (reason === Reason.Sensor) decision.refAddress = ADDRESSES[(sensor as number) - 1];
  if (reference !== undefined) decision.cmsRefId = reference;
  return decision;
}

export function overrideOf(command: Command): LampCommand {
  const instant = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));
  const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1000);
  return {
    level: Number(command.state.value),
    reason: Reason.Override,
    start: instant(command.start),
    expiration: instant(command.expiration),
    rampTo: ms(command.rampToLevelTime),
    rampFrom: ms(command.rampFromLevelTime),
    reference: command.cmsRefId,
  };
}

/** @returns what the firmware does at the instant after it lived through the history. */
export function firmwareDecision(config: Config, history: Happening[], instant: number): Decision {
  const past = history.filter(({ at }) => at <= instant).sort((a, b) => a.at - b.at);
  const live = new Live(config, Math.min(past[0]?.at ?? instant, instant));
  for (const happening of past) live.happen(happening);
  live.runTo(instant);
  return live.decision();
}
