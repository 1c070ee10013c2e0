/**
 * A process that saves records and appends to logs for ever, several at once, and says on its output which of them were
 * acknowledged; its test kills it. Words: kind of store, where it is, name of this writer.
 */
import { writeSync } from 'node:fs';
import { openStore } from '../../../gateway/store/open.ts';

const LANES = 4;
const [kind, where, name] = process.argv.slice(2);

async function write(): Promise<void> {
  const store = await openStore(kind === 'sqlite' ? { dataDirectory: where } : { database: where }, () => {});
  for (let lane = 0; lane < LANES; lane++) void writeLane(lane);

  async function writeLane(lane: number): Promise<void> {
    const own = `${name}/${lane}`;
    for (let i = 1; ; i++) {
      // Both halves in one transaction.
      const halves = [store.save(`${own}/a`, i), store.save(`${own}/b`, { i, filling: 'x'.repeat(2000) })];
      const told = ['a', 'b'].map((controller) => arrival(`${own}/${controller}`, i));
      const log = store.logs.append([entry(own, i), entry('all', i)]);
      await Promise.all([...halves, log, store.arrivals.add(told)]);
      writeSync(1, `${own} ${i}\n`);
    }
  }

  function arrival(controller: string, number: number) {
    return { controller, kind: 0, epoch: 1, number, time: number, content: new Uint8Array([number & 255]) };
  }

  function entry(logger: string, i: number) {
    return { logger, kind: 'event' as const, time: i, body: `${name} ${i}` };
  }
}

void write();
