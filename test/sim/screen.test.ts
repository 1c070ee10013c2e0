import assert from 'node:assert/strict';
import { openScreen, table } from '../../sim/screen.ts';
import type { Row } from '../../sim/street.ts';

const row = (id: string): Row => ({ id, level: 40, power: 24.04, link: 'up', command: 'override 40 %' });

describe('screen of the bench', () => {
  it('shows the simulated time and a row a lamp', () => {
    const lines = table(Date.UTC(2025, 11, 21, 15), [row('lamp-01'), row('lamp-02')], 60);
    assert.deepEqual(lines, [
      'Brussels 16:00:00 (2025-12-21T15:00:00Z, 60 times as fast)',
      'lamp     level %  power W  link  command',
      'lamp-01     40.0     24.0  up    override 40 %',
      'lamp-02     40.0     24.0  up    override 40 %',
    ]);
  });

  it('shows 9 of 100 lamps where 10 rows fit, and says so', () => {
    const rows = Array.from({ length: 100 }, (_, index) => row(`lamp-${index}`));
    const lines = table(0, rows, 1, 10);
    assert.equal(lines.length, 12);
    assert.equal(lines[11], '… and 91 more');
  });

  it('writes no control characters where it is not a terminal, and redraws from the top on one', () => {
    let text = '';
    const write = (part: string) => {
      text += part;
    };
    const log = openScreen({ write }, 1);
    log.notice(['try this']);
    log.show(0, [row('lamp-01')]);
    log.close();
    assert.ok(!text.includes('\x1b'));
    assert.equal(text.split('\n').filter((line) => line === 'try this').length, 1);
    text = '';
    const terminal = openScreen({ write, isTTY: true, rows: 24 }, 1);
    terminal.notice(['try this']);
    terminal.show(0, [row('lamp-01')]);
    terminal.show(1000, [row('lamp-01')]);
    terminal.close();
    assert.equal(text.split('\x1b[H').length - 1, 2);
    assert.equal(text.split('try this').length - 1, 2);
    assert.ok(text.endsWith('\x1b[?25h'));
  });
});
