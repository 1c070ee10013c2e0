/**
 * Who may say and hear what at a broker: one table for the gateway's own broker and for mosquitto's files. Whoever steals
 * a controller can speak for that one alone.
 */
import { COMMAND_GROUP_ROOT, GROUP_ROOT, Leaf, TOPIC_ROOT } from '../../firmware/link/messages.ts';

/** The gateway's own account; no controller can be called so, because an id has no underscore. */
export const GATEWAY_USER = 'reverbere_gateway';

export type Right = 'read' | 'write' | 'readwrite';
/** What an account may do with the topics of a filter; `%u` in it stands for the account's name. */
export type Rule = readonly [Right, string];

const UP = [Leaf.Birth, Leaf.Link, Leaf.Report, Leaf.Ack, Leaf.Event, Leaf.Log, Leaf.Ask];
const DOWN = [Leaf.Command, Leaf.Time, Leaf.Got];
/** What the gateway clears when it forgets a controller. */
const RETAINED = [Leaf.Birth, Leaf.Link];

/** Of every controller. */
export const CONTROLLER_RULES: readonly Rule[] = [
  ...UP.map((leaf): Rule => ['write', `${TOPIC_ROOT}/%u/${leaf}`]),
  ...DOWN.map((leaf): Rule => ['read', `${TOPIC_ROOT}/%u/${leaf}`]),
  ['read', `${COMMAND_GROUP_ROOT}/#`],
];

export const GATEWAY_RULES: readonly Rule[] = [
  ...UP.map((leaf): Rule => [RETAINED.includes(leaf) ? 'readwrite' : 'read', `${TOPIC_ROOT}/+/${leaf}`]),
  ...DOWN.map((leaf): Rule => ['write', `${TOPIC_ROOT}/+/${leaf}`]),
  ['write', `${COMMAND_GROUP_ROOT}/#`],
];

/** @returns what a controller may do besides, as a neighbour among those of its group */
export const groupRules = (group: string | undefined): readonly Rule[] =>
  group === undefined ? [] : [['readwrite', `${GROUP_ROOT}/${group}`]];

/** @returns the rules of a controller's account, or of the gateway's, with its name in place */
export function rulesOf(user: string, group?: string): readonly Rule[] {
  if (user === GATEWAY_USER) return GATEWAY_RULES;
  return [...CONTROLLER_RULES, ...groupRules(group)].map(([right, filter]) => [right, filter.replace('%u', user)]);
}

/** @param topic without wildcards */
export const mayPublish = (rules: readonly Rule[], topic: string): boolean =>
  !/[+#]/.test(topic) && rules.some(([right, filter]) => right !== 'read' && covers(filter, topic));

/** @param filter may have wildcards: then all it matches must be allowed */
export const maySubscribe = (rules: readonly Rule[], filter: string): boolean =>
  rules.some(([right, allowed]) => right !== 'write' && covers(allowed, filter));

/** @returns whether every topic that `filter` matches is one of `allowed`. Source: MQTT 3.1.1 §4.7. */
function covers(allowed: string, filter: string): boolean {
  const levels = filter.split('/');
  const all = allowed.split('/');
  for (const [i, level] of all.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || levels[i] === '#') return false;
    if (level !== '+' && level !== levels[i]) return false;
  }
  return all.length === levels.length;
}
