/**
 * Reads a command's line as its user meant it, or ends in one line: a wrong flag says what is wrong (exit code 2), `--help`
 * prints the help.
 *
 * @returns the options; undefined: there is nothing more to do
 */
export function fromCommandLine<T extends object>(read: (words: string[]) => T | 'help', help: string): T | undefined {
  try {
    const options = read(process.argv.slice(2));
    if (options !== 'help') return options;
    process.stdout.write(help);
  } catch (error) {
    console.error(`${(error as Error).message.split('. To specify')[0]} (see --help)`);
    process.exitCode = 2;
  }
  return undefined;
}
