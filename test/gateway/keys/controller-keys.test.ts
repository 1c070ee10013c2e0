import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControllerKeys } from '../../../gateway/keys/controller-keys.ts';
import { replaceFile, replaceFiles } from '../../../gateway/keys/files.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const TEXT = '__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA'; // the same 32 bytes by RFC 4648 §5

describe('keys of controllers', () => {
  const directory = mkdtempSync(join(tmpdir(), 'keys-'));
  const path = join(directory, 'controllers.json');
  after(() => rmSync(directory, { recursive: true }));

  it('are written readable for their owner alone, and read again', () => {
    const keys = new ControllerKeys();
    keys.add('pole-1', { key: KEY, username: 'pole-1', passwordHash: '$7$101$c2FsdA==$aGFzaA==', group: 'elm' });
    keys.add('pole-2', { key: new Uint8Array(32) });
    keys.save(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).controllers['pole-1'].key, TEXT);
    const read = ControllerKeys.load(path);
    assert.deepEqual(read.ids(), ['pole-1', 'pole-2']);
    assert.deepEqual(read.find('pole-1'), KEY);
    assert.deepEqual(read.credentials('pole-1'), keys.credentials('pole-1'));
    assert.equal(read.find('pole-3'), undefined);
    assert.equal(read.remove('pole-1'), true);
    assert.equal(read.find('pole-1'), undefined);
  });

  it('are taken in hexadecimal too', () => {
    writeFileSync(path, JSON.stringify({ version: 1, controllers: { a: { key: Buffer.from(KEY).toString('hex') } } }));
    assert.deepEqual(ControllerKeys.load(path).find('a'), KEY);
  });

  it('are refused with file and reason, which says nothing of a key', () => {
    const faults: [string, RegExp][] = [
      [`{"version":1,"controllers":{"a":{"key":"${TEXT}"`, /is not JSON$/],
      ['null', /holds no keys of controllers/],
      ['{"version":2,"controllers":{}}', /holds no keys of controllers \(version 1\)$/],
      [`{"version":1,"controllers":{"a/b":{"key":"${TEXT}"}}}`, /"a\/b" is no id/],
      [`{"version":1,"controllers":{"a":{"key":"${TEXT}A"}}}`, /the key of a is not 32 bytes$/],
      ['{"version":1,"controllers":{"a":null}}', /the key of a is not 32 bytes$/],
      [`{"version":1,"controllers":{"a":{"key":"${TEXT}","username":7}}}`, /the username of a is not text$/],
      [`{"version":1,"controllers":{"a":{"key":"${TEXT}","username":"b"}}}`, /the username of a is not its id$/],
    ];
    for (const [content, fault] of faults) {
      writeFileSync(path, content);
      assert.throws(
        () => ControllerKeys.load(path),
        (error: Error) => {
          assert.match(error.message, fault);
          assert.ok(error.message.startsWith(path) && !error.message.includes(TEXT.slice(4, 30)), error.message);
          return true;
        },
      );
    }
    assert.throws(() => ControllerKeys.load(join(directory, 'none')), /none cannot be read \(ENOENT\)$/);
  });

  it('keep the rights that the file of a broker has, and leave nothing beside it', () => {
    const file = join(directory, 'passwords');
    replaceFile(file, 'one');
    chmodSync(file, 0o640);
    replaceFile(file, 'two');
    assert.equal(statSync(file).mode & 0o777, 0o640);
    chmodSync(file, 0o644);
    replaceFile(file, 'three');
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.equal(readFileSync(file, 'utf8'), 'three');
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.endsWith('.new')),
      [],
    );
  });

  it('stay as they were when they cannot be replaced', () => {
    const occupied = join(directory, 'occupied');
    mkdirWithFile(occupied);
    const first = join(directory, 'first');
    replaceFile(first, 'old');
    const files = [
      { path: first, content: 'new' },
      { path: occupied, content: 'new' },
    ];
    assert.throws(() => replaceFiles(files), /occupied is a directory/);
    assert.equal(readFileSync(first, 'utf8'), 'old');
    assert.deepEqual(readdirSync(occupied), ['file']);
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.endsWith('.new')),
      [],
    );
  });
});

function mkdirWithFile(path: string): void {
  replaceFile(join(path, 'file'), 'kept');
}
