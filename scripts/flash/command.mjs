/** The command `npm run flash`: puts a board's bundle on a controller and sees it run. */
import { checkPort, readOptions } from './arguments.mjs';
import { readBundle } from './bundle.mjs';
import { Console } from './console.mjs';
import { FlashError } from './fault.mjs';
import { install, release } from './install.mjs';
import { describePorts, openPort } from './port.mjs';
import { readSite } from './site.mjs';

const HELP = `Puts a board's firmware on a controller that runs Espruino.

  npm run flash -- --board NAME --port PORT [--site FILE]

  --board NAME   a configuration in board-configs/
  --port PORT    the controller's console: a serial port, or tcp://host:port
  --site FILE    settings of this pole (JSON: host, port, ...), stored on the controller; with "console" it is locked
  --unlock FILE  site record that the controller has now, when its console is locked with another password
  --baud RATE    speed of a serial console, by default 115200 (9600 on MDBT42Q); USB does not care
  --compact      make room in Storage first; a power cut during it loses the firmware
  --dist DIR     where the bundle is; by default dist/, built when it is missing
  --list         list the serial ports
  --help         this text

The running firmware is replaced only after its successor was written and read back, and stays available until the
successor has been seen running. An interrupted command can be repeated; it continues where it stopped.
Exit code: 0 done, 1 failed, 2 wrong usage.
`;

const OPTIONS = {
  board: { type: 'string' },
  port: { type: 'string' },
  site: { type: 'string' },
  unlock: { type: 'string' },
  baud: { type: 'string' },
  compact: { type: 'boolean' },
  dist: { type: 'string' },
  list: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};
/** Consoles on a UART that do not run at 115200 baud. Source: Espruino 2v29, boards/MDBT42Q.py. */
const SLOW_CONSOLES = { MDBT42Q: 9_600 };

const usage = (message) => new FlashError(`${message}\n"npm run flash -- --help" says how.`, 2);

/** @returns {{ [option: string]: string | boolean }} */
function readArguments(words) {
  const options = readOptions(words, OPTIONS, usage);
  if (options.help || options.list) return options;
  for (const name of ['board', 'port']) if (!options[name]) throw usage(`--${name} is missing.`);
  if (!/^[A-Za-z0-9_-]+$/.test(options.board)) throw usage(`--board ${options.board} is not the name of a board.`);
  checkPort(options.port, usage);
  if (options.baud !== undefined && !(/^\d+$/.test(options.baud) && options.baud >= 300 && options.baud <= 4_000_000)) {
    throw usage(`--baud ${options.baud} is not a speed.`);
  }
  return options;
}

/** @returns {(done: number, total: number) => void} one changing line on a terminal, a line per tenth elsewhere */
function progress(output) {
  let shown = -1;
  return (done, total) => {
    const percent = Math.floor((100 * done) / total);
    const step = output.isTTY ? percent : Math.floor(percent / 10);
    if (step === shown) return;
    shown = step;
    const line = `${String(percent).padStart(3)} %  ${done.toLocaleString('en')} of ${total.toLocaleString('en')} bytes`;
    output.write(output.isTTY ? `\r${line}${done === total ? '\n' : ''}` : `${line}\n`);
  };
}

/**
 * @param {string[]} words the command line
 * @param {{ stdout: { write(text: string): void }, stderr: { write(text: string): void, isTTY?: boolean } }} output
 * @returns {Promise<number>} the exit code
 */
export async function run(words, { stdout, stderr }) {
  let secrets = [];
  try {
    const options = readArguments(words);
    if (options.help) stdout.write(HELP);
    else if (options.list) stdout.write(`${await describePorts()}\n`);
    else {
      const { bundle, manifest } = readBundle(options.board, options.dist);
      const site = options.site === undefined ? undefined : readSite(options.site);
      secrets = site?.secrets ?? [];
      const before = options.unlock === undefined ? undefined : readSite(options.unlock);
      secrets = [...secrets, ...(before?.secrets ?? [])];
      const passwords = [site?.console, before?.console].filter((password) => password !== undefined);
      const job = { bundle, manifest, site: site?.json, lock: site?.console };
      stdout.write(await flash(options, job, passwords, stderr));
    }
    return 0;
  } catch (error) {
    const message = error instanceof FlashError ? error.message : error.stack;
    stderr.write(`${secrets.reduce((text, secret) => text.replaceAll(secret, '***'), message)}\n`);
    return error.exitCode ?? 1;
  }
}

/** @returns what to tell the user about a controller that runs the bundle now */
async function flash(options, job, passwords, stderr) {
  const { manifest } = job;
  const baud = Number(options.baud ?? SLOW_CONSOLES[manifest.interpreter] ?? 115_200);
  const console = new Console(await openPort(options.port, { baud }), { baud, passwords });
  const interrupted = () => {
    // Otherwise the controller waits half a minute for the next line.
    release(console);
    setTimeout(() => process.exit(130), 200);
  };
  process.once('SIGINT', interrupted);
  try {
    const result = await install(console, {
      ...job,
      compact: options.compact,
      onStep: (message) => stderr.write(`${message}\n`),
      onProgress: progress(stderr),
    });
    const sum = result.check.toString(16).padStart(8, '0');
    return (
      `Done: ${result.interpreter} runs ${manifest.board} ${result.version ?? '(which does not tell its version)'} from ` +
      `${result.slot}\nRead back: ${result.size.toLocaleString('en')} bytes, CRC-32 ${sum}\n`
    );
  } catch (error) {
    if (!console.closed) release(console);
    throw error;
  } finally {
    process.removeListener('SIGINT', interrupted);
    console.close();
  }
}
