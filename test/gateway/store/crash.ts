/** Writers that are killed in the middle of their work, and what has to be in the store then. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Store } from '../../../gateway/store/store.ts';

export class Writer {
  /** The last acknowledged number of each lane. */
  readonly acknowledged = new Map<string, number>();
  private errors = '';
  private count = 0;
  private readonly child: ChildProcess;
  private looking: () => void = () => {};

  constructor(kind: 'sqlite' | 'postgres', where: string, name: string) {
    const script = fileURLToPath(new URL('./writer.ts', import.meta.url));
    this.child = spawn(process.execPath, ['--import', 'tsx', script, kind, where, name]);
    let rest = '';
    this.child.stdout?.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [lane, number] = line.split(' ');
        this.acknowledged.set(lane, Number(number));
        this.count++;
      }
      this.looking();
    });
    this.child.stderr?.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.child.on('exit', () => this.looking());
  }

  /** Kills the writer as soon as it has had that many acknowledgements in all. */
  async kill(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.looking = () => {
        if (this.child.exitCode !== null) reject(new Error(`the writer ended by itself: ${this.errors}`));
        if (this.count >= count) resolve();
      };
      this.looking();
    });
    const ended = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await ended;
  }

  /** Every acknowledged write is there, nothing is there by halves, and every log is complete and in order. */
  async check(store: Store): Promise<void> {
    const records = await store.load();
    assert.ok(this.acknowledged.size > 0);
    const arrivals = await store.arrivals.after(0, 1000000);
    for (const [lane, last] of this.acknowledged) {
      const there = Number(records.get(`${lane}/a`));
      assert.ok(there === last || there === last + 1, `${lane}: ${last} acknowledged, ${there} there`);
      assert.equal((records.get(`${lane}/b`) as { i: number }).i, there, 'both halves');
      const log = await store.logs.pending(lane, 1000000);
      assert.deepEqual(
        log.map(({ time }) => time),
        Array.from({ length: there }, (_, i) => i + 1),
      );
      const [a, b] = ['a', 'b'].map((name) =>
        arrivals.filter(({ controller }) => controller === `${lane}/${name}`).map(({ number }) => number),
      );
      assert.deepEqual(a, b, 'what came together');
      assert.deepEqual(
        a,
        Array.from(a, (_, i) => i + 1),
      );
      assert.ok(
        a.length === last || a.length === last + 1,
        `${lane}: ${last} acknowledged, ${a.length} arrivals there`,
      );
    }
  }
}
