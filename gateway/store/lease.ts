/**
 * Which of several gateways on one PostgreSQL database leads: a row with a token that only grows and an end that the leader
 * puts off. Whoever writes as the leader does so in a transaction that touches the row under its token, so that one that was
 * paused and has been replaced meanwhile can change nothing any more.
 */

import { Client, type PoolClient } from 'pg';
import type { Log } from '../log.ts';

/** ms that a lease lasts, between two renewals, and before its end at which the leader stops by itself. */
export const LEASE = 6000;
export const RENEWAL = 2000;
const MARGIN = 1000;
const CONNECT_TIME = 5000;
/** Tells of records that are durable, to whoever leads. */
export const CHANNEL = 'reverbere_got';

/** Who leads. */
export interface Holder {
  /** For people. */
  owner: string;
  /** Where its API is. */
  address: string;
}

export class Lease {
  private token = 0;
  private heldUntil = Number.NEGATIVE_INFINITY;
  /** Another gateway has taken it; whether that is so while the database cannot be asked, nobody knows. */
  lost = true;
  private client: Client | undefined;
  private connecting: Promise<Client> | undefined;
  private closed = false;
  private said = '';
  /** Calls of whoever leads, with the text of each notice. */
  heard: (text: string) => void = () => {};

  /** @param owner of the lease, for people */
  constructor(
    private readonly url: string,
    private readonly owner: string,
    private readonly log: Log,
  ) {}

  /** Whether this gateway leads, as far as it can know without asking. */
  get held(): boolean {
    return performance.now() < this.heldUntil;
  }

  /**
   * Takes the lease if it has ended, or if the connection of whoever has it is gone: then its program has ended.
   * @returns undefined when it was taken, else who has it. Rejects when the database cannot be asked
   */
  async take(address: string): Promise<Holder | undefined> {
    const begun = performance.now();
    const client = await this.connected();
    const { rows } = await client.query<{ token: string }>(TAKE, [this.owner, address, LEASE]);
    if (rows.length === 0) {
      const { rows: holders } = await client.query<Holder>('SELECT owner, address FROM reverbere_lease');
      return holders[0];
    }
    this.token = Number(rows[0].token);
    this.heldUntil = begun + LEASE - MARGIN;
    this.lost = false;
    return undefined;
  }

  /** Puts the end off. @returns whether this gateway still leads; while the database cannot be asked, until the lease ends */
  async renew(address: string): Promise<boolean> {
    const begun = performance.now();
    try {
      const client = await this.connected();
      const { rowCount } = await client.query(RENEW, [this.token, address, LEASE]);
      if (rowCount === 0) this.lose();
      // A paused process may read an old answer late: what counts is when it asked.
      else this.heldUntil = Math.max(this.heldUntil, begun + LEASE - MARGIN);
      this.said = '';
    } catch (error) {
      const line = `cannot renew the lease: ${(error as Error).message}`;
      if (line !== this.said) this.log(line);
      this.said = line;
    }
    return this.held;
  }

  /** Lets others lead at once. */
  async release(): Promise<void> {
    this.lose();
    try {
      const client = await this.connected();
      await client.query('UPDATE reverbere_lease SET expires = clock_timestamp() WHERE token = $1', [this.token]);
    } catch {
      // It ends by itself.
    }
  }

  /**
   * For transactions of the leader. Throws, and so undoes them, when another gateway leads.
   * @param batch names the transaction; absent: it may be done twice
   * @returns false: it was done before
   */
  async fence(client: PoolClient, batch?: string): Promise<boolean> {
    if (batch === undefined) {
      const { rowCount } = await client.query('SELECT FROM reverbere_lease WHERE token = $1 FOR SHARE', [this.token]);
      if (rowCount === 1) return true;
    } else {
      const update = 'UPDATE reverbere_lease SET batch = $2 WHERE token = $1 AND batch <> $2';
      if ((await client.query(update, [this.token, batch])).rowCount === 1) return true;
      const { rows } = await client.query('SELECT FROM reverbere_lease WHERE token = $1', [this.token]);
      if (rows.length === 1) return false;
    }
    this.lose();
    throw new Error('another gateway leads now');
  }

  private lose(): void {
    this.heldUntil = Number.NEGATIVE_INFINITY;
    this.lost = true;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.connecting?.catch(() => {});
    await this.client?.end().catch(() => {});
  }

  private connected(): Promise<Client> {
    this.connecting ??= this.connect().catch((error) => {
      this.connecting = undefined;
      throw error;
    });
    return this.connecting;
  }

  private async connect(): Promise<Client> {
    if (this.closed) throw new Error('closed');
    const client = new Client({
      connectionString: this.url,
      connectionTimeoutMillis: CONNECT_TIME,
      query_timeout: CONNECT_TIME,
      keepAlive: true,
      application_name: `reverbere lease ${this.owner}`.slice(0, 63),
    });
    const gone = (): void => {
      if (this.client !== client) return;
      this.client = undefined;
      this.connecting = undefined;
    };
    client.on('error', gone);
    client.on('end', gone);
    client.on('notification', ({ payload }) => this.heard(payload ?? ''));
    this.client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      this.client = undefined;
      await client.end().catch(() => {});
      throw error;
    }
    return client;
  }
}

/** By the clock of the database alone. */
const MINE =
  'backend = pg_backend_pid(), started = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())';
const TAKE =
  `UPDATE reverbere_lease SET token = token + 1, owner = $1, address = $2, batch = '', ${MINE}, ` +
  "expires = clock_timestamp() + $3 * interval '1 millisecond' WHERE expires < clock_timestamp() OR NOT EXISTS " +
  '(SELECT FROM pg_stat_activity WHERE pid = backend AND backend_start = started) RETURNING token';
const RENEW =
  `UPDATE reverbere_lease SET address = $2, ${MINE}, ` +
  "expires = clock_timestamp() + $3 * interval '1 millisecond' WHERE token = $1";
