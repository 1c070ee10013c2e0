/** Reads whom to provision: ids from flags, a list of ids, or a table in CSV, and the settings that all of them share. */
import { readFileSync } from 'node:fs';
import { ID } from '../../gateway/keys/controller-keys.ts';
import { ProvisionError } from './fault.mjs';

/** Settings of a site record that a table or a common file may give. */
const GIVEN = ['host', 'port', 'group', 'ssid', 'passphrase', 'paths'];
/** What is made here, each time anew. */
const MADE = ['id', 'key', 'username', 'password', 'console', 'window'];

/** @typedef {{ id: string, where: string, settings: Record<string, unknown> }} Entry one controller, and where it was named */

function readText(path) {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new ProvisionError(`${path} cannot be read (${error.code}).`);
  }
}

function refuse(key, where) {
  if (MADE.includes(key)) throw new ProvisionError(`${where}: "${key}" is made here, for each controller its own.`);
  if (!GIVEN.includes(key)) {
    throw new ProvisionError(`${where}: "${key}" is not a setting; there are ${GIVEN.join(', ')}.`);
  }
}

/**
 * @param {string | undefined} path JSON; its values never appear in messages
 * @returns {Record<string, unknown>} settings that all controllers share
 */
export function readCommon(path) {
  if (path === undefined) return {};
  let common;
  try {
    common = JSON.parse(readText(path));
  } catch (error) {
    if (error instanceof ProvisionError) throw error;
    throw new ProvisionError(`${path} is not JSON.`);
  }
  if (common === null || typeof common !== 'object' || Array.isArray(common)) {
    throw new ProvisionError(`${path} must be a JSON object with "host" and "port".`);
  }
  for (const key of Object.keys(common)) refuse(key, path);
  return common;
}

/**
 * Ids one a line, or a table whose first line names its columns, one of them "id". A line that begins with # is a comment.
 *
 * @param {string} path
 * @returns {Entry[]}
 */
function readList(path) {
  const lines = readText(path)
    .split(/\r?\n/)
    .map((line, i) => ({
      cells: line.split(',').map((cell) => cell.trim()),
      text: line.trim(),
      where: `${path}:${i + 1}`,
    }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
  const quoted = lines.find(({ text }) => text.includes('"'));
  if (quoted) throw new ProvisionError(`${quoted.where}: quotation marks are not taken; cells stand as they are.`);
  const table = lines[0]?.cells.includes('id');
  const columns = table ? lines[0].cells : ['id'];
  for (const column of columns) if (column !== 'id') refuse(column, lines[0].where);
  if (new Set(columns).size < columns.length) throw new ProvisionError(`${lines[0].where}: a column is there twice.`);
  return lines.slice(table ? 1 : 0).map(({ cells, where }) => {
    if (cells.length !== columns.length) {
      throw new ProvisionError(`${where}: ${cells.length} cells, but ${columns.length} columns.`);
    }
    const settings = {};
    let id = '';
    for (const [i, column] of columns.entries()) {
      if (column === 'id') id = cells[i];
      else if (cells[i] !== '') settings[column] = column === 'port' ? Number(cells[i]) : cells[i];
    }
    return { id, where, settings };
  });
}

/**
 * @param {{ id?: string[], list?: string }} options
 * @returns {Entry[]} everybody once
 */
export function readRoster({ id: ids = [], list }) {
  const entries = ids.map((id) => ({ id, where: '--id', settings: {} }));
  if (list !== undefined) entries.push(...readList(list));
  const seen = new Set();
  for (const { id, where } of entries) {
    if (!ID.test(id)) {
      throw new ProvisionError(`${where}: ${JSON.stringify(id)} is no id: 1 to 32 letters, digits or hyphens.`);
    }
    if (seen.has(id)) throw new ProvisionError(`${where}: ${id} is there twice.`);
    seen.add(id);
  }
  return entries;
}
