/** A small CMS for tests: takes a gateway in, remembers what it was told, and checks every message against its document. */
import { randomUUID } from 'node:crypto';
import {
  type Answered,
  CmsServer,
  content,
  introduced,
  NIL,
  type Received,
  type Rudeness,
  type ServerTls,
} from '../../cms/server.ts';
import { check } from './oas.ts';

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
  /** Data packages that it offers, by their id. */
  readonly packages = new Map<string, object>();
  readonly violations: string[] = [];
  /** Statuses for the next requests instead of doing them. */
  readonly failures: number[] = [];
  /** What it says of an error. */
  words = 'on purpose';
  /** Takes requests and never answers. */
  silent = false;
  /** Log reports, apart from everything else. */
  readonly reports: ReceivedReport[] = [];
  /** How log reports are answered; undefined: they are taken, and the connection breaks. */
  judge: (report: ReceivedReport['body']) => number | undefined = () => 201;
  private waiting: (() => void)[] = [];
  readonly server: CmsServer;

  /** Subjects of the client certificates that requests came with. */
  readonly certificates: (string | undefined)[] = [];

  constructor(
    readonly cmsAddress: string = randomUUID(),
    tls?: ServerTls,
  ) {
    this.server = new CmsServer('/cms', (received) => this.take(received), tls);
  }

  /** @param port 0: any free one */
  async listen(port = 0): Promise<void> {
    await this.server.listen(port);
  }

  get uri(): string {
    return this.server.uri;
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
    await this.server.close();
  }

  private async take(received: Received): Promise<Answered | Rudeness> {
    const { method, path } = received;
    this.certificates.push(received.certificate);
    if (this.silent) {
      this.received.push(received);
      for (const resolve of this.waiting.splice(0)) resolve();
      return 'silence';
    }
    if (received.headers['content-length'] === undefined) this.violations.push(`${path} without Content-Length`);
    if (path === '/log-reports') return this.takeReport(received);
    const typed = path.startsWith('/controller-types');
    const answered: Answered = typed ? [method === 'POST' ? 201 : 200, received.body] : this.answer(received);
    this.judgeExchange(received, answered);
    if (typed) this.types.push({ ...received, after: this.received.length });
    else this.received.push(received);
    // After the answer has been handed over, so that a test that goes on sees the gateway go on.
    setImmediate(() => {
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    return answered;
  }

  private takeReport(received: Received): Answered | Rudeness {
    const known = received.query.clientAddress === this.gatewayAddress;
    const status = known ? this.judge(received.body) : 400;
    const answer = (status ?? 0) < 300 ? undefined : [{ key: 'genericError', description: this.words }];
    this.judgeExchange(received, [status ?? 201, answer]);
    this.reports.push({ id: received.query.talqRequestId, body: received.body, status });
    return status === undefined ? 'hang up' : [status, answer];
  }

  private judgeExchange(received: Received, [status, answer]: Answered): void {
    const answerHeaders = answer === undefined ? {} : { 'content-type': 'application/json' };
    this.violations.push(...check('cms', { ...received, status, answerHeaders, answer }));
  }

  private answer(received: Received): Answered {
    const { method, path, query, body } = received;
    const failure = this.failures.shift();
    if (failure === 200) return [200, body];
    if (failure !== undefined) return [failure, [{ key: 'genericError', description: this.words }]];
    const introduction = query.clientAddress === NIL;
    if (!introduction && query.clientAddress !== this.gatewayAddress) {
      return [400, [{ key: 'parameterValueNotValid' }]];
    }
    if (introduction && method === 'POST' && path === '/devices') {
      return introduced(body, this.cmsAddress, this.gatewayAddress);
    }
    const wanted = /^\/data-packages\/(.+)$/.exec(path)?.[1];
    if (wanted !== undefined) {
      const found = this.packages.get(decodeURIComponent(wanted));
      return found ? [200, found] : [404, [{ key: 'resourceNotFound' }]];
    }
    return content(received);
  }
}
