/** A small CMS for tests: takes a gateway in, remembers what it was told, and checks every message against its document. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { check } from './oas.ts';

const NIL = '00000000-0000-0000-0000-000000000000';

export interface Received {
  method: string;
  path: string;
  query: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every kind
  body: any;
}

/** A log report as it came, and how it was answered; undefined: the connection broke first. */
export interface ReceivedReport {
  id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into entries of every kind
  body: any;
  status: number | undefined;
}

export class TestCms {
  gatewayAddress: string = randomUUID();
  /** Everything that came but types, in order, refused or not. */
  readonly received: Received[] = [];
  /** The gateway's own types as they came, and how many requests of `received` had come before. */
  readonly types: (Received & { after: number })[] = [];
  readonly violations: string[] = [];
  /** Statuses for the next requests instead of doing them. */
  readonly failures: number[] = [];
  /** Takes requests and never answers. */
  silent = false;
  /** Log reports, apart from everything else. */
  readonly reports: ReceivedReport[] = [];
  /** How log reports are answered; undefined: they are taken, and the connection breaks. */
  judge: (report: ReceivedReport['body']) => number | undefined = () => 201;
  private waiting: (() => void)[] = [];
  private app!: FastifyInstance;
  uri = '';

  /** Subjects of the client certificates that requests came with. */
  readonly certificates: (string | undefined)[] = [];

  constructor(
    readonly cmsAddress: string = randomUUID(),
    private readonly tls?: { cert: Buffer; key: Buffer; ca: Buffer },
  ) {}

  /** @param port 0: any free one */
  async listen(port = 0): Promise<void> {
    const security = this.tls && { ...this.tls, requestCert: true, rejectUnauthorized: true };
    this.app = Fastify({
      forceCloseConnections: true,
      serverFactory: (handler) => (security ? createTlsServer(security, handler) : createServer(handler)),
    });
    this.app.all('/cms/*', async (request, reply) => this.take(request, reply));
    await this.app.listen({ host: '127.0.0.1', port });
    const address = this.app.server.address();
    this.uri = `${this.tls ? 'https' : 'http'}://127.0.0.1:${typeof address === 'object' && address ? address.port : port}/cms/`;
  }

  /** @returns method and path of everything received, without the query. */
  steps(): string[] {
    return this.received.map(({ method, path }) => `${method} ${path}`);
  }

  /** Resolves when `count` requests have come. */
  async until(count: number): Promise<void> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  async close(): Promise<void> {
    await this.app.close();
  }

  private async take(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const path = request.url.split('?')[0].slice('/cms'.length);
    const query = request.query as Record<string, string>;
    const { method } = request;
    const received = { method, path, query, body: request.body as Received['body'] };
    const { socket } = request.raw;
    this.certificates.push(socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject?.CN) : undefined);
    if (this.silent) {
      this.received.push(received);
      for (const resolve of this.waiting.splice(0)) resolve();
      return new Promise(() => {});
    }
    if (path === '/log-reports') return this.takeReport(request, reply, received);
    const typed = path.startsWith('/controller-types');
    const [status, answer] = typed ? [method === 'POST' ? 201 : 200, received.body] : this.answer(received);
    const headers = { ...(answer === undefined ? {} : { 'content-type': 'application/json' }) };
    this.violations.push(
      ...check('cms', { ...received, headers: request.headers, status, answerHeaders: headers, answer }),
    );
    if (request.headers['content-length'] === undefined) this.violations.push(`${path} without Content-Length`);
    if (typed) this.types.push({ ...received, after: this.received.length });
    else this.received.push(received);
    reply.code(status).headers({ ...headers, 'talq-api-version': '2.7.1' });
    // After the answer has been handed over, so that a test that goes on sees the gateway go on.
    setImmediate(() => {
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    return answer === undefined ? reply.send() : reply.send(JSON.stringify(answer));
  }

  private takeReport(request: FastifyRequest, reply: FastifyReply, received: Received): unknown {
    const known = received.query.clientAddress === this.gatewayAddress;
    const status = known ? this.judge(received.body) : 400;
    const answer = (status ?? 0) < 300 ? undefined : [{ key: 'genericError', description: 'on purpose' }];
    const headers = { ...(answer === undefined ? {} : { 'content-type': 'application/json' }) };
    this.violations.push(
      ...check('cms', { ...received, headers: request.headers, status: status ?? 201, answerHeaders: headers, answer }),
    );
    this.reports.push({ id: received.query.talqRequestId, body: received.body, status });
    if (status === undefined) {
      reply.hijack();
      reply.raw.destroy();
      return reply;
    }
    reply.code(status).headers({ ...headers, 'talq-api-version': '2.7.1' });
    return answer === undefined ? reply.send() : reply.send(JSON.stringify(answer));
  }

  private answer({ method, path, query, body }: Received): [number, unknown?] {
    const failure = this.failures.shift();
    if (failure === 200) return [200, body];
    if (failure !== undefined) return [failure, [{ key: 'genericError', description: 'on purpose' }]];
    const introduction = query.clientAddress === NIL;
    if (!introduction && query.clientAddress !== this.gatewayAddress) {
      return [400, [{ key: 'parameterValueNotValid' }]];
    }
    if (method === 'POST' && path === '/devices') {
      if (!introduction) return [201, body];
      const [own] = body[0].functions;
      const cmsAddress = { ...own.cmsAddress, value: this.cmsAddress };
      const gatewayAddress = { ...own.gatewayAddress, value: this.gatewayAddress };
      return [201, [{ ...body[0], address: this.gatewayAddress, functions: [{ ...own, cmsAddress, gatewayAddress }] }]];
    }
    if (method === 'POST' && path === '/services') return [201];
    if (method === 'POST') return [201, body];
    return [200];
  }
}
