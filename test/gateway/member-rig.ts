/** Several gateways as processes of their own on one database and one broker, a CMS, and controllers that insist. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Leaf } from '../../firmware/link/messages.ts';
import { freePort } from '../free-port.ts';
import { BORN, sag } from './inbox-crash.ts';
import { Controller } from './rig.ts';

/** Waits in real time. */
export async function eventually(condition: () => unknown, what: string | (() => string), ms = 20000): Promise<void> {
  for (const end = performance.now() + ms; !(await condition()); await sleep(50)) {
    if (performance.now() > end) assert.fail(`${typeof what === 'string' ? what : what()} does not come`);
  }
}

export class Mosquitto {
  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  static get absent(): boolean {
    return spawnSync('mosquitto', ['-h']).error !== undefined;
  }

  static async start(): Promise<Mosquitto> {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'reverbere-'));
    const file = join(directory, 'mosquitto.conf');
    writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n`);
    const child = spawn('mosquitto', ['-v', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr?.on('data', (text) => {
      if (said.length < 10000) said += text;
    });
    await eventually(() => said.includes('running'), 'mosquitto');
    return new Mosquitto(port, directory, child);
  }

  async close(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill();
    await gone;
    rmSync(this.directory, { recursive: true });
  }
}

export interface Health {
  role: 'leader' | 'follower';
  leader?: string;
  /** Messages that it has put into the database. */
  kept: number;
}

/** One gateway. */
export class Member {
  readonly log: string[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  constructor(
    readonly port: number,
    readonly management: number,
    readonly words: string[],
  ) {
    const script = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));
    this.child = spawn(process.execPath, [
      '--import',
      'tsx',
      script,
      '--port',
      String(port),
      '--management-port',
      String(management),
      ...words,
    ]);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (text) => this.log.push(...String(text).trimEnd().split('\n')));
    }
    this.ended = once(this.child, 'exit');
  }

  async health(): Promise<Health | undefined> {
    const asked = fetch(`http://127.0.0.1:${this.management}/health`, { signal: AbortSignal.timeout(1000) });
    return asked.then((reply) => reply.json() as Promise<Health>).catch(() => undefined);
  }

  async becomes(role: Health['role'], ms = 20000): Promise<void> {
    await eventually(
      async () => (await this.health())?.role === role,
      () => `${role}: ${this.log.slice(-5).join('; ')}`,
      ms,
    );
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(name);
  }

  async end(name: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(name);
    await this.ended;
  }

  async call(client: string, method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
    const url = new URL(`http://127.0.0.1:${this.port}/talq/gateway${path}`);
    url.searchParams.set('clientAddress', client);
    if (method !== 'GET') url.searchParams.set('talqRequestId', randomUUID());
    const headers = { 'talq-api-version': '2.7.1', ...(body ? { 'content-type': 'application/json' } : {}) };
    const reply = await fetch(url, { method, headers, body: JSON.stringify(body) });
    const text = await reply.text();
    return { status: reply.status, body: text === '' ? undefined : JSON.parse(text) };
  }
}

/** A controller that sends each event until it hears that it was got. */
export class Insisting {
  private readonly sent = new Map<number, number>();
  private done = 0;
  /** Messages that it has sent, the repeated ones included. */
  messages = 0;

  private constructor(readonly controller: Controller) {}

  static async connect(port: number, id: string): Promise<Insisting> {
    const controller = await Controller.connect(port, id);
    await controller.greet(BORN);
    return new Insisting(controller);
  }

  happen(number: number): void {
    this.sent.set(number, 0);
    this.insist();
  }

  /** Sends what nobody has got, again a second after the last time. */
  insist(): void {
    const { gots } = this.controller;
    for (; this.done < gots.length; this.done++) {
      const [, , from, to] = gots[this.done];
      for (let number = from; number <= to; number++) this.sent.delete(number);
    }
    const now = performance.now();
    const due = [...this.sent].filter(([, at]) => now - at > 1000 || at === 0).slice(0, 8);
    for (const [number] of due) {
      this.sent.set(number, now);
      this.messages++;
      void this.controller.send(Leaf.Event, [7, sag(number)]).catch(() => {});
    }
  }

  /** Events that nobody has got as far as it knows. */
  get left(): number {
    this.insist();
    return this.sent.size;
  }
}
