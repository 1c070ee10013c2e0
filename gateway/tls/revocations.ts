/**
 * What has been revoked, by lists from the operator and from where CMSs say (`GatewayFunction.crlUrn`). A list speaks for
 * the certificates of the authority that signed it, whoever named it; without a list nothing counts as revoked, and a list
 * that could not be renewed goes on counting. Source: TALQ 2.7.1 §3.6, RFC 5280 §6.3.
 */

import { X509Certificate } from 'node:crypto';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Json, Store } from '../store/store.ts';
import { identify, isSignedBy, type RevocationList, readRevocationList } from './revocation-list.ts';

/** ms between two fetches of a list, after a failure, and at least. */
const PERIOD = 3600000;
const RETRY_PERIOD = 60000;
/** ms of real time for one fetch, and bytes of the longest list. */
const FETCH_TIME = 30000;
const LONGEST_LIST = 8388608;
const MOST_REDIRECTS = 3;

interface Source {
  uri: string;
  list?: RevocationList;
  cancel?: () => void;
}

/** A certificate and those above it. */
export interface Chain {
  raw: Buffer;
  issuerCertificate?: Chain;
}

export class Revocations {
  /** Counts up with every list that came. */
  generation = 0;
  private readonly sources = new Map<string, Source>();
  private closed = false;

  /** @param authorities PEM, for lists over HTTPS */
  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly authorities: () => string | undefined,
    private readonly log: Log,
  ) {}

  /** Takes a list from a file of the operator. Throws when it is none. */
  useFile(bytes: Buffer): void {
    this.sources.set('file', { uri: 'file', list: readRevocationList(bytes) });
    this.generation++;
  }

  /**
   * Fetches the list at `uri` now and again and again, instead of an earlier one of the same owner.
   * @param uri empty: no list any more
   * @returns when the first fetch has ended, well or badly
   */
  async use(owner: string, uri: string): Promise<void> {
    const known = this.sources.get(owner);
    if (known?.uri === uri) return;
    known?.cancel?.();
    this.sources.delete(owner);
    this.generation++;
    if (uri === '') {
      await this.keep(owner, undefined);
      return;
    }
    const source: Source = { uri };
    this.sources.set(owner, source);
    const stored = (await this.store.load(keyOf(owner))).get(keyOf(owner)) as
      | { uri?: string; list?: string }
      | undefined;
    if (stored?.uri === uri && stored.list) this.take(source, Buffer.from(stored.list, 'base64'));
    await this.fetch(owner, source);
  }

  /** @returns whether the certificate or one above it has been revoked. */
  hasRevoked(chain: Chain): boolean {
    const lists = [...this.sources.values()].flatMap(({ list }) => list ?? []);
    if (lists.length === 0) return false;
    for (let one = chain; ; ) {
      const above = one.issuerCertificate ?? one;
      const { issuer, serial } = identify(one.raw);
      const concerned = lists.filter((list) => list.serials.has(serial) && list.issuer.equals(issuer));
      if (concerned.some((list) => isSignedBy(list, new X509Certificate(above.raw).publicKey))) return true;
      // The topmost is its own issuer.
      if (above === one || above.raw.equals(one.raw)) return false;
      one = above;
    }
  }

  close(): void {
    this.closed = true;
    for (const { cancel } of this.sources.values()) cancel?.();
  }

  private async fetch(owner: string, source: Source): Promise<void> {
    let wait = PERIOD;
    try {
      const bytes = await download(source.uri, this.authorities());
      this.take(source, bytes);
      if (this.sources.get(owner) !== source) return;
      await this.keep(owner, { uri: source.uri, list: bytes.toString('base64') });
      const due = source.list?.nextUpdate;
      if (due !== undefined) wait = Math.min(PERIOD, Math.max(RETRY_PERIOD, due - this.clock.now()));
    } catch (error) {
      wait = RETRY_PERIOD;
      const kept = source.list ? 'the list before it goes on counting' : 'nothing counts as revoked';
      this.log(
        `revocation list ${source.uri}: ${(error as Error).message}; ${kept}; again in ${wait / 1000} s`,
        'warning',
      );
    }
    if (this.closed || this.sources.get(owner) !== source) return;
    source.cancel = this.clock.after(wait, () => void this.fetch(owner, source));
  }

  private take(source: Source, bytes: Buffer): void {
    source.list = readRevocationList(bytes);
    this.generation++;
    this.log(`revocation list ${source.uri}: ${source.list.serials.size} certificates revoked`);
  }

  private async keep(owner: string, record: Json | undefined): Promise<void> {
    await this.store
      .save(keyOf(owner), record)
      .catch((error) => this.log(`cannot store a revocation list: ${error.message}`, 'error'));
  }
}

const keyOf = (owner: string): string => `revocations/${owner}`;

async function download(uri: string, authorities: string | undefined): Promise<Buffer> {
  const signal = AbortSignal.timeout(FETCH_TIME);
  let target = uri;
  for (let redirects = 0; ; redirects++) {
    const answer = await get(target, authorities, signal);
    const { statusCode = 0, headers } = answer;
    if ([301, 302, 307, 308].includes(statusCode) && headers.location && redirects < MOST_REDIRECTS) {
      answer.destroy();
      target = new URL(headers.location, target).href;
      continue;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > LONGEST_LIST) throw new Error(`more than ${LONGEST_LIST} bytes`);
      chunks.push(chunk);
    }
    if (statusCode !== 200) throw new Error(`answered with ${statusCode}`);
    return Buffer.concat(chunks);
  }
}

function get(uri: string, authorities: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const ca = [...rootCertificates, ...(authorities ? [authorities] : [])];
    const { protocol } = new URL(uri);
    if (protocol !== 'http:' && protocol !== 'https:') throw new Error('neither http nor https');
    const asked = protocol === 'https:' ? getSecure(uri, { signal, ca }, resolve) : getPlain(uri, { signal }, resolve);
    asked.on('error', (error: NodeJS.ErrnoException) => reject(error.message ? error : new Error(error.code)));
  });
}
