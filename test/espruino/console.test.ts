import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBoard } from '../../scripts/board-config.mjs';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { run as provision } from '../../scripts/provision/command.mjs';

/** Whatever a stranger may ask for at the serial console: dumps of variables, memory, code, files and flash. */
const QUESTIONS = [
  'rvb.status()',
  'print(rvb)',
  'dump()',
  'E.dumpStr()',
  'trace()',
  'E.dumpVariables()',
  'process.env',
  'process.memory()',
  'require("Storage").read("site.json")',
  'require("Storage").read(".boot0")',
  'require("Flash").read(4096,0x10000000)',
  'E.setPassword()',
];
/** Those that are answered soon. */
const SHORT = [0, 6, 7, 8, 9].map((index) => QUESTIONS[index]);
/** The same past the line editor, after an interrupt, and as the console's own control characters. */
const WAYS = ['', '\x10', '\x03', '\x15\x10', '\x1b[2K\x10'];

describe('the console of a provisioned controller', function () {
  this.timeout(600_000);
  const directory = mkdtempSync(join(tmpdir(), 'console-'));
  let made: Awaited<ReturnType<typeof bundle>>;
  let site: Record<string, string>;
  let password: string;
  let board: ReturnType<typeof boot> | undefined;

  before(async function () {
    if (!interpreter()) {
      console.log('    SKIPPED: the console of a provisioned controller needs ESPRUINO');
      this.skip();
    }
    const common = join(directory, 'common.json');
    const nobody = { host: '127.0.0.1', port: 1, ssid: 'street', passphrase: 'the passphrase of the street' };
    writeFileSync(common, JSON.stringify(nobody));
    const silent = { write: () => {} };
    const words = ['--directory', directory, '--site', common, '--id', 'pole-1'];
    assert.equal(provision(words, { stdout: silent, stderr: silent }), 0);
    ({ console: password, ...site } = JSON.parse(readFileSync(join(directory, 'sites', 'pole-1.json'), 'utf8')));
    const linux = await loadBoard('linux');
    made = await bundle({ board: { ...linux, lines: linux.lines.map((line) => ({ ...line, port: '/dev/null' })) } });
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    await board?.stop();
    board = undefined;
  });

  /** @returns what of the credentials is in the text, in any spelling */
  function found(text: string): string[] {
    const key = Buffer.from(site.key, 'base64url');
    const spellings = [site.key, key.toString('base64'), key.toString('hex'), key.toString('latin1'), [...key].join()];
    const secrets: [string, string[]][] = [
      ['key', spellings],
      ['password', [site.password]],
      ['passphrase', [site.passphrase]],
      ['console', [password]],
    ];
    const plain = text.replace(/[\s"]/g, '').toLowerCase();
    const holds = (spelling: string) => plain.includes(spelling.replace(/[\s"]/g, '').toLowerCase());
    return secrets.filter(([, list]) => list.some(holds)).map(([name]) => name);
  }

  function start(record: string): ReturnType<typeof boot> {
    board = boot({
      files: {
        '.boot0': `E.setPassword(${JSON.stringify(password)});E.lockConsole()`,
        '.bootcde': made.code,
        'site.json': record,
      },
    });
    return board;
  }

  it('answers nothing but "Invalid password" to whoever does not know it', async () => {
    const device = start(JSON.stringify(site));
    await device.expect(/password>/);
    const before = device.output().length;
    for (const way of WAYS) {
      for (const question of QUESTIONS) {
        const from = device.output().length;
        device.type(`${way}${question}`);
        await device.expect(/Invalid password\s+password>/, { from });
      }
    }
    // What is typed is not echoed, so that nothing is left but the answers.
    const said = device.output().slice(before);
    assert.equal(said.replace(/\x1b\[J|Invalid password|password>|[\s*\x08]/g, ''), '');
    assert.deepEqual(found(device.output()), []);
  });

  it('shows to whoever knows it all that is in the files, none of it in the status', async () => {
    const device = start(JSON.stringify(site));
    await device.expect(/password>/);
    device.type(password);
    await device.expect(/Logged in/);
    const shown: Record<string, string[]> = {};
    for (const question of SHORT) {
      const from = device.output().length;
      device.type(`\x10print(${question});print("<"+"end>")`);
      await device.expect(/<end>/, { from, timeout: 60_000 });
      shown[question] = found(device.output().slice(from));
    }
    // See SECURITY.md: there is nowhere to hide from whoever has the console.
    assert.deepEqual(shown, {
      'rvb.status()': [],
      'process.env': [],
      'process.memory()': [],
      'require("Storage").read("site.json")': ['key', 'password', 'passphrase'],
      'require("Storage").read(".boot0")': ['console'],
    });
  });

  it('does not quote a site record that is damaged, and the lamp needs none', async () => {
    const text = JSON.stringify(site);
    // A character is lost in front of each text, so that the interpreter meets what it did not expect.
    for (const name of ['key', 'password', 'passphrase']) {
      const device = start(text.replace(`"${name}":`, `"${name}"`));
      await device.expect(/site\.json is damaged/);
      await device.expect(/password>/);
      device.type(password);
      await device.expect(/Logged in/);
      assert.match(String(await device.evaluate('rvb.status()')), /^\d+ %, \w+/);
      assert.deepEqual(found(device.output()), []);
      await device.stop();
    }
  });

  it('runs a bundle that holds nothing of its site', () => {
    const map = JSON.stringify(made.map);
    for (const text of [made.code, map, ...Buffer.from(map).toString('latin1').split('\n')])
      assert.deepEqual(found(text), []);
  });
});
