/**
 * A presence sensor on a pin (passive infrared or radar): debounced, and told again while somebody is there, so that a
 * neighbour who missed a message learns of it from the next one.
 */
import type { DigitalInput, Hal } from '../../hal/hal.ts';
import type { PresenceConfig } from '../board.ts';
import type { Schedule } from '../schedule.ts';

/** ms from a change to the look at it. */
const DEBOUNCE = 50;
/** ms until presence is told again. */
const REPEAT = 10000;
/** ms between looks at an input that nobody changed: an interrupt may have taken the pin's callback. */
const LOOK = 60000;

export class Presence {
  /** 1: somebody is there. */
  level: 0 | 1 = 0;
  private _armed = 0;
  private _input: DigitalInput;
  private _task: number;

  /** Opens the pin. @param _owner told when the level has changed, and every 10 s while it is 1 */
  constructor(
    hal: Hal,
    private _schedule: Schedule,
    config: PresenceConfig,
    private _owner: { sensed(level: 0 | 1, changed: boolean): void },
  ) {
    this._task = _schedule.add(this);
    this._input = hal.openInput(Object.assign({ onChange: this._changed.bind(this) }, config));
    _schedule.at(this._task, 0);
  }

  /** An input that chatters is looked at all the same, 50 ms after its first change. */
  private _changed(): void {
    if (this._armed) return;
    this._armed = 1;
    this._schedule.at(this._task, DEBOUNCE);
  }

  /** @internal */
  run(): void {
    const level = this._input.read();
    this._armed = 0;
    this._schedule.at(this._task, level ? REPEAT : LOOK);
    if (!level && !this.level) return;
    const changed = level !== this.level;
    this.level = level;
    this._owner.sensed(level, changed);
  }
}
