/** Reads the settings of one pole (`Site` in firmware/board.ts), which a controller keeps as Storage file `site.json`. */
import { readFileSync } from 'node:fs';
import { FlashError } from './fault.mjs';

const text = (least, most) => ({
  test: (value) => typeof value === 'string' && value.length >= least && value.length <= most,
  what: `text of ${least} to ${most} characters`,
});

/** Source: IEEE 802.11 (SSID: 0 to 32 octets), WPA passphrase: 8 to 63 characters; MQTT 3.1.1 §3.1 for the others. */
const RULES = {
  id: {
    test: (value) => typeof value === 'string' && /^[A-Za-z0-9-]{1,32}$/.test(value),
    what: '1 to 32 letters, digits or hyphens',
  },
  host: {
    test: (value) => typeof value === 'string' && /^[A-Za-z0-9._:-]{1,253}$/.test(value),
    what: 'a host name or address, without "mqtt://" and port',
    required: true,
  },
  port: {
    test: (value) => Number.isInteger(value) && value >= 1 && value <= 65_535,
    what: 'a whole number from 1 to 65535',
    required: true,
  },
  username: text(1, 128),
  password: text(0, 256),
  key: {
    test: (value) => typeof value === 'string' && /^([A-Za-z0-9_-]{43}|[0-9a-fA-F]{64})$/.test(value),
    what: '32 bytes in base64url or hexadecimal, as "npm run provision" makes them',
  },
  window: {
    test: (value) => Number.isInteger(value) && value >= 1 && value <= 86_400,
    what: 'a whole number of seconds from 1 to 86400',
  },
  // The interpreter reads no more than 20 characters of a password. Source: Espruino 2v29, E.setPassword.
  console: text(8, 20),
  group: {
    test: (value) => typeof value === 'string' && /^[A-Za-z0-9-]{1,32}$/.test(value),
    what: '1 to 32 letters, digits or hyphens',
  },
  ssid: text(1, 32),
  passphrase: text(8, 63),
  paths: {
    test: (value) => Array.isArray(value) && value.every((path) => typeof path === 'string' && path.length > 0),
    what: 'an array of device paths',
  },
};

/**
 * @param {string} source JSON
 * @param {string} name of the file, for messages; values never appear in them
 * @returns {{ json: string, console: string | undefined, secrets: string[] }} what to store, the password that locks the
 *   console, and the values that must not be shown
 */
export function parseSite(source, name) {
  let site;
  try {
    site = JSON.parse(source);
  } catch {
    // The parser's own message quotes the text around the mistake, which may be a password.
    throw new FlashError(`${name} is not JSON.`);
  }
  if (site === null || typeof site !== 'object' || Array.isArray(site)) {
    throw new FlashError(`${name} must be a JSON object with "host" and "port".`);
  }
  const faults = [];
  for (const [key, rule] of Object.entries(RULES)) {
    if (site[key] === undefined) {
      if (rule.required) faults.push(`/${key} is missing: ${rule.what}`);
    } else if (!rule.test(site[key])) faults.push(`/${key} must be ${rule.what}`);
  }
  for (const key of Object.keys(site)) {
    if (!(key in RULES)) faults.push(`/${key} is not a setting; there are ${Object.keys(RULES).join(', ')}`);
  }
  // The controller reads base64url alone.
  if (site.key?.length === 64) site.key = Buffer.from(site.key, 'hex').toString('base64url');
  // Firmware has no use for the password of its console.
  const json = JSON.stringify({ ...site, console: undefined });
  // Interpreters differ in what a character beyond ASCII is.
  if (faults.length === 0 && !/^[\x20-\x7e]*$/.test(JSON.stringify(site)))
    faults.push('only ASCII characters can be stored');
  if (faults.length) throw new FlashError(faults.map((fault) => `${name}: ${fault}`).join('\n'));
  const { key, password, console, passphrase, username, id } = site;
  const secrets = [key, password, console, passphrase, username === id ? undefined : username].filter((value) => value);
  return { json, console, secrets };
}

/** @param {string} path */
export function readSite(path) {
  let source;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    throw new FlashError(`${path} cannot be read (${error.code}).`);
  }
  return parseSite(source, path);
}
