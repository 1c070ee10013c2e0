import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMeters } from '../../firmware/metering/meter.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Done, Hal, SerialOptions } from '../../hal/hal.ts';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { readProfile } from '../../sim/plant/modbus-meter.ts';
import { connect, type Played, play, playable, stop } from './pymodbus.ts';

const UNITS: Played[] = [
  {
    profile: 'sdm630', // float32, high word first
    values: [
      ['Phase1Voltage', 230.2, 2302],
      ['Phase2ActivePower', -87.5, -875],
      ['Phase3Current', 0.108, 108],
      ['PowerFactor', -0.87, -870],
      ['Frequency', 49.98, 4998],
      ['ActiveEnergy', 1234.5, 1_234_500],
    ],
  },
  {
    profile: 'em111', // i32, low word first
    values: [
      ['SupplyVoltage', 2302, 2302],
      ['SupplyCurrent', 65_537, 65_537],
      ['ActivePower', -870, -870],
      ['PowerFactor', -870, -870],
      ['Frequency', 500, 5000],
      ['ActiveEnergy', 69_273, 6_927_300],
    ],
  },
  {
    profile: 'ddsu666', // float32 of kW, far addresses, function 3
    values: [
      ['SupplyVoltage', 230.2, 2302],
      ['ActivePower', 1.2345, 12_345],
      ['ReactivePower', -0.5, -5000],
      ['ExportedEnergy', 100, 100_000],
    ],
  },
  {
    profile: 'xy-md02',
    values: [
      ['Temperature', -205, -205],
      ['Humidity', 546, 546],
    ],
  },
];

/** A Hal with nothing but a clock and a serial port that ends in `socket`. */
function halOn(socket: Socket): Hal {
  return {
    clock: {
      uptime: () => performance.now(),
      // Nothing else stops the meters: time ends with the line.
      after: (delay: number, run: () => void) => {
        return setTimeout(() => socket.destroyed || run(), delay)[Symbol.toPrimitive]();
      },
      cancel: (timer: number) => clearTimeout(timer),
    },
    openSerial: ({ onData }: SerialOptions) => {
      socket.on('data', (data) => onData(Uint8Array.from(data)));
      return { write: (data: Uint8Array, done: Done) => void socket.write(data, () => done(null)), close() {} };
    },
  } as unknown as Hal;
}

describe('Modbus units played by pymodbus', () => {
  let directory: string;
  let network: Server;
  let children: ChildProcess[];
  let socket: Socket;

  before(async function () {
    if (!playable()) {
      console.log('    SKIPPED: needs python3-pymodbus, python3-serial-asyncio and socat');
      this.skip();
    }
    this.timeout(30_000);
    directory = mkdtempSync(join(tmpdir(), 'pymodbus-'));
    const device = join(directory, 'line');
    network = createServer().listen(0, '127.0.0.1');
    await once(network, 'listening');
    const { port } = network.address() as AddressInfo;
    const connected = once(network, 'connection');
    const line = connect([`PTY,link=${device},raw,echo=0`, `TCP:127.0.0.1:${port},nodelay`], [device]);
    [socket] = await connected;
    children = [await line];
    children.push(await play(device, UNITS));
  });

  after(async () => {
    socket?.destroy();
    network?.close();
    await stop(children ?? []);
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  it('give what pymodbus encoded, all 4 on one line with a dead one', async function () {
    this.timeout(30_000);
    const dead = UNITS.length;
    const configs = [...UNITS.map(({ profile }) => profile), 'sdm120'].map((profile, i) => {
      return { line: 0, unit: i + 1, profile, period: 500, ...compileProfile(readProfile(profile)) };
    });
    const read = new Set<number>();
    let all = () => {};
    const complete = new Promise<void>((resolve) => {
      all = resolve;
    });
    const schedule = new Schedule(halOn(socket).clock, { failed: (error) => assert.fail(String(error)) });
    const lines = [{ port: 'line', baud: 19_200, echo: false }];
    const meters = openMeters(halOn(socket), schedule, lines, configs, {
      reading(index) {
        if (index !== dead) read.add(index);
        if (read.size === UNITS.length) all();
      },
    });
    await complete;
    for (const [i, { profile, values }] of UNITS.entries()) {
      const { registers } = readProfile(profile);
      const { quantities } = compileProfile(readProfile(profile));
      const names = [...registers].sort((a, b) => a.address - b.address).map(({ quantity }) => quantity);
      assert.equal(names.length, quantities.length);
      for (const [quantity, , expected] of values) {
        assert.equal(meters.values(i)[names.indexOf(quantity)], expected, `${profile} ${quantity}`);
      }
    }
    assert.equal(meters.time(dead), undefined);
  });
});
