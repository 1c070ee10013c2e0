/** Keeps what a simulated controller remembers in a directory, one pair of files a controller. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SavedController } from './controller.ts';

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
    return { flash, wattHours, varHours };
  }

  save(id: string, { flash, wattHours, varHours }: SavedController): void {
    replace(join(this.directory, `${id}.flash`), flash);
    replace(join(this.directory, `${id}.json`), `${JSON.stringify({ wattHours, varHours })}\n`);
  }
}
