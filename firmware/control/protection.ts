/** Less light for a hot controller or driver, and back only when it has cooled. */

/** % of light less for each degree above the first limit, down to `LOWEST` %. */
const LOWEST = 50;
/** K that the temperature has to fall before the light follows. */
const HYSTERESIS = 5;

export class Protection {
  private _held = -273;

  /**
   * @param _warm °C above which the light is reduced by 1 % a degree
   * @param _hot °C above which only the minimum is left; the lamp stays lit
   */
  constructor(
    private _warm: number,
    private _hot: number,
  ) {}

  /** @param temperature °C. @returns % of light that is allowed; 0 stands for the gear's minimum. */
  cap(temperature: number): number {
    if (temperature > this._held) this._held = temperature;
    else if (temperature < this._held - HYSTERESIS) this._held = temperature + HYSTERESIS;
    if (this._held > this._hot) return 0;
    return Math.min(100, Math.max(LOWEST, 100 - (this._held - this._warm)));
  }
}
