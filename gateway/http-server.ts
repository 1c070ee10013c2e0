/**
 * The HTTP server under the TALQ API, with an end to every wait and a limit to everything that a peer can make it hold.
 * Source: TALQ 2.7.1 §3.6 (TLS).
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { complainer, type Log } from './log.ts';
import { isRevoked } from './tls/client-certificate.ts';
import type { Keys } from './tls/keys.ts';
import type { Revocations } from './tls/revocations.ts';

/** ms of real time. */
export const TIMES = {
  /** for a TLS handshake */
  handshake: 10000,
  /** for the headers of a request */
  headers: 10000,
  /** for a request as a whole */
  request: 60000,
  /** until a connection on which nothing happens is closed, also one whose answer nobody reads */
  idle: 60000,
  /** between two looks for requests that are late */
  look: 2000,
};
/** Connections at once, and from one address. */
export const MOST_CONNECTIONS = 4096;
export const MOST_FROM_ONE = 2048;
/** Bytes and number of a request's headers. */
const LONGEST_HEADERS = 16384;
const MOST_HEADERS = 100;

/** How both sides prove who they are. */
export interface Tls {
  keys: Keys;
  revocations: Revocations;
  /** Takes clients that show no certificate. */
  anyClient: boolean;
}

export function openServer(handler: RequestListener, tls: Tls | undefined, log: Log, times = TIMES): Server {
  const options: ServerOptions = {
    headersTimeout: times.headers,
    requestTimeout: times.request,
    connectionsCheckingInterval: times.look,
    keepAliveTimeout: times.idle,
    maxHeaderSize: LONGEST_HEADERS,
    noDelay: true,
  };
  const server = tls ? openTlsServer(options, handler, tls, complainer(log), times) : createServer(options, handler);
  server.maxHeadersCount = MOST_HEADERS;
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(times.idle);
  const counts = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (counts.get(from) ?? 0) + 1;
    if (count > MOST_FROM_ONE) {
      socket.destroy();
      return;
    }
    counts.set(from, count);
    socket.once('close', () => {
      const left = (counts.get(from) ?? 1) - 1;
      if (left > 0) counts.set(from, left);
      else counts.delete(from);
    });
  });
  return server;
}

function openTlsServer(
  options: ServerOptions,
  handler: RequestListener,
  { keys, revocations, anyClient }: Tls,
  complain: Log,
  times: typeof TIMES,
): TlsServer {
  const security = { requestCert: true, rejectUnauthorized: !anyClient, handshakeTimeout: times.handshake };
  const server = createTlsServer({ ...options, ...keys.context, ...security }, handler);
  keys.onRenewal(() => server.setSecureContext(keys.context));
  server.on('secureConnection', (socket: TLSSocket) => {
    const strange = !socket.authorized && Boolean(socket.getPeerCertificate().raw);
    if (!strange && !isRevoked(socket, revocations)) return;
    complain(
      `TLS: ${socket.remoteAddress} refused: ${strange ? socket.authorizationError : 'its certificate is revoked'}`,
    );
    socket.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Nobody is told of port scans and of those who hang up.
    if (error.code !== 'ECONNRESET') complain(`TLS: ${socket.remoteAddress} refused: ${error.code ?? error.message}`);
  });
  return server;
}
