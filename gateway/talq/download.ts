/**
 * Downloads a file in as many attempts as it takes: an interrupted one goes on where it stopped (RFC 9110 section 14), what
 * the server says of size and digest (RFC 9530, RFC 3230) is checked. One attempt here; when to try again is for the caller.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat, truncate } from 'node:fs/promises';
import { type Agent, type IncomingMessage, request } from 'node:http';
import { type Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createInflate } from 'node:zlib';

const MOST_REDIRECTS = 3;
/** ms without a byte after which an attempt is given up. */
const SILENCE = 30000;
const ALGORITHMS: Record<string, string> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };

/** `final`: another attempt would not help. */
export class DownloadError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
  ) {
    super(message);
  }
}

/** What is known of a file that is partly there. */
export interface Part {
  /** Entity tag, or date of last change: the server's word that a later attempt meets the same file. */
  validator?: string;
  /** Bytes of the whole file. */
  total?: number;
}

export interface Source {
  url: string;
  agents: { plain: Agent; secure: TlsAgent };
  /** Bytes of the longest file that is taken. */
  most: number;
  signal: AbortSignal;
  /** Told as soon as the server has said it, so that a restart can go on. */
  learnt(part: Part): void;
}

/**
 * Goes on with the file at `path`, from its end. Resolves when it is complete and right. Throws a DownloadError: after one
 * that is not final, what has come is kept and another attempt goes on from there.
 */
export async function download(path: string, part: Part, source: Source): Promise<void> {
  const from = await sizeOf(path);
  const headers: Record<string, string> = { 'accept-encoding': from > 0 ? 'identity' : 'gzip, deflate' };
  if (from > 0) headers.range = `bytes=${from}-`;
  if (from > 0 && part.validator !== undefined) headers['if-range'] = part.validator;
  const answer = await ask(source, headers);
  const { statusCode = 0, headers: told } = answer;
  const start = await startOf(path, answer, from, part);
  const encoding = (told['content-encoding'] ?? 'identity').trim().toLowerCase();
  const plain = encoding === 'identity' || encoding === '';
  const length = told['content-length'] === undefined ? undefined : Number(told['content-length']);
  const total = totalOf(answer) ?? (plain && length !== undefined ? start + length : undefined);
  if ((total ?? 0) > source.most) {
    answer.destroy();
    throw new DownloadError(`${total} bytes are too many: ${source.most} at most`, true);
  }
  if (plain) source.learnt({ validator: validatorOf(answer), total });
  else if (statusCode === 206) throw new DownloadError('a part of an encoded file makes no sense', true);
  const digest = digestOf(answer);
  const hash = createHash(digest?.algorithm ?? 'sha256');
  await receive(path, answer, start, plain ? undefined : decoderOf(encoding), source, (chunk) => hash.update(chunk));
  const size = await sizeOf(path);
  if (plain && total !== undefined && size !== total) {
    throw new DownloadError(`${size} of ${total} bytes came`, size > total);
  }
  if (!digest) return;
  // Of a file that came in parts, or of one that was encoded on its way: the digest is that of the whole as it was sent.
  const found = plain ? await hashOf(path, digest.algorithm) : hash.digest('base64');
  if (found === digest.value) return;
  await truncate(path, 0);
  throw new DownloadError(`the ${digest.algorithm} of what came is not what the server says`, true);
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** @returns the first successful answer behind redirects. Throws a DownloadError. */
async function ask(source: Source, headers: Record<string, string>): Promise<IncomingMessage> {
  let url = new URL(source.url);
  for (let redirects = 0; ; redirects++) {
    const answer = await send(url, source, headers);
    const { statusCode = 0 } = answer;
    const { location } = answer.headers;
    if ([301, 302, 303, 307, 308].includes(statusCode) && location !== undefined && redirects < MOST_REDIRECTS) {
      answer.resume();
      const next = new URL(location, url);
      if (next.protocol !== url.protocol && next.protocol !== 'https:') {
        throw new DownloadError(`redirected from ${url.protocol} to ${next.protocol}`, true);
      }
      url = next;
      continue;
    }
    if (statusCode === 200 || statusCode === 206 || statusCode === 416) return answer;
    answer.resume();
    throw new DownloadError(
      `answered with ${statusCode}`,
      statusCode < 500 && statusCode !== 429 && statusCode !== 408,
    );
  }
}

function send(url: URL, { agents, signal }: Source, headers: Record<string, string>): Promise<IncomingMessage> {
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const options = { agent: secure ? agents.secure : agents.plain, headers, signal };
    const asked = secure ? tlsRequest(url, options, resolve) : request(url, options, resolve);
    asked.setTimeout(SILENCE, () => asked.destroy(new Error(`nothing for ${SILENCE / 1000} s`)));
    asked.on('error', (error: NodeJS.ErrnoException) => reject(new DownloadError(error.code ?? error.message, false)));
    asked.end();
  });
}

/** @returns the position that the answer's first byte belongs to; what does not fit is forgotten. Throws a DownloadError. */
async function startOf(path: string, answer: IncomingMessage, from: number, part: Part): Promise<number> {
  if (answer.statusCode === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers['content-range'] ?? '');
    const same = part.total === undefined || range?.[2] === '*' || Number(range?.[2]) === part.total;
    if (range && Number(range[1]) === from && same) return from;
  }
  if (from > 0) await truncate(path, 0);
  if (answer.statusCode === 200) return 0;
  answer.destroy();
  throw new DownloadError('the file has changed meanwhile, or the range makes no sense: from the beginning', false);
}

function totalOf(answer: IncomingMessage): number | undefined {
  const total = /\/(\d+)$/.exec(answer.headers['content-range'] ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

/** A weak tag promises no equal bytes. */
function validatorOf({ headers }: IncomingMessage): string | undefined {
  const { etag } = headers;
  return etag !== undefined && !etag.startsWith('W/') ? etag : headers['last-modified'];
}

function digestOf({ headers }: IncomingMessage): { algorithm: string; value: string } | undefined {
  const modern = [headers['repr-digest'], headers['content-digest']].flat().join(',');
  // A content digest is that of this answer alone, which is the whole only without a range.
  const usable = headers['content-range'] === undefined ? modern : String(headers['repr-digest'] ?? '');
  for (const [name, algorithm] of Object.entries(ALGORITHMS)) {
    const value =
      new RegExp(`${name}=:([A-Za-z0-9+/=]+):`).exec(usable)?.[1] ??
      new RegExp(`${name}=([A-Za-z0-9+/=]+)`, 'i').exec(String(headers.digest ?? ''))?.[1];
    if (value !== undefined) return { algorithm, value };
  }
  return undefined;
}

function decoderOf(encoding: string): Transform {
  if (encoding === 'gzip') return createGunzip();
  if (encoding === 'deflate') return createInflate();
  throw new DownloadError(`Content-Encoding ${encoding} was not asked for`, true);
}

/** Adds the body to the file. @param seen gets every byte as it was sent */
async function receive(
  path: string,
  answer: IncomingMessage,
  start: number,
  decoder: Transform | undefined,
  { most, signal }: Source,
  seen: (chunk: Buffer) => void,
): Promise<void> {
  answer.setTimeout(SILENCE, () => answer.destroy(new Error(`nothing for ${SILENCE / 1000} s`)));
  const file = await open(path, start > 0 ? 'a' : 'w');
  let size = start;
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen(chunk);
      done(null, chunk);
    },
  });
  const keep = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > most) throw new DownloadError(`more than ${most} bytes`, true);
      await file.write(chunk);
    }
  };
  try {
    if (decoder) await pipeline(answer, watch, decoder, keep, { signal });
    else await pipeline(answer, watch, keep, { signal });
    await file.sync();
  } catch (error) {
    answer.destroy();
    // What was decoded so far cannot be gone on with: a range counts encoded bytes.
    if (decoder) await file.truncate(0);
    if (error instanceof DownloadError) throw error;
    throw new DownloadError((error as Error).message, false);
  } finally {
    await file.close();
  }
}

/** @returns base64 */
export async function hashOf(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('base64');
}
