import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../../gateway/store/open.ts';
import { openPostgresStore } from '../../../gateway/store/postgres.ts';
import { PostgresServer } from './postgres-server.ts';
import { testPromises } from './promises.ts';

describe('the store in PostgreSQL', () => {
  let server: PostgresServer;
  let url: string;
  const log: string[] = [];
  before(function () {
    this.timeout(30000);
    const found = PostgresServer.shared('the store was not tested on it');
    if (found) server = found;
    else this.skip();
  });
  beforeEach(async () => {
    url = await server.create();
    log.length = 0;
  });
  const open = (at = url) => openPostgresStore(at, (line) => log.push(line));

  describe('keeps every promise:', () => {
    testPromises(() => open());
  });

  it('shows the entries of two processes in the order of their numbers: none appears behind one that was read', async () => {
    const stores = await Promise.all([open(), open()]);
    const reader = await open();
    let seen = 0;
    let writing = true;
    const all = Promise.all(
      stores.map(async (store, writer) => {
        for (let i = 0; i < 100; i++) await store.logs.append([{ logger: 'a', kind: 'event', time: i, body: writer }]);
      }),
    ).finally(() => {
      writing = false;
    });
    const times = [new Map<unknown, number>()];
    while (writing) {
      for (const { sequence, body, time } of await reader.logs.pending('a', 10)) {
        assert.equal(time, (times[0].get(body) ?? -1) + 1, 'no entry was passed over');
        times[0].set(body, time);
        seen = sequence;
      }
      await reader.logs.reported('a', seen);
    }
    await all;
    await Promise.all([...stores, reader].map((store) => store.close()));
  });

  it('has every acknowledged write after a crash of the server, goes on by itself when it is back, and tells', async () => {
    const store = await open();
    await store.save('a', 1);
    await store.logs.append([{ logger: 'l', kind: 'event', time: 1, body: 1 }]);
    server.crash();
    try {
      await assert.rejects(store.save('a', 2));
      await assert.rejects(store.flush());
      await assert.rejects(store.logs.append([{ logger: 'l', kind: 'event', time: 2, body: 2 }]));
    } finally {
      server.boot();
    }
    await store.flush();
    await store.close();
    assert.match(log.join('\n'), /^database postgres:\/\/localhost\/test_\d+: /);
    const again = await open();
    assert.deepEqual([...(await again.load())], [['a', 2]]);
    assert.deepEqual(
      (await again.logs.pending('l', 10)).map(({ body }) => body),
      [1, 2],
    );
    await again.close();
  });

  it('waits for the disk also where the server does not by default', async () => {
    await server.query(url, `ALTER ROLE reverbere SET synchronous_commit = off`);
    try {
      const store = await open();
      const { database } = store as unknown as { database: { transaction<T>(work: (client: never) => T): Promise<T> } };
      const shown = await database.transaction((client: { query(text: string): Promise<{ rows: object[] }> }) =>
        client.query('SHOW synchronous_commit'),
      );
      assert.deepEqual((await shown).rows, [{ synchronous_commit: 'on' }]);
      await store.close();
    } finally {
      await server.query(url, `ALTER ROLE reverbere RESET synchronous_commit`);
    }
  });

  it('is set up once by two gateways that start together', async () => {
    const stores = await Promise.all([open(), open(), open()]);
    await stores[0].save('a', 1);
    assert.equal((await stores[1].load()).get('a'), 1);
    await Promise.all(stores.map((store) => store.close()));
    assert.deepEqual(await server.query(url, 'SELECT count(*)::integer AS count FROM reverbere_schema'), [
      { count: 1 },
    ]);
  });

  it('refuses a database of a newer program, and one that cannot hold every text', async () => {
    await (await open()).close();
    await server.query(url, 'UPDATE reverbere_schema SET version = 99');
    await assert.rejects(open(), {
      message:
        /^postgres:\/\/localhost\/test_\d+ has schema 99 of a newer program, this one knows \d+: start the newer/,
    });
    const latin = await server.create(`ENCODING 'LATIN1'`);
    await assert.rejects(open(latin), { message: /is encoded in LATIN1: create it with ENCODING 'UTF8'/ });
  });

  it('says why a database cannot be used, without its password', async () => {
    const wrong = url.replace('reverbere@', 'reverbere:s3cret@');
    const absent = wrong.replace(/test_\d+/, 'absent');
    await assert.rejects(open(absent), {
      message: /^database postgres:\/\/localhost\/absent cannot be used: .*does not exist/,
    });
    const nowhere = 'postgres://u:s3cret@127.0.0.1:1/x';
    await assert.rejects(open(nowhere), {
      message: /^database postgres:\/\/127\.0\.0\.1:1\/x cannot be used: .*ECONNREFUSED/,
    });
    await assert.rejects(open('reverbere'), { message: /needs a URL such as/ });
  });

  it('rejects what is damaged with the name of the record, and what to do', async () => {
    const store = await open();
    await store.save('devices/1', 1);
    await server.query(url, `UPDATE reverbere_records SET value = '{'`);
    await assert.rejects(store.load(), { message: /test_\d+ is damaged .*record devices\/1.*backup/ });
    await store.close();
  });

  it('takes over gateway.json of version 0.1', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    await writeFile(join(directory, 'gateway.json'), JSON.stringify({ format: 1, records: { gateway: 1 } }));
    const store = await openStore({ dataDirectory: directory, database: url }, () => {});
    assert.equal((await store.load()).get('gateway'), 1);
    assert.deepEqual(await readdir(directory), ['gateway.json.old']);
    await store.close();
    await rm(directory, { recursive: true });
  });
});
