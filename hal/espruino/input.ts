import type { DigitalInput, InputOptions } from '../hal.ts';

/** Pins of open inputs. */
const taken: { [pin: string]: number } = {};

/**
 * @see Hal.openInput. In use is a pin of an open input, and one that is an output now. Closures, not a class: boards
 * without inputs, which are most, then pay for one function.
 */
export function openInput(options: InputOptions): DigitalInput {
  const pin = options.pin;
  const low = options.activeLow ? 1 : 0;
  let mode = options.pull as string | undefined;
  if (mode !== undefined && mode !== 'up' && mode !== 'down') throw new Error('pull: up or down');
  mode = mode ? `input_pull${mode}` : 'input';
  const was = getPinMode(pin);
  if (taken[pin] || (was && was !== 'analog' && was[0] !== 'i')) throw new Error('pin is in use');
  /** Told last; undefined until the port is open and once it is closed. */
  let level: number | undefined;
  let watch: number | undefined;
  const read = () => (digitalRead(pin) ^ low) as 0 | 1;
  /**
   * A watch lasts until its callback ends, also when that is interrupted (out of memory), which would end a repeating
   * watch for good: so the next one is set before anything else. Without `debounce` the change at hand would fire that
   * one as well, and so on without end. Source: Espruino src/jsinteractive.c, jsiIdle.
   */
  const look = () => {
    if (level === undefined) return;
    watch = setWatch(look, pin, { edge: 0, debounce: 1 });
    const value = read();
    if (value === level) return;
    level = value;
    options.onChange(value);
  };
  pinMode(pin, mode);
  watch = setWatch(look, pin, { edge: 0, debounce: 1 });
  if (watch === undefined) throw new Error('pin cannot be watched');
  // ESP32 pulls a pin up when it begins to watch it. Source: Espruino targets/esp32/jshardware.c, jshPinWatch.
  pinMode(pin, mode);
  level = read();
  taken[pin] = 1;
  return {
    read,
    close(): void {
      if (level === undefined) return;
      level = undefined;
      delete taken[pin];
      try {
        clearWatch(watch as number);
      } catch (_error) {
        // There was no memory for it when it had to be set again.
      }
    },
  };
}
