/**
 * `npm run build`: one minified script per board configuration, `dist/<board>.js`, with its source map beside it and a
 * manifest `dist/<board>.json` that the flashing tool verifies against. `BOARD=name npm run build` makes one only.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'crc';
import { boardNames, loadConfig } from './scripts/board-config.mjs';
import { boardOptions, compile } from './scripts/bundle.mjs';

/** Writes what the flashing tool needs to know of a bundle. */
const manifest = ({ board, interpreter, memoryClass }) => ({
  name: 'manifest',
  generateBundle(_options, chunks) {
    const chunk = chunks[`${board.name}.js`];
    const bytes = Buffer.from(chunk.code, 'latin1');
    const fields = {
      board: board.name,
      interpreter,
      memoryClass,
      version: board.version,
      bytes: bytes.length,
      crc32: crc32(bytes),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    this.emitFile({ type: 'asset', fileName: `${board.name}.json`, source: `${JSON.stringify(fields, null, 2)}\n` });
  },
});

export default async () => {
  try {
    const names = process.env.BOARD ? [process.env.BOARD] : boardNames();
    const configs = await Promise.all(names.map((name) => loadConfig(name)));
    const script = await compile({ input: 'firmware/entry.ts' });
    return configs.map((config) => {
      const file = `dist/${config.board.name}.js`;
      const [input, output] = boardOptions(script, { board: config.board, file });
      return { ...input, output: { ...output, plugins: [...output.plugins, manifest(config)] } };
    });
  } catch (error) {
    console.error(error.faults || error.lines ? error.message : error);
    process.exit(1);
  }
};
