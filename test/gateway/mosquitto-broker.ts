/** A real mosquitto with this project's example configuration and the files that provisioning makes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../scripts/provision/command.mjs';
import { freePort } from '../free-port.ts';
import { Authority, opensslVersion, type Pair } from './authority.ts';

const EXAMPLE = fileURLToPath(new URL('../../gateway/deploy/mosquitto.conf', import.meta.url));

/** Why there is none; undefined: there is. */
export const without = spawnSync('mosquitto', ['-h']).error
  ? 'mosquitto is not installed'
  : opensslVersion === undefined
    ? 'openssl is not installed'
    : undefined;

/** Settings that `npm run flash` stores on a controller. */
export interface SiteRecord {
  id: string;
  host: string;
  port: number;
  username: string;
  password: string;
  key: string;
  window: number;
  console?: string;
  group?: string;
}

export class MosquittoBroker {
  readonly directory = mkdtempSync(join(tmpdir(), 'mosquitto-acl-'));
  readonly authority: Authority;
  /** TLS, for controllers. */
  tlsPort = 0;
  /** Plain, for the gateway. */
  port = 0;
  /** What it printed. */
  output = '';
  private readonly pair: Pair;
  private looked = 0;
  private child: ChildProcess | undefined;

  constructor() {
    this.authority = new Authority('Broker authority', 'rsa:2048');
    this.pair = this.authority.issue('localhost');
  }

  /** Runs `npm run provision`. Throws what it complains of. */
  provision(...words: string[]): void {
    const said: string[] = [];
    const write = (text: string) => said.push(text);
    const code = run([...words, '--directory', this.directory], { stdout: { write }, stderr: { write } });
    if (code !== 0) throw new Error(said.join(''));
  }

  /** Gives these controllers credentials and this broker's plain or TLS address. */
  enrol(ids: string[], settings: object = {}, ...words: string[]): void {
    const site = join(this.directory, 'common.json');
    writeFileSync(site, JSON.stringify({ host: '127.0.0.1', port: this.tlsPort, ...settings }));
    this.provision('--site', site, ...ids.flatMap((id) => ['--id', id]), ...words);
  }

  site(id: string): SiteRecord {
    return JSON.parse(readFileSync(join(this.directory, 'sites', `${id}.json`), 'utf8'));
  }

  get keysFile(): string {
    return join(this.directory, 'controllers.json');
  }

  get passwordFile(): string {
    return join(this.directory, 'gateway.password');
  }

  /** Chooses ports, so that site records can name them before the broker runs. */
  async reserve(): Promise<void> {
    this.tlsPort = await freePort();
    this.port = await freePort();
  }

  /** Starts the example configuration with the ports and paths of this test. */
  async start(): Promise<void> {
    const config = readFileSync(EXAMPLE, 'utf8')
      .replaceAll('/etc/mosquitto/reverbere/broker.pem', this.pair.certificate)
      .replaceAll('/etc/mosquitto/reverbere/broker.key', this.pair.key)
      .replaceAll('/etc/mosquitto/reverbere', this.directory)
      .replace('persistence true', 'persistence false')
      .replace('listener 8883', `listener ${this.tlsPort} 127.0.0.1`)
      .replace('listener 1883', `listener ${this.port}`);
    const path = join(this.directory, 'mosquitto.conf');
    // Run by root, mosquitto would become another user, who may not read the files of this one.
    const user = process.getuid?.() === 0 ? 'user root\n' : '';
    writeFileSync(path, `${config}${user}log_dest stderr\n`);
    const child = spawn('mosquitto', ['-v', '-c', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`mosquitto ended:\n${this.output}`)));
      child.stderr?.on('data', (text) => {
        this.output += text;
        if (/mosquitto version \S+ running/.test(this.output)) resolve();
      });
    });
  }

  /** Resolves when it prints something that has not been waited for yet. */
  async until(pattern: RegExp): Promise<void> {
    for (;;) {
      const found = pattern.exec(this.output.slice(this.looked));
      if (found) {
        this.looked += found.index + found[0].length;
        return;
      }
      await once(this.child?.stderr as NodeJS.ReadableStream, 'data');
    }
  }

  /** Clears what it printed. */
  forget(): void {
    this.output = '';
    this.looked = 0;
  }

  /** Has it read its files anew, as after `npm run provision`. */
  reload(): void {
    this.child?.kill('SIGHUP');
  }

  async close(): Promise<void> {
    const { child } = this;
    if (child && child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    this.authority.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
