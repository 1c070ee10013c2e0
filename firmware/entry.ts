/** A board's program: the only file that joins the interpreter's HAL, the compiled configuration and the site. */
import board from 'virtual:board';
import { openHal } from '../hal/espruino/index.ts';
import type { Site } from './board.ts';
import { start } from './main.ts';

const text = require('Storage').read('site.json');
const site: Site | undefined = text === undefined ? undefined : JSON.parse(text);
global.rvb = start(openHal(), board, site);
