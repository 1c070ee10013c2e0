/**
 * What an operator, a load balancer and Prometheus ask: is it alive, is it of use, what does it do. On a port of its own and,
 * unless it is told otherwise, on this machine alone: nothing of it is for CMSs or lamps, and nobody proves who he is.
 *
 *     GET /health/live   200 while the program runs
 *     GET /health        200 when the database takes writes and the broker is connected, else 503; and why, as JSON
 *     GET /metrics       numbers for Prometheus
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listenFault } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { Metrics, Subject } from './metrics.ts';

/** ms of real time: for the database to take a write, and for which the answer counts. */
const DATABASE_TIME = 2000;
const FRESH = 1000;
/** ms until a connection ends that asks for nothing. */
const IDLE = 10000;
const MOST_CONNECTIONS = 64;
/** Record that is written to see whether the database takes it. */
const PROBE = 'health';

export type Role = 'starting' | 'leader' | 'follower' | 'stopping';

/** The gateway as it is now. */
export interface State {
  role: Role;
  version: string;
  /** Absent until it is open. */
  store?: Store;
  /** Absent while this gateway does not lead. */
  subject?: Subject;
  /** Absent where it cannot be one of several. */
  member?(): Member;
}

/** One of several gateways on one database. */
export interface Member {
  /** Address of whoever leads; absent: this gateway, or nobody. */
  leader?: string;
  /** Messages of controllers that it has put into the database itself. */
  kept: number;
}

export interface Health extends Partial<Member> {
  /** degraded: everything works, but a CMS is away */
  status: 'ready' | 'degraded' | 'unready';
  role: Role;
  version: string;
  database: { writable: boolean; seconds?: number; reason?: string };
  /** What follows is absent where another gateway leads. */
  broker?: { connected: boolean };
  cms?: { uri: string; attached: boolean }[];
  controllers?: { known: number; online: number };
}

export class Management {
  private readonly server: Server;
  private probe: { at: number; result: Promise<Health['database']> } | undefined;

  constructor(
    private readonly state: State,
    private readonly metrics: Metrics,
  ) {
    this.server = createServer({ requestTimeout: IDLE, keepAliveTimeout: IDLE }, (request, response) => {
      this.serve(request, response).catch(() => response.destroy());
    });
    this.server.maxConnections = MOST_CONNECTIONS;
    this.server.setTimeout(IDLE);
  }

  /** @returns the port, when it listens; rejects with a message for the operator */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => reject(listenFault(error, port, 'management')));
      this.server.listen(port, host, () => {
        const address = this.server.address();
        resolve(typeof address === 'object' && address ? address.port : port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  async health(): Promise<Health> {
    const { role, version, subject } = this.state;
    const database = await this.database();
    const all = [...(subject?.fleet.controllers.values() ?? [])];
    const field = subject && {
      broker: { connected: subject.connected() },
      cms: subject.cms(),
      controllers: { known: all.length, online: all.filter(({ online }) => online).length },
    };
    const works = role === 'follower' || (role === 'leader' && field?.broker.connected === true);
    const attached = field?.cms.every((one) => one.attached) ?? true;
    const status = !works || !database.writable ? 'unready' : attached ? 'ready' : 'degraded';
    return { status, role, version, database, ...field, ...this.state.member?.() };
  }

  private async serve({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = url.split('?');
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      answer(response, 405, 'text/plain', 'Only GET and HEAD are defined here.\n');
    } else if (path === '/health/live') answer(response, 200, 'application/json', '{"status":"alive"}\n');
    else if (path === '/health') {
      const health = await this.health();
      answer(response, health.status === 'unready' ? 503 : 200, 'application/json', `${JSON.stringify(health)}\n`);
    } else if (path === '/metrics') {
      const { type, body } = await this.metrics.text();
      answer(response, 200, type, body);
    } else answer(response, 404, 'text/plain', 'There are /health, /health/live and /metrics.\n');
  }

  /** Whether the database takes a write within 2 s; asked once a second at most. */
  private database(): Promise<Health['database']> {
    const { store } = this.state;
    if (!store) return Promise.resolve({ writable: false, reason: 'not open' });
    const now = performance.now();
    if (this.probe && now - this.probe.at < FRESH) return this.probe.result;
    const late = Symbol();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<typeof late>((resolve) => {
      timer = setTimeout(() => resolve(late), DATABASE_TIME).unref();
    });
    // What went wrong stands in the log: it may name hosts and users.
    const written = store.save(PROBE, Date.now());
    const result = Promise.race([written, patience])
      .then(
        (end): Health['database'] =>
          end === late
            ? { writable: false, reason: `no answer within ${DATABASE_TIME / 1000} s` }
            : { writable: true, seconds: Math.round(performance.now() - now) / 1000 },
        (): Health['database'] => ({ writable: false, reason: 'a write failed' }),
      )
      .finally(() => clearTimeout(timer));
    this.probe = { at: now, result };
    return result;
  }
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
