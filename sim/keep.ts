/** Keeps what a simulated controller remembers in a directory, a few files each. */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SavedController } from './controller.ts';
import type { Flash } from './flash.ts';

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A file is the old or the new one, never half of each. */
function replace(path: string, data: Uint8Array | string): void {
  writeFileSync(`${path}.new`, data);
  renameSync(`${path}.new`, path);
}

export class Keep {
  private readonly followed = new Set<string>();

  /** Creates the directory when it is missing; throws when it cannot. */
  constructor(private directory: string) {
    mkdirSync(directory, { recursive: true });
  }

  /** @returns what `save` left, or undefined. Throws when the files are damaged. */
  load(id: string): SavedController | undefined {
    const flash = readIfThere(join(this.directory, `${id}.flash`));
    if (!flash) return undefined;
    const counters = readIfThere(join(this.directory, `${id}.json`));
    const { wattHours = 0, varHours = 0 } = counters ? JSON.parse(counters.toString()) : {};
    if (!Number.isFinite(wattHours) || !Number.isFinite(varHours)) {
      throw new Error(`${join(this.directory, `${id}.json`)} is damaged`);
    }
    return { flash, raw: readIfThere(join(this.directory, `${id}.raw`)), wattHours, varHours };
  }

  /** From now on the files have what storage and raw flash have, operation by operation: a killed process loses none. */
  follow(id: string, { flash, raw }: { flash: Flash; raw: Flash }): void {
    this.followed.add(id);
    this.mirror(`${id}.flash`, flash);
    this.mirror(`${id}.raw`, raw);
  }

  private mirror(name: string, flash: Flash): void {
    const path = join(this.directory, name);
    replace(path, flash.image());
    flash.onChange = (address, length) => {
      // Opened each time: a long street has more files than a process may hold open.
      const file = openSync(path, 'r+');
      try {
        writeSync(file, flash.read(address, length), 0, length, address);
      } finally {
        closeSync(file);
      }
    };
  }

  save(id: string, { flash, raw, wattHours, varHours }: SavedController): void {
    if (!this.followed.has(id)) {
      replace(join(this.directory, `${id}.flash`), flash);
      if (raw) replace(join(this.directory, `${id}.raw`), raw);
    }
    replace(join(this.directory, `${id}.json`), `${JSON.stringify({ wattHours, varHours })}\n`);
  }
}
