/** Lives the lamps that it is told, one after the other, in a process of its own. */
import { live } from './healthy.ts';

const [days, ...lamps] = process.argv.slice(2).map(Number);
for (const index of lamps) process.send?.(await live(index, days));
process.disconnect();
