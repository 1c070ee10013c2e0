import assert from 'node:assert/strict';
import { AckCode, CommandKind, Counter, EventCode, Leaf } from '../../../firmware/link/messages.ts';
import {
  at,
  calendar,
  hasSwitchPoints,
  level,
  levels,
  post,
  program,
  reader,
  timetable,
  to,
  ZONE,
} from '../control-rig.ts';
import { create, dataOf, eventsOf, logger, pulled, turns } from '../logger-rig.ts';
import { birth, type Controller, event, Rig, report, T0 } from '../rig.ts';

const HOUR = 3_600_000;
const time = (offset: number) => new Date(T0 + offset).toISOString();

describe('controllers behind the TALQ API', () => {
  let rig: Rig;
  let controller: Controller;
  let lamp: string;
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: ZONE });
    controller = await rig.join('PAR-0001', birth({ 12: [EventCode.LampFailure, EventCode.LightStateChange] }));
    lamp = await rig.address('PAR-0001');
  });
  afterEach(() => rig.close());
  const value = async (path: string) => (await rig.call('GET', `/devices/${lamp}/${path}`)).body.value;

  it('61 count the hours of a lamp from zero when a CMS writes zero', async () => {
    const counters = (seconds: number) => Object.assign([], { [Counter.LampTime]: seconds, [Counter.Source]: 2 });
    const told = (seconds: number, number: number) =>
      report({ 0: number, 16: Array.from({ length: 8 }, (_, i) => counters(seconds)[i] ?? null) });
    await rig.report(controller, told(90000, 2));
    assert.equal(await value('lampMonitor1/operatingHours'), 25);
    const body = { type: 'AttributeFloat', value: 0 };
    const reply = await rig.call('PATCH', `/devices/${lamp}/lampMonitor1/operatingHours`, { body });
    assert.equal(reply.status, 200);
    const order = controller.commands.find((one) => one.get(1) === CommandKind.Counters);
    assert.deepEqual(order?.get(11), [Counter.LampTime, 0]);
    await rig.report(controller, told(1800, 3));
    assert.equal(await value('lampMonitor1/operatingHours'), 0.5);
  });

  it('69 and 120 tell that a lamp has failed and that it is well again, with a start and an end', async () => {
    await create(rig, logger('log'));
    const failed = event({ 0: 1, 1: EventCode.LampFailure, 2: 1, 4: T0 / 1000 - 60 });
    await controller.send(Leaf.Event, [7, failed]);
    while ((await pulled(rig, 'log')).length < 1) await turns(2);
    assert.equal(await value('lampMonitor1/lampFailure'), true);
    const well = event({ 0: 2, 1: EventCode.LampFailure, 2: 0, 4: T0 / 1000 - 30 });
    await controller.send(Leaf.Event, [7, well]);
    while ((await pulled(rig, 'log')).length < 2) await turns(2);
    assert.equal(await value('lampMonitor1/lampFailure'), false);
    const entries = await pulled(rig, 'log');
    assert.deepEqual(eventsOf(entries), ['+lampFailure', '-lampFailure']);
    for (const { srcAddress, type } of dataOf(entries)) {
      assert.deepEqual([srcAddress, type], [`${lamp}/lampMonitor1`, 'EventLogData']);
    }
  });

  it('128 bring what happened while they were away for an hour, each with its own time', async () => {
    await create(
      rig,
      logger('log', { recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: ['lampFailure'] } } }),
    );
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0001')?.online === false,
      () => controller.drop(),
    );
    rig.now += HOUR;
    rig.gateway.tick();
    const back = await rig.join(
      'PAR-0001',
      birth({ 12: [EventCode.LampFailure] }),
      report({ 0: 9, 1: (T0 + HOUR) / 1000 }),
    );
    const failed = event({ 0: 1, 1: EventCode.LampFailure, 2: 1, 4: T0 / 1000 + 600 });
    const well = event({ 0: 2, 1: EventCode.LampFailure, 2: 0, 4: T0 / 1000 + 1800 });
    await back.send(Leaf.Event, [7, failed, well]);
    while ((await pulled(rig, 'log')).length < 2) await turns(2);
    const entries = dataOf(await pulled(rig, 'log'));
    assert.deepEqual(
      entries.map(({ timestamp, startEndFlag }) => [timestamp, startEndFlag]),
      [
        [time(600_000), true],
        [time(1_800_000), false],
      ],
    );
  });

  it('92 have 100 % from the factory without calendar and override, and 40 % by default when a CMS says so', async () => {
    await rig.report(controller, report({ 0: 2, 3: 100, 4: 100, 5: 0 }));
    assert.deepEqual(await value('lampActuator1/defaultLightState'), level(100));
    const body = { type: 'AttributeLevelState', value: level(40) };
    const path = `/devices/${lamp}/lampActuator1/defaultLightState`;
    assert.equal((await rig.call('PATCH', path, { body })).status, 200);
    assert.equal(controller.commands.at(-1)?.get(1), CommandKind.Configuration);
    assert.equal(controller.commands.at(-1)?.get(2), 40);
    await rig.report(controller, report({ 0: 3, 3: 40, 4: 40, 5: 0 }));
    assert.deepEqual(await value('lampActuator1/feedbackLightCommand'), { state: level(40), reason: 'default' });
  });

  it('113 keep their hours when summer time begins and ends', async () => {
    const points: [string, number][] = [
      ['00:00', 80],
      ['02:30', 40],
      ['05:00', 100],
    ];
    await rig.close();
    rig = await Rig.start({ timeZone: ZONE, dayOffset: 0 });
    controller = await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
    await post(rig, '/control-programs', program('p', points));
    await post(rig, '/calendars', calendar('c', [], 'p'));
    const body = { addresses: to(lamp), entity: { resource: 'calendars', address: 'c' } };
    assert.equal((await rig.call('POST', '/assign-commands', { body })).status, 201);
    const bytes = await timetable(controller, 1);
    // 29 March 2026: 02:30 does not exist, and acts at 03:00, which is 02:00 of the winter.
    assert.deepEqual(
      levels(bytes, '2026-03-29T01:59:59+01:00', '2026-03-29T03:00:00+02:00', '2026-03-29T05:00:00+02:00'),
      [80, 40, 100],
    );
    // 25 October 2026: the hour from 02:00 comes twice, and 02:30 acts the first time for both.
    const autumn = ['02:29:59+02:00', '02:30:00+02:00', '02:00:00+01:00', '02:29:59+01:00', '05:00:00+01:00'];
    const lit = reader(bytes);
    assert.deepEqual(
      autumn.map((local) => lit.level(at(`2026-10-25T${local}`))),
      [80, 40, 40, 40, 100],
    );
  });

  it('91 and 114 tell invalidCalendar of the lamp that cannot follow, and follow no calendar with it', async () => {
    await create(
      rig,
      logger('log', {
        recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: ['invalidCalendar'] } },
      }),
    );
    controller.answer = (order) => (hasSwitchPoints(order) ? AckCode.TooLarge : AckCode.Done);
    await post(rig, '/control-programs', program('p', [['20:00', 60]]));
    await post(rig, '/calendars', calendar('c', [], 'p'));
    const body = { addresses: to(lamp), entity: { resource: 'calendars', address: 'c' }, cmsRefId: 'asg-12' };
    assert.equal((await rig.call('POST', '/assign-commands', { body })).status, 202);
    while ((await pulled(rig, 'log')).length < 1) await turns(2);
    const [entry] = await pulled(rig, 'log');
    assert.deepEqual(
      [entry.cmsRefId, entry.data.eventType, entry.data.startEndFlag],
      ['asg-12', 'invalidCalendar', true],
    );
    assert.equal(await value('lampActuator1/invalidCalendar'), true);
  });
});
