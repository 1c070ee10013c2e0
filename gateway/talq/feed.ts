/** What happens in the field and in the gateway: everything that notices something tells it here, loggers listen. */
import type { DeviceView } from './model.ts';
import type { Attribute, Command, State } from './schemas.ts';

/** A value that was measured together with an event. */
export interface Evidence {
  functionId: string;
  name: string;
  value: Attribute;
}

/** One event. Source: TALQ 2.7.1 data model, EventLogData and StateChangeEventLogData. */
export interface Happening {
  /** Absent: the gateway itself. */
  device?: DeviceView;
  functionId?: string;
  /** TALQ's name of the event. */
  eventType: string;
  /** Start and end of something that lasts, or an instant. */
  phase: 'start' | 'end' | 'instant';
  /** ms UTC at which it happened. */
  time: number;
  attributes?: Evidence[];
  /** For people. */
  info?: string;
  /** Of a change of light: what caused it, and the state reached, if that is another one. */
  command?: Command;
  state?: State;
  /** Token of the command or assignment that caused it. */
  cmsRefId?: string;
  /** Only this CMS hears of it, by its clientAddress in lower case. Absent: all of them. */
  owner?: string;
}

export class EventFeed {
  private readonly listeners = new Set<(happening: Happening) => void>();

  /** @returns a function that ends it */
  listen(listener: (happening: Happening) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(happening: Happening): void {
    for (const listener of [...this.listeners]) listener(happening);
  }
}
