/** Opens a controller's console: a serial port or `tcp://host:port`. */
import { fork } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FlashError } from './fault.mjs';

/**
 * A console's byte stream, as text whose characters are bytes.
 *
 * @typedef {object} Link
 * @property {(text: string) => void} write in order; what is lost shows by a missing answer
 * @property {(handler: (text: string) => void) => void} onData
 * @property {(handler: (reason: string) => void) => void} onClose once, not after `close`
 * @property {() => void} close
 */

const PROCESS = fileURLToPath(new URL('./port-process.mjs', import.meta.url));

/** Starts the process that owns the port, and waits until it takes messages. */
async function start() {
  const child = fork(PROCESS, { stdio: 'ignore', execArgv: [] });
  await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', () => reject(new FlashError('the espruino package could not be started: run "npm install"')));
  });
  return child;
}

/** @returns {Promise<{ path: string, description?: string }[]>} the serial ports that exist now */
export async function listPorts() {
  const child = await start();
  try {
    return await new Promise((resolve, reject) => {
      // A list that cannot be made (no udev, for one) comes as a failure, then as an empty list.
      child.on('message', (message) => message.ports && resolve(message.ports));
      child.once('exit', () => reject(new FlashError('the serial ports could not be listed')));
      child.send({ list: true });
    });
  } finally {
    child.kill();
  }
}

/** @returns {string} the ports as indented lines, or what to look at when there are none */
export async function describePorts() {
  const ports = await listPorts();
  if (ports.length === 0) {
    return (
      'No serial port was found. Is the board plugged in, with a cable that carries data?\n' +
      'On Linux the package "udev" must be installed, and "dmesg" shows whether the kernel saw the board.'
    );
  }
  return `Serial ports:\n${ports.map((port) => `  ${port.path}${port.description ? `  ${port.description}` : ''}`).join('\n')}`;
}

/** @returns {string[]} "name (process n)" of each process that holds the device open, as far as /proc may be read */
export function holders(path) {
  const device = realpathSync(path);
  const found = [];
  const entries = (directory) => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  };
  for (const id of entries('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const holds = entries(`/proc/${id}/fd`).some((descriptor) => {
      try {
        return readlinkSync(`/proc/${id}/fd/${descriptor}`) === device;
      } catch {
        return false;
      }
    });
    if (!holds) continue;
    try {
      found.push(`${readFileSync(`/proc/${id}/comm`, 'utf8').trim()} (process ${id})`);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

const busy = (path, by) =>
  new FlashError(
    `${path} is busy${by.length ? `: ${by.join(', ')} has it open` : ''}.\n` +
      'Close the other program (terminal, Web IDE, ModemManager) and try again.',
  );

const denied = (path) =>
  new FlashError(
    `No permission to open ${path}.\n` +
      'On Linux its group (dialout, on some systems uucp) may: sudo usermod -aG dialout $USER, then log in again.',
  );

/** Finds what keeps a device from being opened, before anything is sent to it. */
async function checkDevice(path) {
  if (!existsSync(path)) throw new FlashError(`There is no ${path}.\n${await describePorts()}`);
  if (!statSync(path).isCharacterDevice())
    throw new FlashError(`${path} is not a serial port.\n${await describePorts()}`);
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch {
    throw denied(path);
  }
  // Two programs on one serial port each get half of what is said. A pseudo-terminal is held open by its own maker.
  const by = realpathSync(path).startsWith('/dev/pts/') ? [] : holders(path);
  if (by.length) throw busy(path, by);
}

/** @returns {FlashError} what a transport's own words mean for the user */
function explain(path, reason) {
  if (/ECONNREFUSED/.test(reason)) return new FlashError(`Nothing listens on ${path}: start it, or correct the port.`);
  if (/ENOTFOUND|EAI_AGAIN/.test(reason)) return new FlashError(`The host of ${path} is not known: correct its name.`);
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(reason))
    return new FlashError(`The host of ${path} cannot be reached.`);
  if (/EACCES|EPERM|denied/i.test(reason)) return denied(path);
  if (/lock|busy|temporarily unavailable/i.test(reason)) return busy(path, existsSync(path) ? holders(path) : []);
  return new FlashError(`${path} could not be opened: ${reason}`);
}

/**
 * @param {string} path device path (COM3 on Windows) or `tcp://host:port`
 * @param {{ baud: number }} options
 * @returns {Promise<Link>} rejects with a FlashError that says what to do
 */
export async function openPort(path, { baud }) {
  const network = path.startsWith('tcp://');
  if (!network && process.platform !== 'win32') await checkDevice(path);
  const child = await start();
  let onData = () => {};
  let onClose = () => {};
  let closing = false;
  await new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => fail(`no connection within 10 s${network ? '' : ', the driver does not answer'}`),
      10_000,
    );
    const fail = (reason) => {
      clearTimeout(timer);
      child.kill();
      reject(explain(path, reason));
    };
    child.on('message', (message) => {
      if (message.data !== undefined) onData(message.data);
      else if (message.opened) {
        clearTimeout(timer);
        resolve();
      } else if (message.failed) fail(message.failed);
      if ((message.failed || message.closed) && !closing) {
        closing = true;
        onClose(message.failed ?? 'closed by the other end');
      }
    });
    child.once('exit', () => {
      fail('the transport ended');
      if (!closing) onClose('the transport ended');
      closing = true;
    });
    child.send({ open: path, baud });
  });
  return {
    write: (text) => child.connected && child.send({ write: text }),
    onData: (handler) => {
      onData = handler;
    },
    onClose: (handler) => {
      onClose = handler;
    },
    close: () => {
      closing = true;
      if (child.connected) child.send({ close: true });
      child.unref();
      child.channel?.unref();
    },
  };
}
