import assert from 'node:assert/strict';
import { acceptable, type Config, decide, type Happening, type Options, rampedLevel } from './model.ts';
import { crossing, DAY } from './sun.ts';
import type { ActivePeriod, Command } from './talq.ts';
import {
  assertDecision,
  at,
  config,
  EXAMPLES,
  type Example,
  level,
  override,
  program,
  sentence,
  sunOf,
  utc,
} from './worked-examples.ts';

const levels = (setup: Config, history: Happening[], instants: (string | number)[], options?: Options) =>
  instants.map((instant) => decide(setup, history, typeof instant === 'number' ? instant : at(instant), options).level);

/** @returns % of light at an instant, from the last command that an override began or ended. */
function lightAt({ config: setup, history }: Example, instant: number): number {
  const changes = history.flatMap((happening) => {
    if (happening.type !== 'override') return [];
    const { expiration = '', rampToLevelTime = 0, rampFromLevelTime = 0 } = happening.targetCommand;
    const end = Date.parse(expiration);
    return [
      { start: happening.at, ramp: rampToLevelTime },
      { start: end, ramp: rampFromLevelTime },
    ];
  });
  const last = changes.filter(({ start }) => start <= instant).at(-1);
  assert.ok(last);
  const [from, to] = levels(setup, history, [last.start - 1, last.start]);
  return rampedLevel(from, to, last.ramp, (instant - last.start) / 1000);
}

describe('reference model', () => {
  for (const example of EXAMPLES) {
    it(sentence(example), () => {
      const options = { sun: sunOf(example) };
      for (const check of example.checks) {
        assertDecision(example, check, decide(example.config, example.history, check.at, options));
      }
      for (const { at: instant, level: light } of example.light ?? []) assert.equal(lightAt(example, instant), light);
    });
  }

  it('keeps a running override while a later one waits, and forgets both on resume', () => {
    const setup = config([program('p', [['00:00', 70]])], []);
    const history: Happening[] = [
      override('2026-05-06T22:00', 30, { expiration: utc('2026-05-06T22:20') }),
      override('2026-05-06T22:05', 90, { start: utc('2026-05-06T22:30'), expiration: utc('2026-05-06T23:30') }),
    ];
    const times = ['22:10', '22:25', '22:30', '23:29:59', '23:30'].map((time) => `2026-05-06T${time}`);
    assert.deepEqual(levels(setup, history, times), [30, 70, 90, 90, 70]);
    const resumed: Happening[] = [...history, { at: at('2026-05-06T22:15'), type: 'resume' }];
    assert.deepEqual(levels(setup, resumed, times), [30, 70, 70, 70, 70]);
  });

  it('gives the default level without calendar, with an unknown one, and where the sun has no place', () => {
    const sun = program('p', [['00:00', 70]], {
      activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: 0, sunriseOffset: 0 }],
    });
    const setups = [
      config([sun], [], { calendarID: '' }),
      config([sun], [], { calendarID: 'nobody' }),
      config([sun], [{ program: 'nobody' }]),
      config([sun], [], { location: undefined }),
    ];
    for (const setup of setups) {
      assert.deepEqual(decide(setup, [], at('2026-05-06T23:00')), { level: 100, reason: 'default' });
    }
  });

  it('lights all day in polar night and never in polar day', () => {
    const setup = config(
      [
        program('p', [['00:00', 70]], {
          activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: 0, sunriseOffset: 0 }],
        }),
      ],
      [],
      { timeZone: 'Europe/Oslo', location: { latitude: 69.6492, longitude: 18.9553 } },
    );
    for (let hour = 0; hour < 24; hour++) {
      assert.equal(decide(setup, [], Date.UTC(2025, 11, 21, hour)).level, 70);
      assert.equal(decide(setup, [], Date.UTC(2025, 5, 21, hour)).level, 0);
    }
    // 17 May has a rise at 01:12:53 local time and no set; the last set was at 00:07.
    const near = ['2025-05-16T22:06Z', '2025-05-16T22:09Z', '2025-05-16T23:11Z', '2025-05-16T23:14Z'].map(Date.parse);
    assert.deepEqual(levels(setup, [], near), [0, 70, 70, 0]);
  });

  it('reads a photocell, a light sensor with hysteresis, and falls back to the sun when the sensor is lost', () => {
    const sensorPeriod = (onLevel: number, offLevel: number): ActivePeriod => ({
      name: 'SensorActivePeriod',
      sensor: { sensorAddresses: ['L'] },
      onLevel,
      offLevel,
    });
    const setup = (period: ActivePeriod) => config([program('p', [['00:00', 70]], { activePeriods: [period] })], []);
    const readings = (...values: (number | undefined)[]) =>
      values.map((value, i): Happening => ({ at: at('2026-05-06T12:00') + i, type: 'reading', address: 'L', value }));
    const noon = ['2026-05-06T13:00'];
    const after = (period: ActivePeriod, ...values: (number | undefined)[]) =>
      levels(setup(period), readings(...values), noon)[0];
    assert.equal(after(sensorPeriod(35, 70), 100), 0);
    assert.equal(after(sensorPeriod(35, 70), 100, 50), 0);
    assert.equal(after(sensorPeriod(35, 70), 100, 20, 50), 70);
    assert.equal(after(sensorPeriod(1, 0), 1), 70);
    assert.equal(after(sensorPeriod(1, 0), 0), 0);
    assert.equal(after(sensorPeriod(35, 70), 20, undefined), 0);
    assert.equal(decide(setup(sensorPeriod(35, 70)), [], at('2026-05-06T23:00')).level, 70);
  });

  it('takes the level of an external sensor until it expires, then for the hold time', () => {
    const setup = config(
      [
        program('p', [['00:00', 50]], {
          dynamicControls: [
            {
              period: { startTime: '20:00:00', endTime: '06:00:00' },
              effect: {
                type: 'ExternalControlEffect',
                operation: 'Add',
                holdTime: 10,
                source: { sensor: { sensorAddresses: ['X'] } },
              },
            },
          ],
        }),
      ],
      [],
    );
    const external = (local: string, rest: Partial<Command> = {}): Happening => ({
      at: at(local),
      type: 'external',
      targetCommand: { ...level(30), reason: 'sensor', refAddress: 'X', ...rest },
    });
    const times = ['22:00:00', '22:00:59', '22:01:09', '22:01:10'].map((time) => `2026-05-06T${time}`);
    const lasting = [external('2026-05-06T22:00', { expiration: utc('2026-05-06T22:01') })];
    assert.deepEqual(levels(setup, lasting, times), [80, 80, 80, 50]);
    const instant = [external('2026-05-06T22:00')];
    assert.deepEqual(levels(setup, instant, ['2026-05-06T22:00:09', '2026-05-06T22:00:10']), [80, 50]);
    assert.deepEqual(levels(setup, [external('2026-05-06T19:00')], ['2026-05-06T19:00:05']), [50]);
  });

  it('accepts two decisions within 10 s of a sunset and one elsewhere', () => {
    const setup = config(
      [
        program('p', [['00:00', 70]], {
          activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: 0, sunriseOffset: 0 }],
        }),
      ],
      [],
    );
    const sunset = (crossing(Math.floor(at('2026-05-06T12:00') / DAY), 40.4168, -3.7038, false) as { time: number })
      .time;
    const found = Array.from({ length: 61 }, (_, i) => acceptable(setup, [], sunset + (i - 30) * 1000).length);
    assert.equal(found.filter((length) => length === 2).length, 20);
    assert.deepEqual([found[0], found[30], found[60]], [1, 2, 1]);
  });
});
