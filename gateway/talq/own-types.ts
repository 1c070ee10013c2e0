/** The types that the gateway itself announces: of each board in the field one controller type. */

import { randomUUID } from 'node:crypto';
import { ControlType } from '../../firmware/link/messages.ts';
import type { Fleet } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Json, Store } from '../store/store.ts';
import type { ControllerType } from './types.ts';

const KEY = 'own-types';

export class OwnTypes {
  /** Board to the address of its type, for ever. */
  private readonly addresses = new Map<string, string>();

  constructor(
    private readonly fleet: Fleet,
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  /** Takes up what was stored. */
  load(stored: ReadonlyMap<string, Json>): void {
    for (const [board, address] of Object.entries((stored.get(KEY) ?? {}) as Record<string, string>)) {
      this.addresses.set(board, address);
    }
  }

  /** @returns the address of a board's controller type. */
  addressOf(board: string): string {
    const known = this.addresses.get(board);
    if (known !== undefined) return known;
    const address = randomUUID();
    this.addresses.set(board, address);
    this.store.save(KEY, Object.fromEntries(this.addresses)).catch((error: Error) => {
      this.log(`cannot store the types of boards: ${error.message}`, 'error');
    });
    return address;
  }

  /** @returns the types of the boards that have been seen, with what their controllers say of their output. */
  list(): ControllerType[] {
    const outputs = new Map<string, Set<'1-10V' | 'on/off'>>();
    for (const { birth } of this.fleet.controllers.values()) {
      const output = birth.control === ControlType.Analog ? '1-10V' : 'on/off';
      outputs.set(birth.board, (outputs.get(birth.board) ?? new Set()).add(output));
    }
    return [...outputs].map(([board, interfaces]) => ({
      address: this.addressOf(board),
      name: `Réverbère ${board}`,
      productFamily: 'Réverbère',
      model: board,
      electricalInterfaces: [...interfaces].sort(),
    }));
  }
}
