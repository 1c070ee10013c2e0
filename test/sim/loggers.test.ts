import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import { loadBoard } from '../../scripts/board-config.mjs';
import { assignment, calendar, program, to } from '../gateway/control-rig.ts';
import { type Data, dataOf, EVENTS } from '../gateway/logger-rig.ts';
import { CMS } from '../gateway/rig.ts';
import { TestCms } from '../gateway/test-cms.ts';
import { Bench, toLevel } from './bench.ts';

const ZONE = 'Europe/Brussels';
const BRUSSELS = { latitude: 50.8503, longitude: 4.3517 };
const at = (local: string) => DateTime.fromISO(local, { zone: ZONE }).toMillis();
const MINUTE = 60_000;

// Half past eleven to three, so that a program day ends at noon.
const MORNING = program('morning', [
  ['12:00', 90],
  ['11:40', 80],
]);
const DAY = program('day', [
  ['12:00', 60],
  ['12:20', 50],
  ['12:40', 40],
  ['13:00', 30],
  ['13:20', 20],
  ['13:40', 70],
]);

/** Two poles, their calendar, and a CMS that goes away for a while; so does the gateway. */
describe('a calendar from the CMS and what comes back of it, through real firmware', function () {
  this.timeout(60_000);
  let bench: Bench;
  let cms: TestCms;
  let lamps: string[];
  before(async () => {
    cms = new TestCms(CMS);
    await cms.listen();
    const board = await loadBoard('linux');
    bench = await Bench.open({
      begin: at('2026-05-04T11:30'),
      boards: [board, board],
      apart: true,
      gateway: { timeZone: ZONE, location: BRUSSELS, cms: [{ uri: cms.uri }], insecureHttp: true },
    });
    await bench.during(cms.until(3));
    const functions = [{ id: 'gateway', type: 'GatewayFunction', cmsAddress: { type: 'AttributeString', value: CMS } }];
    const path = `/devices/${cms.gatewayAddress}`;
    await bench.during(bench.rig.call('PATCH', path, { body: { functions }, bad: true }));
    await bench.ready();
    await bench.during(cms.until(7));
    // Soft start and first readings are over.
    await bench.run(2 * MINUTE, 500);
    lamps = [await bench.address(1), await bench.address(2)];
    const whiteList = ['calendarChange', 'programChange', 'lightStateChange', 'communicationFailure'];
    await bench.write('POST', '/logger-configs', {
      address: 'what-happens',
      ownerCMS: CMS,
      sourceAddresses: { whiteList: to(...lamps) },
      recordingMode: { ...EVENTS, sourceEvents: { whiteList } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 2 },
    });
    await bench.write('POST', '/logger-configs', {
      address: 'power',
      ownerCMS: CMS,
      sourceAddresses: { whiteList: to(`${lamps[0]}/lampMonitor1`) },
      recordingMode: {
        type: 'PeriodicRecordingMode',
        content: [{ function: { functionId: 'lampMonitor1', attributes: [{ name: 'activePower' }] } }],
        samplingProfiles: [{ samplingStartTime: '2026-05-04T00:15:00+02:00', samplingPeriod: 'PT30M' }],
      },
      reportingMode: { type: 'ScheduledReportingMode', times: ['12:50:00', '14:50:00'] },
    });
    await bench.write('POST', '/control-programs', [MORNING, DAY]);
    const street = calendar('street', [{ startDate: '2026-05-04', program: 'day' }], 'morning');
    await bench.write('POST', '/calendars', [street]);
    await bench.write('POST', '/assign-commands', { ...assignment('street', ...lamps), cmsRefId: 'asg-1' });
  });
  after(async () => {
    await bench.close();
    await cms.close();
    assert.deepEqual(cms.violations, []);
  });

  const entries = (logger: string): { cmsRefId?: string; data: Data }[] =>
    cms.reports
      .filter(({ status, body }) => status === 201 && body.address === logger)
      .flatMap((one) => one.body.entries);
  const of = (lamp: string, eventType: string) =>
    dataOf(entries('what-happens')).filter(
      ({ srcAddress, eventType: type }) => srcAddress.startsWith(lamp) && type === eventType,
    );
  /** Local time to the second, since lamps change at the second. */
  const clock = (timestamp: string) => DateTime.fromISO(timestamp, { zone: ZONE }).toFormat('HH:mm:ss');
  const changes = (lamp: string) =>
    of(lamp, 'lightStateChange').map(({ timestamp, command }): [string, number, string] => [
      clock(timestamp),
      command.state.value,
      command.refAddress,
    ]);
  /** Lets time run until the CMS has heard of so many changes of the first lamp. */
  const heard = (count: number) => bench.until(() => changes(lamps[0]).length >= count, 90_000, 100);

  it('tells of the calendar with the token of its assignment, and of the program and the level that it brings', async () => {
    await bench.runTo(at('2026-05-04T11:40:05'));
    await heard(2);
    for (const lamp of lamps) {
      const [assigned, ...more] = entries('what-happens').filter(
        ({ data }) => data.srcAddress.startsWith(lamp) && data.eventType === 'calendarChange',
      );
      assert.equal(more.length, 0);
      assert.equal(assigned.cmsRefId, 'asg-1');
      assert.equal(assigned.data.attributes[0].value.value, 'street');
      const [program, ...rest] = of(lamp, 'programChange');
      assert.equal(rest.length, 0);
      assert.equal(program.attributes[0].value.value.refAddress, 'morning');
      // Before 11:40 the last control of the day before holds.
      assert.deepEqual(
        changes(lamp).map(([, value, source]) => [value, source]),
        [
          [90, 'morning'],
          [80, 'morning'],
        ],
      );
      assert.equal(changes(lamp)[1][0], '11:40:00');
    }
  });

  it('tells at noon, when the next program day begins, of the other program and its level', async () => {
    await bench.runTo(at('2026-05-04T12:21'));
    await heard(4);
    for (const lamp of lamps) {
      assert.deepEqual(changes(lamp).slice(2), [
        ['12:00:00', 60, 'day'],
        ['12:20:00', 50, 'day'],
      ]);
      const program = of(lamp, 'programChange')[1];
      assert.deepEqual([clock(program.timestamp), program.attributes[0].value.value.refAddress], ['12:00:00', 'day']);
    }
  });

  it('tells of an override with the token of the CMS, and of the program that takes over at its end', async () => {
    const expiration = new Date(bench.now + 3 * MINUTE).toISOString();
    await bench.override(1, toLevel(100, { cmsRefId: 'op-7', expiration }));
    await heard(5);
    await bench.run(4 * MINUTE, 500);
    await heard(6);
    const [override, back] = entries('what-happens')
      .filter(({ data }) => data.srcAddress.startsWith(lamps[0]) && data.eventType === 'lightStateChange')
      .slice(4);
    assert.equal(override.cmsRefId, 'op-7');
    assert.deepEqual(
      [override.data.command.state.value, override.data.command.reason, override.data.command.cmsRefId],
      [100, 'override', 'op-7'],
    );
    assert.equal(back.cmsRefId, undefined);
    assert.deepEqual([back.data.command.state.value, back.data.command.refAddress], [50, 'day']);
    assert.equal(of(lamps[0], 'programChange').length, 2, 'the program went on behind it');
  });

  it('gives the CMS each change once, in order and at its own time, after both it and the gateway were away', async () => {
    const before = changes(lamps[0]).length;
    await bench.runTo(at('2026-05-04T12:39'));
    const port = Number(new URL(cms.uri).port);
    await cms.close();
    await bench.runTo(at('2026-05-04T13:10'));
    await bench.rig.gateway.close();
    await bench.startGateway();
    await bench.ready();
    await bench.runTo(at('2026-05-04T13:30'));
    await cms.listen(port);
    await bench.runTo(at('2026-05-04T13:41'));
    await bench.run(16 * MINUTE, 500);
    await bench.until(() => changes(lamps[1]).length >= 8, 90_000, 100);
    const expected = [
      ['12:40:00', 40, 'day'],
      ['13:00:00', 30, 'day'],
      ['13:20:00', 20, 'day'],
      ['13:40:00', 70, 'day'],
    ];
    assert.deepEqual(changes(lamps[0]).slice(before), expected);
    assert.deepEqual(changes(lamps[1]).slice(4), expected);
    // In order for each lamp; nothing was told of links, which broke and came back with the gateway alone.
    for (const lamp of lamps) {
      const times = dataOf(entries('what-happens'))
        .filter(({ srcAddress, eventType }) => srcAddress.startsWith(lamp) && eventType === 'lightStateChange')
        .map(({ timestamp }) => Date.parse(timestamp));
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      assert.deepEqual(of(lamp, 'communicationFailure'), []);
    }
  });

  it('sampled the power every half hour, with the instants of the meter, and reported it at its times', async () => {
    await bench.runTo(at('2026-05-04T14:51'));
    await bench.until(() => entries('power').length >= 7, 20_000, 100);
    const samples = dataOf(entries('power'));
    assert.deepEqual(
      samples.map(({ timestamp, attributeValue }) => [clock(timestamp), attributeValue.value]),
      // 60 W at full light; the meter sees the level.
      [
        ['11:45:00', 48],
        ['12:15:00', 36],
        ['12:45:00', 24],
        ['13:15:00', 18],
        ['13:45:00', 42],
        ['14:15:00', 42],
        ['14:45:00', 42],
      ],
    );
    for (const { timestamp, attributeValue } of samples) {
      const age = Date.parse(timestamp) - Date.parse(attributeValue.timestamp);
      assert.ok(age >= 0 && age <= 2 * MINUTE, `measured ${age} ms before`);
    }
    assert.deepEqual(
      cms.reports.filter(({ body }) => body.address === 'power').map(({ body }) => body.entries.length),
      [3, 4],
    );
  });

  it('69 128 tells of a lamp that fails while its controller is cut off, at the time of the failure, and of its repair', async () => {
    const whiteList = ['lampFailure', 'communicationFailure'];
    await bench.write('POST', '/logger-configs', {
      address: 'faults',
      ownerCMS: CMS,
      sourceAddresses: { whiteList: to(lamps[1]) },
      recordingMode: { ...EVENTS, sourceEvents: { whiteList } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    const [, pole] = bench.poles;
    const { fleet } = bench.rig.gateway;
    pole.sim.network.refuse = true;
    pole.sim.network.cut();
    await bench.until(() => fleet.controllers.get('pole-2')?.online === false, 5 * MINUTE, 500);
    const broken = bench.now;
    pole.lamp.fail({ gear: 'open' });
    await bench.run(10 * MINUTE, 500);
    pole.sim.network.refuse = false;
    await bench.until(() => entries('faults').length >= 3, 60 * MINUTE, 500);
    const repaired = bench.now;
    pole.lamp.repair();
    await bench.until(() => entries('faults').length >= 4, 10 * MINUTE, 500);
    const told = dataOf(entries('faults'));
    assert.deepEqual(
      told.map(({ eventType, startEndFlag }) => [eventType, startEndFlag]),
      [
        ['communicationFailure', true],
        ['communicationFailure', false],
        ['lampFailure', true],
        ['lampFailure', false],
      ],
    );
    const [, , failure, end] = told;
    const [since, until] = [failure, end].map(({ timestamp }) => Date.parse(timestamp));
    assert.ok(since > broken && since < broken + 5 * MINUTE, `${(since - broken) / 1000} s after it broke`);
    assert.ok(until > repaired && until < repaired + 5 * MINUTE, `${(until - repaired) / 1000} s after its repair`);
    const power = failure.attributes.find(({ tag }: { tag: string }) => tag === 'activePower');
    assert.ok(power.value.value < 5, `${power.value.value} W of 42`);
    assert.equal(power.value.timestamp, failure.timestamp);
  });
});
