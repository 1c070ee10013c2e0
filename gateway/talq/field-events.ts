/** Tells what controllers notice to those who listen to the feed. */
import type { Fleet } from '../fleet.ts';
import { toTalqEvents } from './events.ts';
import type { EventFeed } from './feed.ts';
import type { Model } from './model.ts';
import { LAMP } from './places.ts';
import type { Command } from './schemas.ts';

/** @returns a function that ends it */
export function tellFieldEvents(fleet: Fleet, model: Model, feed: EventFeed): () => void {
  return fleet.onEvents((controller, events) => {
    const device = model.byId(controller.id);
    if (!device) return;
    const feedback = model.read(device, LAMP, 'feedbackLightCommand').value as Command | undefined;
    for (const event of events) {
      for (const told of toTalqEvents(controller, event, feedback)) {
        feed.emit({ device, ...told, cmsRefId: told.command?.cmsRefId });
      }
    }
  });
}
