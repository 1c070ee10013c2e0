import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, globalAgent, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { globalAgent as secureAgent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DownloadError, download, type Part } from '../../gateway/talq/download.ts';
import { create, dataOf, eventsOf, logger, pulled } from './logger-rig.ts';
import { CMS, Rig, refusalOf } from './rig.ts';
import { TestCms } from './test-cms.ts';

const OTHER = '7c0f6a6e-91c1-4e0d-8f63-0f7d6c1c2b3a';
const FILE = randomBytes(300000);
/** What Node says of a connection that ends in the middle. */
const BROKEN = /aborted|ECONNRESET|Premature close|unexpected end/;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');

/** A place with packages, that can break off, forget ranges, encode and lie. */
class Shop {
  readonly asked: { url: string; range?: string; validator?: string; accepted?: string }[] = [];
  content = FILE;
  etag: string | undefined = '"1"';
  /** Bytes of the answer's body after which the connection breaks, for the next answers. */
  readonly breaks: number[] = [];
  /** Statuses of the next answers. */
  readonly statuses: number[] = [];
  ranges = true;
  encode = false;
  headers: Record<string, string> = {};
  private server!: Server;
  uri = '';

  async listen(): Promise<void> {
    this.server = createServer((request, response) => this.serve(request, response));
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.uri = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    this.asked.push({
      url,
      range: headers.range,
      validator: headers['if-range'] as string | undefined,
      accepted: String(headers['accept-encoding']),
    });
    const status = this.statuses.shift();
    if (status !== undefined) {
      response.writeHead(status, this.headers).end();
      return;
    }
    const same = headers['if-range'] === undefined || headers['if-range'] === this.etag;
    const from = this.ranges && same ? Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
    const encoded = this.encode && /gzip/.test(String(headers['accept-encoding']));
    const whole = encoded ? gzipSync(this.content) : this.content;
    const body = whole.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': body.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {}),
      ...(encoded ? { 'content-encoding': 'gzip' } : {}),
      ...(this.etag === undefined ? {} : { etag: this.etag }),
      ...this.headers,
    });
    const most = this.breaks.shift();
    if (most === undefined) response.end(body);
    else response.write(body.subarray(0, most), () => response.destroy());
  }
}

describe('a download', () => {
  let shop: Shop;
  let directory: string;
  let part: Part;
  let path: string;
  beforeEach(async () => {
    shop = new Shop();
    await shop.listen();
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    path = join(directory, 'file');
    part = {};
  });
  afterEach(async () => {
    await shop.close();
    await rm(directory, { recursive: true });
  });
  const attempt = (most = 1e6, url = `${shop.uri}/p`) =>
    download(path, part, {
      url,
      agents: { plain: globalAgent, secure: secureAgent },
      most,
      signal: new AbortController().signal,
      learnt: (known) => {
        part = known;
      },
    });
  const fails = (final: boolean, message: RegExp, most?: number) =>
    assert.rejects(attempt(most), (error: DownloadError) => {
      assert.match(error.message, message);
      assert.equal(error.final, final);
      return error instanceof DownloadError;
    });
  const isThere = async () => assert.equal(sha256(await readFile(path)), sha256(shop.content));

  it('brings 300,000 bytes in one piece', async () => {
    await attempt();
    await isThere();
    assert.deepEqual(part, { validator: '"1"', total: 300000 });
  });

  it('140 goes on with Range where the connection broke, twice, and checks that the file is still the same', async () => {
    shop.breaks.push(70000, 100000);
    await fails(false, BROKEN);
    await fails(false, BROKEN);
    await attempt();
    await isThere();
    const ranges = shop.asked.map(({ range }) => Number(/\d+/.exec(range ?? '0')?.[0]));
    assert.equal(ranges[0], 0);
    assert.ok(ranges[1] > 0 && ranges[2] > ranges[1], String(ranges));
    assert.deepEqual(
      shop.asked.map(({ validator }) => validator),
      [undefined, '"1"', '"1"'],
    );
    assert.equal(shop.asked[1].accepted, 'identity', 'a range of encoded bytes would be another thing');
  });

  it('begins again when the file has changed, when the server knows no ranges, and after 416', async () => {
    shop.breaks.push(70000);
    await fails(false, BROKEN);
    shop.content = randomBytes(200000);
    shop.etag = '"2"';
    await attempt();
    await isThere();

    await rm(path);
    shop.breaks.push(70000);
    await fails(false, BROKEN);
    shop.ranges = false;
    await attempt();
    await isThere();

    await writeFile(path, randomBytes(250000));
    part = {};
    shop.statuses.push(416);
    await fails(false, /from the beginning/);
    await attempt();
    await isThere();
  });

  it('takes gzip, and begins again after a break in it', async () => {
    shop.encode = true;
    shop.breaks.push(70000);
    await fails(false, BROKEN);
    assert.equal((await readFile(path)).length, 0);
    await attempt();
    await isThere();
  });

  it('141 checks SHA-256 and SHA-512 in Repr-Digest, Content-Digest and Digest, of parts and of gzip too', async () => {
    const good: Record<string, string>[] = [
      { 'repr-digest': `sha-256=:${sha256(FILE)}:` },
      { 'repr-digest': `unixsum=:AAA=:, sha-512=:${createHash('sha512').update(FILE).digest('base64')}:` },
      { 'content-digest': `sha-256=:${sha256(FILE)}:` },
      { digest: `SHA-256=${sha256(FILE)}` },
    ];
    for (const headers of good) {
      await rm(path, { force: true });
      shop.headers = headers;
      await attempt();
      await isThere();
    }
    await rm(path);
    shop.headers = { 'repr-digest': `sha-256=:${sha256(FILE)}:` };
    shop.breaks.push(90000);
    await fails(false, BROKEN);
    await attempt();
    await isThere();

    await rm(path);
    shop.encode = true;
    shop.headers = { 'repr-digest': `sha-256=:${sha256(gzipSync(FILE))}:` };
    await attempt();
    await isThere();

    await rm(path);
    shop.encode = false;
    shop.headers = { 'repr-digest': `sha-256=:${sha256(randomBytes(9))}:` };
    await fails(true, /sha256 of what came is not what the server says/);
    assert.equal((await readFile(path)).length, 0);
  });

  it('gives up at 404 and at too many bytes, said or not, and tries on after 503', async () => {
    shop.statuses.push(404, 503);
    await fails(true, /404/);
    await fails(false, /503/);
    await fails(true, /300000 bytes are too many/, 299999);
    shop.encode = true;
    await fails(true, /more than 299999 bytes/, 299999);
  });

  it('follows redirects, but not in circles', async () => {
    shop.statuses.push(302);
    shop.headers = { location: '/q' };
    await attempt();
    await isThere();
    assert.deepEqual(
      shop.asked.map(({ url }) => url),
      ['/p', '/q'],
    );
    shop.statuses.push(302, 302, 302, 302);
    await rm(path);
    await fails(true, /302/);
  });
});

describe('TALQ data packages', () => {
  let shop: Shop;
  let directory: string;
  let rig: Rig;
  beforeEach(async () => {
    shop = new Shop();
    await shop.listen();
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    rig = await Rig.start({ dataDirectory: directory });
  });
  afterEach(async () => {
    await rig.close();
    await shop.close();
    await rm(directory, { recursive: true });
  });
  const offer = (more: object = {}) => ({
    ownerCMS: CMS,
    packageId: 'slc-fw',
    releaseId: '1.5.0',
    downloadUri: `${shop.uri}/slc-fw-1.5.0.bin`,
    ...more,
  });
  const order = (...body: object[]) => rig.call('PUT', '/data-packages', { body });
  /** Resolves when the gateway has logged a line. */
  const logged = async (line: RegExp) => {
    while (!rig.log.some((one) => line.test(one))) await new Promise((resolve) => setImmediate(resolve));
  };
  const kept = async () => (await readdir(join(directory, 'packages'))).sort();

  it('140 answers 200 without a body before the package has come, and keeps it', async () => {
    const { status, body } = await order(offer());
    assert.deepEqual([status, body], [200, undefined]);
    await logged(/packageDownloaded: slc-fw 1\.5\.0/);
    const [name, ...more] = await kept();
    assert.deepEqual(more, []);
    assert.match(name, /^[0-9a-f]{32}\.package$/);
    assert.equal(sha256(await readFile(join(directory, 'packages', name))), sha256(FILE));
  });

  it('140 goes on after a break when the retry period has passed', async () => {
    shop.breaks.push(70000);
    await order(offer());
    await logged(/package: .*; again in 30 s/);
    assert.equal(shop.asked.length, 1);
    await rig.advance(logged(/packageDownloaded/), 1000);
    assert.equal(shop.asked.length, 2);
    assert.match(shop.asked[1].range ?? '', /^bytes=[1-9]\d*-$/);
    const [name] = await kept();
    assert.equal(sha256(await readFile(join(directory, 'packages', name))), sha256(FILE));
  });

  it('140 goes on after a restart where it was', async () => {
    shop.breaks.push(70000);
    await order(offer());
    await logged(/again in 30 s/);
    await rig.close();
    rig = await Rig.start({ dataDirectory: directory });
    await logged(/packageDownloaded/);
    assert.match(shop.asked[1].range ?? '', /^bytes=[1-9]\d*-$/);
    assert.equal(shop.asked[1].validator, '"1"');
  });

  it('141 tells releaseMismatch of every release, since nothing can install one, and lists none as installed', async () => {
    await order(offer());
    await logged(/releaseMismatch: slc-fw 1\.5\.0: .*nothing is installed/);
    const { status, body } = await rig.call('GET', '/data-packages');
    assert.deepEqual([status, body], [200, []]);
    const service = (await rig.call('GET', '/services/DataPackageService')).body;
    assert.deepEqual(
      service.events.map(({ type }: { type: string }) => type),
      ['packageDownloaded', 'packageChangeFailure', 'releaseMismatch'],
      'no event that tells of an installation',
    );
  });

  it('141 tells the owner of a package what became of it, as events of the gateway, in order and with the reason', async () => {
    await create(rig, logger('mine'));
    await create(rig, logger('theirs', {}, OTHER), { query: { clientAddress: OTHER } });
    await order(offer());
    await logged(/releaseMismatch/);
    const entries = await pulled(rig, 'mine');
    assert.deepEqual(eventsOf(entries), ['packageDownloaded', 'releaseMismatch']);
    const [{ address }] = (await rig.call('GET', '/devices')).body;
    for (const { srcAddress, info } of dataOf(entries)) {
      assert.equal(srcAddress, `${address}/gateway`);
      assert.match(info[0].description, /slc-fw 1\.5\.0/);
    }
    const asOther = { query: { clientAddress: OTHER } };
    assert.deepEqual((await rig.call('GET', '/log-reports/theirs', asOther)).body.entries, []);
  });

  it('141 tells packageChangeFailure of a corrupt package and of one that is not there, and keeps nothing', async () => {
    shop.headers = { 'repr-digest': `sha-256=:${sha256(randomBytes(5))}:` };
    await order(offer());
    await logged(/packageChangeFailure: slc-fw 1\.5\.0: .*Nothing has changed/);
    assert.deepEqual(await kept(), []);
    shop.headers = {};
    shop.statuses.push(404);
    await order(offer({ packageId: 'gone' }));
    await logged(/packageChangeFailure: gone 1\.5\.0: answered with 404/);
    shop.statuses.push(500, 500, 500, 500);
    await order(offer({ packageId: 'ill' }));
    await rig.advance(logged(/packageChangeFailure: ill 1\.5\.0: answered with 500/), 1000);
    assert.deepEqual(await kept(), []);
    assert.ok(!rig.log.some((line) => /packageDownloaded/.test(line)));
  });

  it('downloads once what is ordered twice, tells again of what has come, and replaces an older release', async () => {
    shop.breaks.push(70000);
    await order(offer());
    assert.equal((await order(offer())).status, 200);
    await logged(/again in 30 s/);
    assert.equal(refusalOf(await order(offer({ releaseId: '1.6.0' }))), '422 resourceConflict', 'one at a time');
    await rig.advance(logged(/packageDownloaded/), 1000);
    assert.equal(shop.asked.length, 2);
    rig.log.length = 0;
    await order(offer());
    await logged(/packageDownloaded: slc-fw 1\.5\.0/);
    assert.equal(shop.asked.length, 2);
    shop.content = randomBytes(1000);
    await order(offer({ releaseId: '1.6.0' }));
    await logged(/packageDownloaded: slc-fw 1\.6\.0/);
    const [name, ...more] = await kept();
    assert.deepEqual(more, []);
    assert.equal(sha256(await readFile(join(directory, 'packages', name))), sha256(shop.content));
  });

  it('answers 422 to another owner, to a package twice, to what is no web address, and to too many', async () => {
    const refused = async (...bodies: object[]) => {
      const reply = await order(...bodies);
      assert.equal(reply.body[0].references[0].address.resource, 'data-packages');
      return refusalOf(reply);
    };
    assert.equal(await refused(offer({ ownerCMS: OTHER })), '422 resourceConflict');
    assert.equal(await refused(offer(), offer({ releaseId: '2' })), '422 resourceConflict');
    assert.equal(await refused(offer({ downloadUri: 'ftp://cms.example/p' })), '422 serviceConstraintExceeded');
    const many = Array.from({ length: 17 }, (_, i) => offer({ packageId: `p${i}` }));
    assert.equal(refusalOf(await order(...many)), '400 payloadError');
    assert.equal(shop.asked.length, 0, 'nothing was half ordered');
    const bare = { ...offer(), releaseId: undefined };
    assert.equal(refusalOf(await rig.call('PUT', '/data-packages', { body: [bare], bad: true })), '400 payloadError');
  });

  it('takes a single object, as the text of the standard has it', async () => {
    assert.equal((await rig.call('PUT', '/data-packages', { body: offer(), bad: true })).status, 200);
    await logged(/packageDownloaded/);
  });

  it('finds a package without an address at pkgUrl, and a relative address from there', async () => {
    const [{ address }] = (await rig.call('GET', '/devices')).body;
    const pkgUrl = { type: 'AttributeUri', value: `${shop.uri}/all` };
    await order(offer({ downloadUri: undefined }));
    await logged(/packageChangeFailure: slc-fw 1\.5\.0: nobody says where it is/);
    assert.equal((await rig.call('PATCH', `/devices/${address}/gateway/pkgUrl`, { body: pkgUrl })).status, 200);
    await order(offer({ downloadUri: undefined }));
    await logged(/packageDownloaded/);
    assert.equal(shop.asked[0].url, '/all/slc-fw');
    // A URI without a scheme is none to the document.
    await rig.call('PUT', '/data-packages', { body: [offer({ packageId: 'b', downloadUri: 'b.bin' })], bad: true });
    await logged(/packageDownloaded: b /);
    assert.equal(shop.asked[1].url, '/all/b.bin');
  });

  it('30 forgets packages with the CMS that removes the gateway', async () => {
    await order(offer());
    await logged(/packageDownloaded/);
    const [{ address }] = (await rig.call('GET', '/devices')).body;
    await rig.call('DELETE', `/devices/${address}`);
    assert.deepEqual(await kept(), []);
  });

  it('asks the CMS for the address of a package, where the order has none', async () => {
    const cms = new TestCms();
    await cms.listen();
    const second = await Rig.start({
      dataDirectory: join(directory, 'second'),
      cms: [{ uri: cms.uri }],
      insecureHttp: true,
    });
    await second.advance(cms.until(5), 1000);
    cms.packages.set('slc-fw', offer({ ownerCMS: cms.cmsAddress }));
    const query = { clientAddress: cms.cmsAddress };
    const body = [{ ...offer({ ownerCMS: cms.cmsAddress }), downloadUri: undefined }];
    assert.equal((await second.call('PUT', '/data-packages', { query, body })).status, 200);
    while (!second.log.some((line) => /packageDownloaded/.test(line))) await new Promise(setImmediate);
    assert.ok(cms.steps().includes('GET /data-packages/slc-fw'));
    assert.equal(shop.asked[0].url, '/slc-fw-1.5.0.bin');
    assert.deepEqual(cms.violations, []);
    await second.close();
    await cms.close();
  });

  it('139 does not exist without a place to keep packages: 404, and no such service', async () => {
    const bare = await Rig.start();
    assert.equal(refusalOf(await bare.call('PUT', '/data-packages', { body: [offer()] })), '404 resourceNotFound');
    assert.equal(refusalOf(await bare.call('GET', '/services/DataPackageService')), '404 resourceNotFound');
    await bare.close();
  });
});
