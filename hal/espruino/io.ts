import type { AnalogOptions, AnalogOutput, DigitalOptions, DigitalOutput, Pin } from '../hal.ts';

class Digital implements DigitalOutput {
  constructor(
    private _pin: Pin,
    private _low: number,
  ) {}

  write(value: 0 | 1): void {
    digitalWrite(this._pin, value ^ this._low);
  }

  /** The pin keeps its level: what hangs on it must not float. */
  close(): void {}
}

/** @see Hal.openDigital. The interpreter throws for a pin that it does not know before anything is driven. */
export function openDigital(options: DigitalOptions): DigitalOutput {
  const value = options.initialValue;
  if (value !== 0 && value !== 1) throw new Error('no initial value');
  const output = new Digital(options.pin, options.activeLow ? 1 : 0);
  output.write(value);
  pinMode(options.pin, 'output');
  return output;
}

/** ESP32's DAC takes `fraction * 256` into 8 bits: 1 would come out as 0. Source: Espruino targets/esp32/jshardware.c. */
const DAC_FULL = 0.998;

class Analog implements AnalogOutput {
  constructor(
    private _pin: Pin,
    private _options: { freq?: number } | undefined,
  ) {}

  write(fraction: number): void {
    if (!(fraction >= 0 && fraction <= 1)) throw new Error('fraction out of range');
    analogWrite(this._pin, this._options ? fraction : Math.min(fraction, DAC_FULL), this._options);
  }

  /** The pin keeps its level. */
  close(): void {}
}

/** @see Hal.openAnalog */
export function openAnalog(options: AnalogOptions): AnalogOutput {
  const hz = options.hz;
  if (hz !== undefined && !(hz > 0 && isFinite(hz))) throw new Error('hz out of range');
  // analogWrite itself does not look: it would write past the interpreter's table of pins.
  getPinMode(options.pin);
  return new Analog(options.pin, hz === undefined ? undefined : { freq: hz });
}
