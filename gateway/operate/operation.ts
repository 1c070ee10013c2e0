/** What operators see of a gateway, from its start to its end, whether it leads meanwhile or follows. */
import type { Store } from '../store/store.ts';
import { Management, type Member, type State } from './management.ts';
import { Metrics, type Subject } from './metrics.ts';

export class Operation {
  readonly metrics: Metrics;
  /** TCP port, when it listens. */
  port = 0;
  private readonly state: State;
  private shelf: Store | undefined;
  private readonly management: Management;

  constructor(version: string) {
    this.state = { role: 'starting', version };
    this.metrics = new Metrics(
      version,
      () => this.state.subject,
      () => this.state.role === 'leader',
      () => [...new Set([this.shelf, this.state.store])].reduce((sum, one) => sum + (one?.arrivals.waiting ?? 0), 0),
    );
    this.management = new Management(this.state, this.metrics);
  }

  /** @returns when it listens. Rejects with a message for the operator */
  static async open(version: string, host: string, port: number): Promise<Operation> {
    const operation = new Operation(version);
    try {
      operation.port = await operation.management.listen(host, port);
      return operation;
    } catch (error) {
      operation.metrics.close();
      throw error;
    }
  }

  /** This is what the gateway works on from now on. */
  use(store: Store): void {
    store.observe = (seconds, failed) => this.metrics.transaction(seconds, failed);
    this.state.store = store;
  }

  /** It leads. @returns a function that ends it */
  lead(subject: Subject): () => void {
    Object.assign(this.state, { role: 'leader', subject });
    return () => {
      this.state.subject = undefined;
      if (this.state.role === 'leader') this.state.role = 'starting';
    };
  }

  /** Another gateway leads. @param store where this one puts what it takes from the broker, also while it leads itself */
  follow(store: Store): void {
    this.use(store);
    this.shelf = store;
    if (this.state.role !== 'stopping') this.state.role = 'follower';
  }

  /** It is one of several. */
  join(member: () => Member): void {
    this.state.member = member;
  }

  /** From now on load balancers shall look elsewhere. */
  stopping(): void {
    this.state.role = 'stopping';
  }

  async close(): Promise<void> {
    await this.management.close();
    this.metrics.close();
  }
}
