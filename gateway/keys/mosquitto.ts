/** Files of mosquitto made from the keys of controllers: its passwords and its access control list. */
import { pbkdf2, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { CONTROLLER_RULES, GATEWAY_RULES, GATEWAY_USER, groupRules, type Rule } from './access.ts';
import type { ControllerKeys } from './controller-keys.ts';

/**
 * Rounds of PBKDF2, as mosquitto_passwd makes them. More would buy nothing: passwords are random and long, so nobody can
 * try words, and ten thousand controllers that come back from a power cut each cost the broker that many.
 */
const ROUNDS = 101;
/** Bytes; mosquitto 2.0 takes no other length. */
const SALT = 12;
const HASH = 64;

/** @returns a password as mosquitto 1.6 and later keep it: `$7$rounds$salt$hash`, PBKDF2-HMAC-SHA-512 in base64 */
export function hashPassword(password: string): string {
  const salt = randomBytes(SALT);
  const hash = pbkdf2Sync(password, salt, ROUNDS, HASH, 'sha512');
  return `$7$${ROUNDS}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

/** @returns whether a password is the one behind `hash`; false too for a hash that is none */
export function isPassword(password: Uint8Array, hash: string): Promise<boolean> {
  const [, kind, rounds, salt, text] = hash.split('$');
  const expected = Buffer.from(text ?? '', 'base64');
  if (kind !== '7' || !(Number(rounds) > 0) || expected.length !== HASH) return Promise.resolve(false);
  return new Promise((resolve) =>
    pbkdf2(password, Buffer.from(salt, 'base64'), Number(rounds), HASH, 'sha512', (error, found) =>
      resolve(!error && timingSafeEqual(found, expected)),
    ),
  );
}

const HEAD = '# Made by "npm run provision": changes are lost with the next controller.\n';

/** @returns the text of a `password_file` with every controller that has a password, and the gateway */
export function passwordFile(keys: ControllerKeys, gatewayHash: string): string {
  const lines = [`${GATEWAY_USER}:${gatewayHash}`];
  for (const id of keys.ids()) {
    const { passwordHash } = keys.credentials(id) ?? {};
    if (passwordHash) lines.push(`${id}:${passwordHash}`);
  }
  // No comment here: mosquitto 2.0 takes every line for an account.
  return `${lines.join('\n')}\n`;
}

/**
 * @returns the text of an `acl_file`. What all controllers may do is said once, with the name of whoever has logged in;
 *   accounts are named only where they have a group, because mosquitto searches them one by one while it reads the file.
 */
export function accessFile(keys: ControllerKeys): string {
  const topics = (rules: readonly Rule[], word: string) => rules.map((rule) => `${word} ${rule.join(' ')}`);
  const lines = [...topics(CONTROLLER_RULES, 'pattern'), '', `user ${GATEWAY_USER}`, ...topics(GATEWAY_RULES, 'topic')];
  for (const id of keys.ids()) {
    const { group } = keys.credentials(id) ?? {};
    if (group !== undefined) lines.push('', `user ${id}`, ...topics(groupRules(group), 'topic'));
  }
  return `${HEAD}${lines.join('\n')}\n`;
}
