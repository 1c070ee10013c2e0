import type { Bytes, Part, ResetReason, System, Watchdog, Watcher } from '../hal.ts';

/** Put in by the build: the board is a host, whose memory grows. */
declare const HOST: boolean;

/** RCC_CSR of STM32F4: flags of the last reset. Source: RM0383 §6.3.20 (F411), RM0368 §6.3.17 (F401). */
const RCC_CSR = 0x40023874;
/** RMVF: forget them, so that the next reset is told alone. */
const REMOVE_FLAGS = 0x01000000;
/** WWDGRSTF | IWDGRSTF, SFTRSTF, PORRSTF, BORRSTF. A power-on sets the brown-out flag as well. */
const WATCHDOG_RESET = 0x60000000;
const SOFTWARE_RESET = 0x10000000;
const POWER_RESET = 0x08000000;
const BROWNOUT_RESET = 0x02000000;

/**
 * STM32F4 alone: ESP32's reason is in a ROM variable without a fixed address, nRF52's register belongs to the
 * SoftDevice, and reading any address on Linux ends the process.
 */
function readResetReason(): ResetReason {
  const board = process.env.BOARD;
  if (board !== 'ESPRUINOWIFI' && board !== 'PICO_R1_3') return 'unknown';
  const flags = peek32(RCC_CSR);
  poke32(RCC_CSR, flags | REMOVE_FLAGS);
  if (flags & WATCHDOG_RESET) return 'watchdog';
  if (flags & SOFTWARE_RESET) return 'software';
  if (flags & POWER_RESET) return 'power';
  return flags & BROWNOUT_RESET ? 'brownout' : 'unknown';
}

/** jsvars of the largest board. Source: Espruino boards/ESP32.py. */
const LARGEST = 16383;

let watching: Watcher;

/**
 * What was thrown and not caught: the interpreter keeps its own notice to itself then. Or its flags, which it tells once
 * until they are read; that it had to collect garbage (LOW_MEMORY) is no fault.
 */
function escaped(what: unknown): void {
  if (Array.isArray(what)) {
    E.getErrorFlags();
    if (String(what) === 'LOW_MEMORY') return;
  }
  print(`Uncaught ${what}`);
  watching.failed(what);
}

/**
 * @see System. `id` is hexadecimal with dashes on every board. All Linux builds have the same one: such controllers are
 * named by their site.
 */
export const system: System = {
  get id() {
    return getSerial();
  },
  resetReason: readResetReason(),
  reboot: () => E.reboot(),
  temperature(): number | undefined {
    try {
      const degrees = E.getTemperature();
      return isFinite(degrees) ? degrees : undefined;
    } catch (_error) {
      return undefined; // ESP32-C3 and -S3 throw
    }
  },
  memory(): { used: number; total: number } {
    const memory = process.memory();
    return { used: memory.usage, total: HOST ? LARGEST : memory.total };
  },
  watch(watcher: Watcher): void {
    watching = watcher;
    process.on('uncaughtException', escaped);
    E.on('errorFlag', escaped);
  },
};

/** @see Watchdog. Source: Espruino targets: STM32 up to 26 s, RP2040 8.3 s; ESP32 rounds to whole s; Linux has none. */
export const watchdog: Watchdog = {
  enable(timeout: number): void {
    if (!(timeout > 0)) throw new Error('timeout out of range');
    E.enableWatchdog(timeout / 1000, false);
  },
  feed: () => E.kickWatchdog(),
};

let seed = 0;

/**
 * @see Hal.random. `Math.random` and `E.hwRand` repeat after every boot of ESP32 and Linux. So the chain starts from what
 * differs between boards (serial number) and between boots (free Storage, which shrinks as boots are counted there; the
 * moment of the call in µs), and takes the moment of every call with it.
 */
export function random(): number {
  if (!seed) seed = E.CRC32(getSerial() + require('Storage').getFree() + E.hwRand());
  seed = E.CRC32(`${seed} ${getTime()}`);
  return seed / 4294967296;
}

/** @see Hal.mac */
export function mac(key: Bytes, parts: readonly Part[]): Bytes {
  return new Uint8Array(require('crypto').PBKDF2(key, parts, { keySize: 8, iterations: 1, hasher: 'SHA256' }));
}
