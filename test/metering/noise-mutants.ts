/** Copies of the firmware, each without one of the checks that keep wrong values out. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Code } from './noise.ts';

type Change = [file: string, from: string, to: string];

/** What is taken out, and where. Each text stands in its file once. */
export const MUTANTS: Record<string, Change[]> = {
  'the check of the CRC': [
    ['protocols/modbus.ts', 'length < expected || crc16(reply, expected) !== 0', 'length < expected'],
  ],
  'the check of the address': [
    ['protocols/modbus.ts', 'reply[0] !== request[0] || ', ''],
    ['metering/line.ts', 'reply[noise] === request[0] && (noise + 1', '(noise + 1'],
  ],
  'the check of the length': [
    ['protocols/modbus.ts', ': replyLength(request);', ': 5 + reply[2];'],
    ['protocols/modbus.ts', 'return reply[2] === 2 * request[5] ? Fault.None : Fault.NotOurs', 'return Fault.None'],
    ['metering/line.ts', '&& this._length >= this._wanted) return', '&& this._length >= 5 + this._reply[2]) return'],
  ],
  'the wait for late answers': [['metering/line.ts', 'from = max(from, this._until);', ';']],
  'the demand that a reading is whole': [
    ['metering/meter.ts', 'if (fault === Fault.None) {\n      unit._values', 'if (fault <= 0) {\n      unit._values'],
    ['metering/meter.ts', 'return fault === Fault.None || unit._failures', 'return fault <= 0 || unit._failures'],
  ],
};

/** @returns the code with these changes. Throws when a text is not there, or more than once. */
export async function mutant(changes: readonly Change[]): Promise<{ code: Code; directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'reverbere-mutant-'));
  cpSync(fileURLToPath(new URL('../../firmware', import.meta.url)), join(directory, 'firmware'), { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  for (const [file, from, to] of changes) {
    const path = join(directory, 'firmware', file);
    const parts = readFileSync(path, 'utf8').split(from);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
    writeFileSync(path, parts.join(to));
  }
  const load = (file: string) => import(pathToFileURL(join(directory, 'firmware', file)).href);
  const { openMeters } = await load('metering/meter.ts');
  const { Schedule } = await load('schedule.ts');
  return { code: { openMeters, Schedule }, directory };
}
