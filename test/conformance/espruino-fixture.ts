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
/** Moments at which the power can go: in a Storage write that makes a file, in one that goes on with it, in an erasure. */
const WRITE_MOMENTS = 5;
const MORE_MOMENTS = 3;
const ERASE_MOMENTS = 2;

const files = require('Storage');
const writeFile = files.write;
const eraseFile = files.erase;
const serialNumber = getSerial();
const pinModeOf = getPinMode;

/** A pin's terminal: a latch, connected once the pin is an output. Source: Espruino src/jspin.c, jshPinOutput. */
class Terminal {
  levels: number[] = [];
  mode: string | undefined;
  /** What drives an input from outside; undefined: its resistor. */
  outside: 0 | 1 | undefined;
  pulledUp = false;
  private _latch = 0;
  private _manual = false;

  digital(value: number): void {
    this._latch = value ? 1 : 0;
    if (!this._manual) this.mode = 'output';
    if (this.mode === 'output') this.drive(this._latch);
  }

  setMode(mode: string): void {
    this._manual = true;
    this.mode = mode;
    this.pulledUp = mode === 'input_pullup';
    if (mode === 'output') this.drive(this._latch);
  }

  drive(level: number): void {
    if (this.levels.length === 0 || this.levels[this.levels.length - 1] !== level) this.levels.push(level);
  }

  read(): number {
    return this.outside === undefined ? +this.pulledUp : this.outside;
  }
}

let terminals: { [pin: string]: Terminal } = {};

function terminal(pin: string): Terminal {
  pinModeOf(pin);
  if (!terminals[pin]) terminals[pin] = new Terminal();
  return terminals[pin];
}

interface Watch {
  id: number;
  pin: string;
  run(event: object): void;
  repeat: boolean;
  debounce: number;
  state: number;
  /** Level of the last edge, while `debounce` runs. */
  next: number | undefined;
}

/** Visits of one edge, above any that a HAL needs. */
const ENDLESS = 50;

let watches: Watch[] = [];
let watchId = 0;

function dropWatch(watch: Watch): void {
  const at = watches.indexOf(watch);
  if (at >= 0) watches.splice(at, 1);
}

/** A watch that does not repeat goes when its callback is over. */
function fireWatch(watch: Watch): void {
  try {
    watch.run({ pin: watch.pin, state: watch.state });
  } finally {
    if (!watch.repeat) dropWatch(watch);
  }
}

function settle(watch: Watch): void {
  const state = watch.next;
  watch.next = undefined;
  if (state === undefined || state === watch.state) return;
  watch.state = state;
  fireWatch(watch);
}

/** An edge visits the watches that its callbacks set on the way, too. Source: Espruino src/jsinteractive.c, jsiIdle. */
function edge(pin: string, state: number): void {
  let visits = 0;
  for (let at = 0; at < watches.length; ) {
    const watch = watches[at];
    if (watch.pin === pin && watch.debounce > 0) {
      if (watch.next === undefined && state !== watch.state) setTimeout(settle, watch.debounce, watch);
      if (watch.next !== undefined || state !== watch.state) watch.next = state;
    } else if (watch.pin === pin) {
      visits++;
      if (visits > ENDLESS) throw new Error('one edge fires watches without end');
      watch.state = state;
      fireWatch(watch);
    }
    if (watches[at] === watch) at++;
  }
}

/** Watching pulls a pin up, as it does on ESP32. Source: Espruino targets/esp32/jshardware.c, jshPinWatch. */
function addWatch(run: (event: object) => void, pin: string, options: { repeat?: boolean; debounce?: number }): number {
  const state = terminal(pin).read();
  if (!watches.some((watch) => watch.pin === pin)) terminal(pin).pulledUp = true;
  watchId++;
  const debounce = options.debounce || 0;
  watches.push({ id: watchId, pin, run, repeat: options.repeat === true, debounce, state, next: undefined });
  return watchId;
}

function clearOneWatch(id: number): void {
  const watch = watches.find((other) => other.id === id);
  if (!watch) throw new Error(`Unknown Watch ${id}`);
  dropWatch(watch);
}

/** Moments left until the power goes; beyond any write: it stays. */
let left = 1e9;

function powerGoes(): void {
  left = 1e9;
  throw new Error('the power is off');
}

/** The steps of a write: the old file is erased, the header written, half of the data, all of it. */
function writeWithCuts(name: string, data: Bytes, offset?: number, size?: number): boolean {
  const half = data.length >> 1;
  const moments = offset ? MORE_MOMENTS : WRITE_MOMENTS;
  if (left >= moments) {
    left -= moments;
    return writeFile(name, data, offset || 0, size || 0);
  }
  if (offset) {
    if (left > 0) writeFile(name, left === 1 ? data.subarray(0, half) : data, offset);
    powerGoes();
  }
  if (left > 0) eraseFile(name);
  if (left > 1) writeFile(name, data.subarray(0, left === 2 ? 1 : half), 0, size || data.length);
  if (left === 4) writeFile(name, data.subarray(half), half);
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
  global.pinMode = (pin: string, mode: string) => terminal(pin).setMode(mode);
  global.digitalRead = (pin: string) => terminal(pin).read();
  global.getPinMode = (pin: string) => terminal(pin).mode;
  global.setWatch = addWatch;
  global.clearWatch = clearOneWatch;
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
    area: { file: 'conformance.flash', size: 16384 },
    port: site.near,
    host: '127.0.0.1',
    echoPort: site.echoPort,
    refusedPort: site.refusedPort,
    onFar: undefined,
    boot(id) {
      fixture.onFar = undefined;
      terminals = {};
      watches = [];
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
    drive(pin, level) {
      const before = terminal(pin).read();
      terminal(pin).outside = level;
      const after = terminal(pin).read();
      if (after !== before) setTimeout(edge, 0, pin, after);
    },
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
