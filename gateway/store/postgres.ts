/** A store in a PostgreSQL database: for backups, replication and operation as a site has them already. */

import { Pool, type PoolClient } from 'pg';
import type { Log } from '../log.ts';
import { type Database, DatabaseStore, newer } from './database.ts';
import type { Batch, LogChange, Row } from './group-commit.ts';
import { CHANNEL, type Lease } from './lease.ts';
import type { Arrival, Dropped, Store } from './store.ts';

/** Each brings the schema from the version that is its index to the next. Never changed once released. */
const MIGRATIONS = [
  `CREATE TABLE reverbere_records (key text PRIMARY KEY, value text NOT NULL);
   CREATE TABLE reverbere_log (
     sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     logger text NOT NULL,
     event boolean NOT NULL,
     time double precision NOT NULL,
     body text NOT NULL
   );
   CREATE INDEX reverbere_log_by_logger ON reverbere_log (logger, sequence, event);`,
  `CREATE TABLE reverbere_arrivals (
     sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     controller text NOT NULL,
     kind smallint NOT NULL,
     epoch bigint NOT NULL,
     number bigint NOT NULL,
     time double precision NOT NULL,
     content bytea NOT NULL,
     UNIQUE (controller, kind, epoch, number)
   );`,
  `CREATE TABLE reverbere_lease (
     single boolean PRIMARY KEY DEFAULT true CHECK (single),
     token bigint NOT NULL,
     owner text NOT NULL,
     address text NOT NULL,
     backend integer NOT NULL,
     started timestamptz NOT NULL,
     expires timestamptz NOT NULL,
     batch text NOT NULL
   );
   INSERT INTO reverbere_lease VALUES (true, 0, '', '', 0, 'epoch', 'epoch', '');`,
];

/** Held by whoever changes the schema, and by whoever appends: numbers become visible in their order. */
const SCHEMA_LOCK = 0x52766272;
const LOG_LOCK = 0x52766273;
const ARRIVAL_LOCK = 0x52766274;
/** Arrivals that are dropped in one transaction. */
const MOST_TRIMMED = 5000;

/** What a store on a database that several gateways share needs to know. */
export interface Sharing {
  /** Changes are those of the leader, under this lease, and none when another leads. Absent: arrivals alone. */
  lease?: Lease;
  /** Says of arrivals that are durable, in portions for the leader: whoever leads tells the controllers. */
  notice?(arrivals: readonly Arrival[]): string[];
}
/** ms */
const CONNECT_TIME = 5000;
const QUERY_TIME = 30000;
const IDLE_TIME = 4000;

/**
 * @param url postgres://user:password@host:port/database
 * @returns the store. Rejects with a message for the operator when the database cannot be used.
 */
export async function openPostgresStore(url: string, log: Log, sharing: Sharing = {}): Promise<Store> {
  const name = nameOf(url);
  const pool = new Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: CONNECT_TIME,
    query_timeout: QUERY_TIME,
    // A process that is paused in the middle of a transaction must not hold its locks for ever.
    idle_in_transaction_session_timeout: IDLE_TIME,
    keepAlive: true,
    application_name: 'reverbere',
  });
  // What breaks a connection fails the queries on it, if there are any; the next ones get another connection.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', (error) => log(`database ${name}: ${error.message}`)));
  const database = new PostgresDatabase(name, pool, sharing);
  try {
    await database.transaction(prepare(name));
    return new DatabaseStore(database);
  } catch (error) {
    await database.close();
    const { message, code } = error as Error & { code?: string };
    throw message.startsWith(name) ? error : new Error(`database ${name} cannot be used: ${message || code}`);
  }
}

/** @returns the URL without what must not be shown. */
function nameOf(url: string): string {
  if (!URL.canParse(url)) throw new Error('the database needs a URL such as postgres://user:password@host/database');
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** Checks the database, and brings its schema up to date. */
const prepare = (name: string) => async (client: PoolClient) => {
  const { rows: settings } = await client.query('SHOW server_encoding');
  const { server_encoding: encoding } = settings[0];
  if (encoding !== 'UTF8') throw new Error(`${name} is encoded in ${encoding}: create it with ENCODING 'UTF8'`);
  await client.query('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
  await client.query('CREATE TABLE IF NOT EXISTS reverbere_schema (version integer NOT NULL)');
  const { rows } = await client.query<{ version: number }>('SELECT version FROM reverbere_schema');
  const version = rows[0]?.version ?? 0;
  if (version > MIGRATIONS.length) throw newer(name, version, MIGRATIONS.length);
  if (version === MIGRATIONS.length) return;
  for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
  await client.query('DELETE FROM reverbere_schema');
  await client.query('INSERT INTO reverbere_schema VALUES ($1)', [MIGRATIONS.length]);
};

class PostgresDatabase implements Database {
  constructor(
    readonly name: string,
    private readonly pool: Pool,
    private readonly sharing: Sharing,
  ) {}

  /** Does `work` whole or not at all; durable when it resolves, whatever the server does by default. */
  async transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    try {
      await client.query(BEGIN);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      // A connection with a failed transaction is closed, which ends the transaction too.
      client.release(failure);
    }
  }

  commit({ id, records, logs }: Batch): Promise<void> {
    return this.transaction(async (client) => {
      // Whoever lost the connection while it was committed cannot know whether it was.
      if ((await this.sharing.lease?.fence(client, id)) === false) return;
      const kept = [...records].filter((entry): entry is [string, string] => entry[1] !== undefined);
      const gone = [...records].flatMap(([key, text]) => (text === undefined ? [key] : []));
      // In one order everywhere, or two processes wait for each other.
      kept.sort(([a], [b]) => (a < b ? -1 : 1));
      if (kept.length > 0) await client.query(PUT, [kept.map(([key]) => key), kept.map(([, text]) => text)]);
      if (gone.length > 0) await client.query('DELETE FROM reverbere_records WHERE key = ANY($1)', [gone]);
      for (const change of logs) await this.apply(client, change);
    });
  }

  async records(prefix: string): Promise<{ key: string; value: string }[]> {
    const select = 'SELECT key, value FROM reverbere_records WHERE starts_with(key, $1)';
    return (await this.pool.query<{ key: string; value: string }>(select, [prefix])).rows;
  }

  async entries(logger: string, limit: number): Promise<Row[]> {
    const select =
      'SELECT sequence, logger, event, time, body FROM reverbere_log WHERE logger = $1 ORDER BY sequence LIMIT $2';
    // 64-bit integers come as text.
    const { rows } = await this.pool.query<Row & { sequence: string }>(select, [logger, limit]);
    return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
  }

  trim(logger: string, most: number): Promise<Dropped> {
    return this.transaction(async (client) => {
      await this.sharing.lease?.fence(client);
      await client.query('SELECT pg_advisory_xact_lock($1)', [LOG_LOCK]);
      const count = 'SELECT count(*)::integer AS count FROM reverbere_log WHERE logger = $1';
      const { rows } = await client.query<{ count: number }>(count, [logger]);
      const excess = Math.max(rows[0].count - most, 0);
      const drop = async (event: boolean, limit: number): Promise<number> =>
        limit === 0 ? 0 : ((await client.query(DROP, [logger, event, limit])).rowCount ?? 0);
      const attributes = await drop(false, excess);
      return { attributes, events: await drop(true, excess - attributes) };
    });
  }

  arrive(arrivals: readonly Arrival[]): Promise<void> {
    const column = <K extends keyof Arrival>(key: K) => arrivals.map((arrival) => arrival[key]);
    const contents = arrivals.map(({ content }) => Buffer.from(content.buffer, content.byteOffset, content.length));
    return this.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [ARRIVAL_LOCK]);
      const values = [
        column('controller'),
        column('kind'),
        column('epoch'),
        column('number'),
        column('time'),
        contents,
      ];
      await client.query(ARRIVE, values);
      for (const text of this.sharing.notice?.(arrivals) ?? [])
        await client.query('SELECT pg_notify($1, $2)', [CHANNEL, text]);
    });
  }

  async counts(): Promise<{ logger: string; count: number }[]> {
    return (await this.pool.query('SELECT logger, count(*) AS count FROM reverbere_log GROUP BY logger')).rows;
  }

  async arrived(after: number, limit: number): Promise<(Arrival & { sequence: number })[]> {
    const select = 'SELECT * FROM reverbere_arrivals WHERE sequence > $1 ORDER BY sequence LIMIT $2';
    const { rows } = await this.pool.query(select, [after, limit]);
    // 64-bit integers come as text.
    return rows.map(({ sequence, epoch, number, ...rest }) => ({
      ...rest,
      sequence: Number(sequence),
      epoch: Number(epoch),
      number: Number(number),
    }));
  }

  trimArrivals(upTo: number, before: number, most: number): Promise<number> {
    return this.transaction(async (client) => {
      await this.sharing.lease?.fence(client);
      return (await client.query(TRIM, [upTo, before, most, MOST_TRIMMED])).rowCount ?? 0;
    });
  }

  async has(key: string): Promise<boolean> {
    return (await this.pool.query('SELECT FROM reverbere_records WHERE key = $1', [key])).rowCount === 1;
  }

  close(): Promise<void> {
    return this.pool.end();
  }

  private async apply(client: PoolClient, change: LogChange): Promise<void> {
    if (change.kind === 'reported') {
      const { logger, upTo } = change;
      await client.query('DELETE FROM reverbere_log WHERE logger = $1 AND sequence <= $2', [logger, upTo]);
    } else if (change.kind === 'forget') {
      await client.query('DELETE FROM reverbere_log WHERE logger = $1', [change.logger]);
    } else if (change.rows.length > 0) {
      const column = <K extends keyof (typeof change.rows)[number]>(key: K) => change.rows.map((row) => row[key]);
      await client.query('SELECT pg_advisory_xact_lock($1)', [LOG_LOCK]);
      await client.query(APPEND, [column('logger'), column('event'), column('time'), column('body')]);
    }
  }
}

const BEGIN =
  "BEGIN; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";
const PUT =
  'INSERT INTO reverbere_records (key, value) SELECT * FROM unnest($1::text[], $2::text[]) ' +
  'ON CONFLICT (key) DO UPDATE SET value = excluded.value';
const APPEND =
  'INSERT INTO reverbere_log (logger, event, time, body) SELECT logger, event, time, body FROM ' +
  'unnest($1::text[], $2::boolean[], $3::double precision[], $4::text[]) ' +
  'WITH ORDINALITY AS new (logger, event, time, body, place) ORDER BY place';
const DROP =
  'DELETE FROM reverbere_log WHERE sequence IN (SELECT sequence FROM reverbere_log ' +
  'WHERE logger = $1 AND event = $2 ORDER BY sequence LIMIT $3)';
const ARRIVE =
  'INSERT INTO reverbere_arrivals (controller, kind, epoch, number, time, content) ' +
  'SELECT controller, kind, epoch, number, time, content FROM ' +
  'unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[], $5::double precision[], $6::bytea[]) ' +
  'WITH ORDINALITY AS new (controller, kind, epoch, number, time, content, place) ORDER BY place ON CONFLICT DO NOTHING';
const TRIM =
  'DELETE FROM reverbere_arrivals WHERE sequence IN (SELECT sequence FROM (SELECT sequence, time, ' +
  'row_number() OVER (ORDER BY sequence) AS place FROM reverbere_arrivals WHERE sequence <= $1 ORDER BY sequence LIMIT $4' +
  ') AS oldest WHERE time < $2 OR place <= (SELECT count(*) FROM reverbere_arrivals) - $3)';
