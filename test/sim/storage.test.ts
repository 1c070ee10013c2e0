import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PowerCut } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { SimStorage } from '../../sim/storage.ts';

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff);
const same = (a: Uint8Array | undefined, b: Uint8Array | undefined) =>
  (a && Buffer.from(a).toString('hex')) === (b && Buffer.from(b).toString('hex'));
const small = () => new Flash({ page: 256, size: 2048 });
const mount = (flash: Flash) => new SimStorage(flash, { on: true });

describe('sim flash', () => {
  it('clears bits, refuses to set them, and sets a page by erasing it', () => {
    const flash = small();
    flash.program(10, Uint8Array.of(0x0f));
    assert.throws(() => flash.program(10, Uint8Array.of(0xf0)), /programmed twice/);
    flash.erase(0);
    flash.program(10, Uint8Array.of(0xf0));
    assert.equal(flash.read(10, 1)[0], 0xf0);
    assert.deepEqual([...flash.erases], [1, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('counts 3 operations for 33 bytes from address 0 and 2 for 17 bytes from address 15', () => {
    const flash = small();
    flash.program(0, bytes(33, 1));
    assert.equal(flash.operations, 3);
    flash.program(15 + 256, bytes(17, 1));
    assert.equal(flash.operations, 5);
  });

  it('leaves 8 of 16 bytes when the power goes in the middle of a unit', () => {
    const flash = small();
    flash.cutAfter(1, 0.5);
    assert.throws(() => flash.program(0, new Uint8Array(48)), PowerCut);
    assert.deepEqual([...flash.read(0, 48)].filter((byte) => byte === 0).length, 24);
  });
});

describe('sim storage', () => {
  it('keeps values over a boot, also empty ones', () => {
    const flash = small();
    const storage = mount(flash);
    storage.write('site', bytes(40, 3));
    storage.write('empty', new Uint8Array(0));
    storage.write('gone', bytes(4, 1));
    storage.delete('gone');
    const again = mount(flash);
    assert.deepEqual(again.keys().sort(), ['empty', 'site']);
    assert.ok(same(again.read('site'), bytes(40, 3)));
    assert.equal(again.read('empty')?.length, 0);
    assert.equal(again.read('gone'), undefined);
  });

  it('refuses keys outside [a-z0-9.-]{1,24}', () => {
    const storage = mount(small());
    for (const key of ['', 'A', 'a_b', 'ü', 'a'.repeat(25)]) {
      assert.throws(() => storage.write(key, bytes(1, 1)), RangeError);
    }
    storage.write('a'.repeat(24), bytes(1, 1));
  });

  it('throws when full, keeps the old value, and takes a smaller one afterwards', () => {
    const storage = mount(small());
    storage.write('a', bytes(500, 1));
    assert.throws(() => storage.write('b', bytes(600, 2)), /full/);
    assert.throws(() => storage.write('a', bytes(1100, 2)), /full/);
    assert.ok(same(storage.read('a'), bytes(500, 1)));
    storage.write('a', bytes(900, 2));
    assert.ok(same(storage.read('a'), bytes(900, 2)));
  });

  it('makes views of before a write unreadable', () => {
    const storage = mount(small());
    storage.write('a', bytes(4, 1));
    const view = storage.read('a');
    storage.write('b', bytes(4, 2));
    assert.ok(!same(view, bytes(4, 1)));
    assert.ok(same(storage.read('a'), bytes(4, 1)));
  });

  it('does not let a scribble on a view reach the flash', () => {
    const flash = small();
    const storage = mount(flash);
    storage.write('a', bytes(4, 1));
    storage.read('a')?.fill(0);
    assert.ok(same(mount(flash).read('a'), bytes(4, 1)));
  });

  it('answers undefined for a damaged value, before and after a boot, whatever was stored there earlier', () => {
    const flash = small();
    const storage = mount(flash);
    storage.write('a', bytes(4, 1));
    storage.write('a', bytes(4, 2));
    storage.write('b', bytes(4, 3));
    storage.damage('a');
    assert.equal(storage.read('a'), undefined);
    const again = mount(flash);
    assert.equal(again.read('a'), undefined);
    assert.ok(same(again.read('b'), bytes(4, 3)));
    again.write('a', bytes(4, 4));
    assert.ok(same(mount(flash).read('a'), bytes(4, 4)));
  });

  /** Runs `act` with a cut in every operation, half done and just done, until it completes. @returns cuts made */
  function sweep(
    prepare: (storage: SimStorage) => void,
    act: (storage: SimStorage) => void,
    check: (storage: SimStorage) => void,
  ) {
    let cuts = 0;
    for (const part of [0, 0.5, 1]) {
      for (let count = 0; ; count++) {
        const flash = small();
        const sim = openSim({ flash });
        prepare(sim.storage);
        flash.cutAfter(count, part);
        let completed = true;
        try {
          act(sim.storage);
        } catch (error) {
          assert.ok(error instanceof PowerCut);
          completed = false;
        }
        flash.keepPower();
        assert.equal(sim.on, completed);
        const again = mount(flash);
        check(again);
        again.write('after', bytes(30, 9));
        check(again);
        const third = mount(flash);
        check(third);
        assert.ok(same(third.read('after'), bytes(30, 9)));
        if (completed) break;
        cuts++;
      }
    }
    return cuts;
  }

  const oldOrNew =
    (key: string, old: Uint8Array | undefined, next: Uint8Array | undefined) => (storage: SimStorage) => {
      const value = storage.read(key);
      assert.ok(same(value, old) || same(value, next), 'neither the old nor the new value');
    };

  it('holds the old or the new value after a cut in each operation of an overwrite', () => {
    const cuts = sweep(
      (storage) => storage.write('a', bytes(100, 1)),
      (storage) => storage.write('a', bytes(120, 2)),
      oldOrNew('a', bytes(100, 1), bytes(120, 2)),
    );
    // 16 bytes of header, 1 of key, 120 of value: 9 units, cut in three ways.
    assert.equal(cuts, 27);
  });

  it('holds all other values, and the old or the new one, after a cut in each operation of a change of banks', () => {
    const prepare = (storage: SimStorage) => {
      storage.write('other', bytes(200, 5));
      for (let round = 0; round < 5; round++) storage.write('a', bytes(110, round));
    };
    const either = oldOrNew('a', bytes(110, 4), bytes(110, 8));
    const cuts = sweep(
      prepare,
      (storage) => {
        for (const round of [8, 8, 8]) storage.write('a', bytes(110, round));
      },
      (storage) => {
        either(storage);
        assert.ok(same(storage.read('other'), bytes(200, 5)));
      },
    );
    assert.ok(cuts > 60, `${cuts} cuts`);
  });

  it('holds the value or nothing after a cut in each operation of a delete and of the first write ever', () => {
    sweep(
      (storage) => storage.write('a', bytes(10, 1)),
      (storage) => storage.delete('a'),
      oldOrNew('a', bytes(10, 1), undefined),
    );
    sweep(
      () => {},
      (storage) => storage.write('a', bytes(10, 1)),
      oldOrNew('a', undefined, bytes(10, 1)),
    );
  });

  it('behaves as a map over 300 random histories with boots and power cuts', () => {
    const action = fc.record({
      kind: fc.constantFrom('write', 'delete', 'boot', 'cut'),
      key: fc.constantFrom('a', 'b', 'c'),
      length: fc.nat(150),
      seed: fc.nat(255),
      count: fc.nat(30),
      part: fc.constantFrom(0, 0.5, 1),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const flash = small();
        let storage = mount(flash);
        const model = new Map<string, Uint8Array>();
        for (const { kind, key, length, seed, count, part } of actions) {
          if (kind === 'boot') storage = mount(flash);
          else if (kind === 'delete') {
            storage.delete(key);
            model.delete(key);
          } else {
            const value = bytes(length, seed);
            if (kind === 'cut') flash.cutAfter(count, part);
            try {
              storage.write(key, value);
              model.set(key, value);
            } catch {
              storage = mount(flash);
              if (same(storage.read(key), value)) model.set(key, value);
            }
            flash.keepPower();
          }
          for (const name of ['a', 'b', 'c']) assert.ok(same(storage.read(name), model.get(name)));
        }
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});
