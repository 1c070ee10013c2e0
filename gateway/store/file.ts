/** A store of one small JSON file, `gateway.json`. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from './memory.ts';
import type { Json, Store } from './store.ts';

const FORMAT = 1;

/**
 * Records in a file that is replaced whole: written aside, flushed, renamed over the old one. Logs are forgotten.
 * @param directory created when missing
 */
export async function openFileStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'gateway.json');
  const records = await readRecords(path);
  let writing: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  const replace = (): Promise<void> => {
    // One replacement at a time; changes that come meanwhile share the next one.
    waiting ??= writing
      .catch(() => {})
      .then(() => {
        waiting = undefined;
        writing = replaceFile(
          directory,
          path,
          JSON.stringify({ format: FORMAT, records: Object.fromEntries(records) }),
        );
        return writing;
      });
    return waiting;
  };
  return {
    load: async (prefix = '') => new Map([...records].filter(([key]) => key.startsWith(prefix))),
    logs: new MemoryStore().logs,
    save: (key, record) => {
      if (record === undefined) records.delete(key);
      else records.set(key, record);
      return replace();
    },
    close: async () => {
      await waiting?.catch(() => {});
      await writing.catch(() => {});
    },
  };
}

async function readRecords(path: string): Promise<Map<string, Json>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    const content = JSON.parse(text) as { format: number; records: Record<string, Json> };
    if (content.format !== FORMAT) throw new Error(`format ${content.format} is not ${FORMAT}`);
    return new Map(Object.entries(content.records));
  } catch (error) {
    throw new Error(`${path} is damaged and holds the devices' addresses: ${(error as Error).message}`);
  }
}

async function replaceFile(directory: string, path: string, text: string): Promise<void> {
  const aside = `${path}.new`;
  const file = await open(aside, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
