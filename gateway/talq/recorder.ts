/** Decides what is recorded: events as they happen, attributes when they change or when a logger samples. */
import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet.ts';
import type { LogEntry } from '../store/store.ts';
import { isActive } from './active-periods.ts';
import { attributeEntry, eventEntry, type ReportEntry } from './entries.ts';
import type { EventFeed, Happening } from './feed.ts';
import { lastSample, nextSample, type Profile, SAMPLING_ACCURACY } from './instants.ts';
import { type LoggerConfig, profilesOf, type RecordingMode, recordingOf } from './logger-config.ts';
import type { DeviceView, Model } from './model.ts';
import type { Reference } from './schemas.ts';
import { type Choice, choose, type Lists, Sources, selects } from './selection.ts';
import { isDue, isUseful, type Logged, type Strategy, strategyOf } from './vendor-strategy.ts';

const LATEST = SAMPLING_ACCURACY * 1000;

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

interface Track {
  mode: RecordingMode;
  sources: Sources;
  profiles: Profile[];
  /** Attributes by the device's class. */
  choices: Map<string, (Choice & { strategy: Strategy })[]>;
  /** By device/function/attribute. */
  logged: Map<string, Logged>;
  /** ms UTC of the instant whose sample a device has, by its address. */
  sampled: Map<string, number>;
  /** ms UTC since when what changes is news. */
  begin: number;
  cancel?: () => void;
  /** It was told that the configuration cannot be executed. */
  invalid: boolean;
}

export type NewEntry = Pick<LogEntry, 'kind' | 'body'>;

export class Recorder {
  private readonly endings: (() => void)[] = [];

  constructor(
    private readonly options: {
      fleet: Fleet;
      feed: EventFeed;
      clock: Clock;
      model: Model;
      /** @returns the devices as a CMS sees them */
      modelOf(owner: string): Model;
      loggers(): Iterable<Logger>;
      /** Keeps entries of a logger. */
      keep(logger: Logger, entries: NewEntry[]): void;
    },
  ) {}

  start(): void {
    const { fleet, feed, model } = this.options;
    this.endings.push(
      feed.listen((happening) => this.happened(happening)),
      fleet.onChange(({ id }, change) => {
        const device = change === 'birth' || change === 'report' ? model.byId(id) : undefined;
        if (device) this.measured(device);
      }),
      model.onWrite((device, names) => this.written(device, names)),
    );
  }

  close(): void {
    for (const end of this.endings.splice(0)) end();
    for (const logger of this.options.loggers()) this.drop(logger);
  }

  /** Records for a logger from now on. @param fresh it was not there before: a single sample that is due is taken at once */
  add(logger: Logger, fresh: boolean): void {
    const now = this.options.clock.now();
    this.drop(logger);
    logger.track = {
      mode: recordingOf(logger.config),
      sources: new Sources(logger.lists),
      profiles: profilesOf(logger.config),
      choices: new Map(),
      logged: new Map(),
      sampled: new Map(),
      begin: now,
      invalid: false,
    };
    this.plan(logger, logger.track, fresh ? logger.since - 1 : now);
  }

  drop(logger: Logger): void {
    logger.track?.cancel?.();
    logger.track = undefined;
  }

  /** @returns what the logger would record of all attributes now; nothing for a logger of events. */
  snapshot(logger: Logger): ReportEntry[] {
    const { track } = logger;
    if (!track || track.mode.type === 'EventRecordingMode') return [];
    const model = this.options.modelOf(logger.owner);
    return model.devices().flatMap((device) =>
      this.choicesOf(track, device).flatMap(({ spec, attribute }) => {
        const value = model.toAttribute(device, spec, attribute);
        if (value.timestamp === undefined) return [];
        return [attributeEntry(`${device.address}/${spec.id}`, attribute.name, value, this.options.clock.now())];
      }),
    );
  }

  /** @returns the loggers that record the event. */
  happened(happening: Happening): Logger[] {
    const { device, functionId, eventType, time, owner } = happening;
    const takers: Logger[] = [];
    for (const logger of this.options.loggers()) {
      const { track } = logger;
      if (track?.mode.type !== 'EventRecordingMode' || (owner !== undefined && owner !== logger.owner)) continue;
      const named = (name: string): boolean => name.toLowerCase() === eventType.toLowerCase();
      if (!selects(track.mode.sourceEvents, named)) continue;
      const gateway = this.options.modelOf(logger.owner).gatewayDevice();
      const source = device ?? gateway;
      if (!track.sources.has(source.address, functionId, eventType)) continue;
      if (!this.active(logger, track, source, time)) continue;
      const body = eventEntry(happening, gateway.address) as unknown as LogEntry['body'];
      this.options.keep(logger, [{ kind: 'event', body }]);
      takers.push(logger);
    }
    return takers;
  }

  /** A controller has said something. */
  private measured(device: DeviceView): void {
    for (const logger of this.options.loggers()) {
      const { track } = logger;
      if (track?.mode.type === 'VendorRecordingMode') this.follow(logger, track, device, undefined);
      else if (track?.mode.type === 'PeriodicRecordingMode') this.catchUp(logger, track, device);
    }
  }

  private written(device: DeviceView, names: string[]): void {
    if (names.length === 0) return;
    for (const logger of this.options.loggers()) {
      if (logger.track?.mode.type === 'VendorRecordingMode') this.follow(logger, logger.track, device, names);
    }
  }

  /** @param names attributes that were written, as `function/attribute`; absent: any may have changed */
  private follow(logger: Logger, track: Track, device: DeviceView, names: string[] | undefined): void {
    const model = this.options.modelOf(logger.owner);
    const seen = device.controller ? device : model.gatewayDevice();
    const entries: NewEntry[] = [];
    for (const { spec, attribute, strategy } of this.choicesOf(track, seen)) {
      const path = `${spec.id}/${attribute.name}`;
      if (names && !names.includes(path)) continue;
      const { value, time } = model.read(seen, spec.id, attribute.name);
      if (value === undefined || time === undefined) continue;
      const key = `${seen.address}/${path}`;
      const before = track.logged.get(key);
      // What was set before the logger was there, or before the gateway started, is no news.
      const begun = attribute.scope === 'measurement' ? undefined : { value: undefined, time: track.begin };
      const news = names
        ? JSON.stringify(before?.value) !== JSON.stringify(value)
        : isDue(strategy, before ?? begun, { value, time });
      if (!news || !this.active(logger, track, seen, time)) continue;
      track.logged.set(key, { value: structuredClone(value), time });
      entries.push(this.entry(model, seen, { spec, attribute }));
    }
    if (entries.length > 0) this.options.keep(logger, entries);
  }

  private plan(logger: Logger, track: Track, after: number): void {
    const { clock } = this.options;
    const next = nextSample(track.profiles, logger.since, after);
    if (next === undefined) return;
    track.cancel = clock.after(Math.max(0, next - clock.now()), () => {
      const now = clock.now();
      // One that is far in the past was missed, and so may be others after it.
      if (now - next <= LATEST) this.sample(logger, track, next);
      this.plan(logger, track, Math.max(next, now - LATEST));
    });
  }

  private sample(logger: Logger, track: Track, instant: number): void {
    const model = this.options.modelOf(logger.owner);
    const entries: NewEntry[] = [];
    for (const device of model.devices()) {
      if (track.sources.excludes(device.address)) continue;
      // What a controller that is away would have said, it may tell later.
      if (device.controller && !device.controller.online) continue;
      if (track.sampled.get(device.address) === instant) continue;
      entries.push(...this.take(logger, track, device, instant, instant));
    }
    if (entries.length > 0) this.options.keep(logger, entries);
  }

  /** A controller tells what it measured while it was away: what belongs to an instant of the logger is its sample. */
  private catchUp(logger: Logger, track: Track, device: DeviceView): void {
    const time = device.controller?.state?.time;
    if (time === undefined) return;
    const instant = lastSample(track.profiles, Math.max(logger.since, track.begin), time);
    if (instant === undefined || time - instant > LATEST) return;
    if (instant <= (track.sampled.get(device.address) ?? 0)) return;
    const entries = this.take(logger, track, device, instant, time);
    if (entries.length > 0) this.options.keep(logger, entries);
  }

  private take(logger: Logger, track: Track, device: DeviceView, instant: number, time: number): NewEntry[] {
    if (!this.active(logger, track, device, time)) return [];
    const model = this.options.modelOf(logger.owner);
    track.sampled.set(device.address, instant);
    return this.choicesOf(track, device).flatMap((choice) => {
      const { value, time: measured } = model.read(device, choice.spec.id, choice.attribute.name);
      if (measured === undefined) return [];
      if (choice.threshold !== undefined) {
        const key = `${device.address}/${choice.spec.id}/${choice.attribute.name}`;
        const before = track.logged.get(key);
        const { threshold } = choice;
        if (before && !isDue({ threshold }, { ...before, time: measured - 1 }, { value, time: measured })) return [];
        track.logged.set(key, { value: structuredClone(value), time: measured });
      }
      return [this.entry(model, device, choice)];
    });
  }

  private entry(model: Model, device: DeviceView, { spec, attribute }: Choice): NewEntry {
    const value = model.toAttribute(device, spec, attribute);
    const source = `${device.address}/${spec.id}`;
    const body = attributeEntry(source, attribute.name, value, this.options.clock.now());
    return { kind: 'attribute', body: body as unknown as LogEntry['body'] };
  }

  private choicesOf(track: Track, device: DeviceView): (Choice & { strategy: Strategy })[] {
    if (track.sources.excludes(device.address)) return [];
    let known = track.choices.get(device.className);
    if (!known) {
      const { mode } = track;
      const content = mode.type === 'EventRecordingMode' ? [] : mode.content;
      const all = content
        ? choose(device.functions, content)
        : device.functions.flatMap((spec) =>
            spec.attributes.filter(isUseful).map((attribute): Choice => ({ spec, attribute })),
          );
      known = all.map((choice) => {
        const { threshold, attribute } = choice;
        return { ...choice, strategy: threshold === undefined ? strategyOf(attribute) : { threshold } };
      });
      track.choices.set(device.className, known);
    }
    return known.filter(({ spec, attribute }) => track.sources.has(device.address, spec.id, attribute.name));
  }

  private active(logger: Logger, track: Track, device: DeviceView, time: number): boolean {
    const periods = track.mode.activePeriods ?? [];
    if (periods.length === 0) return true;
    const model = this.options.modelOf(logger.owner);
    const value = (reference: Reference): unknown => {
      const [address, functionId, name] = reference.address.split('/');
      const found = model.find(address);
      const spec = found?.functions.find(({ id }) => id === functionId);
      if (found && spec?.attributes.some((one) => one.name === name)) return model.read(found, spec.id, name).value;
      this.complain(logger, track, reference);
      return undefined;
    };
    const zone = model.zones.posix(model.zoneOf(device));
    return isActive(periods, { zone, place: model.placeOf(device), value }, time);
  }

  /** The attribute that rules a logger's active period has gone: nothing is recorded, and the CMS hears why, once. */
  private complain(logger: Logger, track: Track, reference: Reference): void {
    if (track.invalid) return;
    track.invalid = true;
    this.options.feed.emit({
      eventType: 'invalidLoggerConfig',
      phase: 'instant',
      time: this.options.clock.now(),
      info: `logger ${logger.config.address}: there is no attribute ${reference.address}`,
      owner: logger.owner,
    });
  }
}
