/**
 * Talks to an Espruino console so that nothing is done by halves and nothing that arrives damaged is done at all: every
 * line carries the CRC of what it says, every answer the CRC of its value, and a line without an answer is said again.
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { FlashError } from './fault.mjs';

/** ms. Two Ctrl-C within 5 s end the interpreter's Linux build. */
const BETWEEN_INTERRUPTS = 5_500;
/** Ctrl-C ends what is running and clears a half-typed line. */
const INTERRUPT = '\x03';
/** "ESC [ 2 H" clears a half-typed line too, without interrupting. Source: Espruino 2v29, src/jsinteractive.c. */
const CLEAR = '\x1b[2H';
/** DLE at the start of a line: no echo. */
const QUIET = '\x10';

/** CRC-32 (IEEE 802.3) of bytes or of a text whose characters are bytes, as `E.CRC32` on the interpreter. */
export const crc = (data) => crc32(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);

/** @returns {string} a string literal in printable ASCII: other characters mean something to a console */
export function literal(text) {
  const escaped = text.replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    if (character === '\n') return '\\n';
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${escaped}"`;
}

export class Console {
  /**
   * @param {import('./port.mjs').Link} link
   * @param {{ baud?: number, attempts?: number, passwords?: string[] }} [options] attempts: how often a line is said before
   *   giving up; passwords: what may unlock the console
   */
  constructor(link, { baud = 115_200, attempts = 5, passwords = [] } = {}) {
    this._link = link;
    this._baud = baud;
    this._attempts = attempts;
    this._passwords = passwords;
    this._nonce = randomBytes(3).toString('hex');
    this._asked = 0;
    this._received = '';
    this._interrupted = Number.NEGATIVE_INFINITY;
    this._closed = undefined;
    this._wake = () => {};
    link.onData((text) => {
      // XON and XOFF are the line's, not the console's.
      this._received = (this._received + text.replace(/[\x11\x13]/g, '')).slice(-100_000);
      this._wake();
    });
    link.onClose((reason) => {
      this._closed = reason;
      this._wake();
    });
  }

  /** What the console has printed since the last answer. */
  get received() {
    return this._received;
  }

  /** Whether the connection is gone. */
  get closed() {
    return this._closed !== undefined;
  }

  /** Interrupts what runs, at most once in 5 s. */
  async interrupt() {
    const wait = this._interrupted + BETWEEN_INTERRUPTS - Date.now();
    if (wait > 0) await this._until(() => undefined, wait);
    this._interrupted = Date.now();
    this._link.write(INTERRUPT);
  }

  /**
   * Waits until the console answers.
   *
   * @param {{ interrupt: boolean, timeout: number, fresh?: boolean }} options fresh: not before it has restarted, that
   *   is, forgotten what `define` told it
   * @returns {Promise<string>} what it printed before its answer
   */
  async sync({ interrupt, timeout, fresh = false }) {
    const end = Date.now() + timeout;
    // In the debugger a question comes back quoted: that is no answer.
    const answer = new RegExp(`(?<!")<${this._nonce}\\d+-(\\w+)>`);
    let printed = '';
    let pause = 150;
    if (interrupt) await this.interrupt();
    while (Date.now() < end) {
      // The first Ctrl-C is lost on a board that restarts when its port is opened.
      if (interrupt && Date.now() > this._interrupted + BETWEEN_INTERRUPTS) await this.interrupt();
      const id = this._id();
      this._link.write(`${CLEAR}${QUIET}print("<"+"${id}"+typeof rvbFlash+">")\n`);
      // Any of its questions will do: on a slow start they queue up.
      const found = await this._until(
        () => this._received.match(/debug>|password>/) ?? this._received.match(answer),
        pause,
      );
      // A console that is busy must not drown in questions: when its buffer is full it does not see a Ctrl-C either.
      pause *= 1.7;
      if (found?.[0] === 'debug>') {
        // Ctrl-C in the midst of a function stops there and opens the debugger; its "quit" abandons the function.
        await this._until(() => undefined, 50);
        this._received = '';
        this._link.write(`${CLEAR}quit\n`);
        await this._until(() => undefined, 150);
      }
      if (found?.[0] === 'password>') await this._unlock(end);
      if (found?.[1] === undefined) continue;
      printed += this._received.slice(0, found.index);
      this._received = this._received.slice(found.index + found[0].length);
      if (!fresh || found[1] === 'undefined') return printed;
    }
    throw new FlashError(
      `No answer from an Espruino console within ${Math.round(timeout / 1000)} s.\n` +
        'Press the reset button and try again. Check that the console is on this port, that receive and transmit are\n' +
        'not swapped, and the speed (--baud; boards with USB do not care).',
    );
  }

  /** Says the passwords one after the other. Throws when none is right, or `end` (ms) is over. */
  async _unlock(end) {
    for (const password of this._passwords) {
      this._received = '';
      // The console takes no line of more than 20 characters, so what waits there is ended first.
      this._link.write(`\n${password}\n`);
      const tried = (text) => text.match(/Logged in/) ?? text.match(/Invalid password.*Invalid password/s);
      const found = await this._until(() => tried(this._received), Math.min(3_000, end - Date.now()));
      if (found?.[0] !== 'Logged in') continue;
      this._received = '';
      return;
    }
    throw new FlashError(
      this._passwords.length > 0
        ? 'The console is locked, and with another password than the site record has. Give the record that the controller\n' +
            'has now with --unlock.'
        : 'The console is locked. Its password is in the site record of the controller: give it with --site or --unlock.',
    );
  }

  /**
   * Evaluates `code` on the interpreter; said again when damaged on the way, so it must bear being done twice.
   *
   * @param {string} code an expression
   * @param {number} [timeout] ms that it may take
   * @returns {Promise<unknown>} its value, through JSON
   */
  async run(code, timeout = 0) {
    const answer = await this._say(
      (id) =>
        '(function(i,c,k){var r;try{r=E.CRC32(c)===k?{v:eval(c)}:{}}catch(e){r={e:""+e}}r=""+JSON.stringify(r);' +
        `print("<"+i+":"+r+":"+E.CRC32(r)+":"+i+">")})("${id}",${literal(code)},${crc(code)})`,
      (value) => value.e !== undefined || 'v' in value,
      timeout,
    );
    if (answer.e !== undefined) throw new FlashError(`The controller refused: ${answer.e}`);
    return answer.v;
  }

  /**
   * Calls `rvbFlash.w(id, offset, data, check)`, which the caller has defined on the interpreter.
   *
   * @returns {Promise<string>} its answer, never "damaged"
   */
  write(offset, data) {
    const text = literal(data.toString('latin1'));
    const check = crc(data) + offset * 65_537;
    return this._say(
      (id) => `rvbFlash.w("${id}",${offset},${text},${check})`,
      (value) => value !== 'damaged',
      0,
    );
  }

  /** Says a line that is not answered. */
  tell(code) {
    this._received = '';
    this._link.write(`${CLEAR}${QUIET}${code}\n`);
  }

  close() {
    this._link.close();
  }

  _id() {
    return `${this._nonce}${++this._asked}-`;
  }

  async _say(line, acceptable, timeout) {
    for (let attempt = 0; attempt < this._attempts; attempt++) {
      const id = this._id();
      const text = `${QUIET}${line(id)}\n`;
      this._received = '';
      if (attempt === 0) this._link.write(text);
      else await this._writeSlowly(`${CLEAR}${text}`);
      // In the debugger a question comes back quoted: that is no answer.
      const answer = new RegExp(`(?<!")<${id}:(.*):(\\d+):${id}>`, 's');
      const found = await this._until(
        () => this._received.match(answer) ?? this._received.match(/Uncaught /),
        2_000 + timeout + (text.length * 30_000) / this._baud,
      );
      // A damaged line is complained about. What the complaint quotes may be a password, so it is not shown.
      if (found?.[2] === undefined) continue;
      const json = found[1].replace(/\r?\n/g, '');
      if (crc(json) !== Number(found[2])) continue;
      const value = JSON.parse(json);
      if (!acceptable(value)) continue;
      this._received = '';
      return value;
    }
    throw new FlashError(
      `The controller stopped answering, ${this._attempts} attempts.\n` +
        'Check the cable, and that no other program uses the port.',
    );
  }

  /** In pieces that fit a receive buffer without flow control: the espruino package does not heed XOFF. */
  async _writeSlowly(text) {
    for (let at = 0; at < text.length; at += 64) {
      this._link.write(text.slice(at, at + 64));
      await this._until(() => undefined, Math.max(5, 640_000 / this._baud));
    }
  }

  /** Resolves with what `look` finds, or undefined after `timeout` ms; rejects when the connection is gone. */
  async _until(look, timeout) {
    const end = Date.now() + timeout;
    for (;;) {
      if (this._closed !== undefined) throw new FlashError(`The connection was lost (${this._closed}).`);
      const found = look();
      const left = end - Date.now();
      if (found || left <= 0) return found ?? undefined;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this._wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
