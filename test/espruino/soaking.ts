/** One controller on the real interpreter, months in minutes: its bundle in accelerated time, and a real gateway in the same. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Board } from '../../firmware/board.ts';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, flashImage } from '../../scripts/interpreter.mjs';
import { assignment, calendar, program } from '../gateway/control-rig.ts';
import { Rig } from '../gateway/rig.ts';
import { siteKey } from '../sealed.ts';
import { acceleration, type BootTime, TIME_FILE } from './acceleration.ts';

export const DAY = 86_400_000;
const HOUR = 3_600_000;
/** ms for which the power is gone, once to five times that. */
const CUT = HOUR;
/** ms of real time from the end of a day to a cut of the power. */
const CUT_AFTER = 4000;
/** ms UTC of the first boot. */
const BEGIN = Date.parse('2026-01-01T00:00:00Z');
/** The controller's clock when it boots first, s: too little to be a time. */
const UPTIME = 1000;
/** The controller's crystal is slow by so much. */
const DRIFT = 20e-6;
const ID = 'pole-1';

export interface Today {
  day: number;
  jsvars: number;
  /** Timers that wait. */
  timers: number;
  /** Modbus requests and MQTT messages since the boot. */
  polls: number;
  messages: number;
  /** s lit since the boot. */
  lit: number;
}

export interface SoakOptions {
  board: Board;
  days: number;
  /** Days after which the power goes; absent: never. */
  cuts?: number;
  onDay?(today: Today): void;
}

export interface Soaked {
  days: Today[];
  outages: number;
  cuts: number;
  /** Answers that did not come within 20 s of real time. */
  stalls: number;
  /** What the console said of errors. */
  trouble: string[];
  /** Overrides that were acknowledged, and events, reports and samples that the gateway took. */
  obeyed: number;
  events: number;
  reports: number;
  batches: number;
  /** The pole is online at the end, and its reason and level. */
  last: string;
}

/** The link is down for 1 to 3 hours of every day, each day at another time. @returns which outage, -1: none */
export function outageAt(time: number): number {
  const day = Math.floor((time - BEGIN) / DAY);
  const from = ((day * 7 + 3) % 21) * HOUR;
  const at = (time - BEGIN) % DAY;
  return at >= from && at < from + (1 + (day % 3)) * HOUR ? day : -1;
}

export class Soak {
  readonly #options: SoakOptions;
  readonly #result: Soaked = {
    days: [],
    outages: 0,
    cuts: 0,
    stalls: 0,
    trouble: [],
    obeyed: 0,
    events: 0,
    reports: 0,
    batches: 0,
    last: '',
  };
  /** s of the controller's clock. */
  #time = UPTIME;
  #outage = -1;
  #rig!: Rig;
  #links = new Set<Socket>();
  #proxy = createServer((socket) => this.#accept(socket));
  #directory = mkdtempSync(join(tmpdir(), 'soak-'));

  constructor(options: SoakOptions) {
    this.#options = options;
  }

  /** ms UTC */
  get now(): number {
    return BEGIN + (this.#time - UPTIME) * 1000 * (1 + DRIFT);
  }

  async run(): Promise<Soaked> {
    const { board, days, cuts = days + 1, onDay } = this.#options;
    const result = this.#result;
    this.#rig = await Rig.start({
      now: () => this.now,
      timeZone: 'Europe/Brussels',
      location: { latitude: 50.85, longitude: 4.35 },
    });
    this.#count();
    this.#proxy.listen(0, '127.0.0.1');
    await once(this.#proxy, 'listening');
    const { port } = this.#proxy.address() as AddressInfo;
    const { code } = await bundle({ board });
    const site = JSON.stringify({
      id: ID,
      key: siteKey(ID),
      host: '127.0.0.1',
      port,
      paths: board.lines.map(() => '/dev/null'),
    });
    const script = `${acceleration({ wattage: 60, quiet: 4 })}\n${code}`;
    writeFileSync(join(this.#directory, 'espruino.flash'), flashImage({ '.bootcde': script, 'site.json': site }));
    try {
      for (let done = 0; done < days; ) {
        if (done > 0) {
          result.cuts++;
          this.#time += (CUT / 1000) * (1 + (done % 5));
        }
        const day = Math.floor((this.#time - UPTIME) / (DAY / 1000));
        const start: BootTime = { now: this.#time, mark: UPTIME + (day + 1) * (DAY / 1000), day };
        writeFileSync(join(this.#directory, TIME_FILE), JSON.stringify(start));
        done = await this.#live(Math.min(days, done + cuts), onDay);
      }
    } finally {
      for (const link of this.#links) link.destroy();
      this.#proxy.close();
      await this.#rig.close();
      rmSync(this.#directory, { recursive: true, force: true });
    }
    return result;
  }

  /** One boot. @returns days that are over at its end */
  async #live(until: number, onDay: ((today: Today) => void) | undefined): Promise<number> {
    const result = this.#result;
    let line = '';
    let last = 0;
    let failed: unknown;
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const take = (text: string): void => {
      line += text;
      for (let at = line.indexOf('\n'); at >= 0; at = line.indexOf('\n')) {
        const [said] = [line.slice(0, at)];
        line = line.slice(at + 1);
        if (/Uncaught|ERROR|ASSERT|Interrupted|Error/.test(said)) result.trouble.push(said.trim());
        if (said.includes('=stall')) result.stalls++;
        const match = /=day (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(said);
        if (!match) continue;
        const [day, jsvars, timers, polls, messages, lit, now] = match.slice(1).map(Number);
        const today = { day, jsvars, timers, polls, messages, lit };
        this.#time = now;
        result.days.push(today);
        onDay?.(today);
        last = day;
        if (day >= this.#options.days) end();
        else {
          // The power goes a while after what the CMS wants has come.
          const cut = day >= until ? () => setTimeout(end, CUT_AFTER) : () => {};
          this.#daily(day).then(cut, (error) => {
            failed = error;
            end();
          });
        }
      }
    };
    const board = boot({ directory: this.#directory, onOutput: take });
    board.exited.then(() => end());
    await over;
    const { online, state } = this.#rig.gateway.fleet.controllers.get(ID) ?? assert.fail('no pole');
    result.last = `${online ? 'online' : 'offline'}, reason ${state?.reason}, ${state?.level} % of ${state?.command} %`;
    await board.stop({ keep: true });
    if (failed) throw failed;
    if (last < until)
      throw new Error(
        `the interpreter ended on day ${last}: ${/ASSERT[^\n]*/.exec(board.output()) ?? board.output().slice(-2000)}`,
      );
    return last;
  }

  /** The CMS gives the pole its calendar on the first day, and an override of an hour on every other. */
  async #daily(day: number): Promise<void> {
    const rig = this.#rig;
    const pole = rig.gateway.fleet.controllers.get(ID);
    if (!pole) return;
    const address = await rig.address(ID);
    const call = async (path: string, body: unknown): Promise<void> => {
      const { status } = await rig.call('POST', path, { body });
      assert.ok(status >= 200 && status < 300, `${path}: ${status}`);
    };
    if (day === 1) {
      const points: [string, number][] = [
        ['12:00', 100],
        ['22:00', 80],
        ['00:30', 50],
        ['05:30', 100],
      ];
      const periods = [{ name: 'AstroClockActivePeriod' as const, sunsetOffset: -5, sunriseOffset: 10 }];
      const sunday = { type: 'ccDay', days: [{ start: 7 }] };
      await call('/control-programs', [
        program('night', points, { activePeriods: periods }),
        program('sunday', [['12:00', 60]], { activePeriods: periods }),
      ]);
      await call('/calendars', [calendar('street', [{ program: 'sunday', condition: sunday }], 'night')]);
      await call('/assign-commands', assignment('street', address));
      return;
    }
    const expiration = new Date(Math.ceil(this.now / 1000) * 1000 + HOUR).toISOString();
    const targetCommand = { state: { name: 'LevelState', value: 30 + (day % 50) }, expiration, cmsRefId: `day-${day}` };
    await call('/override-commands', { addresses: [{ resource: 'devices', address }], targetCommand });
  }

  /** What the gateway takes. */
  #count(): void {
    const result = this.#result;
    let reference: string | undefined;
    this.#rig.gateway.fleet.onChange(({ id, state }, change) => {
      if (id !== ID) return;
      if (change === 'report') result.reports++;
      if (state?.reference !== undefined && state.reference !== reference) result.obeyed++;
      reference = state?.reference;
    });
    this.#rig.gateway.fleet.onEvents((_pole, events) => {
      result.events += events.length;
    });
    this.#rig.gateway.fleet.onSamples(() => result.batches++);
  }

  /** Takes the times out of what the interpreter sends; during an outage nothing comes through. */
  #accept(socket: Socket): void {
    const broker = connect(this.#rig.gateway.brokerPort, '127.0.0.1');
    let waiting = Buffer.alloc(0);
    this.#links.add(socket);
    const end = (): void => {
      socket.destroy();
      broker.destroy();
      this.#links.delete(socket);
    };
    for (const side of [socket, broker]) {
      side.setNoDelay(true);
      side.on('error', end);
      side.on('close', end);
    }
    broker.on('data', (data) => socket.write(data));
    socket.on('data', (data) => {
      waiting = Buffer.concat([waiting, data]);
      for (;;) {
        const head = waiting.indexOf(10);
        if (head < 0) return;
        const [time, length] = waiting.toString('latin1', 0, head).split(' ').map(Number);
        if (waiting.length < head + 1 + length) return;
        const packet = waiting.subarray(head + 1, head + 1 + length);
        waiting = waiting.subarray(head + 1 + length);
        this.#time = time;
        this.#rig.gateway.tick();
        const outage = outageAt(this.now);
        if (outage >= 0) {
          if (outage !== this.#outage) this.#result.outages++;
          this.#outage = outage;
          end();
          return;
        }
        broker.write(Buffer.from(packet));
      }
    });
  }
}
