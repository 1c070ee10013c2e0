/**
 * How the gateway writes its log: what comes from outside cannot look like a line of its own, nor flood it, and no secret
 * gets into it.
 */

export const LEVELS = ['debug', 'info', 'warning', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** Takes one line; absent level: info. */
export type Log = (line: string, level?: Level) => void;

/** Complaints of one kind per minute that are told of, unless it is said otherwise. */
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

/** What may not be read in a log, and what stands there instead. */
const SECRETS: [RegExp, string][] = [
  // Keys and certificates in PEM, whole or cut off.
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(-----END [A-Z0-9 ]+-----|$)/g, '***'],
  // User and password in a URL.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi, '$1***@'],
  [
    /\b((?:[a-z]+[_-]?)?(?:pass(?:word|wd|phrase)?|secret|token|authorization|private[_-]?key|api[_-]?key))\b(["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&}]+/gi,
    '$1$2***',
  ],
  // A name of a key is harmless, 16 bytes and more in hexadecimal or base64 are none.
  [/\b(key["']?\s*[:=]\s*["']?)[A-Za-z0-9+/_-]{22,}={0,2}/gi, '$1***'],
];

/** @returns the text without passwords and keys */
export function redact(text: string): string {
  let line = text;
  for (const [secret, instead] of SECRETS) line = line.replace(secret, instead);
  return line;
}

/** @returns a log whose lines are lines without secrets, whatever they tell of */
export const safeLog =
  (log: Log): Log =>
  (line, level) =>
    log(oneLine(redact(line)), level);

export interface LogOptions {
  format: 'text' | 'json';
  /** What is less than this is left out. */
  level: Level;
}

/**
 * @param write takes a line without its end
 * @returns a log that writes the line alone, or an object with time, level and message on one line
 */
export function openLog({ format, level: least }: LogOptions, write: (line: string) => void): Log {
  return safeLog((message, level = 'info') => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    write(format === 'text' ? message : JSON.stringify({ time: new Date().toISOString(), level, message }));
  });
}

/**
 * @param most lines a minute
 * @param clock ms
 * @returns a log that takes a few lines a minute: anybody may knock as often as he likes.
 */
export function complainer(log: Log, most = MOST_COMPLAINTS, clock = () => performance.now()): Log {
  let since = 0;
  let count = 0;
  return (line, level = 'warning') => {
    const now = clock();
    if (now - since >= 60000) {
      since = now;
      count = 0;
    }
    if (count++ < most) log(line, level);
  };
}
