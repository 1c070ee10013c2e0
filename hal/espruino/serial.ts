import type { Bytes, Done, Pin, Serial, SerialOptions } from '../hal.ts';

/** ms that Linux builds may wait before bytes move. Source: Espruino targets/linux/jshardware.c, jshInputThread. */
const HOST_LAG = 50;

/** @returns the interpreter's port of that name; for a device path the first one that is not open. */
function find(port: string): LinePort | undefined {
  if (port[0] !== '/') return global[port];
  if (!require('fs').statSync(port)) return undefined;
  for (let n = 1; n <= 6; n++) {
    const device = global[`Serial${n}`];
    if (device && !device._line) return device;
  }
  return undefined;
}

/** The interpreter calls listeners with the port as `this`. */
interface LinePort extends SerialPort {
  _line?: Line;
}

function received(this: LinePort, text: string): void {
  const line = this._line;
  if (line && line._onData) line._onData(E.toUint8Array(text));
}

class Line implements Serial {
  private _sending = false;
  private _timer = 0;

  /**
   * @param _onData undefined once the port is closed
   * @param _time ms of one character
   * @param _lag ms from `write` to the first start bit, at most; not 0 on Linux builds only
   */
  constructor(
    private _port: LinePort,
    public _onData: ((data: Bytes) => void) | undefined,
    private _time: number,
    private _lag: number,
    private _enable: Pin | undefined,
  ) {
    _port._line = this;
    this._listen();
  }

  private _listen(): void {
    this._port.removeAllListeners('data');
    this._port.on('data', received);
  }

  write(data: Bytes, done?: Done): void {
    if (this._sending || !this._onData) throw new Error('port is busy or closed');
    const enable = this._enable;
    this._sending = true;
    // An interrupt (out of memory) inside a data callback has made the interpreter drop the listener.
    this._listen();
    const start = getTime();
    if (enable !== undefined) digitalWrite(enable, 1);
    this._port.write(data);
    // One character and 1 ms more, below the 3.5 characters (1.75 ms at least) after which a Modbus unit may answer.
    // Source: MODBUS over Serial Line V1.02 §2.5.1.1.
    const rest = (data.length + 1) * this._time + 1 + this._lag - (getTime() - start) * 1000;
    // The hardware timer ends it in time while other code keeps the interpreter busy. Linux builds have none.
    if (enable !== undefined && !this._lag) digitalPulse(enable, 1, Math.max(rest, 1));
    this._timer = setTimeout(() => {
      this._sending = false;
      if (enable !== undefined) digitalWrite(enable, 0);
      if (done) done(null);
    }, rest);
  }

  close(): void {
    if (!this._onData) return;
    this._onData = undefined;
    if (this._sending) clearTimeout(this._timer);
    if (this._enable !== undefined) digitalWrite(this._enable, 0);
    this._port.removeAllListeners('data');
    this._port.unsetup();
    // Linux builds go on reading a device until another one is set up.
    if (this._lag) this._port.setup(9600, { path: '/dev/null' });
    this._port._line = undefined;
  }
}

/** @see Hal.openSerial. `done` comes after the computed time of the frame: nothing here waits for the hardware. */
export function openSerial(options: SerialOptions): Serial {
  const baud = options.baud;
  const data = options.data || 8;
  const stop = options.stop || 1;
  const parity = options.parity || 'none';
  const enable = options.driverEnable;
  const port = find(options.port);
  if (!port || !port.setup || port._line) throw new Error('no such port, or it is open');
  if (!(baud > 100 && baud <= 1e7)) throw new Error('baud out of range');
  if ((data !== 7 && data !== 8) || (stop !== 1 && stop !== 2)) throw new Error('no such format');
  if (parity !== 'none' && parity !== 'even' && parity !== 'odd') throw new Error('no such parity');
  const host = options.port[0] === '/';
  if (enable !== undefined) {
    digitalWrite(enable, 0);
    pinMode(enable, 'output');
  }
  if (options.port === 'Serial1') {
    // Where USB is not plugged in the console sits there, and a console's UART hands over no data.
    try {
      E.setConsole('USB', { force: true });
    } catch (_error) {
      E.setConsole(null);
    }
  }
  // The interpreter keeps this object: only what is not its default.
  const setup: SerialSetup = {};
  if (data !== 8) setup.bytesize = data;
  if (parity !== 'none') setup.parity = parity;
  if (stop !== 1) setup.stopbits = stop;
  if (host) setup.path = options.port;
  if (options.receive !== undefined) setup.rx = options.receive;
  if (options.transmit !== undefined) setup.tx = options.transmit;
  port.setup(baud, setup);
  const bits = 1 + data + (parity === 'none' ? 0 : 1) + stop;
  return new Line(port, options.onData, (bits * 1000) / baud, host ? HOST_LAG : 0, enable);
}
