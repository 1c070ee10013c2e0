/**
 * Power cuts on the real interpreter. Its Linux build keeps a controller's flash in the file `espruino.flash`: a step writes
 * there as on a board, and what it did is taken apart into the single operations on flash. Every content that a cut may
 * leave between two of them or inside one is put under a fresh interpreter, which really boots on it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, flashImage } from '../../scripts/interpreter.mjs';
import { seeded } from '../../sim/random.ts';

/** bytes of a page of its flash. Source: Espruino boards/LINUX.py. */
export const PAGE = 1024;
/** Header of a file: size and flags, 28 bytes of its name. Source: Espruino src/jsflash.h, JsfFileHeader. */
const HEADER = 32;
/** Raw flash lies behind all that Storage uses here, so that a page of Storage between them stays blank. */
const RAW = 0x20000;
/** bytes that flash may program at once, and contents that are tried for them. Source: data sheets of SPI NOR parts. */
const BLOCK = 256;
const ROUNDS = 8;
/** ms until a boot has to have said what it found. */
const PATIENCE = 30_000;

/** What is written by one step, and which one in turn. */
export interface Step {
  kind: string;
  number: number;
  /** The power stays: only what comes after is looked at. */
  uncut?: boolean;
}

/** What a boot says that it holds. */
export interface Held {
  /** CRC-32 of files that nobody writes: the program, the site record and another. */
  files: Record<string, number | null>;
  /** Settings and the like by kind: CRC-32 of bytes, or the value. */
  values: Record<string, unknown>;
  keys: string[];
  journal?: { epoch: number; kinds: { first: number; last: number; dropped: number; records: number[][] }[] };
}

/** One operation on flash: bytes programmed, or (without) a page erased. */
export interface Operation {
  address: number;
  bytes?: Uint8Array;
}

/** What a cut may leave. */
export interface Cut {
  image: Buffer;
  /** Where, for who reads a failure. */
  at: string;
  /** Nothing is missing: the step was acknowledged. */
  whole: boolean;
}

/** Longest and shortest values: in such proportion as a controller's to pages of 4 KiB. */
export const lengthOf = ({ kind, number }: Step): number => {
  const [least, spread] = {
    timetable: [250, 120],
    monitoring: [60, 60],
    groups: [35, 71],
    boot: [5, 1],
    spare: [11, 9],
  }[kind] ?? [0, 1];
  return least + ((number * 37) % spread);
};

export const patternOf = (length: number, number: number) =>
  Uint8Array.from({ length }, (_, i) => (number * 31 + i * 7) & 255);

/** The interpreter's side of `patternOf`, of all that is written, and of what is told at a boot. */
const SOURCE = `
import { storage } from './hal/espruino/storage.ts';
import { openFlash } from './hal/espruino/flash.ts';
import { FlashJournal } from './firmware/store/journal.ts';
import { Ring } from './firmware/store/ring.ts';
import { Settings } from './firmware/store/settings.ts';
import { Vault } from './firmware/store/vault.ts';
const fs = require('fs');
const files = require('Storage');
const flash = require('Flash');
let log = [];
function value(length, number) {
  const data = new Uint8Array(length);
  for (let i = 0; i < length; i++) data[i] = number * 31 + i * 7;
  return data;
}
function hex(data) {
  let text = '';
  for (const byte of data) text += (byte < 16 ? '0' : '') + byte.toString(16);
  return text;
}
function sum(data) { return data ? E.CRC32(data) : null; }
const nativeWrite = files.write;
const nativeErase = files.erase;
const rawWrite = flash.write;
const rawErase = flash.erasePage;
files.write = function (name, data, offset, size) {
  log.push({ name, offset: offset || 0, length: data.length, size: size || data.length });
  return size ? nativeWrite(name, data, offset, size) : nativeWrite(name, data, offset);
};
files.erase = function (name) { log.push({ name }); nativeErase(name); };
flash.write = function (data, address) { log.push({ address, hex: hex(data) }); rawWrite(data, address); };
flash.erasePage = function (address) { log.push({ address }); rawErase(address); };
const hal = { crc32: E.CRC32, random: Math.random, openFlash };
const area = 0x10000000 + ${RAW};
const keep = IN_RAW ? new Vault(hal, { address: area, size: ${5 * PAGE} }) : storage;
const settings = new Settings(keep, hal, new Uint8Array(0), 100);
const journal = IN_RAW && new FlashJournal(hal, openFlash({ address: area + ${5 * PAGE}, size: ${6 * PAGE} }), 7);
const ring = IN_RAW && new Ring(hal, openFlash({ address: area + ${11 * PAGE}, size: ${3 * PAGE} }), 169);
const PARTS = ['timetable', 'monitoring', 'groups'];
const LENGTHS = { timetable: [250, 120], monitoring: [60, 60], groups: [35, 71], boot: [5, 1], spare: [11, 9] };
function piece(kind, number) {
  const length = LENGTHS[kind];
  return value(length[0] + ((number * 37) % length[1]), number);
}
function write(kind, number) {
  const all = kind === 'configuration';
  if (all || kind === 'level' || PARTS.indexOf(kind) >= 0) {
    const parts = PARTS.map((part) => all || part === kind ? piece(part, number) : undefined);
    settings.setParts(number, all || kind === 'level' ? number % 101 : undefined, parts);
  }
  else if (kind === 'overrides') settings.setOverrides(number % 3 ? { level: number % 101, reference: 'cms-' + number } : undefined, number % 2 ? { level: 1, start: number } : undefined);
  else if (kind === 'boot' || kind === 'spare') keep.write(kind, piece(kind, number));
  else if (kind === 'deletion') keep.delete('spare');
  else if (kind === 'counters') { if (!ring.write(value(169, number))) throw new Error('not written'); }
  else if (kind === 'event') { if (!journal.append(0, value((number * 7) % 61, number))) throw new Error('not kept'); }
  else if (kind === 'samples') { if (!journal.append(1, value(80 + ((number * 13) % 121), number))) throw new Error('not kept'); }
  else if (kind === 'acknowledgement') { for (let one = 0; one < 2; one++) { const first = journal.first(one); journal.stored(one, first, Math.min(first + 3, journal.last(one))); } }
  else throw new Error('no kind: ' + kind);
}
function held() {
  const told = { files: {}, values: {}, keys: keep.keys().sort() };
  for (const name of ['.bootcde', 'app.a', 'site.json']) told.files[name] = sum(files.readArrayBuffer(name));
  told.values = {
    timetable: sum(settings.timetable()),
    version: settings.edition,
    monitoring: sum(settings.partOf(1)),
    groups: sum(settings.groupRecord()),
    level: settings.defaultLevel(),
    overrides: JSON.stringify(settings.overrides()),
    boot: sum(keep.read('boot')),
    spare: sum(keep.read('spare')),
  };
  if (!IN_RAW) return told;
  told.values.counters = sum(ring.read());
  told.journal = { epoch: journal.epoch, kinds: [] };
  for (let kind = 0; kind < 2; kind++) {
    const records = [];
    let span = journal.newest(kind, journal.last(kind) + 1, 300);
    while (span) {
      let from = span[0];
      while (from <= span[1]) {
        const found = journal.read(kind, from, 300);
        if (found.length === 0) records.push([from++, -1]);
        for (const record of found) if (from <= span[1]) records.push([from++, E.CRC32(record)]);
      }
      span = journal.newest(kind, span[0], 300);
    }
    told.journal.kinds.push({ first: journal.first(kind), last: journal.last(kind), dropped: journal.dropped(kind), records });
  }
  return told;
}
print('<held:' + JSON.stringify(held()) + ':>');
if (fs.statSync('todo')) {
  for (const step of JSON.parse(fs.readFileSync('todo'))) {
    log = [];
    let trouble = null;
    try { write(step.kind, step.number); } catch (error) { trouble = String(error); }
    print('<done:' + JSON.stringify({ trouble, log }) + ':>');
  }
  print('<now:' + JSON.stringify(held()) + ':>');
}
print('<end>');
if (fs.statSync('leave')) quit();
`;

interface Call {
  name?: string;
  offset?: number;
  size?: number;
  length?: number;
  address?: number;
  hex?: string;
}

interface Heard {
  held: Held;
  done: { trouble: string | null; log: Call[] }[];
  now: Held | undefined;
  image: Buffer;
}

/** A program for the interpreter, and boards that run it. */
export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), 'power-cut-'));
  boots = 0;
  #code: string;
  /** How the program names what nobody writes. */
  readonly files: Record<string, Buffer>;

  private constructor(code: string, filler: number) {
    this.#code = code;
    const app = Buffer.from(patternOf(3000 + filler, 5));
    this.files = {
      '.bootcde': Buffer.from(code, 'latin1'),
      'app.a': app,
      'site.json': Buffer.from('{"host":"broker"}'),
    };
  }

  /** @param raw settings, journal and counters lie in raw flash, else settings in Storage */
  static async open(raw: boolean, filler = 0): Promise<Bench> {
    const { code } = await bundle({ source: SOURCE, define: { HOST: false, IN_RAW: raw } });
    return new Bench(code, filler);
  }

  /** Another bench of the same program, with a directory of its own. */
  another(filler = 0): Bench {
    return new Bench(this.#code, filler);
  }

  image(): Buffer {
    return flashImage(this.files);
  }

  /** Where in its page the next file will begin. */
  get next(): number {
    return walk(this.image()).end % PAGE;
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Boots on `image`, and then has `steps` made. @param under a command that watches it */
  async boot(image: Buffer, steps?: Step[], under: string[] = []): Promise<Heard> {
    const path = (name: string) => join(this.directory, name);
    writeFileSync(path('espruino.flash'), image);
    for (const name of ['todo', 'leave']) rmSync(path(name), { force: true });
    if (steps) writeFileSync(path('todo'), JSON.stringify(steps));
    if (under.length > 0) writeFileSync(path('leave'), '');
    this.boots++;
    const board = boot({ directory: this.directory, under });
    try {
      await board.expect(/<end>|Storage is corrupt|Uncaught[^\n]*\n[^\n]*/, { timeout: PATIENCE });
      if (under.length > 0) await board.exited;
    } finally {
      await board.stop();
    }
    const text = board.output().replace(/\r?\n/g, '');
    const parts = [...text.matchAll(/<(held|done|now):(.*?):>/g)];
    const of = (name: string) => parts.filter((part) => part[1] === name).map((part) => JSON.parse(part[2]));
    assert.ok(/<end>/.test(text), `the interpreter said ${text.slice(-500)}`);
    return { held: of('held')[0], done: of('done'), now: of('now')[0], image: readFileSync(path('espruino.flash')) };
  }
}

/** Files of a Storage, as its interpreter finds them, and where the next one goes. */
function walk(image: Buffer): { files: { name: string; address: number }[]; end: number } {
  const files: { name: string; address: number }[] = [];
  let at = 0;
  while (image.readUInt32LE(at) !== 0xffffffff) {
    const name = image.toString('latin1', at + 4, at + HEADER).replace(/\0.*$/s, '');
    if (image[at + 4]) files.push({ name, address: at });
    at += HEADER + ((image.readUIntLE(at, 3) + 3) & -4);
  }
  return { files, end: at };
}

/**
 * Takes a step apart: a file that is replaced is erased, then comes the header of the new one, then its content. Source:
 * Espruino src/jsflash.c, jsfWriteFile; a test watches the interpreter's system calls.
 */
export function operationsOf(before: Buffer, after: Buffer, calls: Call[]): Operation[] {
  const operations: Operation[] = [];
  const image = Buffer.from(before);
  const add = (operation: Operation) => {
    operations.push(operation);
    apply(image, operation);
  };
  for (const { name, address = 0, hex, offset = 0, size = 0, length = 0 } of calls) {
    if (name === undefined) {
      add({ address: address - 0x10000000, bytes: hex === undefined ? undefined : Buffer.from(hex, 'hex') });
      continue;
    }
    const { files, end } = walk(image);
    const old = files.find((file) => file.name === name);
    if (offset === 0 && old) add({ address: old.address + 4, bytes: new Uint8Array(4) });
    if (length === 0) continue;
    const place =
      offset === 0 ? end : (old?.address ?? assert.fail(`${name} is written from ${offset}, and not there`));
    if (offset === 0) {
      const header = Buffer.alloc(HEADER);
      header.writeUInt32LE(size);
      header.write(name, 4, 'latin1');
      add({ address: place, bytes: header });
    }
    const begin = place + HEADER + offset;
    const data = Buffer.alloc((length + 3) & -4, 0xff);
    after.copy(data, 0, begin, begin + length);
    // What is not a whole word comes after the others. Source: Espruino src/jshardware_common.c, jshFlashWriteAligned.
    const tail = length & -4;
    if (tail > 0) add({ address: begin, bytes: data.subarray(0, tail) });
    if (tail < length) add({ address: begin + tail, bytes: data.subarray(tail) });
  }
  assert.ok(image.equals(after), 'the operations are not all that changed');
  return operations;
}

/** Makes an operation as NOR flash does. */
function apply(image: Buffer, { address, bytes }: Operation): void {
  if (!bytes) image.fill(0xff, address, address + PAGE);
  else for (let i = 0; i < bytes.length; i++) image[address + i] &= bytes[i];
}

/** What writes down how the interpreter's process writes to its flash, for `kernelSaw`. */
export function watcher(directory: string, trace: string): string[] {
  const what = ['-P', join(directory, 'espruino.flash'), '-e', 'trace=lseek,read,write'];
  return ['strace', '-f', '--seccomp-bpf', ...what, '-xx', '-s', '65536', '-o', trace];
}

/** @returns operations as the kernel has to see them: whole pages erased, words as they are afterwards */
export function watched(before: Buffer, operations: Operation[]): Operation[] {
  const image = Buffer.from(before);
  return operations.map((operation) => {
    apply(image, operation);
    const { address, bytes } = operation;
    return { address, bytes: Buffer.from(image.subarray(address, address + (bytes?.length ?? PAGE))) };
  });
}

/** @returns operations as the kernel saw them */
export function kernelSaw(trace: string): Operation[] {
  const operations: Operation[] = [];
  let at = 0;
  for (const line of readFileSync(trace, 'latin1').split('\n')) {
    const [, call, rest] = /(lseek|read|write)\(\d+, (.*)/.exec(line) ?? [];
    const result = Number(/= (\d+)$/.exec(line)?.[1]);
    if (!call) continue;
    if (call === 'write') {
      const bytes = Buffer.from((/"(.*)"/.exec(rest)?.[1] ?? '').replace(/\\x/g, ''), 'hex');
      assert.equal(bytes.length, result);
      operations.push({ address: at, bytes });
    }
    at = call === 'lseek' ? result : at + result;
  }
  return operations;
}

/** @returns ends of the words that an operation programs, counted from its begin */
function words(address: number, length: number): number[] {
  const ends: number[] = [];
  for (let at = 4 - (address % 4); at < length; at += 4) ends.push(at);
  return [...ends, length];
}

/** Which bits of a word that is being programmed may still be what they were. */
function masks(size: boolean, short: boolean, random: number): number[] {
  const found = [0x55555555, 0xaaaaaaaa, random];
  if (short) found.push(0xffffff00, 0xffff0000, 0xff000000);
  // A size decides what else is found: whatever a run of bits can make of it.
  for (let bit = 1; size && bit < 32; bit++) found.push((-1 << bit) >>> 0, 2 ** bit - 1);
  return found;
}

/** All that a cut may leave of operations that are made one after the other, each content once. */
export function cutsOf(before: Buffer, operations: Operation[], seed: string): Cut[] {
  const random = seeded(seed);
  const image = Buffer.from(before);
  const seen = new Set<number>();
  const cuts: Cut[] = [];
  const cut = (left: Buffer, at: string, whole = false) => {
    const sum = crc32(left);
    if (seen.has(sum) && !whole) return;
    seen.add(sum);
    cuts.push({ image: Buffer.from(left), at, whole });
  };
  for (const [index, operation] of operations.entries()) {
    const { address, bytes } = operation;
    const name = `operation ${index + 1} of ${operations.length}`;
    cut(image, `before ${name}`);
    if (!bytes) {
      for (const [from, to] of [
        [0, PAGE / 4],
        [0, PAGE / 2],
        [PAGE / 2, PAGE],
      ]) {
        const half = Buffer.from(image);
        half.fill(0xff, address + from, address + to);
        cut(half, `in ${name}, bytes ${from} to ${to} erased`);
      }
      const noisy = Buffer.from(image);
      for (let i = 0; i < PAGE; i++) noisy[address + i] |= random.below(256);
      cut(noisy, `in ${name}, some bits erased`);
      apply(image, operation);
      continue;
    }
    const short = bytes.length <= HEADER;
    // SPI flash programs a block of 256 bytes at once, or less: any bits of all of them may be missing.
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + BLOCK - ((address + from) % BLOCK));
      for (let round = 0; round < ROUNDS; round++) {
        const torn = Buffer.from(image);
        apply(torn, { address, bytes: bytes.subarray(0, from) });
        for (let i = from; i < to; i++) torn[address + i] &= bytes[i] | random.below(256);
        cut(torn, `in ${name}, some bits of bytes ${from} to ${to} missing, ${round}`);
      }
      from = to;
    }
    let begin = 0;
    for (const end of words(address, bytes.length)) {
      for (const mask of masks(short && begin === 0, short, random.below(4294967296))) {
        const torn = Buffer.from(image);
        for (let i = begin; i < end; i++) torn[address + i] &= bytes[i] | ((mask >>> (8 * ((address + i) % 4))) & 255);
        cut(torn, `in ${name}, bits ${mask.toString(16)} at byte ${begin} missing`);
      }
      apply(image, { address: address + begin, bytes: bytes.subarray(begin, end) });
      begin = end;
      if (end < bytes.length) cut(image, `in ${name}, after ${end} of ${bytes.length} bytes`);
    }
  }
  cut(image, 'after the last operation', true);
  return cuts;
}

interface Records {
  last: number;
  dropped: number;
  /** CRC-32 of those that nobody acknowledged, by number. */
  open: Map<number, number>;
}

/** What has to be there: what was written and acknowledged, and nothing else. */
export class Truth {
  values: Record<string, unknown> = {
    ...{
      version: 0,
      timetable: null,
      monitoring: null,
      groups: 0,
      level: 100,
      overrides: '[]',
      boot: null,
      spare: null,
    },
  };
  records: Records[] = [0, 1].map(() => ({ last: 0, dropped: 0, open: new Map() }));

  constructor(raw: boolean) {
    if (raw) this.values.counters = null;
  }

  copy(): Truth {
    const copy = new Truth(false);
    copy.values = { ...this.values };
    copy.records = this.records.map(({ last, dropped, open }) => ({ last, dropped, open: new Map(open) }));
    return copy;
  }

  /** After `step`, all of it. What it drops is told by `check`. */
  make({ kind, number }: Step): this {
    const bytes = recordOf({ kind, number });
    const appended = APPENDS.indexOf(kind);
    if (appended >= 0) this.records[appended].open.set(++this.records[appended].last, crc32(bytes));
    else if (kind === 'acknowledgement')
      for (const one of this.records) for (const gone of [...one.open.keys()].slice(0, 4)) one.open.delete(gone);
    else if (kind === 'deletion') this.values.spare = null;
    else if (kind === 'configuration' || kind === 'level' || PARTS.includes(kind)) {
      this.values.version = number;
      if (kind === 'configuration' || kind === 'level') this.values.level = number % 101;
      for (const part of PARTS)
        if (kind === 'configuration' || kind === part)
          this.values[part] = crc32(patternOf(lengthOf({ kind: part, number }), number));
    } else if (kind === 'overrides') this.values.overrides = JSON.stringify(overridesOf(number));
    else this.values[kind] = crc32(bytes);
    return this;
  }

  /**
   * What a boot holds has to be this, before `step` if one was cut, or after it, but for records that were dropped and
   * counted; these are no longer asked for.
   */
  check(held: Held, step: Step | undefined): void {
    const after = step ? this.copy().make(step) : this;
    if (isDeepStrictEqual(held.values, after.values)) this.values = after.values;
    else assert.deepEqual(held.values, this.values);
    for (const [kind, { first, last, dropped, records }] of (held.journal?.kinds ?? []).entries()) {
      const mine = this.records[kind];
      const next = after.records[kind];
      const found = new Map(records.map(([number, sum]) => [number, sum]));
      let missing = 0;
      for (const [number, sum] of mine.open) {
        if (found.has(number)) assert.equal(found.get(number), sum, `record ${number} of kind ${kind}`);
        else {
          mine.open.delete(number);
          if (next.open.has(number)) missing++;
        }
      }
      mine.dropped += missing;
      assert.equal(dropped, mine.dropped, `dropped of kind ${kind}`);
      assert.ok(last === mine.last || last === next.last, `the last of kind ${kind} is ${last}`);
      for (const [number, sum] of found) {
        if (mine.open.has(number)) continue;
        // What was not acknowledged may be there, whole, or be known as damaged.
        assert.ok(number === last && last === next.last, `record ${number} of kind ${kind} came from nowhere`);
        assert.ok(sum === -1 || sum === next.open.get(number), `record ${number} of kind ${kind} is a mix`);
        mine.open.set(number, sum);
      }
      mine.last = last;
      const [oldest = last + 1] = mine.open.keys();
      assert.equal(first, oldest, `the first of kind ${kind}`);
    }
  }
}

/** Parts of a configuration, in their order. */
const PARTS = ['timetable', 'monitoring', 'groups'];
/** Keys of what is written, and of parts that do not count yet or any more. */
const KEYS = /^(now|p[012][12]|overrides|boot|spare)$/;
/** Kinds of steps that append to the journal, by kind of record. */
const APPENDS = ['event', 'samples'];

const overridesOf = (number: number) => [
  number % 3 ? { level: number % 101, reference: `cms-${number}` } : null,
  number % 2 ? { level: 1, start: number } : null,
];

/** The bytes that a step writes. */
function recordOf(step: Step): Uint8Array {
  const { kind, number } = step;
  if (kind === 'counters') return patternOf(169, number);
  if (kind === 'event') return patternOf((number * 7) % 61, number);
  if (kind === 'samples') return patternOf(80 + ((number * 13) % 121), number);
  return patternOf(lengthOf(step), number);
}

export interface Counts {
  /** Cuts that there are, and those that were made. */
  possible: number;
  cuts: number;
  /** By kind of step. */
  kinds: Record<string, number>;
  boots: number;
  /** Found the new value. */
  fresh: number;
}

/**
 * Makes the steps one after the other, each in a boot of its own, and cuts the power in each of them.
 *
 * @param onwards what is written after the cut: it has to be taken, and after each second cut it has to be there at the next boot
 * @param chosen which of all cuts; those after everything was done always are
 */
export async function sweep(
  benches: Bench[],
  raw: boolean,
  steps: Step[],
  onwards: (cut: Step, place: number) => Step[],
  chosen: (place: number) => boolean,
): Promise<Counts> {
  const counts: Counts = { possible: 0, cuts: 0, kinds: {}, boots: 0, fresh: 0 };
  const truth = new Truth(raw);
  const untouched = Object.fromEntries(Object.entries(benches[0].files).map(([name, data]) => [name, crc32(data)]));
  let image = benches[0].image();
  let place = 0;
  for (const [index, step] of steps.entries()) {
    const what = `step ${index}, ${step.kind}`;
    const { held: before, done, now, image: after } = await benches[0].boot(image, [step]);
    assert.deepEqual([done[0].trouble, before.files], [null, untouched], what);
    const all = step.uncut ? [] : cutsOf(image, operationsOf(image, after, done[0].log), what);
    const cuts = all.map((cut) => ({ cut, at: place++ })).filter(({ cut, at }) => cut.whole || chosen(at));
    const inspect = async (bench: Bench, cut: Cut, at: number) => {
      const more = onwards(step, at);
      const first = await bench.boot(cut.image, more);
      const mine = truth.copy();
      if (cut.whole) mine.make(step);
      mine.check(first.held, cut.whole ? undefined : step);
      if (isDeepStrictEqual(mine.values, now?.values)) counts.fresh++;
      for (const key of first.held.keys) assert.match(key, KEYS);
      assert.deepEqual(first.held.files, untouched);
      assert.deepEqual(
        first.done.map(({ trouble }) => trouble),
        more.map(() => null),
      );
      for (const one of more) mine.make(one);
      mine.check(first.now as Held, undefined);
      if (at % 2) return;
      const second = await bench.boot(first.image);
      assert.deepEqual(second.held, first.now);
    };
    const queue = [...cuts];
    await Promise.all(
      benches.map(async (bench) => {
        for (let next = queue.shift(); next; next = queue.shift()) {
          try {
            await inspect(bench, next.cut, next.at);
          } catch (error) {
            throw new Error(`${what}, cut ${next.cut.at}: ${(error as Error).message}`, { cause: error });
          }
        }
      }),
    );
    counts.possible += all.length;
    counts.cuts += cuts.length;
    if (cuts.length > 0) counts.kinds[step.kind] = (counts.kinds[step.kind] ?? 0) + cuts.length;
    truth.make(step).check(now as Held, undefined);
    image = after;
  }
  counts.boots = benches.reduce((sum, { boots }) => sum + boots, 0);
  return counts;
}
