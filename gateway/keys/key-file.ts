/** The keys of controllers from their file, which provisioning may replace at any time. */

import { statSync } from 'node:fs';
import type { Log } from '../log.ts';
import { ControllerKeys } from './controller-keys.ts';

/** ms of real time between two looks at the file: so long a revoked controller may go on. */
const LOOK = 5000;

export class KeyFile {
  /** What the file held when it was last read whole; stays the same object. */
  readonly keys: ControllerKeys;
  private changed: string;
  private readonly looking: NodeJS.Timeout;

  /** Throws with the name of the file and what is wrong with it. */
  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {
    this.changed = this.stamp();
    this.keys = ControllerKeys.load(path);
    this.looking = setInterval(() => this.look(), LOOK);
    this.looking.unref();
  }

  /** Takes up a file that was replaced; a faulty one is told of, and what was read before goes on counting. */
  look(): void {
    const now = this.stamp();
    if (now === this.changed) return;
    this.changed = now;
    try {
      this.keys.become(ControllerKeys.load(this.path));
      this.log(`keys of ${this.keys.size} controllers were read from ${this.path}`);
    } catch (error) {
      this.log(`${(error as Error).message}; the keys before it stay in use`, 'warning');
    }
  }

  close(): void {
    clearInterval(this.looking);
  }

  private stamp(): string {
    const found = statSync(this.path, { throwIfNoEntry: false });
    return `${found?.mtimeMs} ${found?.size} ${found?.ino}`;
  }
}
