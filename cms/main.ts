/**
 * `npm run cms`: a small CMS with a console, to try a TALQ gateway without owning a CMS. Commands come from a keyboard or
 * a pipe. Exit codes: 0 left, 1 it cannot start, 2 a wrong flag.
 */
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { parseArgs } from 'node:util';
import { fromCommandLine } from '../sim/command-line.ts';
import { BenchCms } from './bench-cms.ts';
import { Console } from './console.ts';

const HELP = `Usage: npm run cms -- [options]

A small TALQ 2.7.1 CMS with a console: takes every gateway that comes. Type help there.

  --port N                 TCP port (9090)
  --host ADDRESS           address to listen on, and for gateways to reach (127.0.0.1)
  --data FILE              keep addresses over a restart
  --tls-certificate FILE   certificate in PEM, as server and as client; absent: plain HTTP
  --tls-key FILE           its key
  --tls-ca FILE            authorities whose certificates gateways have
  --help                   this text
`;

interface Options {
  port: number;
  host: string;
  data?: string;
  tls?: { certificate: string; key: string; ca: string };
}

function readWords(words: string[]): Options | 'help' {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: words,
    options: {
      port: string,
      host: string,
      data: string,
      'tls-certificate': string,
      'tls-key': string,
      'tls-ca': string,
      help: { type: 'boolean' },
    },
  });
  if (values.help) return 'help';
  const { port = '9090', host = '127.0.0.1', data } = values;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) throw new Error(`--port wants a port of 0..65535, not ${port}`);
  const [certificate, key, ca] = [values['tls-certificate'], values['tls-key'], values['tls-ca']];
  if (certificate && key && ca) return { port: Number(port), host, data, tls: { certificate, key, ca } };
  if (certificate || key || ca) throw new Error('TLS needs --tls-certificate, --tls-key and --tls-ca');
  return { port: Number(port), host, data };
}

async function run({ port, host, data, tls }: Options): Promise<void> {
  const terminal = process.stdin.isTTY ?? false;
  let input: Interface | undefined;
  const print = (line: string): void => {
    process.stdout.write(`${terminal ? '\r\x1b[K' : ''}${line}\n`);
    if (terminal) input?.prompt(true);
  };
  const cms = new BenchCms({
    tls: tls && { cert: readFileSync(tls.certificate), key: readFileSync(tls.key), ca: readFileSync(tls.ca) },
    file: data,
    tell: print,
    report: (logger, entry) => shell.report(logger, entry),
  });
  const shell = new Console(cms, print);
  await cms.server.listen(port, host);
  print(`CMS ${cms.cmsAddress} at ${cms.server.uri}`);
  // Not before: an interface loses lines that come while nobody iterates.
  input = createInterface({ input: process.stdin, output: terminal ? process.stdout : undefined, prompt: 'cms> ' });
  if (terminal) input.prompt();
  for await (const line of input) {
    await shell.run(line);
    if (shell.ended) break;
    if (terminal) input.prompt();
  }
  input.close();
  await cms.close();
}

const options = fromCommandLine(readWords, HELP);
if (options) {
  run(options).then(
    () => process.exit(process.exitCode ?? 0),
    (error) => {
      console.error(error.message);
      process.exit(1);
    },
  );
}
