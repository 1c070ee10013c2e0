/**
 * What a gateway that does not lead has on its port: it passes everything on to the one that does. With TLS the bytes go
 * through as they are, so that both ends still see each other's certificates; without, a request gets an answer in any case.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { pipeline } from 'node:stream';
import { listenFault } from './ports.ts';

/** ms of real time: until the leader has to be connected, and of silence after which a connection ends. */
const CONNECT_TIME = 3000;
const IDLE = 60000;
const MOST_CONNECTIONS = 1024;
/** s after which to ask again while nobody leads. */
const RETRY_AFTER = 2;
/** Headers that are about one connection. Source: RFC 9110 §7.6.1. */
const HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

export interface DoorOptions {
  host: string;
  port: number;
  /** Bytes pass unread. */
  tls: boolean;
  /** @returns the API's address of whoever leads; undefined: nobody, or this gateway itself */
  leader(): string | undefined;
}

export interface Door {
  readonly port: number;
  close(): Promise<void>;
}

/** @returns when it listens; rejects with a message that names an occupied port */
export async function openDoor({ host, port, tls, leader }: DoorOptions): Promise<Door> {
  const sockets = new Set<Socket>();
  const server: Server | TcpServer = tls
    ? createTcpServer({ allowHalfOpen: true }, (socket) => pass(socket, leader()))
    : createServer(serve);
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.setTimeout(IDLE, () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenFault(error, port, 'TALQ API')));
    server.listen(port, host, resolve);
  });
  const address = server.address();

  function serve(asked: IncomingMessage, answer: ServerResponse): void {
    const to = leader();
    if (to === undefined) refuse(answer, 'No gateway leads at the moment.');
    else forward(asked, answer, new URL(to));
  }

  return {
    port: typeof address === 'object' && address ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function pass(socket: Socket, leader: string | undefined): void {
  if (leader === undefined) {
    socket.destroy();
    return;
  }
  const other = connect({ ...placeOf(new URL(leader)), timeout: CONNECT_TIME, allowHalfOpen: true });
  other.once('connect', () => other.setTimeout(IDLE));
  other.on('timeout', () => other.destroy(new Error('silence')));
  const end = (error?: Error | null): void => {
    if (!error) return;
    socket.destroy();
    other.destroy();
  };
  pipeline(socket, other, end);
  pipeline(other, socket, end);
}

function forward(asked: IncomingMessage, answer: ServerResponse, to: URL): void {
  const { method, url: path, headers } = asked;
  const own = [...HOP, ...(headers.connection ?? '').toLowerCase().split(/\s*,\s*/)];
  const kept = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !own.includes(name) || name === 'transfer-encoding'),
  );
  const passed = request(
    { ...placeOf(to), method, path, headers: kept, timeout: CONNECT_TIME, agent: false },
    (reply) => {
      const back = Object.entries(reply.headers).filter(([name]) => !HOP.includes(name));
      answer.writeHead(reply.statusCode ?? 502, Object.fromEntries(back));
      reply.pipe(answer);
      reply.once('error', () => answer.destroy());
    },
  );
  passed.on('socket', (socket) => socket.once('connect', () => passed.setTimeout(IDLE)));
  passed.on('timeout', () => passed.destroy(new Error('no answer')));
  passed.on('error', () => {
    if (answer.headersSent) answer.destroy();
    else refuse(answer, 'The gateway that leads does not answer.');
  });
  answer.once('close', () => passed.destroy());
  asked.pipe(passed);
}

/** IPv6 addresses stand in brackets in a URL only. */
function placeOf({ hostname, port }: URL): { host: string; port: number } {
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function refuse(answer: ServerResponse, description: string): void {
  answer.setHeader('retry-after', RETRY_AFTER);
  say(answer, 503, [{ key: 'genericError', description }]);
}

function say(answer: ServerResponse, status: number, body: object): void {
  answer.writeHead(status, { 'content-type': 'application/json' });
  answer.end(JSON.stringify(body));
}
