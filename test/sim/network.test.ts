import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import { World } from '../../sim/clock.ts';
import { openSim, type SimHal } from '../../sim/index.ts';
import { type Dial, dialDuplex, dialPipe, type FarEnd } from '../../sim/network.ts';

interface Log {
  events: string[];
  write?: (text: string) => boolean;
}

function connect(sim: SimHal, port = 1883, log: Log = { events: [] }) {
  const stream = sim.connect({
    host: '127.0.0.1',
    port,
    onWritable: () => log.events.push('writable'),
    onData: (data) => log.events.push(Buffer.from(data).toString('latin1')),
    onError: (error) => log.events.push(`error ${error.message}`),
  });
  return { stream, log, write: (text: string) => stream.write(Buffer.from(text)) };
}

/** A board on a pipe of 10 ms, and the far ends of its connections. */
function piped(accept: (end: FarEnd) => void = () => {}) {
  const world = new World();
  const ends: FarEnd[] = [];
  const heard: { time: number; text: string }[] = [];
  const dial = dialPipe(world, (end) => {
    accept(end);
    end.onData = (data) => heard.push({ time: world.now, text: Buffer.from(data).toString('latin1') });
    ends.push(end);
  });
  return { world, ends, heard, sim: openSim({ world, dial }) };
}

describe('sim network', () => {
  it('carries bytes both ways in 10 ms, without a turn of the event loop', () => {
    const { world, sim, ends, heard } = piped();
    const { log, write } = connect(sim);
    assert.throws(() => write('early'), /connecting/);
    world.run(9.9);
    assert.deepEqual(log.events, []);
    world.run(0.1);
    assert.deepEqual(log.events, ['writable']);
    assert.equal(write('ping'), true);
    world.run(10);
    assert.deepEqual(heard, [{ time: 20, text: 'ping' }]);
    ends[0].write(Buffer.from('pong'));
    world.run(10);
    assert.deepEqual(log.events, ['writable', 'pong']);
  });

  it('copies what is written', () => {
    const { world, sim, heard } = piped();
    const { stream } = connect(sim);
    world.run(10);
    const data = Buffer.from('abc');
    stream.write(data);
    data.fill(0);
    world.run(10);
    assert.equal(heard[0].text, 'abc');
  });

  it('says false at 4096 unsent bytes, queues them all the same, and calls once when there is room', () => {
    const { world, sim, heard } = piped();
    const { log, write } = connect(sim);
    world.run(10);
    assert.equal(write('a'.repeat(4095)), true);
    assert.equal(write('b'), false);
    assert.equal(write('c'), false);
    world.run(20);
    assert.deepEqual(log.events, ['writable', 'writable']);
    assert.equal(heard.map(({ text }) => text).join('').length, 4097);
  });

  it('reports an orderly end once, after the data before it', () => {
    const { world, sim, ends } = piped();
    const { log, write, stream } = connect(sim);
    world.run(10);
    ends[0].write(Buffer.from('bye'));
    ends[0].end();
    world.run(100);
    assert.deepEqual(log.events, ['writable', 'bye', 'error the peer ended the connection']);
    assert.throws(() => write('late'), /failed/);
    stream.close();
    stream.close();
    world.run(100);
    assert.equal(log.events.length, 3);
  });

  it('sends what was written before close, and calls nothing afterwards', () => {
    const { world, sim, ends, heard } = piped();
    const { log, write, stream } = connect(sim);
    world.run(10);
    write('last words');
    stream.close();
    ends[0].write(Buffer.from('too late'));
    world.run(100);
    assert.equal(heard[0].text, 'last words');
    assert.deepEqual(log.events, ['writable']);
  });

  it('is refused, cut, delayed by 500 ms and silenced on order', () => {
    const { world, sim, ends } = piped();
    sim.network.refuse = true;
    const refused = connect(sim);
    assert.deepEqual(refused.log.events, []);
    world.run(1);
    assert.deepEqual(refused.log.events, ['error connection refused']);

    sim.network.refuse = false;
    const cut = connect(sim);
    world.run(10);
    assert.equal(sim.network.connected, 1);
    sim.network.cut();
    world.run(1);
    assert.deepEqual(cut.log.events, ['writable', 'error the connection is cut']);
    assert.equal(sim.network.connected, 0);

    sim.network.delay = 500;
    const slow = connect(sim);
    world.run(509);
    assert.deepEqual(slow.log.events, []);
    world.run(1);
    assert.deepEqual(slow.log.events, ['writable']);

    sim.network.silent = true;
    ends.at(-1)?.write(Buffer.from('nobody hears'));
    slow.write('nobody hears');
    world.run(100_000);
    assert.deepEqual(slow.log.events, ['writable']);
  });

  it('tells the peer and not the board when the power is cut', () => {
    let ended = 0;
    const { world, sim } = piped((end) => {
      end.onEnd = () => ended++;
    });
    const { log } = connect(sim);
    world.run(10);
    sim.cutPower();
    world.run(100);
    assert.equal(ended, 1);
    assert.deepEqual(log.events, ['writable']);
  });

  it('refuses ports 0 and 65536, an empty host and missing callbacks', () => {
    const { sim } = piped();
    assert.throws(() => connect(sim, 0), RangeError);
    assert.throws(() => connect(sim, 65536), RangeError);
    const callbacks = { onWritable: () => {}, onData: () => {}, onError: () => {} };
    assert.throws(() => sim.connect({ host: '', port: 1, ...callbacks }), RangeError);
    assert.throws(() => sim.connect({ host: 'a', port: 1, ...callbacks, onError: undefined as never }), TypeError);
  });

  it('talks to a Duplex', async () => {
    const dial: Dial = dialDuplex(() => {
      const [near, far] = duplexPair();
      far.on('data', (chunk: Buffer) => far.write(chunk.toString().toUpperCase()));
      return near;
    });
    const sim = openSim({ dial });
    const { log, write } = connect(sim);
    await sim.clock.advance(50);
    write('hello');
    await sim.clock.advance(50);
    assert.deepEqual(log.events, ['writable', 'HELLO']);
  });

  it('talks to a TCP server, hears its end, and is refused where nobody listens', async () => {
    const server = net.createServer((socket) => socket.on('data', () => socket.end('done'))).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const sim = openSim();
    const until = async (count: number, log: Log) => {
      for (let round = 0; round < 1000 && log.events.length < count; round++) await sim.clock.advance(10);
    };
    const { log, write, stream } = connect(sim, port);
    await until(1, log);
    write('x');
    await until(3, log);
    assert.deepEqual(log.events, ['writable', 'done', 'error the peer ended the connection']);
    stream.close();
    await new Promise((resolve) => server.close(resolve));
    const refused = connect(sim, port);
    await until(1, refused.log);
    assert.match(refused.log.events[0], /ECONNREFUSED/);
  });
});
