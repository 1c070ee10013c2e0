/**
 * Notices what changes from one report of a controller to the next, and what the CMS changes, and tells it as events.
 * What it knew is stored, so that a restart of the gateway neither loses an event nor tells one twice.
 */

import { isDeepStrictEqual } from 'node:util';
import { EventCode, ResetCode } from '../../firmware/link/messages.ts';
import type { Clock } from '../clock.ts';
import type { Change, Controller, Fleet, State as LampState } from '../fleet.ts';
import type { Log } from '../log.ts';
import type { Json, Store } from '../store/store.ts';
import { faultOf } from './events.ts';
import type { EventFeed, Evidence, Happening } from './feed.ts';
import { LAMP, LOCATION, PRESENCE } from './functions.ts';
import { toReason } from './mapping.ts';
import type { DeviceView, Model } from './model.ts';
import type { Valued } from './readings.ts';
import type { Command } from './schemas.ts';

const PREFIX = 'seen/';
/** ms after the start in which controllers may come back before they count as lost. */
const GRACE = 300000;
/** ms for which a controller may be away. */
const HOLD = 30000;
/** ms for which a lamp gives the same light until that is where it stays, whatever was commanded; a ramp may be slow. */
const SETTLED = 300000;
/** The same while protection says that it can give no more. */
const CAPPED = 60000;

/** What was last known of a controller. */
interface Seen {
  boot?: number;
  /** communicationFailure has been told. */
  lost: boolean;
  light?: Light;
  program?: string;
  /** ms UTC of the last report. */
  time?: number;
  target?: Json;
  presence?: number;
  calendar?: { owner: string; id: string; time: number; cmsRefId?: string };
  invalid?: 'invalidCalendar' | 'invalidProgram';
  /** locationChanged has been told. */
  moved?: boolean;
  /** When the events last began or ended, by `function/event`. */
  statuses: Record<string, { value: boolean; time: number }>;
}

interface Light {
  /** Who commands what. */
  key: string;
  /** % that the lamp gave, and since when as far as reports tell, ms UTC. */
  level?: number;
  at: number;
  /** The light changes: by a command, or without a new one. */
  open?: { command?: Command; time: number };
}

const RESETS: Record<number, string> = {
  [ResetCode.Power]: 'power was switched on',
  [ResetCode.Watchdog]: 'watchdog',
  [ResetCode.Software]: 'restarted by software',
  [ResetCode.Brownout]: 'supply voltage was too low',
};

export class Watch {
  private readonly seen = new Map<string, Seen>();
  private readonly endings: (() => void)[] = [];
  /** Takes the look at a controller that has just gone back. */
  private readonly holds = new Map<string, () => void>();

  constructor(
    private readonly model: Model,
    private readonly fleet: Fleet,
    private readonly feed: EventFeed,
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Takes up what was known, and watches from then on. The gateway itself has just started. */
  async start(): Promise<void> {
    for (const [key, seen] of await this.store.load(PREFIX)) {
      this.seen.set(key.slice(PREFIX.length), seen as unknown as Seen);
    }
    this.model.statusOf = (id, functionId, name): Valued => this.seen.get(id)?.statuses[`${functionId}/${name}`] ?? {};
    this.endings.push(
      this.feed.listen((happening) => this.note(happening)),
      this.fleet.onChange((controller, change) => this.changed(controller, change)),
      this.model.onWrite((device) => this.written(device)),
      this.clock.after(GRACE, () => {
        for (const controller of this.fleet.controllers.values()) if (!controller.online) this.judge(controller);
      }),
    );
    this.fleet.onRoster(() => this.tidy());
    if (this.seen.size > 0) {
      this.feed.emit({ functionId: 'basic', eventType: 'deviceReset', phase: 'instant', time: this.clock.now() });
    }
  }

  /** Watches no more; what is lost from here on is lost by closing. */
  close(): void {
    for (const end of [...this.endings.splice(0), ...this.holds.values()]) end();
    this.holds.clear();
  }

  /** Devices were deleted: what was known of them goes too. */
  private tidy(): void {
    for (const id of this.seen.keys()) {
      if (this.model.byId(id)) continue;
      this.seen.delete(id);
      this.store
        .save(`${PREFIX}${id}`, undefined)
        .catch((error) => this.log(`cannot store: ${error.message}`, 'error'));
    }
  }

  private changed(controller: Controller, change: Change): void {
    if (change === 'link') this.linked(controller);
    else if (change === 'birth') this.born(controller);
    else if (change === 'report' && controller.state) this.reported(controller, controller.state);
  }

  /** A link that breaks for a moment is no failure: a broker that restarts would raise one for every lamp. */
  private linked(controller: Controller): void {
    this.holds.get(controller.id)?.();
    this.holds.delete(controller.id);
    if (controller.online) this.judge(controller);
    else
      this.holds.set(
        controller.id,
        this.clock.after(HOLD, () => this.judge(controller)),
      );
  }

  private judge(controller: Controller): void {
    this.holds.delete(controller.id);
    const device = this.model.byId(controller.id);
    if (!device) return;
    const seen = this.of(controller);
    // What was planned and never came is not lost.
    if (device.planned || seen.lost === !controller.online) return;
    seen.lost = !controller.online;
    const phase = seen.lost ? 'start' : 'end';
    const time = controller.linkedAt;
    this.feed.emit({ device, functionId: 'communication', eventType: 'communicationFailure', phase, time });
    this.save(controller.id);
  }

  private born(controller: Controller): void {
    const device = this.model.byId(controller.id);
    if (!device) return;
    const seen = this.of(controller);
    // When it started is known with its first report.
    if (seen.boot === undefined) {
      seen.boot = controller.birth.boot;
      this.save(controller.id);
    }
    // New firmware may take the calendar: the timetables look first.
    queueMicrotask(() => this.written(device));
  }

  private reported(controller: Controller, state: LampState): void {
    const device = this.model.byId(controller.id);
    if (!device) return;
    const seen = this.of(controller);
    const before = { ...seen, light: { ...seen.light } };
    const { boot, reset, fault } = controller.birth;
    if (seen.boot !== boot) {
      if (seen.boot !== undefined) {
        const time = state.uptime === undefined ? state.time : state.time - state.uptime * 1000;
        const cause = RESETS[reset] ?? 'unknown cause';
        // What went wrong in the boot before may be why there is another one.
        const info = fault && fault[0] === boot - 1 ? `${cause}; ${faultOf(fault)}` : cause;
        this.feed.emit({ device, functionId: 'basic', eventType: 'deviceReset', phase: 'instant', time, info });
      }
      seen.boot = boot;
    }
    this.lit(device, seen, state);
    this.programmed(device, seen, state);
    this.targeted(device, seen);
    const { presence, time } = state;
    if (presence !== undefined && seen.presence !== undefined && presence !== seen.presence) {
      const attributes = this.evidence(device, PRESENCE, 'presenceStatus');
      const eventType = 'presenceStatusChanged';
      this.feed.emit({ device, functionId: PRESENCE, eventType, phase: 'instant', time, attributes });
    }
    seen.presence = presence;
    seen.time = time;
    // The time alone is not worth a write for each report.
    const known = before.time !== undefined && { ...before, time };
    if (!isDeepStrictEqual(known, { ...seen, light: { ...seen.light } })) this.save(controller.id);
  }

  /** One event for each command that takes effect, when its ramp has ended; and for other light without a new command. */
  private lit(device: DeviceView, seen: Seen, state: LampState): void {
    const command = this.model.read(device, LAMP, 'feedbackLightCommand').value as Command | undefined;
    if (!command) return;
    const { time } = state;
    const level = state.level === undefined ? undefined : Math.round(state.level);
    const key = JSON.stringify([state.command, toReason(state.reason), state.reference, state.sensor]);
    const before = seen.light;
    const same = before !== undefined && level === before.level;
    const light: Light = { key, level, at: same ? before.at : time, open: before?.open };
    seen.light = light;
    // Many controllers tell of their light themselves, with their own times.
    if (device.controller?.birth.events?.includes(EventCode.LightStateChange)) light.open = undefined;
    else if (before) this.follow(device, light, before, command, state);
  }

  private follow(device: DeviceView, light: Light, before: Light, command: Command, state: LampState): void {
    const { level } = light;
    const { time, since } = state;
    if (light.key !== before.key) {
      light.at = since;
      // A newer command cuts an unfinished ramp off.
      if (before.open?.command) this.tellLight(device, before.open.command, before.level, before.open.time);
      light.open = { command, time: since };
    } else if (level !== before.level) light.open ??= { time };
    if (!light.open) return;
    const there = level === undefined || level === command.state.value;
    if (!there && time - light.at < (state.cap === undefined ? SETTLED : CAPPED)) return;
    this.tellLight(device, command, level, Math.max(light.open.time, light.at));
    light.open = undefined;
  }

  private tellLight(device: DeviceView, command: Command, level: number | undefined, time: number): void {
    const state = { name: 'LevelState', value: level };
    this.feed.emit({
      device,
      functionId: LAMP,
      eventType: 'lightStateChange',
      phase: 'instant',
      time,
      command,
      ...(level === undefined || level === command.state.value ? {} : { state }),
      cmsRefId: command.cmsRefId,
    });
  }

  private programmed(device: DeviceView, seen: Seen, state: LampState): void {
    const program = this.model.inForce(device.controller?.id ?? '').programs[state.program ?? -1];
    // Behind an override the calendar goes on; without any reason of its own there is none.
    if (program === undefined && toReason(state.reason) !== 'default') return;
    const changed = program !== seen.program && seen.time !== undefined;
    seen.program = program;
    if (!changed || program === undefined) return;
    const time = state.since > (seen.time ?? 0) ? state.since : state.time;
    const attributes = this.evidence(device, LAMP, 'feedbackLightCommand');
    const happening = { device, functionId: LAMP, eventType: 'programChange', phase: 'instant', time } as const;
    this.feed.emit({ ...happening, attributes, info: program });
  }

  private targeted(device: DeviceView, seen: Seen): void {
    const { value, time } = this.model.read(device, LAMP, 'targetLightCommand');
    if (value === undefined || time === undefined) return;
    const target = JSON.parse(JSON.stringify(value)) as Json;
    const changed = seen.target !== undefined && !isDeepStrictEqual(target, seen.target);
    seen.target = target;
    if (!changed) return;
    const attributes = this.evidence(device, LAMP, 'targetLightCommand');
    const { cmsRefId } = value as Command;
    const eventType = 'targetLightCommandChange';
    this.feed.emit({ device, functionId: LAMP, eventType, phase: 'instant', time, attributes, cmsRefId });
  }

  private written(device: DeviceView): void {
    const { controller } = device;
    if (!controller) return;
    const before = structuredClone(this.seen.get(controller.id));
    const seen = this.of(controller);
    const calendar = this.model.assigned(controller.id);
    if (!isDeepStrictEqual(calendar, seen.calendar)) {
      seen.calendar = calendar && { ...calendar };
      const time = calendar?.time ?? this.clock.now();
      const attributes = this.evidence(device, LAMP, 'calendarID');
      const happening = { device, functionId: LAMP, eventType: 'calendarChange', phase: 'instant', time } as const;
      this.feed.emit({ ...happening, attributes, cmsRefId: calendar?.cmsRefId });
    }
    this.checkValidity(device, seen);
    this.targeted(device, seen);
    const { value: moved, time = this.clock.now() } = this.model.read(device, LOCATION, 'locationChanged');
    if (moved !== undefined && (moved === true) !== (seen.moved === true)) {
      seen.moved = moved === true;
      const phase = seen.moved ? 'start' : 'end';
      const attributes = this.evidence(device, LOCATION, 'location');
      this.feed.emit({ device, functionId: LOCATION, eventType: 'locationChanged', phase, time, attributes });
    }
    if (!isDeepStrictEqual(before, seen)) this.save(controller.id);
  }

  private checkValidity(device: DeviceView, seen: Seen): void {
    const id = device.controller?.id ?? '';
    const invalid = this.model.invalid(id);
    const eventType = invalid && (invalid.program === undefined ? 'invalidCalendar' : 'invalidProgram');
    if (eventType === seen.invalid) return;
    const { invalid: before } = seen;
    seen.invalid = eventType;
    const assigned = this.model.assigned(id);
    const tell = (type: string, phase: 'start' | 'end', info: string | undefined): void =>
      this.feed.emit({
        device,
        functionId: LAMP,
        eventType: type,
        phase,
        time: invalid?.time ?? this.clock.now(),
        ...(info === undefined ? {} : { info }),
        attributes: this.evidence(device, LAMP, 'calendarID'),
        cmsRefId: assigned?.cmsRefId,
      });
    if (before) tell(before, 'end', undefined);
    if (eventType) tell(eventType, 'start', invalid?.program);
  }

  private evidence(device: DeviceView, functionId: string, name: string): Evidence[] {
    const spec = device.functions.find(({ id }) => id === functionId);
    const attribute = spec?.attributes.find((entry) => entry.name === name);
    return spec && attribute ? [{ functionId, name, value: this.model.toAttribute(device, spec, attribute) }] : [];
  }

  /** What the API shows as the status of an event. */
  private note({ device, functionId, eventType, phase, time }: Happening): void {
    const id = device?.controller?.id;
    const seen = id === undefined ? undefined : this.seen.get(id);
    if (!seen || id === undefined || functionId === undefined) return;
    seen.statuses[`${functionId}/${eventType}`] = { value: phase !== 'end', time };
    this.save(id);
  }

  private of(controller: Controller): Seen {
    const known = this.seen.get(controller.id);
    if (known) return known;
    const fresh: Seen = { lost: false, statuses: {} };
    const assigned = this.model.assigned(controller.id);
    if (assigned) fresh.calendar = { ...assigned };
    this.seen.set(controller.id, fresh);
    return fresh;
  }

  private save(id: string): void {
    const record = JSON.parse(JSON.stringify(this.seen.get(id))) as Json;
    this.store
      .save(`${PREFIX}${id}`, record)
      .catch((error) => this.log(`cannot store ${id}: ${error.message}`, 'error'));
  }
}
