/** `npm run flash`, see `--help`. */
import { run } from './flash/command.mjs';

process.exitCode = await run(process.argv.slice(2), process);
