/** The uplink on real sockets: aedes in this process, mosquitto where it is installed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import { Uplink } from '../../firmware/link/uplink.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Bytes, Clock, Stream, StreamOptions } from '../../hal/hal.ts';

const clock: Clock = {
  uptime: () => performance.now(),
  time: () => undefined,
  setTime: () => {},
  after: (delay, run) => Number(setTimeout(run, delay).unref()),
  cancel: (timer) => clearTimeout(timer),
};

/** A stream as hal.ts wants it. */
function open(options: StreamOptions): Stream {
  const socket = connect(options.port, options.host);
  let over = false;
  const end = (error: Error | null) => {
    if (over) return;
    over = true;
    options.onError(error ?? new Error('connection closed'));
  };
  socket.on('connect', () => options.onWritable());
  socket.on('drain', () => over || options.onWritable());
  socket.on('data', (data) => over || options.onData(new Uint8Array(data)));
  socket.on('error', end);
  socket.on('close', () => end(null));
  return {
    write: (data) => socket.write(Buffer.from(data)),
    close: () => {
      over = true;
      socket.destroy();
    },
  };
}

/** An uplink to a port, and promises of what it tells. */
class Controller {
  readonly uplink: Uplink;
  private waiting: [(topic: string) => boolean, (payload: number[]) => void][] = [];
  private greeted: (() => void)[] = [];

  constructor(port: number) {
    const schedule = new Schedule(clock, {
      failed: (error) => {
        throw error;
      },
    });
    this.uplink = new Uplink({ clock, connect: open, random: () => 0 }, schedule, {
      host: '127.0.0.1',
      port,
      tls: false,
      clientId: 'c1',
      keepAlive: 60,
      window: 0.1,
      willTopic: 'rvb1/c1/link',
      willPayload: new Uint8Array([0]),
      subscriptions: ['rvb1/c1/cmd', 'rvb1/c1/time'],
      owner: {
        greet: () => {
          for (const tell of this.greeted.splice(0)) tell();
        },
        receive: (topic: string, payload: Bytes) => {
          for (const wait of [...this.waiting]) {
            if (!wait[0](topic)) continue;
            this.waiting.splice(this.waiting.indexOf(wait), 1);
            wait[1]([...payload]);
          }
        },
      },
    });
  }
  online = () => new Promise<void>((resolve) => this.greeted.push(resolve));
  message = (topic: string) =>
    new Promise<number[]>((resolve) => this.waiting.push([(received) => received === topic, resolve]));
  publish = (leaf: string, payload: Uint8Array, retain = false) =>
    new Promise<void>((done) =>
      assert.ok(this.uplink.publish(`rvb1/c1/${leaf}`, payload, 1, retain, { arrived: done })),
    );
}

const heard = (client: MqttClient, topic: string) =>
  new Promise<number[]>((resolve) =>
    client.on('message', function listen(received, payload) {
      if (received !== topic) return;
      client.off('message', listen);
      resolve([...payload]);
    }),
  );

/** A controller and a gateway talk through a broker; then the controller is gone. */
async function talk(port: number): Promise<void> {
  const gateway = await connectAsync({ host: '127.0.0.1', port, protocolVersion: 4 });
  const controller = new Controller(port);
  try {
    await gateway.subscribeAsync('rvb1/#', { qos: 1 });
    await controller.online();
    for (const length of [0, 1, 100, 110, 1024]) {
      const payload = Uint8Array.from({ length }, (_, i) => i);
      const arrives = heard(gateway, 'rvb1/c1/report');
      await controller.publish('report', payload);
      assert.deepEqual(await arrives, [...payload]);
    }
    for (const [length, qos] of [
      [0, 0],
      [3, 1],
      [900, 1],
    ] as const) {
      const arrives = controller.message('rvb1/c1/cmd');
      await gateway.publishAsync('rvb1/c1/cmd', Buffer.alloc(length, 7), { qos });
      assert.deepEqual(await arrives, new Array(length).fill(7));
    }
    const next = controller.message('rvb1/c1/time');
    await gateway.publishAsync('rvb1/c1/cmd', Buffer.alloc(4000), { qos: 1 });
    await gateway.publishAsync('rvb1/c1/time', Buffer.of(1), { qos: 1 });
    await next;
    assert.equal(controller.uplink.oversize, 1);
    const will = heard(gateway, 'rvb1/c1/link');
    controller.uplink.close();
    assert.deepEqual(await will, [0], 'the broker publishes the will');
  } finally {
    controller.uplink.close();
    await gateway.endAsync(true);
  }
}

describe('Uplink over TCP', () => {
  let aedes: Aedes;
  let server: Server;
  let port: number;
  const sockets = new Set<Socket>();
  const listen = async (on: number) => {
    aedes = await Aedes.createBroker();
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      aedes.handle(socket);
    });
    server.listen(on, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const stop = async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
  };

  const controllers: Controller[] = [];
  afterEach(async () => {
    for (const { uplink } of controllers.splice(0)) uplink.close();
    if (server?.listening) await stop();
  });

  it('talks to aedes: 5 reports, 3 commands, one oversize, the will', async () => {
    await listen(0);
    await talk(port);
  });

  it('comes back to aedes restarted on its port, and what it published meanwhile arrives in order', async () => {
    await listen(0);
    const controller = new Controller(port);
    controllers.push(controller);
    await controller.online();
    await stop();
    const sent = [1, 2, 3].map((byte) => controller.publish('report', Uint8Array.of(byte)));
    await listen(port);
    const arrived: number[] = [];
    await new Promise<void>((resolve) =>
      aedes.on('publish', ({ topic, payload }) => {
        if (topic === 'rvb1/c1/report' && arrived.push((payload as Buffer)[0]) === 3) resolve();
      }),
    );
    assert.deepEqual(arrived, [1, 2, 3]);
    await Promise.all(sent);
  });

  it('talks to mosquitto: 5 reports, 3 commands, one oversize, the will', async function () {
    if (spawnSync('mosquitto', ['-h']).error) {
      console.log('SKIPPED: mosquitto is not installed (Debian package mosquitto)');
      this.skip();
    }
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const chosen = (free.address() as AddressInfo).port;
    free.close();
    const directory = mkdtempSync(join(tmpdir(), 'mosquitto-'));
    const config = join(directory, 'mosquitto.conf');
    writeFileSync(config, `listener ${chosen} 127.0.0.1\nallow_anonymous true\n`);
    const broker: ChildProcess = spawn('mosquitto', ['-v', '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      await new Promise<void>((resolve, reject) => {
        broker.on('exit', () => reject(new Error('mosquitto ended')));
        broker.stderr?.on('data', (text) => /running/.test(String(text)) && resolve());
      });
      await talk(chosen);
    } finally {
      broker.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
