/** The command `npm run modbus-scan`: finds the Modbus units of a line, and gives one another address. */
import { checkPort, readOptions } from '../flash/arguments.mjs';
import { FlashError } from '../flash/fault.mjs';
import { openBus } from './bus.mjs';
import { readProfiles, scan, setAddress } from './scan.mjs';

const HELP = `Finds the Modbus units of a line and says which profile of board-configs/profiles fits each.

  npm run modbus-scan -- --port PORT [--from 1] [--to 247] [--profile NAME]
  npm run modbus-scan -- --port PORT --profile NAME --from OLD --set-address NEW --yes

  --port PORT        an RS-485 adapter (8N1), or tcp://host:port of a Modbus TCP gateway
  --baud RATE        speed of the adapter, by default 9600
  --from, --to N     addresses to look at, 1 to 247
  --profile NAME     look for this type alone: much faster
  --timeout MS       how long a unit may think, by default 300
  --set-address NEW  give the unit at --from this address; only one unit may have the old one
  --yes              really write
  --help             this text

Exit code: 0 found or done, 1 nothing found or failed, 2 wrong usage.
`;

const OPTIONS = {
  port: { type: 'string' },
  baud: { type: 'string', default: '9600' },
  from: { type: 'string' },
  to: { type: 'string' },
  profile: { type: 'string' },
  timeout: { type: 'string', default: '300' },
  'set-address': { type: 'string' },
  yes: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

const usage = (message) => new FlashError(`${message}\n"npm run modbus-scan -- --help" says how.`, 2);

function whole(name, text, least, most) {
  if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  throw usage(`--${name} ${text} is no number from ${least} to ${most}.`);
}

function readArguments(words) {
  const options = readOptions(words, OPTIONS, usage);
  if (options.help) return { help: true };
  if (!options.port) throw usage('--port is missing.');
  checkPort(options.port, usage);
  const known = readProfiles();
  const profiles = options.profile === undefined ? known : known.filter(({ name }) => name === options.profile);
  if (profiles.length === 0) {
    throw usage(
      `--profile ${options.profile} is unknown; known: ${known
        .map(({ name }) => name)
        .sort()
        .join(', ')}.`,
    );
  }
  const target = options['set-address'];
  const range = {
    port: options.port,
    profiles,
    baud: whole('baud', options.baud, 300, 115_200),
    from: whole('from', options.from ?? '1', 1, 247),
    to: whole('to', options.to ?? '247', 1, 247),
    timeout: whole('timeout', options.timeout, 20, 5000),
    target: target === undefined ? undefined : whole('set-address', target, 1, 247),
  };
  if (range.to < range.from) throw usage(`--to ${range.to} is less than --from ${range.from}.`);
  if (range.target !== undefined) checkTarget(options, range);
  return range;
}

function checkTarget(options, { profiles, from, target }) {
  if (options.profile === undefined || options.from === undefined) {
    throw usage('--set-address needs --profile and --from: which type of unit, and where it is now.');
  }
  if (profiles[0].addressRegister === undefined) {
    throw usage(`The profile ${options.profile} does not know how its units take an address: see their manual.`);
  }
  if (target === from) throw usage(`--set-address ${target} is the address that the unit has.`);
  if (!options.yes) throw usage(`--yes is missing: the unit at ${from} would become ${target}.`);
}

/** @returns {(unit: number) => void} one changing line on a terminal, a line per 50 addresses elsewhere */
function progressOf({ from, to }, output) {
  return (unit) => {
    if (output.isTTY) output.write(`\raddress ${unit} of ${from} to ${to} ${unit === to ? '\n' : ''}`);
    else if ((unit - from) % 50 === 0) output.write(`address ${unit} of ${from} to ${to}\n`);
  };
}

const describe = ({ unit, fits: [best, ...others] }) => {
  const also = others.length ? ` (${others.join(', ')} fit as well)` : '';
  return `${String(unit).padStart(3)}  ${best ? best + also : 'a unit, but no profile fits'}\n`;
};

/**
 * @param {string[]} words the command line
 * @param {{ stdout: { write(text: string): void }, stderr: { write(text: string): void, isTTY?: boolean } }} output
 * @returns {Promise<number>} the exit code
 */
export async function run(words, { stdout, stderr }) {
  let bus;
  try {
    const options = readArguments(words);
    if (options.help) {
      stdout.write(HELP);
      return 0;
    }
    const { port, baud, profiles, from, target, timeout } = options;
    bus = await openBus(port, baud);
    if (target !== undefined) {
      await setAddress(bus, profiles[0], from, target, timeout);
      stdout.write(`The unit at ${from} is now at ${target}.\n`);
      return 0;
    }
    const { found, noise } = await scan(bus, profiles, options, progressOf(options, stderr));
    for (const unit of found) stdout.write(describe(unit));
    if (noise.length > 0) {
      stderr.write(
        `Heard, but not understood: ${noise.join(', ')}. Another --baud or parity, or two units of one address.\n`,
      );
    }
    if (found.length > 0) return 0;
    stderr.write('No unit answered. Check A and B, supply, --baud and termination.\n');
    return 1;
  } catch (error) {
    stderr.write(`${error instanceof FlashError ? error.message : error.stack}\n`);
    return error.exitCode ?? 1;
  } finally {
    bus?.close();
  }
}
