/** Tells what controllers notice to those who listen to the feed. */
import { EventCode, RecordKind } from '../../firmware/link/messages.ts';
import type { Clock } from '../clock.ts';
import type { Controller, ControllerEvent, Fleet } from '../fleet.ts';
import type { Store } from '../store/store.ts';
import { toTalqEvents } from './events.ts';
import type { EventFeed } from './feed.ts';
import { toReason } from './mapping.ts';
import type { Model } from './model.ts';
import { LAMP } from './places.ts';
import type { Command } from './schemas.ts';

/** ms for which a change of light waits for the report that says which command of whom it was. */
const PATIENCE = 3000;
/** ms: instants on the wire are whole seconds. */
const RESOLUTION = 1000;
/** Records of changes of light that wait, so that none is lost with the gateway. */
const PREFIX = 'light/';

/** Tells what waited when the gateway ended, and from then on what comes. @returns a function that ends it */
export async function tellFieldEvents(
  fleet: Fleet,
  model: Model,
  feed: EventFeed,
  clock: Clock,
  store: Store,
): Promise<() => void> {
  const save = (key: string, event: ControllerEvent | undefined): void => {
    store.save(key, event).catch(() => {}); // it goes on trying, and what cannot be told is told elsewhere
  };
  const waiting = new Map<string, Set<() => void>>();
  const tell = (controller: Controller, event: ControllerEvent, feedback: Command | undefined): void => {
    const device = model.byId(controller.id);
    if (!device) return;
    for (const told of toTalqEvents(controller, event, feedback)) {
      feed.emit({ device, ...told, cmsRefId: told.command?.cmsRefId });
    }
  };
  /** @returns the reported command, if it is that of the event and was in action by then */
  const feedbackOf = ({ id, state }: Controller, event: ControllerEvent): Command | undefined => {
    const device = model.byId(id);
    if (!device || !state || state.since > event.time + RESOLUTION) return undefined;
    const command = model.read(device, LAMP, 'feedbackLightCommand').value as Command | undefined;
    const same = command?.state.value === event.first && command?.reason === toReason(event.second);
    return same ? command : undefined;
  };
  const endings = [
    fleet.onEvents((controller, events) => {
      for (const event of events) {
        const feedback = event.code === EventCode.LightStateChange ? feedbackOf(controller, event) : undefined;
        const recent = clock.now() - event.time < PATIENCE;
        if (event.code !== EventCode.LightStateChange || feedback || !recent) tell(controller, event, feedback);
        else wait(controller, event);
      }
    }),
    fleet.onChange(({ id }, change) => {
      if (change === 'report') for (const end of [...(waiting.get(id) ?? [])]) end();
    }),
    fleet.onGap((controller, kind, count) => {
      const device = model.byId(controller.id);
      const what = kind === RecordKind.Event ? 'events' : 'batches of samples';
      const info = `${count} ${what} of this controller have not come for a day, although later ones have`;
      const happening = { functionId: 'basic', eventType: 'deviceMalfunction', phase: 'instant', info } as const;
      if (device) feed.emit({ device, ...happening, time: clock.now() });
    }),
  ];
  const wait = (controller: Controller, event: ControllerEvent): void => {
    const { id } = controller;
    const key = `${PREFIX}${id}/${event.epoch}.${event.number}`;
    save(key, event);
    const others = waiting.get(id) ?? new Set();
    waiting.set(id, others);
    const end = (): void => {
      cancel();
      others.delete(end);
      if (others.size === 0) waiting.delete(id);
      save(key, undefined);
      tell(controller, event, feedbackOf(controller, event));
    };
    const cancel = clock.after(PATIENCE, end);
    others.add(end);
  };
  for (const [key, event] of await store.load(PREFIX)) {
    const controller = fleet.controllers.get(key.split('/')[1]);
    save(key, undefined);
    if (controller) tell(controller, event as unknown as ControllerEvent, undefined);
  }
  return () => {
    for (const end of endings) end();
    for (const one of [...waiting.values()].flatMap((ends) => [...ends])) one();
  };
}
