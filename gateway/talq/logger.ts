/** A logger at work. */
import type { LogEntry } from '../store/store.ts';
import { type LoggerConfig, profilesOf, type RecordingMode, recordingOf } from './logger-config.ts';
import { Sampled } from './sampled.ts';
import { type Choice, type Lists, Sources } from './selection.ts';
import type { Logged, Strategy } from './vendor-strategy.ts';

/** A logger as it runs. */
export interface Logger {
  /** Unique over all CMSs. */
  key: string;
  /** clientAddress of its CMS, in lower case. */
  owner: string;
  config: LoggerConfig;
  /** Who is recorded, as it was when the logger was set. */
  lists: Lists<string>;
  /** ms UTC since when this configuration holds. */
  since: number;
  /** Sequence number of the last entry of the report that was sent last: it may be at the CMS without our knowing. */
  open?: number;
  /** What the recorder remembers of it. */
  track?: Track;
}

export interface Track {
  mode: RecordingMode;
  sources: Sources;
  /** Attributes by the device's class. */
  choices: Map<string, (Choice & { strategy: Strategy })[]>;
  /** By device/function/attribute. */
  logged: Map<string, Logged>;
  /** Instants of the periodic mode. */
  sampled: Sampled;
  /** ms UTC since when what changes is news. */
  begin: number;
  /** ms UTC until when all has been recorded: before `begin`, if the gateway was away. */
  recorded: number;
  cancel?: () => void;
  /** It was told that the configuration cannot be executed. */
  invalid: boolean;
}

export type NewEntry = Pick<LogEntry, 'kind' | 'body'>;

/** @param recorded ms UTC until when it has recorded all; absent: it was not there before */
export function openTrack({ config, lists, since }: Logger, now: number, recorded = now): Track {
  const complete = Math.max(since, recorded);
  return {
    mode: recordingOf(config),
    sources: new Sources(lists),
    choices: new Map(),
    logged: new Map(),
    sampled: new Sampled(profilesOf(config), since, complete),
    begin: now,
    recorded: complete,
    invalid: false,
  };
}
