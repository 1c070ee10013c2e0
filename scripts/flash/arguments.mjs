/** What the commands that talk to a port have in common on their command lines. */
import { parseArgs } from 'node:util';

/**
 * @param {string[]} words the command line
 * @param {import('node:util').ParseArgsOptionsConfig} options
 * @param {(message: string) => Error} usage makes the error that says how the command is used
 * @returns {{ [option: string]: string | boolean }}
 */
export function readOptions(words, options, usage) {
  try {
    return parseArgs({ args: words, options }).values;
  } catch (error) {
    throw usage(error.message.split('. ')[0]);
  }
}

/** Throws unless `port` is a serial port or tcp://host:port. */
export function checkPort(port, usage) {
  const network = /^tcp:\/\/[A-Za-z0-9._-]+:(\d{1,5})$/.exec(port);
  if (/^\w+:\/\//.test(port) && !(network && Number(network[1]) >= 1 && Number(network[1]) <= 65_535)) {
    throw usage(`--port ${port} is neither a serial port nor tcp://host:port.`);
  }
}
