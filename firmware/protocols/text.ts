/** Text on a controller is a string whose characters are bytes, 0..255. What they mean (UTF-8) is the gateway's affair. */
import type { Bytes } from '../../hal/hal.ts';

/** Characters made by one call: its arguments lie on the stack. */
const PORTION = 32;

/** @returns the bytes `from`..`to` (exclusive) as a string, one character each. */
export function readText(data: Bytes, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at += PORTION) {
    const part = data.subarray(at, Math.min(to, at + PORTION));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}

/** Stores a string's characters as bytes from `at` on; what does not fit is dropped. */
export function writeText(target: Bytes, at: number, text: string): void {
  let to = at;
  for (const character of text) target[to++] = character.charCodeAt(0);
}
