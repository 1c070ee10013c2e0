import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { GatewayOptions } from '../../../gateway/main.ts';
import { backup, restore, runBackup } from '../../../gateway/operate/backup.ts';
import { openSqliteStore } from '../../../gateway/store/sqlite.ts';
import { program } from '../control-rig.ts';
import { type Ask, type Device, memory, TAKEN_BACK, writes } from '../everything.ts';
import { Attached, eventsOf } from '../logger-rig.ts';
import { event, Rig } from '../rig.ts';
import { PostgresServer } from '../store/postgres-server.ts';

const SQLITE_HEADER = 100;

describe('a backup', () => {
  let directory: string;
  let file: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    file = join(directory, 'copy.db');
  });
  afterEach(() => rm(directory, { recursive: true }));
  const data = (name = 'data') => join(directory, name);

  /** Makes everything that a CMS can make, copies it, changes it, and looks at what a gateway has of the copy. */
  async function prove(
    options: Partial<GatewayOptions>,
    copy: () => unknown,
    putBack: () => Promise<Partial<GatewayOptions>>,
  ): Promise<void> {
    const rig = await Rig.start(options);
    await rig.join('PAR-0001');
    const ask: Ask = (method, path, body) => rig.call(method, path, { body });
    const [gateway, lamp] = (await ask('GET', '/devices')).body as Device[];
    const all = writes(gateway, lamp);
    for (const [method, path, body] of all.slice(0, -TAKEN_BACK)) await ask(method, path, body);
    const told = await memory(ask);
    await copy();
    for (const [method, path, body] of all.slice(-TAKEN_BACK)) await ask(method, path, body);
    assert.notDeepEqual(await memory(ask), told);
    await rig.close();
    const again = await Rig.start({ ...(await putBack()), now: () => rig.now });
    const there = await memory((method, path, body) => again.call(method, path, { body }));
    await again.close();
    assert.deepEqual(there, told);
  }

  it('of a running gateway, put back, has every address, calendar, group and logger, seen through the API', () =>
    prove(
      { dataDirectory: data() },
      async () => assert.match(await backup(data(), file), /records and \d+ log entries/),
      async () => {
        assert.match(await restore(data(), file), /what was there is .*gateway\.db\.before-restore now$/);
        return { dataDirectory: data() };
      },
    ));

  it('by pg_dump, put back by pg_restore, has the same', async function () {
    this.timeout(30_000);
    const server = PostgresServer.shared('no database was dumped');
    if (!server) this.skip();
    const database = await server.create();
    const tool = (name: string, ...words: string[]) => {
      const { status, stderr } = spawnSync(server.program(name), words, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    };
    await prove(
      { database },
      () => tool('pg_dump', '--format=custom', `--file=${file}`, `--dbname=${database}`),
      async () => {
        tool(
          'pg_restore',
          '--clean',
          '--if-exists',
          '--exit-on-error',
          '--single-transaction',
          `--dbname=${database}`,
          file,
        );
        return { database };
      },
    );
  });

  it('knows what a CMS had: what was reported before it is not reported again, and what waited is', async () => {
    const street = await Attached.open({ dataDirectory: data() });
    await street.create('log');
    const address = await street.join('PAR-0001');
    const [lamp] = street.rig.controllers;
    const happen = async (number: number) => {
      await lamp.send('event' as never, [7, event({ 0: number, 2: 2 - (number % 2) })]);
    };
    await happen(1);
    await street.until(() => eventsOf(street.entries('log')).includes('+lampFailure'), 'the first event');
    const before = street.entries('log').length;
    await street.down();
    await happen(3);
    const count = () => {
      const reader = new Sqlite(join(data(), 'gateway.db'), { readonly: true });
      const found = reader.prepare('SELECT count(*) FROM log').pluck().get();
      reader.close();
      return Number(found);
    };
    await street.until(() => count() > 0, 'an entry that waits');
    const waiting = count();
    await backup(data(), file);
    await street.rig.close();
    await restore(data('other'), file);
    await street.up();
    await street.start({ dataDirectory: data('other') });
    await street.until(() => street.entries('log').length >= before + waiting, 'what waited');
    assert.equal(await street.rig.address('PAR-0001', street.cms.cmsAddress), address);
    assert.equal(eventsOf(street.entries('log')).filter((type) => type === '+lampFailure').length, 2);
    await street.close();
  });

  it('is one instant of a gateway that goes on writing', async () => {
    const rig = await Rig.start({ dataDirectory: data() });
    let made = 0;
    let writing = true;
    const work = (async () => {
      for (; writing; made++)
        await rig.call('POST', '/control-programs', { body: [program(`p${made}`, [['20:00', 40]])] });
    })();
    while (made < 5) await new Promise(setImmediate);
    const before = made;
    await backup(data(), file);
    writing = false;
    await work;
    await rig.close();
    await restore(data('other'), file);
    const again = await Rig.start({ dataDirectory: data('other') });
    const programs = (await again.call('GET', '/control-programs')).body as { id: string }[];
    await again.close();
    assert.ok(programs.length >= before && programs.length <= made, `${before} ${programs.length} ${made}`);
    assert.deepEqual(
      programs.map(({ id }) => id),
      Array.from({ length: programs.length }, (_, i) => `p${i}`),
    );
  });

  it('leaves no file behind when it fails, and overwrites none', async () => {
    await assert.rejects(backup(data(), file), /gateway\.db is not there: nothing to copy/);
    await (await openSqliteStore(data())).close();
    await assert.rejects(backup(data(), join(directory, 'none', 'copy.db')), /directory/);
    await backup(data(), file);
    // Keys of groups are in it.
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await writeFile(file, 'mine');
    await assert.rejects(backup(data(), file), /copy\.db is there already: name another file/);
    assert.equal(await readFile(file, 'utf8'), 'mine');
    assert.deepEqual((await readdir(directory)).sort(), ['copy.db', 'data']);
  });

  it('is not put back when it is damaged, of another program, of a newer one, or nothing at all', async () => {
    const store = await openSqliteStore(data());
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.save(`key/${i}`, 'x'.repeat(200))));
    await store.close();
    await backup(data(), file);
    const before = await readFile(join(data(), 'gateway.db'));
    const bad = async (change: (path: string) => unknown): Promise<string> => {
      const path = join(directory, 'bad.db');
      await copyFile(file, path);
      await change(path);
      const { message } = await restore(data(), path).then(
        () => assert.fail('it was put back'),
        (error) => error,
      );
      return message;
    };
    const spoilt = async (path: string) => {
      const bytes = await readFile(path);
      bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 3000);
      await writeFile(path, bytes);
    };
    assert.match(await bad(spoilt), /damaged/);
    assert.match(
      await bad((path) => writeFile(path, 'no database, but some text that is long enough for its header')),
      /damaged or no SQLite file/,
    );
    assert.match(
      await bad(async (path) => writeFile(path, (await readFile(path)).subarray(0, SQLITE_HEADER + 3000))),
      /damaged/,
    );
    assert.match(await bad((path) => writeFile(path, '')), /holds nothing/);
    const pragma = (text: string) => (path: string) => {
      const opened = new Sqlite(path);
      opened.pragma(text);
      opened.close();
    };
    assert.match(await bad(pragma('application_id = 1')), /belongs to another program/);
    assert.match(await bad(pragma('user_version = 99')), /has schema 99 of a newer program/);
    await assert.rejects(restore(data(), join(directory, 'none.db')), /none\.db is not there/);
    assert.deepEqual(await readFile(join(data(), 'gateway.db')), before);
    // A reader may leave files of SQLite's own beside it.
    const names = (await readdir(data())).filter((name) => !/-(wal|shm)$/.test(name));
    assert.deepEqual(names.sort(), ['gateway.db', 'gateway.lock']);
  });

  it('is not put back under a running gateway', async () => {
    const store = await openSqliteStore(data());
    await store.save('key', 1);
    await backup(data(), file);
    await assert.rejects(restore(data(), file), /is in use by another gateway/);
    await store.close();
    await restore(data(), file);
    await restore(data(), file);
    assert.deepEqual((await readdir(data())).sort(), [
      'gateway.db',
      'gateway.db.before-restore',
      'gateway.db.before-restore-2',
      'gateway.lock',
    ]);
  });

  it('has commands that say what they want', async () => {
    assert.equal(runBackup(['--port', '1'], {}), undefined);
    assert.throws(() => runBackup(['backup'], {}), /backup wants --data DIRECTORY and --to FILE/);
    assert.throws(() => runBackup(['restore', '--data', 'x'], {}), /restore wants --data DIRECTORY and --from FILE/);
    assert.throws(() => runBackup(['backup', '--database', 'postgres://x', '--to', 'y'], {}), /PostgreSQL has pg_dump/);
    assert.throws(() => runBackup(['backup', '--bogus'], {}), /Unknown option/);
    assert.match((await runBackup(['backup', '--help'], {})) ?? '', /^Usage/);
    await (await openSqliteStore(data())).close();
    assert.match(
      (await runBackup(['backup', '--to', file], { REVERBERE_DATA: data() })) ?? '',
      /^.*copy\.db: 0 records/,
    );
  });
});
