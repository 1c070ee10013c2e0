import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { openStore } from '../../../gateway/store/open.ts';
import { openSqliteStore } from '../../../gateway/store/sqlite.ts';
import { testPromises } from './promises.ts';

describe('the store in SQLite', () => {
  let directory: string;
  let path: string;
  const log: string[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    path = join(directory, 'gateway.db');
    log.length = 0;
  });
  afterEach(() => rm(directory, { recursive: true }));
  const open = (at = directory) => openSqliteStore(at);
  const opening = (at = directory) => openStore({ dataDirectory: at }, (line) => log.push(line));

  describe('keeps every promise:', () => {
    testPromises(open);
  });

  it('creates its directory', async () => {
    await (await open(join(directory, 'a', 'b'))).close();
    assert.ok((await readdir(join(directory, 'a', 'b'))).includes('gateway.db'));
  });

  it('does fewer transactions than it is asked for saves, and waits for the disk in each', async () => {
    const store = await open();
    const file = new Sqlite(path, { readonly: true });
    const frames = () => Number((file.pragma('wal_checkpoint(NOOP)') as { log: number }[])[0]?.log);
    await store.save('a', 0);
    const before = frames();
    await store.save('a', 1);
    const one = frames() - before;
    assert.ok(one > 0);
    await Promise.all(Array.from({ length: 1000 }, (_, i) => store.save('a', i)));
    assert.equal(frames() - before - one, one, 'pages written for 1000 saves at once, compared with one save');
    file.close();
    await store.close();
  });

  it('refuses a second gateway in its directory, and names it', async () => {
    const store = await open();
    await assert.rejects(open(), {
      message: `${directory} is in use by another gateway: stop that one, or choose another directory`,
    });
    await store.close();
    await (await open()).close();
  });

  it('says what to do about a damaged file, and leaves it as it is', async () => {
    const store = await open();
    for (let i = 0; i < 200; i++) void store.save(`devices/${i}`, { address: 'x'.repeat(500) });
    await store.close();
    const whole = await readFile(path);
    const advice = new RegExp(`^${path} is damaged and holds the devices' addresses .*backup.*begin anew`);
    const page = Buffer.from(whole);
    page.fill(0xa5, 4096 * 10, 4096 * 14);
    for (const content of [Buffer.from('{"format":1}'.repeat(1000)), page, whole.subarray(0, 4096 * 8)]) {
      await writeFile(path, content);
      await assert.rejects(open(), { message: advice });
      assert.deepEqual(await readFile(path), content);
    }
    await writeFile(path, whole);
    const file = new Sqlite(path);
    file.exec(`UPDATE records SET value = '{' WHERE key = 'devices/7'`);
    file.close();
    const again = await open();
    await assert.rejects(again.load(), { message: /^.*gateway\.db is damaged .*record devices\/7/ });
    await again.close();
  });

  it('refuses the file of a newer program, and that of another one', async () => {
    await (await open()).close();
    const file = new Sqlite(path);
    file.pragma('user_version = 99');
    file.close();
    await assert.rejects(open(), {
      message: /^.*gateway\.db has schema 99 of a newer program, this one knows \d+: start the newer/,
    });
    await rm(path);
    const other = new Sqlite(path);
    other.exec('CREATE TABLE songs (title TEXT)');
    other.close();
    await assert.rejects(open(), { message: /gateway\.db belongs to another program: choose another directory/ });
  });

  it('rejects while the disk is full, and saves by itself when there is room again', async () => {
    const store = await open();
    await store.save('a', 1);
    const file = (store as unknown as { database: { file: Sqlite.Database } }).database.file;
    const pages = Number(file.pragma('page_count', { simple: true }));
    file.pragma(`max_page_count = ${pages}`);
    const big = 'x'.repeat(1000000);
    await assert.rejects(store.save('big', big), /full/);
    await assert.rejects(store.flush(), /full/);
    await assert.rejects(store.save('small', 2), /full/);
    file.pragma('max_page_count = 1000000');
    await store.flush();
    assert.deepEqual(
      [...(await store.load())].sort().map(([key, value]) => [key, String(value).length]),
      [
        ['a', 1],
        ['big', 1000000],
        ['small', 1],
      ],
    );
    await store.close();
  });

  describe('takes over gateway.json of version 0.1', () => {
    const old = { 'devices/PAR-0001': { address: 'dcd7' }, gateway: { address: '01', values: {} } };
    const write = (content: unknown) => writeFile(join(directory, 'gateway.json'), JSON.stringify(content));

    it('once, keeps it aside, and tells', async () => {
      await write({ format: 1, records: old });
      let store = await opening();
      assert.deepEqual(log, [
        `took over 2 records of ${directory}/gateway.json; it stays as ${directory}/gateway.json.old`,
      ]);
      const { address } = (await store.load('devices/')).get('devices/PAR-0001') as { address: string };
      assert.equal(address, 'dcd7');
      await store.save('gateway', undefined);
      await store.close();
      const names = (await readdir(directory)).sort();
      assert.deepEqual(names, ['gateway.db', 'gateway.json.old', 'gateway.lock']);
      store = await opening();
      assert.equal((await store.load()).has('gateway'), false);
      assert.equal(log.length, 1);
      await store.close();
    });

    it('also when the first attempt was cut off before the file was put aside', async () => {
      await write({ format: 1, records: old });
      await (await opening()).close();
      await write({ format: 1, records: old });
      await (await opening()).close();
      assert.deepEqual((await readdir(directory)).sort(), ['gateway.db', 'gateway.json.old', 'gateway.lock']);
    });

    it('but not over records that are newer, and not when it is damaged', async () => {
      const store = await opening();
      await store.save('gateway', 1);
      await store.close();
      await write({ format: 1, records: old });
      await assert.rejects(opening(), {
        message: /gateway\.json is of an older version.*move away the one that is wrong/,
      });
      await rm(path);
      await truncate(join(directory, 'gateway.json'), 20);
      await assert.rejects(opening(), { message: /gateway\.json is damaged .*backup/ });
      await write({ format: 2, records: old });
      await assert.rejects(opening(), { message: /gateway\.json is damaged .*format 2 is not 1/ });
      assert.ok((await readdir(directory)).includes('gateway.json'));
    });
  });
});
