/** How the gateway writes its log: what comes from outside cannot look like a line of its own, nor flood it. */

/** Complaints of one kind per minute that are told of. */
const MOST_COMPLAINTS = 10;
/** Characters of one line; an answer of a CMS may be long. */
const LONGEST_LINE = 4096;
/** Controls, line separators, and marks that turn the direction of text: they end lines and steer terminals. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** @returns the text as one line, with everything that a terminal would obey written as `\n`, `\x1b` or `\u202e` */
export function oneLine(text: string): string {
  const line = text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text;
  return line.replace(UNSAFE, (character) => {
    if (character === '\n') return '\\n';
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** @returns a log whose lines are lines, whatever they tell of */
export const safeLog =
  (log: (line: string) => void): ((line: string) => void) =>
  (line) =>
    log(oneLine(line));

/** @returns a log that takes a few lines a minute: anybody may knock as often as he likes. */
export function complainer(log: (line: string) => void): (line: string) => void {
  let since = 0;
  let count = 0;
  return (line) => {
    const now = performance.now();
    if (now - since > 60000) {
      since = now;
      count = 0;
    }
    if (count++ < MOST_COMPLAINTS) log(line);
  };
}
