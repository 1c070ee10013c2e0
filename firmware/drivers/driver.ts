/** From a physical level to the hardware's own terms. A driver converts and sequences; it decides nothing. */
export interface LampDriver {
  /** @param level 0 off, else the gear's minimum..100 % of light. The relay opens with the first call, at that level. */
  write(level: number): void;
  /** % that the gear gives now: 0 while the relay is open, whatever was written. */
  readonly level: number;
}
