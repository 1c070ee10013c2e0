/** A product with every part that a board configuration can ask for. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Board } from '../firmware/board.ts';
import { loadBoard } from '../scripts/board-config.mjs';

/** @param name of the product that is the base */
export async function fullBoard(name = 'esp32'): Promise<Board> {
  const file = new URL(`../board-configs/${name}.json`, import.meta.url);
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.lamp = {
    ...config.lamp,
    virtualLightOutput: 90,
    clo: {
      curve: [
        { hours: 0, percent: 80 },
        { hours: 20_000, percent: 100 },
      ],
    },
    maintenance: { initialPercent: 90, periodHours: 8760, cleaned: '2026-03-01' },
    protection: { reduceAboveCelsius: 75, minimumAboveCelsius: 85 },
  };
  config.lines[0].baud = 9600;
  config.meters.push({ line: 0, unit: 2, profile: 'sen0644', periodSeconds: 10 });
  config.photocell = { onLux: 35, offLux: 18 };
  config.presence = { pin: 'D5' };
  config.installerTest = { steps: [{ level: 100, seconds: 5 }], always: true };
  const directory = mkdtempSync(join(tmpdir(), 'board-'));
  try {
    writeFileSync(join(directory, 'full.json'), JSON.stringify(config));
    return await loadBoard('full', { directory });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
