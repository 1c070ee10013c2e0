/** A board's program: the only file that joins the interpreter's HAL, the compiled configuration and the site. */
import board from 'virtual:board';
import { openHal } from '../hal/espruino/index.ts';
import type { Site } from './board.ts';
import { start } from './main.ts';

const text = require('Storage').read('site.json');
const site: Site | undefined = text === undefined ? undefined : JSON.parse(text);
if (site && site.paths) {
  // Hosts name their serial ports by path, which differs from site to site.
  for (let i = 0; i < board.lines.length; i++) board.lines[i].port = site.paths[i] || board.lines[i].port;
}
global.rvb = start(openHal(), board, site);
