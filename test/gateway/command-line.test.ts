import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GatewayOptions, HELP, readOptions } from '../../gateway/options.ts';

const MAIN = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));

/** @returns what the flags say, without what this process has in its environment. */
function read(flags: string[], environment: Record<string, string> = {}): Partial<GatewayOptions> {
  const options = readOptions(flags, environment);
  assert.ok(options !== 'help');
  return options;
}

function run(...flags: string[]): Promise<{ code: number; error: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--import', 'tsx', MAIN, ...flags], (_error, _out, error) =>
      resolve({ code: child.exitCode ?? -1, error }),
    );
  });
}

describe("the gateway's command line", () => {
  it('reads its flags, and has a default for each', () => {
    const options = read([
      '--port',
      '8091',
      '--broker',
      'mqtt://10.0.0.1:1883',
      '--insecure-http',
      '--data',
      '/tmp/x',
      '--time-zone',
      'Europe/Brussels',
      '--location',
      '50.8503,4.3517',
    ]);
    assert.deepEqual(
      [options.port, options.host, options.brokerUrl, options.insecureHttp, options.dataDirectory],
      [8091, '127.0.0.1', 'mqtt://10.0.0.1:1883', true, '/tmp/x'],
    );
    assert.equal(options.timeZone, 'Europe/Brussels');
    assert.deepEqual(options.location, { latitude: 50.8503, longitude: 4.3517 });
    assert.equal(read([]).location, undefined);
    assert.deepEqual([read([]).port, read([]).brokerPort], [8090, 1883]);
    assert.equal(readOptions(['--help'], {}), 'help');
  });

  it('names what is wrong with a flag', () => {
    assert.throws(() => read(['--port', '70000']), /--port wants a port of 0\.\.65535, not 70000/);
    assert.throws(() => read(['--broker', 'amqp://x']), /--broker wants mqtt/);
    assert.throws(() => read(['--broker-password', 'f']), /--broker-password is for an external broker: --broker/);
    assert.throws(() => read(['--broker-ca', 'f']), /--broker-ca is for an external broker: --broker/);
    assert.throws(() => read(['--cms', 'cms']), /--cms wants an http or https URI/);
    assert.throws(() => read(['--cms', 'https://me:secret@cms.example']), /--cms takes no password/);
    assert.throws(() => read(['--tls-key', 'k.pem']), /TLS needs --tls-certificate and --tls-ca too/);
    assert.throws(() => read(['--longest-body', '1']), /--longest-body wants 65536\.\.67108864 bytes, not 1/);
    assert.throws(() => read(['--location', 'Brussels']), /--location wants degrees as LAT,LON, not Brussels/);
    assert.throws(() => read(['surplus']));
  });

  it('takes what no flag says from the environment, and what that does not say from a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    const path = join(directory, 'gateway.json');
    const cms = [{ uri: 'https://a.example/', certificate: 'a.example' }, 'https://b.example/'];
    await writeFile(
      path,
      JSON.stringify({ port: 1, host: '::1', brokerPort: 2, cms, location: { latitude: 1, longitude: 2 } }),
    );
    const environment = { REVERBERE_CONFIG: path, REVERBERE_BROKER_PORT: '3', REVERBERE_PORT: '4' };
    const options = read(['--port', '5'], environment);
    assert.deepEqual([options.host, options.brokerPort, options.port], ['::1', 3, 5]);
    assert.deepEqual(options.cms, [cms[0], { uri: cms[1] }]);
    assert.deepEqual(options.location, { latitude: 1, longitude: 2 });
    const several = { ...environment, REVERBERE_CMS: 'https://c.example/ https://d.example/' };
    assert.deepEqual(read([], several).cms, [{ uri: 'https://c.example/' }, { uri: 'https://d.example/' }]);
    assert.deepEqual(read(['--cms', 'https://e.example'], several).cms, [{ uri: 'https://e.example' }]);
    assert.equal(read([], { REVERBERE_INSECURE_HTTP: 'true' }).insecureHttp, true);
    assert.equal(read([], { REVERBERE_INSECURE_HTTP: '0' }).insecureHttp, false);
    assert.throws(() => read([], { REVERBERE_INSECURE_HTTP: 'yes' }), /REVERBERE_INSECURE_HTTP wants true or false/);
    assert.throws(() => read([], { REVERBERE_PORT: 'x' }), /^Error: REVERBERE_PORT wants a port/);
    await rm(directory, { recursive: true });
  });

  it('names file and path of what is wrong in a configuration file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    const path = join(directory, 'gateway.json');
    const faults: [string, RegExp][] = [
      ['{', /gateway\.json: .*JSON/],
      ['{"resync": true}', /must NOT have additional properties: resync/],
      ['{"port": "80"}', /gateway\.json: \/port must be integer/],
      ['{"prot": 80}', /gateway\.json: \/ must NOT have additional properties: prot/],
      ['{"cms": [{"url": "https://x/"}]}', /gateway\.json: \/cms\/0 must have required property 'uri'/],
      ['{"tls": {"key": 1}}', /gateway\.json: \/tls\/key must be string/],
      ['{"location": {"latitude": 91, "longitude": 0}}', /gateway\.json: \/location\/latitude must be <= 90/],
      ['{"cms": ["ftp://x"]}', /--cms wants an http or https URI, not ftp:\/\/x/],
    ];
    for (const [content, fault] of faults) {
      await writeFile(path, content);
      assert.throws(() => read(['--config', path]), fault, content);
    }
    assert.throws(() => read(['--config', join(directory, 'none')]), /none: ENOENT/);
    await rm(directory, { recursive: true });
  });

  it('takes the example in gateway/deploy', () => {
    const path = fileURLToPath(new URL('../../gateway/deploy/gateway.json', import.meta.url));
    const { port, tls, cms, brokerUrl, keysFile } = read(['--config', path]);
    assert.deepEqual([port, brokerUrl, cms?.length], [8443, 'mqtt://127.0.0.1:1883', 2]);
    assert.equal(tls?.certificate, '/etc/reverbere/gateway.pem');
    assert.equal(keysFile, '/etc/reverbere/controllers.json');
  });

  it('tells no password that is in a faulty setting', () => {
    for (const flags of [
      ['--broker', 'amqp://me:secret@broker'],
      ['--cms', 'https://me:secret@cms'],
      ['--database', 'mysql://me:secret@host/x'],
    ]) {
      assert.throws(
        () => read(flags),
        (error: Error) => !error.message.includes('secret') && error.message.startsWith(flags[0]),
      );
    }
  });

  it('names every flag in --help, and its defaults', () => {
    for (const flag of ['config', 'tls-certificate', 'tls-key', 'tls-ca', 'cms', 'insecure-http', 'longest-body']) {
      assert.match(HELP, new RegExp(`^  --${flag} `, 'm'));
    }
  });

  it('ends with one line and exit code 2 on an unknown flag, 1 on an occupied port', async function () {
    this.timeout(60000); // two processes of their own, on a busy machine
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const [unknown, occupied] = await Promise.all([run('--bogus'), run('--port', String(port), '--broker-port', '0')]);
    assert.deepEqual([unknown.code, unknown.error.trim()], [2, "Unknown option '--bogus' (see --help)"]);
    assert.deepEqual([occupied.code, occupied.error.trim()], [1, `port ${port} (TALQ API) is occupied`]);
    server.close();
  });
});
