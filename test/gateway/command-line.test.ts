import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { readFlags } from '../../gateway/main.ts';

const MAIN = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));

function run(...flags: string[]): Promise<{ code: number; error: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--import', 'tsx', MAIN, ...flags], (_error, _out, error) =>
      resolve({ code: child.exitCode ?? -1, error }),
    );
  });
}

describe("the gateway's command line", () => {
  it('reads its flags, and has a default for each', () => {
    const options = readFlags([
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
      [options?.port, options?.host, options?.brokerUrl, options?.insecureHttp, options?.dataDirectory],
      [8091, '127.0.0.1', 'mqtt://10.0.0.1:1883', true, '/tmp/x'],
    );
    assert.equal(options?.timeZone, 'Europe/Brussels');
    assert.deepEqual(options?.location, { latitude: 50.8503, longitude: 4.3517 });
    assert.equal(readFlags([])?.location, undefined);
    assert.deepEqual([readFlags([])?.port, readFlags([])?.brokerPort], [8090, 1883]);
    assert.equal(readFlags(['--help']), undefined);
  });

  it('names what is wrong with a flag', () => {
    assert.throws(() => readFlags(['--port', '70000']), /--port wants a port of 0\.\.65535, not 70000/);
    assert.throws(() => readFlags(['--broker', 'amqp://x']), /--broker wants mqtt/);
    assert.throws(() => readFlags(['--cms', 'cms']), /--cms wants an http or https URI/);
    assert.throws(() => readFlags(['--location', 'Brussels']), /--location wants degrees as LAT,LON, not Brussels/);
    assert.throws(() => readFlags(['surplus']));
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
