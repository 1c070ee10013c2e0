/**
 * The part of the durable load that each of several gateways takes: events and samples from the broker into the database.
 * Whoever leads takes them from there, and tells the controllers.
 */

import { Leaf, RecordKind, TOPIC_ROOT } from '../firmware/link/messages.ts';
import { ID } from './keys/controller-keys.ts';
import type { Log } from './log.ts';
import type { Reader } from './seal.ts';
import type { Store } from './store/store.ts';
import { splitBatch, splitEvents } from './wire.ts';

/** What the broker gives to one gateway of the group alone. Others stay with whoever leads: it needs all of them. */
export const SHARED = [Leaf.Event, Leaf.Log].map((leaf) => `$share/reverbere/${TOPIC_ROOT}/+/${leaf}`);

/** ms for which a controller counts as known without asking the database again. */
const KNOWN = 60000;
/** ms between two lines about messages that are not taken. */
const SILENCE = 10000;

export class Intake {
  /** Messages kept since the start. */
  kept = 0;
  private readonly known = new Map<string, number>();
  private said = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly store: Store,
    private readonly reader: Reader,
    private readonly now: () => number,
    private readonly log: Log,
  ) {}

  /** Takes one message from the broker. What is not kept nobody is told of: the controller sends it again. */
  async receive(topic: string, payload: Uint8Array): Promise<void> {
    try {
      const [root, id = '', leaf] = topic.split('/');
      if (root !== TOPIC_ROOT || !ID.test(id)) throw new Error('no controller id');
      const kind = leaf === Leaf.Event ? RecordKind.Event : RecordKind.Samples;
      const opened = await this.reader.open(topic, id, payload);
      const message = kind === RecordKind.Event ? splitEvents(opened) : splitBatch(opened);
      if (message instanceof Error) throw message;
      if (!(await this.knows(id))) throw new Error('its birth has not come yet');
      const { epoch, records } = message;
      const time = this.now();
      await this.store.arrivals.add(
        records.map(({ number, content }) => ({ controller: id, kind, epoch, number, time, content })),
      );
      this.kept++;
    } catch (error) {
      const now = performance.now();
      if (now - this.said < SILENCE) return;
      this.said = now;
      this.log(`did not keep a message on ${JSON.stringify(topic)}: ${(error as Error).message}`);
    }
  }

  /** Whoever leads has seen its birth, and stored it. */
  private async knows(id: string): Promise<boolean> {
    const now = performance.now();
    if (now - (this.known.get(id) ?? Number.NEGATIVE_INFINITY) < KNOWN) return true;
    if (!(await this.store.has(`devices/${id}`))) return false;
    this.known.set(id, now);
    return true;
  }
}
