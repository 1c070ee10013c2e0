/**
 * 1-10 V (IEC 60929 Annex E) and 0-10 V (ANSI C137.1) dimming: linear between the voltages of the minimum level and of
 * 100 %. The gear supplies the current, so an open wire or a resetting controller means full light.
 */
import type { AnalogOutput, Hal } from '../../hal/hal.ts';
import type { LampConfig } from '../board.ts';

export class Dim {
  /** fraction of full scale = offset + slope * level */
  private _slope: number;
  private _offset: number;
  private _output: AnalogOutput;

  constructor(
    hal: Hal,
    dim: NonNullable<LampConfig['dim']>,
    private _lowest: number,
  ) {
    this._output = hal.openAnalog({ pin: dim.pin, hz: dim.hz });
    this._slope = (dim.maximum - dim.minimum) / (100 - _lowest) / dim.fullScale;
    this._offset = dim.minimum / dim.fullScale - this._slope * _lowest;
    if (dim.inverted) {
      this._slope = -this._slope;
      this._offset = 1 - this._offset;
    }
  }

  /** @param level % of light; below the gear's minimum the wire stays at the minimum's voltage. */
  write(level: number): void {
    const fraction = this._offset + this._slope * Math.max(level, this._lowest);
    this._output.write(Math.max(0, Math.min(1, fraction)));
  }
}
