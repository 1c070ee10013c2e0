/** Values that are read in the field because somebody asks for them now. */
import { CommandKind } from '../firmware/link/messages.ts';
import { type Clock, within } from './clock.ts';
import type { Controller, Fleet } from './fleet.ts';

/** ms that somebody waits for a controller: a fresh value comes within 5 s, or the last one is given. */
export const PATIENCE = 5000;
/** ms of real time after which nobody waits any longer, should the gateway's time stand still. */
const REAL_PATIENCE = 10000;
/** ms for which values count as fresh, so that ten attributes of a lamp are one reading. */
const FRESH = 3000;
/** ms for which a controller that has not answered is left alone, so that nobody waits for it ten times. */
const SILENT = 30000;

interface Reading {
  begun: number;
  /** ms UTC until which there is no other one. */
  until: number;
  work: Promise<void>;
}

export class OnDemand {
  private readonly readings = new WeakMap<Controller, Reading>();

  constructor(
    private readonly fleet: Fleet,
    private readonly clock: Clock,
  ) {}

  /**
   * Has a controller read its units and report. Whoever asks meanwhile, or a moment later, shares the reading. Every
   * value keeps the time at which it was measured, so that one that could not be read again shows its age.
   * @returns resolves when the report has come or will not; at once when the controller is not there. Never rejects
   */
  read(controller: Controller): Promise<void> {
    if (!controller.online) return Promise.resolve();
    const now = this.clock.now();
    const last = this.readings.get(controller);
    if (last && now >= last.begun && now < last.until && controller.linkedAt <= last.begun) return last.work;
    const reading: Reading = { begun: now, until: now + PATIENCE + SILENT, work: Promise.resolve() };
    // The report comes before the acknowledgement, and the broker keeps the order.
    const outcome = this.fleet.submit(controller.id, { kind: CommandKind.Read });
    reading.work = within(this.clock, outcome, PATIENCE, REAL_PATIENCE).then((end) => {
      reading.until = this.clock.now() + (end === 'done' ? FRESH : SILENT);
    });
    this.readings.set(controller, reading);
    return reading.work;
  }
}
