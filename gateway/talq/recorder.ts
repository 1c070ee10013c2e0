/** Decides what is recorded: events as they happen, attributes when they change or when a logger samples. */
import type { Clock } from '../clock.ts';
import type { Change, Fleet, Samples } from '../fleet.ts';
import type { LogEntry } from '../store/store.ts';
import { isActive } from './active-periods.ts';
import { attributeEntry, eventEntry, type ReportEntry } from './entries.ts';
import type { EventFeed, Happening } from './feed.ts';
import { SAMPLING_ACCURACY } from './instants.ts';
import { type Logger, type NewEntry, openTrack, type Track } from './logger.ts';
import { toTimestamp } from './mapping.ts';
import type { DeviceView, Model } from './model.ts';
import { recordedOf } from './recorded.ts';
import type { Reference } from './schemas.ts';
import { type Choice, choose, exceeds, selects } from './selection.ts';
import { fillsGap, isDue, isUseful, type Strategy, strategyOf } from './vendor-strategy.ts';

const LATEST = SAMPLING_ACCURACY * 1000;

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
        const device = model.byId(id);
        if (device) this.changed(device, change);
      }),
      fleet.onSamples(({ id }, samples) => {
        const device = model.byId(id);
        if (device) this.recorded(device, samples);
      }),
      model.onWrite((device, names) => this.written(device, names)),
    );
  }

  close(): void {
    for (const end of this.endings.splice(0)) end();
    for (const logger of this.options.loggers()) this.drop(logger);
  }

  /**
   * Records for a logger from now on.
   * @param recorded ms UTC until when it has recorded all; absent: it was not there before, and a sample may be due at once
   */
  add(logger: Logger, recorded?: number): void {
    const now = this.options.clock.now();
    this.drop(logger);
    logger.track = openTrack(logger, now, recorded);
    this.plan(logger, logger.track, recorded === undefined ? logger.since - 1 : now);
  }

  drop(logger: Logger): void {
    logger.track?.cancel?.();
    logger.track = undefined;
  }

  /** @returns what the logger's content is now; nothing for a logger of events, or one without content. */
  snapshot(logger: Logger): ReportEntry[] {
    const { track } = logger;
    // Everything about everybody is what GET /devices is for.
    if (!track || track.mode.type === 'EventRecordingMode' || !track.mode.content) return [];
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
      if (!selects(track.mode.sourceEvents, (name) => name.toLowerCase() === eventType.toLowerCase())) continue;
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

  private changed(device: DeviceView, change: Change): void {
    for (const logger of this.options.loggers()) {
      const { track } = logger;
      if (track?.mode.type === 'VendorRecordingMode') this.follow(logger, track, device, change);
      else if (track?.mode.type === 'PeriodicRecordingMode' && change === 'report') this.catchUp(logger, track, device);
    }
  }

  private written(device: DeviceView, names: string[]): void {
    if (names.length === 0) return;
    for (const logger of this.options.loggers()) {
      if (logger.track?.mode.type === 'VendorRecordingMode') this.follow(logger, logger.track, device, names);
    }
  }

  /** @param change what the controller has said, or the attributes that were written, as `function/attribute` */
  private follow(logger: Logger, track: Track, device: DeviceView, change: Change | string[]): void {
    const model = this.options.modelOf(logger.owner);
    const seen = device.controller ? device : model.gatewayDevice();
    const names = typeof change === 'string' ? undefined : change;
    const entries: NewEntry[] = [];
    for (const { spec, attribute, strategy } of this.choicesOf(track, seen)) {
      // A report says nothing of what is configured.
      if (change === 'report' && attribute.scope === 'configuration') continue;
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
      track.logged.set(key, { value: structuredClone(value), time, before: before?.time });
      entries.push(this.entry(model, seen, { spec, attribute }));
    }
    if (entries.length > 0) this.options.keep(logger, entries);
  }

  private plan(logger: Logger, track: Track, after: number): void {
    const { clock } = this.options;
    const next = track.sampled.next(after);
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
      if (track.sampled.has(device.address, instant)) continue;
      entries.push(...this.take(logger, track, device, instant, instant));
    }
    if (entries.length > 0) this.options.keep(logger, entries);
  }

  /** A controller tells what it measured while it was away: what belongs to an instant of the logger is its sample. */
  private catchUp(logger: Logger, track: Track, device: DeviceView): void {
    const time = device.controller?.state?.time;
    if (time === undefined) return;
    const instant = track.sampled.missing(device.address, time);
    if (instant === undefined) return;
    const entries = this.take(logger, track, device, instant, time);
    if (entries.length > 0) this.options.keep(logger, entries);
  }

  private take(logger: Logger, track: Track, device: DeviceView, instant: number, time: number): NewEntry[] {
    if (!this.active(logger, track, device, time)) return [];
    const model = this.options.modelOf(logger.owner);
    track.sampled.mark(device.address, instant);
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

  /** A controller tells what it recorded by itself, maybe long ago: what is missing of it is taken. */
  private recorded(device: DeviceView, { start, period, columns, instants }: Samples): void {
    const { birth } = device.controller ?? {};
    if (!birth) return;
    const attributes = columns.map((column) => recordedOf(birth, column));
    for (const logger of this.options.loggers()) {
      const { track } = logger;
      if (!track || track.mode.type === 'EventRecordingMode' || track.sources.excludes(device.address)) continue;
      const entries = instants.flatMap((values, i) => {
        const time = start + i * period;
        const known = values.flatMap((steps, column) =>
          steps === null
            ? []
            : attributes[column].map(({ functionId, name, toValue }) => ({ functionId, name, value: toValue(steps) })),
        );
        return this.fill(logger, track, device, time, known);
      });
      if (entries.length > 0) this.options.keep(logger, entries);
    }
  }

  private fill(
    logger: Logger,
    track: Track,
    device: DeviceView,
    time: number,
    known: { functionId: string; name: string; value: unknown }[],
  ): NewEntry[] {
    const periodic = track.mode.type === 'PeriodicRecordingMode';
    const instant = periodic ? track.sampled.missing(device.address, time) : undefined;
    if (periodic && instant === undefined) return [];
    if (time < track.recorded || !this.active(logger, track, device, time)) return [];
    const entries = this.choicesOf(track, device).flatMap(({ spec, attribute, strategy, threshold }) => {
      const one = known.find(({ functionId, name }) => functionId === spec.id && name === attribute.name);
      if (!one) return [];
      const { value } = one;
      const key = `${device.address}/${spec.id}/${attribute.name}`;
      const last = track.logged.get(key);
      if (!periodic) {
        const gap = last !== undefined && fillsGap(strategy, last, time);
        if (!gap && !isDue(strategy, last, { value, time })) return [];
        if (gap) track.logged.set(key, { ...last, before: time });
        else track.logged.set(key, { value, time, before: last?.time });
      } else if (threshold !== undefined && last && !exceeds(last.value, value, threshold)) return [];
      const told = { type: attribute.type, value, timestamp: toTimestamp(time) };
      const body = attributeEntry(`${device.address}/${spec.id}`, attribute.name, told, this.options.clock.now());
      return [{ kind: 'attribute' as const, body: body as unknown as LogEntry['body'] }];
    });
    if (instant !== undefined && entries.length > 0) track.sampled.mark(device.address, instant);
    return entries;
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
    if (track.sources.whole) return known;
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
