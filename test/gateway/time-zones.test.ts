import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { offsetAt, parseZone } from '../../firmware/control/local-time.ts';
import { posixZone } from '../../gateway/talq/time-zones.ts';
import { ZONES } from '../reference/zone-vectors.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 0, 1);

function posix(name: string, exact = true): string {
  const result = posixZone(name, NOW);
  assert.ok('posix' in result, `${name}: ${JSON.stringify(result)}`);
  assert.equal(result.exact, exact, name);
  return result.posix;
}

/** Both strings give the same offset at every hour of 9 years. */
function assertSame(actual: string, expected: string, name: string) {
  const a = parseZone(actual);
  const b = parseZone(expected);
  assert.ok(a && b, `${name}: ${actual} ${expected}`);
  for (let time = NOW; time < Date.UTC(2035, 0, 1); time += HOUR) {
    if (offsetAt(a, time) !== offsetAt(b, time)) {
      assert.fail(`${name}: ${actual} and ${expected} differ at ${new Date(time).toISOString()}`);
    }
  }
}

describe('time zones', () => {
  it(`derives the rules of all ${ZONES.length} zones of the table, offset for offset`, () => {
    for (const [name, expected] of ZONES) {
      const irregular = ['Africa/Casablanca', 'Asia/Gaza'].includes(name);
      assertSame(posix(name, !irregular), expected, name);
    }
  });

  it('writes fixed, half-hour, negative-time and 26-hour rules as POSIX has them', () => {
    assert.equal(posix('Europe/Brussels'), '<+01>-1<+02>,M3.5.0,M10.5.0/3');
    assert.equal(posix('Asia/Kathmandu'), '<+0545>-5:45');
    assert.equal(posix('America/Sao_Paulo'), '<-03>3');
    assert.equal(posix('Australia/Lord_Howe'), '<+1030>-10:30<+11>-11,M10.1.0,M4.1.0');
    assert.equal(posix('America/Nuuk'), '<-02>2<-01>,M3.5.0/-1,M10.5.0/0');
    assert.equal(posix('Asia/Jerusalem'), '<+02>-2<+03>,M3.4.4/26,M10.5.0');
    assert.equal(posix('America/Santiago'), '<-04>4<-03>,M9.1.6/24,M4.1.6/24');
  });

  it('turns the signs of Etc/GMT names the POSIX way', () => {
    assert.equal(posix('Etc/GMT+5'), '<-05>5');
    assert.equal(posix('Etc/GMT-14'), '<+14>-14');
    assert.equal(posix('Etc/GMT'), '<+00>0');
    assert.equal(posix('UTC'), '<+00>0');
  });

  it('passes a POSIX string through as it is', () => {
    for (const text of [
      'CET-1CEST,M3.5.0,M10.5.0/3',
      '<+0330>-3:30',
      'EST5EDT4,J60/-1:30,300/26',
      'IST-1GMT0,M10.5.0,M3.5.0/1',
      'AAA+12BBB,0/0,J365/25',
    ]) {
      assert.deepEqual(posixZone(text), { posix: text, exact: true });
      assert.ok(parseZone(text), text);
    }
  });

  it('answers with a sentence to names that are neither', () => {
    for (const name of [
      '',
      'Mars/Olympus',
      'CET-1CEST',
      'CET-1CEST,M13.5.0,M10.5.0',
      'CET-1CEST,M3.6.0,M10.5.0',
      'CET-25',
      'AB-1',
      '+05:00',
      ':Europe/Brussels',
      'EST5EDT,J0,J365',
      'EST5EDT,366,1',
      'EST5EDT,M3.2.0/168,M11.1.0',
      ' Europe/Brussels',
    ]) {
      const result = posixZone(name);
      assert.ok('error' in result, `${name}: ${JSON.stringify(result)}`);
      assert.equal(parseZone(name), undefined, name);
    }
    assert.deepEqual(posixZone('A'.repeat(65)), { error: 'Time zone is longer than 64 characters.' });
  });

  it('derives every tenth zone of this Node as the system database has it', function () {
    if (!existsSync('/usr/share/zoneinfo/Europe/Brussels')) this.skip();
    const names = Intl.supportedValuesOf('timeZone').filter((_, i) => i % 10 === 0);
    for (const name of names) {
      const result = posixZone(name, NOW);
      const footer = readFileSync(`/usr/share/zoneinfo/${name}`, 'latin1').trimEnd().split('\n').at(-1) as string;
      if ('posix' in result && result.exact) assertSame(result.posix, footer, name);
    }
  });
});
