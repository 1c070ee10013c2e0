/** Lives through the lives that Storage holds, in simulated time, and prints a line for each: its number and answers. */
import { Arbiter } from '../../firmware/control/arbiter.ts';
import { Lamp } from '../../firmware/control/lamp.ts';
import { RAISED, Sensors } from '../../firmware/control/sensors.ts';
import { type SunEvent, SunKind, sunEvent } from '../../firmware/control/sun.ts';
import { Timetable } from '../../firmware/control/timetable.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Clock } from '../../hal/hal.ts';
import type { Answer, Life, Step } from './life.ts';

const DAY = 86400000;
const files = require('Storage');

/** Time that moves when it is told to. One timer is enough: the schedule has no more. */
class VirtualClock implements Clock {
  private _now = 0;
  private _offset = 0;
  private _due = 0;
  private _run: (() => void) | undefined;
  private _timer = 0;

  uptime(): number {
    return this._now;
  }

  time(): number {
    return this._now + this._offset;
  }

  setTime(time: number): void {
    this._offset = time - this._now;
  }

  after(delay: number, run: () => void): number {
    if (this._run) throw new Error('a second timer');
    this._due = this._now + delay;
    this._run = run;
    this._timer++;
    return this._timer;
  }

  cancel(timer: number): void {
    if (timer === this._timer) this._run = undefined;
  }

  /** Moves time to the instant, ms UTC, and runs what falls due. */
  runTo(time: number): void {
    const end = time - this._offset;
    while (this._run && this._due <= end) {
      const run = this._run;
      this._run = undefined;
      this._now = this._due;
      run();
    }
    this._now = end;
  }
}

function sunOf(life: Life): typeof sunEvent {
  const sun = life.sun;
  if (!sun) return sunEvent;
  return (day, _latitude, _longitude, rising): SunEvent => ({
    kind: SunKind.Event,
    time: day * DAY + (rising ? sun.rise : sun.set),
  });
}

function act(step: Step, arbiter: Arbiter, sensors: Sensors, timetable: Timetable): void {
  const number = step.number || 0;
  if (step.kind === 'resume') arbiter.resume();
  else if (step.kind === 'override' && step.command) arbiter.override(step.command);
  else if (step.kind === 'external') sensors.set(-number, step.value || 0, step.until || 0);
  else if (step.kind === 'sensor') sensors.hear(number, step.value === 1 ? RAISED : step.at, step.at);
  else if (step.kind === 'reading') {
    sensors.set(number, step.value, 0);
    if (step.value !== undefined) timetable.reading(number, step.value, step.value);
  }
  arbiter.run();
}

const NOTHING_KEPT = { setOverrides() {}, overrides: () => [] };

function live(life: Life, table: string): Answer[] {
  const clock = new VirtualClock();
  clock.setTime(life.start);
  const schedule = new Schedule(clock, { failed: (error) => print(`ERROR ${error}`) });
  const sensors = new Sensors();
  const read = () => {
    const file = files.readArrayBuffer(table);
    return file && new Uint8Array(file);
  };
  const timetable = new Timetable({ timetable: read }, sensors, sunOf(life));
  const driver = {
    level: 0,
    write(level: number): void {
      driver.level = level;
    },
  };
  const lamp = new Lamp(clock, schedule, driver, 0, { changed() {} }, 0);
  const arbiter = new Arbiter(clock, schedule, timetable, NOTHING_KEPT, life.defaultLevel, lamp, undefined);
  arbiter.run();
  const answers: Answer[] = [];
  for (const step of life.steps) {
    clock.runTo(step.at);
    if (step.kind !== 'ask') {
      act(step, arbiter, sensors, timetable);
      continue;
    }
    const command = arbiter.command;
    answers.push({
      level: command.level,
      reason: command.reason,
      program: command.program,
      sensor: command.sensor,
      reference: command.reference,
      light: lamp.level,
    });
  }
  return answers;
}

let number = 0;

function next(): void {
  const text = files.read(`l${number}`);
  if (!text) {
    print(`lives: ${number}`);
    return;
  }
  print(`life ${number} ${JSON.stringify(live(JSON.parse(text), `t${number}`))}`);
  number++;
  setTimeout(next, 1);
}

next();
