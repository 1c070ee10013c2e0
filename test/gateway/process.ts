/** A gateway in a process of its own, whose log is JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Ask } from './everything.ts';
import { CMS, Controller } from './rig.ts';

const MAIN = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));

export class GatewayProcess {
  readonly lines: { level: string; message: string }[] = [];
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  private url = '';
  private brokerPort = 0;
  private rest = '';
  private waiting: (() => void)[] = [];

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, 'exit') as Promise<[number | null, string | null]>;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        const lines = (this.rest + chunk).split('\n');
        this.rest = lines.pop() ?? '';
        for (const line of lines) this.lines.push(JSON.parse(line));
        for (const look of this.waiting.splice(0)) look();
      });
    }
  }

  /** Resolves when it can be asked. */
  static async start(...flags: string[]): Promise<GatewayProcess> {
    const words = ['--import', 'tsx', MAIN, '--port', '0', '--broker-port', '0', '--log', 'json', ...flags];
    const started = new GatewayProcess(spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] }));
    const early = started.ended.then(([code]) => {
      throw new Error(`the gateway ended with ${code}: ${JSON.stringify(started.lines)}`);
    });
    const ready = (async () => {
      [, started.url] = await started.said(/^TALQ 2\.7\.1 at (http\S+)/);
      const [, port] = await started.said(/^broker mqtt:\/\/127\.0\.0\.1:(\d+) connected/);
      started.brokerPort = Number(port);
    })();
    await Promise.race([ready, early]);
    early.catch(() => {});
    return started;
  }

  /** @returns the match of the first line of the log that fits, as soon as there is one */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const { message } of this.lines) {
        const match = pattern.exec(message);
        if (match) return match;
      }
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** @returns a controller that has been born and told the time */
  async join(id: string): Promise<Controller> {
    const controller = await Controller.connect(this.brokerPort, id);
    await controller.greet();
    await controller.until(() => controller.times.length > 0);
    return controller;
  }

  readonly ask: Ask = async (method, path, body) => {
    const id = method === 'GET' ? '' : `&talqRequestId=${randomUUID()}`;
    const answer = await fetch(`${this.url}${path}?clientAddress=${CMS}${id}`, {
      method,
      headers: { 'talq-api-version': '2.7.1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: {},
      body: text === '' ? undefined : JSON.parse(text),
      text,
      reused: false,
    };
  };

  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}
