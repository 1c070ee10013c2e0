/**
 * HTTP as a client of a CMS that may be slow, broken or hostile: every wait has an end, and every answer a longest size.
 * Source: TALQ 2.7.1 §3.5 (headers), §3.6 (TLS).
 */
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { ConnectionOptions, SecureContextOptions } from 'node:tls';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { MINOR, VERSION } from './protocol.ts';

/** ms of real time until a connection stands, and for one request as a whole. */
export const CONNECT_TIME = 10000;
export const REQUEST_TIME = 35000;
/** Bytes that an answer may have beyond twice the request, unless said otherwise: what a CMS creates, it sends back. */
const LONGEST_EXTRA = 1048576;
const MOST_REDIRECTS = 3;
/** Connections to one CMS at once. */
const MOST_SOCKETS = 4;

/** A CMS did not do what was asked; `final`: asking again would not help. */
export class CmsError extends Error {
  constructor(
    message: string,
    readonly status: number | undefined,
  ) {
    super(message);
  }
  get final(): boolean {
    return this.status !== undefined && this.status !== 429 && this.status < 500;
  }
}

/** Keys and authorities, and what is asked of the CMS's certificate beyond them. */
export interface ClientTls extends SecureContextOptions {
  checkServerIdentity?: ConnectionOptions['checkServerIdentity'];
}

export class CmsClient {
  /** What the CMS speaks, as its last answer said. */
  version = VERSION;
  private readonly plain = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS });
  private secure: TlsAgent;
  private readonly stopping = new AbortController();

  /** @param tls how both sides prove who they are; renewed by `useTls` */
  constructor(
    tls: ClientTls = {},
    private readonly longestExtra = LONGEST_EXTRA,
    private readonly requestTime = REQUEST_TIME,
  ) {
    this.secure = agentOf(tls);
  }

  /** MINOR of what both sides speak. */
  get minor(): number {
    return Math.min(Number(this.version.split('.')[1]), MINOR);
  }

  /** Whether this gateway may still speak for itself. */
  allowed: () => boolean = () => true;

  /** New connections use these keys and authorities. */
  useTls(tls: ClientTls): void {
    this.secure.destroy();
    this.secure = agentOf(tls);
  }

  /**
   * Sends JSON, or with `undefined` no body. @returns the JSON of the answer, undefined without a body. Throws a CmsError,
   * whatever happens: the message names method and path, never the query.
   */
  async ask(method: string, url: string, content: unknown): Promise<unknown> {
    if (!this.allowed()) throw new CmsError(`${method}: this gateway does not lead any more`, undefined);
    const body = Buffer.from(content === undefined ? '' : JSON.stringify(content));
    let target = new URL(url);
    for (let redirects = 0; ; redirects++) {
      const name = `${method} ${target.pathname}`;
      const { status, location, text } = await this.exchange(name, method, target, body);
      if ([301, 307, 308].includes(status) && location !== undefined && redirects < MOST_REDIRECTS) {
        target = redirected(name, target, location);
        continue;
      }
      if (status < 200 || status > 299) {
        throw new CmsError(`${name} was answered with ${status} ${printable(text).slice(0, 200)}`, status);
      }
      try {
        return text === '' ? undefined : JSON.parse(text);
      } catch {
        throw new CmsError(`${name} was answered with something that is no JSON`, status);
      }
    }
  }

  /** Ends everything that is under way. */
  close(): void {
    this.stopping.abort();
    this.plain.destroy();
    this.secure.destroy();
  }

  private async exchange(
    name: string,
    method: string,
    url: URL,
    body: Buffer,
  ): Promise<{ status: number; location?: string; text: string }> {
    const end = AbortSignal.timeout(this.requestTime);
    try {
      const answer = await this.send(method, url, body, AbortSignal.any([this.stopping.signal, end]));
      const spoken = answer.headers['talq-api-version'];
      if (typeof spoken === 'string' && /^2\.\d{1,4}\.\d{1,4}$/.test(spoken)) this.version = spoken;
      const text = await readText(answer, 2 * body.length + this.longestExtra);
      return { status: answer.statusCode ?? 0, location: answer.headers.location, text };
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      const why = end.aborted ? `no answer in ${this.requestTime / 1000} s` : (code ?? message);
      throw new CmsError(`${name}: ${why}`, undefined);
    }
  }

  private send(method: string, url: URL, body: Buffer, signal: AbortSignal): Promise<IncomingMessage> {
    const secure = url.protocol === 'https:';
    const options: RequestOptions = {
      method,
      agent: secure ? this.secure : this.plain,
      signal,
      headers: {
        ...(body.length > 0 ? { 'content-type': 'application/json' } : {}),
        'content-length': body.length,
        'talq-api-version': this.minor < MINOR ? this.version : VERSION,
        ...(secure ? {} : { 'cache-control': 'no-transform' }),
      },
    };
    return new Promise((resolve, reject) => {
      const asked = secure ? tlsRequest(url, options, resolve) : request(url, options, resolve);
      asked.on('error', (error: NodeJS.ErrnoException) => {
        // The CMS closed an idle connection at the moment of its reuse: nothing was lost but the connection.
        if (error.code === 'ECONNRESET' && asked.reusedSocket && !signal.aborted) {
          this.send(method, url, body, signal).then(resolve, reject);
        } else reject(error);
      });
      asked.on('socket', (socket) => {
        if (!socket.connecting) return;
        const late = setTimeout(
          () => asked.destroy(new Error(`no connection in ${CONNECT_TIME / 1000} s`)),
          CONNECT_TIME,
        );
        const stop = (): void => clearTimeout(late);
        socket.once(secure ? 'secureConnect' : 'connect', stop);
        socket.once('close', stop);
      });
      asked.end(body);
    });
  }
}

function agentOf(tls: ClientTls): TlsAgent {
  return new TlsAgent({ ...tls, minVersion: 'TLSv1.2', keepAlive: true, maxSockets: MOST_SOCKETS });
}

function redirected(name: string, from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const down = from.protocol === 'https:' && to?.protocol !== 'https:';
  if (!to || down || !/^https?:$/.test(to.protocol)) {
    throw new CmsError(`${name} was redirected to where the gateway does not go: ${printable(location)}`, 301);
  }
  return to;
}

const unpackGzip = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);
const unpackZlib = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflate);

/** @param longest bytes, also after decompression */
async function readText(answer: IncomingMessage, longest: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > longest) {
      answer.destroy();
      throw new Error(`an answer of more than ${longest} bytes`);
    }
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  const encoding = (answer.headers['content-encoding'] ?? '').trim().toLowerCase();
  if (encoding === 'gzip') return String(await unpackGzip(bytes, { maxOutputLength: longest }));
  if (encoding === 'deflate') return String(await unpackZlib(bytes, { maxOutputLength: longest }));
  return String(bytes);
}

/** What a peer said, in one line of a log. */
function printable(text: string): string {
  return text
    .slice(0, 1000)
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim();
}
