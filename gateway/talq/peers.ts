/** The CMSs of this gateway, each behind its own clientAddress; one never meets what belongs to another. */
import type { Clock } from '../clock.ts';
import type { ClientCertificate } from '../tls/client-certificate.ts';
import { Answers } from './answers.ts';
import { Budget } from './budget.ts';
import type { DeviceView, Model } from './model.ts';

/** A CMS as the API sees it. */
export interface Peer {
  /** The devices as this CMS sees them. */
  readonly model: Model;
  /** What it was answered before. */
  readonly answers: Answers;
  /** How much of the gateway it may use at once. */
  readonly budget: Budget;
  /** The gateway is being attached to it: only `early` routes answer. */
  readonly attaching: boolean;
  /** @returns whether the holder of the certificate may call under this clientAddress */
  admits(certificate: ClientCertificate): boolean;
  /** The CMS has configured the gateway's device. */
  configured(): void;
  /**
   * These devices have done what request `origin` wanted, after it was answered with 202.
   * @returns a promise that the CMS knows
   */
  completed(devices: DeviceView[], origin: string): Promise<void>;
  /** The CMS made these devices itself, so it need not be told of them. */
  created(devices: DeviceView[]): Promise<void>;
  /** The CMS deleted this device itself. */
  deleted(address: string): Promise<void>;
  /** @returns what the CMS says of a data package that it offers; undefined when it says nothing */
  offered(packageId: string): Promise<unknown>;
  /** The CMS deletes the gateway: everything of that CMS is forgotten and it is attached anew. */
  erase(): Promise<void>;
}

/** Who may call. */
export interface Callers {
  /** @param clientAddress in lower case. @returns undefined: a stranger */
  find(clientAddress: string): Peer | undefined;
}

/** Open test mode: whoever calls is the CMS. @param erase forgets what any of them left */
export function anyone(model: Model, clock: Clock, erase: () => Promise<void>): Callers {
  const peer: Peer = {
    model,
    answers: new Answers(clock),
    budget: new Budget(),
    attaching: false,
    admits: () => true,
    configured: () => {},
    completed: async () => {},
    created: async () => {},
    deleted: async () => {},
    offered: async () => undefined,
    erase,
  };
  return { find: () => peer };
}

/** A connection as the others see it. */
interface Connection extends Peer {
  knows(clientAddress: string): boolean;
  /** Another CMS was attached after this one. */
  joined(): void;
}

export class Peers<C extends Connection> implements Callers {
  readonly connections: C[] = [];

  find(clientAddress: string): C | undefined {
    return this.connections.find((one) => one.knows(clientAddress));
  }

  /** A CMS has been attached: those that were before it hear of it. Source: TALQ 2.7.1 §5.1. */
  attached(newcomer: C): void {
    for (const one of this.connections) if (one !== newcomer && !one.attaching) one.joined();
  }
}
