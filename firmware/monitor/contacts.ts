/** Inputs that tell something is wrong: a door, a tilt switch, a residual current, a contactor, the supply. */
import type { DigitalInput, Hal } from '../../hal/hal.ts';
import type { ContactConfig } from '../board.ts';
import { EventCode } from '../link/messages.ts';
import type { Schedule } from '../schedule.ts';
import type { Faults } from './faults.ts';

/** ms between looks while a contact may be about to be told, and at contacts that nobody moved. */
const PACE = 1000;
const LOOK = 60000;

export class Contacts {
  private _inputs: DigitalInput[] = [];
  private _codes: number[] = [];
  private _task: number;

  /** Opens the pins. @param _lamp a contactor should be closed while it is lit. @param _owner told of each change of the supply input */
  constructor(
    hal: Hal,
    private _schedule: Schedule,
    private _faults: Faults,
    contacts: readonly ContactConfig[],
    private _lamp: { readonly light: number },
    private _owner: { supply(good: 0 | 1): void },
  ) {
    this._task = _schedule.add(this);
    const onChange = this._changed.bind(this);
    for (const contact of contacts) {
      this._codes.push(contact.code);
      this._inputs.push(hal.openInput(Object.assign({ onChange }, contact.input)));
    }
    _schedule.at(this._task, 0);
  }

  private _changed(): void {
    this._schedule.at(this._task, 0);
  }

  /** @internal */
  run(): void {
    const faults = this._faults;
    faults.pending = 0;
    for (let i = 0; i < this._inputs.length; i++) {
      const code = this._codes[i];
      let bad = this._inputs[i].read();
      if (code === EventCode.ContactorError) bad = bad > 0 === this._lamp.light > 0 ? 0 : 1;
      else if (code === EventCode.SupplyLoss) {
        this._owner.supply(bad);
        bad = bad ? 0 : 1;
      }
      faults.judge(code, bad);
    }
    this._schedule.at(this._task, faults.pending ? PACE : LOOK);
  }
}
