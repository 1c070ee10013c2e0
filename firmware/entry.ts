/** A board's program: the only file that joins the interpreter's HAL, the compiled configuration and the site. */
import board from 'virtual:board';
import { openHal } from '../hal/espruino/index.ts';
import { joinWifi } from '../hal/espruino/wifi.ts';
import type { Board, Site } from './board.ts';
import { type Firmware, start } from './main.ts';

/** In a function, so that the configuration and the site do not stay in memory as globals. */
function launch(configured: Board): Firmware {
  const text = require('Storage').read('site.json');
  let site: Site | undefined;
  try {
    if (text !== undefined) site = JSON.parse(text);
  } catch (_damaged) {
    // The lamp needs no site. The interpreter's own words would quote it, keys and all, on a console that is locked.
    print('site.json is damaged');
  }
  // Hosts name their serial ports by path, which differs from site to site.
  const paths = site && site.paths;
  if (paths) for (let i = 0; i < paths.length; i++) configured.lines[i].port = paths[i];
  if (site) joinWifi(site.ssid, site.passphrase);
  return start(openHal(), configured, site);
}

global.rvb = launch(board);
