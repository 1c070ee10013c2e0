/** `npm run provision`, see `--help`. */
import { run } from './provision/command.mjs';

process.exitCode = run(process.argv.slice(2), process);
