import type { DigitalInput, InputOptions, Pin } from '../hal.ts';

/** Pins of open inputs. */
const taken: { [pin: string]: number } = {};

class Input implements DigitalInput {
  /** Told last; undefined while the port is opened. */
  private _level: 0 | 1 | undefined;
  private _watch: number | undefined;

  /** @param _onChange undefined once the port is closed */
  constructor(
    private _pin: Pin,
    private _low: number,
    private _onChange: ((value: 0 | 1) => void) | undefined,
    mode: string,
  ) {
    pinMode(_pin, mode);
    this._look();
    if (this._watch === undefined) throw new Error('pin cannot be watched');
    // ESP32 pulls a pin up when it begins to watch it. Source: Espruino targets/esp32/jshardware.c, jshPinWatch.
    pinMode(_pin, mode);
    this._level = this.read();
    taken[_pin] = 1;
  }

  /**
   * A watch lasts until its callback ends, also when that is interrupted (out of memory), which would end a repeating
   * watch for good: so the next one is set before anything else. Without `debounce` the change at hand would fire that
   * one as well, and so on without end. Source: Espruino src/jsinteractive.c, jsiIdle.
   */
  private _look(): void {
    if (!this._onChange) return;
    this._watch = setWatch(this._look.bind(this), this._pin, { edge: 0, debounce: 1 });
    const level = this.read();
    if (this._level === undefined || this._level === level) return;
    this._level = level;
    this._onChange(level);
  }

  read(): 0 | 1 {
    return (digitalRead(this._pin) ^ this._low) as 0 | 1;
  }

  close(): void {
    if (!this._onChange) return;
    this._onChange = undefined;
    delete taken[this._pin];
    try {
      clearWatch(this._watch as number);
    } catch (_error) {
      // There was no memory for it when it had to be armed again.
    }
  }
}

/** @see Hal.openInput. In use is a pin of an open input, and one that is an output now. */
export function openInput(options: InputOptions): DigitalInput {
  const pull = options.pull;
  if (pull !== undefined && pull !== 'up' && pull !== 'down') throw new Error('pull is neither up nor down');
  const mode = getPinMode(options.pin);
  if (taken[options.pin] || (mode && mode !== 'analog' && mode[0] !== 'i')) throw new Error('pin is in use');
  return new Input(options.pin, options.activeLow ? 1 : 0, options.onChange, pull ? `input_pull${pull}` : 'input');
}
