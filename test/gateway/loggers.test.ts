import assert from 'node:assert/strict';
import { AckCode, EventCode, Leaf, Quantity } from '../../firmware/link/messages.ts';
import { FieldEnd } from '../sealed.ts';
import { assignment, calendar, hasSwitchPoints, level, MADRID, post, program, to, ZONE } from './control-rig.ts';
import { AT_ONCE, create, dataOf, eventsOf, logger, pass, pulled, turns } from './logger-rig.ts';
import { batch, birth, CMS, Controller, event, Rig, refusalOf, report, T0 } from './rig.ts';

const OTHER = '7c0f6a6e-91c1-4e0d-8f63-0f7d6c1c2b3a';
const UNKNOWN = '11111111-2222-4333-8444-555555555555';
const time = (offset: number) => new Date(T0 + offset * 1000).toISOString();
/** Keys of a report: number, s UTC, uptime, level, command, reason, reference, boot, since; of the program and more. */
const K = { number: 0, time: 1, uptime: 2, level: 3, command: 4, reason: 5, reference: 6, since: 8, units: 10 };
const watts = (tenths: number, age = 0, volts = 2315) => [[age, volts, 400, tenths, -87, 927, -995, 5002, 1234567]];

describe('TALQ logger configurations', () => {
  let rig: Rig;
  let lamp: string;
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: ZONE, location: MADRID });
    await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
  });
  afterEach(() => rig.close());
  const post = (body: object, more = {}) => rig.call('POST', '/logger-configs', { body, ...more });
  const get = (path: string, query = {}) => rig.call('GET', path, { query });

  it('are announced with room for 50, every mode, and the active periods that loggers know', async () => {
    assert.deepEqual((await get('/services/DataCollectService')).body, {
      name: 'DataCollectService',
      maximumDataLogs: 50,
      supportedModes: [
        'VendorRecordingMode',
        'EventRecordingMode',
        'PeriodicRecordingMode',
        'ImmediateReportingMode',
        'ScheduledReportingMode',
      ],
      samplingAccuracy: 120,
      samplingPeriodSupported: true,
      attributeScopeSupported: true,
      recordingActivePeriodsSupported: true,
      supportedTypes: ['AbsoluteActivePeriod', 'AstroClockActivePeriod', 'ValueActivePeriod'],
      events: [{ type: 'invalidLoggerConfig' }],
    });
    assert.deepEqual((await get('/services/ControlService')).body.events, [
      { type: 'invalidCalendar' },
      { type: 'invalidProgram' },
    ]);
  });

  it('116 are created with 201 and no body, read as they came, and created once', async () => {
    const config = logger('log/1 a', { sourceAddresses: { whiteList: to(lamp), blackList: [] } });
    const reply = await post(config);
    assert.deepEqual([reply.status, reply.text], [201, '']);
    const path = `/logger-configs/${encodeURIComponent('log/1 a')}`;
    assert.deepEqual((await get(path)).body, config);
    assert.equal(refusalOf(await post(config)), '409 resourceConflict');
    const changed = { ...config, sourceAddresses: {} };
    const put = await rig.call('PUT', path, { body: changed });
    assert.deepEqual([put.status, put.text], [200, '']);
    assert.deepEqual((await get(path)).body, changed);
    const away = await rig.call('PUT', path, { body: { ...changed, address: 'other' } });
    assert.equal(refusalOf(away), '422 resourceConflict');
    assert.equal(
      refusalOf(await rig.call('PUT', '/logger-configs/none', { body: logger('none') })),
      '404 resourceNotFound',
    );
    assert.equal(refusalOf(await get('/logger-configs/none')), '404 resourceNotFound');
    assert.equal((await rig.call('GET', '/logger-configs', { bad: true })).status, 405);
  });

  it('133 are deleted with 200 and the object, and then there is nothing to pull', async () => {
    const config = logger('gone');
    await create(rig, config);
    assert.equal((await get('/log-reports/count')).body, 1);
    const reply = await rig.call('DELETE', '/logger-configs/gone');
    assert.deepEqual([reply.status, reply.body], [200, config]);
    assert.equal((await get('/log-reports/count')).body, 0);
    assert.equal(refusalOf(await get('/log-reports/gone')), '404 resourceNotFound');
    assert.equal(refusalOf(await rig.call('DELETE', '/logger-configs/gone')), '404 resourceNotFound');
  });

  it('130 refuse another owner and more than 50 in all with 422', async () => {
    assert.equal(refusalOf(await post(logger('x', {}, OTHER))), '422 resourceConflict');
    for (let i = 0; i < 50; i++) await create(rig, logger(`log-${i}`));
    assert.equal(refusalOf(await post(logger('one more'))), '422 serviceConstraintExceeded');
    assert.equal((await get('/log-reports/count')).body, 50);
  });

  it('34 belong to their CMS: another one sees none of them, and may use the same names', async () => {
    await create(rig, logger('mine'));
    const query = { clientAddress: OTHER };
    assert.equal((await get('/log-reports/count', query)).body, 0);
    for (const [method, path] of [
      ['GET', '/logger-configs/mine'],
      ['GET', '/log-reports/mine'],
      ['DELETE', '/logger-configs/mine'],
    ] as const) {
      assert.equal(refusalOf(await rig.call(method, path, { query })), '404 resourceNotFound');
    }
    await create(rig, logger('mine', {}, OTHER), { query });
    assert.equal((await get('/log-reports/count')).body, 1);
  });

  it('139 keep the groups that they name', async () => {
    await rig.call('POST', '/groups', { body: [{ address: 'g', ownerCMS: CMS, members: to(lamp) }] });
    await create(rig, logger('on-group', { sourceAddresses: { whiteList: [{ resource: 'groups', address: 'g' }] } }));
    const reply = await rig.call('DELETE', '/groups/g');
    assert.equal(refusalOf(reply), '422 deletingResourceIsReferred');
    assert.deepEqual(reply.body[0].references[1].address, { resource: 'logger-configs', address: 'on-group' });
    await rig.call('DELETE', '/logger-configs/on-group');
    assert.equal((await rig.call('DELETE', '/groups/g')).status, 200);
  });
});

describe('TALQ logger configurations that cannot be: refused in words', () => {
  const content = [{ function: { functionType: 'LampMonitorFunction' } }];
  const periodic = (profile: object, more = {}) => ({
    recordingMode: { type: 'PeriodicRecordingMode', content, samplingProfiles: [profile], ...more },
  });
  const start = { samplingStartTime: '2026-05-04T20:00:00Z' };
  const event = { type: 'EventRecordingMode', sourceEvents: {} };
  const value = (address: string) => ({
    name: 'ValueActivePeriod',
    reference: { resource: 'devices', address },
    operator: 'EQ',
    state: { name: 'BooleanState', value: true },
  });
  const WRONG: [string, object, string, RegExp, boolean?][] = [
    [
      'an unknown device',
      { sourceAddresses: { whiteList: to(UNKNOWN) } },
      '422 relatedResourceNotFound',
      /no such source/,
    ],
    [
      'an unknown group',
      { sourceAddresses: { blackList: [{ resource: 'groups', address: 'g' }] } },
      '422 relatedResourceNotFound',
      /no such group/,
    ],
    [
      'a calendar as source',
      { sourceAddresses: { whiteList: [{ resource: 'calendars', address: 'c' }] } },
      '422 relatedResourceNotFound',
      /no such source/,
    ],
    ['an unknown mode', { recordingMode: { type: 'Other' } }, '400 payloadError', /EventRecordingMode/, true],
    [
      'events without lists',
      { recordingMode: { type: 'EventRecordingMode' } },
      '400 payloadError',
      /sourceEvents/,
      true,
    ],
    [
      'a delay and times in one',
      { reportingMode: { type: 'ImmediateReportingMode', delay: 1, times: ['09:00:00'] } },
      '400 payloadError',
      /times belongs to ScheduledReportingMode/,
      true,
    ],
    [
      'events and samples in one',
      { recordingMode: { ...event, samplingProfiles: [start], content } },
      '400 payloadError',
      /samplingProfiles belongs to PeriodicRecordingMode/,
      true,
    ],
    [
      'a time of 25:00:00',
      { reportingMode: { type: 'ScheduledReportingMode', times: ['09:00:00', '25:00:00'] } },
      '400 payloadError',
      /25:00:00 is no time of day/,
    ],
    [
      'a function without a name',
      { recordingMode: { type: 'VendorRecordingMode', content: [{ function: {} }] } },
      '400 payloadError',
      /content\[0\].function needs/,
    ],
    [
      'an unknown scope',
      { recordingMode: { type: 'VendorRecordingMode', content: [{ attributeScope: 'all', ...content[0] }] } },
      '400 payloadError',
      /attributeScope is one of/,
      true,
    ],
    ['a period of a month', periodic({ ...start, samplingPeriod: 'P1M' }), '400 payloadError', /P1M is not/],
    ['a period of nothing', periodic({ ...start, samplingPeriod: 'PT0S' }), '400 payloadError', /PT0S is not/],
    [
      'a period of 9 s',
      periodic({ ...start, samplingPeriod: 'PT9S' }),
      '422 serviceConstraintExceeded',
      /at least 10 s/,
    ],
    [
      'an end before the start',
      periodic({ ...start, samplingPeriod: 'PT1H', samplingEndTime: '2026-05-04T19:00:00Z' }),
      '422 payloadError',
      /ends before it starts/,
    ],
    [
      'a sensor as active period',
      {
        recordingMode: {
          ...event,
          activePeriods: [{ name: 'SensorActivePeriod', sensor: {}, onLevel: 1, offLevel: 2 }],
        },
      },
      '422 serviceConstraintExceeded',
      /no SensorActivePeriod/,
    ],
    [
      'an unknown attribute as active period',
      { recordingMode: { ...event, activePeriods: [value(`${UNKNOWN}/f/x`)] } },
      '422 relatedResourceNotFound',
      /no such attribute/,
    ],
    ['a negative delay', { reportingMode: { type: 'ImmediateReportingMode', delay: -1 } }, '400 payloadError', /delay/],
  ];
  let rig: Rig;
  before(async () => {
    rig = await Rig.start();
  });
  after(() => rig.close());
  for (const [what, changes, expected, words, bad] of WRONG) {
    it(`${what}: ${expected}`, async () => {
      const reply = await rig.call('POST', '/logger-configs', { body: logger('wrong', changes), bad });
      assert.equal(refusalOf(reply), expected, reply.text);
      assert.match(reply.body[0].description, words);
      assert.equal((await rig.call('GET', '/log-reports/count')).body, 0);
    });
  }
});

describe('what loggers record', () => {
  let rig: Rig;
  let lamp: string;
  let controller: Controller;
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: ZONE, location: MADRID });
    controller = await rig.join('PAR-0001', birth({ 11: 1 }), report({ 15: 0 }));
    lamp = await rig.address('PAR-0001');
  });
  afterEach(() => rig.close());
  let number = 1;
  /** Another report, so many s later. */
  const tell = (seconds: number, values: Record<number, unknown> = {}) => {
    rig.now = T0 + seconds * 1000;
    return rig.report(controller, report({ 0: ++number, 1: T0 / 1000 + seconds, 2: 3600 + seconds, 15: 0, ...values }));
  };
  const events = (...whiteList: string[]) => ({
    recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList } },
  });
  const vendor = (content?: object[]) => ({
    recordingMode: { type: 'VendorRecordingMode', ...(content ? { content } : {}) },
  });
  const names = (entries: Parameters<typeof dataOf>[0]) =>
    dataOf(entries).map(({ srcAddress, attributeName }) => `${srcAddress.split('/')[1]}/${attributeName}`);

  describe('of events', () => {
    it('84 134 a change of light with its command, its cause and the token of the CMS', async () => {
      await create(rig, logger('log', events('lightStateChange')));
      const addresses = to(lamp);
      const targetCommand = { state: level(30), cmsRefId: 'op-77' };
      await rig.call('POST', '/override-commands', { body: { addresses, targetCommand } });
      await tell(60, {
        [K.level]: 30,
        [K.command]: 30,
        [K.reason]: 1,
        [K.reference]: 'op-77',
        [K.since]: T0 / 1000 + 59,
      });
      assert.deepEqual(await pulled(rig, 'log'), [
        {
          cmsRefId: 'op-77',
          data: {
            type: 'StateChangeEventLogData',
            srcAddress: `${lamp}/lampActuator1`,
            timestamp: time(59),
            eventType: 'lightStateChange',
            command: { state: level(30), reason: 'override', cmsRefId: 'op-77', start: time(59) },
          },
        },
      ]);
    });

    it('84 a ramp when it has ended, one that was cut off where it was, and the state reached when that is another', async () => {
      await create(rig, logger('log', events('lightStateChange')));
      const by = (reference: string, since: number, level: number, value: number) => ({
        [K.reason]: 1,
        [K.reference]: reference,
        [K.since]: T0 / 1000 + since,
        [K.command]: value,
        [K.level]: level,
      });
      await tell(11, by('a', 10, 70, 100));
      await tell(12, by('a', 10, 70, 100));
      await tell(20, by('a', 10, 90, 100));
      assert.deepEqual(await pulled(rig, 'log'), []);
      await tell(30, by('a', 10, 100, 100));
      await tell(41, by('b', 40, 95, 20));
      await tell(51, by('c', 50, 60, 60));
      // Protection takes light away, and stays.
      await tell(61, { ...by('c', 50, 55, 60), 14: 55 });
      await tell(71, { ...by('c', 50, 50, 60), 14: 50 });
      await tell(130, { ...by('c', 50, 50, 60), 14: 50 });
      await tell(131, { ...by('c', 50, 50, 60), 14: 50 });
      await tell(200, { ...by('c', 50, 50, 60), 14: 50 });
      // It can give less than it is told from the start.
      await tell(301, { ...by('d', 300, 50, 100), 14: 50 });
      assert.equal((await pulled(rig, 'log')).length, 4);
      await tell(361, { ...by('d', 300, 50, 100), 14: 50 });
      // A slow ramp is no end.
      for (let i = 0; i < 9; i++) await tell(420 + 60 * i, by('e', 400, 50 - Math.floor(i / 3), 20));
      assert.equal((await pulled(rig, 'log')).length, 5);
      await tell(1400, by('e', 400, 20, 20));
      assert.deepEqual(
        dataOf(await pulled(rig, 'log')).map(({ timestamp, command, state }) => [
          timestamp,
          command.state.value,
          state?.value,
        ]),
        [
          [time(30), 100, undefined],
          [time(40), 20, 95],
          [time(50), 60, undefined],
          [time(71), 60, 50],
          [time(300), 100, 50],
          [time(1400), 20, undefined],
        ],
      );
    });

    it('84 a change of light that the controller tells itself, at its own time, once the report says whose command it was', async () => {
      controller = await rig.join('PAR-0002', birth({ 12: [EventCode.LightStateChange] }));
      lamp = await rig.address('PAR-0002');
      await create(rig, logger('log', events('lightStateChange')));
      const told = (count: number) => {
        let seen = 0;
        return new Promise<void>((resolve) => {
          const stop = rig.gateway.fleet.onEvents((_controller, all) => {
            seen += all.length;
            if (seen < count) return;
            stop();
            resolve();
          });
        });
      };
      const change = (number: number, seconds: number, value: number, reason: number) =>
        event({
          0: number,
          1: EventCode.LightStateChange,
          2: 2,
          3: 3600 + seconds,
          4: T0 / 1000 + seconds,
          6: value,
          12: value,
          13: reason,
        });
      rig.now = T0 + 10500;
      const first = told(1);
      await controller.send(Leaf.Event, [7, change(1, 10, 40, 1)]);
      await first;
      assert.deepEqual(await pulled(rig, 'log'), []);
      await tell(11, {
        [K.level]: 40,
        [K.command]: 40,
        [K.reason]: 1,
        [K.reference]: 'op-9',
        [K.since]: T0 / 1000 + 10,
      });
      const [{ cmsRefId, data }] = await pulled(rig, 'log');
      assert.deepEqual(
        [cmsRefId, data.timestamp, data.command.cmsRefId, data.srcAddress],
        ['op-9', time(10), 'op-9', `${lamp}/lampActuator1`],
      );
      // What happened while nobody listened has no report of its own, and takes nobody else's reference.
      rig.now = T0 + 600000;
      const rest = told(2);
      await controller.send(Leaf.Event, [7, change(2, 300, 70, 3), change(3, 360, 40, 1)]);
      await rest;
      await pass(rig, 4000);
      const later = (await pulled(rig, 'log')).slice(1);
      assert.deepEqual(
        later.map((entry) => [entry.data.timestamp, entry.data.command.state.value, entry.data.command.reason]),
        [
          [time(300), 70, 'program'],
          [time(360), 40, 'override'],
        ],
      );
      assert.equal(later[0].cmsRefId, undefined);
    });

    it('tells nothing of a report that says the same again', async () => {
      await create(rig, logger('log'));
      await tell(60);
      await tell(120);
      assert.deepEqual(await pulled(rig, 'log'), []);
    });

    it('68 a restart, at the instant at which the controller started, with its cause and without startEndFlag', async () => {
      await create(rig, logger('log', events('deviceReset')));
      rig.now = T0 + 600000;
      await controller.greet(birth({ 3: 8, 4: 2, 11: 1 }), report({ 7: 8, 0: 1, 1: T0 / 1000 + 599, 2: 9, 15: 0 }));
      await rig.report(controller, report({ 7: 8, 0: 2, 1: T0 / 1000 + 600, 2: 10, 15: 0 }));
      const [{ data }, ...more] = await pulled(rig, 'log');
      assert.deepEqual(data, {
        type: 'EventLogData',
        srcAddress: `${lamp}/basic`,
        timestamp: time(590),
        eventType: 'deviceReset',
        info: [{ description: 'watchdog', lang: 'en' }],
      });
      assert.equal(more.length, 0);
    });

    it('a restart with what went wrong in the firmware before it, and not with what went wrong earlier', async () => {
      await create(rig, logger('log', events('deviceReset')));
      rig.now = T0 + 600000;
      const text = 'Error: the plan is upside down';
      for (const [boot, fault] of [
        [8, [7, 3, text]],
        [9, [9, 1, text]],
      ] as const) {
        const born = birth({ 3: boot, 4: 2, 11: 1, 17: [...fault] });
        const end = new FieldEnd('PAR-0001', Buffer.alloc(8, boot));
        controller = await Controller.connect(rig.gateway.brokerPort, 'PAR-0001', end);
        rig.controllers.push(controller);
        await controller.greet(born, report({ 7: boot, 0: 1, 1: T0 / 1000 + 599, 2: 9, 15: 0 }));
        await rig.report(controller, report({ 7: boot, 0: 2, 1: T0 / 1000 + 600, 2: 10, 15: 0 }));
      }
      const told = await pulled(rig, 'log');
      assert.deepEqual(
        told.map(({ data }) => data.info[0].description),
        [`watchdog; 3 faults of the firmware: ${text}`, 'watchdog'],
      );
    });

    it('70 120 a controller that is lost for 30 s, from start to end, and not one that is back before', async () => {
      await create(rig, logger('log', events('communicationFailure')));
      const known = rig.gateway.fleet.controllers.get('PAR-0001');
      const lose = () =>
        rig.during(
          () => known?.online === false,
          () => rig.controllers.at(-1)?.drop(),
        );
      const join = () => rig.join('PAR-0001', birth({ 11: 1 }), report({ 0: 50, 15: 0 }));
      await lose();
      await pass(rig, 29000);
      await join();
      await pass(rig, 60000);
      assert.deepEqual(await pulled(rig, 'log'), []);
      await lose();
      await pass(rig, 30000);
      assert.deepEqual(eventsOf(await pulled(rig, 'log')), ['+communicationFailure']);
      await pass(rig, 31000);
      await join();
      assert.deepEqual(
        dataOf(await pulled(rig, 'log')).map(({ srcAddress, timestamp, startEndFlag }) => [
          srcAddress,
          timestamp,
          startEndFlag,
        ]),
        [
          [`${lamp}/communication`, time(89), true],
          [`${lamp}/communication`, time(150), false],
        ],
      );
    });

    it('presence, with what is there now, and the same as the status of the event', async () => {
      await create(rig, logger('log', events('presenceStatusChanged')));
      await tell(5, { 15: 1 });
      await tell(25, { 15: 0 });
      const entries = dataOf(await pulled(rig, 'log'));
      assert.deepEqual(
        entries.map(({ timestamp, attributes }) => [timestamp, attributes[0].value.value, attributes[0].tag]),
        [
          [time(5), true, 'presenceStatus'],
          [time(25), false, 'presenceStatus'],
        ],
      );
      assert.equal(entries[0].attributes[0].srcAddress, `${lamp}/presence1/presenceStatus`);
      const status = await rig.call('GET', `/devices/${lamp}/presence1/presenceStatusChanged`);
      assert.deepEqual(status.body, { type: 'AttributeBoolean', value: true, timestamp: time(25) });
    });

    it('a calendar with the token of its assignment, the program that it selects, and the next one', async () => {
      await post(rig, '/control-programs', program('night', [['20:00', 80]]), program('late', [['23:00', 20]]));
      await post(rig, '/calendars', calendar('c', [{ program: 'late', startDate: '2026-05-05' }], 'night'));
      await create(rig, logger('log', events('calendarChange', 'programChange')));
      await rig.call('POST', '/assign-commands', { body: { ...assignment('c', lamp), cmsRefId: 'asg-1' } });
      await tell(30, { [K.reason]: 3, 11: 1, [K.since]: T0 / 1000 + 1 });
      await tell(90, { [K.reason]: 1, [K.reference]: 'x', [K.since]: T0 / 1000 + 80 });
      await tell(120, { [K.reason]: 3, 11: 1, [K.since]: T0 / 1000 + 110 });
      await tell(150, { [K.reason]: 3, 11: 0, [K.level]: 20, [K.command]: 20, [K.since]: T0 / 1000 + 140 });
      const entries = await pulled(rig, 'log');
      assert.deepEqual(eventsOf(entries), ['calendarChange', 'programChange', 'programChange']);
      assert.deepEqual(
        entries.map(({ cmsRefId }) => cmsRefId),
        ['asg-1', undefined, undefined],
      );
      const [assigned, first, second] = dataOf(entries);
      assert.equal(assigned.attributes[0].value.value, 'c');
      assert.deepEqual(
        [first, second].map(({ timestamp, attributes }) => [timestamp, attributes[0].value.value.refAddress]),
        [
          [time(1), 'night'],
          [time(140), 'late'],
        ],
      );
    });

    it('91 a calendar that the lamp cannot hold, from start to end, with the token of its assignment', async () => {
      await post(rig, '/control-programs', program('night', [['20:00', 80]]));
      await post(rig, '/calendars', calendar('c', [], 'night'));
      await create(rig, logger('log', events('invalidCalendar')));
      controller.answer = (command) => (hasSwitchPoints(command) ? AckCode.TooLarge : AckCode.Done);
      await rig.call('POST', '/assign-commands', { body: { ...assignment('c', lamp), cmsRefId: 'asg-2' } });
      await turns(5);
      const started = await pulled(rig, 'log');
      assert.deepEqual(eventsOf(started), ['+invalidCalendar']);
      assert.equal(started[0].cmsRefId, 'asg-2');
      assert.equal(started[0].data.srcAddress, `${lamp}/lampActuator1`);
      await rig.call('POST', '/assign-commands', { body: assignment('', lamp) });
      assert.deepEqual(eventsOf(await pulled(rig, 'log')), ['+invalidCalendar', '-invalidCalendar']);
    });

    it('the command that the lamp is to follow, with the token of the CMS', async () => {
      await create(rig, logger('log', events('targetLightCommandChange')));
      const targetCommand = { state: level(30), cmsRefId: 'op-1' };
      await rig.call('POST', '/override-commands', { body: { addresses: to(lamp), targetCommand } });
      const [entry, ...more] = await pulled(rig, 'log');
      assert.equal(more.length, 0);
      assert.equal(entry.cmsRefId, 'op-1');
      const [target] = entry.data.attributes;
      assert.deepEqual(target.value.value, { state: level(30), cmsRefId: 'op-1', reason: 'override' });
      assert.equal(target.srcAddress, `${lamp}/lampActuator1/targetLightCommand`);
    });

    it('73 a reference to what does not exist, at the gateway, for the CMS that made it and nobody else', async () => {
      await create(rig, logger('log', events('invalidAddress')));
      await create(rig, logger('log', events('invalidAddress'), OTHER), { query: { clientAddress: OTHER } });
      const body = { addresses: to(UNKNOWN), targetCommand: { state: level(30), cmsRefId: 'op-2' } };
      assert.equal((await rig.call('POST', '/override-commands', { body })).status, 422);
      const [entry, ...more] = await pulled(rig, 'log');
      assert.equal(more.length, 0);
      assert.equal(entry.cmsRefId, 'op-2');
      const [gateway] = (await rig.call('GET', '/devices')).body;
      assert.equal(entry.data.srcAddress, gateway.address);
      assert.match(entry.data.info[0].description, new RegExp(UNKNOWN));
      const other = await rig.call('GET', '/log-reports/log', { query: { clientAddress: OTHER } });
      assert.deepEqual(other.body.entries, []);
    });

    it('117 only of the sources and the kinds that are chosen, whatever case their names have', async () => {
      const change = { [K.level]: 0, [K.command]: 0, [K.since]: T0 / 1000 + 5, 15: 1 };
      const all = ['targetLightCommandChange', 'lightStateChange', 'presenceStatusChanged'];
      const sources = (whiteList: string[] | undefined, blackList: string[] | undefined) => ({
        sourceAddresses: {
          ...(whiteList ? { whiteList: to(...whiteList) } : {}),
          ...(blackList ? { blackList: to(...blackList) } : {}),
        },
      });
      const actuator = `${lamp.toUpperCase()}/lampActuator1`;
      const cases: [string, object, string[]][] = [
        ['none', sources(undefined, undefined), []],
        ['all', sources(undefined, []), all],
        ['all-but', sources(undefined, [lamp]), []],
        ['empty', sources([], undefined), []],
        ['white', sources([lamp], undefined), all],
        ['white-black', sources([lamp], [`${lamp}/presence1`]), all.slice(0, 2)],
        ['function', sources([actuator], []), all.slice(0, 2)],
        ['attribute', sources([`${actuator}/lightStateChange`], []), [all[1]]],
        ['names', events('LIGHTSTATECHANGE'), [all[1]]],
        [
          'not-names',
          { recordingMode: { type: 'EventRecordingMode', sourceEvents: { blackList: ['lightStatechange'] } } },
          [all[0], all[2]],
        ],
      ];
      for (const [name, more] of cases) await create(rig, logger(name, more));
      await tell(6, change);
      for (const [name, , expected] of cases) {
        assert.deepEqual(eventsOf(await pulled(rig, name)).sort(), [...expected].sort(), name);
      }
    });

    it('131 of the members that a group had when the logger was set, until it is set again', async () => {
      const second = await rig.join('PAR-0002');
      const other = await rig.address('PAR-0002');
      const group = (...members: string[]) => ({ address: 'g', ownerCMS: CMS, members: to(...members) });
      await post(rig, '/groups', group(lamp));
      const config = logger('log', {
        ...events('lightStateChange'),
        sourceAddresses: { whiteList: [{ resource: 'groups', address: 'g' }] },
      });
      await create(rig, config);
      await rig.call('PUT', '/groups/g', { body: group(other) });
      const dark = { [K.level]: 0, [K.command]: 0, [K.since]: T0 / 1000 + 5 };
      await tell(6, dark);
      await rig.report(second, report({ 0: 2, ...dark }));
      const recorded = async () => dataOf(await pulled(rig, 'log')).map(({ srcAddress }) => srcAddress.split('/')[0]);
      assert.deepEqual(await recorded(), [lamp]);
      assert.equal((await rig.call('PUT', '/logger-configs/log', { body: config })).status, 200);
      await tell(20, { [K.since]: T0 / 1000 + 15 });
      await rig.report(second, report({ 0: 3, [K.since]: T0 / 1000 + 15 }));
      assert.deepEqual(await recorded(), [lamp, other], 'what was recorded before is still there');
    });

    it('132 only while an active period holds, by the time of the event and the clock of the lamp', async () => {
      // T0 is 22:00 in Madrid.
      const activePeriods = [{ name: 'AbsoluteActivePeriod', startTime: '22:01:00', endTime: '22:02:00' }];
      const mode = events('lightStateChange').recordingMode;
      await create(rig, logger('log', { recordingMode: { ...mode, activePeriods } }));
      for (const [seconds, value] of [
        [59, 10],
        [60, 20],
        [119, 30],
        [120, 40],
      ]) {
        await tell(seconds, { [K.level]: value, [K.command]: value, [K.since]: T0 / 1000 + seconds });
      }
      assert.deepEqual(
        dataOf(await pulled(rig, 'log')).map(({ command }) => command.state.value),
        [20, 30],
      );
    });

    it('132 only while an attribute has a value', async () => {
      const activePeriods = [
        {
          name: 'ValueActivePeriod',
          reference: to(`${lamp}/presence1/presenceStatus`)[0],
          operator: 'EQ',
          state: { name: 'BooleanState', value: true },
        },
      ];
      const mode = events('lightStateChange').recordingMode;
      await create(rig, logger('log', { recordingMode: { ...mode, activePeriods } }));
      await tell(10, { [K.level]: 10, [K.command]: 10, 15: 0 });
      await tell(20, { [K.level]: 20, [K.command]: 20, 15: 1 });
      await tell(30, { [K.level]: 30, [K.command]: 30, 15: 0 });
      assert.deepEqual(
        dataOf(await pulled(rig, 'log')).map(({ command }) => command.state.value),
        [20],
      );
    });

    it('tells once that an active period asks for an attribute which has gone, and records nothing then', async () => {
      const activePeriods = [
        {
          name: 'ValueActivePeriod',
          reference: to(`${lamp}/presence1/presenceStatus`)[0],
          operator: 'EQ',
          state: { name: 'BooleanState', value: false },
        },
      ];
      const mode = events('lightStateChange').recordingMode;
      await create(rig, logger('ruled', { recordingMode: { ...mode, activePeriods } }));
      await create(rig, logger('log', events('invalidLoggerConfig')));
      await tell(10, { [K.level]: 10, [K.command]: 10 });
      // Other firmware, without the presence input.
      await controller.greet(birth({ 2: '0.2.0' }), undefined);
      await tell(20, { [K.level]: 20, [K.command]: 20, 15: undefined });
      await tell(30, { [K.level]: 30, [K.command]: 30, 15: undefined });
      assert.deepEqual(
        dataOf(await pulled(rig, 'ruled')).map(({ command }) => command.state.value),
        [10],
      );
      const [entry, ...more] = dataOf(await pulled(rig, 'log'));
      assert.equal(more.length, 0);
      assert.equal(entry.eventType, 'invalidLoggerConfig');
      assert.match(entry.info[0].description, /logger ruled: .*presence1\/presenceStatus/);
      const [gateway] = (await rig.call('GET', '/devices')).body;
      assert.equal(entry.srcAddress, gateway.address);
    });
  });

  describe('of attributes by the choice of the gateway', () => {
    it('121 measurements with the instant of the measurement, once in a quarter of an hour when they are steady', async () => {
      await create(rig, logger('log', vendor()));
      for (let minute = 1; minute <= 46; minute += 1) await tell(60 * minute, { [K.units]: watts(923, 2) });
      const entries = dataOf(await pulled(rig, 'log')).slice(0, -1);
      const power = entries.filter(
        ({ srcAddress, attributeName, timestamp }) =>
          srcAddress === `${lamp}/lampMonitor1` && attributeName === 'activePower' && timestamp !== time(60 * 46),
      );
      assert.deepEqual(
        power.map(({ timestamp, attributeValue }) => [timestamp, attributeValue]),
        [60, 960, 1860, 2760]
          .filter((seconds) => seconds !== 2760)
          .map((seconds) => [time(seconds), { type: 'AttributeFloat', value: 92.3, timestamp: time(seconds - 2) }]),
      );
      assert.ok(!entries.some(({ attributeName }) => attributeName === 'currentTime'));
    });

    it('121 power also when it changes by more than 5 %, voltage not; nothing of a reading that is told again', async () => {
      const content = [
        { function: { functionId: 'lampMonitor1', attributes: [{ name: 'activePower' }, { name: 'supplyVoltage' }] } },
      ];
      await create(rig, logger('log', vendor(content)));
      await tell(10, { [K.units]: watts(1000) });
      await tell(20, { [K.units]: watts(1040, 0, 2550) });
      await tell(30, { [K.units]: watts(1051, 0, 2000) });
      await tell(40, { [K.units]: watts(1051, 10, 2000) });
      const [voltage, ...power] = [...(await pulled(rig, 'log'))]
        .slice(0, -2)
        .sort((a, b) => b.data.attributeName.localeCompare(a.data.attributeName));
      assert.equal(voltage.data.attributeName, 'supplyVoltage');
      assert.deepEqual(
        dataOf(power).map(({ attributeName, attributeValue }) => [attributeName, attributeValue.value]),
        [
          ['activePower', 100],
          ['activePower', 105.1],
        ],
      );
    });

    it('121 nothing when the content is empty, and only what a type and a scope mean', async () => {
      await create(rig, logger('nothing', vendor([])));
      const functionType = 'LampActuatorFunction';
      await create(rig, logger('measured', vendor([{ attributeScope: 'measurement', function: { functionType } }])));
      await tell(60, { [K.level]: 40, [K.command]: 40, [K.since]: T0 / 1000 + 50 });
      assert.deepEqual(await pulled(rig, 'nothing'), []);
      const found = names(await pulled(rig, 'measured'));
      assert.deepEqual([...new Set(found)].sort(), [
        'lampActuator1/actualLightState',
        'lampActuator1/feedbackLightCommand',
      ]);
    });

    it('122 only what exceeds the threshold, seen from what was logged last', async () => {
      const attributes = [{ name: 'activePower', onChangeThreshold: 10 }];
      const content = [{ function: { functionId: 'lampMonitor1', attributes } }];
      await create(rig, logger('log', vendor(content)));
      for (const [i, power] of [1000, 1060, 1099, 1101, 1000, 989, 2000].entries()) {
        await tell(10 * (i + 1), { [K.units]: watts(power) });
      }
      const logged = dataOf(await pulled(rig, 'log')).map(({ attributeValue }) => attributeValue.value);
      // The last one is the snapshot that goes with each pull.
      assert.deepEqual(logged.slice(0, -1), [100, 110.1, 98.9, 200]);
    });

    it('what a CMS has set, when it is set to something else, with the token where there is one', async () => {
      const content = [
        { attributeScope: 'configuration', function: { functionId: 'basic' } },
        { attributeScope: 'operational', function: { functionId: 'lampActuator1' } },
      ];
      await create(rig, logger('log', vendor(content)));
      await tell(10);
      const before = (await pulled(rig, 'log')).length;
      const name = { type: 'AttributeString', value: 'Pole 1' };
      for (let i = 0; i < 2; i++) await rig.call('PATCH', `/devices/${lamp}/basic/displayName`, { body: name });
      const targetCommand = { state: level(30), cmsRefId: 'op-3' };
      await rig.call('POST', '/override-commands', { body: { addresses: to(lamp), targetCommand } });
      const entries = (await pulled(rig, 'log')).slice(0, 2);
      assert.deepEqual(names(entries), ['basic/displayName', 'lampActuator1/targetLightCommand']);
      assert.deepEqual(
        entries.map(({ cmsRefId }) => cmsRefId),
        [undefined, 'op-3'],
      );
      assert.equal((await pulled(rig, 'log')).length, before + 2, 'the snapshot alone grew by nothing');
    });
  });

  describe('of attributes by the clock', () => {
    const periodic = (...samplingProfiles: object[]) => ({
      recordingMode: {
        type: 'PeriodicRecordingMode',
        content: [{ function: { functionId: 'lampMonitor1', attributes: [{ name: 'activePower' }] } }],
        samplingProfiles,
      },
    });
    /** @returns when samples were taken, in minutes after T0, less the one of the pull itself */
    const minutes = async () => {
      const entries = dataOf(await pulled(rig, 'log')).slice(0, -1);
      return entries.map(({ timestamp }) => (Date.parse(timestamp) - T0) / 60000);
    };

    it('123 samples every 15 minutes from the start before the end, with the time of each measurement', async () => {
      await create(
        rig,
        logger(
          'log',
          periodic({
            samplingStartTime: time(300),
            samplingPeriod: 'PT15M',
            samplingEndTime: time(300 + 45 * 60),
          }),
        ),
      );
      await pass(rig, 2 * 3600000, 30000);
      assert.deepEqual(await minutes(), [5, 20, 35]);
      const [first] = dataOf(await pulled(rig, 'log'));
      assert.deepEqual(first.attributeValue, { type: 'AttributeFloat', value: 92.3, timestamp: time(-12) });
      assert.equal(first.srcAddress, `${lamp}/lampMonitor1`);
    });

    it('124 samples once, at once, when the start has passed', async () => {
      await create(rig, logger('log', periodic({ samplingStartTime: time(-3600) })));
      rig.gateway.tick();
      await pass(rig, 600000, 30000);
      assert.deepEqual(await minutes(), [0]);
    });

    it('129 takes a fresh sample for each pull, beside those that wait, and keeps it to itself', async () => {
      await create(rig, logger('log', periodic({ samplingStartTime: time(60), samplingPeriod: 'PT1H' })));
      await pass(rig, 60000);
      await tell(100, { [K.units]: watts(500) });
      for (let i = 0; i < 2; i++) {
        const values = dataOf(await pulled(rig, 'log')).map(({ attributeValue }) => attributeValue.value);
        assert.deepEqual(values, [92.3, 50]);
      }
    });

    it('misses the samples of a controller that is away, and takes those that it tells later in their place', async () => {
      await create(rig, logger('log', periodic({ samplingStartTime: time(0), samplingPeriod: 'PT15M' })));
      rig.gateway.tick();
      const known = rig.gateway.fleet.controllers.get('PAR-0001');
      await rig.during(
        () => known?.online === false,
        () => controller.drop(),
      );
      await pass(rig, 3600000, 60000);
      assert.deepEqual(await minutes(), [0]);
      const again = await rig.join('PAR-0001', birth({ 11: 1 }), report({ 0: 60, 1: T0 / 1000 + 905, 15: 0 }));
      for (const seconds of [905, 1200, 1820]) {
        await rig.during(
          () => known?.state?.time === T0 + 1000 * seconds,
          () => again.send(Leaf.Report, report({ 0: 60 + seconds, 1: T0 / 1000 + seconds, 15: 0 })),
        );
      }
      const entries = dataOf(await pulled(rig, 'log')).slice(0, -1);
      assert.deepEqual(
        entries.map(({ timestamp, attributeValue }) => [timestamp, attributeValue.timestamp]),
        [
          [time(0), time(-12)],
          [time(3600), time(905 - 12)],
          [time(3600), time(1820 - 12)],
        ],
      );
    });
  });

  describe('of what controllers recorded by themselves', () => {
    const POWER = 64 + Quantity.ActivePower;
    const content = [{ function: { functionId: 'lampMonitor1', attributes: [{ name: 'activePower' }] } }];
    /** Samples every 15 minutes from T0 on, 100.0 W and a watt more each time. */
    const record = async (number: number, from: number, count: number) => {
      const instants = Array.from({ length: count }, (_, i) => [1000 + 10 * (from + i)]);
      const arrived = new Promise<void>((resolve) => {
        const stop = rig.gateway.fleet.onSamples(() => {
          stop();
          resolve();
        });
      });
      await controller.send(Leaf.Log, batch({ 0: number, 2: T0 / 1000 + 900 * from }, [POWER], instants));
      await arrived;
    };
    const away = async (minutes: number) => {
      const known = rig.gateway.fleet.controllers.get('PAR-0001');
      await rig.during(
        () => known?.online === false,
        () => controller.drop(),
      );
      await pass(rig, minutes * 60000, 60000);
      controller = await rig.join('PAR-0001', birth({ 11: 1 }), report({ 0: ++number, 15: 0 }));
      await tell((rig.now - T0) / 1000, { [K.units]: watts(2000) });
    };
    /** @returns minutes after T0 of the measurements, and W */
    const logged = async () => {
      const entries = dataOf(await pulled(rig, 'log')).slice(0, -1);
      return entries.map(({ attributeValue: { timestamp, value } }) => [(Date.parse(timestamp) - T0) / 60000, value]);
    };

    it('128 takes the samples that it missed, with their own times, and no other', async () => {
      const samplingProfiles = [{ samplingStartTime: time(0), samplingPeriod: 'PT30M' }];
      await create(rig, logger('log', { recordingMode: { type: 'PeriodicRecordingMode', content, samplingProfiles } }));
      await pass(rig, 60000);
      await away(119);
      await record(1, 0, 4);
      await record(2, 4, 5);
      assert.deepEqual(await logged(), [
        [-0.2, 92.3],
        [120, 200],
        [30, 102],
        [60, 104],
        [90, 106],
      ]);
      await record(3, 8, 1);
      await pass(rig, 60 * 60000, 60000);
      assert.deepEqual(
        (await logged()).slice(5).map(([minute]) => minute),
        [120, 120],
        'live samples go on',
      );
    });

    it('128 fills the quarters of an hour in which it would have recorded by its own choice', async () => {
      await create(rig, logger('log', vendor(content)));
      await tell(60, { [K.units]: watts(1000) });
      await away(74);
      await record(1, 0, 6);
      assert.deepEqual(await logged(), [
        [1, 100],
        [75, 200],
        [15, 101],
        [30, 102],
        [45, 103],
        [60, 104],
      ]);
    });
  });

  it('129 events for every pull until they are reported, and 404 to an unknown logger', async () => {
    await create(rig, logger('log', { ...events('lightStateChange'), reportingMode: AT_ONCE }));
    await tell(6, { [K.level]: 0, [K.command]: 0, [K.since]: T0 / 1000 + 5 });
    for (let i = 0; i < 3; i++) assert.equal((await pulled(rig, 'log')).length, 1);
    assert.equal(refusalOf(await rig.call('GET', '/log-reports/none')), '404 resourceNotFound');
  });
});
