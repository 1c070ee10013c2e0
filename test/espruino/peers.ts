/** What the bundle meets in the real world: a mosquitto that can be killed, and a Modbus meter behind a pseudo-terminal. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from '../../sim/clock.ts';
import { addMeter, type Readings, readProfile } from '../../sim/plant/modbus-meter.ts';
import { RtuSegment, type Unit } from '../../sim/plant/rtu-segment.ts';
import { seeded } from '../../sim/random.ts';
import { type Format, SerialLine } from '../../sim/serial-line.ts';

/** @returns the programs of `names` that are not installed */
export const missing = (names: string[]): string[] =>
  names.filter((name) => spawnSync(name, ['-h'], { stdio: 'ignore' }).error !== undefined);

/** A broker on one port of loopback that keeps nothing: after a kill its retained messages and sessions are gone. */
export class Mosquitto {
  #directory = mkdtempSync(join(tmpdir(), 'mosquitto-'));
  #process: ChildProcess | undefined;

  constructor(readonly port: number) {
    const config = `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n`;
    writeFileSync(join(this.#directory, 'mosquitto.conf'), config);
  }

  /** Resolves when it accepts connections; rejects with what it said when it ends instead. */
  start(): Promise<void> {
    const child = spawn('mosquitto', ['-c', join(this.#directory, 'mosquitto.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let said = '';
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`mosquitto ended:\n${said}`)));
      child.stderr?.on('data', (text) => {
        said += text;
        if (/mosquitto version \S+ running/.test(said)) resolve();
      });
    });
  }

  /** As a power cut does it: no goodbye, no last wills. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** ms of real time between two looks at the line. */
const TICK = 2;
/** Bytes of a request to read registers. Source: MODBUS over Serial Line V1.02 §2.5.1. */
const REQUEST = 8;

/** A meter on an RS-485 line in real time; the line's other end is a device file. */
export class MeterLine {
  /** `connected = false` pulls the meter's plug. */
  readonly unit: Unit;
  /** Path of the device. */
  readonly path: string;
  #directory = mkdtempSync(join(tmpdir(), 'meter-'));
  #world = new World();
  #line = new SerialLine(this.#world, seeded('meter'));
  #server = createServer((socket) => this.#accept(socket));
  #format: Format;
  #timer: NodeJS.Timeout;
  #socat: ChildProcess | undefined;
  #bytes = 0;
  #heard = () => {};

  /** @param profile name of the meter's profile @param readings what it measures; may be changed at any time */
  constructor(format: Format, address: number, profile: string, readings: Readings) {
    this.#format = format;
    this.path = join(this.#directory, 'line');
    const segment = new RtuSegment(this.#world, this.#line, format);
    this.unit = addMeter(segment, address, readProfile(profile), () => readings);
    const start = performance.now();
    this.#timer = setInterval(() => this.#world.run(performance.now() - start - this.#world.now), TICK);
  }

  /** Resolves when the device file is there. */
  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    const ends = [`PTY,link=${this.path},raw,echo=0`, `TCP:127.0.0.1:${port}`];
    this.#socat = spawn('socat', ends, { stdio: 'ignore' });
    for (let tries = 0; !existsSync(this.path); tries++) {
      if (tries > 500) throw new Error('socat made no pseudo-terminal within 10 s');
      await sleep(20);
    }
  }

  /** Requests heard so far, answered or not. */
  get requests(): number {
    return Math.floor(this.#bytes / REQUEST);
  }

  /** Resolves when `count` more requests have been heard. */
  hear(count: number): Promise<void> {
    const wanted = this.requests + count;
    return new Promise((resolve) => {
      this.#heard = () => {
        if (this.requests >= wanted) resolve();
      };
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#server.close();
    if (this.#socat && this.#socat.exitCode === null) {
      this.#socat.kill('SIGKILL');
      await once(this.#socat, 'exit');
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The controller's transceiver: what it sends goes out one message after the other, at the line's speed. */
  #accept(socket: Socket): void {
    const station = { format: this.#format, echo: false, receive: (data: Uint8Array) => socket.write(data.slice()) };
    this.#line.attach(station);
    let waiting: Buffer[] = [];
    let sending = false;
    const next = (): void => {
      const data = Buffer.concat(waiting);
      waiting = [];
      sending = data.length > 0;
      if (sending) this.#line.transmit(station, data, next);
    };
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      this.#bytes += data.length;
      this.#heard();
      waiting.push(data);
      if (!sending) next();
    });
  }
}
