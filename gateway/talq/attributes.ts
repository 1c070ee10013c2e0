/** How an attribute of a function is described: what it holds, who writes it, and what a write does. */
import type { Counter } from '../../firmware/link/messages.ts';
import type { AttributeDesc } from './schemas.ts';
import type { TypeResource } from './types.ts';

export type Scope = 'configuration' | 'operational' | 'measurement' | 'event';

export interface AttributeSpec extends AttributeDesc {
  type: string;
  scope: Scope;
  /**
   * What a write does. 'kept': the gateway stores it; 'override': it commands the lamp; 'default': it sets the lamp's
   * default level; 'assign': it assigns a calendar; 'refer': it assigns a type; 'counter': it sets a counter; absent:
   * accepted without effect, as for every read-only attribute.
   */
  write?: 'kept' | 'override' | 'default' | 'assign' | 'refer' | 'counter';
  /** The counter that a write sets. */
  counter?: Counter;
  /** The event's type, where it is spelled otherwise than its status attribute. */
  eventType?: string;
  /** The kind of type whose address it holds. */
  refers?: TypeResource;
}

/** Configuration that a CMS writes and the gateway keeps. */
export const kept = (name: string, type = 'AttributeString', more: Partial<AttributeSpec> = {}): AttributeSpec => ({
  name,
  type,
  scope: 'configuration',
  write: 'kept',
  ...more,
});

/** The address of a type. */
export const refers = (name: string, resource: TypeResource): AttributeSpec => ({
  name,
  type: 'AttributeString',
  scope: 'configuration',
  write: 'refer',
  refers: resource,
});

/** Configuration that nobody writes. */
export const factory = (name: string, type = 'AttributeString'): AttributeSpec => ({
  name,
  type,
  scope: 'configuration',
  readOnly: true,
});

export const measured = (name: string, type = 'AttributeFloat', unit?: string): AttributeSpec => ({
  name,
  type,
  scope: 'measurement',
  readOnly: true,
  ...(unit === undefined ? {} : { unit }),
});

/** A condition that lasts, or an instant; its name is that of the event, but for its spelling. */
export const event = (name: string, eventType = name): AttributeSpec => ({
  name,
  type: 'AttributeBoolean',
  scope: 'event',
  readOnly: true,
  ...(eventType === name ? {} : { eventType }),
});
