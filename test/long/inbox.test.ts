/** A crash between any two transactions of the gateway loses and doubles nothing that a controller told. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgresStore } from '../../gateway/store/postgres.ts';
import { openSqliteStore } from '../../gateway/store/sqlite.ts';
import type { Store } from '../../gateway/store/store.ts';
import { crashAfter } from '../gateway/inbox-crash.ts';
import { PostgresServer } from '../gateway/store/postgres-server.ts';

describe('a gateway that crashes after 0, 1, 2, … transactions', () => {
  async function sweep(fresh: () => Promise<() => Promise<Store>>): Promise<void> {
    let crashes = 0;
    while (await crashAfter(crashes, await fresh())) crashes++;
    // Each message is kept in one transaction and taken in another; those that come during one share the next.
    assert.ok(crashes >= 5, `${crashes} crashes`);
  }

  it('loses and doubles nothing in SQLite', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    try {
      await sweep(async () => {
        await rm(directory, { recursive: true });
        return () => openSqliteStore(directory);
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('loses and doubles nothing in PostgreSQL', async function () {
    const server = PostgresServer.shared('crashes of a gateway');
    if (!server) this.skip();
    await sweep(async () => {
      const url = await server.create();
      return () => openPostgresStore(url, () => {});
    });
  });
});
