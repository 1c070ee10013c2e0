/** What every store promises, as tests. */
import assert from 'node:assert/strict';
import { Drawer } from '../../../gateway/store/drawer.ts';
import type { Arrival, LogEntry, Store } from '../../../gateway/store/store.ts';

/** @param open opens the store that is under test, each time the same one */
export function testPromises(open: () => Promise<Store>): void {
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.close());
  const reopen = async (): Promise<void> => {
    await store.close();
    store = await open();
  };

  describe('records', () => {
    it('come back as they were saved, of every kind, under keys of every kind', async () => {
      const records = new Map<string, never>(
        Object.entries({
          'devices/PAR-0001': { address: 'é\u0000"\'\\', n: [1, -0.5, 1e300, null, true, { '': '' }] },
          'devices/': [],
          "o'hara % _ \u{1f4a1}": 'text',
          zero: 0,
          nothing: null,
          no: false,
        }) as never,
      );
      for (const [key, record] of records) await store.save(key, record);
      await reopen();
      assert.deepEqual(await store.load(), records);
    });

    it('come by prefix, in which no character is special', async () => {
      for (const key of ['a%', 'a%b', 'ab', 'a_', 'A%', 'b', '\u{1f4a1}a']) await store.save(key, key);
      const keys = async (prefix: string) => [...(await store.load(prefix)).keys()].sort();
      assert.deepEqual(await keys('a%'), ['a%', 'a%b']);
      assert.deepEqual(await keys('a_'), ['a_']);
      assert.deepEqual(await keys('\u{1f4a1}'), ['\u{1f4a1}a']);
      assert.deepEqual(await keys('c'), []);
      assert.equal((await keys('')).length, 7);
    });

    it('are what the last call said, also among calls at once; undefined deletes', async () => {
      await store.save('gone', 1);
      const saves = [1, 2, 3, undefined, 4].map((value) => store.save('kept', value));
      saves.push(store.save('gone', 2), store.save('gone', undefined), store.save('never', undefined));
      await Promise.all(saves);
      await reopen();
      assert.deepEqual([...(await store.load())], [['kept', 4]]);
    });

    it('are those of the moment of the call: what the caller changes later is not saved', async () => {
      const record = { level: 40, list: [1] };
      const saving = store.save('lamp', record);
      record.list.push(2);
      record.level = 0;
      await saving;
      assert.deepEqual((await store.load()).get('lamp'), { level: 40, list: [1] });
    });

    it('are saved before the store is closed', async () => {
      const saving = store.save('late', 1);
      await reopen();
      await saving;
      assert.equal((await store.load()).get('late'), 1);
    });
  });

  describe('a drawer of objects', () => {
    const open = async () => {
      const drawer = new Drawer(store, 'drawer/');
      return { drawer, found: await drawer.load() };
    };

    it('gives them back in the order in which they came first, and leaves other records alone', async () => {
      await store.save('drawer', 1);
      const { drawer } = await open();
      const objects = new Map<string, unknown>(Object.entries({ 'b b': { n: 1 }, a: 2, 'c\n': [3] }));
      await drawer.keep(objects);
      objects.set('b b', { n: 4 });
      objects.delete('a');
      await drawer.keep(objects);
      objects.set('a', 5);
      await drawer.keep(objects);
      await reopen();
      const { drawer: again, found } = await open();
      assert.deepEqual(
        [...found],
        [
          ['b b', { n: 4 }],
          ['c\n', [3]],
          ['a', 5],
        ],
      );
      await again.keep(new Map([...found, ['d', 6]]));
      await reopen();
      assert.deepEqual([...(await open()).found.keys()], ['b b', 'c\n', 'a', 'd']);
      assert.equal((await store.load()).get('drawer'), 1);
    });

    it('writes only those that were replaced', async () => {
      const { drawer } = await open();
      const objects = new Map([1, 2, 3].map((n) => [String(n), { n }]));
      await drawer.keep(objects);
      for (const key of ['1', '2', '3']) await store.save(`drawer/${key}`, 'written by another');
      objects.set('2', { n: 4 });
      await drawer.keep(objects);
      const there = [...(await store.load('drawer/'))].sort();
      assert.deepEqual(there, [
        ['drawer/1', 'written by another'],
        ['drawer/2', { place: 2, object: { n: 4 } }],
        ['drawer/3', 'written by another'],
      ]);
    });
  });

  describe('logs', () => {
    const entry = (logger: string, body: number, kind: LogEntry['kind'] = 'attribute') => {
      return { logger, kind, time: 1000 * body, body };
    };
    const bodies = async (logger: string, limit = 1000) =>
      (await store.logs.pending(logger, limit)).map(({ body }) => body);

    it('give entries oldest first, each logger its own, with growing numbers, also after a restart', async () => {
      await store.logs.append([entry('a', 1), entry('b', 2), entry('a', 3, 'event')]);
      await reopen();
      await store.logs.append([entry('a', 4)]);
      const found = await store.logs.pending('a', 1000);
      assert.deepEqual(
        found.map(({ sequence, ...rest }) => rest),
        [entry('a', 1), entry('a', 3, 'event'), entry('a', 4)],
      );
      assert.ok(
        found.every(({ sequence }, i) => Number.isSafeInteger(sequence) && sequence > (found[i - 1]?.sequence ?? 0)),
      );
      assert.deepEqual(await bodies('b'), [2]);
      assert.deepEqual(await bodies('c'), []);
      assert.deepEqual(await bodies('a', 2), [1, 3]);
    });

    it('keep the order of calls that do not wait for each other', async () => {
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      await Promise.all(numbers.map((i) => store.logs.append([entry('a', i)])));
      assert.deepEqual(await bodies('a'), numbers);
    });

    it('let go what was reported, once and again, and nothing that came later or belongs to others', async () => {
      await store.logs.append([entry('a', 1), entry('b', 2), entry('a', 3), entry('a', 4)]);
      const [, second] = await store.logs.pending('a', 2);
      await store.logs.reported('a', second.sequence);
      await store.logs.reported('a', second.sequence);
      await store.logs.reported('a', 0);
      await reopen();
      assert.deepEqual([await bodies('a'), await bodies('b')], [[4], [2]]);
    });

    it('never use a number again, also when everything was reported before a restart', async () => {
      await store.logs.append([entry('a', 1)]);
      const [{ sequence }] = await store.logs.pending('a', 1);
      await store.logs.reported('a', sequence);
      await reopen();
      await store.logs.append([entry('a', 2)]);
      assert.ok((await store.logs.pending('a', 1))[0].sequence > sequence);
    });

    it('make room: oldest attributes first, then events, and say what was dropped', async () => {
      const log = [
        entry('a', 1, 'event'),
        entry('a', 2),
        entry('a', 3, 'event'),
        entry('a', 4),
        entry('a', 5, 'event'),
      ];
      await store.logs.append([...log, entry('b', 6)]);
      assert.deepEqual(await store.logs.trim('a', 5), { attributes: 0, events: 0 });
      assert.deepEqual(await store.logs.trim('a', 4), { attributes: 1, events: 0 });
      assert.deepEqual(await bodies('a'), [1, 3, 4, 5]);
      assert.deepEqual(await store.logs.trim('a', 2), { attributes: 1, events: 1 });
      assert.deepEqual(await bodies('a'), [3, 5]);
      assert.deepEqual(await store.logs.trim('a', 0), { attributes: 0, events: 2 });
      assert.deepEqual([await bodies('a'), await bodies('b')], [[], [6]]);
    });

    it('are forgotten with their logger', async () => {
      await store.logs.append([entry('a', 1), entry('b', 2)]);
      await store.logs.forget('a');
      await store.logs.forget('a');
      assert.deepEqual([await bodies('a'), await bodies('b')], [[], [2]]);
    });

    it('take an empty list, and thousands of entries at once', async () => {
      await store.logs.append([]);
      await store.logs.append(Array.from({ length: 20000 }, (_, i) => entry('a', i)));
      assert.deepEqual(await bodies('a', 3), [0, 1, 2]);
      assert.equal((await bodies('a', 100000)).length, 20000);
    });
  });

  describe('arrivals', () => {
    const arrival = (controller: string, number: number, more: Partial<Arrival> = {}): Arrival => {
      const content = new Uint8Array([0, 255, number & 255]);
      return { controller, kind: 0, epoch: 7, number, time: 1000 * number, content, ...more };
    };
    const names = (found: Arrival[]) =>
      found.map(({ controller, kind, epoch, number }) => `${controller}${kind}${epoch}.${number}`);
    const all = async (after = 0, limit = 100000) => store.arrivals.after(after, limit);

    it('come back as they came and in that order, with growing numbers, also after a restart', async () => {
      const most = 4294967295;
      await store.arrivals.add([arrival('b', 2), arrival('a', 1, { content: new Uint8Array(0), time: 1714852800123 })]);
      await store.arrivals.add([arrival('a', most, { kind: 1, epoch: most, time: 0 })]);
      await reopen();
      await store.arrivals.add([arrival('a', 2)]);
      const found = await all();
      assert.deepEqual(
        found.map(({ sequence, content, ...rest }) => ({ ...rest, content: [...content] })),
        [
          { controller: 'b', kind: 0, epoch: 7, number: 2, time: 2000, content: [0, 255, 2] },
          { controller: 'a', kind: 0, epoch: 7, number: 1, time: 1714852800123, content: [] },
          { controller: 'a', kind: 1, epoch: most, number: most, time: 0, content: [0, 255, 255] },
          { controller: 'a', kind: 0, epoch: 7, number: 2, time: 2000, content: [0, 255, 2] },
        ],
      );
      assert.ok(found.every(({ sequence }, i) => sequence > (found[i - 1]?.sequence ?? 0)));
      assert.deepEqual(names(await all(found[1].sequence, 1)), ['a14294967295.4294967295']);
      assert.deepEqual(await all(found[3].sequence), []);
    });

    it('are there once, by controller, kind, epoch and number, and as they came first', async () => {
      const first = arrival('a', 1, { content: new Uint8Array([1]) });
      const again = arrival('a', 1, { content: new Uint8Array([2]), time: 9 });
      const others = [{ controller: 'b' }, { kind: 1 }, { epoch: 8 }, { number: 2 }].map((more) =>
        arrival('a', 1, more),
      );
      await Promise.all([store.arrivals.add([first, again]), store.arrivals.add([again, ...others])]);
      await reopen();
      await store.arrivals.add([again, arrival('a', 3), again]);
      const found = await all();
      assert.deepEqual(names(found), ['a07.1', 'b07.1', 'a17.1', 'a08.1', 'a07.2', 'a07.3']);
      assert.deepEqual([...found[0].content], [1]);
    });

    it('go when they are old or too many, oldest first, and never beyond the last that was taken', async () => {
      await store.arrivals.add([1, 2, 3, 4, 5, 6].map((number) => arrival('a', number)));
      const sequences = (await all()).map(({ sequence }) => sequence);
      const trim = async (upTo: number, before: number, most: number): Promise<string[]> => {
        while ((await store.arrivals.trim(upTo, before, most)) > 0);
        return (await all()).map(({ number }) => String(number));
      };
      assert.deepEqual(await trim(sequences[5], 1000, 6), ['1', '2', '3', '4', '5', '6']);
      assert.deepEqual(await trim(sequences[5], 2000, 6), ['2', '3', '4', '5', '6']);
      assert.deepEqual(await trim(sequences[5], 0, 4), ['3', '4', '5', '6']);
      assert.deepEqual(await trim(sequences[3], 1e15, 0), ['5', '6']);
      await reopen();
      await store.arrivals.add([arrival('a', 1), arrival('a', 6)]);
      const left = await all();
      assert.deepEqual(names(left), ['a07.5', 'a07.6', 'a07.1'], 'what is gone may come again');
      assert.ok(left[2].sequence > sequences[5], 'under a number that was never used');
      assert.deepEqual(await trim(left[2].sequence, 1e15, 10), []);
      await reopen();
      await store.arrivals.add([arrival('a', 9)]);
      assert.ok((await all())[0].sequence > left[2].sequence);
    });

    it('take an empty list, and thousands at once', async () => {
      await store.arrivals.add([]);
      const many = Array.from({ length: 6000 }, (_, i) => arrival('a', i + 1));
      await Promise.all([store.arrivals.add(many), store.arrivals.add(many)]);
      assert.equal((await all()).length, 6000);
      while ((await store.arrivals.trim(1e15, 1e15, 0)) > 0);
      assert.equal((await all()).length, 0);
    });
  });
}
