import type { Bytes, FlashArea, Hal } from '../../hal/hal.ts';
import type { Case, Fixture } from './fixture.ts';
import { pattern, same, throws } from './helpers.ts';

/** Opens the area with its first two pages erased. */
function open(hal: Hal, fixture: Fixture): FlashArea {
  const flash = hal.openFlash(fixture.area);
  flash.erase(0);
  flash.erase(flash.page);
  return flash;
}

/** @returns whether all bytes are those of erased flash */
function blank(bytes: Bytes): boolean {
  for (const byte of bytes) if (byte !== 255) return false;
  return true;
}

export const flashCases: Case[] = [
  {
    name: 'flash: erased bytes are 255, and what is written is read back where it was written',
    run(hal, fixture, check, done) {
      const flash = open(hal, fixture);
      check(blank(flash.read(0, flash.page)), 'erased flash is not 255');
      flash.write(8, pattern(64, 3));
      check(same(flash.read(8, 64), pattern(64, 3)), 'something else was read');
      check(blank(flash.read(0, 8)) && blank(flash.read(72, 100)), 'bytes beside it have changed');
      done();
    },
  },
  {
    name: 'flash: a later write leaves what lies before it',
    run(hal, fixture, check, done) {
      const flash = open(hal, fixture);
      flash.write(0, pattern(16, 1));
      flash.write(16, pattern(16, 2));
      check(same(flash.read(0, 16), pattern(16, 1)), 'the first write is gone');
      check(same(flash.read(16, 16), pattern(16, 2)), 'the second write is not there');
      done();
    },
  },
  {
    name: 'flash: an erasure takes one page and leaves the next',
    run(hal, fixture, check, done) {
      const flash = open(hal, fixture);
      flash.write(flash.page - 8, pattern(8, 5));
      flash.write(flash.page, pattern(8, 6));
      flash.erase(0);
      check(blank(flash.read(0, flash.page)), 'the page is not erased');
      check(same(flash.read(flash.page, 8), pattern(8, 6)), 'the next page has changed');
      done();
    },
  },
  {
    name: 'flash: what is read is a copy',
    run(hal, fixture, check, done) {
      const flash = open(hal, fixture);
      flash.write(0, pattern(8, 9));
      const bytes = flash.read(0, 8);
      flash.erase(0);
      check(same(bytes, pattern(8, 9)), 'what was read has changed');
      bytes[0] = 1;
      check(flash.read(0, 1)[0] === 255, 'writing to what was read changes flash');
      done();
    },
  },
  {
    name: 'flash: contents survive a reset',
    run(hal, fixture, check, done) {
      open(hal, fixture).write(12, pattern(20, 4));
      const again = fixture.boot().openFlash(fixture.area);
      check(same(again.read(12, 20), pattern(20, 4)), 'the contents are lost');
      done();
    },
  },
  {
    name: 'flash: beyond the area everything throws',
    run(hal, fixture, check, done) {
      const flash = open(hal, fixture);
      const size = flash.size;
      check(
        throws(() => flash.read(size - 4, 8)),
        'reading beyond the end does not throw',
      );
      check(
        throws(() => flash.read(-4, 4)),
        'reading before the begin does not throw',
      );
      check(
        throws(() => flash.write(size, pattern(4, 0))),
        'writing beyond the end does not throw',
      );
      check(
        throws(() => flash.erase(size)),
        'erasing beyond the end does not throw',
      );
      done();
    },
  },
  {
    name: 'flash: it is written by 4 bytes and erased by pages, anything else throws and changes nothing',
    run(hal, fixture, check, done) {
      const flash = open(hal, fixture);
      flash.write(0, pattern(8, 1));
      check(
        throws(() => flash.write(10, pattern(4, 2))),
        'an odd address does not throw',
      );
      check(
        throws(() => flash.write(12, pattern(3, 2))),
        'an odd length does not throw',
      );
      check(
        throws(() => flash.erase(4)),
        'erasing inside a page does not throw',
      );
      check(same(flash.read(0, 8), pattern(8, 1)) && blank(flash.read(8, 32)), 'something has changed');
      done();
    },
  },
  {
    name: 'flash: an area of one page, or of broken pages, throws',
    run(hal, fixture, check, done) {
      const page = hal.openFlash(fixture.area).page;
      const sized = (size: number) => Object.assign({}, fixture.area, { size });
      check(
        throws(() => hal.openFlash(sized(page))),
        'one page does not throw',
      );
      check(
        throws(() => hal.openFlash(sized(2 * page + 4))),
        'a broken page does not throw',
      );
      done();
    },
  },
  {
    name: 'crc32: of the digits 1 to 9 it is 0xCBF43926, of nothing 0',
    run(hal, _fixture, check, done) {
      const digits = new Uint8Array(9);
      for (let i = 0; i < 9; i++) digits[i] = 49 + i;
      check(hal.crc32(digits) === 0xcbf43926, 'another value');
      check(hal.crc32(new Uint8Array(0)) === 0, 'another value of nothing');
      done();
    },
  },
];
