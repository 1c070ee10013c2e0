import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControllerKeys } from '../../gateway/keys/controller-keys.ts';
import { parseSite } from '../../scripts/flash/site.mjs';
import { run } from '../../scripts/provision/command.mjs';
import { windowFor } from '../../scripts/provision/window.mjs';

const COMMON = { host: 'broker.example.org', port: 8883, ssid: 'street', passphrase: 'longer than 8' };

describe('scripts/provision', () => {
  const root = mkdtempSync(join(tmpdir(), 'provision-'));
  const common = join(root, 'common.json');
  let directory: string;
  let made = 0;
  before(() => writeFileSync(common, JSON.stringify(COMMON)));
  beforeEach(() => {
    directory = join(root, String(made++));
  });
  after(() => rmSync(root, { recursive: true }));

  /** Runs the command on the directory of this test. */
  function provision(...words: string[]): { code: number; out: string; error: string } {
    const out: string[] = [];
    const error: string[] = [];
    const code = run([...words, '--directory', directory], {
      stdout: { write: (text: string) => out.push(text) },
      stderr: { write: (text: string) => error.push(text) },
    });
    return { code, out: out.join(''), error: error.join('') };
  }
  const file = (name: string) => join(directory, name);
  const text = (name: string) => readFileSync(file(name), 'utf8');
  const site = (id: string) => JSON.parse(text(`sites/${id}.json`));
  const give = (...ids: string[]) => {
    const result = provision('--site', common, ...ids.flatMap((id) => ['--id', id]));
    assert.equal(result.code, 0, result.error);
    return result;
  };
  /** Everything in the directory, by name. */
  const contents = (): Record<string, string> =>
    Object.fromEntries(
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name, parentPath }) => [name, readFileSync(join(parentPath, name), 'utf8')]),
    );

  it('gives every controller credentials of its own, the same to the controller, the gateway and mosquitto', () => {
    give('pole-1', 'pole-2');
    const sites = [site('pole-1'), site('pole-2')];
    const keys = ControllerKeys.load(file('controllers.json'));
    const accounts = new Map(
      text('mosquitto.passwords')
        .trim()
        .split('\n')
        .map((line) => line.split(':') as [string, string]),
    );
    assert.deepEqual([...accounts.keys()], ['reverbere_gateway', 'pole-1', 'pole-2']);
    for (const { id, key, username, password, console, window, ...rest } of sites) {
      assert.deepEqual(rest, COMMON);
      assert.deepEqual([username, window], [id, windowFor(9000, 25)]);
      assert.deepEqual(Buffer.from(keys.find(id) ?? []), Buffer.from(key, 'base64url'));
      assert.equal(Buffer.from(key, 'base64url').length, 32);
      assert.match(console, /^[A-Za-z0-9_-]{16}$/);
      assert.equal(keys.credentials(id)?.passwordHash, accounts.get(id));
      assert.equal(hashLike(accounts.get(id) ?? '', password), accounts.get(id));
    }
    const gateway = accounts.get('reverbere_gateway') ?? '';
    assert.equal(hashLike(gateway, text('gateway.password').trim()), gateway);
    const secrets = sites.flatMap(({ key, password, console }) => [key, password, console]);
    assert.equal(new Set(secrets).size, 6);
  });

  it('writes site records that the flash command takes', () => {
    give('pole-1');
    const { json, secrets } = parseSite(text('sites/pole-1.json'), 'pole-1.json');
    const { key, password, console } = site('pole-1');
    for (const secret of [key, password, console]) assert.ok(secrets.includes(secret));
    assert.equal(JSON.parse(json).key, key);
  });

  it('lets nobody else read what it writes, and prints no secret', () => {
    const { out } = give('pole-1');
    for (const name of ['', 'sites']) assert.equal(statSync(file(name)).mode & 0o777, 0o700, name);
    for (const name of readdirSync(directory, { recursive: true }).map(String)) {
      if (statSync(file(name)).isFile()) assert.equal(statSync(file(name)).mode & 0o777, 0o600, name);
    }
    const { key, password, console } = site('pole-1');
    const again = provision('--site', common, '--id', 'pole-1');
    const shown = provision('--show');
    for (const secret of [key, password, console, text('gateway.password').trim(), COMMON.passphrase]) {
      for (const said of [out, again.error, shown.out]) assert.ok(!said.includes(secret));
    }
    assert.equal(shown.out, 'pole-1\n1 controller in all\n');
  });

  it('overwrites no credentials unless it is told to, and then all of them', () => {
    give('pole-1', 'pole-2');
    const before = contents();
    const refused = provision('--site', common, '--id', 'pole-3', '--id', 'pole-1');
    assert.equal(refused.code, 1);
    assert.match(refused.error, /^--id: pole-1 has credentials already\. .*Nothing was changed\.\n$/s);
    assert.deepEqual(contents(), before);
    assert.equal(provision('--site', common, '--id', 'pole-1', '--replace').code, 0);
    const after = contents();
    assert.equal(after['pole-2.json'], before['pole-2.json']);
    const [old, now] = [before, after].map((found) => JSON.parse(found['pole-1.json']));
    for (const name of ['key', 'password', 'console']) assert.notEqual(now[name], old[name]);
    assert.equal(after['gateway.password'], before['gateway.password']);
    assert.deepEqual(Buffer.from(ControllerKeys.load(file('controllers.json')).find('pole-1') ?? []), keyOf(now));
  });

  it('does not overwrite a record that its keys do not know', () => {
    mkdirSync(file('sites'), { recursive: true });
    writeFileSync(file('sites/pole-1.json'), 'kept');
    const { code, error } = provision('--site', common, '--id', 'pole-1');
    assert.deepEqual([code, text('sites/pole-1.json')], [1, 'kept']);
    assert.match(error, /sites\/pole-1\.json is there, but .*controllers\.json does not know pole-1/);
  });

  it('takes credentials away from gateway, broker and record', () => {
    writeFileSync(join(root, 'grouped.json'), JSON.stringify({ ...COMMON, group: 'elm' }));
    provision('--site', join(root, 'grouped.json'), '--id', 'pole-1', '--id', 'pole-2');
    assert.match(text('mosquitto.acl'), /^user pole-1\ntopic readwrite rvb1g\/elm$/m);
    const { code, out } = provision('--revoke', '--id', 'pole-1');
    assert.deepEqual([code, out.split('\n')[0]], [0, '1 controller without credentials now, 1 in all.']);
    assert.deepEqual(ControllerKeys.load(file('controllers.json')).ids(), ['pole-2']);
    assert.ok(!existsSync(file('sites/pole-1.json')));
    for (const name of ['mosquitto.passwords', 'mosquitto.acl', 'controllers.json']) {
      assert.ok(!text(name).includes('pole-1'), name);
      assert.ok(text(name).includes('pole-2'), name);
    }
    const unknown = provision('--revoke', '--id', 'pole-2', '--id', 'pole-9');
    assert.deepEqual([unknown.code, unknown.error], [1, '--id: pole-9 has no credentials. Nothing was changed.\n']);
    assert.deepEqual(ControllerKeys.load(file('controllers.json')).ids(), ['pole-2']);
  });

  it('takes a table with settings for each, over those of all', () => {
    const list = join(root, 'poles.csv');
    writeFileSync(list, '# elm street\r\nid,group,port\r\npole-1,elm,1884\r\n\r\npole-2,,\r\n');
    assert.equal(provision('--site', common, '--list', list).code, 0);
    assert.deepEqual([site('pole-1').group, site('pole-1').port], ['elm', 1884]);
    assert.deepEqual([site('pole-2').group, site('pole-2').port], [undefined, 8883]);
  });

  it('spreads connections so that none of their seconds has more than the rate, a minute at least and a day at most', () => {
    const windowOf = (...words: string[]): number => {
      assert.equal(provision('--site', common, '--id', 'pole-1', '--replace', ...words).code, 0);
      return site('pole-1').window;
    };
    assert.equal(windowOf('--fleet', '10000', '--rate', '50'), windowFor(10000, 50));
    assert.equal(windowOf('--fleet', '100'), 60);
    const { code, error } = provision('--site', common, '--id', 'pole-1', '--fleet', '100000', '--rate', '1');
    assert.equal(code, 2);
    assert.match(error, /^100,000 controllers at 1 a second would take \d+ s to connect, more than a day/);
  });

  it('leaves the console open only when it is told to', () => {
    provision('--site', common, '--id', 'pole-1', '--open-console');
    assert.equal(site('pole-1').console, undefined);
  });

  it('names what is wrong, where, and changes nothing', () => {
    give('pole-1');
    const before = contents();
    const path = join(root, 'faulty');
    const faults: [string, string[], RegExp][] = [
      ['pole-2\npole_3', ['--list', path], /faulty:2: "pole_3" is no id/],
      ['pole-2\n\npole-2', ['--list', path], /faulty:3: pole-2 is there twice/],
      ['id,color\npole-2,red', ['--list', path], /faulty:1: "color" is not a setting; there are host, port/],
      ['id,password\npole-2,secret', ['--list', path], /faulty:1: "password" is made here/],
      ['id,port\npole-2', ['--list', path], /faulty:2: 1 cells, but 2 columns/],
      ['id,group,group\npole-2,a,b', ['--list', path], /faulty:1: a column is there twice/],
      ['id,ssid\npole-2,"a,b"', ['--list', path], /faulty:2: quotation marks are not taken/],
      ['id,port\npole-2,none', ['--list', path], /faulty:2: pole-2: \/port must be a whole number from 1 to 65535/],
      ['{"passphrase":"secret words', ['--id', 'pole-2', '--site', path], /faulty is not JSON\.$/m],
      ['[]', ['--id', 'pole-2', '--site', path], /faulty must be a JSON object/],
      ['{"key":"x"}', ['--id', 'pole-2', '--site', path], /"key" is made here/],
      ['{"port":1883}', ['--id', 'pole-2', '--site', path], /--id: pole-2: \/host is missing/],
    ];
    for (const [content, words, fault] of faults) {
      writeFileSync(path, content);
      const { code, error } = provision('--site', common, ...words);
      assert.match(error, fault);
      assert.ok(code === 1 && !error.includes('secret') && !error.includes('at '), error);
    }
    assert.match(provision('--list', join(root, 'none')).error, /none cannot be read \(ENOENT\)/);
    assert.deepEqual(contents(), before);
  });

  it('ends with 2 when it is used wrongly', () => {
    for (const words of [['--bogus'], ['--revoke'], ['--revoke', '--replace', '--id', 'a'], ['--fleet', 'many']]) {
      const { code, error } = provision(...words);
      assert.equal(code, 2, error);
      assert.match(error, /"npm run provision -- --help" says how\.\n$/);
    }
    assert.ok(!existsSync(directory));
  });

  it('waits for nobody who is at work in the same directory, and does not mind one that was killed', () => {
    give('pole-1');
    writeFileSync(file('provision.lock'), String(process.pid));
    const busy = provision('--site', common, '--id', 'pole-2');
    assert.deepEqual(
      [busy.code, busy.error],
      [1, `Process ${process.pid} is provisioning here. Nothing was changed.\n`],
    );
    writeFileSync(file('provision.lock'), '99999999');
    assert.equal(provision('--site', common, '--id', 'pole-2').code, 0);
    assert.ok(!existsSync(file('provision.lock')));
  });

  it('changes nothing when one of its files cannot be written', () => {
    give('pole-1');
    const before = contents();
    rmSync(file('mosquitto.acl'));
    mkdirSync(file('mosquitto.acl'));
    const { code, error } = provision('--site', common, '--id', 'pole-2');
    assert.equal(code, 1);
    assert.match(error, /mosquitto\.acl is a directory; nothing was changed\n$/);
    delete before['mosquitto.acl'];
    assert.deepEqual(contents(), before);
  });
});

const keyOf = ({ key }: { key: string }) => Buffer.from(key, 'base64url');

/** @returns the hash of a password with salt and rounds of another. Source: mosquitto_passwd, PBKDF2-HMAC-SHA-512. */
function hashLike(hash: string, password: string): string {
  const [, kind, rounds, salt] = hash.split('$');
  const found = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 64, 'sha512');
  return `$${kind}$${rounds}$${salt}$${found.toString('base64')}`;
}
