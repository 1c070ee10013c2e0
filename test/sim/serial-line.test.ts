import assert from 'node:assert/strict';
import type { SerialOptions } from '../../hal/hal.ts';
import { World } from '../../sim/clock.ts';
import { openSim } from '../../sim/index.ts';
import { byteTime, type Format, frameSilence } from '../../sim/serial-line.ts';

const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);

/** Two boards in one world, both on the wire that belongs to the first. */
function pair(options: Partial<SerialOptions> = {}, other: Partial<SerialOptions> = options) {
  const world = new World();
  const near = openSim({ world, id: 'near' });
  const far = openSim({ world, id: 'far' });
  far.line = (port) => near.line(port);
  const heard: { time: number; data: number[] }[] = [];
  const echoed: number[] = [];
  const base = { port: 'Serial2', baud: 9600 };
  const open = () => near.openSerial({ ...base, ...options, onData: (data) => echoed.push(...data) });
  far.openSerial({ ...base, ...other, onData: (data) => heard.push({ time: world.now, data: [...data] }) });
  return { world, near, far, heard, echoed, open, line: near.line('Serial2') };
}

describe('sim serial line', () => {
  it('takes 1.0417 ms a byte at 9600 8N1, 1.1458 at 9600 8E1 and 4.1667 at 2400 8N1', () => {
    const format: Format = { baud: 9600, data: 8, parity: 'none', stop: 1 };
    near(byteTime(format), 1.0417, 5e-5);
    near(byteTime({ ...format, parity: 'even' }), 1.1458, 5e-5);
    near(byteTime({ ...format, baud: 2400 }), 4.1667, 5e-5);
  });

  it('ends a frame after 32.08 ms at 1200, 4.010 at 9600, 2.005 at 19200 and 1.750 above', () => {
    const silence = (baud: number) => frameSilence({ baud, data: 8, parity: 'none', stop: 1 });
    near(silence(1200), 32.08, 5e-3);
    near(silence(9600), 4.01, 5e-3);
    near(silence(19200), 2.005, 5e-3);
    assert.equal(silence(38400), 1.75);
  });

  it('delivers 8 bytes 8.333 ms after the first start bit, and then calls done', () => {
    const { world, open, heard, line } = pair();
    line.chunk = 64;
    let done = -1;
    open().write(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), () => {
      done = world.now;
    });
    world.run(8.33);
    assert.equal(heard.length, 0);
    assert.equal(done, -1);
    world.run(0.01);
    assert.deepEqual(heard[0].data, [1, 2, 3, 4, 5, 6, 7, 8]);
    near(heard[0].time, 8.3333, 1e-3);
    near(done, 8.3333, 1e-3);
  });

  it('hands over byte by byte when asked, without rounding adding up over 1000 bytes', () => {
    const { world, open, heard, line } = pair();
    line.chunk = 1;
    open().write(new Uint8Array(1000));
    world.run(2000);
    assert.equal(heard.length, 1000);
    near(heard[0].time, 1.041667, 1e-5);
    near(heard[999].time, 1041.6667, 1e-3);
  });

  it('holds the driver from the first start bit to the end of the last stop bit', () => {
    const { world, near: board, open } = pair({ driverEnable: 'D4' });
    const serial = open();
    world.run(10);
    serial.write(Uint8Array.of(1, 2));
    world.run(10);
    const history = board.pins.history('D4');
    assert.deepEqual(
      history.map(({ state }) => state),
      [0, 1, 0],
    );
    assert.equal(history[1].time, 10);
    near(history[2].time, 12.08333, 1e-4);
  });

  it('throws at a second write before done and takes one inside done', () => {
    const { world, open, heard } = pair();
    const serial = open();
    serial.write(Uint8Array.of(1), () => serial.write(Uint8Array.of(2)));
    assert.throws(() => serial.write(Uint8Array.of(3)), /still writing/);
    world.run(10);
    assert.deepEqual(
      heard.map(({ data }) => data[0]),
      [1, 2],
    );
  });

  it('hears itself only with an echo', () => {
    const quiet = pair();
    quiet.open().write(Uint8Array.of(7));
    quiet.world.run(10);
    assert.deepEqual(quiet.echoed, []);
    const loud = pair();
    loud.line.echo = true;
    loud.open().write(Uint8Array.of(7));
    loud.world.run(10);
    assert.deepEqual(loud.echoed, [7]);
  });

  it('cuts the eighth bit at 7E1', () => {
    const format = { data: 7, parity: 'even' } as const;
    const { world, open, heard } = pair(format);
    open().write(Uint8Array.of(0xc1));
    world.run(10);
    assert.deepEqual(heard[0].data, [0x41]);
  });

  it('is not understood at another speed or parity', () => {
    for (const other of [{ baud: 19200 }, { parity: 'even' } as const]) {
      const { world, open, heard } = pair({}, other);
      open().write(new Uint8Array(32));
      world.run(100);
      const zeros = heard.flatMap(({ data }) => data).filter((byte) => byte === 0).length;
      assert.ok(zeros < 4, `${zeros} of 32 bytes survived`);
    }
  });

  it('destroys both messages when two talk at once', () => {
    const { world, far, open, heard, line } = pair();
    const third = openSim({ world, id: 'third' });
    third.line = far.line;
    const station = third.openSerial({ port: 'Serial2', baud: 9600, onData: () => {} });
    open().write(Uint8Array.of(1, 2, 3, 4));
    world.run(2.2);
    station.write(Uint8Array.of(9, 9));
    world.run(20);
    assert.equal(line.busy, false);
    const all = heard.flatMap(({ data }) => data);
    assert.equal(all.length, 6);
    // Byte 1 and 2 had passed; 3 and 4 met the other's 2.
    const kept = [1, 2, 3, 4].filter((byte) => all.includes(byte));
    assert.ok(!(kept.includes(3) && kept.includes(4)));
    assert.notDeepEqual(
      all.filter((byte) => byte === 9),
      [9, 9],
    );
  });

  it('loses about 10 % of 10,000 bytes at loss 0.1, the same ones with the same seed', () => {
    const once = () => {
      const { world, open, heard, line } = pair();
      line.loss = 0.1;
      open().write(Uint8Array.from({ length: 10_000 }, (_, index) => index & 0xff));
      world.run(20_000);
      return heard.flatMap(({ data }) => data);
    };
    const first = once();
    assert.ok(first.length > 8800 && first.length < 9200, `${first.length} bytes`);
    assert.deepEqual(once(), first);
  });

  it('breaks a message off when the power is cut, without done', () => {
    const { world, near: board, open, heard, line } = pair({ driverEnable: 'D4' });
    line.chunk = 1;
    let done = 0;
    open().write(new Uint8Array(10), () => done++);
    world.run(5);
    board.cutPower();
    world.run(50);
    assert.equal(done, 0);
    assert.equal(heard.length, 4);
    assert.equal(line.busy, false);
    assert.equal(board.pins.state('D4'), undefined);
  });

  it('calls nothing after close and lets close be repeated', () => {
    const { world, open, heard } = pair();
    const serial = open();
    let done = 0;
    serial.write(Uint8Array.of(1, 2, 3), () => done++);
    serial.close();
    serial.close();
    world.run(50);
    assert.equal(done, 0);
    assert.equal(heard.length, 0);
    open().write(Uint8Array.of(4));
    world.run(50);
    assert.deepEqual(heard[0].data, [4]);
  });

  it('refuses bad options and leaves the port free', () => {
    const sim = openSim();
    const good: SerialOptions = { port: 'Serial2', baud: 9600, driverEnable: 'D4', onData: () => {} };
    const bad = [
      { ...good, baud: 0 },
      { ...good, baud: 9600.5 },
      { ...good, port: '' },
      { ...good, stop: 3 as 1 },
      { ...good, data: 9 as 8 },
      { ...good, parity: 'mark' as 'even' },
      { ...good, receive: 'D4' },
      { ...good, onData: undefined as never },
    ];
    for (const options of bad) assert.throws(() => sim.openSerial(options));
    sim.openSerial(good);
    assert.throws(() => sim.openSerial(good), /in use/);
  });
});
