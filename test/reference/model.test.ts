import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import { acceptable, type Config, decide, type Happening, type Options, rampedLevel } from './model.ts';
import { crossing, DAY } from './sun.ts';
import type { ActivePeriod, CalendarRule, Command, ControlProgramOne, DynamicControl } from './talq.ts';

const ZONE = 'Europe/Madrid';
const MADRID = { latitude: 40.4168, longitude: -3.7038 };

const at = (local: string, zone = ZONE) => DateTime.fromISO(local, { zone }).toMillis();
const level = (value: number) => ({ state: { name: 'LevelState', value } });

/** `'23:00'` or `'23:00:00'` to a level. */
function program(id: string, points: [string, number][], rest: Partial<ControlProgramOne> = {}): ControlProgramOne {
  const fixedTimeControls = points.map(([time, value]) => ({
    startTime: time.length === 5 ? `${time}:00` : time,
    command: level(value),
  }));
  return { type: 'ControlProgramOne', id, ownerCMS: 'cms', activePeriods: [], fixedTimeControls, ...rest };
}

function config(programs: ControlProgramOne[], rules: CalendarRule[], rest: Partial<Config> = {}): Config {
  const calendar = { id: 'cal', ownerCMS: 'cms', rules, defaultProgram: programs.at(-1)?.id };
  return {
    timeZone: ZONE,
    location: MADRID,
    dayOffset: 0,
    defaultLevel: 100,
    calendarID: 'cal',
    calendars: [calendar],
    programs,
    ...rest,
  };
}

const levels = (setup: Config, history: Happening[], instants: (string | number)[], options?: Options) =>
  instants.map((instant) => decide(setup, history, typeof instant === 'number' ? instant : at(instant), options).level);

/** The sun of W9 and W11: every day up at 08:11 and down at 19:42 local time. */
const constantSun: Options = {
  sun(day, rising) {
    const date = new Date(day * DAY).toISOString().slice(0, 10);
    return { kind: 'event', time: at(`${date}T${rising ? '08:11:00' : '19:42:00'}`), margin: 30 };
  },
};

describe('reference model', () => {
  it('W1: follows 70, 100, 100, 0, 0, 100, 100, 70 % through a split active period', () => {
    const setup = config(
      [
        program(
          'p',
          [
            ['00:00', 70],
            ['05:00', 100],
            ['23:00', 70],
          ],
          { activePeriods: [{ name: 'AbsoluteActivePeriod', startTime: '21:30:00', endTime: '07:00:00' }] },
        ),
      ],
      [],
    );
    const times = ['03:00', '06:00', '06:59:59', '07:00', '21:29:59', '21:30', '22:00', '23:30'];
    assert.deepEqual(
      levels(
        setup,
        [],
        times.map((time) => `2026-05-06T${time}`),
      ),
      [70, 100, 100, 0, 0, 100, 100, 70],
    );
    assert.deepEqual(decide(setup, [], at('2026-05-06T07:00')), { level: 0, reason: 'program', refAddress: 'p' });
  });

  it("W2: keeps yesterday's last switch point, 30 and 50 %, and wraps to 50 % without a yesterday", () => {
    const wednesday: CalendarRule = { program: 'R', condition: { type: 'ccDay', days: [{ start: 3 }] } };
    const programs = [
      program('R', [
        ['00:00', 90],
        ['23:00', 30],
      ]),
      program('Q', [
        ['06:00', 100],
        ['22:00', 50],
      ]),
    ];
    // 6 May 2026 is a Wednesday.
    assert.deepEqual(levels(config(programs, [wednesday]), [], ['2026-05-07T03:00', '2026-05-08T03:00']), [30, 50]);
    const fresh = config(programs, [wednesday], { assigned: at('2026-05-07T02:00') });
    assert.deepEqual(levels(fresh, [], ['2026-05-07T03:00']), [50]);
  });

  const night: ActivePeriod[] = [{ name: 'AbsoluteActivePeriod', startTime: '20:00:00', endTime: '06:00:00' }];
  const christmas: CalendarRule = { startDate: '2026-12-20', endDate: '2026-12-24', program: 'N' };
  const withoutDefault = (dayOffset: 0 | 12) =>
    config([program('N', [['00:00', 80]], { activePeriods: night })], [], {
      dayOffset,
      calendars: [{ id: 'cal', ownerCMS: 'cms', rules: [christmas] }],
    });

  it('W3a: with offset 0 the range ends at midnight: 80, 80, then the default 100 %', () => {
    const setup = withoutDefault(0);
    assert.deepEqual(levels(setup, [], ['2026-12-20T03:00', '2026-12-24T23:00', '2026-12-25T03:00']), [80, 80, 100]);
    assert.deepEqual(decide(setup, [], at('2026-12-25T03:00')), { level: 100, reason: 'default' });
  });

  it('W3b: with offset 12 the range runs from noon to noon: 100, 80, 80, 0, 100 %', () => {
    const times = ['2026-12-20T03:00', '2026-12-20T21:00', '2026-12-25T03:00', '2026-12-25T06:30', '2026-12-25T13:00'];
    assert.deepEqual(levels(withoutDefault(12), [], times), [100, 80, 80, 0, 100]);
  });

  it('W4: takes the first matching rule: the first Thursday before 3 June', () => {
    const setup = config(
      [program('A', [['00:00', 10]]), program('B', [['00:00', 20]]), program('Z', [['00:00', 30]])],
      [
        { program: 'A', condition: { type: 'ccDay', days: [{ start: 4 }], occurrences: ['1'] } },
        { program: 'B', condition: { type: 'ccDate', dates: [{ start: '--06-03' }] } },
      ],
    );
    const names = ['2027-06-03', '2026-06-03', '2026-06-04', '2026-06-05'];
    assert.deepEqual(
      names.map((date) => decide(setup, [], at(`${date}T12:00`)).refAddress),
      ['A', 'B', 'A', 'Z'],
    );
  });

  const override = (local: string, value: number, rest: Partial<Command> = {}): Happening => ({
    at: at(local),
    type: 'override',
    targetCommand: { ...level(value), reason: 'override', ...rest },
  });
  const utc = (local: string) => new Date(at(local)).toISOString();

  it('W5: has one override slot: 30, 80, 80, and 70 % after the resume', () => {
    const setup = config([program('p', [['00:00', 70]])], []);
    const history: Happening[] = [
      override('2026-05-06T22:00', 30, { expiration: utc('2026-05-06T23:00'), cmsRefId: 'first' }),
      override('2026-05-06T22:30', 80, { cmsRefId: 'second' }),
      { at: at('2026-05-06T23:15'), type: 'resume' },
    ];
    const times = ['22:15', '22:45', '23:05', '23:20'].map((time) => `2026-05-06T${time}`);
    assert.deepEqual(levels(setup, history, times), [30, 80, 80, 70]);
    assert.deepEqual(decide(setup, history, at('2026-05-06T22:15')), {
      level: 30,
      reason: 'override',
      cmsRefId: 'first',
    });
  });

  it('W6: ramps 50, 30, 50, 70 % linearly into and out of an override', () => {
    const setup = config([program('p', [['00:00', 70]])], []);
    const history = [
      override('2026-05-06T22:00', 30, {
        expiration: utc('2026-05-06T23:00'),
        rampToLevelTime: 10,
        rampFromLevelTime: 20,
      }),
    ];
    assert.deepEqual(levels(setup, history, ['2026-05-06T22:00', '2026-05-06T23:00']), [30, 70]);
    const physical = [
      rampedLevel(70, 30, 10, 5),
      rampedLevel(70, 30, 10, 10),
      rampedLevel(30, 70, 20, 10),
      rampedLevel(30, 70, 20, 20),
    ];
    assert.deepEqual(physical, [50, 30, 50, 70]);
  });

  it('W7: lets the first active dynamic control win and holds it 30 s: 50, 20, 100, 100, 20, 50 %', () => {
    const dynamic = (address: string, operation: 'Max' | 'Set', value: number, holdTime?: number): DynamicControl => ({
      effect: {
        type: 'FixedControlEffect',
        operation,
        holdTime,
        source: { sensor: { sensorAddresses: [address] } },
        command: level(value),
      },
    });
    const setup = config(
      [
        program('p', [['00:00', 50]], {
          dynamicControls: [dynamic('S1', 'Max', 100, 30), dynamic('S2', 'Set', 20)],
        }),
      ],
      [],
    );
    const sensor = (local: string, address: string, raised: boolean): Happening => ({
      at: at(`2026-05-06T${local}`),
      type: 'sensor',
      address,
      raised,
    });
    const history = [
      sensor('21:59:50', 'S2', true),
      sensor('22:05:00', 'S2', false),
      sensor('22:00:00', 'S1', true),
      sensor('22:00:20', 'S1', false),
    ];
    const times = ['21:59:40', '21:59:55', '22:00:05', '22:00:49', '22:00:50', '22:05:00'];
    assert.deepEqual(
      levels(
        setup,
        history,
        times.map((time) => `2026-05-06T${time}`),
      ),
      [50, 20, 100, 100, 20, 50],
    );
    assert.deepEqual(decide(setup, history, at('2026-05-06T22:00:49')), {
      level: 100,
      reason: 'sensor',
      refAddress: 'S1',
    });
  });

  const clockChange = config(
    [
      program('p', [
        ['00:00', 80],
        ['02:30', 40],
        ['05:00', 100],
      ]),
    ],
    [],
  );

  it('W8a: in the spring night the skipped 02:30 acts at 03:00: 80, 40, 100 %', () => {
    const instants = ['2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z', '2026-03-29T03:00:00Z'].map(Date.parse);
    assert.deepEqual(levels(clockChange, [], instants), [80, 40, 100]);
  });

  it('W8b: in the autumn night 02:30 acts once: 80, 40, 40, 40, 100 %', () => {
    const instants = ['00:29:59', '00:30:00', '01:00:00', '01:29:59', '04:00:00'];
    assert.deepEqual(
      levels(
        clockChange,
        [],
        instants.map((time) => Date.parse(`2026-10-25T${time}Z`)),
      ),
      [80, 40, 40, 40, 100],
    );
  });

  it('W9: follows the sun with offsets -5 and +10: 0, 100, 60, 100, 0 %, whatever the day offset', () => {
    for (const dayOffset of [0, 12] as const) {
      const setup = config(
        [
          program(
            'p',
            [
              ['00:00', 60],
              ['06:00', 100],
              ['19:00', 100],
            ],
            { activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }] },
          ),
        ],
        [],
        { dayOffset },
      );
      const times = [
        '2026-10-05T19:36:59',
        '2026-10-05T19:37',
        '2026-10-06T00:00',
        '2026-10-06T08:20:59',
        '2026-10-06T08:21',
      ];
      assert.deepEqual(levels(setup, [], times, constantSun), [0, 100, 60, 100, 0]);
    }
  });

  it('W10: wraps --11-15 to --02-15 over New Year: in, in, out, out', () => {
    const setup = config(
      [program('in', [['00:00', 1]]), program('out', [['00:00', 2]])],
      [{ startDate: '--11-15', endDate: '--02-15', program: 'in' }],
    );
    const dates = ['2026-12-01', '2027-01-31', '2027-03-01', '2026-11-14'];
    assert.deepEqual(
      dates.map((date) => decide(setup, [], at(`${date}T12:00`)).refAddress),
      ['in', 'in', 'out', 'out'],
    );
  });

  it('W11: carries the last sun control over midnight: 80, 0, 0, 0, 80, 80, 0 %', () => {
    const setup = config(
      [
        program(
          'p',
          [
            ['00:00', 50],
            ['12:00', 20],
          ],
          {
            astroClockTimeControls: [
              { offset: 30, solarEventType: 'sunset', operation: 'Max', command: level(80) },
              { offset: 0, solarEventType: 'sunrise', operation: 'Set', command: level(0) },
            ],
          },
        ),
      ],
      [],
    );
    const day = ['08:10', '08:11', '13:00', '20:11', '20:12'].map((time) => `2026-10-05T${time}`);
    const instants = [...day, '2026-10-06T00:30', '2026-10-06T08:11'];
    assert.deepEqual(levels(setup, [], instants, constantSun), [80, 0, 0, 0, 80, 80, 0]);
  });

  it("W12: with offset 12 Saturday's program runs to Sunday noon: 0, 100, 100, 30, 30, 55 %", () => {
    const setup = config(
      [
        program('sat', [
          ['12:00', 0],
          ['20:00', 100],
          ['02:00', 30],
        ]),
        program('other', [['12:00', 55]]),
      ],
      [{ program: 'sat', condition: { type: 'ccDay', days: [{ start: 6 }] } }],
      { dayOffset: 12 },
    );
    // 9 May 2026 is a Saturday.
    const saturday = ['12:00', '21:00'].map((time) => `2026-05-09T${time}`);
    const sunday = ['01:00', '03:00', '11:59', '12:00'].map((time) => `2026-05-10T${time}`);
    assert.deepEqual(levels(setup, [], [...saturday, ...sunday]), [0, 100, 100, 30, 30, 55]);
  });

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
