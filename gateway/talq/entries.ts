/** Entries of log reports. Source: TALQ 2.7.1 data model, LogReport and LogData. */
import type { LogEntry } from '../store/store.ts';
import type { Happening } from './feed.ts';
import { toTimestamp } from './mapping.ts';
import type { Attribute } from './schemas.ts';

export interface LogReport {
  /** Of the logger. */
  address: string;
  entries: ReportEntry[];
}
export interface ReportEntry {
  cmsRefId?: string;
  data: { type: string; srcAddress: string; timestamp: string; [member: string]: unknown };
}

/** Entries and bytes of one report at most. */
export const MOST_ENTRIES = 1000;
const MOST_BYTES = 900000;

/** @param gateway address of the gateway as the CMS knows it: the source of what belongs to no controller */
export function eventEntry(happening: Happening, gateway: string): ReportEntry {
  const { device, functionId, eventType, phase, time, attributes, info, command, state, cmsRefId } = happening;
  const address = device?.address ?? gateway;
  const head = {
    srcAddress: functionId === undefined ? address : `${address}/${functionId}`,
    timestamp: toTimestamp(time),
    eventType,
  };
  const reference = cmsRefId === undefined ? {} : { cmsRefId };
  if (command) {
    return { ...reference, data: { type: 'StateChangeEventLogData', ...head, command, ...(state ? { state } : {}) } };
  }
  const evidence = (attributes ?? []).map((one) => ({
    value: one.value,
    srcAddress: `${address}/${one.functionId}/${one.name}`,
    tag: one.name,
  }));
  return {
    ...reference,
    data: {
      type: 'EventLogData',
      ...head,
      ...(phase === 'instant' ? {} : { startEndFlag: phase === 'start' }),
      ...(info === undefined ? {} : { info: [{ description: info, lang: 'en' }] }),
      ...(evidence.length === 0 ? {} : { attributes: evidence }),
    },
  };
}

/** @param time ms UTC at which the entry is made; the measurement has a time of its own */
export function attributeEntry(source: string, name: string, value: Attribute, time: number): ReportEntry {
  const { cmsRefId } = (value.value ?? {}) as { cmsRefId?: string };
  return {
    ...(cmsRefId === undefined ? {} : { cmsRefId }),
    data: {
      type: 'AttributeLogData',
      srcAddress: source,
      timestamp: toTimestamp(time),
      attributeName: name,
      attributeValue: value,
    },
  };
}

/** @returns the report of the first entries that fit in one, at least of the first, and how many those are. */
export function toReport(address: string, entries: readonly LogEntry[]): { report: LogReport; count: number } {
  let bytes = 0;
  let count = 0;
  for (const { body } of entries.slice(0, MOST_ENTRIES)) {
    bytes += Buffer.byteLength(JSON.stringify(body)) + 1;
    if (bytes > MOST_BYTES && count > 0) break;
    count++;
  }
  return { report: { address, entries: entries.slice(0, count).map(({ body }) => body as never) }, count };
}
