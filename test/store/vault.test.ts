import assert from 'node:assert/strict';
import { Vault } from '../../firmware/store/vault.ts';
import type { FlashArea, Hal, Storage } from '../../hal/hal.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';
import type { Case } from '../conformance/fixture.ts';
import { runCase } from '../conformance/runner.ts';
import { storageCases } from '../conformance/storage.ts';
import { runUntil, SimFixture } from '../hal/sim-fixture.ts';
import { sweepVault } from './vault-cuts.ts';

const open = (raw: Flash): Vault => new Vault(openSim({ raw }), { size: raw.size });
const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (seed * 7 + i) & 255);

/** The HAL's promises of storage, on a board whose storage is a vault. */
class VaultFixture extends SimFixture {
  override boot(id?: string): Hal {
    const board = this.board;
    board.raw.keepPower();
    const hal = super.boot(id);
    let vault: Storage | undefined;
    Object.defineProperty(hal, 'storage', {
      get: () => {
        vault ??= new Vault(hal, { size: board.raw.size });
        return vault;
      },
    });
    return hal;
  }

  override cutPower(moment: number): void {
    this.board.raw.cutAfter(Math.floor(moment / 3), (moment % 3) / 2);
  }

  override damage(key: string): void {
    const { raw } = this.board;
    const at = Buffer.from(raw.image()).lastIndexOf(key, undefined, 'latin1');
    raw.damage(at + key.length, 0x01);
  }
}

function failure(test: Case, fixture: SimFixture): string {
  let found: string | undefined;
  const abort = runCase(test, fixture, (reason) => {
    found = reason;
  });
  fixture.onUncaught = (error) => abort(`threw ${error}`);
  runUntil(
    fixture.world,
    () => found !== undefined,
    6000,
    (error) => abort(`threw ${error}`),
  );
  return found ?? 'the runner never came back';
}

describe('a vault', () => {
  // A value of 8000 bytes is more than a page: what happens when storage is full is looked at below.
  for (const test of storageCases.filter(({ name }) => !name.includes('full')))
    it(test.name, () => assert.equal(failure(test, new VaultFixture()), ''));

  it('takes 3000 values of a controller, in 4 pages of 4 KiB, and gives the latest of each after every restart', () => {
    const raw = new Flash({ size: 16384 });
    const random = seeded('vault');
    // The longest values that there are at a time: timetable, monitoring document, group keys, overrides, and small ones.
    const longest = {
      timetable: 2560,
      monitoring: 900,
      groups: 640,
      overrides: 420,
      lamp: 62,
      lit: 4,
      level: 1,
      boot: 4,
    };
    const truth = new Map<string, Uint8Array>();
    let vault = open(raw);
    for (let step = 0; step < 3000; step++) {
      const key = Object.keys(longest)[random.below(8)] as keyof typeof longest;
      if (random.below(20) === 0) {
        vault.delete(key);
        truth.delete(key);
      } else {
        const value = bytes(random.below(4) === 0 ? random.below(longest[key] + 1) : longest[key], step);
        vault.write(key, value);
        truth.set(key, value);
      }
      if (step % 50 === 0) vault = open(raw);
      if (step % 7 > 0) continue;
      assert.deepEqual(vault.keys().sort(), [...truth.keys()].sort());
      for (const [name, value] of truth) assert.deepEqual(vault.read(name), value, `${name} in step ${step}`);
    }
    const [least, most] = [Math.min(...raw.erases), Math.max(...raw.erases)];
    assert.ok(most - least <= 1, `the pages were erased ${raw.erases} times`);
  });

  it('throws when it is full, keeps what was there, and takes values again when others go', () => {
    const raw = new Flash({ size: 16384 });
    const vault = open(raw);
    vault.write('kept', bytes(50, 3));
    let full = -1;
    for (let i = 0; i < 20 && full < 0; i++) {
      try {
        vault.write(`fill${i}`, bytes(1500, i));
      } catch (error) {
        assert.match(String(error), /storage is full/);
        full = i;
      }
    }
    assert.ok(full >= 4, `${full} values of 1500 bytes`);
    assert.throws(() => vault.write('kept', bytes(1500, 9)), /storage is full/);
    for (const again of [vault, open(raw)]) {
      assert.deepEqual(again.read('kept'), bytes(50, 3));
      for (let i = 0; i < full; i++) assert.deepEqual(again.read(`fill${i}`), bytes(1500, i));
    }
    vault.delete('fill0');
    vault.delete('fill1');
    vault.write('kept', bytes(1500, 9));
    assert.deepEqual(open(raw).read('kept'), bytes(1500, 9));
  });

  it('refuses a value that no page holds, and erases nothing for it', () => {
    const raw = new Flash({ size: 16384 });
    const vault = open(raw);
    vault.write('a', bytes(4, 1));
    const erases = [...raw.erases];
    assert.throws(() => vault.write('a', bytes(4096, 2)), /storage is full/);
    assert.deepEqual([...raw.erases], erases);
    assert.deepEqual(vault.read('a'), bytes(4, 1));
  });

  it('holds nothing and throws at every write where flash cannot be opened, so that the lamp can go on', () => {
    const vault = new Vault(openSim(), { size: 4096 });
    assert.deepEqual([vault.read('level'), vault.keys()], [undefined, []]);
    vault.delete('level');
    assert.throws(() => vault.write('level', bytes(1, 1)), /storage is full/);
  });

  it('goes on in the next page when flash does not hold what was written', () => {
    const raw = new Flash({ size: 16384 });
    const sim = openSim({ raw });
    const flash = sim.openFlash({ size: raw.size });
    let dead = true;
    const area: FlashArea = { ...flash, write: (at, data) => !(dead && at > 16 && at < 4096) && flash.write(at, data) };
    const worn = { crc32: sim.crc32, openFlash: () => area };
    const vault = new Vault(worn, { size: raw.size });
    vault.write('a', bytes(40, 1));
    vault.write('b', bytes(40, 2));
    dead = false;
    assert.deepEqual([open(raw).read('a'), open(raw).read('b')], [bytes(40, 1), bytes(40, 2)]);
  });

  it('gives the value before when the newest is damaged at a restart', () => {
    const raw = new Flash({ size: 16384 });
    const vault = open(raw);
    vault.write('level', bytes(1, 1));
    vault.write('level', bytes(1, 2));
    vault.write('other', bytes(9, 3));
    raw.damage(Buffer.from(raw.image()).lastIndexOf('level') + 5, 0x04);
    assert.deepEqual([open(raw).read('level'), open(raw).read('other')], [bytes(1, 1), bytes(9, 3)]);
  });

  it('holds old or new values, never a mix, whenever the power goes in 20 writes and deletions', () => {
    const cuts = sweepVault(20, 512);
    console.log(`      ${cuts} cuts`);
    assert.ok(cuts > 400, `${cuts} cuts`);
  });
});
