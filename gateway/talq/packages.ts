/**
 * Data packages: a CMS offers a release, the gateway fetches it and keeps it. Nothing here installs one: controllers of
 * this version take no firmware over the link, so a release that came whole is told to fit nobody (releaseMismatch), and no
 * package is ever listed as installed. Source: TALQ 2.7.1 §4.3, §5.9, DataPackage, sDataPackageEvents.
 */

import { createHash } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import type { Agent } from 'node:http';
import type { Agent as TlsAgent } from 'node:https';
import { join } from 'node:path';
import Type, { type Static } from 'typebox';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { DownloadError, download, hashOf, type Part } from './download.ts';
import { refusal } from './errors.ts';

/** Bytes of the longest package. */
const LONGEST = 64 * 1048576;
/** Packages of one CMS. */
const MOST = 16;
const PREFIX = 'packages/';

export type DataPackage = Static<typeof DataPackage>;
export const DataPackage = Type.Object({
  ownerCMS: Type.String(),
  packageId: Type.String({ minLength: 1, maxLength: 256 }),
  releaseId: Type.String({ minLength: 1, maxLength: 256 }),
  downloadUri: Type.Optional(Type.String({ maxLength: 2048 })),
});
/** The standard's text has a single object, its document an array. */
export type DataPackageBody = Static<typeof DataPackageBody>;
export const DataPackageBody = Type.Union([Type.Array(DataPackage, { maxItems: MOST }), DataPackage]);

export type PackageEvent = 'packageDownloaded' | 'packageChangeFailure' | 'releaseMismatch';

/** What is stored of a package. */
interface Job {
  owner: string;
  package: DataPackage;
  state: 'downloading' | 'kept' | 'failed';
  part: Part;
  /** Of the file that is kept: bytes and base64 of its SHA-256. */
  sha256?: string;
}

/** The CMS that owns a package. */
export interface Supplier {
  cmsUri?: string;
  /** GatewayFunction.pkgUrl */
  pkgUrl?: string;
  /** s */
  retryPeriod: number;
  retries: number;
  /** @returns what the CMS says of the package; undefined when it says nothing */
  offered(packageId: string): Promise<unknown>;
}

export class Packages {
  private readonly jobs = new Map<string, Job>();
  private readonly running = new Map<string, { stop: AbortController; ended: Promise<void> }>();

  constructor(
    private readonly options: {
      directory: string;
      store: Store;
      clock: Clock;
      agents(): { plain: Agent; secure: TlsAgent };
      supplier(owner: string): Supplier;
      /** Tells the CMS what became of its package. */
      tell(owner: string, event: PackageEvent, info: string): void;
      log: Log;
    },
  ) {}

  /** Takes up what was stored, and goes on with downloads that a restart interrupted. */
  async start(): Promise<void> {
    for (const [key, json] of await this.options.store.load(PREFIX)) {
      const job = json as unknown as Job;
      this.jobs.set(key.slice(PREFIX.length), job);
      if (job.state === 'downloading') this.run(key.slice(PREFIX.length), job);
    }
  }

  /** @returns the packages that are installed: none, in this version. */
  installed(): DataPackage[] {
    return [];
  }

  /** Orders packages; resolves before they have come. Throws a Refusal, and then nothing was ordered. */
  async order(owner: string, packages: DataPackage[]): Promise<void> {
    const supplier = this.options.supplier(owner);
    const seen = new Set<string>();
    for (const item of packages) {
      const { packageId, releaseId, ownerCMS, downloadUri } = item;
      const reference = { resource: 'data-packages', address: packageId };
      if (ownerCMS.toLowerCase() !== owner) {
        const message = `data-packages ${packageId}: ownerCMS is not the clientAddress of this request.`;
        throw refusal(422, 'resourceConflict', message, reference);
      }
      if (seen.has(packageId)) throw refusal(422, 'resourceConflict', `${packageId} comes twice.`, reference);
      seen.add(packageId);
      if (downloadUri !== undefined) {
        const fault = faultOf(downloadUri, supplier);
        if (fault !== undefined) throw refusal(422, 'serviceConstraintExceeded', fault, reference);
      }
      const known = this.jobs.get(keyOf(owner, packageId));
      if (known?.state === 'downloading' && known.package.releaseId !== releaseId) {
        const message = `Release ${known.package.releaseId} of ${packageId} is being downloaded.`;
        throw refusal(422, 'resourceConflict', message, reference);
      }
    }
    const others = [...this.jobs.values()].filter((job) => job.owner === owner && !seen.has(job.package.packageId));
    if (others.length + packages.length > MOST) {
      throw refusal(422, 'serviceConstraintExceeded', `This gateway keeps ${MOST} packages of a CMS.`);
    }
    for (const item of packages) await this.take(owner, item);
  }

  /** The CMS is gone, and its packages with it. @param owner undefined: those of all */
  async forget(owner?: string): Promise<void> {
    for (const [key, job] of [...this.jobs]) {
      if (owner !== undefined && job.owner !== owner) continue;
      await this.halt(key);
      this.jobs.delete(key);
      await rm(this.fileOf(key, 'part'), { force: true });
      await rm(this.fileOf(key, 'package'), { force: true });
      await this.options.store.save(`${PREFIX}${key}`, undefined);
    }
  }

  async close(): Promise<void> {
    for (const key of [...this.running.keys()]) await this.halt(key);
  }

  private async take(owner: string, item: DataPackage): Promise<void> {
    const key = keyOf(owner, item.packageId);
    const known = this.jobs.get(key);
    if (known?.package.releaseId === item.releaseId) {
      // Asked for again: the one download goes on, and what has come is told of once more.
      if (known.state === 'downloading') return;
      if (known.state === 'kept') {
        this.tellKept(known);
        return;
      }
    }
    await rm(this.fileOf(key, 'part'), { force: true });
    const job: Job = { owner, package: item, state: 'downloading', part: {} };
    this.jobs.set(key, job);
    await this.save(key, job);
    this.run(key, job);
  }

  private run(key: string, job: Job): void {
    const stop = new AbortController();
    const ended = this.bring(key, job, stop.signal)
      .catch(async (error: Error) => {
        if (stop.signal.aborted) return;
        job.state = 'failed';
        await rm(this.fileOf(key, 'part'), { force: true });
        await this.save(key, job);
        const { packageId, releaseId } = job.package;
        this.options.log(`package ${packageId} ${releaseId} did not come: ${error.message}`, 'warning');
        const info = `${packageId} ${releaseId}: ${error.message}. Nothing has changed.`;
        this.options.tell(job.owner, 'packageChangeFailure', info);
      })
      .finally(() => {
        if (this.running.get(key)?.stop === stop) this.running.delete(key);
      });
    this.running.set(key, { stop, ended });
  }

  private async halt(key: string): Promise<void> {
    const running = this.running.get(key);
    running?.stop.abort();
    await running?.ended;
  }

  /** Throws when it cannot be had. */
  private async bring(key: string, job: Job, signal: AbortSignal): Promise<void> {
    const url = await this.find(job);
    const path = this.fileOf(key, 'part');
    await mkdir(this.options.directory, { recursive: true });
    await this.persist(job.owner, signal, () =>
      download(path, job.part, {
        url,
        agents: this.options.agents(),
        most: LONGEST,
        signal,
        learnt: (part) => {
          job.part = part;
          void this.save(key, job);
        },
      }),
    );
    job.sha256 = await hashOf(path, 'sha256');
    await rename(path, this.fileOf(key, 'package'));
    job.state = 'kept';
    await this.save(key, job);
    this.options.log(`package ${job.package.packageId} ${job.package.releaseId} has come, SHA-256 ${job.sha256}`);
    this.tellKept(job);
  }

  /** Tries as often as the CMS has set, anew after each attempt that brought something. */
  private async persist(owner: string, signal: AbortSignal, attempt: () => Promise<void>): Promise<void> {
    for (let failures = 0; ; ) {
      try {
        await attempt();
        return;
      } catch (error) {
        const { retries, retryPeriod } = this.options.supplier(owner);
        if (signal.aborted || !(error instanceof DownloadError) || error.final) throw error;
        failures++;
        if (failures > retries) throw error;
        this.options.log(`package: ${error.message}; again in ${retryPeriod} s`, 'warning');
        await this.pause(retryPeriod * 1000, signal);
      }
    }
  }

  private pause(delay: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.options.clock.after(delay, resolve);
      signal.addEventListener('abort', () => {
        cancel();
        reject(new Error('closed'));
      });
    });
  }

  /** @returns where the package is: where the order says, else where the CMS says, else where all packages are. */
  private async find({ owner, package: { packageId, downloadUri } }: Job): Promise<string> {
    const supplier = this.options.supplier(owner);
    if (downloadUri !== undefined) return resolved(downloadUri, supplier);
    const offered = (await supplier.offered(packageId)) as { downloadUri?: unknown } | undefined;
    if (typeof offered?.downloadUri === 'string') {
      const fault = faultOf(offered.downloadUri, supplier);
      if (fault !== undefined) throw new Error(fault);
      return resolved(offered.downloadUri, supplier);
    }
    const { pkgUrl } = supplier;
    if (!pkgUrl) throw new Error('nobody says where it is: no downloadUri, nothing at the CMS, no pkgUrl');
    return `${pkgUrl.replace(/\/?$/, '/')}${encodeURIComponent(packageId)}`;
  }

  private tellKept({ owner, package: { packageId, releaseId }, sha256 }: Job): void {
    const { tell } = this.options;
    tell(owner, 'packageDownloaded', `${packageId} ${releaseId}, SHA-256 ${sha256}`);
    const why = 'Controllers of this version take no packages over the link; it is kept, and nothing is installed.';
    tell(owner, 'releaseMismatch', `${packageId} ${releaseId}: ${why}`);
  }

  private fileOf(key: string, ending: 'part' | 'package'): string {
    return join(this.options.directory, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.${ending}`);
  }

  private async save(key: string, job: Job): Promise<void> {
    try {
      await this.options.store.save(`${PREFIX}${key}`, JSON.parse(JSON.stringify(job)));
    } catch (error) {
      this.options.log(`cannot store package ${key}: ${(error as Error).message}`, 'error');
    }
  }
}

const keyOf = (owner: string, packageId: string): string => `${owner}/${packageId}`;

/** A relative one is meant from where packages are, else from the CMS. Throws when there is neither. */
function resolved(uri: string, { pkgUrl, cmsUri }: Supplier): string {
  const base = pkgUrl || cmsUri;
  return new URL(uri, base === undefined ? undefined : base.replace(/\/?$/, '/')).href;
}

/** @returns why nothing can be fetched from there. */
function faultOf(uri: string, supplier: Supplier): string | undefined {
  let url: URL;
  try {
    url = new URL(resolved(uri, supplier));
  } catch {
    return `${uri} is no URI.`;
  }
  if (url.protocol === 'https:') return undefined;
  if (url.protocol !== 'http:') return `Packages come over HTTPS, not ${url.protocol}`;
  // A bench that speaks plain HTTP gets its packages that way too.
  return supplier.cmsUri?.startsWith('https:') ? 'Packages come over HTTPS from a CMS that speaks it.' : undefined;
}
