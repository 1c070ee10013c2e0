import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, cost, interpreter } from '../../scripts/interpreter.mjs';
import { same } from './same.ts';

const IMPORTS = `import { Night } from './firmware/control/night.ts';
  import { Photocell } from './firmware/control/photocell.ts';`;

/** jsvars that are taken after booting from flash with this script. */
async function usage(source: string): Promise<number> {
  const { code } = await bundle({ source });
  const probe = `${code};print("<"+process.memory().usage+">");`;
  const board = boot({ files: { '.bootcde': probe } });
  try {
    return Number((await board.expect(/<(\d+)>/))[1]);
  } finally {
    await board.stop();
  }
}

describe('photocell on the interpreter', () => {
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: the photocell on the interpreter needs ESPRUINO');
    this.skip();
  });

  it('says the same as on Node through four days, a lost sensor and the nights learned, with off above and below on', async () => {
    const lines = await same(
      IMPORTS,
      `
      function live(on, off) {
        const photocell = new Photocell(on, off, new Night());
        for (let minute = 0; minute < 5760; minute++) {
          const now = 60000 * minute + 0.25;
          const lost = minute > 4000;
          // 40,000 lx at noon, 0.01 lx at midnight, with ripples
          const lux = Math.round(10 * 20 * Math.exp(7.6 * Math.cos(minute / 1440 * 2 * Math.PI) + Math.sin(minute))) / 10;
          let changed = photocell.sample(lost ? undefined : lux, now);
          const then = now + 30000;
          if (photocell.sample(lost ? undefined : lux + 0.1, then)) changed = true;
          if (changed) {
            say([on, off, minute, photocell.dark(then)].join());
            photocell.changedLight(then);
          }
          if (minute % 90 === 0) say([minute, photocell.isNight(then)].join());
        }
      }
      live(35, 70); live(35, 18);
      `,
    );
    const edges = lines.filter((line) => line.startsWith('35,'));
    assert.ok(edges.length >= 2 * 6, lines.join('\n'));
    assert.ok(lines.some((line) => /^5\d\d\d,false/.test(line)) && lines.some((line) => /^4\d\d\d,true/.test(line)));
  });

  it('takes at most 84 jsvars of functions, 52 for one photocell with three learned nights, and 530,000 instructions a reading', async () => {
    const none = await usage('global.nothing = 1;');
    const alone = await usage(
      `import { Photocell } from './firmware/control/photocell.ts'; global.Photocell = Photocell;`,
    );
    const classes = await usage(`${IMPORTS} global.Night = Night; global.Photocell = Photocell;`);
    const learned = `${IMPORTS}
      global.Night = Night; global.Photocell = Photocell;
      const night = new Night();
      for (let day = 0; day < 4; day++) { night.edge(true, day * 86400000 + 72000000); night.edge(false, day * 86400000 + 100800000); }
      global.cell = new Photocell(35.5, 70.5, night);
      for (let i = 0; i < 20; i++) global.cell.sample(20.1 + i / 10, 400000000 + 10000 * i);
    `;
    const whole = await usage(learned);
    const { code } = await bundle({ source: learned });
    const reading = cost(`${code}\nvar myTime=400200000;`, 'myTime+=10000;cell.sample(myTime%100,myTime);');
    console.log(
      `    photocell ${alone - none} jsvars and night ${classes - alone} of functions, ${whole - classes} of state; ${reading} instructions a reading`,
    );
    assert.ok(classes - none <= 84, `${classes - none}`);
    assert.ok(whole - classes <= 52, `${whole - classes}`);
    assert.ok(reading <= 530_000, `${reading}`);
  });
});
