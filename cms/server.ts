/** The server side of a small CMS: takes what gateways send, and hands it to whoever knows what to answer. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { VERSION } from '../gateway/talq/protocol.ts';

export const NIL = '00000000-0000-0000-0000-000000000000';
/** Bytes of the longest body: a street that introduces itself in one request. */
const LONGEST_BODY = 67108864;

export interface Received {
  method: string;
  /** Below the base, without the query. */
  path: string;
  query: Record<string, string>;
  headers: IncomingHttpHeaders;
  /** Common name of the client's certificate; undefined without TLS. */
  certificate?: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of every kind
  body: any;
}

/** Status and body, if any. */
export type Answered = [status: number, body?: unknown];
/** How a CMS can behave instead of answering. */
export type Rudeness = 'silence' | 'hang up';

/** A certificate, its key and the authorities of clients, in PEM. */
export interface ServerTls {
  cert: string | Buffer;
  key: string | Buffer;
  ca: string | Buffer;
}

export class CmsServer {
  /** Base URI; empty until it listens. */
  uri = '';
  /** Version of TALQ that its answers are in. */
  version = VERSION;
  private app: FastifyInstance | undefined;

  /**
   * @param base of all paths, without a slash at the end
   * @param handle whatever it throws is answered with 500
   */
  constructor(
    private readonly base: string,
    private readonly handle: (received: Received) => Promise<Answered | Rudeness>,
    private readonly tls?: ServerTls,
  ) {}

  /** @param port 0: any free one. Rejects with what the operator should know. */
  async listen(port: number, host = '127.0.0.1'): Promise<void> {
    const security = this.tls && {
      ...this.tls,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2' as const,
    };
    this.app = Fastify({
      forceCloseConnections: true,
      bodyLimit: LONGEST_BODY,
      serverFactory: (handler) => (security ? createTlsServer(security, handler) : createServer(handler)),
    });
    this.app.all(`${this.base}/*`, async (request, reply) => this.take(request, reply));
    await this.app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EADDRINUSE' ? new Error(`port ${port} is occupied`) : error;
    });
    const address = this.app.server.address();
    const listening = typeof address === 'object' && address ? address.port : port;
    this.uri = `${this.tls ? 'https' : 'http'}://${host}:${listening}${this.base}/`;
  }

  async close(): Promise<void> {
    await this.app?.close();
  }

  private async take(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { socket } = request.raw;
    const answered = await this.handle({
      method: request.method,
      path: request.url.split('?')[0].slice(this.base.length),
      query: request.query as Record<string, string>,
      headers: request.headers,
      certificate: socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject?.CN) : undefined,
      body: request.body,
    });
    if (answered === 'silence') return new Promise(() => {});
    if (answered === 'hang up') {
      reply.hijack();
      reply.raw.destroy();
      return reply;
    }
    const [status, body] = answered;
    reply.code(status).header('talq-api-version', this.version);
    return body === undefined ? reply.send() : reply.type('application/json').send(JSON.stringify(body));
  }
}

/** @returns the answer to a gateway that introduces itself: its device with the two addresses. Source: TALQ 2.7.1 §5.1. */
export function introduced(body: Received['body'], cmsAddress: string, gatewayAddress: string): Answered {
  const [device] = body;
  const [own] = device.functions;
  const named = {
    ...own,
    cmsAddress: { ...own.cmsAddress, value: cmsAddress },
    gatewayAddress: { ...own.gatewayAddress, value: gatewayAddress },
  };
  return [201, [{ ...device, address: gatewayAddress, functions: [named] }]];
}

/** @returns what a CMS answers that is content with everything. Source: TALQ 2.7.1 CMS API. */
export function content({ method, path, body }: Received): Answered {
  if (method !== 'POST') return [200];
  return path === '/services' || path === '/log-reports' ? [201] : [201, body];
}
