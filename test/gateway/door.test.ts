import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { type Door, openDoor } from '../../gateway/door.ts';

describe('the port of a gateway that does not lead', () => {
  let leader: Server;
  let door: Door;
  let to: string | undefined;
  let asked: { request: IncomingMessage; body: string }[] = [];
  beforeEach(async () => {
    asked = [];
    leader = createServer(async (request, reply) => {
      request.setEncoding('utf8');
      let body = '';
      for await (const chunk of request) body += chunk;
      asked.push({ request, body });
      reply.writeHead(409, { 'content-type': 'application/json', 'talq-api-version': '2.7.1' });
      reply.end(JSON.stringify([{ key: 'resourceConflict' }]));
    });
    await once(leader.listen(0, '127.0.0.1'), 'listening');
    to = `http://127.0.0.1:${(leader.address() as AddressInfo).port}`;
    door = await open(false);
  });
  afterEach(async () => {
    await door.close();
    leader.closeAllConnections();
    await new Promise((resolve) => leader.close(resolve));
  });
  const open = (tls: boolean) => openDoor({ host: '127.0.0.1', port: 0, tls, leader: () => to });
  const ask = (path: string, options: RequestInit = {}) => fetch(`http://127.0.0.1:${door.port}${path}`, options);

  it('passes a request on to the leader as it is, and its answer back', async () => {
    const content = JSON.stringify({ text: 'é'.repeat(100000) });
    const headers = { 'content-type': 'application/json', 'talq-api-version': '2.7.1' };
    const reply = await ask('/talq/gateway/groups?clientAddress=a%20b', { method: 'POST', headers, body: content });
    assert.deepEqual([reply.status, await reply.json()], [409, [{ key: 'resourceConflict' }]]);
    assert.equal(reply.headers.get('talq-api-version'), '2.7.1');
    const [{ request, body }] = asked;
    assert.deepEqual([request.method, request.url], ['POST', '/talq/gateway/groups?clientAddress=a%20b']);
    assert.equal(request.headers['talq-api-version'], '2.7.1');
    assert.equal(body, content);
  });

  it('answers 503 and when to ask again while nobody leads, and when the leader does not answer', async () => {
    for (const address of [undefined, 'http://127.0.0.1:1']) {
      to = address;
      const reply = await ask('/talq/gateway/devices');
      assert.equal(reply.status, 503);
      assert.equal(reply.headers.get('retry-after'), '2');
      assert.equal(((await reply.json()) as { key: string }[])[0].key, 'genericError');
    }
  });

  it('passes bytes where they are encrypted, both ways, and hangs up while nobody leads', async () => {
    const echo = createTcpServer((socket) => socket.pipe(socket));
    await once(echo.listen(0, '127.0.0.1'), 'listening');
    to = `https://127.0.0.1:${(echo.address() as AddressInfo).port}`;
    const secret = await open(true);
    const socket = connect(secret.port, '127.0.0.1');
    socket.end(Buffer.from([22, 3, 1, 0, 255]));
    const chunks = await socket.toArray();
    assert.deepEqual([...Buffer.concat(chunks)], [22, 3, 1, 0, 255]);
    to = undefined;
    const other = connect(secret.port, '127.0.0.1');
    await once(other, 'close');
    await secret.close();
    echo.close();
  });

  it('is refused by name when it is occupied', async () => {
    const options = { host: '127.0.0.1', port: door.port, tls: false, leader: () => to };
    await assert.rejects(openDoor(options), { message: `port ${door.port} (TALQ API) is occupied` });
  });
});
