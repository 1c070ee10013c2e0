import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { same } from './same.ts';

/** Flash in memory, which may fail like the real one; and a check sum that both sides have. */
const FLASH = `
  const page = 512;
  const memory = new Uint8Array(6 * page).fill(255);
  let left = 1e9;
  let log = 0;
  function operation() { if (left-- <= 0) throw new Error("cut"); log++; }
  const flash = {
    size: memory.length,
    page,
    read(at, length) {
      const copy = new Uint8Array(length);
      copy.set(memory.subarray(at, at + length));
      return copy;
    },
    write(at, data) {
      if (at % 4 || data.length % 4) throw new Error("not by 4");
      for (let i = 0; i < data.length; i += 4) {
        operation();
        for (let k = i; k < i + 4; k++) {
          if ((memory[at + k] & data[k]) !== data[k]) throw new Error("written twice");
          memory[at + k] = data[k];
        }
      }
    },
    erase(at) {
      operation();
      memory.fill(255, at, at + page);
    },
  };
  function sum(data) {
    if (typeof E !== "undefined") return E.CRC32(data);
    let crc = -1;
    for (const byte of data) {
      crc ^= byte;
      for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    return ~crc >>> 0;
  }
  const hal = { crc32: sum, random() { return 0.5; } };
  let seed = 7;
  function below(n) { seed = (seed * 75 + 74) % 65537; return seed % n; }
`;

describe('the store on the interpreter', function () {
  this.timeout(240_000);
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: the store on the interpreter needs ESPRUINO');
    this.skip();
  });

  it('keeps the same journal as Node through 150 appends, acknowledgements, power cuts and restarts', async () => {
    const lines = await same(
      "import { FlashJournal } from './firmware/store/journal.ts';",
      `${FLASH}
      let journal = new FlashJournal(hal, flash, 1);
      function tell() {
        let text = journal.epoch + ":";
        for (let kind = 0; kind < 2; kind++) {
          const last = journal.last(kind);
          const span = journal.newest(kind, last + 1, 120);
          text += " " + journal.first(kind) + ".." + last + " lost " + journal.dropped(kind) + " newest " + (span ? span.join("-") : "none");
          let from = journal.first(kind);
          if (span) from = span[0];
          for (const record of journal.read(kind, from, 120)) text += " " + hex(record);
        }
        say(text + " " + log + " " + sum(memory));
      }
      for (let step = 0; step < 150; step++) {
        const kind = below(2);
        if (step % 9 === 8) left = below(12);
        try {
          if (below(3) > 0) journal.append(kind, new Uint8Array(kind ? 60 + below(100) : below(40)).fill(step));
          else {
            const from = journal.last(kind) - below(9);
            journal.stored(kind, from, from + below(5));
          }
        } catch (cut) {
          say(String(cut));
        }
        if (left < 1e6) {
          left = 1e9;
          journal = new FlashJournal(hal, flash, 99);
        }
        if (step % 3 === 0) tell();
      }`,
    );
    assert.ok(lines.filter((line) => line.indexOf('cut') >= 0).length > 5, 'cuts');
    assert.equal(lines.length > 50, true);
  });

  it('keeps the same vault as Node through 120 writes, deletions, power cuts and restarts', async () => {
    const lines = await same(
      "import { Vault } from './firmware/store/vault.ts';",
      `${FLASH}
      hal.openFlash = () => flash;
      let vault = new Vault(hal, {});
      const keys = ["timetable", "monitoring", "overrides", "level"];
      const longest = [300, 110, 60, 1];
      for (let step = 0; step < 120; step++) {
        const key = below(4);
        if (step % 5 === 4) left = below(60);
        try {
          if (below(9) === 0) vault.delete(keys[key]);
          else vault.write(keys[key], new Uint8Array(below(longest[key] + 1)).fill(step));
        } catch (cut) {
          say(String(cut));
        }
        if (left < 1e6) {
          left = 1e9;
          vault = new Vault(hal, {});
        }
        let text = vault.keys().sort().join();
        for (const name of keys) {
          const value = vault.read(name);
          text += " " + (value ? value.length + ":" + value[0] : "none");
        }
        say(text + " " + log + " " + sum(memory));
      }`,
    );
    assert.ok(lines.filter((line) => line.indexOf('cut') >= 0).length > 5, 'cuts');
  });

  // Node answers undefined for place -1 of a typed array, where the interpreter throws.
  it('holds old or new settings and every record on its file flash, whenever the power goes in a write', async () => {
    const { code } = await bundle({
      source: `
      import { openFlash } from './hal/espruino/flash.ts';
      import { FlashJournal } from './firmware/store/journal.ts';
      import { Vault } from './firmware/store/vault.ts';
      let left = 1e9;
      function make(options) {
        const area = openFlash(options);
        return {
          size: area.size,
          page: area.page,
          read(at, length) { return area.read(at, length); },
          write(at, data) {
            if (left-- === 0) {
              area.write(at, data.subarray(0, (data.length >> 3) << 2));
              throw new Error("cut");
            }
            area.write(at, data);
          },
          erase(at) {
            if (left-- === 0) throw new Error("cut");
            area.erase(at);
          },
        };
      }
      const hal = { crc32: E.CRC32, random: Math.random, openFlash: make };
      const store = { file: "raw", address: 0, size: 16384 };
      const journal = { file: "raw", address: 16384, size: 16384 };
      let cuts = 0;
      let wrong = "";
      let dropped = 0;
      function same(value, length, fill) {
        return !!value && value.length === length && value[0] === fill && value[length - 1] === fill;
      }
      function settings() {
        const keys = ["timetable", "overrides", "level"];
        const sizes = [1900, 300, 1];
        const now = [0, 0, 0];
        for (let step = 1; step <= 9; step++) {
          const key = step % 3;
          for (let count = 0, cut = true; cut && !wrong; count++) {
            const vault = new Vault(hal, store);
            left = count;
            cut = false;
            try { vault.write(keys[key], new Uint8Array(sizes[key]).fill(step)); } catch (error) { cut = true; if (String(error).indexOf("cut") < 0) wrong += " " + error; }
            left = 1e9;
            if (cut) cuts++;
            const again = new Vault(hal, store);
            const is = same(again.read(keys[key]), sizes[key], step);
            if (is) now[key] = step;
            else if (!cut) wrong += " " + step + " is lost";
            for (let k = 0; k < 3; k++) {
              const value = again.read(keys[k]);
              if (now[k] ? !same(value, sizes[k], now[k]) : value) wrong += " " + keys[k] + " at " + step + "/" + count;
            }
          }
        }
      }
      function records() {
        let open = [];
        for (let step = 1; step <= 8; step++) {
          for (let count = 0, cut = true; cut && !wrong; count++) {
            const book = new FlashJournal(hal, make(journal), 1);
            const number = book.last(1) + 1;
            left = count;
            cut = false;
            try {
              if (step % 4 === 0) book.stored(1, open[0], open[0]);
              else book.append(1, new Uint8Array(560).fill(number));
            } catch (error) { cut = true; if (String(error).indexOf("cut") < 0) wrong += " " + error; }
            left = 1e9;
            if (cut) cuts++;
            const again = new FlashJournal(hal, make(journal), 1);
            if (step % 4 === 0) { if (again.first(1) > open[0]) open.shift(); }
            else if (again.read(1, number, 0).length > 0) open.push(number);
            else if (!cut) wrong += " record " + number + " is lost";
            let gone = 0;
            for (const one of open) {
              const found = again.read(1, one, 0);
              if (found.length === 0) gone++;
              else if (!same(found[0], 560, one & 255)) wrong += " record " + one + " at " + step + "/" + count;
            }
            dropped = again.dropped(1);
            if (gone !== dropped) wrong += " " + gone + " are gone at " + step + "/" + count + ", " + dropped + " counted";
          }
        }
      }
      settings();
      records();
      print("<" + cuts + " cuts, " + dropped + " dropped" + wrong + ">");`,
    });
    const board = boot({ files: { '.bootcde': code } });
    try {
      const [, text] = await board.expect(/<(\d+ cuts[^>]*)>/, { timeout: 220_000 });
      console.log(`      ${text}`);
      assert.match(text, /^\d+ cuts, \d+ dropped$/);
      assert.ok(Number.parseInt(text, 10) > 25, text);
    } finally {
      await board.stop();
    }
  });
});
