import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { Clock } from '../../gateway/clock.ts';
import type { TlsFiles } from '../../gateway/options.ts';
import { MemoryStore } from '../../gateway/store/memory.ts';
import { Keys } from '../../gateway/tls/keys.ts';
import { identify, readRevocationList } from '../../gateway/tls/revocation-list.ts';
import { Revocations } from '../../gateway/tls/revocations.ts';
import { Authority, opensslVersion, type Pair } from './authority.ts';
import { type Call, Rig, refusalOf } from './rig.ts';
import { TestCms } from './test-cms.ts';

describe('TLS between the gateway and its CMSs', function () {
  this.timeout(30000);
  let authority: Authority;
  let stranger: Authority;
  let own: Pair;
  let cmsPair: Pair;
  let otherPair: Pair;
  let expired: Pair;
  let files: TlsFiles;
  let cms: TestCms;
  let rig: Rig | undefined;
  before(function () {
    if (!opensslVersion) {
      console.log('skipped: no openssl command, so no certificates for tests of TLS');
      this.skip();
    }
    authority = new Authority('Bench authority');
    stranger = new Authority('Strange authority');
    own = authority.issue('gateway.example');
    cmsPair = authority.issue('cms.example');
    otherPair = authority.issue('other.example');
    expired = authority.issue('late.example', '20210101000000Z');
    files = { ...own, ca: authority.ca };
  });
  after(() => {
    authority?.close();
    stranger?.close();
  });
  /** What a peer shows with this pair, and whom it trusts. */
  const identity = ({ certificate, key }: Pair, { ca } = authority) => ({
    cert: readFileSync(certificate),
    key: readFileSync(key),
    ca: readFileSync(ca),
  });
  const openCms = async (pair: Pair, trusted = authority) => {
    cms = new TestCms(undefined, identity(pair, trusted));
    await cms.listen();
  };
  const start = async (more = {}) => {
    rig = await Rig.start({ cms: [{ uri: cms.uri }], tls: files, ...more });
    return rig;
  };
  afterEach(async () => {
    await rig?.close();
    rig = undefined;
    await cms?.close();
    assert.deepEqual(cms?.violations ?? [], []);
  });
  /** A call of the CMS with a certificate. */
  const ask = (gateway: Rig, tls: ConnectionOptions, method = 'GET', path = '/services', more: Call = {}) =>
    gateway.call(method, path, { ...more, tls, query: { clientAddress: cms.cmsAddress } });
  /** @returns the code of the error that ends the connection, or what was agreed. */
  const knock = async (gateway: Rig, options: ConnectionOptions): Promise<string | null> => {
    const { port } = new URL(gateway.gateway.url);
    const socket = connect({ host: '127.0.0.1', port: Number(port), ca: readFileSync(authority.ca), ...options });
    try {
      return await new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('closed')));
        // With TLS 1.3 the client has finished before the server has looked at its certificate.
        socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
        socket.once('data', () => resolve(socket.getProtocol()));
      });
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    } finally {
      socket.destroy();
    }
  };

  it('12 takes TLS 1.2 and 1.3, refuses 1.1, and a client without certificate', async () => {
    await openCms(cmsPair);
    const gateway = await start();
    const shown = identity(cmsPair);
    assert.equal(await knock(gateway, { ...shown, maxVersion: 'TLSv1.2' }), 'TLSv1.2');
    assert.equal(await knock(gateway, shown), 'TLSv1.3');
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    assert.equal(await knock(gateway, { ...shown, ...old }), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    assert.match(String(await knock(gateway, { maxVersion: 'TLSv1.2' })), /HANDSHAKE_FAILURE|ECONNRESET/);
    assert.match(String(await knock(gateway, {})), /CERTIFICATE_REQUIRED|ECONNRESET/);
    assert.ok(gateway.log.some((line) => /^TLS: 127\.0\.0\.1 refused: ERR_SSL_PEER_DID_NOT_RETURN_A_CERT/.test(line)));
  });

  it('refuses clients of another authority and with an expired certificate', async () => {
    await openCms(cmsPair);
    const gateway = await start();
    for (const pair of [stranger.issue('cms.example'), expired]) {
      const code = await knock(gateway, { ...identity(pair), maxVersion: 'TLSv1.2' });
      assert.match(String(code), /ECONNRESET|CERTIFICATE_EXPIRED|UNKNOWN_CA/);
      await assert.rejects(ask(gateway, identity(pair)));
    }
  });

  it('goes through the bootstrap with certificates on both sides', async () => {
    await openCms(cmsPair);
    const gateway = await start();
    await cms.until(3);
    const url = new URL(gateway.gateway.url);
    assert.equal(url.protocol, 'https:');
    assert.equal(cms.received[0].body[0].functions[0].gatewayUri.value, url.href);
    assert.deepEqual([...new Set(cms.certificates)], ['gateway.example']);
    const { status, headers } = await ask(gateway, identity(cmsPair));
    assert.equal(status, 200);
    assert.equal(headers['cache-control'], undefined, 'nobody on the way can transform');
    await gateway.advance(cms.until(5), 1000);
    assert.equal(cms.steps()[4], 'POST /device-classes');
  });

  for (const [what, make] of [
    ['of another authority', () => stranger.issue('cms.example')],
    ['that has expired', () => expired],
  ] as const) {
    it(`tells a CMS with a certificate ${what} nothing`, async () => {
      await openCms(make());
      const gateway = await start();
      await gateway.advance(
        (async () => {
          while (gateway.log.filter((line) => line.includes('next attempt')).length < 2)
            await new Promise(setImmediate);
        })(),
        1000,
      );
      assert.deepEqual(cms.received, []);
      assert.ok(gateway.log.some((line) => /POST \/cms\/devices: (UNABLE_TO_|CERT_HAS_EXPIRED)/.test(line)));
    });
  }

  it('binds a clientAddress to the certificate that came with it first', async () => {
    await openCms(cmsPair);
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    let gateway = await start({ dataDirectory: directory });
    await cms.until(3);
    assert.equal((await ask(gateway, identity(cmsPair))).status, 200);
    assert.equal(refusalOf(await ask(gateway, identity(otherPair))), '403 genericError');
    await gateway.advance(cms.until(5), 1000);
    while (!gateway.log.some((line) => line.includes(': attached to CMS'))) await new Promise(setImmediate);
    const renewed = authority.issue('cms.example');
    assert.equal((await ask(gateway, identity(renewed))).status, 200, 'a renewed certificate of the same subject');
    await gateway.close();
    gateway = await start({ dataDirectory: directory });
    assert.equal(refusalOf(await ask(gateway, identity(otherPair))), '403 genericError', 'also after a restart');
    assert.equal((await ask(gateway, identity(cmsPair))).status, 200);
    await gateway.close();
    rig = undefined;
    await rm(directory, { recursive: true });
  });

  it('binds a clientAddress to the certificate that the operator names', async () => {
    await openCms(cmsPair);
    const fingerprint = /[0-9A-F:]{95}/;
    for (const certificate of ['other.example', `sha256:${fingerprintOf(otherPair)}`]) {
      if (certificate.startsWith('sha256:')) assert.match(certificate, fingerprint);
      const gateway = await start({ cms: [{ uri: cms.uri, certificate }] });
      await cms.until(3);
      assert.equal(refusalOf(await ask(gateway, identity(cmsPair))), '403 genericError');
      assert.equal((await ask(gateway, identity(otherPair))).status, 200);
      await gateway.close();
      cms.received.length = 0;
    }
    rig = undefined;
  });

  it('takes clients without certificate where the operator says so, but none with a wrong one', async () => {
    await openCms(cmsPair);
    const gateway = await start({ tls: { ...files, anyClient: true } });
    await cms.until(3);
    assert.equal((await ask(gateway, { ca: readFileSync(authority.ca) })).status, 200);
    await assert.rejects(ask(gateway, identity(stranger.issue('cms.example'))));
  });

  describe('with revoked certificates', () => {
    let server: Server;
    let list: Buffer;
    let status: number;
    let urn: string;
    let asked: number;
    beforeEach(async () => {
      asked = 0;
      status = 200;
      list = authority.list();
      server = createServer((_request, response) => {
        asked++;
        response.writeHead(status, { 'content-length': list.length }).end(list);
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      urn = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bench.crl`;
    });
    afterEach(() => {
      server.close();
      server.closeAllConnections();
    });
    const until = async (gateway: Rig, condition: () => boolean, step = 1000) =>
      gateway.advance(
        (async () => {
          while (!condition()) await new Promise(setImmediate);
        })(),
        step,
      );
    const lists = (gateway: Rig) =>
      gateway.log.filter((line) => /^revocation list .*\d+ certificates revoked/.test(line));
    /** The CMS configures its revocation list, which belongs to step 1d of the bootstrap. */
    const configure = async (gateway: Rig, pair: Pair) => {
      await cms.until(3);
      const crlUrn = { type: 'AttributeUri', value: urn };
      const reply = await ask(gateway, identity(pair), 'PATCH', `/devices/${cms.gatewayAddress}`, {
        body: { functions: [{ id: 'gateway', type: 'GatewayFunction', crlUrn }] },
        bad: true,
      });
      assert.equal(reply.status, 200);
      await until(gateway, () => lists(gateway).length === 1);
      await cms.until(5);
    };

    it('refuses a client once the list at crlUrn has it, also on a connection that stands', async () => {
      const doomed = authority.issue('cms.example');
      await openCms(cmsPair);
      const gateway = await start();
      await configure(gateway, doomed);
      const shown = identity(doomed);
      assert.equal((await ask(gateway, shown)).status, 200);
      authority.revoke(doomed);
      list = authority.list();
      await until(gateway, () => lists(gateway).length === 2, 60000);
      assert.ok(gateway.now - Date.parse('2026-05-04T20:00:00Z') <= 3 * 3600000);
      const reply = await ask(gateway, shown);
      assert.equal(refusalOf(reply), '403 genericError');
      assert.equal(reply.headers.connection, 'close');
      assert.match(String(await knock(gateway, { ...shown, maxVersion: 'TLSv1.2' })), /ECONNRESET|closed/);
      assert.equal((await ask(gateway, identity(authority.issue('cms.example')))).status, 200, 'a new one is fine');
    });

    it('does not talk to a CMS whose own certificate is revoked', async () => {
      const doomed = authority.issue('cms.example');
      authority.revoke(doomed);
      await openCms(doomed);
      const gateway = await start({ tls: { ...files, crl: authority.listFile() } });
      await until(gateway, () => gateway.log.some((line) => line.includes('certificate of the CMS is revoked')));
      assert.deepEqual(cms.received, []);
    });

    it('keeps the last list when the next cannot be fetched, over a restart too', async () => {
      const doomed = authority.issue('cms.example');
      authority.revoke(doomed);
      list = authority.list();
      await openCms(cmsPair);
      const dataDirectory = await mkdtemp(join(tmpdir(), 'reverbere-'));
      let gateway = await start({ dataDirectory });
      await configure(gateway, cmsPair);
      await assert.rejects(ask(gateway, identity(doomed)));
      await until(gateway, () => gateway.log.some((line) => line.includes(': attached to CMS')));
      await gateway.close();
      status = 500;
      gateway = await start({ dataDirectory });
      await until(gateway, () =>
        gateway.log.some((line) => /answered with 500; the list before it goes on/.test(line)),
      );
      await assert.rejects(ask(gateway, identity(doomed)));
      const before = asked;
      await until(gateway, () => asked === before + 2, 10000);
      await gateway.close();
      rig = undefined;
      await rm(dataDirectory, { recursive: true });
    });

    it('believes no list that the authority has not signed, and survives one that is none', async () => {
      await openCms(cmsPair);
      const gateway = await start();
      const victim = authority.issue('cms.example');
      // Same name, other key: what a stranger could publish.
      const forger = new Authority('Bench authority');
      forger.revoke({ certificate: victim.certificate, key: '' });
      list = forger.list();
      const { serial, issuer } = identify(new X509Certificate(readFileSync(victim.certificate)).raw);
      assert.ok(readRevocationList(list).serials.has(serial) && readRevocationList(list).issuer.equals(issuer));
      await configure(gateway, victim);
      assert.equal((await ask(gateway, identity(victim))).status, 200);
      list = Buffer.from('<html>nothing here</html>');
      await until(
        gateway,
        () => gateway.log.some((line) => /^revocation list .*: .*; the list before it/.test(line)),
        60000,
      );
      assert.equal((await ask(gateway, identity(victim))).status, 200);
      forger.close();
    });
  });

  it('takes up renewed files, and names what is wrong with them', async () => {
    const clock = new Clock(Date.now);
    const log: string[] = [];
    const note = (line: string): number => log.push(line);
    const revocations = new Revocations(new MemoryStore(), clock, () => undefined, note);
    const copy = join(authority.directory, 'copy');
    const pair = { certificate: `${copy}.pem`, key: `${copy}.key`, ca: authority.ca };
    const put = ({ certificate, key }: Pair): void => {
      copyFileSync(certificate, pair.certificate);
      copyFileSync(key, pair.key);
    };
    put(own);
    const keys = new Keys(pair, revocations, note);
    let renewed = 0;
    keys.onRenewal(() => renewed++);
    keys.look();
    assert.equal(renewed, 0);
    put(otherPair);
    keys.look();
    assert.equal(renewed, 1);
    assert.equal(keys.context.cert, readFileSync(otherPair.certificate, 'utf8'));
    copyFileSync(own.certificate, pair.certificate);
    keys.look();
    assert.match(String(log.at(-1)), /copy\.key is not the key of .*copy\.pem; the files before them stay in use/);
    assert.equal(keys.context.cert, readFileSync(otherPair.certificate, 'utf8'));
    keys.close();
    clock.close();
    for (const [wrong, fault] of [
      [{ ...files, ca: '/nowhere/ca.pem' }, /\/nowhere\/ca\.pem/],
      [{ ...files, certificate: files.key }, /\.key: /],
      [{ ...files, key: authority.listFile() }, /crl\.pem: /],
      [{ ...files, crl: files.key }, /\.key: /],
    ] as const) {
      await assert.rejects(Rig.start({ tls: wrong }), fault);
    }
  });
});

function fingerprintOf({ certificate }: Pair): string {
  return new X509Certificate(readFileSync(certificate)).fingerprint256;
}
