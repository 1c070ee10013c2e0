import assert from 'node:assert/strict';
import { RAISED } from '../../firmware/control/sensors.ts';
import { CommandKind, Leaf } from '../../firmware/link/messages.ts';
import { crossing } from '../reference/sun.ts';
import {
  assignment,
  at,
  calendar,
  command,
  level,
  levels,
  MADRID,
  post,
  program,
  reader,
  timetable,
  timetables,
  to,
  ZONE,
} from './control-rig.ts';
import { birth, type Controller, encode, Rig, refusalOf, report, T0 } from './rig.ts';

const iso = (time: number) => new Date(time).toISOString();

/** From the CMS's objects over the API and the broker to what a controller's firmware makes of the bytes. */
describe('calendars at the lamp', () => {
  let rig: Rig;
  afterEach(() => rig.close());
  /** @returns the timetable that a lamp in Madrid gets for a calendar. */
  const sent = async (programs: object[], rules: object[], byDefault?: string, dayOffset: 0 | 12 = 12) => {
    rig = await Rig.start({ timeZone: ZONE, location: MADRID, dayOffset });
    const controller = await rig.join('PAR-0001');
    assert.equal((await rig.call('GET', '/services/ControlService')).body.dayOffset, dayOffset);
    await post(rig, '/control-programs', ...programs);
    await post(rig, '/calendars', calendar('c', rules, byDefault));
    const body = assignment('c', await rig.address('PAR-0001'));
    assert.equal((await rig.call('POST', '/assign-commands', { body })).status, 201);
    return timetable(controller, 1);
  };
  const between = (startTime: string, endTime: string) => ({
    activePeriods: [{ name: 'AbsoluteActivePeriod' as const, startTime: `${startTime}:00`, endTime: `${endTime}:00` }],
  });

  it('100 are dark outside active periods, and active all day without periods or between equal times', async () => {
    const programs = [
      program('some', [['12:00', 80]], between('20:00', '06:00')),
      program('none', [['12:00', 70]]),
      program('equal', [['12:00', 60]], between('12:00', '12:00')),
    ];
    const weekday = (day: number, id: string) => ({
      condition: { type: 'ccDay', days: [{ start: day }] },
      program: id,
    });
    const bytes = await sent(programs, [weekday(3, 'some'), weekday(4, 'none'), weekday(5, 'equal')]);
    // 6 May 2026 is a Wednesday.
    assert.deepEqual(levels(bytes, '2026-05-06T19:59:59', '2026-05-06T20:00', '2026-05-07T06:00'), [0, 80, 0]);
    assert.deepEqual(levels(bytes, '2026-05-07T12:00', '2026-05-08T11:59', '2026-05-08T12:00'), [70, 70, 60]);
    assert.deepEqual(levels(bytes, '2026-05-09T11:59', '2026-05-09T12:00'), [60, 100]);
  });

  const twoDays = (start: string) => [
    program('a', [[start, 80]], between('20:00', '06:00')),
    program('b', [[start, 30]], between('20:00', '06:00')),
  ];
  const onSixth = [{ startDate: '2026-05-06', endDate: '2026-05-06', program: 'a' }];

  it('101 follow with day offset 0 the program of the date at 03:00 and at 21:00', async () => {
    const bytes = await sent(twoDays('00:00'), onSixth, 'b', 0);
    assert.deepEqual(levels(bytes, '2026-05-06T03:00', '2026-05-06T21:00', '2026-05-07T03:00'), [80, 80, 30]);
  });

  it('102 follow with day offset 12 the program of the date before at 03:00', async () => {
    const bytes = await sent(twoDays('12:00'), onSixth, 'b');
    assert.deepEqual(levels(bytes, '2026-05-06T03:00', '2026-05-06T21:00', '2026-05-07T03:00'), [30, 80, 80]);
  });

  it("103 begin the day with the last value of the previous day's program", async () => {
    const programs = [
      program('r', [
        ['00:00', 90],
        ['23:00', 30],
      ]),
      program('q', [
        ['06:00', 100],
        ['22:00', 50],
      ]),
    ];
    const wednesday = [{ condition: { type: 'ccDay', days: [{ start: 3 }] }, program: 'r' }];
    const bytes = await sent(programs, wednesday, 'q', 0);
    assert.deepEqual(levels(bytes, '2026-05-07T03:00', '2026-05-08T03:00'), [30, 50]);
  });

  it('105 are lit from 5 minutes before sunset to 10 minutes after sunrise, each within a minute of an ephemeris', async () => {
    const night = program('p', [['12:00', 60]], {
      activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }],
    });
    const lamp = reader(await sent([night], [], 'p'));
    const day = Date.parse('2026-10-14') / 86400000;
    const event = (solarDay: number, rising: boolean) => {
      const found = crossing(solarDay, MADRID.latitude, MADRID.longitude, rising);
      return found.kind === 'event' ? found.time : assert.fail(found.kind);
    };
    const on = event(day, false) - 5 * 60000;
    const off = event(day + 1, true) + 10 * 60000;
    assert.deepEqual([on - 60000, on + 60000, off - 60000, off + 60000].map(lamp.level), [0, 60, 60, 0]);
  });

  it('106 follow the first of two matching rules, and the default program when none matches', async () => {
    const programs = ['a', 'b', 'z'].map((id, i) => program(id, [['12:00', 10 * (i + 1)]]));
    const rules = [
      { condition: { type: 'ccDay', days: [{ start: 4 }], occurrences: ['1'] }, program: 'a' },
      { condition: { type: 'ccDate', dates: [{ start: '--06-03' }] }, program: 'b' },
    ];
    const bytes = await sent(programs, rules, 'z');
    // 3 June is the first Thursday of 2027 and a Wednesday of 2026.
    const [first, second, other] = levels(bytes, '2027-06-03T21:00', '2026-06-03T21:00', '2026-06-02T21:00');
    assert.deepEqual([first, second, other], [10, 20, 30]);
  });

  it('107 follow a rule until 24 December on 25 December at 03:00, and not after noon', async () => {
    const rules = [{ startDate: '2026-12-20', endDate: '2026-12-24', program: 'n' }];
    const night = program('n', [['00:00', 80]], between('20:00', '06:00'));
    const bytes = await sent([night], rules);
    const times = ['20T03:00', '20T21:00', '25T03:00', '25T06:30', '25T13:00'].map((rest) => `2026-12-${rest}`);
    assert.deepEqual(levels(bytes, ...times), [100, 80, 80, 0, 100]);
  });

  it('108 match ---31 on no day of June and --02-29 in leap years only', async () => {
    const rules = [{ condition: { type: 'ccDate', dates: [{ start: '---31' }, { start: '--02-29' }] }, program: 'x' }];
    const lamp = reader(await sent([program('x', [['12:00', 10]]), program('z', [['12:00', 90]])], rules, 'z'));
    const days = (year: number, month: number) =>
      Array.from({ length: 31 }, (_, i) => Date.UTC(year, month - 1, i + 1, 20))
        .filter((time) => new Date(time).getUTCMonth() === month - 1 && lamp.level(time) === 10)
        .map((time) => new Date(time).getUTCDate());
    assert.deepEqual([days(2026, 6), days(2026, 7), days(2027, 2), days(2028, 2)], [[], [31], [], [29]]);
  });

  it('109 match weekdays 1 to 5, the second Monday, and the last Sunday', async () => {
    const rules = [
      { condition: { type: 'ccDay', days: [{ start: 1 }], occurrences: ['2'] }, program: 'second' },
      { condition: { type: 'ccDay', days: [{ start: 7 }], occurrences: ['L'] }, program: 'last' },
      { condition: { type: 'ccDay', days: [{ start: 1, end: 5 }] }, program: 'work' },
    ];
    const programs = ['second', 'last', 'work', 'rest'].map((id, i) => program(id, [['12:00', 10 * (i + 1)]]));
    const bytes = await sent(programs, rules, 'rest');
    const june = Array.from({ length: 30 }, (_, i) => `2026-06-${String(i + 1).padStart(2, '0')}T21:00`);
    // 1 June 2026 is a Monday: the second one is the 8th, the last Sunday the 28th.
    const expected = june.map((_, i) => (i === 7 ? 10 : i === 27 ? 20 : i % 7 < 5 ? 30 : 40));
    assert.deepEqual(levels(bytes, ...june), expected);
  });
});

describe('sensors and feedback', () => {
  let rig: Rig;
  let walker: Controller;
  let other: Controller;
  let lamps: string[];
  const read = async (path: string) => (await rig.call('GET', `/devices/${path}`)).body;
  const assign = async (id: string, ...addresses: string[]) =>
    assert.equal((await rig.call('POST', '/assign-commands', { body: assignment(id, ...addresses) })).status, 201);
  const say = (targetCommand: object) => rig.call('POST', '/override-commands', { body: { targetCommand } });
  const dynamic = (type: string, addresses?: string[]) => ({
    dynamicControls: [
      {
        effect: {
          type,
          operation: 'Max' as const,
          holdTime: 30,
          source: addresses === undefined ? {} : { sensor: { sensorAddresses: addresses } },
          ...(type === 'FixedControlEffect' ? { command: command(100) } : {}),
        } as never,
      },
    ],
  });
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: ZONE });
    walker = await rig.join('PAR-0001', birth({ 11: 1 }), report({ 15: 0 }));
    other = await rig.join('PAR-0002');
    lamps = [await rig.address('PAR-0001'), await rig.address('PAR-0002')];
    await post(
      rig,
      '/control-programs',
      program('ahead', [['12:00', 40]], dynamic('FixedControlEffect', [`${lamps[0].toUpperCase()}/presence1`])),
      program('plain', [['12:00', 50]]),
      program('external', [['12:00', 30]], dynamic('ExternalControlEffect', ['cms-sensor-9'])),
      program('own', [['12:00', 30]], dynamic('ExternalControlEffect')),
    );
    await post(
      rig,
      '/calendars',
      calendar('street', [{ condition: { type: 'ccDay', days: [{ start: 7 }] }, program: 'plain' }], 'ahead'),
      calendar('events', [], 'external'),
      calendar('own', [], 'own'),
    );
  });
  afterEach(() => rig.close());

  it('gives a controller with a presence input a presence sensor, and shows what it reports', async () => {
    assert.deepEqual(await read(`${lamps[0]}/presence1/presenceStatus`), {
      type: 'AttributeBoolean',
      value: false,
      timestamp: iso(T0),
    });
    await rig.report(walker, report({ 0: 2, 1: T0 / 1000 + 5, 15: 1 }));
    const { value, timestamp } = await read(`${lamps[0]}/presence1/presenceStatus`);
    assert.deepEqual([value, timestamp], [true, iso(T0 + 5000)]);
    assert.equal(refusalOf(await rig.call('GET', `/devices/${lamps[1]}/presence1`)), '404 resourceNotFound');
  });

  it('gives a unit that measures 20.5 lx a light sensor', async () => {
    await rig.join('PAR-0003', birth({ 7: [[1, 'lux', [10]]] }), report({ 10: [[12, 205]] }));
    const { value, timestamp } = await read(`${await rig.address('PAR-0003')}/lightSensor1/lightLevel`);
    assert.deepEqual([value, timestamp], [20.5, iso(T0 - 12000)]);
  });

  it('110 calls one sensor by one number in the timetables of its own lamp and of its neighbour', async () => {
    await assign('street', ...lamps);
    const [own, neighbour] = [await timetable(walker, 1), await timetable(other, 1)].map((bytes) => Buffer.from(bytes));
    const number = own.readUInt16BE(18);
    assert.ok(number > 0);
    assert.equal(neighbour.readUInt16BE(18), 0);
    const tuesday = at('2026-05-05T22:00');
    for (const bytes of [own, neighbour]) {
      const lamp = reader(bytes);
      assert.equal(lamp.level(tuesday), 40);
      lamp.sensors.hear(number, RAISED, tuesday);
      assert.equal(lamp.level(tuesday), 100);
      lamp.sensors.hear(number, tuesday + 10000, tuesday + 10000);
      assert.deepEqual([tuesday + 39999, tuesday + 40000].map(lamp.level), [100, 40]);
    }
  });

  it('names the program in force and the sensor in the feedback', async () => {
    await assign('street', lamps[1]);
    await assign('own', lamps[0]);
    const feedback = async () => (await read(`${lamps[1]}/lampActuator1/feedbackLightCommand`)).value;
    // Programs count in the order of the calendar: rules first.
    await rig.report(other, report({ 0: 2, 4: 50, 11: 0, 12: 0 }));
    assert.deepEqual(await feedback(), { state: level(50), reason: 'program', refAddress: 'plain' });
    await rig.report(other, report({ 0: 3, 4: 40, 11: 1, 12: 0 }));
    assert.deepEqual(await feedback(), { state: level(40), reason: 'program', refAddress: 'ahead' });
    const number = Buffer.from(await timetable(walker, 1)).readUInt16BE(18);
    await rig.report(other, report({ 0: 4, 4: 100, 5: 2, 11: 1, 12: 1, 13: number }));
    assert.deepEqual(await feedback(), { state: level(100), reason: 'sensor', refAddress: `${lamps[0]}/presence1` });
    await rig.report(other, report({ 0: 5, 4: 20, 5: 1, 6: 'op-1', 14: 80 }));
    const { refAddress, cmsRefId } = await feedback();
    assert.deepEqual([refAddress, cmsRefId], [undefined, 'op-1']);
  });

  it('calls the photocell a sensor without an address, and the learned night and the installer test default', async () => {
    await assign('street', lamps[1]);
    const feedback = async () => (await read(`${lamps[1]}/lampActuator1/feedbackLightCommand`)).value;
    const reasons = [
      [4, 'sensor'],
      [5, 'default'],
      [6, 'default'],
    ] as const;
    for (const [i, [code, reason]] of reasons.entries()) {
      await rig.report(other, report({ 0: 2 + i, 4: 100 - i, 5: code }));
      assert.deepEqual(await feedback(), { state: level(100 - i), reason });
    }
    const { fleet } = rig.gateway;
    const before = fleet.dropped;
    await other.send(Leaf.Report, report({ 0: 8, 5: 7 }));
    await rig.report(other, report({ 0: 9 }));
    assert.equal(fleet.dropped, before + 1);
  });

  it('names the program of the timetable that the controller runs, not of the one on its way', async () => {
    await assign('street', lamps[1]);
    other.answer = () => undefined;
    const answer = rig.call('POST', '/assign-commands', { body: assignment('events', lamps[1]) });
    await timetable(other, 2);
    await rig.report(other, report({ 0: 2, 11: 0 }));
    const feedback = async () => (await read(`${lamps[1]}/lampActuator1/feedbackLightCommand`)).value.refAddress;
    assert.equal(await feedback(), 'plain');
    await other.send(
      Leaf.Ack,
      new Map([
        [0, other.commands[1].get(0)],
        [1, 0],
      ]),
    );
    assert.equal((await answer).status, 201);
    await rig.report(other, report({ 0: 3, 11: 0 }));
    assert.equal(await feedback(), 'external');
  });

  it('82 brings a command in the name of a sensor to the lamps whose programs listen to it, and to no other', async () => {
    await assign('events', lamps[1]);
    await assign('street', lamps[0]);
    const targetCommand = { state: level(70), reason: 'sensor', refAddress: 'cms-sensor-9' };
    assert.equal((await say({ ...targetCommand, expiration: iso(T0 + 60000) })).status, 201);
    assert.deepEqual([walker.commands.length, other.commands.length], [1, 2]);
    const [number, ...rest] = [...other.commands[1]];
    assert.equal(number[0], 0);
    const sensor = other.commands[1].get(9) as number;
    assert.deepEqual(rest, [
      [1, CommandKind.Sensor],
      [2, 70],
      [4, T0 / 1000 + 60],
      [9, sensor],
    ]);
    const lamp = reader(timetables(other)[0]);
    lamp.sensors.set(-sensor, 70, T0 + 60000);
    assert.deepEqual([T0, T0 + 89000, T0 + 91000].map(lamp.level), [70, 70, 30]);
    assert.equal((await say(targetCommand)).status, 201);
    assert.equal(other.commands[2].get(4), undefined);
  });

  it("82 speaks for a lamp's own presence sensor to an effect that names none", async () => {
    await assign('own', ...lamps);
    const refAddress = `${lamps[0]}/presence1/presenceStatus`;
    assert.equal((await say({ state: level(90), reason: 'sensor', refAddress })).status, 201);
    assert.deepEqual([walker.commands.length, other.commands.length], [2, 1]);
    assert.equal(walker.commands[1].get(9), Buffer.from(timetables(walker)[0]).readUInt16BE(18));
  });

  it('82 answers 422 without a sensor that is known, a level, or a time that is now', async () => {
    await assign('events', lamps[1]);
    const good = { state: level(70), reason: 'sensor', refAddress: 'cms-sensor-9' };
    const cases: [object, string][] = [
      [{ ...good, refAddress: 'cms-sensor-10' }, '422 relatedResourceNotFound'],
      [{ ...good, refAddress: '' }, '422 overrideAddressNotValid'],
      [{ state: level(70), reason: 'sensor' }, '422 overrideAddressNotValid'],
      [{ ...good, reason: 'override' }, '422 overrideAddressNotValid'],
      [{ ...good, state: { name: 'TextState', value: 'x' } }, '422 overrideCommandNotValid'],
      [{ ...good, start: iso(T0 + 60000) }, '422 overrideCommandNotValid'],
      [{ ...good, expiration: iso(T0 - 1000) }, '422 overrideCommandNotValid'],
    ];
    for (const [wrong, refusal] of cases) assert.equal(refusalOf(await say(wrong)), refusal, JSON.stringify(wrong));
    assert.equal(other.commands.length, 1);
  });

  it('82 does not bring an instant of a sensor to a controller that comes back later', async () => {
    await assign('events', lamps[1]);
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0002')?.online === false,
      () => other.drop(),
    );
    const answer = say({ state: level(70), reason: 'sensor', refAddress: 'cms-sensor-9' });
    assert.equal((await rig.advance(answer)).status, 202);
    rig.now += 20000;
    rig.gateway.tick();
    const back = await rig.join('PAR-0002', birth({ 3: 8 }), report({ 7: 8 }), other.end);
    await rig.call('POST', '/override-commands', { body: { addresses: to(lamps[1]) } });
    assert.deepEqual(
      back.commands.map((one) => one.get(1)),
      [CommandKind.Resume],
    );
  });

  it('drops births and reports whose new members are out of range', async () => {
    const { fleet } = rig.gateway;
    const before = fleet.dropped;
    const wrong: [Leaf, unknown][] = [
      [Leaf.Birth, birth({ 8: [1, 2, 3] })],
      [Leaf.Birth, birth({ 8: [1, 2, 3, 256] })],
      [Leaf.Birth, birth({ 10: -1 })],
      [Leaf.Birth, birth({ 11: 2 })],
      [Leaf.Report, report({ 0: 9, 11: 256 })],
      [Leaf.Report, report({ 0: 9, 13: 65536 })],
      [Leaf.Report, report({ 0: 9, 14: 101 })],
      [Leaf.Report, report({ 0: 9, 15: 2 })],
    ];
    for (const [leaf, value] of wrong) await other.sendRaw(leaf, encode(value));
    await rig.report(other, report({ 0: 10 }));
    assert.equal(fleet.dropped - before, wrong.length);
  });
});
