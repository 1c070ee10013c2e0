import type { Stream, StreamOptions } from '../../hal/hal.ts';
import type { Case, Fixture } from './fixture.ts';
import { Collector, nothing, pattern, throws } from './helpers.ts';

/** ms for a round trip on the host itself. */
const TRIP = 150;

function options(fixture: Fixture): StreamOptions {
  return { host: fixture.host, port: fixture.echoPort, onWritable: nothing, onData: nothing, onError: nothing };
}

export const streamCases: Case[] = [
  {
    name: 'stream: the first onWritable says connected, and comes once',
    run(hal, fixture, check, done) {
      let calls = 0;
      const wanted = options(fixture);
      wanted.onWritable = () => {
        calls++;
      };
      wanted.onError = (error) => check(false, `${error}`);
      const stream = hal.connect(wanted);
      check(calls === 0, 'onWritable was called inside connect');
      fixture.later(2 * TRIP + fixture.slack, () => {
        check(calls === 1, `onWritable was called ${calls} times`);
        stream.close();
        done();
      });
    },
  },
  {
    name: 'stream: bytes of all values arrive in order and come back',
    run(hal, fixture, check, done) {
      const sent = pattern(1000, 0);
      const heard = new Collector(2000);
      const wanted = options(fixture);
      let stream: Stream | undefined;
      wanted.onWritable = () => {
        if (stream) stream.write(sent);
      };
      wanted.onData = (data) => {
        heard.add(data);
      };
      stream = hal.connect(wanted);
      fixture.later(3 * TRIP + fixture.slack, () => {
        check(heard.is(sent), `${heard.count} of 1000 bytes came back, or not these`);
        if (stream) stream.close();
        done();
      });
    },
  },
  {
    name: 'stream: write copies its data',
    run(hal, fixture, check, done) {
      const buffer = pattern(50, 0);
      const heard = new Collector(200);
      const wanted = options(fixture);
      let stream: Stream | undefined;
      wanted.onWritable = () => {
        if (!stream) return;
        stream.write(buffer);
        buffer.fill(255);
        stream.write(buffer.subarray(0, 2));
        buffer.fill(0);
      };
      wanted.onData = (data) => heard.add(data);
      stream = hal.connect(wanted);
      fixture.later(2 * TRIP + fixture.slack, () => {
        const expected = new Uint8Array(52);
        expected.set(pattern(50, 0));
        expected.fill(255, 50);
        check(heard.is(expected), 'what was written later came back');
        if (stream) stream.close();
        done();
      });
    },
  },
  {
    name: 'stream: write answers false when its queue is full, onWritable tells when there is room, nothing is lost',
    run(hal, fixture, check, done) {
      const total = 12000;
      const piece = pattern(100, 0);
      let stream: Stream | undefined;
      let sent = 0;
      let heard = 0;
      let refusals = 0;
      let wrong = 0;
      let room = false;
      const wanted = options(fixture);
      wanted.onWritable = () => {
        check(!room, 'onWritable came although there was room');
        room = true;
        while (room && sent < total && stream) {
          room = stream.write(piece);
          sent += piece.length;
          if (!room) refusals++;
        }
      };
      wanted.onData = (data) => {
        for (const byte of data) {
          if (byte !== heard % 100) wrong++;
          heard++;
        }
        if (heard < total) return;
        check(heard === total && wrong === 0, `${heard} bytes came back, ${wrong} of them wrong`);
        check(refusals > 0, 'write never answered false: the queue has no bound');
        check(refusals < total / piece.length, 'write never answered true');
        if (stream) stream.close();
        done();
      };
      wanted.onError = (error) => check(false, `${error}`);
      stream = hal.connect(wanted);
    },
  },
  {
    name: 'stream: write throws before the first onWritable',
    run(hal, fixture, check, done) {
      const stream = hal.connect(options(fixture));
      check(
        throws(() => stream.write(pattern(1, 0))),
        'write was taken',
      );
      stream.close();
      done();
    },
  },
  {
    name: 'stream: a refused connection is told by onError, once and not inside the call',
    run(hal, fixture, check, done) {
      let errors = 0;
      const wanted = options(fixture);
      wanted.port = fixture.refusedPort;
      wanted.onWritable = () => check(false, 'connected');
      wanted.onError = (error) => {
        check(!!error && !!error.message, 'onError got no error with a message');
        errors++;
      };
      const stream = hal.connect(wanted);
      check(errors === 0, 'onError was called inside connect');
      fixture.later(2 * TRIP + fixture.slack, () => {
        check(errors === 1, `onError was called ${errors} times`);
        stream.close();
        done();
      });
    },
  },
  {
    name: 'stream: an end in good order by the peer is told by onError, once',
    run(hal, fixture, check, done) {
      let errors = 0;
      const wanted = options(fixture);
      wanted.onWritable = () => fixture.later(TRIP, () => fixture.endConnections());
      wanted.onError = () => {
        errors++;
      };
      const stream = hal.connect(wanted);
      fixture.later(4 * TRIP + fixture.slack, () => {
        check(errors === 1, `onError was called ${errors} times`);
        check(!throws(() => stream.close()), 'close after onError threw');
        done();
      });
    },
  },
  {
    name: 'stream: write throws after onError',
    run(hal, fixture, check, done) {
      const wanted = options(fixture);
      wanted.onWritable = () => fixture.later(TRIP, () => fixture.endConnections());
      wanted.onError = () => {
        check(
          throws(() => stream.write(pattern(1, 0))),
          'write was taken',
        );
        stream.close();
        done();
      };
      const stream = hal.connect(wanted);
    },
  },
  {
    name: 'stream: nothing is called after close',
    run(hal, fixture, check, done) {
      let calls = 0;
      const count = () => {
        calls++;
      };
      const wanted = options(fixture);
      const early: StreamOptions = options(fixture);
      const refused: StreamOptions = options(fixture);
      early.onWritable = count;
      early.onData = count;
      early.onError = count;
      refused.port = fixture.refusedPort;
      refused.onError = count;
      hal.connect(early).close();
      hal.connect(refused).close();
      wanted.onWritable = () => {
        stream.write(pattern(20, 0));
        stream.close();
        wanted.onWritable = count;
        wanted.onData = count;
        wanted.onError = count;
      };
      wanted.onData = count;
      wanted.onError = count;
      const stream = hal.connect(wanted);
      fixture.later(2 * TRIP, () => fixture.endConnections());
      fixture.later(4 * TRIP + fixture.slack, () => {
        check(calls === 0, `${calls} callbacks after close`);
        done();
      });
    },
  },
  {
    name: 'stream: close may be repeated',
    run(hal, fixture, check, done) {
      const wanted = options(fixture);
      wanted.onWritable = () => {
        stream.close();
        check(!throws(() => stream.close()), 'the second close threw');
        done();
      };
      const stream = hal.connect(wanted);
    },
  },
  {
    name: 'stream: a bad option throws and connects nowhere',
    run(hal, fixture, check, done) {
      const attempt = (host: string, port: number) => {
        const wanted = options(fixture);
        wanted.host = host;
        wanted.port = port;
        wanted.onError = () => check(false, 'onError was called for a bad option');
        return throws(() => hal.connect(wanted));
      };
      check(attempt(fixture.host, 0), 'port 0 was taken');
      check(attempt(fixture.host, 65536), 'port 65536 was taken');
      check(attempt(fixture.host, 0 / 0), 'port NaN was taken');
      check(attempt('', fixture.echoPort), 'an empty host was taken');
      fixture.later(TRIP, done);
    },
  },
];
