/**
 * All that needs memory at once, in the life of one controller on an interpreter that has so many variables and no more.
 * What they lack is taken in one piece before the firmware starts, and the memory that the firmware sees is what is left.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Aedes } from 'aedes';
import jsmodbus from 'jsmodbus';
import type { Board } from '../../firmware/board.ts';
import { AckCode, CommandKey, CommandKind, RecordKind } from '../../firmware/link/messages.ts';
import { Head, Part, Rule, Size } from '../../firmware/link/timetable.ts';
import { FlashJournal } from '../../firmware/store/journal.ts';
import { Vault } from '../../firmware/store/vault.ts';
import type { Bytes, FlashArea, FlashOptions } from '../../hal/hal.ts';
import { boot } from '../../scripts/interpreter.mjs';
import { Configuration } from '../configuration.ts';
import { decoder, encode } from '../gateway/rig.ts';
import { GatewayEnd, keyOf, siteKey, toGroup, wrapped } from '../sealed.ts';

const ID = 'pole-1';
const PAGE = 4096;
/** jsvars that a host's controller counts as all there are. Source: hal/espruino/system.ts. */
const HOST_TOTAL = '16383';
/** How a host is made to have more memory than a board at once. Source: hal/espruino/index.ts. */
const HOST_ROOM = '.length<65536';
/** ms of patience with a step: the interpreter shares the machine. */
const PATIENCE = 30_000;
/** Boot of the faults that the birth tells of, and of the journal that waits. */
const BEFORE = 5;
const GROUPS = Array.from({ length: 8 }, (_, i) => 1000 + i);
/** %, of the configuration. */
const LEVEL = 90;
/** Counters that may be set, each with an event: all but that of the energies' source. */
const COUNTERS = Array.from({ length: 18 }, (_, counter) => counter).filter((counter) => counter !== 7);
const REFERENCE = 'r'.repeat(64);

export interface CrowdedOptions {
  board: Board;
  /** The board's bundle. */
  code: string;
  /** jsvars; absent: as many as the interpreter has. */
  variables?: number;
}

/** What a life ended with. */
export interface Crowded {
  /** What was lost or broken; absent: nothing. */
  fault?: string;
  /** jsvars in use once all was over, ballast apart. */
  rest: number;
  /** What was sent and taken, for who reads it. */
  told: string;
}

/** Raw flash in memory, as the board's file begins. */
class Image implements FlashArea {
  readonly page = PAGE;
  constructor(
    readonly bytes: Buffer,
    readonly address: number,
    readonly size: number,
  ) {}
  read(address: number, length: number): Bytes {
    const from = this.address + address;
    return new Uint8Array(this.bytes.subarray(from, from + length));
  }
  write(address: number, data: Bytes): void {
    data.forEach((byte, i) => {
      this.bytes[this.address + address + i] &= byte;
    });
  }
  erase(address: number): void {
    this.bytes.fill(255, this.address + address, this.address + address + PAGE);
  }
}

/** @returns a board's raw flash after boots that left faults, events and full batches of samples behind */
function leftBehind({ store, journal }: Board): Buffer {
  assert.ok(store && journal, 'the board has raw flash');
  const bytes = Buffer.alloc(Math.max(...[store, journal].map(({ address = 0, size }) => address + size)), 255);
  const area = ({ address = 0, size }: FlashOptions) => new Image(bytes, address, size);
  const hal = { crc32: (data: Uint8Array) => crc32(data), random: () => 0.5, openFlash: () => area(store) };
  const vault = new Vault(hal, store);
  vault.write('boot', Uint8Array.of(0, 0, 0, BEFORE, 0));
  const text = 'Error: '.padEnd(60, 'x');
  vault.write('fault', new Uint8Array(Buffer.from(JSON.stringify([BEFORE, 3, text, text]))));
  const kept = new FlashJournal(hal, area(journal), BEFORE);
  const at = Math.floor(Date.now() / 1000) - 3600;
  for (let i = 0; i < 30; i++) {
    // Its number comes in front when it is told, and is counted already.
    const event = encode([20, 2, i, at + i, null, 100, 2300, 270, 600, 970, null, 60, 3]);
    event[0]++;
    kept.append(RecordKind.Event, new Uint8Array(event));
  }
  for (let i = 0; i < 2; i++) {
    const columns = Array.from({ length: 16 }, (_, column) => 64 + column);
    // A map of 7 keys whose first two come when it is told.
    const record = encode(
      new Map<number, unknown>([
        [2, at - (at % 60)],
        [3, 900],
        [4, columns],
        [5, 96],
        [6, Buffer.alloc(560, i + 1)],
      ]),
    );
    kept.append(RecordKind.Samples, new Uint8Array(record.subarray(1)));
  }
  return bytes;
}

/** @returns a timetable of as many bytes, rules, programs and switch points as a board of these limits takes */
export function largestTimetable([bytes, rules, programs, points]: readonly number[], seed: number): Buffer {
  const zone = 'CET-1CEST,M3.5.0,M10.5.0/3';
  let room = bytes - Head.Size - 2 * programs - rules * Rule.Ranges - zone.length - programs * Part.Size - 4;
  // Points of 9 bytes, and ranges of 4 bytes in the first rule for the rest.
  let count = Math.min(Math.floor(room / Size.Point), programs * points);
  while (count > 0 && (room - count * Size.Point) % 4 > 0) count--;
  room -= count * Size.Point;
  const ranges = Math.min(255, room / 4);
  const head = Buffer.alloc(Head.Size + 2 * programs);
  head.set([1, 12, 0, rules, programs, zone.length]);
  head.writeInt32BE(50_850_000, Head.Latitude);
  head.writeInt32BE(4_350_000 + seed, Head.Longitude);
  const table: Buffer[] = [];
  for (let rule = 0; rule < rules; rule++) {
    const one = Buffer.alloc(Rule.Ranges + (rule === 0 ? 4 * ranges : 0));
    one[Rule.Program] = rule % programs;
    one[Rule.Weekdays] = 1 << (rule % 7);
    if (rule === 0) one[Rule.RangeCount] = ranges;
    for (let range = 0; range < ranges && rule === 0; range++) {
      one.writeUInt16BE(32 + 1, Rule.Ranges + 4 * range);
      one.writeUInt16BE(32 + 2, Rule.Ranges + 4 * range + 2);
    }
    table.push(one);
  }
  table.push(Buffer.from(zone));
  let at = head.length + table.reduce((sum, { length }) => sum + length, 0);
  for (let program = 0; program < programs; program++) {
    head.writeUInt16BE(at, Head.Size + 2 * program);
    const mine = Math.floor(count / programs) + (program < count % programs ? 1 : 0);
    const one = Buffer.alloc(Part.Size + mine * Size.Point);
    one[Part.Fixed] = mine;
    for (let point = 0; point < mine; point++) {
      const start = Part.Size + point * Size.Point;
      one.set([100 - point, 255, 255, 255, 255, 0], start);
      one.writeUIntBE(60 * (1 + point), start + 6, 3);
    }
    table.push(one);
    at += one.length;
  }
  const whole = Buffer.concat([head, ...table]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(whole));
  return Buffer.concat([whole, check]);
}

/** @returns the largest monitoring document: 32 limits, 16 columns, and a curve for what else one message holds */
export function largestMonitoring(seed: number): Buffer {
  const curve = Array.from({ length: 32 }, (_, i) => [2 * i + 2, 900 + i]).flat();
  const limits = Array.from({ length: 32 }, (_, i) => [64 + 4 * (i % 10) + (i & 1), 0, 1_000_000 + seed + i]).flat();
  const columns = Array.from({ length: 16 }, (_, column) => 64 + column);
  return encode(
    new Map<number, unknown>([
      [0, [600, 1000, 50, 300, 4, ...curve]],
      [1, limits],
      [2, [900, ...columns]],
    ]),
  );
}

/** One life. */
class Life {
  readonly #options: CrowdedOptions;
  readonly #gateway = new GatewayEnd(ID);
  readonly #configuration = new Configuration();
  readonly #directory = mkdtempSync(join(tmpdir(), 'crowded-'));
  #broker!: Aedes;
  #servers: Server[] = [];
  #sockets = new Set<Socket>();
  #socat: ChildProcess | undefined;
  #controller!: ReturnType<typeof boot>;
  /** What the console said that means the end of memory, or of something else. */
  #trouble = '';
  #grown = false;
  /** Answers by command, births, reports, and the numbers of events and batches that came. */
  #acks = new Map<number, number>();
  #births: Map<number, unknown>[] = [];
  #waiting = new Map<number, () => void>();
  #reports: Map<number, unknown>[] = [];
  #events = new Set<number>();
  #batches = new Set<number>();
  #longest = 0;
  /** `got` is sent. */
  #durable = true;
  #number = 100;
  #polls = 0;
  /** What is sent as soon as the controller is back. */
  #onBirth: (() => void) | undefined;

  constructor(options: CrowdedOptions) {
    this.#options = options;
  }

  async run(): Promise<Crowded> {
    let fault: string | undefined;
    let rest = 0;
    try {
      await this.#open();
      await this.#live();
      rest = await this.#rest();
    } catch (error) {
      fault = this.#trouble || (error as Error).message;
    } finally {
      await this.#close();
    }
    const told =
      `${this.#births.length} births, ${this.#reports.length} reports, ${this.#acks.size} acknowledgements, ` +
      `${this.#events.size} events in messages of up to ${this.#longest} bytes, ${this.#batches.size} batches, ` +
      `${this.#polls} Modbus requests`;
    return { ...(fault === undefined ? {} : { fault }), rest, told };
  }

  async #open(): Promise<void> {
    const { board, code, variables } = this.#options;
    this.#broker = await Aedes.createBroker();
    const mqtt = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      this.#broker.handle(socket);
    });
    const meter = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => this.#polls++);
      const input = Buffer.alloc(400);
      for (const [register, value] of [
        [0, 230],
        [6, 0.27],
        [12, 60],
        [18, 62],
        [24, -7],
        [30, 0.97],
        [70, 50],
        [72, 9],
      ])
        input.writeFloatBE(value, 2 * register);
      new jsmodbus.server.RTU(socket as never, { input, holding: Buffer.alloc(400) });
    });
    this.#servers = [mqtt, meter];
    for (const server of this.#servers) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const port = (server: Server) => (server.address() as AddressInfo).port;
    const path = join(this.#directory, 'line');
    this.#socat = spawn('socat', [`PTY,link=${path},raw,echo=0`, `TCP:127.0.0.1:${port(meter)}`], { stdio: 'ignore' });
    for (let tries = 0; !existsSync(path); tries++) {
      assert.ok(tries < 500, 'socat made no pseudo-terminal within 10 s');
      await sleep(20);
    }
    this.#broker.on('publish', ({ topic, payload }, client) => {
      if (client) this.#take(topic, Buffer.from(payload));
    });
    writeFileSync(join(this.#directory, 'espruino.raw'), leftBehind(board));
    const site = {
      id: ID,
      host: '127.0.0.1',
      port: port(mqtt),
      key: siteKey(ID),
      window: 1,
      paths: board.lines.map(() => path),
    };
    const [before, ...more] = code.split(HOST_TOTAL);
    assert.equal(more.length, 1, 'the bundle names the memory of a host once');
    assert.equal(code.split(HOST_ROOM).length, 2, 'the bundle makes room on a host once');
    const bounded = `${before}${variables}${more[0]}`.replace(HOST_ROOM, '.length<0');
    const files = {
      '.boot0': ballast(variables),
      '.bootcde': variables === undefined ? code : bounded,
      'site.json': JSON.stringify(site),
    };
    this.#controller = boot({ files, directory: this.#directory, onOutput: (text) => this.#hear(text) });
    this.#controller.exited.then(() => this.#fail('the interpreter has ended'));
  }

  async #close(): Promise<void> {
    await this.#controller?.stop();
    this.#socat?.kill('SIGKILL');
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    await new Promise<void>((resolve) => this.#broker.close(resolve));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #console = '';
  #fail = (_reason: string): void => {};

  #hear(text: string): void {
    this.#console = (this.#console + text).slice(-4000);
    if (/<GROWN>/.test(this.#console)) this.#grown = true;
    const bounded = this.#options.variables !== undefined;
    const found = /(OUT OF MEMORY[^\n]*|Uncaught[^\n]*|ASSERT[^\n]*|<MEMORY>)/.exec(this.#console);
    if (bounded && this.#grown) this.#trouble ||= 'the memory has grown';
    if (this.#trouble) this.#fail(this.#trouble);
    if (!found || this.#trouble) return;
    this.#trouble = `${found[1].trim()} ${/\n\.\.\.[^\n]*/.exec(this.#console.slice(found.index))?.[0].trim() ?? ''}`;
    this.#fail(this.#trouble);
  }

  #take(topic: string, payload: Buffer): void {
    const leaf = topic.split('/')[2];
    if (leaf === 'link') return;
    const message = this.#gateway.open(topic, payload);
    const content = decoder.decode(message);
    if (leaf === 'birth') this.#births.push(content);
    if (leaf === 'report') this.#reports.push(content);
    if (leaf === 'birth') {
      const [boot, , text] = content.get(17);
      if (boot !== BEFORE) {
        this.#trouble = `fault: ${text}`;
        this.#fail(this.#trouble);
      }
      for (const send of this.#waiting.values()) send();
      this.#onBirth?.();
      this.#onBirth = undefined;
    }
    if (leaf === 'ack') {
      this.#acks.set(content.get(0), content.get(1));
      this.#waiting.delete(content.get(0));
    }
    const now = Date.now();
    if (leaf === 'ask') {
      this.#send(
        'time',
        new Map([
          [0, Math.floor(now / 1000)],
          [1, now % 1000],
          [2, content],
        ]),
      );
    }
    if (leaf === 'event') {
      const [epoch, ...events] = content;
      this.#longest = Math.max(this.#longest, message.length);
      if (!this.#durable) return;
      for (const [number] of events) this.#events.add(number);
      this.#send('got', [RecordKind.Event, epoch, events[0][0], events[events.length - 1][0]]);
    }
    if (leaf === 'log') {
      if (!this.#durable) return;
      this.#batches.add(content.get(0));
      this.#send('got', [RecordKind.Samples, content.get(1), content.get(0), content.get(0)]);
    }
    this.#look();
  }

  #look = (): void => {};

  /** Resolves when it holds. */
  #until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`not within ${PATIENCE / 1000} s: ${what}`), PATIENCE);
      const end = (): void => {
        clearTimeout(timer);
        this.#look = () => {};
        this.#fail = () => {};
      };
      this.#fail = (reason) => {
        end();
        reject(new Error(`${reason}, while waiting for ${what}`));
      };
      this.#look = () => {
        if (!holds()) return;
        end();
        resolve();
      };
      if (this.#trouble) this.#fail(this.#trouble);
      this.#look();
    });
  }

  #publish(topic: string, payload: Buffer): void {
    this.#broker.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, () => {});
  }

  #send(leaf: string, message: unknown, time = Date.now()): void {
    this.#publish(`rvb1/${ID}/${leaf}`, this.#gateway.seal(leaf, encode(message), time));
  }

  /** @returns the command's number */
  #command(kind: CommandKind, ...rest: [number, unknown][]): number {
    const number = ++this.#number;
    return this.#issue(number, () => this.#send('cmd', new Map<number, unknown>([[0, number], [1, kind], ...rest])));
  }

  /** @returns the number of a command that gives it the largest configuration, another one each time, all of it in one message */
  #configure(): number {
    const number = ++this.#number;
    const version = this.#configuration.version + 1;
    const record = (key: (group: number) => Uint8Array) =>
      Buffer.concat(GROUPS.map((group) => Buffer.concat([Buffer.of(group >> 8, group & 255, version), key(group)])));
    const items = this.#configuration.items({
      level: LEVEL,
      timetable: largestTimetable(this.#options.board.limits, version),
      monitoring: largestMonitoring(version),
      groups: record((group) => groupKey(group, version)),
    });
    return this.#issue(number, () => {
      const time = this.#gateway.next(Date.now());
      const groups = record((group) => wrapped(ID, time, group, groupKey(group, version)));
      const message = new Map<number, unknown>([[0, number], [1, CommandKind.Configuration], ...items]);
      this.#send('cmd', message.set(CommandKey.Groups, groups), time);
    });
  }

  /** Sends, and again after each birth until there is an answer. */
  #issue(number: number, send: () => void): number {
    this.#waiting.set(number, send);
    send();
    return number;
  }

  async #end(number: number): Promise<void> {
    await this.#until(`the end of command ${number}`, () => this.#acks.has(number));
    this.#done(number);
  }

  /** Sends a command and resolves when it is done. */
  #order(kind: CommandKind, ...rest: [number, unknown][]): Promise<void> {
    return this.#end(this.#command(kind, ...rest));
  }

  #done(number: number): void {
    assert.equal(this.#acks.get(number), AckCode.Done, `command ${number}`);
  }

  #override(level: number): [number, unknown][] {
    const now = Math.floor(Date.now() / 1000);
    return [
      [2, level],
      [4, now + 3600],
      [5, 5],
      [6, 600],
      [7, REFERENCE],
    ];
  }

  #toGroup(generation: number, number: number, message: Map<number, unknown>): void {
    const group = { number, generation, key: groupKey(number, generation) };
    this.#publish(`rvb1c/${number}`, toGroup(group, encode(message), Date.now()));
  }

  async #reconnect(): Promise<void> {
    const births = this.#births.length;
    for (const socket of this.#sockets) socket.destroy();
    await this.#until('another birth', () => this.#births.length > births);
  }

  async #live(): Promise<void> {
    await this.#until('birth, report, all that the boots before have left, and the clock', () => {
      const [birth] = this.#births;
      return (
        birth?.get(17) !== undefined &&
        this.#events.size >= 30 &&
        this.#batches.size >= 2 &&
        this.#reports.some((report) => report.has(19))
      );
    });
    await this.#until('units', () => {
      const units = this.#reports[this.#reports.length - 1].get(10) as unknown[] | undefined;
      return units?.every((unit) => unit !== null) === true;
    });

    // Each is larger than half a page with what counts already, so that pages turn.
    for (let version = 1; version <= 4; version++) await this.#end(this.#configure());
    await this.#order(CommandKind.Override, ...this.#override(40));
    await this.#order(CommandKind.Read);
    const number = ++this.#number;
    const together = new Map<number, unknown>([[0, number], [1, CommandKind.Override], ...this.#override(60)]);
    this.#issue(number, () => this.#toGroup(4, 1003, together));
    await this.#end(number);

    // What happens now is heard, but not durable.
    this.#durable = false;
    for (let round = 0; round < 2; round++) {
      await this.#order(CommandKind.Counters, [11, COUNTERS.flatMap((counter) => [counter, 100_000 + round])]);
    }
    const seen = this.#acks.size;
    this.#onBirth = () => {
      this.#durable = true;
      // As a gateway says again what nobody has answered: an inbox full, in one go.
      this.#configure();
      this.#command(CommandKind.Override, ...this.#override(70));
      this.#command(CommandKind.Counters, [11, COUNTERS.flatMap((counter) => [counter, 200_000])]);
      this.#command(CommandKind.Sensor, [2, 50], [9, 700]);
      this.#command(CommandKind.Override, ...this.#override(80));
      this.#command(CommandKind.Sensor, [2, 60], [9, 701]);
      this.#command(CommandKind.Read);
      this.#command(CommandKind.Resume);
    };
    await this.#reconnect();
    await this.#until('the end of eight commands', () => this.#acks.size >= seen + 8);
    for (const code of this.#acks.values()) assert.equal(code, AckCode.Done);
    await this.#until('the program', () => {
      const last = this.#reports[this.#reports.length - 1];
      return last.get(11) !== undefined;
    });
    // Whatever has happened is durable in the end, without a gap.
    await this.#until('all events', () => {
      const last = Math.max(...this.#events);
      return last >= 30 + 3 * COUNTERS.length && this.#events.size === last;
    });
    await this.#reconnect();
    const birth = this.#births[this.#births.length - 1];
    assert.deepEqual(birth.get(10), [5, this.#configuration.check]);
    assert.deepEqual(birth.get(14), GROUPS);
    await this.#until('a report', () => this.#reports.length > 0);
  }

  async #rest(): Promise<number> {
    const from = this.#controller.output().length;
    const [, used] = await this.#controller.expect(/<used (\d+)>[\s\S]*?<used (\d+)>/, { from });
    return Number(used);
  }
}

const groupKey = (number: number, generation: number) => keyOf(`group ${number} ${generation}`);

/** A host's memory grows by 4096 variables when it is used up: now, so that there is room for ballast beside any board. */
const GROW = `
var grow = [];
for (var i = 0; i < 1200; i++) grow.push([i, i]);
grow = i = undefined;
process.memory();`;

/**
 * @returns what runs before the firmware: it takes what is too much in one piece, tells what the firmware does not use
 *   up, and says what the interpreter says of its memory
 */
function ballast(variables: number | undefined): string {
  return `
${variables === undefined ? '' : GROW}
var crowd = { base: process.memory().usage, memory: process.memory, taken: 0, total: process.memory(false).total };
process.memory = function (collect) {
  var memory = crowd.memory(collect);
  memory.usage -= crowd.taken;
  return memory;
};
E.on("errorFlag", function (flags) {
  for (var flag of flags) if (flag.indexOf("MEMORY") >= 0) print("<" + flag + ">");
});
setInterval(function () {
  var memory = crowd.memory();
  if (memory.total > crowd.total) { crowd.total = memory.total; print("<GROWN>"); }
  print("<used " + (memory.usage - crowd.taken) + ">");
}, 500);
crowd.lack = crowd.total - ${variables ?? 'crowd.total'} - (crowd.memory().usage - crowd.base) - 8;
if (crowd.lack > 0) crowd.lack = E.toString({ data: 0, count: crowd.lack * crowd.memory().blocksize });
crowd.taken = crowd.memory().usage - crowd.base;
print("<taken " + crowd.taken + " of " + crowd.total + ">");
`;
}

/** @returns how a life in so many variables has ended */
export const crowded = (options: CrowdedOptions): Promise<Crowded> => new Life(options).run();
