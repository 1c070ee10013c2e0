/** The HAL on the Espruino interpreter. What each board cannot do is said where it is done, and in PORTING.md. */
import type { Hal } from '../hal.ts';
import { openClock } from './clock.ts';
import { openAnalog, openDigital } from './io.ts';
import { connect } from './network.ts';
import { openSerial } from './serial.ts';
import { storage } from './storage.ts';
import { openSystem, random, watchdog } from './system.ts';

/** Opens the board that the program runs on. There is one: a second call starts its clock anew, as a reset does. */
export function openHal(): Hal {
  const clock = openClock();
  const system = openSystem();
  return { clock, storage, watchdog, system, openDigital, openAnalog, openSerial, connect, random };
}
