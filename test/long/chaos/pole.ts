/** One pole of the night: its plant, the boards that stand in it one after the other, and what is seen of them where it happens. */
import assert from 'node:assert/strict';
import { Decoder, Encoder } from 'cbor-x';
import { AckCode, EventItem, LogKey, RecordKind } from '../../../firmware/link/messages.ts';
import { FlashJournal, type Journal } from '../../../firmware/store/journal.ts';
import type { Controller } from '../../../sim/controller.ts';
import type { SimHal } from '../../../sim/index.ts';
import type { Random } from '../../../sim/random.ts';

const decoder = new Decoder({ mapsAsObjects: false } as never);
const encoder = new Encoder({ mapsAsObjects: false, useRecords: false });

/** Records and what is in them, by kind, epoch and number. */
export type Records = Map<string, string>;

export const nameOf = (kind: number, epoch: number, number: number): string => `${kind} ${epoch}.${number}`;

/** What a record is, in the words of the message that it came in. */
export function textOf(kind: number, content: Uint8Array): string {
  const message = decoder.decode(content);
  if (kind === RecordKind.Event) return JSON.stringify((message as [number, unknown[]])[1]);
  const batch = message as Map<number, unknown>;
  const samples = Buffer.from(batch.get(LogKey.Samples) as Uint8Array).toString('hex');
  return JSON.stringify([batch.get(LogKey.Start), batch.get(LogKey.Period), batch.get(LogKey.Count), samples]);
}

/** @returns the event in a text, by `EventItem` */
export const itemsOf = (text: string): number[] => JSON.parse(text);

/** @returns the message with this record alone, as the journal's owner sends it */
function messageOf(kind: number, epoch: number, number: number, record: Uint8Array): Uint8Array {
  const [first, second] = [number, epoch].map((one) => encoder.encode(one));
  if (kind === RecordKind.Samples) {
    return Buffer.concat([Buffer.of(0xa7, LogKey.Number), first, Buffer.of(LogKey.Epoch), second, record]);
  }
  return Buffer.concat([Buffer.of(0x82), second, record.subarray(0, 1), first, record.subarray(1)]);
}

/** A record that the power went in the middle of. */
interface Attempt {
  kind: RecordKind;
  epoch: number;
  number: number;
  bytes: Uint8Array;
}

export class Pole {
  /** What journals took, of all boards that stood here. */
  readonly recorded: Records = new Map();
  /** Of these, what went with a board before the gateway had it. */
  readonly gone = new Set<string>();
  /** What the plant did to it, in the words of the events that must come of it: code and phase. */
  readonly injected: string[] = [];
  /** References of the overrides that the board obeyed, and that boards before it did, each time. */
  overrides: string[] = [];
  readonly former: string[] = [];
  /** Events and batches that the firmware had when the power went, and no journal had. */
  unrecorded = 0;
  /** Records that a journal had no room for. */
  dropped = 0;
  cuts = 0;
  /** Cuts in the middle of a write to flash. */
  torn = 0;
  boards = 0;
  faulty = false;
  controller!: Controller;
  /** What the firmware that runs keeps for the gateway. */
  #journal: Journal | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: parts that nobody else reaches into
  #teller: any;
  #attempt: Attempt | undefined;
  #armed = false;

  constructor(
    readonly id: string,
    /** Power cuts and other boards may come to it. */
    readonly unsteady: boolean,
    private readonly random: Random,
  ) {}

  /** The plant and all that its meters counted go with the board: what stands here now is new. */
  stand(controller: Controller): void {
    this.controller = controller;
    this.boards++;
    const { sim } = controller;
    poles.set(sim, this);
    const cut = sim.cutPower.bind(sim);
    sim.cutPower = () => {
      if (!sim.on) return;
      this.cuts++;
      this.unrecorded += this.#teller?._fresh.length ?? 0;
      this.#journal = this.#teller = undefined;
      sim.raw.keepPower();
      this.#armed = false;
      cut();
    };
  }

  /** Firmware has started. */
  // biome-ignore lint/suspicious/noExplicitAny: parts that nobody else reaches into
  watch(firmware: any): void {
    this.#teller = firmware.instrument._told;
    const journal: Journal = this.#teller._journal;
    this.#journal = journal;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt && attempt.epoch === journal.epoch) {
      const { kind, bytes } = attempt;
      // Where the first place was torn it may have another number.
      for (const number of [attempt.number, attempt.number + 1]) {
        const [record] = number <= journal.last(kind) ? journal.read(kind, number, 1) : [];
        if (!record) continue;
        assert.deepEqual(record, bytes, `${this.id} ${nameOf(kind, journal.epoch, number)} after a power cut`);
        this.recorded.set(
          nameOf(kind, journal.epoch, number),
          textOf(kind, messageOf(kind, journal.epoch, number, bytes)),
        );
        this.unrecorded--;
        break;
      }
    }
    const { override } = firmware.arbiter;
    firmware.arbiter.override = (command: { reference?: string }) => {
      const code = override.call(firmware.arbiter, command);
      if (code === AckCode.Done && command.reference !== undefined) this.overrides.push(command.reference);
      return code;
    };
  }

  /** Cuts the power in one of the next writes to flash, of a record if that is wanted; now, when none comes in time. */
  tear(record: boolean, within: number): void {
    const { sim } = this.controller;
    if (record) this.#armed = true;
    else sim.raw.cutAfter(this.random.below(40), this.random.next());
    const { resets } = sim;
    const boot = resets.at(-1);
    sim.world.after(within, () => {
      if (resets.at(-1) === boot) sim.cutPower();
    });
  }

  /** The board is taken away, and with it what nobody has of it. */
  leave(): void {
    const journal = this.#journal;
    for (const name of this.recorded.keys()) {
      const [kind, rest] = name.split(' ');
      const [epoch, number] = rest.split('.').map(Number);
      // Without power nobody can ask it what it still has.
      if (!journal || (epoch === journal.epoch && number >= journal.first(Number(kind)))) this.gone.add(name);
    }
    this.#attempt = undefined;
    const { sim } = this.controller;
    sim.cutPower();
    // Whatever was planned for it, it is switched on no more.
    sim.restorePower = () => {};
    this.former.push(...this.overrides.splice(0));
  }

  get online(): boolean {
    return this.controller.sim.on && this.controller.firmware?.status().includes('link up') === true;
  }

  /** Whether the controller believes that the gateway has all that it knows. */
  get hasToldAll(): boolean {
    const journal = this.#journal;
    if (!journal) return false;
    return [RecordKind.Event, RecordKind.Samples].every((kind) => journal.first(kind) > journal.last(kind));
  }

  /** Called around each record that a journal is given. */
  append(journal: Journal, kind: RecordKind, record: Uint8Array, append: () => number): number {
    const bytes = Uint8Array.from(record);
    const next = journal.last(kind) + 1;
    const text = (number: number) => textOf(kind, messageOf(kind, journal.epoch, number, bytes));
    if (this.#armed) this.controller.sim.raw.cutAfter(this.random.below(8), this.random.next());
    const before = this.cuts;
    let number = 0;
    try {
      number = append();
    } finally {
      if (this.cuts > before) {
        this.torn++;
        // It is among the events that the firmware had, but for batches.
        if (kind === RecordKind.Samples) this.unrecorded++;
        this.#attempt = { kind, epoch: journal.epoch, number: next, bytes };
      }
    }
    if (number === 0) this.dropped++;
    else this.recorded.set(nameOf(kind, journal.epoch, number), text(number));
    return number;
  }
}

const poles = new Map<SimHal, Pole>();

/** All journals of these poles are listened to, those of a boot that goes on opening parts later too. */
const { append } = FlashJournal.prototype;
FlashJournal.prototype.append = function (this: FlashJournal, kind, record) {
  const pole = poles.get((this as unknown as { _hal: SimHal })._hal);
  const all = () => append.call(this, kind, record);
  return pole ? pole.append(this, kind, record, all) : all();
};

/** @returns code and phase of a recorded event */
export const eventOf = (text: string): string => {
  const items = itemsOf(text);
  return `${items[EventItem.Code]} ${items[EventItem.Phase]}`;
};
