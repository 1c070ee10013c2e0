import assert from 'node:assert/strict';
import { join } from 'node:path';
import { interpreter } from '../../scripts/interpreter.mjs';
import { missing } from './peers.ts';
import { Bench, type Counts, kernelSaw, operationsOf, PAGE, type Step, sweep, watched, watcher } from './power-cuts.ts';

/** `POWER_CUTS=all` makes every cut, which takes half an hour; else every so many-th. */
const EVERY = process.env.POWER_CUTS === 'all' ? 1 : Number(process.env.POWER_CUTS ?? 7);
const SETTINGS = ['configuration', 'timetable', 'level', 'overrides', 'monitoring', 'groups', 'boot', 'spare'];
const RAW = [...SETTINGS, 'deletion', 'counters', 'event', 'samples', 'acknowledgement'];

const chosen = (place: number) => place % EVERY === 0;

/** Each kind in turn, numbered from `from`. */
const steps = (kinds: string[], from: number, uncut = false): Step[] =>
  kinds.map((kind, i) => ({ kind, number: from + i, uncut }));

/** What is written after a cut: small, large and the same again, beginning with any of them. */
function onwards(others: string[]) {
  return ({ kind }: Step, place: number): Step[] => {
    const kinds = [...others, kind];
    return steps([...kinds.slice(place % kinds.length), ...kinds.slice(0, place % kinds.length)], 200);
  };
}

function tell(what: string, { possible, cuts, kinds, boots, fresh }: Counts): void {
  const by = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
  console.log(
    `      ${what}: ${cuts} of ${possible} cuts (${by.join(', ')}), ${boots} boots, ${fresh} found the new value`,
  );
}

/** Source of what has to be there: the values that the test wrote. */
describe('a power cut on the interpreter, in its own Storage and flash', function () {
  this.timeout(EVERY < 7 ? 7_200_000 : 1_200_000);
  const benches: Bench[] = [];

  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: power cuts on the interpreter need ESPRUINO');
    this.skip();
  });

  afterEach(() => {
    for (const bench of benches.splice(0)) bench.close();
  });

  async function open(raw: boolean, filler = 0): Promise<Bench[]> {
    const bench = await Bench.open(raw, filler);
    benches.push(bench, bench.another());
    return benches;
  }

  for (const [what, raw, kinds] of [
    ['a setting in Storage', false, ['level', 'overrides', 'level', 'spare', 'deletion', 'level']],
    [
      'a setting, a record or counters in raw flash',
      true,
      ['boot', 'timetable', 'overrides', 'counters', 'event', 'acknowledgement'],
    ],
  ] as const) {
    it(`falls into the operations that the kernel sees when ${what} is written`, async function () {
      if (missing(['strace']).length > 0) {
        console.log('    SKIPPED: watching the interpreter needs strace');
        this.skip();
      }
      const [bench] = await open(raw);
      let image = bench.image();
      for (const step of steps([...kinds], 1)) {
        const trace = join(bench.directory, 'trace');
        const { done, image: after } = await bench.boot(image, [step], watcher(bench.directory, trace));
        const operations = operationsOf(image, after, done[0].log);
        assert.ok(operations.length > 0);
        assert.deepEqual(kernelSaw(trace), watched(image, operations), step.kind);
        image = after;
      }
    });
  }

  it('leaves every setting in Storage old or new, all others, the program and the site as they were', async () => {
    const first = [...SETTINGS, 'deletion'];
    const second = ['spare', ...SETTINGS, 'level', 'overrides', 'level', 'deletion'];
    const counts = await sweep(
      await open(false),
      false,
      [...steps(first, 1), ...steps(second, 20)],
      onwards(['level', 'timetable']),
      chosen,
    );
    tell('Storage', counts);
    assert.ok(counts.cuts > 2500 / EVERY, `${counts.cuts} cuts`);
    assert.ok(counts.fresh > first.length + second.length && counts.fresh < counts.cuts / 2);
  });

  it('does so, too, when the header of a file is at the end of a page of Storage or across it', async () => {
    const { next } = (await open(false))[0];
    for (const before of [4, 16, 32, 36]) {
      const filler = (2 * PAGE - before - next) % PAGE;
      const there = await open(false, filler);
      const mine = there.splice(-2);
      assert.equal(mine[0].next, (PAGE - before) % PAGE);
      const list = steps(['level', 'timetable'], 1).map((step, i) => ({ ...step, uncut: i > 0 }));
      const counts = await sweep(mine, false, list, onwards(['level', 'timetable']), chosen);
      tell(`${before} bytes before the end`, counts);
      assert.ok(counts.cuts > 150 / EVERY, `${counts.cuts} cuts`);
      for (const bench of mine) bench.close();
    }
  });

  it('leaves every setting in raw flash old or new, every record whole, and counts what it drops', async () => {
    const around = Array.from({ length: 9 }, () => RAW.filter((kind) => kind !== 'deletion')).flat();
    const list = [...steps(RAW, 1), ...steps(around, 20, true), ...steps([...RAW, ...RAW], 200)];
    const counts = await sweep(await open(true), true, list, onwards(['level', 'boot', 'event', 'samples']), chosen);
    tell('raw flash', counts);
    assert.ok(counts.cuts > 4000 / EVERY, `${counts.cuts} cuts`);
    assert.ok(counts.fresh > 3 * RAW.length && counts.fresh < counts.cuts / 2);
  });
});
