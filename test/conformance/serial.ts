import type { Hal, Serial } from '../../hal/hal.ts';
import type { Case, Fixture } from './fixture.ts';
import { Collector, nothing, pattern, throws } from './helpers.ts';

const BAUD = 9600;
/** ms for bytes to cross the wire and the host's polling. */
const CROSS = 120;

function open(hal: Hal, fixture: Fixture): Serial {
  return hal.openSerial({ port: fixture.port, baud: BAUD, onData: nothing });
}

export const serialCases: Case[] = [
  {
    name: 'serial: all 256 byte values arrive at the far end, 8N1 when nothing else is asked',
    run(hal, fixture, check, done) {
      const serial = open(hal, fixture);
      const sent = pattern(256, 0);
      const heard = new Collector(600);
      fixture.onFar = (data) => heard.add(data);
      serial.write(sent, () => {
        fixture.later(CROSS + fixture.slack, () => {
          check(heard.is(sent), `${heard.count} of 256 bytes arrived, or not these`);
          serial.close();
          done();
        });
      });
    },
  },
  {
    name: 'serial: all 256 byte values arrive from the far end, in any chunks',
    run(hal, fixture, check, done) {
      const sent = pattern(256, 0);
      const heard = new Collector(600);
      const serial = hal.openSerial({ port: fixture.port, baud: BAUD, onData: (data) => heard.add(data) });
      fixture.farWrite(sent);
      fixture.later(270 + CROSS + fixture.slack, () => {
        check(heard.is(sent), `${heard.count} of 256 bytes arrived, or not these`);
        serial.close();
        done();
      });
    },
  },
  {
    name: 'serial: done comes once, after the time of the frame, without an error',
    run(hal, fixture, check, done) {
      const serial = open(hal, fixture);
      const start = fixture.now();
      let calls = 0;
      serial.write(pattern(48, 1), (error) => {
        calls++;
        const time = fixture.now() - start;
        check(error === null, `done got ${error}`);
        // 48 characters of 10 bits
        check(time >= 49 && time <= 52 + CROSS + fixture.late, `done after ${time} ms instead of 50`);
      });
      check(calls === 0, 'done was called inside write');
      fixture.later(100 + CROSS + fixture.slack, () => {
        check(calls === 1, `done was called ${calls} times`);
        serial.close();
        done();
      });
    },
  },
  {
    name: 'serial: the line is idle when done comes: all has arrived at the far end',
    run(hal, fixture, check, done) {
      const serial = open(hal, fixture);
      let heard = 0;
      let atDone = -1;
      fixture.onFar = (data) => {
        heard += data.length;
      };
      serial.write(pattern(20, 7), () => {
        atDone = fixture.now();
        // The far end's own polling comes on top.
        fixture.later(fixture.slack, () => {
          check(heard === 20, `${heard} of 20 bytes had arrived`);
          serial.close();
          done();
        });
      });
      check(atDone < 0, 'done was called inside write');
    },
  },
  {
    name: 'serial: parity and the second stop bit count in the time of the frame',
    run(hal, fixture, check, done) {
      const serial = hal.openSerial({ port: fixture.port, baud: 1200, parity: 'even', stop: 2, onData: nothing });
      const start = fixture.now();
      // 12 characters of 12 bits are 120 ms, of 10 bits 100 ms
      serial.write(pattern(12, 1), () => {
        const time = fixture.now() - start;
        check(time >= 119 && time <= 125 + CROSS + fixture.late, `done after ${time} ms instead of 120`);
        serial.close();
        done();
      });
    },
  },
  {
    name: 'serial: a second write before done throws, one after done is sent',
    run(hal, fixture, check, done) {
      const serial = open(hal, fixture);
      const heard = new Collector(50);
      fixture.onFar = (data) => heard.add(data);
      serial.write(pattern(5, 10), () => {
        serial.write(pattern(5, 15), () => {
          fixture.later(CROSS + fixture.slack, () => {
            check(heard.is(pattern(10, 10)), `${heard.count} bytes arrived instead of 10, or not these`);
            serial.close();
            done();
          });
        });
      });
      check(
        throws(() => serial.write(pattern(5, 90))),
        'the second write was taken',
      );
    },
  },
  {
    name: 'serial: the driver is low when idle and high while bytes are on the line',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const serial = hal.openSerial({ port: fixture.port, baud: BAUD, driverEnable: pin, onData: nothing });
      check(fixture.levels(pin).join() === '0', `levels after open: ${fixture.levels(pin)}`);
      let heard = 0;
      fixture.onFar = (data) => {
        if (heard === 0)
          check(fixture.levels(pin).join() === '0,1', `levels at the first byte: ${fixture.levels(pin)}`);
        heard += data.length;
      };
      serial.write(pattern(40, 0), () => {
        check(fixture.levels(pin).join() === '0,1,0', `levels at done: ${fixture.levels(pin)}`);
        fixture.later(CROSS + fixture.slack, () => {
          check(heard === 40, `${heard} of 40 bytes arrived`);
          serial.close();
          done();
        });
      });
      check(fixture.levels(pin).join() === '0,1', `levels after write: ${fixture.levels(pin)}`);
    },
  },
  {
    name: 'serial: the driver stays high to the end of the last stop bit',
    run(hal, fixture, check, done) {
      const pin = fixture.pins[0];
      const serial = hal.openSerial({ port: fixture.port, baud: BAUD, driverEnable: pin, onData: nothing });
      serial.write(pattern(48, 0), () => {
        serial.close();
        done();
      });
      // 48 characters take 50 ms
      fixture.later(48, () => {
        check(fixture.levels(pin).join() === '0,1', `levels after 48 of 50 ms: ${fixture.levels(pin)}`);
      });
    },
  },
  {
    name: 'serial: a bad option throws and leaves the port free',
    run(hal, fixture, check, done) {
      const port = fixture.port;
      const refused = [
        throws(() => hal.openSerial({ port, baud: 0, onData: nothing })),
        throws(() => hal.openSerial({ port, baud: 0 / 0, onData: nothing })),
        throws(() => hal.openSerial({ port, baud: BAUD, data: 9 as never, onData: nothing })),
        throws(() => hal.openSerial({ port, baud: BAUD, parity: 'mark' as never, onData: nothing })),
        throws(() => hal.openSerial({ port, baud: BAUD, stop: 3 as never, onData: nothing })),
        throws(() => hal.openSerial({ port: '', baud: BAUD, onData: nothing })),
      ];
      check(refused.indexOf(false) < 0, `bad option ${refused.indexOf(false)} was taken`);
      check(!throws(() => open(hal, fixture).close()), 'the port is not free');
      done();
    },
  },
  {
    name: 'serial: close may be repeated, and frees the port',
    run(hal, fixture, check, done) {
      const serial = open(hal, fixture);
      serial.close();
      check(!throws(() => serial.close()), 'the second close threw');
      check(!throws(() => open(hal, fixture).close()), 'the port is not free');
      done();
    },
  },
  {
    name: 'serial: nothing is heard after close',
    run(hal, fixture, check, done) {
      let heard = 0;
      const serial = hal.openSerial({
        port: fixture.port,
        baud: BAUD,
        onData: () => {
          heard++;
        },
      });
      fixture.farWrite(pattern(10, 0));
      serial.close();
      fixture.farWrite(pattern(10, 0));
      fixture.later(2 * CROSS + fixture.slack, () => {
        check(heard === 0, `onData was called ${heard} times after close`);
        done();
      });
    },
  },
  {
    name: 'serial: done is not called after close',
    run(hal, fixture, check, done) {
      const serial = open(hal, fixture);
      let calls = 0;
      serial.write(pattern(10, 0), () => {
        calls++;
      });
      serial.close();
      fixture.later(2 * CROSS + fixture.slack, () => {
        check(calls === 0, 'done was called after close');
        done();
      });
    },
  },
];
