/**
 * A CMS that does everything wrong, against a gateway process with two CMSs and a lamp: what the gateway's memory does, and
 * whether the other CMS and the lamp notice. Prints what it measured.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { BenchCms } from '../../cms/bench-cms.ts';
import { freePort } from '../free-port.ts';
import { Controller } from '../gateway/rig.ts';
import { keyFile } from '../sealed.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MEGABYTE = 1048576;
/** MB that the gateway may have beyond what it had before any attack. */
const MOST_GROWTH = 250;

describe('a hostile CMS', function () {
  this.timeout(300000);
  let good: BenchCms;
  let evil: BenchCms;
  let controller: Controller;
  let gateway: ChildProcess;
  let base: URL;
  let lamp: string;
  let calm: number;
  let brokerPort: number;
  let keys: string;
  /** Controllers that appear, and how many have. */
  const NEW = Array.from({ length: 100 }, (_, i) => `NEW-${i}`);
  let met = 0;
  const log: string[] = [];
  before(async () => {
    good = new BenchCms({ tell: () => {} });
    evil = new BenchCms({ tell: () => {} });
    await Promise.all([good.server.listen(0), evil.server.listen(0)]);
    const port = await freePort();
    brokerPort = await freePort();
    keys = keyFile(['PAR-0001', ...NEW]);
    const flags = [
      '--port',
      port,
      '--keys',
      keys,
      '--broker-port',
      brokerPort,
      '--cms',
      good.server.uri,
      '--cms',
      evil.server.uri,
    ];
    const command = ['--import', 'tsx', 'gateway/main.ts', ...flags.map(String), '--insecure-http'];
    gateway = spawn(process.execPath, command, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    gateway.stdout?.on('data', (chunk) => log.push(String(chunk)));
    const attached = (cms: BenchCms) => cms.until(() => [...cms.gateways.values()].some((one) => one.attached), 90000);
    await Promise.all([attached(good), attached(evil)]);
    controller = await Controller.connect(brokerPort, 'PAR-0001');
    await controller.greet();
    await Promise.all([good, evil].map((cms) => cms.until(() => cms.lamps().length === 1, 10000)));
    base = new URL(`http://127.0.0.1:${port}/talq/gateway`);
    lamp = good.lamps()[0].address;
    await probe();
    calm = memory();
    console.log(`    before: ${calm} MB`);
  });
  after(async () => {
    await controller?.close();
    gateway?.kill('SIGKILL');
    rmSync(dirname(keys), { recursive: true });
    await Promise.all([good?.close(), evil?.close()]);
  });

  /** MB that the gateway's process holds. */
  const memory = (): number => {
    const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8')) ?? [];
    return Math.round(Number(kilobytes) / 1024);
  };
  /** The other CMS commands the lamp. @returns ms until it is answered */
  let level = 0;
  const probe = async (): Promise<number> => {
    const began = performance.now();
    level = (level % 90) + 10;
    const [known] = good.gateways.values();
    const addresses = [{ resource: 'devices', address: lamp }];
    const targetCommand = { state: { name: 'LevelState', value: level } };
    await good.ask(known, 'POST', 'override-commands', { addresses, targetCommand });
    assert.equal(controller.commands.at(-1)?.get(2), level, 'the lamp has the command');
    return Math.round(performance.now() - began);
  };
  /** Watches memory and the other CMS while `attack` runs. */
  const during = async (name: string, attack: () => Promise<unknown>, least = 3000) => {
    let most = 0;
    let slowest = 0;
    let running = true;
    const end = Promise.all([attack(), sleep(least)]).finally(() => {
      running = false;
    });
    while (running) {
      most = Math.max(most, memory());
      slowest = Math.max(slowest, await probe());
      await sleep(100);
    }
    await end;
    most = Math.max(most, memory());
    console.log(`    ${name}: at most ${most} MB, the other CMS waited at most ${slowest} ms`);
    assert.ok(most - calm < MOST_GROWTH, `${most} MB, before ${calm} MB`);
    assert.ok(slowest < 10000, `${slowest} ms`);
  };
  const path = (rest: string) =>
    `${base.pathname}/${rest}?clientAddress=${evil.cmsAddress}&talqRequestId=${randomUUID()}`;
  /** @returns the status of one request, undefined when the connection ended without one. */
  const ask = (options: RequestOptions, body?: Buffer, agent = new Agent()): Promise<number | undefined> =>
    new Promise((resolve) => {
      const headers = { 'talq-api-version': '2.7.1', 'content-type': 'application/json', ...options.headers };
      const asked = request({ host: base.hostname, port: base.port, agent, ...options, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode)).on('error', () => resolve(answer.statusCode));
      });
      asked.on('error', () => resolve(undefined));
      asked.end(body);
    });
  const many = (count: number, act: (index: number) => Promise<unknown>) =>
    Promise.all(Array.from({ length: count }, (_, index) => act(index)));
  const tally = (statuses: unknown[]): string =>
    [...new Set(statuses)].map((one) => `${statuses.filter((other) => other === one).length} × ${one}`).join(', ');

  it('asks 1,000 things at once, five times', () =>
    during('1,000 requests at once', async () => {
      for (let i = 0; i < 5; i++) {
        const statuses = await many(1000, () => ask({ path: path('devices') }));
        assert.deepEqual([...new Set(statuses)], [200], tally(statuses));
      }
    }));

  it('sends 1,000 bodies of 1 MB at once', () =>
    during('1,000 bodies of 1 MB', async () => {
      const body = Buffer.from(JSON.stringify({ addresses: [], padding: 'x'.repeat(MEGABYTE - 1000) }));
      const headers = { 'content-length': body.length };
      const statuses = await many(1000, () => ask({ method: 'POST', path: path('override-commands'), headers }, body));
      console.log(`    ${tally(statuses)}`);
      assert.ok(statuses.includes(422));
    }));

  it('sends bodies of 100 MB, announced, chunked and packed', () =>
    during('bodies of 100 MB', async () => {
      const chunk = Buffer.alloc(MEGABYTE, 0x20);
      const stream = (headers: Record<string, string>) =>
        new Promise((resolve) => {
          const options = { host: base.hostname, port: base.port, method: 'POST', path: path('calendars') };
          const all = { 'talq-api-version': '2.7.1', 'content-type': 'application/json', ...headers };
          const asked = request({ ...options, headers: all }, (answer) => {
            answer.resume();
            resolve(answer.statusCode);
          });
          asked.on('error', () => resolve('broken off'));
          void (async () => {
            for (let i = 0; i < 100 && !asked.destroyed; i++) {
              if (!asked.write(chunk)) await Promise.race([once(asked, 'drain').catch(() => {}), sleep(500)]);
            }
            asked.end();
          })();
        });
      const bomb = gzipSync(Buffer.alloc(100 * MEGABYTE, 0x20));
      const statuses = await Promise.all([
        many(10, () => stream({ 'content-length': String(100 * MEGABYTE) })),
        many(10, () => stream({ 'transfer-encoding': 'chunked' })),
        many(50, () =>
          ask(
            {
              method: 'POST',
              path: path('calendars'),
              headers: { 'content-encoding': 'gzip', 'content-length': bomb.length },
            },
            bomb,
          ),
        ),
      ]);
      console.log(`    announced ${tally(statuses[0])}; chunked ${tally(statuses[1])}; packed ${tally(statuses[2])}`);
      assert.ok(statuses.flat().every((status) => status === 413 || status === 400 || status === 'broken off'));
    }));

  it('opens 1,500 connections and lets bytes drip', async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    await during(
      '1,500 dripping connections',
      async () => {
        for (let i = 0; i < 1500; i++) {
          const socket = connect(Number(base.port), base.hostname);
          socket.on('error', () => {});
          socket.on('close', () => closed++);
          socket.write(`POST ${path('calendars')} HTTP/1.1\r\n`);
          sockets.push(socket);
        }
        for (let i = 0; i < 15; i++) {
          await sleep(1000);
          for (const socket of sockets) if (socket.writable) socket.write(`x-${i}: y\r\n`);
        }
      },
      1000,
    );
    console.log(`    ${closed} of 1,500 were closed within 15 s`);
    assert.equal(closed, 1500);
  });

  it('reads none of 2,000 answers', async () => {
    const sockets: Socket[] = [];
    await during('2,000 answers that nobody reads', async () => {
      for (let i = 0; i < 40; i++) {
        const socket = connect(Number(base.port), base.hostname);
        socket.on('error', () => {});
        socket.pause();
        const asked = `GET ${path('devices')} HTTP/1.1\r\nhost: x\r\ntalq-api-version: 2.7.1\r\n\r\n`;
        for (let j = 0; j < 50; j++) socket.write(asked);
        sockets.push(socket);
      }
      await sleep(5000);
    });
    for (const socket of sockets) socket.destroy();
  });

  for (const [name, misbehave] of [
    ['never answers', () => {}],
    ['answers with something else', (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9\r\n')],
    ['answers with no JSON', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{]')],
    ['answers with 500', (socket: Socket) => socket.end('HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n')],
    [
      'answers without end',
      (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
        const chunk = Buffer.from(`100000\r\n${' '.repeat(MEGABYTE)}\r\n`);
        const go = (): void => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', go);
        go();
      },
    ],
  ] as [string, (socket: Socket) => void][]) {
    it(name, async () => {
      const port = Number(new URL(evil.server.uri).port);
      await evil.server.close();
      const sockets = new Set<Socket>();
      const server: Server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.once('data', () => misbehave(socket));
      });
      await once(server.listen(port, '127.0.0.1'), 'listening');
      const attack = during(name, async () => {
        // Something to tell both CMSs: lamps that appear.
        for (let i = 0; i < 3; i++) {
          const fresh = await Controller.connect(brokerPort, NEW[met++]);
          await fresh.greet();
          await sleep(500);
          await fresh.close();
        }
      });
      await attack.finally(async () => {
        server.close();
        for (const socket of sockets) socket.destroy();
        await once(server, 'close');
        await evil.server.listen(port);
      });
    });
  }

  it('leaves a gateway behind that has given its memory back and gone on', async () => {
    await sleep(15000);
    console.log(`    afterwards: ${memory()} MB`);
    assert.ok((await probe()) < 1000);
    assert.equal(await ask({ path: path('devices') }), 200, 'the hostile one is still served');
    assert.ok(!log.join('').includes('request failed'), log.filter((line) => line.includes('failed')).join(''));
  });
});
