/** `npm run modbus-scan`, see `--help`. */
import { run } from './modbus/command.mjs';

process.exitCode = await run(process.argv.slice(2), process);
