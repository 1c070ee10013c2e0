import assert from 'node:assert/strict';
import { startGateway } from '../../../gateway/main.ts';
import { Lease } from '../../../gateway/store/lease.ts';
import { openPostgresStore } from '../../../gateway/store/postgres.ts';
import type { Store } from '../../../gateway/store/store.ts';
import { PostgresServer } from './postgres-server.ts';

describe('the lease of several gateways on one PostgreSQL database', () => {
  let server: PostgresServer;
  let url: string;
  const log: string[] = [];
  const closers: (() => unknown)[] = [];
  before(function () {
    const found = PostgresServer.shared('several gateways on one database');
    if (!found) this.skip();
    server = found;
  });
  beforeEach(async () => {
    url = await server.create();
    await (await openPostgresStore(url, () => {})).close();
    log.length = 0;
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });
  const lease = (name: string): Lease => {
    const made = new Lease(url, name, (line) => log.push(line));
    closers.push(() => made.close());
    return made;
  };
  const store = async (under: Lease): Promise<Store> => {
    const opened = await openPostgresStore(url, (line) => log.push(line), { lease: under });
    closers.push(() => opened.close().catch(() => {})); // what a gateway that lost the lease has not saved stays so
    return opened;
  };
  const expire = () => server.query(url, "UPDATE reverbere_lease SET expires = clock_timestamp() - interval '1 ms'");

  it('is held by one, who can put its end off, and the others hear who that is', async () => {
    const [a, b] = [lease('a'), lease('b')];
    assert.equal(await a.take('http://a'), undefined);
    assert.deepEqual(await b.take('http://b'), { owner: 'a', address: 'http://a' });
    assert.deepEqual([a.held, b.held], [true, false]);
    assert.equal(await a.renew('http://a:2'), true);
    assert.deepEqual(await b.take('http://b'), { owner: 'a', address: 'http://a:2' });
  });

  it('of ten who ask at once is given to one', async () => {
    const all = Array.from({ length: 10 }, (_, i) => lease(`g${i}`));
    const holders = await Promise.all(all.map((one) => one.take('http://x')));
    assert.equal(holders.filter((holder) => holder === undefined).length, 1);
    assert.equal(all.filter(({ held }) => held).length, 1);
  });

  it('goes to another when it has ended, when it was given back, and at once when the program of its holder has ended', async () => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(lease);
    await a.take('http://a');
    await expire();
    assert.equal(await b.take('http://b'), undefined);
    assert.equal(await a.renew('http://a'), false);
    assert.equal(a.held, false);
    await b.release();
    assert.equal(await c.take('http://c'), undefined);
    await c.close();
    let holder = await d.take('http://d');
    // The server notices a moment later that the connection has ended.
    for (const end = Date.now() + 2000; holder && Date.now() < end; ) holder = await d.take('http://d');
    assert.equal(holder, undefined);
  });

  it('lets whoever lost it change nothing, whatever it has begun', async () => {
    const [a, b] = [lease('a'), lease('b')];
    await a.take('http://a');
    const old = await store(a);
    await old.save('devices/1', 'a');
    await old.logs.append([{ logger: 'l', kind: 'event', time: 1, body: 'a' }]);
    const arrival = { controller: 'c', kind: 0, epoch: 1, number: 1, time: 1, content: new Uint8Array(1) };
    await old.arrivals.add([arrival]);
    await expire();
    await b.take('http://b');
    await assert.rejects(old.save('devices/1', 'b'), /another gateway leads now/);
    assert.equal(a.held, false);
    await assert.rejects(old.logs.append([{ logger: 'l', kind: 'event', time: 2, body: 'b' }]), /another gateway/);
    await assert.rejects(old.logs.reported('l', 1e9), /another gateway/);
    await assert.rejects(old.logs.trim('l', 0), /another gateway/);
    await assert.rejects(old.arrivals.trim(1e9, 1e15, 0), /another gateway/);
    const present = await store(b);
    assert.equal((await present.load('devices/')).get('devices/1'), 'a');
    assert.deepEqual(
      (await present.logs.pending('l', 9)).map(({ body }) => body),
      ['a'],
    );
    assert.equal((await present.arrivals.after(0, 9)).length, 1);
    // What it has received is true whoever leads.
    await old.arrivals.add([{ ...arrival, number: 2 }]);
    assert.equal((await present.arrivals.after(0, 9)).length, 2);
  });

  it('lets a transaction be done once when its answer was lost', async () => {
    const a = lease('a');
    await a.take('http://a');
    const opened = await store(a);
    type Work = (client: { query(text: string): Promise<unknown> }) => Promise<unknown>;
    const { database } = opened as unknown as { database: { transaction(work: Work): Promise<unknown> } };
    const transaction = database.transaction.bind(database);
    let lost = 0;
    database.transaction = async (work) => {
      const result = await transaction(work);
      if (lost++ === 0) throw new Error('the connection was lost');
      return result;
    };
    await assert.rejects(opened.logs.append([{ logger: 'l', kind: 'event', time: 1, body: 1 }]), /was lost/);
    await opened.logs.append([{ logger: 'l', kind: 'event', time: 2, body: 2 }]);
    assert.deepEqual(
      (await opened.logs.pending('l', 9)).map(({ body }) => body),
      [1, 2],
    );
    assert.ok(lost >= 2);
  });

  it('keeps a second gateway with a broker of its own away, and says what to do', async () => {
    const options = { database: url, port: 0, now: Date.now, log: (line: string) => log.push(line) };
    const first = await startGateway(options);
    closers.push(() => first.close());
    await assert.rejects(startGateway(options), {
      message: /^the gateway \S+\/\d+ at http:\/\/127\.0\.0\.1:\d+ works on this database: .*need one external broker/,
    });
    await first.close();
    await (await startGateway(options)).close();
  });
});
