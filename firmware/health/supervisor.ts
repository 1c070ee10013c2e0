/**
 * Feeds the watchdog while the firmware is well, and only then: a board that hangs, leaks or lost its tasks is reset,
 * and comes up lit.
 */
import type { Hal } from '../../hal/hal.ts';
import type { Schedule } from '../schedule.ts';

/** ms: a task this late means that the schedule no longer serves it. */
const LATE = 10000;
/** Part of the memory that must stay free. */
const RESERVE = 0.02;

/**
 * @param timeout ms that the watchdog waits; undefined: the board has none
 * @param wells each answers whether its part is well
 */
export function supervise(hal: Hal, schedule: Schedule, timeout: number | undefined, wells: (() => boolean)[]): void {
  if (timeout === undefined) return;
  const task = schedule.add(() => {
    schedule.at(task, timeout / 4);
    const memory = hal.system.memory();
    if (schedule.lag() > LATE || memory.used > memory.total * (1 - RESERVE)) return;
    for (const well of wells) if (!well()) return;
    hal.watchdog.feed();
  });
  hal.watchdog.enable(timeout);
  schedule.at(task, 0);
}
