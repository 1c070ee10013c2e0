import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { fromField, keyOf, recordOf, siteKey, toField, toGroup } from '../sealed.ts';

const ID = 'pole-1';
const ISSUED = 1_795_644_000_123;
const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (7 * i) & 255));
const SIZES = [0, 1, 19, 20, 100, 251, 252, 600, 1000];
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

/** Seals and opens on the interpreter, with the HAL's own authentication code. */
describe('the seal on the interpreter', function () {
  this.timeout(120_000);

  it('is byte by byte that of the COSE library, which it opens; a bit more or less is refused', async function () {
    if (!interpreter()) {
      console.log('SKIPPED: ESPRUINO is not set, the seal is not tried on the interpreter');
      this.skip();
    }
    const group = { number: 300, generation: 9, key: bytes(32) };
    const record = Buffer.concat([Buffer.of(300 >> 8, 300 & 255, 9), group.key]);
    const { code } = await bundle({
      source: `import { Seal, readKey } from './firmware/link/seal.ts';
        import { mac } from './hal/espruino/system.ts';
        function bytes(text) {
          const data = new Uint8Array(text.length / 2);
          for (let i = 0; i < data.length; i++) data[i] = parseInt(text.substr(2 * i, 2), 16);
          return data;
        }
        function hex(data) {
          if (!data) return String(data);
          let text = '';
          for (const byte of data) text += (byte < 16 ? '0' : '') + byte.toString(16);
          return text;
        }
        const clock = { uptime() { return 1000; }, time() { return ${ISSUED}; } };
        const hal = { clock, mac, random() { return 0.5; } };
        let made = 0;
        global.anew = function () { global.seal = new Seal(hal, readKey(${JSON.stringify(siteKey(ID))}), 'rvb1/${ID}/', made++); };
        global.anew();
        global.session = function () { return hex(seal.session); };
        global.sealed = function (leaf, text) { return hex(seal.seal(leaf, bytes(text))); };
        global.opened = function (name, text, groups) { return hex(seal.open(name, bytes(text), groups && bytes(groups))); };
        global.unwrapped = function (text) { return hex(seal.unwrap(bytes(text))); };`,
    });
    const device = boot({ files: { '.bootcde': `${code}\nsetInterval(function(){},50);` } });
    const ask = (call: string): Promise<string> => device.evaluate(call);
    try {
      const first = await ask('session()');
      await ask('anew()||""');
      const session = Buffer.from(await ask('session()'), 'hex');
      assert.equal(session.length, 8);
      assert.notEqual(hex(session), first, 'each boot has its own');
      let at = ISSUED;
      for (const size of SIZES) {
        const message = bytes(size);
        const text = JSON.stringify(hex(message));
        for (const leaf of ['birth', 'report']) {
          assert.equal(await ask(`sealed("${leaf}",${text})`), hex(fromField(ID, leaf, message, session)), `${size}`);
        }
        const good = toField(ID, 'cmd', message, ++at, session);
        const bad = Buffer.from(good);
        bad[size % good.length] ^= 1;
        assert.equal(await ask(`opened("cmd","${hex(bad)}")`), 'undefined');
        assert.equal(await ask(`opened("cmd","${hex(good.subarray(1))}")`), 'undefined');
        assert.equal(await ask(`opened("cmd","${hex(good)}")`), hex(message));
        assert.equal(await ask(`opened("cmd","${hex(good)}")`), 'undefined', 'once');
      }
      assert.equal(await ask(`unwrapped("${hex(recordOf([group], ID, at))}")`), hex(record));
      const street = toGroup(group, bytes(30), ISSUED);
      assert.equal(await ask(`opened("300","${hex(street)}","${hex(record)}")`), hex(bytes(30)));
      assert.equal(await ask(`opened("300","${hex(street)}","${hex(record)}")`), 'undefined', 'once');
    } finally {
      await device.stop();
    }
    assert.equal(keyOf(ID).length, 32);
  });
});
