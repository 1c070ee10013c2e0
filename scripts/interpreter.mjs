/**
 * Runs scripts on a real Espruino interpreter (the Linux board's binary named by ESPRUINO), for tests and measurements.
 *
 * A controller's flash is modelled by the file `espruino.flash` in the interpreter's working directory. The binary
 * swallows SIGTERM and misbehaves when its stdin ends, so stdin stays an open pipe and the end is always SIGKILL.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const STORAGE_SIZE = 256 * 1024;
const HEADER_SIZE = 32;

/** @returns the interpreter's path, or undefined when ESPRUINO is not set: the caller then skips, loudly. */
export const interpreter = () => process.env.ESPRUINO || undefined;

/**
 * @param {Record<string, string | Uint8Array>} files name (at most 28 characters) to content
 * @returns {Buffer} an image for `espruino.flash`: size (uint32 LE), name padded with NUL, data padded to 4 with 0xFF
 */
export function flashImage(files) {
  const image = Buffer.alloc(STORAGE_SIZE, 0xff);
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    if (name.length > 28) throw new Error(`storage name ${name} is longer than 28 characters`);
    const data = typeof content === 'string' ? Buffer.from(content, 'latin1') : Buffer.from(content);
    image.writeUInt32LE(data.length, at);
    image.fill(0, at + 4, at + HEADER_SIZE);
    image.write(name, at + 4, 'latin1');
    data.copy(image, at + HEADER_SIZE);
    at += HEADER_SIZE + Math.ceil(data.length / 4) * 4;
  }
  return image;
}

/**
 * Boots the interpreter with the given Storage files (`.bootcde` runs at boot).
 *
 * @param {object} options
 * @param {Record<string, string | Uint8Array>} [options.files] Storage at boot; absent: `directory` is used as it is
 * @param {string} [options.directory] working directory, kept afterwards; absent: a new one, removed by `stop`
 * @param {(text: string) => void} [options.onOutput] console output as it comes
 * @param {string[]} [options.under] a command that runs the interpreter, and its arguments
 */
export function boot({ files, directory, onOutput, under = [] } = {}) {
  const binary = interpreter();
  if (!binary) throw new Error('ESPRUINO is not set');
  const cwd = directory ?? mkdtempSync(join(tmpdir(), 'espruino-'));
  if (files) writeFileSync(join(cwd, 'espruino.flash'), flashImage(files));
  const [command, ...rest] = [...under, binary, '-e', '0'];
  const child = spawn(command, rest, { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const waiting = [];
  const take = (chunk) => {
    const text = chunk.toString('latin1');
    output += text;
    onOutput?.(text);
    for (const wait of [...waiting]) wait();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const exited = new Promise((resolve) => child.on('exit', resolve));
  /** Resolves with the match once `pattern` has been printed (from `from` on); rejects after `timeout` ms. */
  const expect = (pattern, { timeout = 20_000, from = 0 } = {}) =>
    new Promise((resolve, reject) => {
      const done = (finish, value) => {
        clearTimeout(timer);
        waiting.splice(waiting.indexOf(look), 1);
        finish(value);
      };
      const look = () => {
        const match = output.slice(from).match(pattern);
        if (match) done(resolve, match);
      };
      const timer = setTimeout(
        () => done(reject, new Error(`no ${pattern} within ${timeout} ms, the console said:\n${output.slice(-3000)}`)),
        timeout,
      );
      waiting.push(look);
      look();
    });
  let asked = 0;
  return {
    directory: cwd,
    pid: child.pid,
    exited,
    expect,
    output: () => output,
    /** Types a line at the console. */
    type: (line) => child.stdin.write(`${line}\n`),
    /** @returns the value of `expression` on the interpreter, through JSON. */
    async evaluate(expression) {
      const tag = `<${++asked}:`;
      const from = output.length;
      child.stdin.write(`\x10print("<"+${asked}+":"+JSON.stringify(${expression})+":>")\n`);
      const match = await expect(new RegExp(`${tag}(.*?):>`, 's'), { from });
      return match[1] === 'undefined' ? undefined : JSON.parse(match[1].replace(/\r?\n/g, ''));
    },
    async stop({ keep = Boolean(directory) } = {}) {
      child.kill('SIGKILL');
      await exited;
      if (!keep) rmSync(cwd, { recursive: true, force: true });
    },
  };
}

/**
 * Counts machine instructions (valgrind --tool=callgrind) of a script that the interpreter runs from a file. Boot cost
 * cancels out by taking the difference of two counts: `cost(body, setup)` runs `body` 10 and 60 times.
 *
 * @param {string} setup runs once
 * @param {string} body runs in a loop; its loop's own cost is subtracted
 * @returns {number} instructions per execution of `body`
 */
export function cost(setup, body, { few = 10, many = 60 } = {}) {
  const count = (text) => {
    const directory = mkdtempSync(join(tmpdir(), 'callgrind-'));
    const script = join(directory, 'script.js');
    writeFileSync(script, `${text}\nquit();\n`);
    const run = spawnSync('valgrind', ['--tool=callgrind', '--callgrind-out-file=/dev/null', interpreter(), script], {
      cwd: directory,
      encoding: 'latin1',
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 300_000,
      killSignal: 'SIGKILL',
    });
    rmSync(directory, { recursive: true, force: true });
    const match = /Collected : (\d+)/.exec(run.stderr ?? '');
    if (!match || /Uncaught|ERROR:/.test(run.stdout)) {
      throw new Error(`callgrind gave no count:\n${run.stdout}\n${run.stderr}`);
    }
    return Number(match[1]);
  };
  const loop = (times, inner) => `${setup}\nfor (var __i=0;__i<${times};__i++){${inner}}`;
  const difference = (inner) => (count(loop(many, inner)) - count(loop(few, inner))) / (many - few);
  return Math.round(difference(body) - difference(''));
}

/** @returns {string} a script's text, for `boot` or `cost`. */
export const scriptText = (path) => readFileSync(path, 'latin1');
