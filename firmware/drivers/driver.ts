/** From a physical level to the hardware's own terms. A driver converts and sequences; it decides nothing. */
import type { Hal } from '../../hal/hal.ts';
import type { LampConfig } from '../board.ts';
import type { Schedule } from '../schedule.ts';
import { Dim } from './analog.ts';
import { Relay } from './relay.ts';

export interface LampDriver {
  /** @param level 0 off, else the gear's minimum..100 % of light. The relay opens with the first call, at that level. */
  write(level: number): void;
  /** % that the gear gives now: 0 while the relay is open, whatever was written. */
  readonly level: number;
}

/** @param owner told when `level` changes later than the `write` that asked for it */
export function openDriver(hal: Hal, schedule: Schedule, config: LampConfig, owner: { changed(): void }): LampDriver {
  const dim = config.dim ? new Dim(hal, config.dim, config.minimumLevel) : undefined;
  return new Relay(hal, schedule, config, dim, owner);
}
