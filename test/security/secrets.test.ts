import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { backup } from '../../gateway/operate/backup.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { run as flash } from '../../scripts/flash/command.mjs';
import { run as provision } from '../../scripts/provision/command.mjs';
import { freePort } from '../free-port.ts';
import { CMS } from '../gateway/rig.ts';
import { Bench, toLevel } from '../sim/bench.ts';

const PASSPHRASE = 'the passphrase of the street';

/** Everything that may be seen by others than its owner is searched for the secrets of provisioned controllers. */
describe('the secrets of provisioned controllers', function () {
  this.timeout(60_000);
  const root = mkdtempSync(join(tmpdir(), 'secrets-'));
  const directory = join(root, 'credentials');
  const data = join(root, 'data');
  const site = (id: string) => JSON.parse(readFileSync(join(directory, 'sites', `${id}.json`), 'utf8'));
  /** By name: what is searched, as bytes in Latin-1. */
  const seen = new Map<string, string>();
  const see = (name: string, text: string) => seen.set(name, `${seen.get(name) ?? ''}${text}\n`);
  const written = (name: string) => ({ write: (text: string) => see(name, text) });
  let bench: Bench;

  before(async () => {
    const port = await freePort();
    const common = join(root, 'common.json');
    writeFileSync(
      common,
      JSON.stringify({ host: '127.0.0.1', port, ssid: 'street', passphrase: PASSPHRASE, group: 'elm' }),
    );
    const words = ['--directory', directory, '--site', common, '--id', 'pole-1', '--id', 'pole-2'];
    const output = { stdout: written('provision'), stderr: written('provision') };
    assert.equal(provision(words, output), 0);
    assert.equal(provision(words, output), 1);
    assert.equal(provision([...words, '--replace', '--id', 'pole 3'], output), 1);

    const board = await loadBoard('street');
    const dataDirectory = data;
    const keysFile = join(directory, 'controllers.json');
    const gateway = { brokerHost: '0.0.0.0', brokerPort: port, keysFile, dataDirectory, managementPort: 0 };
    bench = await Bench.open({ boards: [board, board], site: (id) => ({ ...site(id), window: 1 }), gateway });
  });
  after(async () => {
    await bench?.close();
    rmSync(root, { recursive: true });
  });

  /** @returns every secret in every spelling, by name */
  function secrets(): [string, string][] {
    const found: [string, string][] = [['passphrase', PASSPHRASE]];
    found.push(['password of the gateway', readFileSync(join(directory, 'gateway.password'), 'utf8').trim()]);
    for (const id of ['pole-1', 'pole-2']) {
      const { key, password, console } = site(id);
      const bytes = Buffer.from(key, 'base64url');
      for (const spelling of [key, bytes.toString('base64'), bytes.toString('hex'), bytes.toString('latin1')]) {
        found.push([`key of ${id}`, spelling], [`key of ${id}`, spelling.toUpperCase()]);
      }
      found.push([`password of ${id}`, password], [`console of ${id}`, console]);
    }
    return found;
  }

  it('are in no log, answer, message, record or output of a command', async () => {
    const { rig } = bench;
    const { fleet } = rig.gateway;
    await bench.ready();
    // What is said between both sides, by the gateway's own account: it may hear everything.
    const account = { username: 'pole-2', password: site('pole-1').password, clientId: 'pole-2' };
    const url = `mqtt://127.0.0.1:${rig.gateway.brokerPort}`;
    for (let i = 0; i < 6; i++) await assert.rejects(connectAsync(url, { ...account, reconnectPeriod: 0 }));
    await bench.override(1, toLevel(40, { cmsRefId: 'x' }));
    const members = await Promise.all(
      [1, 2].map(async (pole) => ({ resource: 'devices', address: await bench.address(pole) })),
    );
    await bench.write('POST', '/groups', [{ address: 'elm', ownerCMS: CMS, members, purpose: 'override' }]);
    await bench.run(120_000, 500);
    assert.equal(fleet.controllers.get('pole-1')?.state?.level, 40);

    for (const { firmware, sim } of bench.poles) {
      see('status', firmware?.status() ?? '');
      // Where the firmware keeps its settings, counters and journal; the site record is elsewhere.
      see('storage', Buffer.from(sim.raw.image()).toString('latin1'));
    }
    const headers = { 'talq-api-version': '2.7.1', 'content-type': 'application/json' };
    const ask = async (method: string, path: string, body?: string) => {
      const query = `clientAddress=${CMS}&talqRequestId=${randomUUID()}`;
      see('answers', (await rig.send(method, `/talq/gateway${path}?${query}`, headers, body)).text);
    };
    const lamp = `/devices/${await bench.address(1)}`;
    for (const path of ['/devices', '/services', '/groups', '/devices/none', '/nothing', lamp]) await ask('GET', path);
    const { password, key } = site('pole-1');
    await ask('POST', '/override-commands', `{"password":"${password.slice(0, 8)}`);
    for (const path of ['/metrics', '/health', '/debug', '/talq/gateway', '/']) {
      see('other paths', (await rig.send('GET', path, {})).text);
    }
    const { port } = new URL(`http://127.0.0.1:${rig.gateway.managementPort}`);
    for (const path of ['/health', '/metrics', '/ready', `/${key}`]) {
      see('management', await (await fetch(`http://127.0.0.1:${port}${path}`)).text());
    }
    see('controllers', JSON.stringify([...fleet.controllers.values()]));
    see('log', rig.log.join('\n'));
    for (const name of readdirSync(data)) see(`record ${name}`, readFileSync(join(data, name), 'latin1'));

    // The poles command each other by a key that they have in common; it is in the data, and so in a copy of them.
    const copy = join(root, 'copy.db');
    see('backup', await backup(data, copy));
    see('backup', readFileSync(copy, 'latin1'));
    const groupKeys = [...(seen.get('backup') ?? '').matchAll(/"generation":\d+,"key":"([\w-]{43})"/g)].map(
      ([, key]) => key,
    );
    assert.ok(groupKeys.length > 0, 'a key of a group was looked for');

    const record = join(directory, 'sites', 'pole-1.json');
    const output = { stdout: written('flash'), stderr: written('flash') };
    const made = Buffer.from('global.rvb={};');
    writeFileSync(join(root, 'street.js'), made);
    writeFileSync(
      join(root, 'street.json'),
      JSON.stringify({ board: 'street', interpreter: 'LINUX', bytes: made.length }),
    );
    const words = ['--board', 'street', '--dist', root, '--port', '/dev/null', '--site'];
    assert.equal(await flash([...words, record], output), 1);
    const broken = join(root, 'broken.json');
    for (const text of [`{"key":"${key}"`, JSON.stringify({ ...site('pole-1'), port: key, more: password })]) {
      writeFileSync(broken, text);
      assert.equal(await flash([...words, broken], output), 1);
    }

    const names = [
      'answers',
      'backup',
      'controllers',
      'flash',
      'log',
      'management',
      'other paths',
      'provision',
      'status',
      'storage',
    ];
    for (const name of names) assert.ok((seen.get(name) ?? '').length > 10, `${name} was looked at`);
    assert.ok([...seen.keys()].some((name) => name.startsWith('record gateway.db')));
    assert.match(seen.get('log') ?? '', /pole-2: too many wrong passwords/);
    const kept = [...seen.keys()].filter((name) => name.startsWith('record ') || name === 'backup');
    for (const [where, text] of seen) {
      for (const secret of groupKeys)
        assert.ok(kept.includes(where) || !text.includes(secret), `a group's key is in ${where}`);
      for (const [what, secret] of secrets()) assert.ok(!text.includes(secret), `the ${what} is in ${where}`);
    }
  });
});
