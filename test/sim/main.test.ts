import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { BenchProcess } from './bench-process.ts';

describe('npm start', function () {
  this.timeout(60_000);

  it('ends with one line and exit code 2 at a wrong flag', async () => {
    const bench = new BenchProcess('--lamps', 'many');
    assert.equal(await bench.ended, 2);
    assert.match(bench.errors, /^--lamps wants a whole number from 1 to 10000, not "many" \(see --help\)\n$/);
    assert.equal(bench.output, '');
  });

  it('ends with one line and exit code 1 where the port is occupied', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const bench = new BenchProcess('--port', String(port));
    assert.equal(await bench.ended, 1);
    assert.match(bench.errors, new RegExp(`^[^\\n]*${port}[^\\n]* is occupied\\n$`));
    server.close();
  });

  it('shows 2 lamps, gives a curl that dims the first to 40 %, 24 W, and ends with 0 at Ctrl-C', async () => {
    const bench = new BenchProcess('--lamps', '2', '--port', '0', '--speed', '10', '--at', '2025-12-21T18:00:00Z');
    const command = await bench.until(/curl -i "([^"]+)" \\\n {2}-H '([^']+)' -H '([^']+)' \\\n {2}-d '([^']+)'\n/);
    await bench.until(/lamp-01 +100\.0 +60\.0 +up .*\nlamp-02 +100\.0 +60\.0 +up /);
    const [, printed, ...rest] = command;
    // The shell makes a fresh id of this at every try.
    const url = printed.replace("$(node -p 'crypto.randomUUID()')", randomUUID());
    assert.notEqual(url, printed);
    const headers = Object.fromEntries(rest.slice(0, 2).map((line) => line.split(': ')));
    const answer = await fetch(url, { method: 'POST', headers, body: rest[2] });
    assert.equal(answer.status, 201);
    await bench.until(/lamp-01 +40\.0 +24\.0 +up .*\nlamp-02 +100\.0 +60\.0 +up /);
    bench.child.kill('SIGINT');
    assert.equal(await bench.ended, 0);
    assert.equal(bench.errors, '');
    assert.match(bench.output, /[Oo]pen test mode/);
  });
});
