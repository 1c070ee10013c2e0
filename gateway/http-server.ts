/**
 * The HTTP server under the TALQ API, with an end to every wait and a limit to everything that a peer can make it hold.
 * Source: TALQ 2.7.1 §3.6 (TLS).
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isRevoked } from './tls/client-certificate.ts';
import type { Keys } from './tls/keys.ts';
import type { Revocations } from './tls/revocations.ts';

/** ms of real time for a TLS handshake, for the headers of a request, for a request as a whole, and until silence ends. */
export const HANDSHAKE_TIME = 10000;
export const HEADERS_TIME = 10000;
export const BODY_TIME = 60000;
export const IDLE_TIME = 60000;
/** ms between two looks for requests that are late. */
const LOOK = 2000;
/** Connections at once, and from one address. */
export const MOST_CONNECTIONS = 4096;
export const MOST_FROM_ONE = 2048;
/** Bytes and number of a request's headers. */
const LONGEST_HEADERS = 16384;
const MOST_HEADERS = 100;
/** Refused connections per minute that are told of. */
const MOST_COMPLAINTS = 10;

/** How both sides prove who they are. */
export interface Tls {
  keys: Keys;
  revocations: Revocations;
  /** Takes clients that show no certificate. */
  anyClient: boolean;
}

export function openServer(handler: RequestListener, tls: Tls | undefined, log: (line: string) => void): Server {
  const options: ServerOptions = {
    headersTimeout: HEADERS_TIME,
    requestTimeout: BODY_TIME,
    connectionsCheckingInterval: LOOK,
    keepAliveTimeout: IDLE_TIME,
    maxHeaderSize: LONGEST_HEADERS,
    noDelay: true,
  };
  const server = tls ? openTlsServer(options, handler, tls, complainer(log)) : createServer(options, handler);
  server.maxHeadersCount = MOST_HEADERS;
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(IDLE_TIME);
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
  complain: (line: string) => void,
): TlsServer {
  const security = { requestCert: true, rejectUnauthorized: !anyClient, handshakeTimeout: HANDSHAKE_TIME };
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

/** @returns a log that takes a few lines a minute: anybody may knock as often as he likes. */
function complainer(log: (line: string) => void): (line: string) => void {
  let since = 0;
  let count = 0;
  return (line) => {
    const now = performance.now();
    if (now - since > 60000) {
      since = now;
      count = 0;
    }
    if (count++ < MOST_COMPLAINTS) log(line);
  };
}
