import assert from 'node:assert/strict';
import { interpreter } from '../../scripts/interpreter.mjs';
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
  this.timeout(120_000);
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
});
