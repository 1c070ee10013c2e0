/**
 * A gateway on a PostgreSQL database, which others may share. One of them leads: it serves the TALQ API and the CMSs,
 * commands lamps and takes records in order. All of them put events and samples into the database. When the leader ends, is
 * paused or cut off, another one goes on from what the database holds.
 */
import { hostname } from 'node:os';
import { connectBroker } from './broker.ts';
import { openDoor } from './door.ts';
import type { Fleet } from './fleet.ts';
import { toNotices } from './inbox.ts';
import { Intake, SHARED } from './intake.ts';
import { KeyFile } from './keys/key-file.ts';
import type { Gateway } from './main.ts';
import type { Operation } from './operate/operation.ts';
import type { GatewayOptions } from './options.ts';
import { Reader, type Seals } from './seal.ts';
import { Lease, RENEWAL } from './store/lease.ts';
import { openPostgresStore } from './store/postgres.ts';
import type { Store } from './store/store.ts';

/** ms between two looks whether this gateway still leads, or may. */
const LOOK = 500;

/** Who the gateway is at the broker. */
type Account = Pick<Parameters<typeof connectBroker>[0], 'username' | 'password' | 'ca'>;

/** Where a leader works. */
export interface Place {
  /** Its writes fail once another gateway leads. */
  store: Store;
  port: number;
  /** Whether this gateway still leads; it may be asked at any time. */
  leads(): boolean;
  /** Others keep records too; absent: the leader alone does. */
  lease?: Lease;
}

/**
 * @param account at the broker
 * @param lead starts a leader
 * @param operation sees whether it leads
 * @returns when it leads or follows. Rejects when it can do neither
 */
export async function startMember(
  options: GatewayOptions & { database: string },
  account: Account,
  lead: (place: Place) => Promise<Gateway>,
  operation?: Operation,
): Promise<Gateway> {
  const { host = '127.0.0.1', database, brokerUrl, tls, insecureHttp, log } = options;
  const owner = `${hostname()}/${process.pid}`;
  const lease = new Lease(database, owner, log);
  const closers: (() => unknown)[] = [() => lease.close()];
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer; closer = closers.pop()) await closer();
  };
  let part: Gateway | undefined;
  let term: Store | undefined;
  let leader: string | undefined;
  let leading = false;
  let closed = false;
  try {
    const shared = brokerUrl !== undefined;
    // Where nobody else is there to lead, lamps do not lose their broker because the database is away.
    const holds = (): boolean => (shared ? lease.held : !lease.lost);
    let said = '';
    const store = await openPostgresStore(database, log, { notice: shared ? toNotices : undefined });
    closers.push(() => store.close());
    operation?.follow(store);
    const keyFile = options.keysFile === undefined ? undefined : new KeyFile(options.keysFile, log);
    closers.push(() => keyFile?.close());
    const keys = keyFile?.keys ?? options.keys ?? { find: () => undefined };
    const intake = new Intake(store, new Reader(keys, store, () => performance.now()), options.now, log);
    operation?.join(() => ({ ...(leader === undefined ? {} : { leader }), kept: intake.kept }));
    const secure = tls !== undefined && !insecureHttp;
    const open = (port: number) => openDoor({ host, port, tls: secure, leader: () => leader });
    let door = await open(options.port);
    closers.push(() => door.close());
    const { port } = door;
    const address = `${secure ? 'https' : 'http'}://${reachable(host)}:${port}`;

    const begin = async (): Promise<void> => {
      leading = true;
      leader = undefined;
      await door.close();
      const began = performance.now();
      term = await openPostgresStore(database, log, { lease });
      const ours = term;
      part = await lead({
        store: ours,
        port,
        leads: () => term === ours && holds(),
        lease: shared ? lease : undefined,
      });
      log(`leads after ${Math.round(performance.now() - began)} ms`);
    };
    const end = async (): Promise<void> => {
      lease.heard = () => {};
      const [ending, ours] = [part, term];
      part = undefined;
      term = undefined;
      // What it could not save belongs to whoever leads now.
      await ending?.close().catch((error) => log(`ended as leader: ${error.message}`, 'error'));
      await ours?.close().catch(() => {});
      leading = false;
      operation?.follow(store);
    };

    const holder = await lease.take(address);
    if (holder && !shared) {
      throw new Error(
        `the gateway ${holder.owner} at ${holder.address} works on this database: several gateways on one database need ` +
          'one external broker, --broker; the broker inside a gateway is for that gateway alone',
      );
    }
    const renewing = setInterval(() => {
      if (leading) void lease.renew(address);
    }, RENEWAL);
    closers.push(() => clearInterval(renewing));
    if (holder) log(`follows the gateway ${holder.owner} at ${holder.address}`);
    leader = holder?.address;
    closers.push(async () => {
      const led = leading;
      await end();
      if (led) await lease.release();
    });
    if (!holder) await begin();
    if (shared) {
      const client = connectBroker({
        url: brokerUrl,
        ...account,
        subscriptions: SHARED,
        onMessage: (topic, payload) => {
          operation?.metrics.message(topic);
          void intake.receive(topic, payload);
        },
        onLost: () => {},
        log,
      });
      closers.push(() => client.close());
    }

    let wake: () => void = () => {};
    const pause = (): Promise<void> =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, LOOK);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    const watch = async (): Promise<void> => {
      for (await pause(); !closed; await pause()) {
        try {
          if (leading && holds()) continue;
          if (leading) {
            log('does not lead any more');
            await end();
            door = await open(port);
          }
          const other = await lease.take(address);
          if (other && other.address !== leader) log(`follows the gateway ${other.owner} at ${other.address}`);
          leader = other?.address;
          if (!other) await begin();
          said = '';
        } catch (error) {
          const line = `cannot lead: ${(error as Error).message}`;
          if (line !== said) log(line);
          said = line;
          if (!leading) continue;
          await end();
          await lease.release();
          door = await open(port).catch(() => door);
        }
      }
    };
    const watching = watch();
    closers.push(async () => {
      closed = true;
      wake();
      await watching;
    });
    return {
      url: `${address}/talq/gateway`,
      get brokerPort(): number {
        return part?.brokerPort ?? 0;
      },
      get fleet(): Fleet {
        return partOf(part).fleet;
      },
      get seals(): Seals {
        return partOf(part).seals;
      },
      tick: () => part?.tick(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @returns what leads. Throws while another gateway does */
function partOf(part: Gateway | undefined): Gateway {
  if (!part) throw new Error('this gateway follows another one');
  return part;
}

/** @returns under which name other gateways reach this one */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname();
  return host.includes(':') ? `[${host}]` : host;
}
