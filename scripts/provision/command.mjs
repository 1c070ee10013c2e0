/**
 * The command `npm run provision`: gives controllers their keys and passwords, and tells the gateway and the broker of them.
 * The gateway's key file is what counts; the broker's files are made from it each time.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ControllerKeys, KEY_LENGTH } from '../../gateway/keys/controller-keys.ts';
import { replaceFiles } from '../../gateway/keys/files.ts';
import { accessFile, hashPassword, passwordFile } from '../../gateway/keys/mosquitto.ts';
import { readOptions } from '../flash/arguments.mjs';
import { FlashError } from '../flash/fault.mjs';
import { parseSite } from '../flash/site.mjs';
import { ProvisionError } from './fault.mjs';
import { readCommon, readRoster } from './roster.mjs';
import { windowFor } from './window.mjs';

/** Controllers at one broker, and connections a second that it may take, unless the operator knows better. */
const FLEET = 9000;
const RATE = 25;
/** s: least and most of the time over which a fleet spreads its connections after a power cut. */
const LEAST_WINDOW = 60;
const MOST_WINDOW = 86_400;
/** Random bytes of a password at the broker, and of one of a console: the interpreter reads 20 characters at most. */
const PASSWORD = 24;
const CONSOLE_PASSWORD = 12;

const HELP = `Gives controllers their keys and passwords, and tells the gateway and the broker of them.

  npm run provision -- --site common.json --id pole-1142 [--id …]
  npm run provision -- --site common.json --list poles.csv
  npm run provision -- --revoke --id pole-1142

  --id ID          a controller: 1 to 32 letters, digits or hyphens
  --list FILE      controllers: an id a line, or CSV whose first line names its columns, "id" and settings
  --site FILE      settings that all of them share (JSON: host, port, group, ssid, passphrase)
  --directory DIR  where everything is kept, by default credentials/; for nobody else to read
  --fleet N        controllers at this broker in all (${FLEET}): with --rate it says over how long they spread
  --rate R         connections a second that it may be asked for at most (${RATE})
  --open-console   give the console no password
  --replace        new credentials for controllers that have some: the old ones count no longer
  --revoke         take the credentials of these controllers away
  --show           list who has credentials
  --help           this text

In DIR: sites/ID.json for "npm run flash -- --site", controllers.json for the gateway's --keys, gateway.password for its
--broker-password, mosquitto.passwords and mosquitto.acl for mosquitto, which takes them up at SIGHUP. What is there is never
changed by halves. Without a controller the files for mosquitto are made anew.
Exit code: 0 done, 1 failed and nothing changed, 2 wrong usage.
`;

const OPTIONS = {
  id: { type: 'string', multiple: true },
  list: { type: 'string' },
  site: { type: 'string' },
  directory: { type: 'string' },
  fleet: { type: 'string' },
  rate: { type: 'string' },
  'open-console': { type: 'boolean' },
  replace: { type: 'boolean' },
  revoke: { type: 'boolean' },
  show: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

const usage = (message) => new ProvisionError(`${message}\n"npm run provision -- --help" says how.`, 2);
const many = (count) => `${count.toLocaleString('en')} controller${count === 1 ? '' : 's'}`;

function number(name, text, least, most, fallback) {
  if (text === undefined) return fallback;
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) < least || Number(text) > most) {
    throw usage(`--${name} wants a number from ${least} to ${most}, not ${text}.`);
  }
  return Number(text);
}

function readArguments(words) {
  const options = readOptions(words, OPTIONS, usage);
  if (options.revoke && options.replace) throw usage('--revoke and --replace exclude each other.');
  if (options.revoke && !options.id && options.list === undefined) throw usage('--revoke wants --id or --list.');
  const fleet = number('fleet', options.fleet, 1, 1_000_000, FLEET);
  const rate = number('rate', options.rate, 0.1, 10_000, RATE);
  const window = Math.max(LEAST_WINDOW, windowFor(fleet, rate));
  if (window > MOST_WINDOW) {
    throw usage(`${many(fleet)} at ${rate} a second would take ${window} s to connect, more than a day.`);
  }
  return { directory: 'credentials', ...options, fleet, rate, window };
}

/**
 * @param {string[]} words the command line
 * @param {{ stdout: { write(text: string): void }, stderr: { write(text: string): void } }} output
 * @returns {number} the exit code
 */
export function run(words, { stdout, stderr }) {
  try {
    const options = readArguments(words);
    stdout.write(options.help ? HELP : work(options));
    return 0;
  } catch (error) {
    const known = error instanceof ProvisionError || error instanceof FlashError;
    stderr.write(`${known ? error.message : `${error.message}; nothing was changed`}\n`);
    return known ? error.exitCode : 1;
  }
}

/** @returns {string} what to tell the operator */
function work(options) {
  const files = filesIn(options.directory);
  const entries = readRoster(options);
  const common = readCommon(options.site);
  if (options.show) return show(loadKeys(files.keys));
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  return alone(files.lock, () => {
    const keys = loadKeys(files.keys);
    return options.revoke ? revoke(files, keys, entries) : provision(files, keys, entries, common, options);
  });
}

const filesIn = (directory) => ({
  keys: join(directory, 'controllers.json'),
  gateway: join(directory, 'gateway.password'),
  passwords: join(directory, 'mosquitto.passwords'),
  access: join(directory, 'mosquitto.acl'),
  lock: join(directory, 'provision.lock'),
  site: (id) => join(directory, 'sites', `${id}.json`),
});

const loadKeys = (path) => (existsSync(path) ? ControllerKeys.load(path) : new ControllerKeys());

function show(keys) {
  const lines = keys.ids().map((id) => {
    const group = keys.credentials(id)?.group;
    return group === undefined ? id : `${id}, group ${group}`;
  });
  return `${[...lines, `${many(keys.size)} in all`].join('\n')}\n`;
}

function provision(files, keys, entries, common, options) {
  const sites = [];
  for (const { id, where, settings } of entries) {
    if (keys.find(id) && !options.replace) {
      throw new ProvisionError(
        `${where}: ${id} has credentials already. --replace gives it new ones, and the old ones count no longer: it is\n` +
          'reached again when its controller was flashed with the new site record. Nothing was changed.',
      );
    }
    if (!keys.find(id) && existsSync(files.site(id)) && !options.replace) {
      throw new ProvisionError(
        `${where}: ${files.site(id)} is there, but ${files.keys} does not know ${id}.\n` +
          'Is this the right --directory? --replace overwrites it. Nothing was changed.',
      );
    }
    sites.push({ path: files.site(id), content: give(keys, id, { ...common, ...settings }, where, options) });
  }
  // A lamp's record comes before its key: what is known to gateway and broker is always there to be flashed.
  replaceFiles([...sites, ...shared(files, keys)]);
  const lines = sites.map(({ path }) => path);
  if (sites.length > 0) {
    lines.push(
      `${many(sites.length)} with new credentials, ${keys.size.toLocaleString('en')} in all; ` +
        `first connections spread over ${options.window} s.`,
      'Next: npm run flash -- --board BOARD --port PORT --site RECORD, with the record above.',
    );
  } else lines.push(`The files for mosquitto are made anew: ${many(keys.size)}.`);
  return `${[...lines, told(files)].join('\n')}\n`;
}

/** Makes credentials. @returns {string} the site record */
function give(keys, id, settings, where, { window, 'open-console': open }) {
  const key = randomBytes(KEY_LENGTH);
  const password = randomBytes(PASSWORD).toString('base64url');
  const site = { id, ...settings, username: id, password, key: key.toString('base64url'), window };
  if (!open) site.console = randomBytes(CONSOLE_PASSWORD).toString('base64url');
  const content = JSON.stringify(site, undefined, 2);
  parseSite(content, `${where}: ${id}`);
  keys.add(id, { key, username: id, passwordHash: hashPassword(password), group: settings.group });
  return `${content}\n`;
}

function revoke(files, keys, entries) {
  for (const { id, where } of entries) {
    if (!keys.remove(id)) throw new ProvisionError(`${where}: ${id} has no credentials. Nothing was changed.`);
  }
  replaceFiles(shared(files, keys));
  for (const { id } of entries) rmSync(files.site(id), { force: true });
  return `${many(entries.length)} without credentials now, ${keys.size.toLocaleString('en')} in all.\n${told(files)}\n`;
}

/** @returns what gateway and broker are given, in the order in which it has to be replaced */
function shared(files, keys) {
  const there = existsSync(files.gateway);
  const password = there ? readFileSync(files.gateway, 'utf8').trim() : randomBytes(PASSWORD).toString('base64url');
  if (!/^[\x21-\x7e]{16,256}$/.test(password)) {
    throw new ProvisionError(`${files.gateway} holds no password: remove it, and the command makes one.`);
  }
  return [
    ...(there ? [] : [{ path: files.gateway, content: `${password}\n` }]),
    { path: files.keys, content: keys.text() },
    { path: files.passwords, content: passwordFile(keys, hashPassword(password)) },
    { path: files.access, content: accessFile(keys) },
  ];
}

const told = (files) =>
  `The gateway takes up ${files.keys} by itself; mosquitto takes up ${files.passwords} and\n${files.access} at SIGHUP.`;

/** Does something while nobody else changes the same files. */
function alone(lock, act) {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const owner = Number(readFileSync(lock, 'utf8'));
      if (isRunning(owner)) throw new ProvisionError(`Process ${owner} is provisioning here. Nothing was changed.`);
      rmSync(lock, { force: true });
    }
  }
  try {
    return act();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isRunning(process_) {
  try {
    return process_ > 0 && process.kill(process_, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
