/** The gateway's certificate, key and authorities, from files that may be renewed at any time. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import type { Log } from '../log.ts';
import type { TlsFiles } from '../options.ts';
import type { Revocations } from './revocations.ts';

/** ms of real time between two looks at the files. */
const LOOK = 60000;

export class Keys {
  context: SecureContextOptions;
  private readonly listeners: (() => void)[] = [];
  private changed: string;
  private readonly looking: NodeJS.Timeout;

  /** Throws with the name of the file that is wrong. */
  constructor(
    private readonly files: TlsFiles,
    private readonly revocations: Revocations,
    private readonly log: Log,
  ) {
    this.context = this.read();
    this.changed = this.stamp();
    this.looking = setInterval(() => this.look(), LOOK);
    this.looking.unref();
  }

  get authorities(): string {
    return String(this.context.ca);
  }

  /** Calls `listener` when the files have been renewed. */
  onRenewal(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Takes up renewed files; faulty ones are told of, and the old ones stay. */
  look(): void {
    const now = this.stamp();
    if (now === this.changed) return;
    this.changed = now;
    try {
      this.context = this.read();
      this.log('TLS: certificate, key and authorities were renewed');
      for (const listener of this.listeners) listener();
    } catch (error) {
      this.log(`TLS: ${(error as Error).message}; the files before them stay in use`, 'warning');
    }
  }

  close(): void {
    clearInterval(this.looking);
  }

  private read(): SecureContextOptions {
    const { certificate, key, ca, crl } = this.files;
    const [cert, secret, authorities] = [certificate, key, ca].map((path) => readPem(path));
    const own = named(certificate, () => new X509Certificate(cert));
    const secretKey = named(key, () => createPrivateKey(secret));
    if (!own.checkPrivateKey(secretKey)) throw new Error(`${key} is not the key of ${certificate}`);
    named(ca, () => new X509Certificate(authorities));
    const list = crl === undefined ? undefined : named(crl, () => readFileSync(crl));
    if (list && crl) named(crl, () => this.revocations.useFile(list));
    if (Date.parse(own.validTo) < Date.now()) this.log(`TLS: ${certificate} ran out on ${own.validTo}`, 'warning');
    return { cert, key: secret, ca: authorities, minVersion: 'TLSv1.2' };
  }

  private stamp(): string {
    const { certificate, key, ca, crl } = this.files;
    const stamps = [certificate, key, ca, ...(crl === undefined ? [] : [crl])].map((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return `${found?.mtimeMs} ${found?.size} ${found?.ino}`;
    });
    return stamps.join(' ');
  }
}

function readPem(path: string): string {
  const text = named(path, () => readFileSync(path, 'utf8'));
  if (!text.includes('-----BEGIN ')) throw new Error(`${path} is no PEM`);
  return text;
}

function named<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { message } = error as Error;
    throw new Error(message.includes(path) ? message : `${path}: ${message}`);
  }
}
