/**
 * Keeps every controller's configuration right: one document of default level, timetable, monitoring document and groups.
 * Others say which part a controller should have; here it is known what it has, and the one command that is on its way. A
 * birth tells the check value of what the controller has: one that agrees is told nothing, any other gets the whole.
 */

import { crc32 } from 'node:zlib';
import {
  CommandKind,
  ConfigurationItem,
  LONGEST_CONFIGURATION,
  OWN_LEVEL,
  OWN_PART,
} from '../firmware/link/messages.ts';
import type { Clock } from './clock.ts';
import type { Controller, Fleet, Outcome } from './fleet.ts';
import type { Log } from './log.ts';
import type { Birth, FieldCommand } from './wire.ts';

/** What a configuration says; what is absent is the product's own. */
export interface Parts {
  /** % without program, clock or link */
  level?: number;
  /** Empty: none. */
  timetable?: Uint8Array;
  monitoring?: Uint8Array;
  /** Record of groups with their keys, see `GROUP`. */
  groups?: Uint8Array;
}
export type PartName = keyof Parts;

/** In the order of `ConfigurationPart`. */
const BYTES = ['timetable', 'monitoring', 'groups'] as const;
const NAMES: readonly PartName[] = ['level', ...BYTES];
/** What has to go when a document is too long, the first one first. */
const DISPENSABLE = ['monitoring', 'timetable', 'groups'] as const;
const ANOTHER = 'has another configuration than it should have, and is sent the whole';
/** ms before the second attempt at a controller that cannot be brought to agree; doubled each time up to the longest. */
const FIRST_WAIT = 5000;
const LONGEST_WAIT = 3600000;

/** @returns the check value of a configuration, see `ConfigurationItem` */
export function checkOf(version: number, parts: Parts): number {
  const bytes = Buffer.alloc(ConfigurationItem.Size);
  bytes.writeUInt32BE(version, ConfigurationItem.Version);
  bytes[ConfigurationItem.Level] = parts.level ?? OWN_LEVEL;
  BYTES.forEach((name, i) => {
    const at = ConfigurationItem.Parts + i * ConfigurationItem.PartSize;
    const part = parts[name];
    bytes.writeUInt16BE(part?.length ?? OWN_PART, at);
    bytes.writeUInt32BE(part ? crc32(part) : 0, at + 2);
  });
  return crc32(bytes);
}

/** What somebody wants a part to be, until it is known what became of it. */
interface Want {
  value: Parts[PartName];
  outcome: Promise<Outcome>;
  /** Undefined: it was told what became of it. */
  settle: ((outcome: Outcome) => void) | undefined;
}

/** A command on its way. */
interface Sending {
  version: number;
  /** What results. */
  parts: Parts;
  /** What it carries. */
  carried: readonly PartName[];
}

interface State {
  readonly controller: Controller;
  readonly wants: Map<PartName, Want>;
  /** What the controller would not take, and how it said so. */
  readonly refused: Map<PartName, { value: Parts[PartName]; outcome: Outcome }>;
  /** Parts for which there is no room beside the others. */
  readonly excess: Set<PartName>;
  /** The birth that was last looked at. */
  birth: Birth | undefined;
  /** What the controller has, as far as it has said or acknowledged so; undefined: nobody knows. */
  given: Parts | undefined;
  /** The highest version that is known. */
  version: number;
  sending: Sending | undefined;
  /** Parts that it may have taken meanwhile from commands that were given up for later ones. */
  readonly unsure: Set<PartName>;
  /** A command of several parts was refused: they go one by one, so that it is known which one is to blame. */
  single: boolean;
  /** Attempts in a row that did not bring agreement, and ms UTC before which there is no other. */
  failures: number;
  notBefore: number;
}

export class Configurations {
  /** It turned out that a controller does not have what it was given. */
  lost: (id: string) => void = () => {};
  private readonly states = new Map<string, State>();
  private readonly due = new Set<string>();
  /** Those whose births have come; what is known from before a restart may have changed meanwhile. */
  private readonly born = new WeakSet<Controller>();

  constructor(
    private readonly fleet: Fleet,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    fleet.onChange((controller, change) => {
      if (change === 'birth') this.born.add(controller);
      if (change === 'birth' || change === 'link') this.soon(controller.id);
    });
  }

  /**
   * Says what a part of a controller's configuration should be; the promise may take as long as the controller is away.
   * @param value undefined: the product's own
   * @param again also if the controller has refused the same
   * @returns 'done' when the controller has it; 'superseded' when something else was wanted before
   */
  want<Name extends PartName>(id: string, name: Name, value: Parts[Name], again = false): Promise<Outcome> {
    const state = this.stateOf(id);
    if (!state) return Promise.resolve('superseded');
    if (again) state.refused.delete(name);
    const before = state.wants.get(name);
    if (before?.settle && isSame(before.value, value)) return before.outcome;
    before?.settle?.('superseded');
    let settle: Want['settle'];
    const outcome = new Promise<Outcome>((resolve) => {
      settle = resolve;
    });
    state.wants.set(name, { value, outcome, settle });
    this.soon(id);
    return outcome;
  }

  private stateOf(id: string): State | undefined {
    const controller = this.fleet.controllers.get(id);
    const known = this.states.get(id);
    if (known && known.controller === controller) return known;
    // The device was removed, and perhaps made anew.
    if (known) this.drop(id, known);
    if (!controller) return undefined;
    const state: State = {
      controller,
      wants: new Map(),
      refused: new Map(),
      excess: new Set(),
      birth: undefined,
      given: undefined,
      version: 0,
      sending: undefined,
      unsure: new Set(),
      single: false,
      failures: 0,
      notBefore: 0,
    };
    this.states.set(id, state);
    return state;
  }

  private drop(id: string, state: State): void {
    if (this.states.get(id) === state) this.states.delete(id);
    for (const want of state.wants.values()) settle(want, 'superseded');
  }

  /** Parts that are wanted at once travel together, and a birth is looked at when everybody has said what they want. */
  private soon(id: string): void {
    if (this.due.has(id)) return;
    this.due.add(id);
    setImmediate(() => {
      this.due.delete(id);
      const state = this.stateOf(id);
      if (state) this.look(id, state);
    });
  }

  private look(id: string, state: State): void {
    const { controller, wants } = state;
    // Before everybody has said what they want, and without any birth, nobody knows what is missing.
    if (!this.born.has(controller) || NAMES.some((name) => !wants.has(name))) return;
    if (state.birth !== controller.birth) this.hear(id, state, controller.birth);
    const target = this.target(id, state);
    const { given, sending, unsure } = state;
    const differs = NAMES.filter((name) => !given || unsure.has(name) || !isSame(given[name], target[name]));
    if (differs.length === 0) state.single = false;
    for (const name of NAMES) {
      const want = wants.get(name) as Want;
      const refused = state.refused.get(name);
      if (!differs.includes(name) && isSame(target[name], want.value)) settle(want, 'done');
      else if (refused && isSame(refused.value, want.value)) settle(want, refused.outcome);
      else if (state.excess.has(name)) settle(want, 'tooLarge');
    }
    // One that waits for its controller gives way to what is wanted now.
    if (differs.length === 0 || (!controller.online && !sending)) return;
    const next = this.next(state, target, differs);
    if (sending && NAMES.every((name) => isSame(sending.parts[name], next.parts[name]))) return;
    const now = this.clock.now();
    if (now < state.notBefore) return;
    this.send(id, state, next);
  }

  /** Learns from a birth what the controller has. */
  private hear(id: string, state: State, birth: Birth): void {
    const { given, sending, version, birth: before } = state;
    const again = before?.session !== undefined && before.session === birth.session;
    state.birth = birth;
    // What it could not take before, another boot may.
    if (!again) state.refused.clear();
    state.unsure.clear();
    const told = birth.configuration;
    const candidates: Parts[] = [];
    if (!told) state.given = {};
    else {
      if (given) candidates.push(given);
      if (sending) candidates.push(sending.parts);
      candidates.push(this.target(id, state));
      state.given = candidates.find((parts) => checkOf(told[0], parts) === told[1]);
      state.version = Math.max(version, told[0]);
    }
    if (sending) for (const name of sending.carried) state.unsure.add(name);
    const known = state.given;
    const kept = known && NAMES.every((name) => isSame(known[name], given?.[name]));
    if (kept || (known && told)) return;
    this.lost(id);
    if (given || (told && !before)) this.log(`${id} ${ANOTHER}`, 'warning');
  }

  /** @returns what a controller should have: what is wanted, but for what it would not take */
  private target(id: string, state: State): Parts {
    const target: Parts = {};
    for (const name of NAMES) {
      const value = state.wants.get(name)?.value;
      const refused = state.refused.get(name);
      const taken = refused && isSame(refused.value, value) ? state.given?.[name] : value;
      if (taken !== undefined) Object.assign(target, { [name]: taken });
    }
    const before = new Set(state.excess);
    state.excess.clear();
    for (const name of DISPENSABLE) {
      const length = BYTES.reduce((sum, one) => sum + (target[one]?.length ?? 0), 0);
      if (length <= LONGEST_CONFIGURATION) break;
      if (!before.has(name))
        this.log(`${id} gets no ${name}: ${length} bytes of configuration are too many`, 'warning');
      state.excess.add(name);
      delete target[name];
    }
    return target;
  }

  /** @param differs what the controller has otherwise than in `target`, or may have. @returns what to send it next */
  private next(state: State, target: Parts, differs: PartName[]): Omit<Sending, 'version'> {
    const { given } = state;
    if (!state.single) return { parts: target, carried: given ? differs : NAMES };
    const parts: Parts = { ...given };
    const one = differs.find((name) => !isSame(target[name], parts[name])) ?? differs[0];
    delete parts[one];
    if (target[one] !== undefined) Object.assign(parts, { [one]: target[one] });
    return { parts, carried: given ? [one] : NAMES };
  }

  private send(id: string, state: State, next: Omit<Sending, 'version'>): void {
    const version = Math.max(state.version + 1, Math.floor(this.clock.now() / 1000));
    const sending: Sending = { ...next, version };
    state.version = version;
    state.sending = sending;
    for (const name of next.carried) state.unsure.add(name);
    const command: FieldCommand = { kind: CommandKind.Configuration, version, check: checkOf(version, next.parts) };
    for (const name of next.carried) Object.assign(command, { [name]: next.parts[name] ?? null });
    void this.fleet.submit(id, command).then((outcome) => this.ended(id, state, sending, outcome));
  }

  private ended(id: string, state: State, sending: Sending, outcome: Outcome): void {
    // A later one has taken its place.
    if (state.sending !== sending) return;
    state.sending = undefined;
    if (outcome === 'superseded') {
      this.drop(id, state);
      return;
    }
    state.unsure.clear();
    const { parts, carried } = sending;
    const suspects = carried.filter((name) => parts[name] !== undefined);
    if (outcome === 'done') {
      state.given = parts;
      state.failures = state.notBefore = 0;
    } else if (outcome === 'drift' || suspects.length === 0) {
      if (outcome === 'drift') {
        this.lost(id);
        if (state.given) this.log(`${id} ${ANOTHER}`, 'warning');
      }
      state.given = undefined;
      this.wait(id, state);
    } else if (suspects.length === 1) {
      state.refused.set(suspects[0], { value: parts[suspects[0]], outcome });
    } else state.single = true;
    this.soon(id);
  }

  /** The first other attempt comes at once: with the whole document. */
  private wait(id: string, state: State): void {
    state.failures++;
    if (state.failures === 1) return;
    const delay = Math.min(FIRST_WAIT * 2 ** (state.failures - 2), LONGEST_WAIT);
    state.notBefore = this.clock.now() + delay;
    this.clock.after(delay, () => this.soon(id));
    this.log(`${id} cannot be brought to its configuration, for the ${state.failures}. time in a row`, 'warning');
  }
}

function settle(want: Want, outcome: Outcome): void {
  want.settle?.(outcome);
  want.settle = undefined;
}

function isSame(a: Parts[PartName], b: Parts[PartName]): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return a === b;
}
