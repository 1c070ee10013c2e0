import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `npm start` with flags, without npm in between. */
export class BenchProcess {
  output = '';
  errors = '';
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<number | null>;
  #look = () => {};

  constructor(...flags: string[]) {
    const command = ['--import', 'tsx', 'sim/main.ts', ...flags];
    this.child = spawn(process.execPath, command, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (chunk) => {
      this.output += chunk;
      this.#look();
    });
    this.child.stderr.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.ended = once(this.child, 'close').then(([code]) => code);
  }

  /** Resolves with the match once the output has it. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    const found = new Promise<RegExpMatchArray>((resolve) => {
      this.#look = () => {
        const match = this.output.match(pattern);
        if (match) resolve(match);
      };
      this.#look();
    });
    const early = this.ended.then((code) => {
      throw new Error(`ended with ${code} before ${pattern}:\n${this.output}${this.errors}`);
    });
    return Promise.race([found, early]);
  }
}
