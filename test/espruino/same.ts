/** Runs one script on Node and on the interpreter, and compares what they say. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { bundle } from '../../scripts/bundle.mjs';
import { boot } from '../../scripts/interpreter.mjs';

/** For scripts: `say(text)` is a line to compare, `hex(bytes)` and `codes(text)` show bytes. */
const TOOLS = `
  function say(text) { print("=" + text); }
  function digits(byte) { return (byte < 16 ? "0" : "") + byte.toString(16); }
  function hex(bytes) { let text = ""; if (!bytes) return String(bytes); for (const byte of bytes) text += digits(byte); return text; }
  function codes(text) { const list = []; for (const one of text) list.push(one.charCodeAt(0)); return list.join(); }
  function bytes(text) {
    const data = new Uint8Array(text.length / 2);
    for (let i = 0; i < data.length; i++) data[i] = parseInt(text.substr(2 * i, 2), 16);
    return data;
  }
`;

/**
 * @param source JavaScript as for `bundle`, imports first
 * @returns the lines that both said. Throws when they differ.
 */
export async function same(imports: string, source: string): Promise<string[]> {
  const { code } = await bundle({ source: `${imports}\n${TOOLS}\nprint('');\n${source}\nsay("end");` });
  const here: string[] = [];
  runInNewContext(`var global = globalThis;${code}`, { print: (line: string) => line && here.push(line.slice(1)) });
  const board = boot({ files: { '.bootcde': code } });
  try {
    const [, trouble] = await board.expect(/\r?\n=end\r?\n|((?:Uncaught|ERROR).*\r?\n.*\n)/, { timeout: 60_000 });
    assert.equal(trouble, undefined);
    const there = board
      .output()
      .split(/\r?\n/)
      .filter((line: string) => line.startsWith('='))
      .map((line: string) => line.slice(1));
    assert.deepEqual(there, here);
  } finally {
    await board.stop();
  }
  return here.slice(0, -1);
}
