import assert from 'node:assert/strict';
import type { Hal } from '../../hal/hal.ts';

/**
 * What the interpreter's Linux build cannot show, because it has no pins, no PWM and no hardware timer: the HAL's ports
 * run here on stand-ins for the interpreter's globals, which record calls.
 */
describe('the HAL on a board with pins', () => {
  const globals = globalThis as Record<string, unknown>;
  const replaced = new Map<string, unknown>();
  let calls: string[] = [];
  let now = 0;
  let timers: { due: number; run: () => void }[] = [];
  let listeners: ((text: string) => void)[] = [];
  let hal: Pick<Hal, 'clock' | 'openAnalog' | 'openInput' | 'openSerial'>;
  let startClock: () => void;

  const stand = (name: string, value: unknown) => {
    replaced.set(name, globals[name]);
    globals[name] = value;
  };
  const record =
    (name: string) =>
    (...args: unknown[]) => {
      calls.push(`${name} ${args.map((arg) => JSON.stringify(arg)).join(' ')}`);
    };
  const advance = (ms: number) => {
    now += ms;
    for (const timer of timers.splice(0)) {
      if (timer.due <= now) timer.run();
      else timers.push(timer);
    }
  };

  let usb = true;
  let level = 0;
  let watch: { run: () => void; id: number | undefined } = { run: () => {}, id: 0 };

  before(async () => {
    const uart = {
      setup: record('setup'),
      unsetup: record('unsetup'),
      write: (data: Uint8Array) => {
        calls.push(`write ${data.length}`);
        now += 4; // the interpreter's own time
      },
      on: (_event: string, run: (text: string) => void) => listeners.push(run),
      removeAllListeners: () => {
        listeners = [];
      },
    };
    for (const name of ['digitalWrite', 'digitalPulse', 'pinMode', 'analogWrite']) stand(name, record(name));
    stand('getPinMode', (pin: string) => {
      record('getPinMode')(pin);
      return { D6: 'output', D7: 'af_output', D8: 'opendrain', D9: 'analog', D10: 'input_pullup' }[pin];
    });
    stand('digitalRead', () => level);
    stand('setWatch', (run: () => void, ...args: unknown[]) => {
      record('setWatch')(...args);
      watch = { run, id: args[0] === 'D12' ? undefined : (watch.id ?? 0) + 1 };
      return watch.id;
    });
    stand('clearWatch', (id: number) => {
      record('clearWatch')(id);
      if (id !== watch.id) throw new Error('Unknown Watch');
    });
    stand('getTime', () => now / 1000);
    stand('setTime', (seconds: number) => {
      // STM32 sets whole seconds. Source: Espruino targets/stm32/jshardware.c, jshSetSystemTime.
      now = Math.floor(seconds) * 1000;
      record('setTime')(seconds);
    });
    stand('KEEPS_TIME', true);
    stand('setTimeout', (run: () => void, delay: number) => timers.push({ due: now + delay, run }));
    stand('E', {
      toUint8Array: (text: string) => Uint8Array.from(Buffer.from(text, 'latin1')),
      setConsole: (device: string | null, options?: object) => {
        record('setConsole')(device, ...(options ? [options] : []));
        if (device === 'USB' && !usb) throw new Error('no such device');
      },
    });
    stand('Serial1', { ...uart });
    stand('Serial2', uart);
    // The program of these files is the interpreter's: its types are not Node's.
    const io = '../../hal/espruino/io.ts';
    const input = '../../hal/espruino/input.ts';
    const serial = '../../hal/espruino/serial.ts';
    const clock = await import('../../hal/espruino/clock.ts' as string);
    startClock = clock.startClock;
    hal = {
      clock: clock.clock,
      openAnalog: (await import(io)).openAnalog,
      openInput: (await import(input)).openInput,
      openSerial: (await import(serial)).openSerial,
    };
  });

  after(() => {
    for (const [name, value] of replaced) {
      if (value === undefined) delete globals[name];
      else globals[name] = value;
    }
  });

  beforeEach(() => {
    calls = [];
    timers = [];
  });

  it('sets the clock of a board whose clock goes on through a reset, where it is wrong by more than a second', () => {
    const told = Date.parse('2026-11-26T05:00:00.700Z');
    now = 5000;
    startClock();
    assert.equal(hal.clock.time(), undefined);
    now += 3000;
    hal.clock.setTime(told);
    assert.deepEqual(calls, [`setTime ${told / 1000}`]);
    assert.deepEqual([hal.clock.uptime(), hal.clock.time()], [3000, told]);
    now += 60_000;
    assert.deepEqual([hal.clock.uptime(), hal.clock.time()], [63_000, told + 60_000]);
    // A clock that is made to glide: the board's is near enough.
    hal.clock.setTime(told + 60_200);
    assert.equal(calls.length, 1);
    assert.deepEqual([hal.clock.uptime(), hal.clock.time()], [63_000, told + 60_200]);
    // A reset: the board's clock stands at whole seconds of what it was told.
    startClock();
    assert.deepEqual([hal.clock.uptime(), hal.clock.time()], [0, told + 60_000 - 700]);
    now = 0;
    startClock();
  });

  it('asks for PWM of 1000 Hz when hz is 1000', () => {
    hal.openAnalog({ pin: 'D4', hz: 1000 }).write(1);
    assert.deepEqual(calls, ['getPinMode "D4"', 'analogWrite "D4" 1 {"freq":1000}']);
  });

  it('uses the DAC without hz, and keeps full scale below the step at which 8 bits overflow', () => {
    hal.openAnalog({ pin: 'D25' }).write(1);
    const value = Number(/analogWrite "D25" ([\d.]+)/.exec(calls[1])?.[1]);
    assert.equal(Math.floor(value * 256), 255);
  });

  it('ends the driver by the hardware timer: 8 characters at 9600 baud take 8.33 ms', () => {
    const port = hal.openSerial({ port: 'Serial2', baud: 9600, receive: 'D16', driverEnable: 'D5', onData: () => {} });
    assert.deepEqual(calls, ['digitalWrite "D5" 0', 'pinMode "D5" "output"', 'setup 9600 {"rx":"D16"}']);
    calls = [];
    let done = 0;
    port.write(new Uint8Array(8), () => done++);
    assert.deepEqual(calls.slice(0, 2), ['digitalWrite "D5" 1', 'write 8']);
    const pulse = Number(/^digitalPulse "D5" 1 ([\d.]+)$/.exec(calls[2])?.[1]);
    // 4 ms had gone by inside write; a unit may answer 3.5 characters (3.65 ms) after the frame.
    assert.ok(pulse > 8.34 - 4 && pulse < 8.34 - 4 + 3.64, `${pulse} ms`);
    advance(8.33 - 4);
    assert.equal(done, 0);
    advance(3.6);
    assert.equal(done, 1);
    port.close();
  });

  it('sets the resistor again once the pin is watched, because ESP32 pulls up a pin that it begins to watch', () => {
    const modes = [undefined, 'up', 'down'] as const;
    for (const pull of modes) {
      calls = [];
      hal.openInput({ pin: 'D11', ...(pull ? { pull } : {}), onChange: () => {} }).close();
      const mode = `pinMode "D11" "${pull ? `input_pull${pull}` : 'input'}"`;
      const opened = ['getPinMode "D11"', mode, 'setWatch "D11" {"edge":0,"debounce":1}', mode];
      assert.deepEqual(calls, [...opened, `clearWatch ${watch.id}`]);
    }
  });

  it('watches for the next change before it tells one, because an interrupt in a callback ends the watch', () => {
    level = 0;
    const port = hal.openInput({
      pin: 'D11',
      onChange: (value) => {
        calls.push(`onChange ${value}`);
        throw new Error('out of memory');
      },
    });
    for (const value of [1, 0]) {
      calls = [];
      level = value;
      assert.throws(watch.run, /out of memory/);
      assert.deepEqual(calls, ['setWatch "D11" {"edge":0,"debounce":1}', `onChange ${value}`]);
    }
    port.close();
  });

  it('tells nothing of a change that is over when its watch fires', () => {
    level = 1;
    const told: number[] = [];
    const port = hal.openInput({ pin: 'D11', onChange: (value) => told.push(value) });
    watch.run();
    level = 0;
    watch.run();
    watch.run();
    assert.deepEqual(told, [0]);
    port.close();
  });

  it('sets no watch and tells nothing when a watch fires after close', () => {
    level = 0;
    const port = hal.openInput({ pin: 'D11', onChange: () => calls.push('onChange') });
    port.close();
    calls = [];
    level = 1;
    watch.run();
    assert.deepEqual(calls, []);
  });

  it('closes an input whose watch is gone', () => {
    const port = hal.openInput({ pin: 'D11', onChange: () => {} });
    watch.id = 99;
    port.close();
    hal.openInput({ pin: 'D11', onChange: () => {} }).close();
  });

  it('opens no input on a pin that is an output now, whatever drives it', () => {
    for (const pin of ['D6', 'D7', 'D8']) {
      calls = [];
      assert.throws(() => hal.openInput({ pin, onChange: () => {} }), /in use/);
      assert.deepEqual(calls, [`getPinMode "${pin}"`]);
    }
    for (const pin of ['D9', 'D10']) hal.openInput({ pin, onChange: () => {} }).close();
  });

  it('opens no input on a pin that the board cannot watch, time and again', () => {
    for (let tries = 0; tries < 2; tries++) {
      assert.throws(() => hal.openInput({ pin: 'D12', onChange: () => {} }), /cannot be watched/);
    }
  });

  it('asks for 7E2 only when it is wanted', () => {
    hal.openSerial({ port: 'Serial2', baud: 1200, data: 7, parity: 'even', stop: 2, onData: () => {} }).close();
    assert.equal(calls[0], 'setup 1200 {"bytesize":7,"parity":"even","stopbits":2}');
  });

  it('takes Serial1 from the console: to USB for good, or away where there is no USB', () => {
    for (const plugged of [true, false]) {
      usb = plugged;
      calls = [];
      hal.openSerial({ port: 'Serial1', baud: 9600, onData: () => {} }).close();
      const moves = calls.filter((call) => call.startsWith('setConsole'));
      assert.deepEqual(moves, ['setConsole "USB" {"force":true}', ...(plugged ? [] : ['setConsole null'])]);
    }
  });

  it('listens again at every write, because an interrupt in a data callback drops the listener', () => {
    const heard: number[] = [];
    const port = hal.openSerial({ port: 'Serial2', baud: 9600, onData: (data) => heard.push(...data) });
    listeners = [];
    port.write(new Uint8Array(1));
    assert.equal(listeners.length, 1);
    listeners[0].call(globals.Serial2, 'A\xff');
    assert.deepEqual(heard, [65, 255]);
    advance(100);
    port.close();
  });
});
