/** Configurations of loggers: schemas, defaults and checks. Source: TALQ 2.7.1 data model, LoggerConfig. */
import Type, { type Static } from 'typebox';
import { LOGGER_PERIODS } from './active-periods.ts';
import { ActivePeriod } from './control-objects.ts';
import { type Refusal, refusal } from './errors.ts';
import { exists, type Groups, type Keeper } from './groups.ts';
import { isTime, type Profile, toPeriod } from './instants.ts';
import { Reference } from './schemas.ts';
import type { Lists } from './selection.ts';

/** ms of the shortest sampling period: lamps are not measured more often. */
const SHORTEST_PERIOD = 10000;
/** s of the longest delay of an immediate report, and of the longest spread of a scheduled one. */
const LONGEST_DELAY = 86400;
const SCOPES = ['configuration', 'measurement', 'event', 'operational'];

const retries = { numberOfRetries: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })) };
const lists = <T extends Type.TSchema>(item: T) =>
  Type.Object({
    whiteList: Type.Optional(Type.Array(item, { maxItems: 100000 })),
    blackList: Type.Optional(Type.Array(item, { maxItems: 100000 })),
  });
const content = Type.Array(
  Type.Object({
    attributeScope: Type.Optional(Type.String()),
    function: Type.Object({
      functionId: Type.Optional(Type.String()),
      functionType: Type.Optional(Type.String()),
      attributes: Type.Optional(
        Type.Array(
          Type.Object({
            name: Type.String(),
            onChangeThreshold: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
          }),
          { maxItems: 1000 },
        ),
      ),
    }),
  }),
  { maxItems: 1000 },
);
const periods = { activePeriods: Type.Optional(Type.Array(ActivePeriod, { maxItems: 100 })) };

export type RecordingMode = Static<typeof RecordingMode>;
export const RecordingMode = Type.Union([
  Type.Object({ type: Type.Literal('VendorRecordingMode'), content: Type.Optional(content), ...periods }),
  Type.Object({ type: Type.Literal('EventRecordingMode'), sourceEvents: lists(Type.String()), ...periods }),
  Type.Object({
    type: Type.Literal('PeriodicRecordingMode'),
    content,
    samplingProfiles: Type.Array(
      Type.Object({
        samplingStartTime: Type.String({ format: 'date-time' }),
        samplingPeriod: Type.Optional(Type.String()),
        samplingEndTime: Type.Optional(Type.String({ format: 'date-time' })),
      }),
      { maxItems: 100 },
    ),
    ...periods,
  }),
]);

export type ReportingMode = Static<typeof ReportingMode>;
export const ReportingMode = Type.Union([
  Type.Object({
    type: Type.Literal('ImmediateReportingMode'),
    delay: Type.Integer({ minimum: 0, maximum: LONGEST_DELAY }),
    ...retries,
  }),
  Type.Object({
    type: Type.Literal('ScheduledReportingMode'),
    times: Type.Array(Type.String(), { maxItems: 1440 }),
    randomTime: Type.Optional(Type.Integer({ minimum: 0, maximum: LONGEST_DELAY })),
    ...retries,
  }),
]);

export type LoggerConfig = Static<typeof LoggerConfig>;
export const LoggerConfig = Type.Object({
  address: Type.String({ minLength: 1, maxLength: 256 }),
  ownerCMS: Type.String(),
  sourceAddresses: Type.Optional(lists(Reference)),
  recordingMode: Type.Optional(RecordingMode),
  reportingMode: Type.Optional(ReportingMode),
});

export const loggerReference = (address: string): Reference => ({ resource: 'logger-configs', address });

/** What holds where a configuration says nothing: the gateway's own choice, soon. */
export const recordingOf = ({ recordingMode }: LoggerConfig): RecordingMode =>
  recordingMode ?? { type: 'VendorRecordingMode' };
export const reportingOf = ({ reportingMode }: LoggerConfig): ReportingMode =>
  reportingMode ?? { type: 'ImmediateReportingMode', delay: 60 };

/** @returns the sampling profiles of a checked configuration; none outside the periodic mode. */
export function profilesOf(config: LoggerConfig): Profile[] {
  const mode = recordingOf(config);
  if (mode.type !== 'PeriodicRecordingMode') return [];
  return mode.samplingProfiles.map(({ samplingStartTime, samplingPeriod, samplingEndTime }) => ({
    start: Date.parse(samplingStartTime),
    ...(samplingPeriod === undefined ? {} : { period: toPeriod(samplingPeriod) }),
    ...(samplingEndTime === undefined ? {} : { end: Date.parse(samplingEndTime) }),
  }));
}

/** Throws a Refusal: 400 for what contradicts itself, 422 for what cannot be done. */
export function checkLogger(keeper: Keeper, config: LoggerConfig): void {
  const reference = loggerReference(config.address);
  if (config.ownerCMS.toLowerCase() !== keeper.owner) {
    const message = `logger ${config.address}: ownerCMS is not the clientAddress of this request.`;
    throw refusal(422, 'resourceConflict', message, reference);
  }
  const wrong = (message: string): Refusal => refusal(400, 'payloadError', message, reference);
  const excess = (message: string): Refusal => refusal(422, 'serviceConstraintExceeded', message, reference);
  const mode = recordingOf(config);
  checkAlone('recordingMode', mode, MEMBERS, wrong);
  checkAlone('reportingMode', reportingOf(config), MEMBERS, wrong);
  for (const [i, item] of (mode.type === 'EventRecordingMode' ? [] : (mode.content ?? [])).entries()) {
    const where = `recordingMode.content[${i}]`;
    if (item.function.functionId === undefined && item.function.functionType === undefined) {
      throw wrong(`${where}.function needs a functionId or a functionType.`);
    }
    if (item.attributeScope !== undefined && !SCOPES.includes(item.attributeScope.toLowerCase())) {
      throw wrong(`${where}.attributeScope is one of ${SCOPES.join(', ')}.`);
    }
  }
  for (const [i, period] of (mode.activePeriods ?? []).entries()) {
    const where = `recordingMode.activePeriods[${i}]`;
    if (!(LOGGER_PERIODS as readonly string[]).includes(period.name)) {
      throw excess(`${where}: loggers here know no ${period.name}, but ${LOGGER_PERIODS.join(', ')}.`);
    }
    if (period.name === 'ValueActivePeriod' && !isAttribute(keeper, period.reference)) {
      throw refusal(422, 'relatedResourceNotFound', `${where}: there is no such attribute.`, period.reference);
    }
  }
  if (mode.type === 'PeriodicRecordingMode') checkProfiles(mode.samplingProfiles, wrong, excess);
  const reporting = reportingOf(config);
  const bad = reporting.type === 'ScheduledReportingMode' && reporting.times.find((text) => !isTime(text));
  if (bad) throw wrong(`reportingMode.times: ${bad} is no time of day as hh:mm:ss.`);
}

/** Members that belong to one mode alone: with them in another, nobody knows which one is meant. */
const MEMBERS: Record<string, string> = {
  sourceEvents: 'EventRecordingMode',
  samplingProfiles: 'PeriodicRecordingMode',
  delay: 'ImmediateReportingMode',
  times: 'ScheduledReportingMode',
};

function checkAlone(
  name: string,
  mode: { type: string },
  members: Record<string, string>,
  wrong: (message: string) => Refusal,
): void {
  for (const [member, type] of Object.entries(members)) {
    if (member in mode && mode.type !== type)
      throw wrong(`${name}: ${member} belongs to ${type}, not to ${mode.type}.`);
  }
}

function checkProfiles(
  profiles: { samplingStartTime: string; samplingPeriod?: string; samplingEndTime?: string }[],
  wrong: (message: string) => Refusal,
  excess: (message: string) => Refusal,
): void {
  for (const [i, { samplingStartTime, samplingPeriod, samplingEndTime }] of profiles.entries()) {
    const where = `recordingMode.samplingProfiles[${i}]`;
    if (samplingPeriod !== undefined) {
      const period = toPeriod(samplingPeriod);
      if (period === undefined) throw wrong(`${where}.samplingPeriod ${samplingPeriod} is not P(nD)(T(nH)(nM)(nS)).`);
      if (period < SHORTEST_PERIOD) {
        throw excess(`${where}.samplingPeriod is at least ${SHORTEST_PERIOD / 1000} s.`);
      }
    }
    if (samplingEndTime !== undefined && Date.parse(samplingEndTime) <= Date.parse(samplingStartTime)) {
      throw refusal(422, 'payloadError', `${where} ends before it starts.`);
    }
  }
}

function isAttribute({ model }: Keeper, reference: Reference): boolean {
  return reference.address.split('/').length === 3 && exists(model, reference);
}

/**
 * @returns the sources as they are now, without groups; who joins a group later is not among them. Throws a Refusal when
 * one of them is unknown.
 */
export function snapshot(keeper: Keeper, groups: Groups, { sourceAddresses = {} }: LoggerConfig): Lists<string> {
  const resolve = (references: Reference[] | undefined): string[] | undefined =>
    references?.flatMap((reference) => {
      if (reference.resource !== 'groups' && !exists(keeper.model, reference)) {
        throw refusal(422, 'relatedResourceNotFound', 'There is no such source.', reference);
      }
      return groups.expand(keeper.owner, reference).map(({ address }) => {
        const [device, ...rest] = address.split('/');
        return [device.toLowerCase(), ...rest].join('/');
      });
    });
  return { whiteList: resolve(sourceAddresses.whiteList), blackList: resolve(sourceAddresses.blackList) };
}

/** @returns whether the configuration names the group. */
export function namesGroup({ sourceAddresses = {} }: LoggerConfig, address: string): boolean {
  const named = [...(sourceAddresses.whiteList ?? []), ...(sourceAddresses.blackList ?? [])];
  return named.some((reference) => reference.resource === 'groups' && reference.address === address);
}
