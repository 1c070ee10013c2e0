import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { run } from '../../scripts/flash/command.mjs';
import { literal } from '../../scripts/flash/console.mjs';
import { parseSite } from '../../scripts/flash/site.mjs';
import { buildSlot, keptSlot, LOADER, MARKS, TAIL } from '../../scripts/flash/slot.mjs';

type Mark = keyof typeof MARKS;

/** A slot as a controller holds it. */
function slot(bundle: string, sequence: number, ...marks: Mark[]): Buffer {
  const image: Buffer = buildSlot(Buffer.from(bundle), sequence);
  for (const name of marks) image.write(MARKS[name].text, image.length - TAIL + MARKS[name].at, 'latin1');
  return image;
}

/** Starts the loader on a Storage of write-once bytes. @returns what the evaluated bundle left in `ran` */
function start(files: Record<string, Buffer>): string {
  const storage = {
    read: (name: string, offset = 0, length?: number) =>
      files[name]?.toString('latin1').slice(offset, length === undefined ? undefined : offset + length),
    write(name: string, text: string, offset: number) {
      const target = files[name].subarray(offset, offset + text.length);
      if (target.some((byte) => byte !== 0xff)) throw new Error('File already written with different data');
      target.write(text, 'latin1');
    },
  };
  const context = { require: (name: string) => (name === 'Storage' ? storage : undefined), ran: 'nothing' };
  runInNewContext(LOADER, context);
  return context.ran;
}

const A = 'var ran = "a";';
const B = 'var ran = "b";';

describe('scripts/flash', () => {
  describe('loader', () => {
    it('is shorter than 1,000 bytes', () => {
      assert.ok(LOADER.length < 1_000, `${LOADER.length} bytes`);
    });

    it('starts nothing from empty Storage', () => {
      assert.equal(start({}), 'nothing');
    });

    it('passes over a slot that is not ready, whatever its sequence', () => {
      assert.equal(
        start({ 'app.a': slot(A, 10_000_001, 'ready', 'tried', 'good'), 'app.b': slot(B, 10_000_002) }),
        'a',
      );
      assert.equal(
        start({ 'app.a': slot(A, 10_000_003), 'app.b': slot(B, 10_000_002, 'ready', 'tried', 'good') }),
        'b',
      );
      assert.equal(start({ 'app.a': slot(A, 10_000_001) }), 'nothing');
    });

    it('starts the newer of two good slots, in either file', () => {
      const good: Mark[] = ['ready', 'tried', 'good'];
      assert.equal(start({ 'app.a': slot(A, 10_000_009, ...good), 'app.b': slot(B, 10_000_010, ...good) }), 'b');
      assert.equal(start({ 'app.a': slot(A, 10_000_010, ...good), 'app.b': slot(B, 10_000_009, ...good) }), 'a');
    });

    it('tries a new slot once and returns to the old one at the second start', () => {
      const files = {
        'app.a': slot(A, 10_000_001, 'ready', 'tried', 'good'),
        'app.b': slot(B, 10_000_002, 'ready'),
      };
      assert.equal(start(files), 'b');
      assert.equal(start(files), 'a');
      assert.equal(start(files), 'a');
    });

    it('goes on starting a slot that was tried when there is no other', () => {
      const files = { 'app.a': slot(A, 10_000_001, 'ready') };
      assert.equal(start(files), 'a');
      assert.equal(start(files), 'a');
    });

    it('takes each of the 7 torn states of a ready mark for not ready', () => {
      for (let written = 1; written < 8; written++) {
        const torn = slot(B, 10_000_002);
        torn.write(MARKS.ready.text.slice(0, written), torn.length - TAIL + MARKS.ready.at, 'latin1');
        assert.equal(start({ 'app.a': slot(A, 10_000_001, 'ready', 'tried', 'good'), 'app.b': torn }), 'a');
      }
    });

    it('starts a slot whose tried mark is torn, which cannot be written again', () => {
      const torn = slot(B, 10_000_002, 'ready');
      torn.write('rvb', torn.length - TAIL + MARKS.tried.at, 'latin1');
      assert.equal(start({ 'app.a': slot(A, 10_000_001, 'ready', 'tried', 'good'), 'app.b': torn }), 'b');
    });

    it('ignores files of the same names that are shorter than a tail', () => {
      assert.equal(start({ 'app.a': Buffer.from('x'), 'app.b': slot(B, 10_000_001, 'ready') }), 'b');
    });
  });

  describe('slot', () => {
    it('puts every mark on an 8-byte boundary for bundles of 1 to 64 bytes', () => {
      for (let size = 1; size <= 64; size++) {
        const image = buildSlot(Buffer.alloc(size, 'x'), 10_000_001);
        assert.equal(image.length % 8, 0);
        assert.equal(image.length - TAIL, Math.ceil(size / 8) * 8);
        assert.ok(image.subarray(-24).every((byte: number) => byte === 0xff));
      }
    });

    it('keeps the newest good slot, and the newest ready one when none is good', () => {
      const states = [
        { name: 'a', sequence: 3, ready: true, good: false },
        { name: 'b', sequence: 2, ready: true, good: true },
      ];
      assert.equal(keptSlot(states)?.name, 'b');
      assert.equal(keptSlot(states.map((state) => ({ ...state, good: false })))?.name, 'a');
      assert.equal(keptSlot(states.map((state) => ({ ...state, ready: false, good: false }))), undefined);
    });
  });

  it('writes any bytes as a literal of printable ASCII that means the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        const text = Buffer.from(data).toString('latin1');
        const written = literal(text);
        assert.match(written, /^[\x20-\x7e]*$/);
        assert.equal(new Function(`return ${written}`)(), text);
      }),
      { numRuns: 2_000 },
    );
  });

  describe('site file', () => {
    const good = { host: 'broker.example.org', port: 1883 };
    const fault = (site: unknown) => {
      try {
        parseSite(typeof site === 'string' ? site : JSON.stringify(site), 'pole.json');
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };

    it('is stored as compact JSON, and its secrets are known', () => {
      const site = { ...good, username: 'lamp', password: 'p455', ssid: 'street', passphrase: 'longer than 8' };
      const { json, secrets } = parseSite(JSON.stringify(site, null, 2), 'pole.json');
      assert.deepEqual(JSON.parse(json), site);
      assert.deepEqual(secrets.sort(), ['lamp', 'longer than 8', 'p455']);
    });

    it('is refused with the path of each fault', () => {
      assert.match(fault({ port: 1883 }), /\/host is missing/);
      assert.match(fault({ ...good, port: 65_536 }), /\/port must be a whole number from 1 to 65535/);
      assert.match(fault({ ...good, port: '1883' }), /\/port/);
      assert.match(fault({ ...good, host: 'mqtt://x' }), /\/host/);
      assert.match(fault({ ...good, id: 'lamp 1' }), /\/id/);
      assert.match(fault({ ...good, passphrase: '7 chars' }), /\/passphrase must be text of 8 to 63 characters/);
      assert.match(fault({ ...good, paths: '/dev/ttyUSB0' }), /\/paths/);
      assert.match(fault({ ...good, hots: 'x' }), /\/hots is not a setting/);
      assert.match(fault([]), /must be a JSON object/);
      assert.match(fault({ ...good, ssid: 'Bütgenbach' }), /only ASCII/);
      assert.equal(fault({ host: 'x', port: 0 }).split('\n').length, 1);
      assert.equal(fault({ host: '', port: 0 }).split('\n').length, 2);
    });

    it('never appears in a message about it', () => {
      assert.doesNotMatch(fault('{"host":"x","password":"hunter2" oops}'), /hunter2/);
      assert.doesNotMatch(fault({ ...good, passphrase: 'hunter2' }), /hunter2/);
    });
  });

  describe('command', () => {
    const directory = mkdtempSync(join(tmpdir(), 'flash-'));
    const bundle = 'global.rvb={board:"demo",version:"1.0.0"};';
    const manifest = {
      board: 'demo',
      interpreter: 'LINUX',
      version: '1.0.0',
      bytes: bundle.length,
      crc32: crc32(bundle),
      sha256: createHash('sha256').update(bundle).digest('hex'),
    };
    const command = async (...words: string[]) => {
      const written = { stdout: '', stderr: '' };
      const keep = (name: 'stdout' | 'stderr') => ({
        write: (text: string) => {
          written[name] += text;
        },
      });
      const status = await run(words, { stdout: keep('stdout'), stderr: keep('stderr') });
      return { status, ...written };
    };
    before(() => {
      writeFileSync(join(directory, 'demo.js'), bundle);
      writeFileSync(join(directory, 'demo.json'), JSON.stringify(manifest));
    });
    after(() => rmSync(directory, { recursive: true }));

    it('explains itself with exit code 0', async () => {
      const { status, stdout, stderr } = await command('--help');
      assert.equal(status, 0);
      assert.match(stdout, /--board NAME/);
      assert.equal(stderr, '');
    });

    it('ends with exit code 2 when it is used wrongly', async () => {
      const wrong: [string[], RegExp][] = [
        [[], /--board is missing/],
        [['--board', 'demo'], /--port is missing/],
        [['--board', 'demo', '--port', 'tcp://x'], /neither a serial port nor tcp:\/\/host:port/],
        [['--board', 'demo', '--port', 'tcp://x:65536'], /neither/],
        [['--board', 'demo', '--port', 'x', '--baud', 'fast'], /--baud fast is not a speed/],
        [['--board', '../x', '--port', 'x'], /not the name of a board/],
        [['--bord', 'demo'], /Unknown option '--bord'/],
        [['demo'], /Unexpected argument 'demo'/],
      ];
      for (const [words, message] of wrong) {
        const { status, stdout, stderr } = await command(...words);
        assert.equal(status, 2, words.join(' '));
        assert.match(stderr, message);
        assert.equal(stdout, '');
      }
    });

    it('names the ports there are when the port is missing', async () => {
      const { status, stderr } = await command('--board', 'demo', '--dist', directory, '--port', '/dev/ttyNONE7');
      assert.equal(status, 1);
      assert.match(stderr, /There is no \/dev\/ttyNONE7\.\n(No serial port was found|Serial ports:)/);
    });

    it('says that a file is not a port', async () => {
      const { status, stderr } = await command(
        '--board',
        'demo',
        '--dist',
        directory,
        '--port',
        join(directory, 'demo.js'),
      );
      assert.equal(status, 1);
      assert.match(stderr, /is not a serial port/);
    });

    it('says that nothing listens on a network port', async () => {
      const { status, stderr } = await command('--board', 'demo', '--dist', directory, '--port', 'tcp://127.0.0.1:9');
      assert.equal(status, 1);
      assert.match(stderr, /Nothing listens on tcp:\/\/127\.0\.0\.1:9/);
    });

    it('refuses a bundle that its manifest does not describe', async () => {
      writeFileSync(join(directory, 'other.js'), bundle);
      writeFileSync(join(directory, 'other.json'), JSON.stringify({ ...manifest, board: 'other', crc32: 1 }));
      const { status, stderr } = await command('--board', 'other', '--dist', directory, '--port', 'tcp://127.0.0.1:9');
      assert.equal(status, 1);
      assert.match(stderr, /is not what .* describes/);
    });

    it('refuses a bad site file before it opens the port', async () => {
      writeFileSync(join(directory, 'site'), '{"host":"x","port":"hunter2"}');
      const site = join(directory, 'site');
      const { status, stderr } = await command(
        '--board',
        'demo',
        '--dist',
        directory,
        '--port',
        'tcp://127.0.0.1:9',
        '--site',
        site,
      );
      assert.equal(status, 1);
      assert.match(stderr, /\/port must be/);
      assert.doesNotMatch(stderr, /hunter2/);
    });
  });
});
