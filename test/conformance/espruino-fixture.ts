/**
 * The fixture on the interpreter's Linux build: recorders in place of the built-in pin and watchdog functions, a second
 * serial object at the far end of a pty pair, a TCP server in the same interpreter, power cuts in the Storage module.
 */
import type { Bytes, Hal } from '../../hal/hal.ts';
import type { Fixture } from './fixture.ts';

/** What the test that starts the interpreter tells it, in the Storage file `fixture.json`. */
interface Site {
  /** Device paths of a connected pair. */
  near: string;
  far: string;
  echoPort: number;
  refusedPort: number;
}

/** bytes of Storage below which `boot` makes room: nobody cuts the power here. */
const ROOM = 100000;
/** Moments at which the power can go: in a Storage write, in an erasure. */
const WRITE_MOMENTS = 5;
const ERASE_MOMENTS = 2;

const files = require('Storage');
const writeFile = files.write;
const eraseFile = files.erase;
const serialNumber = getSerial();

/** A pin's terminal: a latch, connected once the pin is an output. Source: Espruino src/jspin.c, jshPinOutput. */
class Terminal {
  levels: number[] = [];
  private _latch = 0;
  private _manual = false;
  private _output = false;

  digital(value: number): void {
    this._latch = value ? 1 : 0;
    if (!this._manual) this._output = true;
    if (this._output) this.drive(this._latch);
  }

  mode(mode: string): void {
    this._manual = true;
    this._output = mode === 'output';
    if (this._output) this.drive(this._latch);
  }

  drive(level: number): void {
    if (this.levels.length === 0 || this.levels[this.levels.length - 1] !== level) this.levels.push(level);
  }
}

let terminals: { [pin: string]: Terminal } = {};

function terminal(pin: string): Terminal {
  getPinMode(pin);
  if (!terminals[pin]) terminals[pin] = new Terminal();
  return terminals[pin];
}

/** Moments left until the power goes; beyond any write: it stays. */
let left = 1e9;

function powerGoes(): void {
  left = 1e9;
  throw new Error('the power is off');
}

/** The steps of a write: the old file is erased, the header written, half of the data, all of it. */
function writeWithCuts(name: string, data: Bytes): boolean {
  if (left >= WRITE_MOMENTS) {
    left -= WRITE_MOMENTS;
    return writeFile(name, data);
  }
  if (left > 0) eraseFile(name);
  if (left > 1) writeFile(name, data.subarray(0, left === 2 ? 1 : data.length >> 1), 0, data.length);
  if (left === 4) writeFile(name, data.subarray(data.length >> 1), data.length >> 1);
  powerGoes();
  return false;
}

function eraseWithCuts(name: string): void {
  if (left >= ERASE_MOMENTS) {
    left -= ERASE_MOMENTS;
    eraseFile(name);
    return;
  }
  if (left > 0) eraseFile(name);
  powerGoes();
}

/** A watchdog as boards have it; one that the interpreter feeds by itself never bites, and no case forgives that. */
let timeout = 0;
let fed = 0;
let bites = 0;
let reboots = 0;

function look(): void {
  if (timeout > 0 && getTime() - fed > timeout) {
    bites++;
    timeout = 0;
  }
}

function record(): void {
  global.digitalWrite = (pin: string, value: number) => terminal(pin).digital(value);
  global.analogWrite = (pin: string, fraction: number) => terminal(pin).drive(fraction);
  global.pinMode = (pin: string, mode: string) => terminal(pin).mode(mode);
  files.write = writeWithCuts;
  files.erase = eraseWithCuts;
  E.enableWatchdog = (seconds: number, automatic?: boolean) => {
    timeout = automatic === false ? seconds : 0;
    fed = getTime();
  };
  E.kickWatchdog = () => {
    look();
    fed = getTime();
  };
  E.reboot = () => {
    reboots++;
  };
}

/** @param openHal opens the HAL under test */
export function openFixture(openHal: () => Hal): Fixture {
  const site: Site = JSON.parse(files.read('fixture.json') || '{}');
  const sockets: Socket[] = [];
  record();
  require('net')
    .createServer((socket) => {
      sockets.push(socket);
      socket.on('data', (text) => {
        socket.write(text);
      });
    })
    .listen(site.echoPort);
  Serial6.setup(9600, { path: site.far });
  const fixture: Fixture = {
    slack: 60,
    late: 3000,
    pins: ['D1', 'D2'],
    port: site.near,
    host: '127.0.0.1',
    echoPort: site.echoPort,
    refusedPort: site.refusedPort,
    onFar: undefined,
    boot(id) {
      fixture.onFar = undefined;
      terminals = {};
      left = 1e9;
      timeout = 0;
      bites = 0;
      reboots = 0;
      sockets.splice(0);
      if (files.getFree() < ROOM) files.compact();
      global.getSerial = () => (id === undefined ? serialNumber : `12345678-${id}`);
      return openHal();
    },
    later(delay, run) {
      setTimeout(run, delay);
    },
    now: () => getTime() * 1000,
    levels: (pin) => (terminals[pin] ? terminals[pin].levels : []),
    farWrite: (data) => Serial6.write(data),
    endConnections() {
      for (const socket of sockets) socket.end();
      sockets.splice(0);
    },
    cutPower(moment) {
      left = moment;
    },
    damage(key) {
      const bytes = E.toUint8Array(files.read(`${key}~0`) || '');
      bytes[bytes.length - 1] ^= 1;
      writeFile(`${key}~0`, bytes);
    },
    resets() {
      look();
      return bites + reboots;
    },
  };
  Serial6.on('data', (text) => {
    if (fixture.onFar) fixture.onFar(E.toUint8Array(text));
  });
  return fixture;
}
