/**
 * The real gateway as a process of its own that lives in its parent's time. It loads while it waits, so that one that was
 * killed has a successor soon. Messages to it: `start`, then `now`; from it: `url`, `at`, `log`, `fault`.
 */
import { type Gateway, type GatewayOptions, startGateway } from '../../../gateway/main.ts';

export type ToGateway =
  | { start: Omit<GatewayOptions, 'now' | 'log'>; now: number }
  | { start?: undefined; now: number };
export type FromGateway = { url: string } | { at: number } | { log: string } | { fault: string } | { loaded: true };

const tell = (message: FromGateway): void => {
  process.send?.(message);
};

let now = 0;
let gateway: Gateway | undefined;

process.on('message', (message: ToGateway) => {
  now = message.now;
  if (message.start) {
    startGateway({ ...message.start, now: () => now, log: (line) => tell({ log: line }) }).then(
      (started) => {
        gateway = started;
        tell({ url: started.url });
      },
      (error: Error) => tell({ fault: error.message }),
    );
  }
  gateway?.tick();
  tell({ at: now });
});
// Without its parent it has no time, and nobody who would end it.
process.on('disconnect', () => process.exit(1));
tell({ loaded: true });
