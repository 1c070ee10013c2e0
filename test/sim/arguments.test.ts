import assert from 'node:assert/strict';
import { readArguments } from '../../sim/arguments.ts';

describe('arguments of npm start', () => {
  it('are 6 lamps, port 8090, speed 1, seed 1 and the present when nothing is said', () => {
    assert.deepEqual(readArguments([]), {
      lamps: 6,
      port: 8090,
      broker: undefined,
      cms: [],
      insecureHttp: false,
      data: undefined,
      speed: 1,
      at: undefined,
      seed: 1,
    });
  });

  it('are taken as given', () => {
    const text =
      '--lamps 12 --port 0 --broker mqtt://10.0.0.1:1884 --cms https://cms.example/ --cms https://other.example/ --insecure-http --data d --speed 0.5 --at 2025-12-21T16:00:00+01:00 --seed 9';
    assert.deepEqual(readArguments(text.split(' ')), {
      lamps: 12,
      port: 0,
      broker: 'mqtt://10.0.0.1:1884',
      cms: ['https://cms.example/', 'https://other.example/'],
      insecureHttp: true,
      data: 'd',
      speed: 0.5,
      at: Date.UTC(2025, 11, 21, 15),
      seed: 9,
    });
    assert.equal(readArguments(['--help']), 'help');
  });

  it('are refused with one line that names the flag', () => {
    const wrong: [string[], RegExp][] = [
      [['--lamps', '0'], /^--lamps wants a whole number from 1 to 10000, not "0"$/],
      [['--lamps', '1e3'], /^--lamps/],
      [['--lamps', '6.5'], /^--lamps/],
      [['--port', '65536'], /^--port/],
      [['--port', ''], /^--port/],
      [['--broker', 'http://x'], /^--broker wants a URL such as mqtt:\/\/host/],
      [['--cms', 'cms.example'], /^--cms/],
      [['--speed', '0'], /^--speed/],
      [['--speed', '-1'], /Option '--speed|^--speed/],
      [['--speed', 'fast'], /^--speed/],
      [['--at', '2025-12-21'], /^--at/],
      [['--at', '2025-12-21T16:00:00'], /^--at/],
      [['--at', '2025-13-21T16:00:00Z'], /^--at/],
      [['--seed', 'x'], /^--seed/],
      [['--data', ''], /^--data/],
      [['--lamp', '6'], /Unknown option '--lamp'/],
      [['6'], /Unexpected argument '6'/],
    ];
    for (const [flags, message] of wrong) assert.throws(() => readArguments(flags), { message });
  });
});
