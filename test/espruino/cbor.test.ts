import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { cost, interpreter } from '../../scripts/interpreter.mjs';
import { MALFORMED, NUMBERS, OTHER_NUMBERS, OTHERS, REFUSED, SIMPLES, TEXTS } from '../golden/cbor.ts';
import { MESSAGES, peer } from '../protocols/cbor-peer.ts';
import { generator, mutate } from '../protocols/mutate.ts';
import { same } from './same.ts';

const IMPORTS = "import { CborWriter, decode } from './firmware/protocols/cbor.ts';";
const hexOf = (data: Uint8Array) => Buffer.from(data).toString('hex');

/** Numbers go over as their bits: the interpreter reads long literals less exactly. */
function bits(value: number): string {
  const data = Buffer.alloc(8);
  data.writeDoubleBE(value);
  return data.toString('hex');
}

/** `show(value)`: the same text for the same value on both sides. */
const SHOW = `
  function real(text) { return new DataView(bytes(text).buffer).getFloat64(0); }
  function scalar(value) {
    if (typeof value === "number") {
      if (isNaN(value)) return "NaN";
      const data = new Uint8Array(8);
      new DataView(data.buffer).setFloat64(0, value);
      return hex(data);
    }
    return typeof value === "string" ? "'" + codes(value) + "'" : String(value);
  }
  function show(value) {
    const work = [{ value }];
    let text = "";
    while (work.length > 0) {
      const next = work.pop();
      const item = next.value;
      if (next.end) text += next.end;
      else if (typeof item !== "object" || item === null) text += scalar(item) + " ";
      else if (item.byteLength !== undefined) text += "<" + hex(item) + ">";
      else {
        const keys = Object.keys(item).sort((a, b) => a - b);
        text += Array.isArray(item) ? "[" : "{";
        work.push({ end: Array.isArray(item) ? "]" : "}" });
        for (let i = keys.length - 1; i >= 0; i--) {
          work.push({ value: item[keys[i]] });
          if (!Array.isArray(item)) work.push({ end: keys[i] + ":" });
        }
      }
    }
    return text;
  }
`;

describe('CBOR on the interpreter', () => {
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: CBOR on the interpreter needs ESPRUINO');
    this.skip();
  });

  it(`writes the ${NUMBERS.length + SIMPLES.length + TEXTS.length} vectors of RFC 8949 Appendix A, text of bytes 128 to 255 included`, async () => {
    const lines = await same(
      IMPORTS,
      `${SHOW}
      const writer = new CborWriter(100);
      for (const number of ${JSON.stringify(NUMBERS.map(([value]) => bits(value)))}) {
        writer.number(real(number)); say(hex(writer.finish()));
        writer.pairs(0, [undefined, real(number)]); say(hex(writer.finish()));
      }
      for (const simple of [false, true, null, undefined]) { writer.simple(simple); say(hex(writer.finish())); }
      for (const text of ${JSON.stringify(TEXTS.map(([value]) => [...value].map((one) => one.charCodeAt(0))))}) {
        let string = ""; for (const code of text) string += String.fromCharCode(code);
        writer.text(string); say(hex(writer.finish()));
      }`,
    );
    const numbers = NUMBERS.flatMap(([, code]) => [code, `01${code}`]);
    assert.deepEqual(lines, [...numbers, ...SIMPLES.map(([, code]) => code), ...TEXTS.map(([, code]) => code)]);
  });

  it('writes rows, maps, reports and what does not fit as Node does', async () => {
    const lines = await same(
      IMPORTS,
      `const writer = new CborWriter(60);
      const rows = [[], [0, 23, 24, 255, 256, 65535, 65536, 2147483648, 4294967295, 4294967296, 9007199254740991],
        [-1, -24, -25, -256, -257, -65537, -4294967297, null, 24.9, 255.5, 65535.5, 23.5], [0.1, 1.5, 100000.5]];
      for (const row of rows) {
        writer.map(row.length); writer.pairs(3, row); say(hex(writer.finish()));
      }
      writer.map(12);
      writer.pairs(0, [1234, 1764080000, 86400, 60, 60, 3, undefined, 17, 1764079000, 2304, 182, 399, 951]);
      say(hex(writer.finish()));
      writer.text("${'x'.repeat(60)}"); say(hex(writer.finish()));
      for (const count of [0, 23, 24, 255, 256, 65536]) { writer.map(count); writer.array(count); say(hex(writer.finish())); }`,
    );
    const fields = [1234, 1764080000, 86400, 60, 60, 3, undefined, 17, 1764079000, 2304, 182, 399, 951];
    const report = new Map(fields.map((value, key): [number, unknown] => [key, value]).filter(([, value]) => value));
    assert.equal(lines[4], hexOf(peer.encode(report)));
    assert.equal(lines[5], 'undefined');
  });

  it('reads the vectors of RFC 8949 and 300 mutated messages as Node does', async () => {
    const random = generator(5);
    const vectors = [...NUMBERS, ...OTHER_NUMBERS, ...SIMPLES, ...TEXTS, ...OTHERS].map(([, code]) => code);
    const damaged = Array.from({ length: 300 }, (_, i) =>
      hexOf(mutate(MESSAGES[i % MESSAGES.length], MESSAGES, random).subarray(0, 80)),
    );
    // The interpreter has no negative zero.
    const all = [...vectors, ...REFUSED, ...MALFORMED, ...MESSAGES.map(hexOf), ...damaged].filter(
      (code) => code !== 'f98000',
    );
    for (let from = 0; from < all.length; from += 250) {
      const lines = await same(
        IMPORTS,
        `${SHOW} for (const message of ${JSON.stringify(all.slice(from, from + 250))}) say(show(decode(bytes(message))));`,
      );
      assert.equal(lines.length, Math.min(250, all.length - from));
    }
  });

  it('takes less than 2,000,000 instructions and 84 bytes for a report of 12 fields', async () => {
    const { code } = await bundle({ source: `${IMPORTS} global.writer = new CborWriter(84);` });
    const instructions = cost(
      code,
      'writer.map(12);writer.pairs(0,[1234,1764080000,86400,60,60,3,undefined,17,1764079000,2304,182,399,951]);' +
        'if(!writer.finish())throw "too long";',
    );
    console.log(`      ${instructions} instructions`);
    assert.ok(instructions < 2_000_000);
  });
});
