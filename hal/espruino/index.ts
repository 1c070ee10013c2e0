/** The HAL on the Espruino interpreter. What each board cannot do is said where it is done, and in PORTING.md. */
import type { Hal } from '../hal.ts';
import { clock, startClock } from './clock.ts';
import { openFlash } from './flash.ts';
import { openInput } from './input.ts';
import { openAnalog, openDigital } from './io.ts';
import { connect } from './network.ts';
import { openSerial } from './serial.ts';
import { storage } from './storage.ts';
import { mac, random, system, watchdog } from './system.ts';

/** The board is a host with an operating system, put in by the build. */
declare const HOST: boolean;
/** The board has a network, put in by the build. */
declare const NETWORK: boolean;
/** The product keeps its settings in raw flash, put in by the build. */
declare const STORE: boolean;

/** Characters that take more variables than a host begins with. */
const ROOM = 65536;

/** Opens the board that the program runs on. There is one: a second call starts its clock anew. */
export function openHal(): Hal {
  if (HOST) {
    // A host's memory grows when there is no variable left, but never for what needs several in a row, as `mac` does: between
    // scattered ones it would fail with hundreds free.
    let room = '    ';
    while (room.length < ROOM) room += room;
  }
  startClock();
  const crc32 = E.CRC32;
  return {
    clock,
    // Nobody asks for it where settings have flash of their own.
    storage: STORE ? (undefined as unknown as Hal['storage']) : storage,
    watchdog,
    system,
    openDigital,
    openAnalog,
    openInput,
    openSerial,
    openFlash,
    connect,
    crc32,
    // Boards without a network have no crypto either, and nobody there asks for it.
    mac: NETWORK ? mac : (undefined as unknown as Hal['mac']),
    random,
  };
}
