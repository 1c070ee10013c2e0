/** The firmware's own recorder, played with given values. */
import { type Batch, Recorder } from '../../firmware/monitor/recorder.ts';
import type { Schedule } from '../../firmware/schedule.ts';
import type { Clock } from '../../hal/hal.ts';

/** s */
export const PERIOD = 900;

/** @returns the batches that the firmware makes of these instants. @param start s UTC, a multiple of the period */
export function record(
  start: number,
  columns: readonly number[],
  instants: readonly (readonly (number | null)[])[],
): Batch[] {
  const batches: Batch[] = [];
  let now = start * 1000;
  let values: readonly (number | null)[] = [];
  const recorder = new Recorder(
    { time: () => now } as Clock,
    { add: () => 0, at: () => {} } as unknown as Schedule,
    { sample: (column) => values[columns.indexOf(column)] ?? undefined },
    { recorded: (batch) => void batches.push({ ...batch, samples: Uint8Array.from(batch.samples) }) },
  );
  recorder.set([PERIOD, ...columns]);
  for (const instant of instants) {
    values = instant;
    recorder.run();
    now += PERIOD * 1000;
  }
  recorder.flush();
  return batches;
}
