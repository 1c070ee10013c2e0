/** What a life of writes does to the pages of ESP32's raw flash, on flash that counts erasures. */
import { RecordKind } from '../../firmware/link/messages.ts';
import { RECORD } from '../../firmware/metering/counters.ts';
import { FlashJournal } from '../../firmware/store/journal.ts';
import { Ring } from '../../firmware/store/ring.ts';
import { Settings } from '../../firmware/store/settings.ts';
import { Vault } from '../../firmware/store/vault.ts';
import type { FlashOptions } from '../../hal/hal.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';

const MINUTES = 1440;
/** Days of 15 years. */
const LIFE = 15 * 365.25;

/** What happens in a day. */
export interface Rate {
  events: number;
  /** Batches of 560 bytes. */
  batches: number;
  /** Each is stored when it begins and when it ends, with a reference of 64 bytes. */
  overrides: number;
  /** Configurations with another timetable of 2560 bytes. */
  timetables: number;
  boots: number;
}

/** @returns by area, erasures of each page in 15 years at this rate; the gateway acknowledges every record */
export async function wear(days: number, rate: Rate): Promise<Record<'counters' | 'store' | 'journal', number[]>> {
  const board = await loadBoard('esp32');
  const raw = new Flash({ size: 65536 });
  const sim = openSim({ raw });
  const counters = board.counters?.flash as FlashOptions;
  const [store, area] = [board.store as FlashOptions, board.journal as FlashOptions];
  const ring = new Ring(sim, sim.openFlash(counters), RECORD);
  const vault = new Vault(sim, store);
  const settings = new Settings(vault, sim, new Uint8Array(0), 100);
  const journal = new FlashJournal(sim, sim.openFlash(area), 1);
  const record = new Uint8Array(RECORD);
  const due = (minute: number, count: number) =>
    Math.floor(((minute + 1) * count) / MINUTES) - Math.floor((minute * count) / MINUTES);
  const tell = (kind: RecordKind, length: number) => {
    const number = journal.append(kind, new Uint8Array(length));
    journal.stored(kind, number, number);
  };
  for (let minute = 0; minute < days * MINUTES; minute++) {
    record[0] = minute;
    ring.write(record);
    for (let i = due(minute, rate.events); i > 0; i--) tell(RecordKind.Event, 28);
    for (let i = due(minute, rate.batches); i > 0; i--) tell(RecordKind.Samples, 600);
    for (let i = 2 * due(minute, rate.overrides); i > 0; i--) vault.write('overrides', new Uint8Array(250));
    for (let i = due(minute, rate.timetables); i > 0; i--) {
      settings.setParts(settings.edition + 1, undefined, [new Uint8Array(2560), undefined, undefined]);
    }
    for (let i = due(minute, rate.boots); i > 0; i--) vault.write('boot', new Uint8Array(5));
  }
  const pages = ({ address = 0, size }: FlashOptions) => {
    const first = (address % raw.size) / raw.page;
    return [...raw.erases.slice(first, first + size / raw.page)].map((count) => Math.ceil((count * LIFE) / days));
  };
  return { counters: pages(counters), store: pages(store), journal: pages(area) };
}

/** @returns one line for the reader of a test's output */
export function told(worn: Record<string, number[]>): string {
  const areas = Object.entries(worn).map(([area, pages]) => `${area} ${Math.min(...pages)} to ${Math.max(...pages)}`);
  return `erasures of a page in 15 years: ${areas.join(', ')}`;
}
