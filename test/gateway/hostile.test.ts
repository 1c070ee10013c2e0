import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Clock } from '../../gateway/clock.ts';
import { openServer, TIMES } from '../../gateway/http-server.ts';
import { Answers } from '../../gateway/talq/answers.ts';
import { BUDGET, Budget, MOST_WAITING } from '../../gateway/talq/budget.ts';
import { CmsClient, type CmsError } from '../../gateway/talq/cms-client.ts';
import { refusal } from '../../gateway/talq/errors.ts';
import { CMS, Rig, refusalOf, T0 } from './rig.ts';

const MEGABYTE = 1048576;

describe('a CMS that does not behave', () => {
  describe('as a server', () => {
    /** Asks a server that treats each connection as `behave` does. @returns what the client makes of it */
    const ask = async (behave: (socket: Socket) => void, requestTime = 10000): Promise<CmsError | unknown> => {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.once('data', () => behave(socket));
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const client = new CmsClient({}, 1000, requestTime);
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cms/devices?clientAddress=secret`;
      try {
        return await client.ask('POST', url, []).catch((error) => error);
      } finally {
        client.close();
        for (const socket of sockets) socket.destroy();
        server.close();
      }
    };
    const answer = (head: string, body = '') => `HTTP/1.1 ${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const told = async (behave: (socket: Socket) => void, requestTime?: number) => {
      const error = (await ask(behave, requestTime)) as CmsError;
      assert.ok(!error.message.includes('secret'), 'no query in a log');
      return `${error.status} ${error.final} ${error.message}`;
    };

    it('is told apart: no answer, none in time, no HTTP, no JSON, an error', async () => {
      const name = 'POST /cms/devices';
      assert.equal(await told((socket) => socket.destroy()), `undefined false ${name}: ECONNRESET`);
      assert.equal(await told(() => {}, 100), `undefined false ${name}: no answer in 0.1 s`);
      const drip = (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n');
        const timer = setInterval(() => socket.write(' '), 20);
        socket.on('close', () => clearInterval(timer));
      };
      assert.equal(await told(drip, 100), `undefined false ${name}: no answer in 0.1 s`);
      assert.match(await told((socket) => socket.end('SSH-2.0\r\n')), /^undefined false .*: HPE_INVALID/);
      assert.match(
        await told((socket) => socket.end(answer('200 OK', '{]'))),
        /^200 true .* something that is no JSON$/,
      );
      assert.match(await told((socket) => socket.end(answer('500 X'))), /^500 false .* was answered with 500/);
      assert.match(
        await told((socket) => socket.end(answer('422 X', '[{"key":1}]'))),
        /^422 true .*422 \[\{"key":1\}\]$/,
      );
      assert.match(await told((socket) => socket.end(answer('429 X'))), /^429 false /);
      const forged = answer('400 X', 'no\r\nCMS fine: all well\x1b[2J');
      assert.match(await told((socket) => socket.end(forged)), /answered with 400 no CMS fine: all well \[2J$/);
    });

    it('cannot make the gateway read without end, plain or packed', async () => {
      let sent = 0;
      const endless = (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
        const chunk = `2000\r\n${' '.repeat(0x2000)}\r\n`;
        const go = (): void => {
          while (!socket.destroyed && socket.write(chunk)) sent += 0x2000;
        };
        socket.on('drain', go);
        go();
      };
      assert.match(await told(endless), /: an answer of more than 1004 bytes$/);
      assert.ok(sent < 20 * MEGABYTE, `${sent} bytes`);
      const bomb = gzipSync(Buffer.alloc(MEGABYTE, 0x20));
      const packed = (socket: Socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
        socket.end(bomb);
      };
      assert.match(await told(packed), /^undefined false /);
      const small = gzipSync('[1]');
      const fine = (socket: Socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${small.length}\r\n\r\n`);
        socket.end(small);
      };
      assert.deepEqual(await ask(fine), [1]);
    });

    it('is followed to another place, but not in a circle and not anywhere', async () => {
      let asked = 0;
      const turn = (location: string) => (socket: Socket) => {
        asked++;
        socket.end(`HTTP/1.1 307 X\r\nlocation: ${location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
      };
      assert.match(await told(turn('/cms/elsewhere')), /^307 true POST \/cms\/elsewhere was answered with 307/);
      assert.equal(asked, 4);
      assert.match(await told(turn('file:///etc/passwd')), /redirected to where the gateway does not go/);
    });
  });

  describe('as a client', () => {
    let rig: Rig;
    before(async () => {
      rig = await Rig.start();
      await rig.join('PAR-0001');
    });
    after(() => rig.close());
    const path = (rest: string) => `/talq/gateway/${rest}?clientAddress=${CMS}&talqRequestId=${randomUUID()}`;
    const headers = { 'talq-api-version': '2.7.1', 'content-type': 'application/json' };

    it('has 1,000 requests at once answered', async () => {
      const replies = await Promise.all(
        Array.from({ length: 1000 }, () => rig.send('GET', path('devices/count'), { 'talq-api-version': '2.7.1' })),
      );
      assert.deepEqual([...new Set(replies.map(({ status }) => status))], [200]);
    });

    it('is refused for a body that is too long before it is read', async () => {
      const { hostname, port } = new URL(rig.gateway.url);
      const socket = connect(Number(port), hostname);
      const head = Object.entries({ ...headers, host: 'x', 'content-length': 100 * MEGABYTE });
      const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      socket.write(`POST ${path('calendars')} HTTP/1.1\r\n${lines}\r\n`);
      const [first] = await once(socket, 'data');
      assert.match(String(first), /^HTTP\/1\.1 413 /);
      assert.match(String(first), /"key":"genericError"/);
      socket.destroy();
    });

    it('gets 400 for JSON of 200,000 nested arrays', async () => {
      const nested = `${'['.repeat(200000)}${']'.repeat(200000)}`;
      const lamp = await rig.address('PAR-0001');
      for (const [method, rest, raw] of [
        ['POST', 'calendars', nested],
        ['PATCH', `devices/${lamp}/basic/displayName`, `{"value":${nested}}`],
        ['PATCH', `devices/${lamp}`, `{"functions":[{"id":"basic","x":{"value":${nested}}}]}`],
      ]) {
        const reply = await rig.send(method, path(rest), headers, raw);
        assert.equal(refusalOf(reply), '400 payloadError', rest);
      }
    });
  });

  describe('on a slow line', () => {
    const times = { ...TIMES, headers: 200, request: 400, idle: 300, look: 50 };
    /** @returns what comes back until the server closes, and after how many ms. */
    const drip = async (
      first: string,
      next: string,
      handler = (_request: IncomingMessage, _response: ServerResponse) => {},
    ) => {
      const server = openServer(handler, undefined, () => {}, times);
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      socket.on('error', () => {});
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.write(first);
      const timer = setInterval(() => socket.writable && next && socket.write(next), 30);
      const began = performance.now();
      await once(socket, 'close');
      clearInterval(timer);
      server.close();
      return { text, time: performance.now() - began };
    };

    it('is cut off when headers, a body or anything at all do not come', async () => {
      const headers = await drip('GET / HTTP/1.1\r\n', 'a: b\r\n');
      assert.match(headers.text, /^HTTP\/1\.1 408 /);
      const body = await drip('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n', ' ');
      assert.match(body.text, /^HTTP\/1\.1 408 /);
      const silence = await drip('', '');
      for (const { time } of [headers, body, silence]) assert.ok(time < 3000, `${time} ms`);
    });

    it('is cut off when it does not read its answers', async () => {
      let ended: () => void = () => {};
      const closed = new Promise<void>((resolve) => {
        ended = resolve;
      });
      const server = openServer(
        (_request, response) => {
          response.once('close', ended);
          response.end(Buffer.alloc(32 * MEGABYTE));
        },
        undefined,
        () => {},
        times,
      );
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      socket.on('error', () => {});
      socket.pause();
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      await closed;
      socket.destroy();
      server.close();
    });
  });

  describe('and what it may use at once', () => {
    it('is one request of any size, or many small ones; the rest waits its turn in order', async () => {
      const budget = new Budget();
      budget.learn('/small', 100);
      const leaveBig = await budget.enter('/big', 10 * BUDGET);
      const order: number[] = [];
      const waiting = [1, 2, 3].map(async (index) => {
        const leave = await budget.enter('/small', 0);
        order.push(index);
        return leave;
      });
      await new Promise(setImmediate);
      assert.deepEqual([order, budget.waiting], [[], 3]);
      leaveBig?.();
      leaveBig?.();
      for (const leave of await Promise.all(waiting)) leave?.();
      assert.deepEqual([order, budget.waiting], [[1, 2, 3], 0]);
      const again = await budget.enter('/big', BUDGET);
      assert.ok(again, 'nothing is held any more');
      again();
    });

    it(`refuses the request after ${MOST_WAITING} that wait`, async () => {
      const budget = new Budget();
      const leave = await budget.enter('/', BUDGET);
      const waiting = Array.from({ length: MOST_WAITING }, () => budget.enter('/', 0));
      assert.equal(await budget.enter('/', 0), undefined);
      leave?.();
      for (const entry of waiting) (await entry)?.();
      assert.equal(budget.waiting, 0);
    });

    it('counts what an answer was the last time', async () => {
      const budget = new Budget();
      budget.learn('/devices', BUDGET);
      const leave = await budget.enter('/devices', 0);
      const second = budget.enter('/devices', 0);
      assert.equal(budget.waiting, 1);
      leave?.();
      (await second)?.();
    });
  });

  it('does not push out the answers that are kept, nor make them hold its requests', async () => {
    const clock = new Clock(() => T0);
    const answers = new Answers(clock);
    let done = 0;
    const act = (body?: unknown) => async () => ({ status: 200 + done++, body });
    assert.equal((await answers.once('a', 'x', act())).status, 200);
    assert.equal((await answers.once('a', 'x', act())).status, 200);
    assert.equal((await answers.once('a', 'y', act())).status, 201, 'another request under the same id is done');
    const refuse = async () => {
      done++;
      throw refusal(422, 'payloadError', 'no');
    };
    for (let i = 0; i < 2; i++) await assert.rejects(answers.once('r', 'x', refuse), { message: 'no', status: 422 });
    assert.equal(done, 3, 'refused once');
    const fail = async () => {
      done++;
      throw refusal(503, 'genericError', 'full');
    };
    for (let i = 0; i < 2; i++) await assert.rejects(answers.once('f', 'x', fail));
    assert.equal(done, 5, 'what broke is tried again');
    const long = 'x'.repeat(5 * MEGABYTE);
    for (let i = 0; i < 4; i++) await answers.once(`long-${i}`, 'x', act(long));
    assert.equal((await answers.once('long-3', 'x', act())).body, long);
    assert.equal((await answers.once('long-0', 'x', act())).body, undefined, 'the oldest made room');
    clock.close();
  });
});
