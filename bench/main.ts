/**
 * `npm run bench`: measures the desktop parts, all of them or those that are named.
 * Exit codes: 0 measured, 1 a part failed, 2 a wrong name.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { fromCommandLine } from '../sim/command-line.ts';
import { gateway } from './gateway.ts';
import { ingest } from './ingest.ts';
import type { Part } from './part.ts';
import { samples } from './samples.ts';

const PARTS: readonly Part[] = [gateway, ingest, samples];

const HELP = `Usage: npm run bench -- [part ...]

Measures, on this machine and while nothing else runs on it:

${PARTS.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}
`;

/** @returns the parts to run, or 'help'. Throws with one line for the operator at a wrong flag or name. */
export function readArguments(words: string[]): Part[] | 'help' {
  const options = { help: { type: 'boolean' } } as const;
  const { values, positionals } = parseArgs({ args: words, options, allowPositionals: true });
  if (values.help) return 'help';
  const names = PARTS.map(({ name }) => name);
  const wrong = positionals.find((name) => !names.includes(name));
  if (wrong !== undefined) throw new Error(`there is no part "${wrong}", only ${names.join(', ')}`);
  return PARTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
}

async function main(): Promise<void> {
  const parts = fromCommandLine(readArguments, HELP);
  for (const { name, run } of parts ?? []) {
    console.log(`${name}`);
    try {
      await run((fact, value) => console.log(`  ${fact.padEnd(60)} ${value}`));
    } catch (error) {
      console.error(`${name} failed: ${(error as Error).stack}`);
      process.exitCode = 1;
    }
    console.log();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
